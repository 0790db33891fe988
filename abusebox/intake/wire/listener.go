// Package wire stands between the network and go-smtp. It hands go-smtp one command at a time, reads the DATA body itself,
// answers STARTTLS, XCLIENT and PROXY, and so closes what that library leaves open: a cut-off BDAT that looks whole, a
// body whose rest is run as commands after a timeout, <postmaster> without a domain, a wrapper that TLS bypasses.
package wire

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"spoor/internal/listen"
)

// Config says what a Listener's connections offer, and to whom.
type Config struct {
	Hostname  string         // of this server; completes <postmaster>
	MaxSize   int64          // of a message, in bytes, as announced
	TLS       *tls.Config    // nil: no STARTTLS
	ProxyFrom []netip.Prefix // peers whose connections begin with a PROXY header
	Xclient   []netip.Prefix // peers that may say XCLIENT
	Event     func(what string, peer netip.Addr, err error)
}

const (
	handshakeTime = 30 * time.Second // for a PROXY header or a TLS handshake
	farewellTime  = 2 * time.Second  // to tell a client why it is cut off
)

// A Listener wraps the connections of another one. go-smtp serves it.
type Listener struct {
	inner net.Listener
	cfg   Config
	ready chan *Conn
	done  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	mu  sync.Mutex
	err error // of the inner Accept
}

// NewListener begins to accept from inner.
func NewListener(inner net.Listener, cfg Config) *Listener {
	if cfg.Event == nil {
		cfg.Event = func(string, netip.Addr, error) {}
	}
	l := &Listener{inner: inner, cfg: cfg, ready: make(chan *Conn), done: make(chan struct{})}
	l.wg.Go(l.acceptLoop)
	return l
}

// Addr returns where the inner listener listens.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Accept returns the next connection: a new one, or one that goes on after STARTTLS or XCLIENT.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, errors.Join(net.ErrClosed, l.err)
	}
}

// Close stops accepting, new connections and those that would go on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.inner.Close()
}

func (l *Listener) acceptLoop() {
	for {
		c, err := l.inner.Accept()
		if err != nil {
			l.mu.Lock()
			l.err = err
			l.mu.Unlock()
			l.once.Do(func() { close(l.done) })
			return
		}
		conn := newConn(c, l, Peer{Addr: listen.Peer(c)})
		if !contains(l.cfg.ProxyFrom, conn.peer.Addr) {
			l.deliver(conn)
			continue
		}
		l.wg.Go(func() { l.proxied(conn) })
	}
}

// deliver hands a connection to go-smtp and says whether it was taken.
func (l *Listener) deliver(c *Conn) bool {
	select {
	case l.ready <- c:
		return true
	case <-l.done:
		c.Close()
		return false
	}
}

// proxied reads the PROXY header and applies the limits of the client that it names.
func (l *Listener) proxied(c *Conn) {
	c.transport.SetReadDeadline(time.Now().Add(handshakeTime))
	client, err := readProxyHeader(c.in)
	if err != nil {
		l.cfg.Event("bad PROXY header", c.peer.Addr, err)
		c.transport.Close()
		return
	}
	c.transport.SetReadDeadline(time.Time{})
	if client.IsValid() && !c.becomes(client) {
		return
	}
	l.deliver(c)
}

func contains(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if a.IsValid() && n.Contains(a) {
			return true
		}
	}
	return false
}
