package registry

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// A Problem is something in the registry that a person should mend. None of them stops
// the registry from answering.
type Problem struct {
	Kind   ProblemKind
	Key    string // the prefix, next hop … that it is about
	Text   string
	Write  string // what to do
	Source string // file and line, or router
}

// A ProblemKind says what sort of problem it is.
type ProblemKind string

// The kinds of problem.
const (
	NextHopWithoutContact ProblemKind = "next_hop_without_contact" // routed to, but no record answers for some of its prefixes
	ContactWithoutRoute   ProblemKind = "contact_without_route"    // a record for what no router knows
	ContactWithoutMail    ProblemKind = "contact_without_mail"     // a record that resolves to no mail address
	OverlappingClaims     ProblemKind = "overlapping_claims"       // two records of different holders for the same
	SeveralHolders        ProblemKind = "several_holders"          // equally preferred routes to different holders
	StaleSource           ProblemKind = "stale_source"             // a router whose last walk was not accepted
)

// Check lists what should be mended, in a stable order: next hops without contact,
// contacts without route or mail address, overlapping claims, stale routers.
func Check(t *Table) []Problem {
	c := checker{t: t, hops: map[netip.Addr]hopUse{}, ifaces: map[sourceKey]bool{}}
	c.routes()
	c.records()
	c.overlaps()
	for _, s := range t.Sources() {
		if s.Stale {
			c.found = append(c.found, Problem{StaleSource, s.Router, "its last walk was not accepted: " + s.Problem, "see spoor registry poll", s.Router})
		}
	}
	slices.SortStableFunc(c.found, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) })
	return c.found
}

// hopUse is what is routed to one next hop without anybody answering for it.
type hopUse struct {
	count  int
	sample netip.Prefix
	router string
}

type checker struct {
	t      *Table
	hops   map[netip.Addr]hopUse
	ifaces map[sourceKey]bool
	known  map[netip.Addr]bool
	found  []Problem
}

func (c *checker) routes() {
	c.known = map[netip.Addr]bool{}
	for _, w := range c.t.paths {
		c.known[w.nextHop] = true
		c.ifaces[sourceKey{w.router, w.iface}], c.ifaces[sourceKey{"", w.iface}] = true, true
	}
	for n := range c.t.AllNetworks(c.t.now()) {
		if n.Several {
			c.add(SeveralHolders, n.Prefix.String(), "equally preferred routes lead to different holders", "give the prefix a record of its own, or a router a higher prefer", "")
		}
		if n.Contact != nil || n.Several {
			continue
		}
		for _, r := range n.Routes {
			u := c.hops[r.NextHop]
			if u.count == 0 {
				u.sample, u.router = r.Prefix, r.Router
			}
			u.count++
			c.hops[r.NextHop] = u
		}
	}
	for hop, u := range c.hops {
		text := fmt.Sprintf("%d prefixes, such as %s, are routed to it and have no contact", u.count, u.sample)
		if hop.IsValid() {
			c.add(NextHopWithoutContact, hop.String(), text, "add a record with Next-Hop = \""+hop.String()+"\"", u.router)
		} else {
			c.add(NextHopWithoutContact, "direct", fmt.Sprintf("%d prefixes, such as %s, lie on interfaces and have no contact", u.count, u.sample),
				"add a record with Interface or IP-Network", u.router)
		}
	}
}

func (c *checker) add(kind ProblemKind, key, text, write, source string) {
	c.found = append(c.found, Problem{kind, key, text, write, source})
}

func (c *checker) records() {
	now := c.t.now()
	for i := range c.t.contacts {
		k := &c.t.contacts[i]
		if !k.holdsAt(now, now) {
			continue
		}
		if c.routeless(k) {
			c.add(ContactWithoutRoute, k.Key.String(), "no route leads there", "correct the record, or take it out", k.Source)
		}
		if len(c.merged(k).Mails()) == 0 {
			c.add(ContactWithoutMail, k.Key.String(), "the record has no mail address and inherits none", "add Abuse-Contact", k.Source)
		}
	}
}

// routeless reports whether a record claims what no router knows. Organisations are
// claimed by name only, and so is everything while there are no routes.
func (c *checker) routeless(k *Contact) bool {
	if len(c.t.paths) == 0 {
		return false
	}
	switch k.Key.Kind {
	case KeyNextHop:
		return !c.known[k.Key.NextHop]
	case KeyInterface:
		return !c.ifaces[sourceKey{k.Key.Router, k.Key.Interface}]
	case KeyPrefix:
		return k.Key.Prefix.Bits() > 0 && !c.routed(k.Key.Prefix)
	}
	return false
}

// routed reports whether a current route other than a default lies at, above or below p.
func (c *checker) routed(p netip.Prefix) bool {
	current := func(g int32) bool {
		return c.t.groups[g].bits > 0 && slices.ContainsFunc(c.t.recsOf(g), func(r rec) bool { return r.notAfter == 0 })
	}
	if slices.ContainsFunc(c.t.enclosing(p), current) {
		return true
	}
	for below := range c.t.lpm.Subnets(p) {
		if current(c.t.find(below)) {
			return true
		}
	}
	return false
}

func (c *checker) merged(k *Contact) *Contact {
	switch k.Key.Kind {
	case KeyPrefix:
		if n := c.t.Networks(k.Key.Prefix, c.t.now()); len(n) > 0 && n[0].Prefix == k.Key.Prefix && n[0].Contact != nil {
			return n[0].Contact
		}
	case KeyNextHop, KeyInterface:
		m := c.t.newMerger(c.t.now())
		m.add(level{own: k})
		return &m.contact
	}
	return k
}

// overlaps finds records of one key that hold at the same time for different holders.
func (c *checker) overlaps() {
	all := c.t.contacts // sorted by key
	for i := range all {
		for j := i + 1; j < len(all) && all[j].Key == all[i].Key; j++ {
			a, b := &all[i], &all[j]
			if a.ID() == b.ID() || !a.Until.IsZero() && !b.Since.Before(a.Until) || !b.Until.IsZero() && !a.Since.Before(b.Until) {
				continue
			}
			c.add(OverlappingClaims, a.Key.String(), fmt.Sprintf("claimed by %s (%s) and by %s (%s) at the same time", a.ID(), a.Source, b.ID(), b.Source),
				"keep one record, or give Since and Until", b.Source)
		}
	}
}
