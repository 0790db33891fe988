package trace

import (
	"strings"
	"time"
)

// A MessageID is a Message-ID taken apart as far as its form tells: many
// programs write date, time, an id and a user into it.
type MessageID struct {
	Raw, Left, Domain string
	// Date and Time are the digits that stand for them, "" if none do.
	Date, Time string
	// ID is what else tells the message from others, User who sent it.
	ID, User string
	// Impossible says which part cannot be, "" if none.
	Impossible string
}

// ParseMessageID takes a Message-ID apart; it never fails.
func ParseMessageID(s string) MessageID {
	m := MessageID{Raw: strings.Trim(s, "<> \t")}
	m.Left = m.Raw
	if i := strings.LastIndexByte(m.Raw, '@'); i >= 0 {
		m.Left, m.Domain = m.Raw[:i], strings.ToLower(m.Raw[i+1:])
	}
	parts := strings.FieldsFunc(m.Left, func(c rune) bool { return c == '.' || c == '-' || c == '_' || c == '$' })
	for i, p := range parts {
		if i == 0 && m.takeDate(p) {
			continue
		}
		switch {
		case m.ID == "":
			m.ID = p
		case m.User == "" && i == len(parts)-1 && m.Date != "" && letters(p):
			m.User = p
		}
	}
	return m
}

// takeDate reads yyyymmdd or yyyymmddhhmmss at the front of the id. Four digits
// of a year from 1980 on tell a date from a number.
func (m *MessageID) takeDate(p string) bool {
	if len(p) < 8 || !digits(p[:8]) || !(p[:2] == "19" && p[2] >= '8' || p[:2] == "20") {
		return false
	}
	if len(p) != 8 && len(p) != 12 && len(p) != 14 && !(len(p) > 14 && digits(p[:14])) {
		return false
	}
	if !digits(p[:min(len(p), 14)]) {
		return false
	}
	month, day := p[4:6], p[6:8]
	if month > "12" || month == "00" || day > "31" || day == "00" {
		if len(p) == 8 || len(p) > 14 {
			return false // a number, more likely
		}
		m.Impossible = p[:4] + "-" + month + "-" + day
	} else if t, err := time.Parse("20060102", p[:8]); err != nil || t.IsZero() {
		m.Impossible = p[:4] + "-" + month + "-" + day
	}
	m.Date = p[:8]
	if len(p) == 8 {
		return true
	}
	m.Time = p[8:min(len(p), 14)]
	clock := m.Time[:2] + ":" + m.Time[2:4]
	bad := m.Time[:2] > "23" || m.Time[2:4] > "59"
	if len(m.Time) == 6 {
		clock += ":" + m.Time[4:6]
		bad = bad || m.Time[4:6] > "60"
	}
	if bad && m.Impossible == "" {
		m.Impossible = clock
	}
	return true
}

// edgeNamed returns the boundary's line where its host, of a large provider,
// bears the first label of the Message-ID's domain; else -1. Such hosts write the
// Message-ID of mail that has none.
func (r *Result) edgeNamed(domain string) int {
	b := r.boundary()
	if b < 0 || domain == "" {
		return -1
	}
	h := &r.Hops[b]
	if p := provider(h.By); p == nil || !p.edge(h) || !sameOrg(h.By, domain) || !strings.EqualFold(firstLabel(h.By), firstLabel(domain)) {
		return -1
	}
	return b
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlpha(s[i]) {
			return false
		}
	}
	return s != ""
}

