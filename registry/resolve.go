package registry

import (
	"net/netip"
	"slices"
	"sync"
	"time"
	"unsafe"
)

// undecided marks a group whose address alone does not name one contact.
const undecided = -1

// resolve decides for each group, parents first, who answers at this moment, and fills
// the longest-prefix table: a second goroutine takes each block that is decided.
func (b *builder) resolve() {
	b.contact, b.answer = make([]int32, len(b.t.groups)), make([]int32, len(b.t.groups))
	const block = 1 << 13
	decided := make(chan [2]int, len(b.t.groups)/block+1)
	var inserting sync.WaitGroup
	inserting.Go(func() {
		for r := range decided {
			b.insert(r[0], r[1])
		}
	})
	now := b.t.built
	for from := 0; from < len(b.t.groups); from += block {
		to := min(from+block, len(b.t.groups))
		b.resolveGroups(from, to, now)
		decided <- [2]int{from, to}
	}
	close(decided)
	inserting.Wait()
}

// insert reads what resolveGroups wrote of a range before, and nothing else that it writes.
func (b *builder) insert(from, to int) {
	for i := from; i < to; i++ {
		b.t.lpm.Insert(b.t.groups[i].prefix(), b.answer[i])
	}
}

func (b *builder) resolveGroups(from, to int, now time.Time) {
	t := b.t
	for i := from; i < to; i++ {
		g := &t.groups[i]
		above := int32(0)
		if g.parent >= 0 {
			p := &t.groups[g.parent]
			above, g.assign, g.ours, g.inward = b.contact[g.parent], p.assign, g.ours || p.ours, p.inward
		}
		var own *Contact
		if g.claimed {
			own = validAt(t.claims[int32(i)], now)
		}
		best := b.bestWays(int32(i))
		c := b.contactOf(own, best, above, now)
		b.contact[i] = c
		b.markGroup(g, own, best)
		if a := g.assign.assignment(); c > 0 && (g.ours || g.inward) && a != AssignDynamic && a != AssignShared && b.facts[c].hasMail {
			b.answer[i] = c
		}
	}
}

// markGroup says whether the group is ours, and takes over what the records of interfaces
// and next hops say of all that is routed there, of several the strictest; a record of the
// prefix itself overrides it.
func (b *builder) markGroup(g *group, own *Contact, best []uint32) {
	mark := assignCode(0)
	if len(best) > 0 {
		g.inward = false
	}
	for _, w := range best {
		if c := &b.claimed[w]; !c.outward {
			mark, g.inward = max(mark, c.assign), true
		}
	}
	if own != nil {
		g.ours = g.ours || g.bits > 0
	}
	if m := own.mark(); m != 0 {
		mark = m
	}
	if mark != 0 {
		g.assign = mark
	}
}

// contactOf merges the claims on one group, as of now, with what holds above it.
func (b *builder) contactOf(own *Contact, best []uint32, above int32, now time.Time) int32 {
	if len(best) == 0 {
		return b.merge(mergeKey{above, own, nil, nil}, now)
	}
	result := b.mergeWay(above, own, best[0], now)
	for _, w := range best[1:] {
		if id := b.mergeWay(above, own, w, now); id != result && !b.oneHolder(id, result) {
			return undecided
		}
	}
	return result
}

// oneHolder reports whether two contacts are of one holder.
func (b *builder) oneHolder(x, y int32) bool {
	return x > 0 && y > 0 && b.facts[x].id == b.facts[y].id
}

// maxMergedCells bounds what mergeWay remembers: past 16 MB it begins anew.
const maxMergedCells = 4 << 20

// mergeWay is merge for a route. Where no record names the prefix itself, as for most of
// a million routes, a row for the contact above has the result by the number of the claim:
// what lies below one prefix is merged in sequence, and finds the same row.
func (b *builder) mergeWay(above int32, own *Contact, w uint32, now time.Time) int32 {
	claim := &b.claimed[w]
	k := mergeKey{above, own, claim.iface, claim.hop}
	if own != nil || claim.id == 0 {
		return b.merge(k, now)
	}
	cell := &b.mergedRow(above)[claim.id]
	if *cell == 0 {
		*cell = b.merge(k, now) - undecided + 1
	}
	return *cell + undecided - 1
}

// mergedRow returns what was merged with one contact above, by claim; 0 is not yet.
func (b *builder) mergedRow(above int32) []int32 {
	row := int(above - undecided)
	if row >= len(b.mergedWays) {
		b.mergedWays = append(b.mergedWays, make([][]int32, row+1-len(b.mergedWays))...)
	}
	if b.mergedWays[row] == nil {
		size := len(b.claims) + 1
		if b.mergedCells += size; b.mergedCells > maxMergedCells {
			clear(b.mergedWays)
			b.mergedCells = size
		}
		b.mergedWays[row] = make([]int32, size)
	}
	return b.mergedWays[row]
}

// bestWays returns the ways of the group's current, preferred routes; a default route says
// nothing of who answers. The slice is used again by the next call.
func (b *builder) bestWays(i int32) []uint32 {
	best := b.best[:0]
	if b.t.groups[i].bits == 0 {
		return best
	}
	rank := int32(0)
	for _, r := range b.t.recsOf(i) {
		w := &b.claimed[r.way]
		if r.notAfter != 0 || !w.leads {
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
	return best
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
	m := merger{t: b.t, at: now, silent: true}
	m.add(level{own: k.own, iface: k.iface, hop: k.hop})
	if k.above > 0 {
		m.inherit(b.t.resolved[k.above], netip.Prefix{})
	}
	id := int32(undecided)
	if k.above != undecided || m.contact.hasMail() {
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

// contactFacts is what resolve asks of a merged contact for every route that leads to it.
type contactFacts struct {
	id      string
	hasMail bool
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
	kept := *c
	b.t.resolved = append(b.t.resolved, &kept)
	b.facts = append(b.facts, contactFacts{id: kept.ID(), hasMail: kept.hasMail()})
	b.interned[k] = id
	return id
}
