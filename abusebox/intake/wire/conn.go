package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"spoor/internal/listen"
)

const (
	readBuffer = 16 << 10 // bytes; also the longest command line
	maxReplies = 16 << 10 // bytes of replies that wait for the next read
)

// A Peer is who is at the other end, as the connection itself or a configured proxy says.
type Peer struct {
	Addr  netip.Addr // unmapped; invalid on a Unix socket
	Helo  string     // by XCLIENT; empty otherwise
	Login string     // by XCLIENT; empty otherwise
	TLS   *tls.ConnectionState
}

// A mode is what the next bytes of the client are.
type mode int

const (
	commands mode = iota
	body          // of DATA, up to the line with a dot, or of BDAT
	bodyEnd       // read by us; go-smtp is still to see the dot
)

// A Conn is the net.Conn that go-smtp sees. Its Read gives it one command line at a time, whose reply is thus known
// before the next is read.
type Conn struct {
	transport net.Conn // plain or TLS
	base      net.Conn // below TLS: the listener's
	in        *bufio.Reader
	l         *Listener
	peer      Peer
	allowed   bool   // to say XCLIENT: judged by the connection, never by what a proxy says
	leave     func() // gives back the place of a client that a proxy named

	verb     string // of the last command
	extended bool   // EHLO or LHLO rather than HELO
	line     []byte // the last command line
	pending  []byte // the rest of a command line that go-smtp is still to read
	queued   []byte // the command that broke a BDAT off, to be run next
	dot      dotReader
	chunk    chunk

	mu       sync.Mutex
	mode     mode
	replies  []byte // not written yet
	partial  []byte // the beginning of the reply line being written
	code     string // of the last reply
	mute     bool   // what go-smtp says until its next read is not for the client
	dead     error  // once set, nothing is read or written any more
	moved    bool   // the transport goes on in another Conn
	finished bool   // the reply that is being written is the last
	draining bool
}

func newConn(c net.Conn, l *Listener, p Peer) *Conn {
	conn := &Conn{transport: c, base: c, in: bufio.NewReaderSize(c, readBuffer), l: l, peer: p, leave: func() {}}
	conn.allowed = contains(l.cfg.Xclient, p.Addr)
	conn.watchDrain()
	return conn
}

// successor returns the Conn that goes on with c's transport, as a new session to go-smtp.
func (c *Conn) successor() *Conn {
	next := &Conn{transport: c.transport, base: c.base, in: c.in, l: c.l, peer: c.peer, allowed: c.allowed, leave: c.leave}
	next.watchDrain()
	return next
}

func (c *Conn) watchDrain() {
	if lc, ok := c.base.(*listen.Conn); ok {
		lc.OnDrain(c.drain)
	}
}

// Peer returns who is at the other end.
func (c *Conn) Peer() Peer { return c.peer }

// Extended says whether the client greeted with EHLO or LHLO.
func (c *Conn) Extended() bool { return c.extended }

// becomes gives the connection the client that a proxy names, within that client's limits.
func (c *Conn) becomes(client netip.Addr) bool {
	c.leave()
	c.leave = func() {}
	if lc, ok := c.base.(*listen.Conn); ok && lc.Limits() != nil {
		leave, refused := lc.Limits().EnterClient(client)
		if refused != listen.Welcome {
			c.l.cfg.Event("refused: "+string(refused), client, nil)
			c.fail(errRefused)
			c.Close()
			return false
		}
		c.leave = leave
	}
	c.peer.Addr = client
	return true
}

var (
	errRefused  = errors.New("wire: the client has too many connections")
	errDraining = errors.New("wire: the service is shutting down")
	errLine     = errors.New("wire: a command line is too long")
	errChunk    = errors.New("wire: a BDAT without a size that could be skipped")
)

// farewell is what a client is told when it is cut off; empty for one that has left.
func farewell(err error) string {
	switch {
	case errors.Is(err, errRefused):
		return "421 4.7.0 Too many connections from your address, try again later\r\n"
	case errors.Is(err, errDraining):
		return "421 4.3.2 Service is shutting down, try again later\r\n"
	case errors.Is(err, errLine):
		return "500 5.5.2 Line too long, closing the connection\r\n"
	case errors.Is(err, errChunk):
		return "501 5.5.4 Malformed BDAT, closing the connection\r\n"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "421 4.4.2 Timeout, closing the connection\r\n"
	}
	return ""
}

// fail ends the connection for good: after a timeout in a body the rest of it must never be read as commands, and a
// cut-off chunk never as a whole one.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return c.dead
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.draining {
		err = errDraining
	}
	c.dead = err
	c.base.SetWriteDeadline(time.Now().Add(farewellTime))
	// The client may have left: there is nobody else to tell.
	_, _ = c.transport.Write(append(c.replies, farewell(err)...))
	c.replies = nil
	return err
}

// Read gives go-smtp the next command line, the chunk of BDAT, or the dot that ends a body.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	if err := c.ended(); err != nil {
		return 0, err
	}
	switch c.current() {
	case body: // go-smtp skips what the session did not read
		if _, err := io.Copy(io.Discard, c.bodyReader()); err != nil && !errors.Is(err, ErrReset) {
			return 0, io.ErrUnexpectedEOF
		}
		fallthrough
	case bodyEnd:
		c.set(commands)
		c.chunk.on = false
		c.pending = []byte(".\r\n")
	default:
		c.unmute()
		if err := c.nextCommand(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// Finish ends the connection after the reply that go-smtp is about to write.
func (c *Conn) Finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = true
}

// ended says that nothing is to be read any more.
func (c *Conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil || c.moved || c.finished {
		return io.EOF
	}
	return nil
}

func (c *Conn) current() mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode
}

func (c *Conn) set(m mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
}

// unmute is for when go-smtp is done with what it said.
func (c *Conn) unmute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = false
}

// await waits until the client has sent something, after telling it what go-smtp has answered.
func (c *Conn) await() error {
	if c.in.Buffered() > 0 {
		return nil
	}
	if err := c.flush(); err != nil {
		return err
	}
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	return nil
}

// Write keeps replies until the next read would wait, so that a group of them makes one packet.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil || c.moved {
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		c.reply(line)
	}
	if len(c.replies) > maxReplies {
		return len(p), c.flushLocked()
	}
	return len(p), nil
}

func (c *Conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *Conn) flushLocked() error {
	if len(c.replies) == 0 {
		return nil
	}
	_, err := c.transport.Write(c.replies)
	c.replies = c.replies[:0]
	return err
}

// Close writes what waits and closes the connection, unless it goes on after STARTTLS or XCLIENT.
func (c *Conn) Close() error {
	c.mu.Lock()
	moved := c.moved
	if !moved && c.dead == nil {
		_ = c.flushLocked() // the client may have left
	}
	c.mu.Unlock()
	if moved {
		return nil
	}
	c.leave()
	return c.transport.Close()
}

// drain tells a client that waits for nothing that the service ends; one in a body may finish it.
func (c *Conn) drain() {
	c.mu.Lock()
	c.draining = true
	waiting := c.mode == commands && c.dead == nil && !c.moved
	c.mu.Unlock()
	if waiting {
		c.base.SetReadDeadline(time.Now().Add(-time.Second))
	}
}

// LocalAddr returns our end of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.base.LocalAddr() }

// RemoteAddr returns the other end: a proxy, where there is one.
func (c *Conn) RemoteAddr() net.Addr { return c.base.RemoteAddr() }

// SetDeadline does nothing: the listener below knows better how long to wait.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, as SetDeadline.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, as SetDeadline.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
