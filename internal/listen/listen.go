// Package listen opens TCP and Unix listeners whose connections cannot hang, crowd each other out or outlive the
// service: deadlines on every read and write, limits per client and in all, and an orderly end.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options say how a Listener treats its connections. The zero value sets no limit.
type Options struct {
	Idle     time.Duration // longest wait for the next byte in either direction
	Lifetime time.Duration // longest life of a connection
	QuickAck bool          // acknowledge at once (TCP): for peers that write in small pieces and wait, such as sendmail's milter client

	Limits *Limits               // may be shared among listeners; may be nil
	Exempt func(netip.Addr) bool // peers that speak for others (proxies) count in the total only; may be nil
	// Refuse may say goodbye to a connection that the limits refuse, within a second; it is closed then. May be nil.
	Refuse func(net.Conn, Reason)
	// Event is told of refusals and of errors of Accept. May be nil.
	Event func(Event)
}

// An Event is something that an operator may want to count.
type Event struct {
	Peer   string
	Reason Reason // of a refusal
	Err    error  // of Accept
}

// farewells bounds the connections that are being refused politely at a time; beyond, they are just closed.
const farewells = 32

// A Listener is a net.Listener that applies Options.
type Listener struct {
	inner net.Listener
	opt   Options
	bye   chan struct{} // one token a farewell under way

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	draining bool
	empty    chan struct{} // closed when draining and no connection is left
}

// Open listens on "host:port", or on a Unix socket if the address is a path.
func Open(ctx context.Context, address string, opt Options) (*Listener, error) {
	inner, err := open(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return Wrap(inner, opt), nil
}

func open(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	if !IsPath(address) {
		return lc.Listen(ctx, "tcp", address)
	}
	if err := CheckPath(address); err != nil {
		return nil, err
	}
	if err := clearSocket(ctx, address); err != nil {
		return nil, err
	}
	l, err := lc.Listen(ctx, "unix", address)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(address, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// IsPath says whether an address is the path of a Unix socket.
func IsPath(address string) bool { return strings.ContainsRune(address, '/') }

// maxPath is the longest path of a Unix socket in bytes (unix(7)). The kernel only says "invalid argument" of a longer one.
const maxPath = 107

// CheckPath refuses a path that no Unix socket can have.
func CheckPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("the path of the socket has %d bytes, and may have %d: choose a shorter one (%s)", len(path), maxPath, path)
	}
	return nil
}

// clearSocket removes the socket that a crash left behind, but not one on which somebody answers.
func clearSocket(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode()&os.ModeSocket == 0 {
		return errors.New("there is a file that is no socket")
	}
	d := net.Dialer{Timeout: time.Second}
	if c, err := d.DialContext(ctx, "unix", path); err == nil {
		c.Close()
		return errors.New("another process listens on it")
	}
	return os.Remove(path)
}

// Wrap applies opt to a listener.
func Wrap(inner net.Listener, opt Options) *Listener {
	if opt.Event == nil {
		opt.Event = func(Event) {}
	}
	if opt.Exempt == nil {
		opt.Exempt = func(netip.Addr) bool { return false }
	}
	return &Listener{
		inner: inner, opt: opt, bye: make(chan struct{}, farewells),
		conns: map[*Conn]struct{}{}, empty: make(chan struct{}),
	}
}

// Addr returns where it listens.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Accept returns the next connection within the limits. Only the end of the listener is an error.
func (l *Listener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		c, err := l.inner.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil { // out of files, most likely: wait until some are closed
			l.opt.Event(Event{Err: err})
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		if conn := l.admit(c); conn != nil {
			return conn, nil
		}
	}
}

// admit applies the limits.
func (l *Listener) admit(c net.Conn) *Conn {
	peer := Peer(c)
	leave := func() {}
	if l.opt.Limits != nil {
		key := peer
		if peer.IsValid() && l.opt.Exempt(peer) {
			key = netip.Addr{}
		}
		enter, refused := l.opt.Limits.Enter(key)
		if refused != Welcome {
			l.opt.Event(Event{Peer: peer.String(), Reason: refused})
			l.refuse(c, refused)
			return nil
		}
		leave = enter
	}
	conn := newConn(c, l, leave)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		c.Close()
		leave()
		return nil
	}
	l.conns[conn] = struct{}{}
	return conn
}

func (l *Listener) refuse(c net.Conn, why Reason) {
	if l.opt.Refuse == nil {
		c.Close()
		return
	}
	select {
	case l.bye <- struct{}{}:
	default:
		c.Close()
		return
	}
	c.SetDeadline(time.Now().Add(time.Second))
	go func() {
		defer func() { <-l.bye }()
		defer c.Close()
		l.opt.Refuse(c, why)
	}()
}

// Close stops listening. Connections go on.
func (l *Listener) Close() error { return l.inner.Close() }

// Shutdown stops listening, tells the connections (OnDrain), waits until they end and, when ctx ends first, closes them.
func (l *Listener) Shutdown(ctx context.Context) error {
	l.inner.Close() // it may be closed already
	for _, c := range l.drain() {
		c.drain()
	}
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range l.drain() {
		c.Close()
	}
	return ctx.Err()
}

// drain begins the end and returns the connections that are open.
func (l *Listener) drain() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.draining {
		l.draining = true
		if len(l.conns) == 0 {
			close(l.empty)
		}
	}
	open := make([]*Conn, 0, len(l.conns))
	for c := range l.conns {
		open = append(open, c)
	}
	return open
}

func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if l.draining && len(l.conns) == 0 {
		close(l.empty)
	}
}

// Serve accepts connections and handles each in a goroutine of its own until ctx ends. Connections then have grace to
// finish; what they did not use of it they are closed for. A handler's connection is closed when it returns.
func (l *Listener) Serve(ctx context.Context, grace time.Duration, handle func(context.Context, net.Conn)) error {
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-stopped:
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = l.Shutdown(end) // its error says that connections were closed, which is what grace means
	})
	for {
		c, err := l.Accept()
		if err != nil {
			close(stopped)
			wg.Wait()
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
		wg.Go(func() {
			defer c.Close()
			handle(ctx, c)
		})
	}
}
