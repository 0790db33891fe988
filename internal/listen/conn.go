package listen

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is a net.Conn of which no read or write waits longer than its listener allows. Deadlines that its user sets
// hold beside those.
type Conn struct {
	net.Conn
	l      *Listener
	leave  func()
	end    time.Time // of its life; zero is none
	closed sync.Once
	ack    *net.TCPConn // for QuickAck; else nil

	mu          sync.Mutex
	read, write time.Time // the user's deadlines
	onDrain     func()
	draining    bool
}

func newConn(c net.Conn, l *Listener, leave func()) *Conn {
	conn := &Conn{Conn: c, l: l, leave: leave}
	if l.opt.Lifetime > 0 {
		conn.end = time.Now().Add(l.opt.Lifetime)
	}
	if tcp, ok := c.(*net.TCPConn); ok && l.opt.QuickAck {
		conn.ack = tcp
	}
	return conn
}

// Peer returns the address of a TCP connection's other end, unmapped; it is invalid for others.
func Peer(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

func (c *Conn) Read(p []byte) (int, error) {
	if err := c.arm(c.Conn.SetReadDeadline, &c.read, 0); err != nil {
		return 0, err
	}
	c.quickAck()
	return c.Conn.Read(p)
}

func (c *Conn) Write(p []byte) (int, error) {
	if err := c.arm(c.Conn.SetWriteDeadline, &c.write, farewell); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// farewell is how long after the end of its life a connection may still say that it ends.
const farewell = 2 * time.Second

// arm sets the earliest of the deadlines that hold.
func (c *Conn) arm(set func(time.Time) error, user *time.Time, late time.Duration) error {
	if c.l.opt.Idle == 0 && c.end.IsZero() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return set(c.earliest(*user, late))
}

func (c *Conn) earliest(user time.Time, late time.Duration) time.Time {
	t := user
	end := c.end
	if !end.IsZero() {
		end = end.Add(late)
	}
	if c.l.opt.Idle > 0 {
		t = sooner(t, time.Now().Add(c.l.opt.Idle))
	}
	return sooner(t, end)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// SetReadDeadline sets the user's own deadline, beside the listener's.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	return c.Conn.SetReadDeadline(c.earliest(t, 0))
}

// SetWriteDeadline sets the user's own deadline, beside the listener's.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	return c.Conn.SetWriteDeadline(c.earliest(t, farewell))
}

// SetDeadline sets both.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// OnDrain has f called once when the service ends, at once if it is ending: a protocol in which the server may speak
// first can then say goodbye.
func (c *Conn) OnDrain(f func()) {
	c.mu.Lock()
	draining := c.draining
	c.onDrain = f
	c.mu.Unlock()
	if draining {
		f()
	}
}

func (c *Conn) drain() {
	c.mu.Lock()
	f := c.onDrain
	first := !c.draining
	c.draining = true
	c.mu.Unlock()
	if first && f != nil {
		f()
	}
}

// Limits returns its listener's limits, which may be nil.
func (c *Conn) Limits() *Limits { return c.l.opt.Limits }

// Close closes the connection and gives its place in the limits back.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.closed.Do(func() {
		c.leave()
		c.l.forget(c)
	})
	return err
}

func (c *Conn) quickAck() {
	if c.ack == nil {
		return
	}
	raw, err := c.ack.SyscallConn()
	if err != nil {
		return
	}
	// An error costs time only.
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}
