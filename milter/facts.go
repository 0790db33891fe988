package milter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"spoor/internal/trace"
)

// A stage is a point in an SMTP session at which the MTA asks us.
type stage uint8

const (
	stageConnect stage = iota
	stageHelo
	stageMail
	stageRcpt
	stageEnd // of the message
	stages
)

func (s stage) String() string {
	return [...]string{"connect", "helo", "mail", "rcpt", "end-of-message"}[s]
}

// An answer is what is known of a condition so far.
type answer uint8

const (
	no answer = iota
	yes
	later // a stage to come will tell
)

func known(b bool) answer {
	if b {
		return yes
	}
	return no
}

// and is later only where nothing speaks against it.
func (a answer) and(b answer) answer {
	switch {
	case a == no || b == no:
		return no
	case a == later || b == later:
		return later
	}
	return yes
}

func (a answer) not() answer {
	switch a {
	case no:
		return yes
	case yes:
		return no
	}
	return later
}

// A facts is what is known about a message at a stage, looked up when first asked for.
// One goroutine at a time owns it.
type facts struct {
	stage stage
	peer  Peer
	env   envelope
	// trusted says that the peer speaks for others: the origin lies beyond it, and is known at the end.
	trusted bool
	traced  trace.Result
	body    []byte // in lower case
	rates   func(netip.Addr) rates
	lookups Lookups

	conn, origin *source
	counted      map[netip.Addr]rates
}

// An envelope is what is counted about one message.
type envelope struct {
	from       string
	recipients int // accepted so far, the one in question included
	refused    int
}

// Lookups are the judge's sources. Each may be nil: then its facts do not hold.
type Lookups struct {
	Listed      Listed
	Blocked     Blocked
	Holders     Holders
	MailServers MailServers
}

// A source is one host with what is known about it.
type source struct {
	addr       netip.Addr
	listed     string
	isListed   bool
	blocked    string
	isBlocked  bool
	holder     string
	ours       bool
	mailServer bool
}

func (l Lookups) about(addr netip.Addr) *source {
	s := &source{addr: addr}
	if !addr.IsValid() {
		return s
	}
	if l.Listed != nil {
		s.listed, s.isListed = l.Listed.Listed(addr)
	}
	if l.Blocked != nil {
		s.blocked, s.isBlocked = l.Blocked.Blocked(addr)
	}
	if l.Holders != nil {
		s.holder, s.ours = l.Holders.Holder(addr)
	}
	s.ours = s.ours || addr.IsLoopback() // the MTA's own machine
	if l.MailServers != nil {
		s.mailServer = l.MailServers.MailServer(addr)
	}
	return s
}

// connection is the peer itself.
func (f *facts) connection() *source {
	if f.conn == nil {
		f.conn = f.lookups.about(f.peer.Addr)
	}
	return f.conn
}

// proven is the host that answers for the message: the origin where a trusted
// peer recorded it, else the peer; nil while that is not known.
func (f *facts) proven() *source {
	if !f.trusted {
		return f.connection()
	}
	if f.stage < stageEnd {
		return nil
	}
	if f.origin == nil {
		f.origin = f.connection()
		if o := f.traced.Origin; o != nil && o.IP != f.peer.Addr && o.Confidence == trace.ConfidenceHigh {
			f.origin = f.lookups.about(o.IP)
		}
	}
	return f.origin
}

// either asks about the connection and about the proven source.
func (f *facts) either(has func(*source) bool) answer {
	if has(f.connection()) {
		return yes
	}
	return f.of(has)
}

// of asks about the proven source.
func (f *facts) of(has func(*source) bool) answer {
	s := f.proven()
	if s == nil {
		return later
	}
	return known(has(s))
}

func (f *facts) from(s stage, b bool) answer {
	if f.stage < s {
		return later
	}
	return known(b)
}

func (f *facts) authenticated() answer {
	return f.from(stageMail, f.peer.Auth != "" || f.peer.Local)
}

// is answers one word of RuleConfig.Is.
func (f *facts) is(word string) answer {
	plain, negated := strings.CutPrefix(word, "!")
	a := f.isPlain(plain)
	if negated {
		return a.not()
	}
	return a
}

