package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"spoor/abusebox/intake/wire"
	"spoor/internal/listen"
)

// A Keeper keeps mails: a Spool. What it returns an ID for is on disk. It does not hold on to the mail's bytes.
type Keeper interface {
	Put(context.Context, Mail) (ID, error)
}

// Deps is what a Server needs of others.
type Deps struct {
	Spool    Keeper
	Logger   *slog.Logger
	Registry prometheus.Registerer // may be nil
	Now      func() time.Time      // time.Now if nil
	Dir      string                // the store's folder: the drop folder and the readers' places lie below it
	Instance string                // the desk's own mark, which its notices bear; empty if there are none
}

// A Server takes mail in by every way that its Config opens.
type Server struct {
	cfg        Config
	deps       Deps
	hostname   string
	recipients recipients
	users      users
	budget     budget
	limits     *listen.Limits
	mails      *listen.Rate
	cert       *certificate
	metrics    *serverMetrics
	ctx        context.Context // of Put: it outlives the drain, so that what was received is answered
	stopPuts   context.CancelFunc

	mu        sync.Mutex
	listeners []*door
}

// storeGrace is how long the end waits for a disk that is stuck in a sync.
const storeGrace = 10 * time.Second

// A door is one open listener with the go-smtp server behind it.
type door struct {
	lmtp bool
	base *listen.Listener
	wire *wire.Listener
	smtp *smtp.Server
}

// New prepares a Server. Nothing is opened before Listen or Run.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	hostname := cfg.Hostname
	if hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("intake: find the host's name: %w", err)
		}
		hostname = name
	}
	s := &Server{
		cfg: cfg, deps: deps, hostname: hostname,
		recipients: newRecipients(cfg.Recipients, hostname), users: newUsers(cfg.Users),
		budget: budget{max: cfg.MaxInflight.Bytes()},
		limits: listen.NewLimits(listen.Quota{
			Total: cfg.MaxConnections, PerClient: cfg.MaxConnectionsClient, PerMinute: cfg.ConnectionsPerMinute,
		}, deps.Now),
		mails: listen.NewRate(cfg.MailsPerMinute, deps.Now),
	}
	s.ctx, s.stopPuts = context.WithCancel(context.Background())
	s.metrics = newServerMetrics(deps.Registry, s)
	if cfg.TLSCert == "" {
		return s, nil
	}
	var err error
	s.cert, err = newCertificate(cfg.TLSCert, cfg.TLSKey, deps.Logger, deps.Now)
	return s, err
}

// Listen opens the listeners. Run does it where nobody has.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners != nil {
		return nil
	}
	for _, a := range s.cfg.SMTP {
		if err := s.open(ctx, a, false); err != nil {
			return errors.Join(err, s.closeDoors())
		}
	}
	for _, a := range s.cfg.LMTP {
		if err := s.open(ctx, a, true); err != nil {
			return errors.Join(err, s.closeDoors())
		}
	}
	return nil
}

func (s *Server) closeDoors() error {
	var errs []error
	for _, d := range s.listeners {
		errs = append(errs, d.wire.Close())
	}
	s.listeners = nil
	return errors.Join(errs...)
}

func (s *Server) open(ctx context.Context, address string, lmtp bool) error {
	base, err := listen.Open(ctx, address, listen.Options{
		Idle: s.cfg.IdleTimeout.Std(), Lifetime: s.cfg.SessionTimeout.Std(),
		Limits: s.limits, Exempt: s.speaksForOthers(lmtp), Refuse: s.sayBusy, Event: s.listenEvent,
	})
	if err != nil {
		return err
	}
	w := wire.Config{
		Hostname: s.hostname, MaxSize: s.cfg.MaxSize.Bytes(), ProxyFrom: s.cfg.Proxies, Xclient: s.cfg.Xclient, Event: s.wireEvent,
	}
	if s.cert != nil {
		w.TLS = s.cert.config()
	}
	s.listeners = append(s.listeners, &door{lmtp: lmtp, base: base, wire: wire.NewListener(base, w), smtp: s.newSMTP(lmtp)})
	return nil
}

