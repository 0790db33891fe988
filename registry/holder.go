package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// maxInstants bounds how many moments of one uncertain time are looked at.
const maxInstants = 64

// Holder says who answers for an address at a time. It looks at every moment of the
// query's time ± uncertainty at which the records differ, and names one holder only if
// all of them agree on it.
func (t *Table) Holder(q Query) Answer {
	q.Addr = q.Addr.Unmap().WithZone("")
	if q.Time.IsZero() {
		q.Time = t.now()
	}
	q.Time, q.Proto = q.Time.UTC(), strings.ToLower(q.Proto)
	a := Answer{Query: q}
	if why := unanswerable(q.Addr); why != "" {
		a.Status, a.Why = StatusInvalid, why
		return a
	}
	f := finding{t: t, q: q, from: q.Time.Add(-q.Uncertainty), to: q.Time.Add(q.Uncertainty), chain: t.chain(q.Addr)}
	for _, at := range f.instants() {
		f.look(at)
	}
	f.applySources()
	f.decide(&a)
	return a
}

func unanswerable(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "this is no IP address"
	case a.IsUnspecified(), a.IsMulticast(), a.IsLoopback(), a.IsLinkLocalUnicast():
		return fmt.Sprintf("%s is no address of a single host on a network", a)
	}
	return ""
}

// finding gathers what the moments of one query say.
type finding struct {
	t        *Table
	q        Query
	from, to time.Time
	chain    []int32
	holders  []Holder
	nobody   bool // at some moment nobody answered
	ours     bool
	assign   Assignment
	steps    []Step
	likely   string // why nothing is more than likely
	stale    bool
}

// instants returns the moments of the window at which records may differ: its two ends
// and every boundary inside.
func (f *finding) instants() []time.Time {
	at := []time.Time{f.from, f.to}
	inside := func(times ...time.Time) {
		for _, x := range times {
			if x.After(f.from) && x.Before(f.to) {
				at = append(at, x)
			}
		}
	}
	for _, g := range f.chain {
		for _, c := range f.t.claims[g] {
			inside(c.Since, c.Until)
		}
		for _, r := range f.t.recsOf(g) {
			inside(fromSeconds(r.notBefore).Add(1), fromSeconds(r.first), fromSeconds(r.last).Add(1), fromSeconds(r.notAfter))
			w := &f.t.paths[r.way]
			for _, c := range slices.Concat(w.interfaces, w.nextHops) {
				inside(c.Since, c.Until)
			}
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	at = slices.CompactFunc(at, time.Time.Equal)
	if len(at) > maxInstants {
		f.likely = fmt.Sprintf("more than %d changes in the time asked about", maxInstants)
		at = append(at[:maxInstants-1], f.to)
	}
	return at
}

// look adds what one moment says.
func (f *finding) look(at time.Time) {
	ours, claimed := f.oursAt(at)
	routed := f.routesAt(at)
	for _, alt := range routed {
		ours = ours || claimed || alt.at >= 0 && !alt.way.outward && alt.bits > 0
		if h, ok := f.holderBy(alt, at); ok {
			f.addHolder(h)
		} else {
			f.nobody = true
		}
	}
	f.ours = f.ours || ours || claimed
	f.assign = f.assignmentAt(at)
}

func (f *finding) oursAt(at time.Time) (configured, claimed bool) {
	if f.t.networks.Lookup(f.q.Addr) {
		configured = true
		f.step(Step{Kind: StepOurs, Text: "in the configured networks"})
	}
	for _, g := range f.chain {
		if f.t.groups[g].bits > 0 && validAt(f.t.claims[g], at) != nil {
			claimed = true
		}
	}
	return configured, claimed
}

// assignmentAt returns the mark of the most specific record that has one.
func (f *finding) assignmentAt(at time.Time) Assignment {
	for _, g := range f.chain {
		c := f.markOf(g, at)
		if c == nil {
			continue
		}
		if c.Assignment != AssignStatic {
			f.step(Step{Kind: StepAssignment, Prefix: f.t.groups[g].prefix(), Source: c.Source,
				Text: fmt.Sprintf("addresses are %s", c.Assignment)})
		}
		return c.Assignment
	}
	return AssignUnknown
}

// holderBy resolves the contact along one choice of route.
func (f *finding) holderBy(alt choice, at time.Time) (Holder, bool) {
	m := f.fold(alt, at)
	if !m.found {
		return Holder{}, false
	}
	for _, s := range m.steps {
		f.step(s)
	}
	h := Holder{ID: m.contact.ID(), Contact: m.contact, Prefix: m.prefix, Rule: m.rule, Certainty: Certain}
	if alt.at >= 0 {
		h.Route = f.t.route(f.t.groups[alt.group].prefix(), alt.rec)
	}
	return h, true
}

// fold merges the claims of the chain from the widest prefix down, as Build does.
func (f *finding) fold(alt choice, at time.Time) *merger {
	above := f.t.newMerger(at)
	for i, g := range slices.Backward(f.chain) {
		p := f.t.groups[g].prefix()
		l := level{prefix: p, own: validAt(f.t.claims[g], at)}
		if w := f.wayAt(i, g, alt, at); w != nil && p.Bits() > 0 && !w.outward {
			l.addWay(w, at)
		}
		if l.own == nil && l.iface == nil && l.hop == nil {
			continue
		}
		m := f.t.newMerger(at)
		m.add(l)
		if above.found {
			m.inherit(&above.contact, above.prefix)
		}
		above = m
	}
	return above
}

// wayAt returns the route's way at one length of the chain: the chosen one at its own
// length, none below it, the preferred one above it.
func (f *finding) wayAt(i int, g int32, alt choice, at time.Time) *way {
	switch {
	case alt.at < 0 || i < alt.at:
		return nil
	case i == alt.at:
		return alt.way
	}
	seen, maybe := f.validRecs(g, at)
	if best := f.preferred(append(seen, maybe...)); len(best) > 0 {
		return &f.t.paths[best[0].way]
	}
	return nil
}

func (f *finding) addHolder(h Holder) {
	for i := range f.holders {
		if f.holders[i].ID == h.ID {
			return
		}
	}
	f.holders = append(f.holders, h)
}

func (f *finding) step(s Step) {
	if !slices.Contains(f.steps, s) {
		f.steps = append(f.steps, s)
	}
}

// markOf returns the record that says of one prefix whether its addresses are shared or dynamic: the prefix's own,
// or that of the interface or next hop to which it was routed.
func (f *finding) markOf(g int32, at time.Time) *Contact {
	marks := func(c *Contact) bool { return c != nil && c.Assignment != AssignUnknown }
	if c := validAt(f.t.claims[g], at); marks(c) {
		return c
	}
	seen, maybe := f.validRecs(g, at)
	for _, r := range append(seen, maybe...) {
		w := &f.t.paths[r.way]
		for _, records := range [][]*Contact{w.interfaces, w.nextHops} {
			if c := validAt(records, at); marks(c) {
				return c
			}
		}
	}
	return nil
}
