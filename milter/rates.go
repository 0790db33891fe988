package milter

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// A count is something of which a host's amount is kept.
type count uint8

const (
	countMessages count = iota
	countRecipients
	countRefusals
	counts
)

func parseCount(s string) (count, bool) {
	switch s {
	case "messages":
		return countMessages, true
	case "recipients":
		return countRecipients, true
	case "refusals":
		return countRefusals, true
	}
	return 0, false
}

// A window is a length of time over which is counted.
type window uint8

const (
	windowMinute window = iota
	windowHour
	windowDay
	windows
)

func parseWindow(s string) (window, bool) {
	switch s {
	case "minute":
		return windowMinute, true
	case "hour":
		return windowHour, true
	case "day":
		return windowDay, true
	}
	return 0, false
}

func (w window) seconds() int64 { return [...]int64{60, 3600, 86400}[w] }

// A rates is what one host sent in the last minute, hour and day.
type rates [counts][windows]int

func (r rates) get(c count, w window) int { return r[c][w] }

// A rateTable counts per host, in bounded memory: two fixed windows each,
// of which the older one counts with the share that the sliding window still
// covers. A host of IPv6 is its /64, since its owner may choose the rest.
type rateTable struct {
	seed   maphash.Seed
	shards [16]rateShard
	limit  int // hosts in one shard
	evict  func()
}

type rateShard struct {
	mu    sync.Mutex
	hosts map[netip.Addr]*hostRates
}

type hostRates struct {
	last   int64 // second of the last count
	epochs [windows]int64
	now    [counts][windows]uint32
	before [counts][windows]uint32
}

func newRateTable(maxHosts int, evict func()) *rateTable {
	t := &rateTable{seed: maphash.MakeSeed(), evict: evict}
	t.limit = max(1, maxHosts/len(t.shards))
	for i := range t.shards {
		t.shards[i].hosts = map[netip.Addr]*hostRates{}
	}
	return t
}

func hostKey(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}

func (t *rateTable) shard(key netip.Addr) *rateShard {
	return &t.shards[maphash.Comparable(t.seed, key)%uint64(len(t.shards))]
}

// add counts n more for the host.
func (t *rateTable) add(addr netip.Addr, c count, n int, at time.Time) {
	if !addr.IsValid() || n <= 0 {
		return
	}
	key, second := hostKey(addr), at.Unix()
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[key]
	if h == nil {
		if len(s.hosts) >= t.limit {
			s.evictOne(second)
			t.evict()
		}
		h = &hostRates{}
		s.hosts[key] = h
	}
	h.roll(second)
	for w := range windows {
		h.now[c][w] = addSaturated(h.now[c][w], n)
	}
}

func addSaturated(a uint32, n int) uint32 {
	return uint32(min(uint64(a)+uint64(n), 1<<32-1))
}

// evictOne gives up the one that sent least today of a few hosts, and of equals the longest silent:
// a flood of new hosts pushes out its own, and each costs no more than this.
func (s *rateShard) evictOne(second int64) {
	var least netip.Addr
	var worst *hostRates
	seen := 0
	for key, h := range s.hosts {
		last := h.last
		h.roll(second)
		h.last = last
		if worst == nil || h.today() < worst.today() || h.today() == worst.today() && h.last < worst.last {
			least, worst = key, h
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(s.hosts, least)
}

func (h *hostRates) today() (sum uint64) {
	for c := range counts {
		sum += uint64(h.now[c][windowDay]) + uint64(h.before[c][windowDay])
	}
	return sum
}

// get returns the host's counts as of at.
func (t *rateTable) get(addr netip.Addr, at time.Time) (r rates) {
	key, second := hostKey(addr), at.Unix()
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[key]
	if h == nil {
		return r
	}
	h.roll(second)
	for w := range windows {
		length := w.seconds()
		share := float64(length-h.last%length) / float64(length)
		for c := range counts {
			r[c][w] = int(float64(h.before[c][w])*share) + int(h.now[c][w])
		}
	}
	return r
}

// roll moves the windows on to second. A clock that went back changes nothing.
func (h *hostRates) roll(second int64) {
	second = max(second, h.last)
	h.last = second
	for w := range windows {
		epoch := second / w.seconds()
		gone := epoch - h.epochs[w]
		if gone == 0 {
			continue
		}
		for c := range counts {
			h.before[c][w] = 0
			if gone == 1 {
				h.before[c][w] = h.now[c][w]
			}
			h.now[c][w] = 0
		}
		h.epochs[w] = epoch
	}
}

// size returns how many hosts are known.
func (t *rateTable) size() (n int) {
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += len(t.shards[i].hosts)
		t.shards[i].mu.Unlock()
	}
	return n
}
