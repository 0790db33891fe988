package maillog

import (
	"math"
	"math/bits"
)

// A dropSketch remembers, in a fixed size, what a board had no room for: how much each dropped key had counted
// (a count-min sketch, never too little) and how many distinct keys there were (HyperLogLog).
type dropSketch struct {
	counts  [sketchRows][sketchCols]uint32
	ranks   [1 << rankBits]uint8
	dropped bool
}

const (
	sketchRows = 4
	sketchCols = 1 << 14
	rankBits   = 10 // 3 % standard error
)

func (s *dropSketch) add(hash, weight uint64) {
	s.dropped = true
	for row := range s.counts {
		cell := &s.counts[row][column(hash, row)]
		*cell = uint32(min(uint64(*cell)+weight, math.MaxUint32))
	}
	rank := uint8(bits.LeadingZeros64(hash<<rankBits|1<<(rankBits-1)) + 1)
	at := hash >> (64 - rankBits)
	s.ranks[at] = max(s.ranks[at], rank)
}

// weight is how much a key had counted when it was dropped; it may be too much, never too little.
func (s *dropSketch) weight(hash uint64) uint64 {
	if !s.dropped {
		return 0
	}
	least := uint32(math.MaxUint32)
	for row := range s.counts {
		least = min(least, s.counts[row][column(hash, row)])
	}
	return uint64(least)
}

// distinct estimates how many keys were dropped.
func (s *dropSketch) distinct() int64 {
	const m = 1 << rankBits
	sum, empty := 0.0, 0
	for _, rank := range s.ranks {
		sum += math.Ldexp(1, -int(rank))
		if rank == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate <= 2.5*m && empty > 0 {
		estimate = m * math.Log(m/float64(empty))
	}
	return int64(math.Round(estimate))
}

// column draws another 14 bits of the hash for each row.
func column(hash uint64, row int) uint64 {
	return (hash * (2*uint64(row)*0x9e3779b97f4a7c15 + 0xbf58476d1ce4e5b9)) >> (64 - 14)
}
