package registry

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"
)

// leaseIndex holds what one lease log told. One goroutine adds to it while any number look
// leases up: a log that grows costs no more than its new lines.
type leaseIndex struct {
	max     int // leases; beyond it the oldest go
	mu      sync.RWMutex
	name    string // of the log
	recs    map[leaseBlock][]*leaseRec
	blocks  map[netip.Prefix][]leaseBlock
	lengths map[lengthOf]int // how many prefixes there are of each length
	count   int
	oldest  int64 // what began before was dropped
	latest  int64 // of all times in the log: how far it reaches
}

// leaseBlock is what a lease is of.
type leaseBlock struct {
	prefix    netip.Prefix
	low, high uint16
	protocol  string
}

// leaseRec is who had a block and when, in milliseconds since 1970; to is 0 until its end
// is seen.
type leaseRec struct {
	from, to int64
	who      string
	line     int
}

type lengthOf struct {
	is4  bool
	bits int
}

func lengthKey(p netip.Prefix) lengthOf { return lengthOf{p.Addr().Is4(), p.Bits()} }

func newLeaseIndex(name string, limit int) *leaseIndex {
	return &leaseIndex{name: name, max: limit, recs: map[leaseBlock][]*leaseRec{}, blocks: map[netip.Prefix][]leaseBlock{}, lengths: map[lengthOf]int{}}
}

// add takes a lease in, where it is not older than what was dropped for want of room.
func (x *leaseIndex) add(b leaseBlock, r *leaseRec) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.from < x.oldest {
		return
	}
	list, known := x.recs[b]
	if !known {
		if len(x.blocks[b.prefix]) == 0 {
			x.lengths[lengthKey(b.prefix)]++
		}
		x.blocks[b.prefix] = append(x.blocks[b.prefix], b)
	}
	at := len(list)
	if at > 0 && list[at-1].from > r.from { // logs are in order, but for a few lines
		at = sort.Search(at, func(i int) bool { return list[i].from > r.from })
	}
	x.recs[b] = slices.Insert(list, at, r)
	if x.count++; x.count > x.max {
		x.drop(newest(x.starts(nil), x.max))
	}
}

// newest returns the time before which all but the newest leases begin, where there are more
// than the limit: not quite as many stay as may, so that not each new one costs a search. Of
// those that begin at once all stay or none.
func newest(starts []int64, limit int) int64 {
	slices.Sort(starts)
	from := starts[min(len(starts)-limit+limit/16, len(starts)-1)]
	if before, _ := slices.BinarySearch(starts, from); len(starts)-before > limit {
		from++
	}
	return from
}

// change alters a lease that was added.
func (x *leaseIndex) change(r *leaseRec, to int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.to = to
}

// reach notes that the log has something of this time.
func (x *leaseIndex) reach(t int64) {
	if t <= x.latest { // only the one who adds writes it
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.latest = t
}

func (x *leaseIndex) rename(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.name = name
}

// holds reports whether a lease that was added has not been dropped.
func (x *leaseIndex) holds(r *leaseRec) bool { return r.from >= x.oldest }

func (x *leaseIndex) starts(all []int64) []int64 {
	for _, list := range x.recs {
		for _, r := range list {
			all = append(all, r.from)
		}
	}
	return all
}

// dropBefore leaves out what began before a time.
func (x *leaseIndex) dropBefore(from int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(from)
}

func (x *leaseIndex) drop(from int64) {
	x.oldest = max(x.oldest, from)
	emptied := map[netip.Prefix]bool{}
	for b, list := range x.recs {
		n := 0
		for n < len(list) && list[n].from < from {
			n++
		}
		x.count -= n
		switch {
		case n == len(list):
			delete(x.recs, b)
			emptied[b.prefix] = true
		case n > 0:
			x.recs[b] = slices.Clone(list[n:])
		}
	}
	for p := range emptied {
		x.forgetBlocks(p)
	}
}

// forgetBlocks leaves out the blocks of a prefix that have no lease any more: all at once,
// for a shared address has as many as ports.
func (x *leaseIndex) forgetBlocks(p netip.Prefix) {
	left := slices.DeleteFunc(x.blocks[p], func(b leaseBlock) bool { return len(x.recs[b]) == 0 })
	if x.blocks[p] = left; len(left) > 0 {
		return
	}
	delete(x.blocks, p)
	k := lengthKey(p)
	if x.lengths[k]--; x.lengths[k] == 0 {
		delete(x.lengths, k)
	}
}

// LeasesOf implements Leases; it never fails.
func (x *leaseIndex) LeasesOf(addr netip.Addr, from, to time.Time) ([]Lease, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []Lease
	for k := range x.lengths {
		if k.is4 != addr.Is4() {
			continue
		}
		p := netip.PrefixFrom(addr, k.bits).Masked()
		for _, b := range x.blocks[p] {
			if list := x.recs[b]; slices.ContainsFunc(list, func(r *leaseRec) bool { return r.touches(from, to) }) {
				found = append(found, slices.DeleteFunc(x.leasesOf(b, list), func(l Lease) bool { return !l.touches(from, to) })...)
			}
		}
	}
	slices.SortFunc(found, CompareLeases)
	return found, nil
}

func (r *leaseRec) touches(from, to time.Time) bool {
	return r.from <= to.UnixMilli() && (r.to == 0 || r.to >= from.UnixMilli())
}

// leasesOf writes out the leases of one block, renewals joined and ended by one another.
func (x *leaseIndex) leasesOf(b leaseBlock, list []*leaseRec) []Lease {
	leases := make([]Lease, 0, len(list))
	for _, r := range list {
		l := Lease{Prefix: b.prefix, PortLow: b.low, PortHigh: b.high, Protocol: b.protocol, From: time.UnixMilli(r.from).UTC(),
			Subscriber: r.who, Source: fmt.Sprintf("%s:%d", x.name, r.line)}
		if r.to == 0 {
			l.Known = time.UnixMilli(x.latest).UTC()
		} else {
			l.To = time.UnixMilli(r.to).UTC()
		}
		leases = append(leases, l)
	}
	return mergeRenewals(leases)
}

// all returns every lease, in the order of CompareLeases.
func (x *leaseIndex) all() []Lease {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var all []Lease
	for b, list := range x.recs {
		all = append(all, x.leasesOf(b, list)...)
	}
	slices.SortFunc(all, CompareLeases)
	return all
}

// size returns how many leases there are.
func (x *leaseIndex) size() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.count
}

// manyLeases asks several for leases; an error of one does not hide what the others say.
type manyLeases []Leases

func leasesOf(l Leases) manyLeases {
	if many, ok := l.(manyLeases); ok || l == nil {
		return many
	}
	return manyLeases{l}
}

// LeasesOf implements Leases.
func (m manyLeases) LeasesOf(addr netip.Addr, from, to time.Time) ([]Lease, error) {
	var found []Lease
	var failed error
	for _, each := range m {
		leases, err := each.LeasesOf(addr, from, to)
		found, failed = append(found, leases...), cmp.Or(failed, err)
	}
	slices.SortFunc(found, CompareLeases)
	return found, failed
}
