// Package whois serves the registry over whois (RFC 3912), in the form that clients know
// from address registries.
package whois

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"spoor/internal/listen"
	"spoor/registry"
)

// maxLine bounds a query.
const maxLine = 512

// Deps are what a Server is made of.
type Deps struct {
	Config   registry.ServeConfig
	Table    func() *registry.Table
	Hostname string              // in the heading; "" is the system's
	Count    func(result string) // told of every query; may be nil
}

// A Server answers whois clients.
type Server struct {
	deps    Deps
	answers registry.Answers
}

// NewServer returns a Server that does not listen yet.
func NewServer(deps Deps) *Server {
	if deps.Hostname == "" {
		deps.Hostname = deps.Config.Hostname
	}
	if deps.Hostname == "" {
		deps.Hostname, _ = os.Hostname() // an empty name in the heading is all that follows
	}
	if deps.Count == nil {
		deps.Count = func(string) {}
	}
	return &Server{deps: deps}
}

// Serve answers on an address until ctx ends.
func (s *Server) Serve(ctx context.Context, address string) error {
	c := s.deps.Config
	l, err := listen.Open(ctx, address, listen.Options{Idle: c.Timeout.Std(), Lifetime: 2 * c.Timeout.Std(),
		Limits: listen.NewLimits(listen.Quota{Total: c.MaxClients, PerClient: c.MaxPerClient}, nil),
		Refuse: func(c net.Conn, _ listen.Reason) { _, _ = io.WriteString(c, "% Too many connections, try again.\r\n") },
		Event:  func(listen.Event) { s.deps.Count("refused") }})
	if err != nil {
		return fmt.Errorf("whois: %w", err)
	}
	return s.ServeListener(ctx, l)
}

// ServeListener answers on a listener until ctx ends, and closes it.
func (s *Server) ServeListener(ctx context.Context, l *listen.Listener) error {
	return l.Serve(ctx, time.Second, s.handle)
}

func (s *Server) handle(_ context.Context, c net.Conn) {
	r := bufio.NewReaderSize(c, maxLine)
	line, err := r.ReadSlice('\n')
	w := bufio.NewWriter(c)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		fmt.Fprintf(w, "%% Error: a query may be %d bytes long.\r\n", maxLine)
	case err != nil && (err != io.EOF || len(line) == 0):
		return
	default:
		s.answer(w, string(line), personal(s.deps.Config, listen.Peer(c)))
	}
	_ = w.Flush() // the client may have gone, and nothing follows
}

func personal(c registry.ServeConfig, peer netip.Addr) bool {
	for _, n := range c.Personal {
		if n.Contains(peer) {
			return true
		}
	}
	return false
}

// answer writes what is known of the address or prefix in a query.
func (s *Server) answer(w io.Writer, line string, personal bool) {
	fmt.Fprintf(w, "%% Networks of %s and who answers for them.\r\n\r\n", s.deps.Hostname)
	p, ok := target(line)
	if !ok {
		s.deps.Count("invalid")
		io.WriteString(w, "% Error: ask for an IP address or network.\r\n")
		return
	}
	variant := ""
	if personal {
		variant = "personal"
	}
	t := s.deps.Table()
	text, _ := s.answers.Get(t, p, variant, func() []byte { return s.networks(t, p, personal) })
	_, _ = w.Write(text) // a buffer; its own error comes with Flush
	found := len(text) > 0
	for _, d := range s.deps.Config.Delegated {
		if d.Network.Bits() <= p.Bits() && d.Network.Contains(p.Addr()) {
			fmt.Fprintf(w, "ReferralServer: %s\r\n\r\n", strings.TrimSuffix(d.Server, "/"))
			found = true
		}
	}
	if !found {
		s.deps.Count("none")
		fmt.Fprintf(w, "%% No match: %s is not in our networks.\r\n", p)
		return
	}
	s.deps.Count("found")
}

// networks writes the networks that enclose a prefix, the most specific first.
func (s *Server) networks(t *registry.Table, p netip.Prefix, personal bool) []byte {
	var b bytes.Buffer
	for i, n := range t.Networks(p, time.Time{}) {
		if i == s.deps.Config.MaxAnswers {
			break
		}
		writeNetwork(&b, n, personal)
	}
	return b.Bytes()
}

// target finds the address in a query, leaving out the flags that clients put before it
// ("-B", "n + ").
func target(line string) (netip.Prefix, bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return netip.Prefix{}, false
	}
	last := words[len(words)-1]
	if a, err := netip.ParseAddr(last); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(last)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

func writeNetwork(w io.Writer, n registry.Network, personal bool) {
	put := func(name, value string) {
		if value = oneLine(value); value != "" {
			fmt.Fprintf(w, "%-16s%s\r\n", name+":", value)
		}
	}
	if n.Prefix.Addr().Is4() {
		put("inetnum", n.Prefix.Addr().String()+" - "+registry.LastAddr(n.Prefix).String())
	} else {
		put("inet6num", n.Prefix.String())
	}
	put("cidr", n.Prefix.String())
	if c := n.Contact; c != nil {
		put("org-name", c.Org)
		if personal {
			put("address", c.Address)
			put("phone", c.Tel)
		}
		put("city", c.City)
		put("country", c.Country)
		putRole(put, "admin-c", c.Admin)
		putRole(put, "tech-c", c.Tech)
		for _, mail := range c.Mails() {
			put("abuse-mailbox", mail)
		}
		put("created", day(c.Created))
		put("last-modified", day(c.Updated))
		put("updated-by", c.UpdatedBy)
	} else if n.Several {
		put("remarks", "several holders share this network")
	}
	if n.Assignment != "" && n.Assignment != registry.AssignStatic {
		put("status", string(n.Assignment))
	}
	io.WriteString(w, "\r\n")
}

func putRole(put func(name, value string), name string, role []registry.Mailbox) {
	for _, m := range role {
		put(name, m.String())
	}
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s))
}