// newSMTP configures go-smtp to leave to the wire what it would get wrong itself: size, lines, timeouts, TLS.
func (s *Server) newSMTP(lmtp bool) *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		conn, ok := c.Conn().(*wire.Conn)
		if !ok {
			return nil, errors.New("intake: a connection that is not ours")
		}
		return &session{server: s, smtp: c, conn: conn, lmtp: lmtp, user: conn.Peer().Login}, nil
	}))
	srv.Domain = s.hostname
	srv.LMTP = lmtp
	srv.MaxRecipients = s.cfg.MaxRecipients
	srv.MaxLineLength = 0
	srv.MaxMessageBytes = 0
	srv.EnableSMTPUTF8 = true
	srv.AllowInsecureAuth = true // AuthMechanisms decides: go-smtp does not see our TLS
	srv.ErrorLog = slog.NewLogLogger(s.deps.Logger.Handler(), slog.LevelDebug)
	return srv
}

// speaksForOthers exempts proxies, and the MTA that hands on by LMTP, from the limits of one client.
func (s *Server) speaksForOthers(lmtp bool) func(netip.Addr) bool {
	return func(a netip.Addr) bool {
		for _, nets := range [][]netip.Prefix{s.cfg.Proxies, s.cfg.Xclient} {
			for _, n := range nets {
				if n.Contains(a) {
					return true
				}
			}
		}
		return lmtp
	}
}

func (s *Server) sayBusy(c net.Conn, why listen.Reason) {
	text := "421 4.3.2 Too many connections, try again later\r\n"
	if why != listen.TooMany {
		text = "421 4.7.0 Too many connections from your address, try again later\r\n"
	}
	_, _ = io.WriteString(c, text) // a client that has left needs no answer
}

func (s *Server) listenEvent(e listen.Event) {
	if e.Err != nil {
		s.deps.Logger.Error("accept connection", "err", e.Err)
		return
	}
	s.metrics.refused("connection_" + string(e.Reason))
}

func (s *Server) wireEvent(what string, peer netip.Addr, err error) {
	if why, refused := strings.CutPrefix(what, "refused: "); refused {
		s.metrics.refused("connection_" + why)
	} else {
		s.metrics.refused("protocol")
	}
	s.deps.Logger.Debug("smtp: "+what, "peer", peer, "err", err)
}

// Addrs returns where the server listens: SMTP first, then LMTP, in the order of the configuration.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []net.Addr
	for _, d := range s.listeners {
		addrs = append(addrs, d.base.Addr())
	}
	return addrs
}

// Run serves until ctx ends, then lets mails under way finish for drain_timeout.
func (s *Server) Run(ctx context.Context) error {
	defer s.stopPuts()
	if err := s.Listen(ctx); err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	s.mu.Lock()
	doors := s.listeners
	s.mu.Unlock()
	for _, d := range doors {
		g.Go(func() error { return s.serve(ctx, d) })
	}
	s.runReaders(ctx, g)
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("intake: %w", err)
	}
	return nil
}

// serve runs one door. When ctx ends it stops accepting; go-smtp's own Shutdown would leave idle clients served.
func (s *Server) serve(ctx context.Context, d *door) error {
	served := make(chan error, 1)
	go func() { served <- d.smtp.Serve(d.wire) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout.Std())
	defer cancel()
	_ = d.base.Shutdown(grace) // that it had to close some is what the timeout is for
	_ = d.wire.Close()         // the listener below is closed already
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), storeGrace)
	defer cancelEnd()
	_ = d.smtp.Shutdown(end) // waits for the sessions, of which none has a connection any more
	if ctx.Err() != nil {
		return nil
	}
	return err
}
