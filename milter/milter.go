// Package milter is the plug-in of MTAs (Postfix, sendmail): it finds out where
// each message entered, says so in header fields, and does with the message
// what the configured rules say. What it cannot decide in time passes.
//
// The protocol is milter version 6, as libmilter speaks it; the bytes are read
// by emersion/go-milter behind a wire that closes its gaps.
package milter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gomilter "github.com/emersion/go-milter"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"spoor/internal/listen"
)

// Deps is what a Server needs of others. Everything but Tracer may be nil.
type Deps struct {
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time
	Tracer  Tracer
	Lookups Lookups
	Desk    Desk
}

// A Server answers MTAs.
type Server struct {
	cfg        Config
	log        *slog.Logger
	now        func() time.Time
	counters   *counters
	judge      *judge
	ledger     *ledger
	stages     [stages]bool
	dryRun     bool
	authservID string
	hostname   string
	maxHeader  int
	bodyLimit  int
	actions    gomilter.OptAction // that we ask every MTA for
	protocol   gomilter.OptProtocol
	crew       crew

	listeners     []*listen.Listener
	lastUndecided atomic.Int64 // second of the last log line about one

	refused atomic.Bool // a limit was logged since the last connection within it
}

// New makes a Server of a valid configuration.
func New(cfg Config, deps Deps) *Server {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	hostname, err := os.Hostname()
	if err != nil || !validID(hostname) || hostname == "" {
		hostname = "localhost"
	}
	c := newCounters(deps.Metrics)
	p := newPolicy(cfg)
	return &Server{
		cfg: cfg, log: deps.Log, now: deps.Now, counters: c,
		judge: &judge{
			tracer: deps.Tracer, lookups: deps.Lookups, policy: p,
			rates: newRateTable(cfg.MaxHosts, c.evicted.Inc), now: deps.Now,
			watch: newWatch(cfg, time.Now), log: deps.Log, counters: c,
		},
		ledger: newLedger(deps.Desk, cfg, deps.Now, deps.Log, c),
		stages: p.judges(), dryRun: cfg.DryRun, authservID: cfg.AuthservID, hostname: hostname,
		maxHeader: int(cfg.MaxHeader.Bytes()), bodyLimit: int(cfg.BodyLimit.Bytes()),
		actions: wantedActions(p), protocol: wantedProtocol(p, cfg.DryRun),
	}
}

// Listen opens everything that the configuration names. Run does so by itself; who
// calls Listen before knows when MTAs can connect, and where (Addrs).
func (s *Server) Listen(ctx context.Context) error {
	limits := listen.NewLimits(listen.Quota{Total: s.cfg.MaxConnections}, nil)
	for _, address := range s.cfg.Listen {
		l, err := listen.Open(ctx, address, listen.Options{
			QuickAck: true, Limits: limits, Event: s.event,
		})
		if err == nil {
			s.listeners = append(s.listeners, l)
			err = s.own(address)
		}
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("milter: %w", err)
		}
	}
	return nil
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close() // nobody has connected yet
	}
	s.listeners = nil
}

// own gives a Unix socket its owner and mode.
func (s *Server) own(address string) error {
	if !listen.IsPath(address) {
		return nil
	}
	mode, err := parseMode(s.cfg.SocketMode)
	if err != nil {
		return fmt.Errorf("socket_mode: %w", err)
	}
	uid, err := lookupID(s.cfg.SocketOwner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return fmt.Errorf("socket_owner: %w", err)
	}
	gid, err := lookupID(s.cfg.SocketGroup, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	if err != nil {
		return fmt.Errorf("socket_group: %w", err)
	}
	if err := os.Chown(address, uid, gid); err != nil {
		return fmt.Errorf("socket_owner, socket_group: %w: run the daemon in that group, or as root", err)
	}
	return os.Chmod(address, os.FileMode(mode))
}

// lookupID returns a number as it is, a name's number, and -1, which changes nothing, for "".
func lookupID(name string, lookup func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	id, err := lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(id)
}

// Addrs returns where MTAs can connect.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Run serves until ctx ends. It then takes no more connections, lets messages
// on their way finish for as long as Config.Drain, and hands the desk what was seen.
func (s *Server) Run(ctx context.Context) error {
	if s.listeners == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	s.warnOfDryRun()
	s.warnOfNoSource()
	books, closeBooks := context.WithCancel(context.WithoutCancel(ctx))
	defer closeBooks()
	var kept sync.WaitGroup
	kept.Go(func() { s.ledger.run(books) })
	kept.Go(func() { s.judge.watch.run(books) })

	group, serving := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		group.Go(func() error { return s.accept(serving, l) })
	}
	err := group.Wait()
	s.crew.dismiss()
	closeBooks()
	kept.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), deskPatience)
	defer cancel()
	s.ledger.finish(last)
	return err
}

