package registry

import (
	"iter"
	"net/netip"
	"slices"
	"time"
)

// A Network is one prefix as the registry shows it to others: its routes at a moment and
// the contact that results.
type Network struct {
	Prefix     netip.Prefix
	Parent     netip.Prefix // the enclosing network of ours; invalid if there is none
	Routes     []Route      // the preferred ones
	Contact    *Contact     // merged; nil if nobody answers, or if several do
	Rule       KeyKind
	Assignment Assignment
	Ours       bool
	Several    bool // more than one contact fits
}

// Networks returns the networks of ours that enclose a prefix at a moment, the most
// specific first. A zero time means now.
func (t *Table) Networks(p netip.Prefix, at time.Time) []Network {
	var found []Network
	for _, g := range t.enclosing(p.Masked()) {
		if n, ok := t.network(g, at); ok {
			found = append(found, n)
		}
	}
	for i := 0; i+1 < len(found); i++ {
		found[i].Parent = found[i+1].Prefix
	}
	return found
}

// AllNetworks yields every network of ours at a moment, in order of ComparePrefixes.
// A zero time means now.
func (t *Table) AllNetworks(at time.Time) iter.Seq[Network] {
	return func(yield func(Network) bool) {
		var open []netip.Prefix
		for i := range t.groups {
			n, ok := t.network(int32(i), at)
			if !ok {
				continue
			}
			for len(open) > 0 && !encloses(open[len(open)-1], n.Prefix) {
				open = open[:len(open)-1]
			}
			if len(open) > 0 {
				n.Parent = open[len(open)-1]
			}
			open = append(open, n.Prefix)
			if !yield(n) {
				return
			}
		}
	}
}

func encloses(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) }

// network shows one group; ok is false when there is nothing to show at that time: no
// record, no route inwards, no configured network.
func (t *Table) network(g int32, at time.Time) (n Network, ok bool) {
	if at.IsZero() {
		at = t.now()
	}
	p := t.groups[g].prefix()
	if p.Bits() == 0 {
		return n, false
	}
	f := finding{t: t, from: at, to: at, q: Query{Addr: p.Addr(), Time: at}}
	for i := g; i >= 0; i = t.groups[i].parent {
		f.chain = append(f.chain, i)
	}
	n = Network{Prefix: p, Assignment: f.assignmentAt(at)}
	n.Ours, ok = t.coveredByNetwork(p), validAt(t.claims[g], at) != nil || t.networks.Get(p)
	routed := slices.DeleteFunc(f.routesAt(at), func(c choice) bool { return c.at < 0 })
	for _, c := range routed {
		if c.group == g && !c.way.outward {
			n.Routes = append(n.Routes, t.route(p, c.rec))
			ok = true
		}
		n.Ours = n.Ours || !c.way.outward && c.bits > 0
	}
	for _, alts := range byLength(routed) {
		f.offer(&n, alts, at)
	}
	if n.Contact == nil && !n.Several {
		f.offer(&n, []choice{{at: -1}}, at)
	}
	n.Ours = n.Ours || slices.ContainsFunc(f.chain, func(i int32) bool {
		return t.groups[i].bits > 0 && validAt(t.claims[i], at) != nil
	})
	return n, ok && n.Ours
}

// offer takes the contact along routes of one length, unless another one was taken.
func (f *finding) offer(n *Network, alts []choice, at time.Time) {
	folded := f.fold(alts, at)
	for _, m := range folded {
		switch {
		case len(folded) > 1:
			n.Contact, n.Several = nil, true
		case !m.found:
		case n.Contact == nil && !n.Several:
			contact := m.contact
			n.Contact, n.Rule = &contact, m.rule
		case n.Several || n.Contact.ID() != m.contact.ID():
			n.Contact, n.Several = nil, true
		}
	}
}

func (t *Table) coveredByNetwork(p netip.Prefix) bool { return t.networks.LookupPrefix(p) }

// Routes yields the routes that held at a moment, in order of CompareRoutes. A zero time
// means now.
func (t *Table) Routes(at time.Time) iter.Seq[Route] {
	return func(yield func(Route) bool) {
		for i := range t.groups {
			p := t.groups[i].prefix()
			for _, r := range t.recsOf(int32(i)) {
				if route := t.route(p, r); route.heldAt(at) && !yield(route) {
					return
				}
			}
		}
	}
}

// heldAt reports whether the newest look at or before a moment showed the route; with a
// zero time, whether it is still there.
func (r Route) heldAt(at time.Time) bool {
	if at.IsZero() {
		return r.NotAfter.IsZero()
	}
	return !at.Before(r.FirstSeen) && (r.NotAfter.IsZero() || at.Before(r.NotAfter))
}

// Contacts returns the records as they were given, past ones included.
func (t *Table) Contacts() []Contact { return t.contacts }

// Sources returns how fresh each router's routes are, by name.
func (t *Table) Sources() []Source {
	all := make([]Source, 0, len(t.sources))
	for _, s := range t.sources {
		all = append(all, s)
	}
	slices.SortFunc(all, compareSources)
	return all
}

// IsOurs reports whether an address is ours now: in a configured network, claimed by a
// contact, or routed inwards. It gives the same answer as Holder, faster.
func (t *Table) IsOurs(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if unanswerable(addr) != "" {
		return false
	}
	longest, _, ok := t.lpm.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen()))
	if !ok {
		return false
	}
	g := &t.groups[t.find(longest)]
	return g.ours || g.inward
}
