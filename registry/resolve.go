package registry

import (
	"net/netip"
	"slices"
	"time"
)

// undecided marks a group whose address alone does not name one contact.
const undecided = -1

// resolve decides for each group, parents first, who answers at this moment, and fills
// the longest-prefix table.
func (b *builder) resolve() {
	t := b.t
	now := t.now()
	b.contact = make([]int32, len(t.groups))
	for i := range t.groups {
		g := &t.groups[i]
		above := int32(0)
		if g.parent >= 0 {
			p := &t.groups[g.parent]
			above, g.assign, g.ours = b.contact[g.parent], p.assign, p.ours
		}
		b.contact[i] = b.contactOf(int32(i), above, now)
		b.markGroup(int32(i), now)
		s := slot{group: int32(i)}
		if c := b.contact[i]; c > 0 && g.assign.assignment() != AssignDynamic &&
			g.assign.assignment() != AssignShared && len(t.resolved[c].Mails()) > 0 {
			s.contact = c
		}
		t.lpm.Insert(g.prefix(), s)
	}
}

func (b *builder) markGroup(i int32, now time.Time) {
	t := b.t
	g := &t.groups[i]
	for _, c := range t.claims[i] {
		if !c.holdsAt(now, now) {
			continue
		}
		if c.Assignment != AssignUnknown {
			g.assign = codeOf(c.Assignment)
		}
		g.ours = g.ours || g.bits > 0
	}
	if t.networks.Get(g.prefix()) {
		g.ours = true
	}
}

// contactOf merges the claims on one group, as of now, with what holds above it.
func (b *builder) contactOf(i, above int32, now time.Time) int32 {
	t := b.t
	ways := b.bestWays(i)
	own := validAt(t.claims[i], now)
	if own == nil && !b.claimed(ways, now) {
		return above
	}
	result := int32(0)
	for n, w := range ways {
		id := b.merge(own, w, above, now)
		if n > 0 && id != result {
			return undecided
		}
		result = id
	}
	if len(ways) == 0 {
		result = b.merge(own, noWay, above, now)
	}
	return result
}

const noWay = ^uint32(0)

func (b *builder) claimed(ways []uint32, now time.Time) bool {
	for _, w := range ways {
		if validAt(b.t.paths[w].interfaces, now) != nil || validAt(b.t.paths[w].nextHops, now) != nil {
			return true
		}
	}
	return false
}

// bestWays returns the ways of the group's current, preferred, inward routes.
func (b *builder) bestWays(i int32) []uint32 {
	if b.t.groups[i].bits == 0 {
		return nil
	}
	var best []uint32
	for _, r := range b.t.recsOf(i) {
		w := &b.t.paths[r.way]
		if r.notAfter != 0 || !(Route{Type: w.routeType}).Leads() {
			continue
		}
		if len(best) > 0 && w.rank > b.t.paths[best[0]].rank {
			best = best[:0]
		}
		if len(best) == 0 || w.rank == b.t.paths[best[0]].rank {
			best = append(best, r.way)
		}
	}
	return slices.DeleteFunc(best, func(w uint32) bool { return b.t.paths[w].outward })
}

// validAt returns the record that held at a moment; of several the last.
func validAt(records []*Contact, at time.Time) *Contact {
	for _, c := range slices.Backward(records) {
		if c.holdsAt(at, at) {
			return c
		}
	}
	return nil
}

func (b *builder) merge(own *Contact, wayIndex uint32, above int32, now time.Time) int32 {
	t := b.t
	if wayIndex != noWay && validAt(t.paths[wayIndex].interfaces, now) == nil && validAt(t.paths[wayIndex].nextHops, now) == nil {
		wayIndex = noWay
	}
	if own == nil && wayIndex == noWay {
		return above
	}
	k := mergeKey{above, own, wayIndex}
	if id, ok := b.merged[k]; ok {
		return id
	}
	l := level{own: own}
	if wayIndex != noWay {
		l.addWay(&t.paths[wayIndex], now)
	}
	m := t.newMerger(now)
	m.add(l)
	if above > 0 {
		m.inherit(t.resolved[above], netip.Prefix{})
	}
	id := int32(undecided)
	if above != undecided || len(m.contact.Mails()) > 0 {
		id = int32(len(t.resolved))
		t.resolved = append(t.resolved, &m.contact)
	}
	b.merged[k] = id
	return id
}
