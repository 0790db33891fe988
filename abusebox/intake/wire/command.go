package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// nextCommand reads command lines until there is one for go-smtp, and keeps that in c.pending.
func (c *Conn) nextCommand() error {
	for {
		line, err := c.nextLine()
		if err != nil {
			return err
		}
		if c.verb == "AUTH" && c.lastCode() == "334" { // an answer to a challenge, no command
			c.pending = line
			return nil
		}
		c.verb = verbOf(line)
		done, err := c.intercept(line)
		if err != nil || done {
			return err
		}
	}
}

// nextLine returns the command that broke a BDAT off, or reads one behind a chunk that was refused.
func (c *Conn) nextLine() ([]byte, error) {
	if line := c.queued; line != nil {
		c.queued = nil
		return line, nil
	}
	if err := c.skipChunk(); err != nil {
		return nil, err
	}
	return c.readLine()
}

// readLine reads one command line, which is good until the next. A clean end between two is io.EOF.
func (c *Conn) readLine() ([]byte, error) {
	if c.isDraining() {
		c.fail(errDraining)
		return nil, io.EOF
	}
	if err := c.await(); err != nil {
		c.fail(err)
		return nil, io.EOF
	}
	if bytes.IndexByte(c.buffered(), '\n') < 0 {
		if err := c.flush(); err != nil {
			c.fail(err)
			return nil, io.EOF
		}
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		if len(line) >= readBuffer {
			err = errLine
		}
		c.fail(err)
		return nil, io.EOF
	}
	c.line = append(c.line[:0], line...)
	return c.line, nil
}

func (c *Conn) buffered() []byte {
	b, _ := c.in.Peek(c.in.Buffered()) // what is buffered can be peeked at
	return b
}

func (c *Conn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

func (c *Conn) lastCode() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code
}

// verbOf reads a command line as go-smtp does.
func verbOf(line []byte) string {
	s := bytes.TrimRight(line, "\r\n")
	if !plainASCII(s) {
		s = bytes.ToUpper(s) // some letters become ASCII
	}
	var verb [8]byte
	for i := range copy(verb[:], s) {
		if ch := verb[i]; 'a' <= ch && ch <= 'z' {
			verb[i] -= 'a' - 'A'
		}
	}
	switch {
	case string(verb[:]) == "STARTTLS":
		return "STARTTLS"
	case string(verb[:7]) == "XCLIENT" && (len(s) == 7 || s[7] == ' '):
		return "XCLIENT"
	case string(verb[:4]) == "BDAT", len(s) == 4, len(s) > 5 && s[4] == ' ':
		return string(verb[:4])
	}
	return ""
}

func plainASCII(s []byte) bool {
	for _, ch := range s {
		if ch >= 0x80 {
			return false
		}
	}
	return true
}

func argOf(line []byte) string {
	s := strings.TrimRight(string(line), "\r\n")
	if len(s) < 6 {
		return ""
	}
	return strings.TrimSpace(s[5:])
}

// intercept handles the commands that are ours. done means that go-smtp gets c.pending, or that it is done with this Conn.
func (c *Conn) intercept(line []byte) (done bool, err error) {
	if wrong := malformed(c.verb, line); wrong != "" {
		return false, c.say("%s", wrong)
	}
	switch c.verb {
	case "STARTTLS":
		return c.startTLS(line)
	case "XCLIENT":
		return c.xclient(line)
	case "EHLO", "LHLO", "HELO":
		c.extended = c.verb != "HELO"
	case "BDAT":
		if err := c.beginChunk(line); err != nil {
			c.fail(err)
			return false, io.EOF
		}
		line = []byte("DATA\r\n")
	case "RCPT":
		line = c.completeLocal(line)
	}
	c.pending = line
	return true, nil
}

// completeLocal gives a mailbox without a domain ours: RFC 5321 §4.5.1 wants <postmaster> accepted, which go-smtp does not,
// and sendmail's local mailers name their users so over LMTP.
func (c *Conn) completeLocal(line []byte) []byte {
	s := string(line)
	open := strings.IndexByte(s, '<')
	end := strings.IndexByte(s, '>')
	if open < 4 || end < open || strings.ToUpper(strings.TrimSpace(s[4:open])) != "TO:" {
		return line
	}
	local := s[open+1 : end]
	if local == "" || strings.ContainsAny(local, "@\" \t") {
		return line
	}
	return []byte(s[:end] + "@" + c.l.cfg.Hostname + s[end:])
}

// cutLine splits p after its first line end.
func cutLine(p []byte) (line, rest []byte) {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return p[:i+1], p[i+1:]
	}
	return p, nil
}

// reply takes a piece of go-smtp's reply, at most to the end of a line. c.mu is held.
func (c *Conn) reply(piece []byte) {
	c.partial = append(c.partial, piece...)
	if !bytes.HasSuffix(c.partial, []byte("\n")) {
		return
	}
	line := plainly(c.partial)
	c.partial = c.partial[:0]
	if len(line) > 4 && line[3] == ' ' {
		c.code = string(line[:3])
	}
	if c.code == "354" && c.beginBody() || c.mute {
		return
	}
	if c.verb == "EHLO" || c.verb == "LHLO" {
		line = c.announce(line)
	}
	c.replies = append(c.replies, line...)
}

// beginBody is for go-smtp's 354, and says whether the client must not see it: it has said BDAT. c.mu is held.
func (c *Conn) beginBody() (hidden bool) {
	hidden = c.verb == "BDAT"
	if hidden || c.verb == "DATA" {
		c.verb, c.mode, c.dot, c.chunk.on = "", body, dotReader{}, hidden
	}
	return hidden
}

// announce completes go-smtp's reply to EHLO with what we offer ourselves. c.mu is held.
func (c *Conn) announce(line []byte) []byte {
	s := string(line)
	switch {
	case strings.HasPrefix(s, "250-Hello "):
		s += "250-STARTTLS\r\n"
		if c.l.cfg.TLS == nil || c.peer.TLS != nil {
			s = string(line)
		}
		if c.allowed {
			s += "250-XCLIENT ADDR NAME HELO LOGIN PORT PROTO DESTADDR DESTPORT\r\n"
		}
	case len(s) > 4 && strings.TrimRight(s[4:], "\r\n") == "SIZE" && c.l.cfg.MaxSize > 0:
		s = fmt.Sprintf("%sSIZE %d\r\n", s[:4], c.l.cfg.MaxSize)
	}
	return []byte(s)
}

// say answers a command that go-smtp does not see.
func (c *Conn) say(format string, args ...any) error {
	c.mu.Lock()
	c.replies = fmt.Appendf(c.replies, format+"\r\n", args...)
	c.mu.Unlock()
	return c.flush()
}

// handOver ends this Conn for go-smtp and goes on with next.
func (c *Conn) handOver(next *Conn) (bool, error) {
	c.mu.Lock()
	c.moved = true
	c.mu.Unlock()
	c.l.deliver(next)
	return true, io.EOF
}
