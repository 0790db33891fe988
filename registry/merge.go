package registry

import (
	"net/netip"
	"strings"
	"time"
)

// level is what claims one prefix length of an address's chain.
type level struct {
	prefix netip.Prefix
	own    *Contact // keyed by the prefix
	iface  *Contact // keyed by the interface of the route at this length
	hop    *Contact // keyed by its next hop
}

func (l *level) addWay(w *way, at time.Time) {
	l.iface, l.hop = validAt(w.interfaces, at), validAt(w.nextHops, at)
}

// merger folds the levels of a chain, the most specific first, into one Contact.
type merger struct {
	t       *Table
	at      time.Time
	contact Contact
	found   bool
	rule    KeyKind      // by which the first record was found
	prefix  netip.Prefix // at which length
	orgDone map[string]bool
	steps   []Step
	silent  bool   // no steps are wanted
	via     choice // the route that led here
}

func (t *Table) newMerger(at time.Time) *merger { return &merger{t: t, at: at} }

// add folds in one level, in the order of precedence at equal length: prefix, interface,
// next hop, and then the organisation that these name.
func (m *merger) add(l level) {
	for _, c := range [...]*Contact{l.own, l.iface, l.hop} {
		if c != nil {
			m.inherit(c, l.prefix)
		}
	}
	if !m.found || m.contact.Org == "" {
		return
	}
	key := orgKey(m.contact.Org)
	if m.orgDone[key] {
		return
	}
	if m.orgDone == nil {
		m.orgDone = map[string]bool{}
	}
	m.orgDone[key] = true
	if c := validAt(m.t.orgs[key], m.at); c != nil {
		m.inherit(c, l.prefix)
	}
}

func (m *merger) inherit(c *Contact, at netip.Prefix) {
	if !m.found {
		m.contact, m.found, m.rule, m.prefix = *c, true, c.Key.Kind, at
		if m.silent {
			return
		}
		m.steps = append(m.steps, Step{Kind: StepContact, Prefix: at, Source: c.Source,
			Text: "contact by " + c.Key.String() + who(c)})
		return
	}
	if took := m.contact.inherit(c); len(took) > 0 && !m.silent {
		m.steps = append(m.steps, Step{Kind: StepInherit, Prefix: at, Source: c.Source,
			Text: strings.Join(took, ", ") + " from " + c.Key.String()})
	}
}

func who(c *Contact) string {
	text := ""
	if c.Org != "" {
		text = ": " + c.Org
	}
	if mails := c.Mails(); len(mails) > 0 {
		text += " <" + strings.Join(mails, ", ") + ">"
	}
	return text
}