func (f *facts) isPlain(word string) answer {
	switch word {
	case "listed":
		return f.either(func(s *source) bool { return s.isListed })
	case "blocked":
		return f.either(func(s *source) bool { return s.isBlocked })
	case "ours":
		return f.of(func(s *source) bool { return s.ours })
	case "mail_server":
		return f.of(func(s *source) bool { return s.mailServer })
	case "authenticated":
		return f.authenticated()
	case "rdns":
		return known(f.peer.RDNS != "" || f.peer.Local)
	}
	return no // Validate lets no other word through
}

// direction answers whether the message goes that way. A host of ours that
// has not logged in yet may still do so.
func (f *facts) direction(d Direction) answer {
	submission := f.authenticated()
	if submissionPort(f.peer.DaemonPort) {
		submission = yes
	}
	ours := f.of(func(s *source) bool { return s.ours })
	switch d {
	case DirectionSubmission:
		return submission
	case DirectionOut:
		return ours.and(submission.not())
	}
	return ours.not().and(submission.not())
}

// way returns the message's direction, at its end.
func (f *facts) way() Direction {
	for _, d := range []Direction{DirectionSubmission, DirectionOut} {
		if f.direction(d) == yes {
			return d
		}
	}
	return DirectionIn
}

// submissionPort knows the ports of RFC 6409 and RFC 8314.
func submissionPort(port uint16) bool { return port == 587 || port == 465 }

// findings returns those that may be used: all, or the proven ones.
func (f *facts) findings(onlyProven bool) []trace.Finding {
	if !onlyProven {
		return f.traced.Findings
	}
	return slices.DeleteFunc(slices.Clone(f.traced.Findings), func(x trace.Finding) bool { return !proven(f.traced, x) })
}

// over answers whether the source has sent more than limit within the window.
func (f *facts) over(c count, w window, limit int) answer {
	if c == countRecipients && f.stage < stageRcpt || f.stage < stageMail {
		return later
	}
	s := f.proven()
	if s == nil {
		return later
	}
	return known(f.rate(s.addr).get(c, w) > limit)
}

func (f *facts) rate(addr netip.Addr) rates {
	if r, ok := f.counted[addr]; ok {
		return r
	}
	if f.rates == nil || !addr.IsValid() {
		return rates{}
	}
	if f.counted == nil {
		f.counted = map[netip.Addr]rates{}
	}
	r := f.rates(addr)
	f.counted[addr] = r
	return r
}

// A Part is one summand of a score.
type Part struct {
	Name   string
	Weight float64
	Why    string
}

// score adds up what is known: everything for the header, or only what is proven.
func (f *facts) score(w Weights, onlyProven bool) (total float64, parts []Part) {
	add := func(name string, weight float64, why string) {
		if weight != 0 {
			parts = append(parts, Part{name, weight, why})
			total += weight
		}
	}
	conn, origin := f.connection(), f.proven()
	if origin == nil {
		origin = conn
	}
	for _, s := range []*source{conn, origin}[:1+btoi(origin != conn)] {
		if s.isListed {
			add("listed", w.Listed, fmt.Sprintf("%s: %s", s.addr, s.listed))
		}
		if s.isBlocked {
			add("blocked", w.Blocked, fmt.Sprintf("%s: %s", s.addr, s.blocked))
		}
		if s.mailServer {
			add("mail_server", w.MailServer, s.addr.String()+" is a known mail server")
		}
	}
	if f.peer.RDNS == "" && !f.peer.Local {
		add("no_rdns", w.NoRDNS, f.peer.Addr.String()+" has no name that leads back to it")
	}
	if f.authenticated() == yes {
		add("authenticated", w.Authenticated, "the sender logged in")
	}
	for _, x := range f.traced.Findings {
		if !onlyProven || proven(f.traced, x) {
			add(x.Code, [...]float64{0, w.Weak, w.Medium, w.Strong}[strengthRank(x.Strength)], x.Explain)
		}
	}
	return total, parts
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
