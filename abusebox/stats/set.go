package stats

import (
	"math"
	"math/bits"
	"slices"
)

// A Set counts distinct things: exactly up to exactMax, and beyond that by HyperLogLog within about 1.2 %. Sets of
// the same kind add up. Its zero value is empty.
type Set struct {
	hashes []uint64 // sorted, while exact
	ranks  []uint8  // nil while exact
}

const (
	exactMax = 1024
	setBits  = 13
	setCells = 1 << setBits
)

// Add puts the thing with this hash in.
func (s *Set) Add(hash uint64) {
	if s.ranks != nil {
		s.rank(hash)
		return
	}
	at, found := slices.BinarySearch(s.hashes, hash)
	if found {
		return
	}
	s.hashes = slices.Insert(s.hashes, at, hash)
	if len(s.hashes) > exactMax {
		s.estimate()
	}
}

// estimate turns an exact set into a sketch.
func (s *Set) estimate() {
	s.ranks = make([]uint8, setCells)
	for _, h := range s.hashes {
		s.rank(h)
	}
	s.hashes = nil
}

func (s *Set) rank(hash uint64) {
	rank := uint8(bits.LeadingZeros64(hash<<setBits|1<<(setBits-1)) + 1)
	at := hash >> (64 - setBits)
	s.ranks[at] = max(s.ranks[at], rank)
}

// Merge adds all of o.
func (s *Set) Merge(o *Set) {
	if o.ranks == nil && s.ranks == nil {
		s.union(o.hashes)
		return
	}
	if s.ranks == nil {
		s.estimate()
	}
	for _, h := range o.hashes {
		s.rank(h)
	}
	for i, r := range o.ranks {
		s.ranks[i] = max(s.ranks[i], r)
	}
}

func (s *Set) union(hashes []uint64) {
	joined := make([]uint64, 0, len(s.hashes)+len(hashes))
	joined = append(append(joined, s.hashes...), hashes...)
	slices.Sort(joined)
	s.hashes = slices.Compact(joined)
	if len(s.hashes) > exactMax {
		s.estimate()
	}
}

// Len is how many distinct things there are; about says that it is an estimate.
func (s *Set) Len() (n int64, about bool) {
	if s == nil {
		return 0, false
	}
	if s.ranks == nil {
		return int64(len(s.hashes)), false
	}
	sum, empty := 0.0, 0
	for _, r := range s.ranks {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			empty++
		}
	}
	const m = float64(setCells)
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 {
		estimate = m * math.Log(m/float64(empty))
	}
	return int64(math.Round(estimate)), true
}

// hashOf is a hash of bytes that never changes: it is stored. FNV-1a, mixed so that all bits are good.
func hashOf(parts ...[]byte) uint64 {
	h := uint64(14695981039346656037)
	for _, part := range parts {
		for _, c := range part {
			h = (h ^ uint64(c)) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