func (s *Server) warnOfDryRun() {
	acting := 0
	for _, r := range s.judge.policy.rules {
		if r.Action != ActionNone {
			acting++
		}
	}
	if s.dryRun && acting > 0 {
		s.log.Warn("milter.dry_run is on: rules are logged and not carried out", "rules", acting)
	}
}

// warnOfNoSource tells of conditions that nobody here can answer.
func (s *Server) warnOfNoSource() {
	l := s.judge.lookups
	absent := map[string]bool{"listed": l.Listed == nil, "blocked": l.Blocked == nil, "mail_server": l.MailServers == nil}
	for _, r := range s.judge.policy.rules {
		for _, word := range r.Is {
			if absent[strings.TrimPrefix(word, "!")] {
				s.log.Warn("a rule asks what is not known here", "rule", r.Name, "is", word)
			}
		}
	}
}

// undecided logs a message that passes without a judgement: one a second, the metrics count the rest.
func (s *Server) undecided(queueID, why string) {
	second := time.Now().Unix()
	if s.lastUndecided.Swap(second) != second {
		s.log.Warn("messages pass undecided", "queue_id", queueID, "reason", why)
	}
}

func (s *Server) event(e listen.Event) {
	if e.Err != nil {
		s.counters.connections.WithLabelValues("accept_error").Inc()
		s.log.Error("accepting MTA connections", "error", e.Err)
		return
	}
	s.counters.connections.WithLabelValues("over_limit").Inc()
	if s.refused.CompareAndSwap(false, true) { // once for a row of refusals
		s.log.Warn("too many MTA connections: new ones are closed", "limit", s.cfg.MaxConnections)
	}
}

// accept serves a listener's connections until ctx ends and they have, or the time to drain is over.
func (s *Server) accept(ctx context.Context, l *listen.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })() // it may be closed already
	for {
		conn, err := l.Accept()
		if err == nil {
			s.serve(conn, func() {})
			continue
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain.Std())
		defer cancel()
		_ = l.Shutdown(end) // its error says that connections were closed, which is what the time is for
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("milter: accept on %s: %w", l.Addr(), err)
	}
}

// serve has a session answer one MTA connection, which calls done at its end.
func (s *Server) serve(conn net.Conn, done func()) {
	s.refused.Store(false)
	s.counters.served.Inc()
	s.counters.open.Inc()
	l := &link{conn: conn}
	l.closed = func() {
		s.judge.watch.remove(l)
		s.counters.open.Dec()
		done()
	}
	s.judge.watch.add(l)
	if c, ok := conn.(*listen.Conn); ok {
		c.OnDrain(l.drain)
	}
	if !s.crew.give(l) {
		newSession(s, l).run()
	}
}

// run has go-milter serve the session's wire, in a goroutine of go-milter's own.
func (c *session) run() {
	c.wire.to, c.wire.onClose = c, func() { c.endLetter("aborted") }
	server := &gomilter.Server{NewMilter: func() gomilter.Milter { return c }}
	// go-milter serves listeners: it gets one that yields this connection alone.
	if err := server.Serve(&single{wire: c.wire}); !errors.Is(err, net.ErrClosed) {
		c.s.log.Error("milter connection", "error", err)
	}
}

// A single is a listener that yields one connection.
type single struct {
	wire *wire
	done bool
}

func (l *single) Accept() (net.Conn, error) {
	if l.done {
		return nil, net.ErrClosed
	}
	l.done = true
	return l.wire, nil
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.wire.LocalAddr() }