// idFindings judges the Message-ID.
func (r *Result) idFindings(c *facts) {
	if c.mid == "" {
		if len(c.h.Fields) > len(r.Hops) {
			r.add(kMessageIDMissing, -1, "", "the header has no Message-ID")
		}
		return
	}
	m := ParseMessageID(c.mid)
	quote := "Message-ID: <" + m.Raw + ">"
	if m.Impossible != "" {
		r.add(kMessageIDImpossible, -1, quote, "%s cannot be", m.Impossible)
	}
	if hop := r.queueID(m); hop >= 0 {
		h := &r.Hops[hop]
		r.add(kMessageIDReceiver, hop, quote, "%s is the queue id that %s gave the mail: the client sent no Message-ID", h.ID, h.By)
		return
	}
	if hop := r.edgeNamed(m.Domain); hop >= 0 {
		r.add(kMessageIDReceiver, hop, quote, "%s, which took the mail in, wrote it: the client sent no Message-ID", r.Hops[hop].By)
		return
	}
	if m.Domain != "" && strings.IndexByte(m.Domain, '.') > 0 && !r.related(c, m.Domain) {
		r.add(kMessageIDDomain, -1, quote, "%s is neither the sender's domain nor any host's", m.Domain)
	}
	if mailer := c.mailer(); mailer != "" {
		if want := wrongForm(mailer, m); want != "" {
			r.add(kMessageIDSoftware, -1, quote, "%s writes %s", mailer, want)
		}
	}
}

// queueID returns the line whose queue id is part of the Message-ID, where the
// host that wrote the line has put it there, or -1.
func (r *Result) queueID(m MessageID) int {
	for i := range r.Hops {
		h := &r.Hops[i]
		if len(h.ID) >= 6 && strings.Contains(m.Left, h.ID) && sameOrg(m.Domain, h.By) {
			return i
		}
	}
	return -1
}

// related tells whether a domain is one that the message shows elsewhere.
func (r *Result) related(c *facts, domain string) bool {
	if sameOrg(domain, domainOf(c.from)) || sameOrg(domain, domainOf(addressIn(c.h.Get("Sender")))) ||
		sameOrg(domain, domainOf(strings.Trim(c.h.Get("Return-Path"), "<> "))) || sameOrg(domain, domainOf(addressIn(c.h.Get("Resent-From")))) {
		return true
	}
	for i := range r.Hops {
		h := &r.Hops[i]
		if sameOrg(domain, h.HELO) || sameOrg(domain, h.RDNS) || sameOrg(domain, h.By) {
			return true
		}
	}
	return false
}

// mailer returns the software that the message says it was written with.
func (c *facts) mailer() string {
	if v := c.h.Get("X-Mailer"); v != "" {
		return v
	}
	return c.h.Get("User-Agent")
}

// wrongForm returns the form that the claimed software gives a Message-ID where
// this one differs from it, else "".
func wrongForm(mailer string, m MessageID) string {
	switch {
	case hasFoldPrefix(mailer, "microsoft outlook express") || hasFoldPrefix(mailer, "microsoft windows mail"):
		if strings.Count(m.Left, "$") != 2 && !strings.HasPrefix(m.Domain, "phx.gbl") && !strings.HasSuffix(m.Domain, ".phx.gbl") {
			return "three parts set apart by $"
		}
	case hasFoldPrefix(mailer, "mozilla thunderbird") || hasFoldPrefix(mailer, "mozilla/5.0"):
		if !dottedHex(m.Left) && !uuid(m.Left) {
			return "a dotted hexadecimal number or a UUID"
		}
	case hasFoldPrefix(mailer, "apple mail") || hasFoldPrefix(mailer, "iphone mail"):
		if !uuid(m.Left) {
			return "a UUID in capitals"
		}
	}
	return ""
}

// dottedHex knows 4CB1A6B0.2040902.
func dottedHex(s string) bool {
	i := strings.IndexByte(s, '.')
	if i < 7 || i+1 >= len(s) {
		return false
	}
	for j := 0; j < len(s); j++ {
		if !isHex(s[j]) && s[j] != '.' {
			return false
		}
	}
	return true
}

func uuid(s string) bool {
	if len(s) < 36 {
		return false
	}
	s = s[:36]
	for j := 0; j < 36; j++ {
		if j == 8 || j == 13 || j == 18 || j == 23 {
			if s[j] != '-' {
				return false
			}
		} else if !isHex(s[j]) {
			return false
		}
	}
	return true
}
