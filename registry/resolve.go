package registry

import (
	"net/netip"
	"slices"
	"time"
	"unsafe"
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
		id := int32(0)
		if c := b.contact[i]; c > 0 && g.assign.assignment() != AssignDynamic &&
			g.assign.assignment() != AssignShared && len(t.resolved[c].Mails()) > 0 {
			id = c
		}
		t.lpm.Insert(g.prefix(), id)
	}
}

func (b *builder) markGroup(i int32, now time.Time) {
	t := b.t
	g := &t.groups[i]
	b.markWays(i)
	if len(t.claims) == 0 && t.networks.Size() == 0 {
		return
	}
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

// markWays takes over what the record of an interface or next hop says of all that is routed there; a record of the
// prefix itself overrides it.
func (b *builder) markWays(i int32) {
	for _, w := range b.bestWays(i) {
		for _, c := range []*Contact{b.claimed[w].hop, b.claimed[w].iface} {
			if c != nil && c.Assignment != AssignUnknown {
				b.t.groups[i].assign = codeOf(c.Assignment)
			}
		}
	}
}

// contactOf merges the claims on one group, as of now, with what holds above it.
func (b *builder) contactOf(i, above int32, now time.Time) int32 {
	t := b.t
	var own *Contact
	if len(t.claims) > 0 {
		own = validAt(t.claims[i], now)
	}
	best := b.bestWays(i)
	result := above
	for n, w := range best {
		id := b.mergeWay(above, own, w, now)
		switch {
		case n == 0:
			result = id
		case id != result && !b.oneHolder(id, result):
			return undecided
		}
	}
	if len(best) == 0 {
		result = b.merge(mergeKey{above, own, nil, nil}, now)
	}
	return result
}

// oneHolder reports whether two contacts are of one holder.
func (b *builder) oneHolder(x, y int32) bool {
	return x > 0 && y > 0 && b.t.resolved[x].ID() == b.t.resolved[y].ID()
}

// mergeWay is merge for a route. Where no record names the prefix itself, as for most of
// a million routes, a short key finds the result.
func (b *builder) mergeWay(above int32, own *Contact, w uint32, now time.Time) int32 {
	claim := b.claimed[w]
	k := mergeKey{above, own, claim.iface, claim.hop}
	if own != nil || claim.id == 0 {
		return b.merge(k, now)
	}
	short := uint64(uint32(above))<<32 | uint64(claim.id)
	id, ok := b.mergedWays[short]
	if !ok {
		id = b.merge(k, now)
		b.mergedWays[short] = id
	}
	return id
}

// bestWays returns the ways of the group's current, preferred, inward routes. The slice
// is used again by the next call.
func (b *builder) bestWays(i int32) []uint32 {
	best := b.best[:0]
	if b.t.groups[i].bits == 0 {
		return best
	}
	rank := 0
	for _, r := range b.t.recsOf(i) {
		w := &b.t.paths[r.way]
		if r.notAfter != 0 || !(Route{Type: w.routeType}).Leads() {
			continue
		}
		if len(best) > 0 && w.rank > rank {
			best = best[:0]
		}
		if len(best) == 0 || w.rank == rank {
			best, rank = append(best, r.way), w.rank
		}
	}
	b.best = best
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

// merge folds what one group claims and what holds above it, once for each combination.
func (b *builder) merge(k mergeKey, now time.Time) int32 {
	if k.own == nil && k.iface == nil && k.hop == nil {
		return k.above
	}
	if id, ok := b.merged[k]; ok {
		return id
	}
	m := b.t.newMerger(now)
	m.add(level{own: k.own, iface: k.iface, hop: k.hop})
	if k.above > 0 {
		m.inherit(b.t.resolved[k.above], netip.Prefix{})
	}
	id := int32(undecided)
	if k.above != undecided || len(m.contact.Mails()) > 0 {
		id = b.intern(&m.contact)
	}
	b.merged[k] = id
	return id
}

// sameContact tells merged contacts apart by what they were merged from: their lists are
// those of the records, so that the place in memory names them.
type sameContact struct {
	key                              Key
	admin, tech, abuse               *Mailbox
	org, address, city, country, tel string
	language, zone                   string
	updatedBy, source                string
	digest, xarf                     *bool
	every                            Duration
	optOut                           *string
	updated, created, since, until   time.Time
	assignment                       Assignment
}

// intern keeps each distinct contact once: a million routes lead to few.
func (b *builder) intern(c *Contact) int32 {
	k := sameContact{c.Key, unsafe.SliceData(c.Admin), unsafe.SliceData(c.Tech), unsafe.SliceData(c.Abuse),
		c.Org, c.Address, c.City, c.Country, c.Tel, c.Language, c.Zone, c.UpdatedBy, c.Source, c.Prefer.Digest, c.Prefer.XARF, c.Prefer.Every,
		unsafe.SliceData(c.Prefer.OptOut), c.Updated, c.Created, c.Since, c.Until, c.Assignment}
	if id, ok := b.interned[k]; ok {
		return id
	}
	id := int32(len(b.t.resolved))
	b.t.resolved = append(b.t.resolved, c)
	b.interned[k] = id
	return id
}
