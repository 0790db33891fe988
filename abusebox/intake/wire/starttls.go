package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"strings"
)

// startTLS answers STARTTLS (RFC 3207): go-smtp sees a new connection above TLS, which is ours again, and knows nothing
// of what was said before.
func (c *Conn) startTLS(line []byte) (done bool, err error) {
	switch {
	case strings.TrimSpace(string(line[len("STARTTLS"):])) != "":
		return false, c.say("501 5.5.4 STARTTLS takes no parameters")
	case c.peer.TLS != nil:
		return false, c.say("503 5.5.1 TLS is on already")
	case c.l.cfg.TLS == nil:
		return false, c.say("502 5.5.1 TLS is not offered")
	}
	// Whatever was sent along with STARTTLS was not protected by TLS, and is dropped (RFC 3207 §4.2).
	if _, err := c.in.Discard(c.in.Buffered()); err != nil {
		return false, err
	}
	if err := c.say("220 2.0.0 Ready to start TLS"); err != nil {
		return false, c.fail(err)
	}
	t := tls.Server(c.base, c.l.cfg.TLS)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.l.cfg.Event("TLS handshake", c.peer.Addr, err)
		c.die(err)
		return false, io.EOF
	}
	next := c.successor()
	next.transport, next.in = t, bufio.NewReaderSize(t, readBuffer)
	state := t.ConnectionState()
	next.peer.TLS = &state
	next.mute = true // RFC 3207 knows no second greeting
	return c.handOver(next)
}

// die ends the connection without a word: the client would not understand it.
func (c *Conn) die(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead, c.replies = err, nil
}
