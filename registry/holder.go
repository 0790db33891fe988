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
	}
	for _, alts := range byLength(routed) {
		f.addHolders(f.fold(alts, at))
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

// addHolders takes over what fold found.
func (f *finding) addHolders(folded []*merger) {
	for _, m := range folded {
		if !m.found {
			f.nobody = true
			continue
		}
		for _, s := range m.steps {
			f.step(s)
		}
		h := Holder{ID: m.contact.ID(), Contact: m.contact, Prefix: m.prefix, Rule: m.rule, Certainty: Certain}
		if m.via.at >= 0 {
			h.Route = f.t.route(f.t.groups[m.via.group].prefix(), m.via.rec)
		}
		f.addHolder(h, len(folded) > 1)
	}
}

// addHolder keeps each holder once. torn says that it is one of several that fit though
// their organisation may be one: what tells them apart is then where their mail goes.
func (f *finding) addHolder(h Holder, torn bool) {
	for i := range f.holders {
		if o := &f.holders[i]; o.ID == h.ID && (!torn || slices.Equal(o.Contact.Mails(), h.Contact.Mails())) {
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
// or that of the interface or next hop to which it was routed, of several the strictest.
func (f *finding) markOf(g int32, at time.Time) *Contact {
	if c := validAt(f.t.claims[g], at); c.mark() != 0 {
		return c
	}
	var found *Contact
	seen, maybe := f.validRecs(g, at)
	for _, r := range f.preferred(append(seen, maybe...)) {
		w := &f.t.paths[r.way]
		if w.outward || f.t.groups[g].bits == 0 {
			continue
		}
		if c := w.mark(at); c.mark() > found.mark() {
			found = c
		}
	}
	return found
}

// mark is what a record says of the assignment of addresses, the stricter the higher; 0
// is nothing, as for no record.
func (c *Contact) mark() assignCode {
	if c == nil {
		return 0
	}
	return codeOf(c.Assignment)
}

// mark returns the record of the interface, or else of the next hop, that says how the
// addresses behind it are assigned.
func (w *way) mark(at time.Time) *Contact {
	if c := validAt(w.interfaces, at); c.mark() != 0 {
		return c
	}
	return validAt(w.nextHops, at)
}
