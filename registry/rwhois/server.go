// Package rwhois serves the registry over RWhois (RFC 2167) and writes the text database
// of the reference server, rwhoisd.
package rwhois

import (
	"bufio"
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

	"spoor/internal/listen"
	"spoor/registry"
)

// Deps are what a Server is made of.
type Deps struct {
	Config   registry.ServeConfig
	Table    func() *registry.Table
	Version  string // of this program
	Log      *slog.Logger
	Count    func(result string) // told of every query and directive; may be nil
	Hostname string              // "" is the system's
}

// A Server answers RWhois clients.
type Server struct {
	deps     Deps
	area     areas
	scans    chan struct{} // look-ups by text, which read every record, under way
	mu       sync.Mutex
	text     *textIndex
	answers  registry.Answers
	greeting string
}

// maxScans bounds how many look-ups by text run at a time.
const maxScans = 2

// NewServer returns a Server that does not listen yet.
func NewServer(deps Deps) *Server {
	if deps.Hostname == "" {
		deps.Hostname = deps.Config.Hostname
	}
	if deps.Hostname == "" {
		deps.Hostname, _ = os.Hostname() // an empty name in the banner is all that follows
	}
	if deps.Count == nil {
		deps.Count = func(string) {}
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{deps: deps, area: areas{deps.Config.AuthArea}, scans: make(chan struct{}, maxScans)}
	s.greeting = s.banner()
	return s
}

// Serve answers on an address until ctx ends.
func (s *Server) Serve(ctx context.Context, address string) error {
	l, err := listen.Open(ctx, address, listen.Options{
		Idle: s.deps.Config.Timeout.Std(), Lifetime: 20 * s.deps.Config.Timeout.Std(),
		Limits: listen.NewLimits(listen.Quota{Total: s.deps.Config.MaxClients, PerClient: s.deps.Config.MaxPerClient}, nil),
		Refuse: func(c net.Conn, _ listen.Reason) {
			_, _ = c.Write([]byte(fail(501, "too many connections, try again").line()))
		},
		Event: func(e listen.Event) { s.deps.Count("refused") },
	})
	if err != nil {
		return fmt.Errorf("rwhois: %w", err)
	}
	return s.ServeListener(ctx, l)
}

// ServeListener answers on a listener until ctx ends, and closes it.
func (s *Server) ServeListener(ctx context.Context, l *listen.Listener) error {
	return l.Serve(ctx, time.Second, s.handle)
}

// session is one connection.
type session struct {
	s        *Server
	client   netip.Addr
	w        *bufio.Writer
	hold     bool
	limit    int
	personal bool
	transfer bool
}

// defaultLimit is how many objects a query gives until -limit says otherwise.
const defaultLimit = 20

func (s *Server) handle(ctx context.Context, c net.Conn) {
	peer := listen.Peer(c)
	n := &session{s: s, client: peer, w: bufio.NewWriter(c), limit: min(defaultLimit, s.deps.Config.MaxAnswers),
		personal: within(s.deps.Config.Personal, peer), transfer: within(s.deps.Config.Transfer, peer)}
	if _, err := io.WriteString(c, s.greeting); err != nil {
		return
	}
	r := bufio.NewReaderSize(c, maxLine+2)
	for ctx.Err() == nil {
		line, err := readLine(r)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			n.fail(fail(338, fmt.Sprintf("lines may be %d bytes long", maxLine)))
			_ = n.w.Flush()
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			n.fail(fail(503, ""))
			_ = n.w.Flush()
			return
		case err != nil:
			return
		}
		more := n.answer(ctx, line)
		if n.w.Flush() != nil || !more {
			return
		}
	}
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// readLine reads a line that ends with LF or CR LF.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// capabilities are the directives that this server has, as the bits of RFC 2167 §3.1.9:
// class, directive, display, holdconnect, limit, quit, schema, soa, status, xfer.
const capabilities = 0x000001 | 0x000002 | 0x000004 | 0x000010 | 0x000020 | 0x000080 | 0x000200 | 0x000800 | 0x001000 | 0x002000

func (s *Server) banner() string {
	return fmt.Sprintf("%%rwhois V-1.5:%06x:00 %s (Spoor %s)\r\n", capabilities, s.deps.Hostname, s.deps.Version)
}

// answer answers one line and reports whether the connection goes on: a directive keeps
// it, a query ends it unless -holdconnect is on.
func (n *session) answer(ctx context.Context, line string) (more bool) {
	line = strings.TrimSpace(line)
	if line == "" {
		n.fail(fail(350, "an empty line"))
		return n.hold
	}
	if strings.HasPrefix(line, "-") {
		n.s.deps.Count("directive")
		return n.directive(line[1:])
	}
	n.s.deps.Count("query")
	n.query(ctx, line)
	return n.hold
}

func (n *session) fail(f *failure) { n.w.WriteString(f.line()) }

func (n *session) ok() { n.w.WriteString("%ok\r\n") }

func (n *session) put(o object) { o.write(n.w, n.personal) }
