package activity

import (
	"math"
	"math/bits"
)

// register notes a hash in the 2^p registers of a HyperLogLog: the upper p bits choose one, which keeps the most zeros
// that the other bits of a hash ever began with, and one.
func register(registers []byte, p int, hash uint32) {
	rank := uint8(bits.LeadingZeros32(hash<<p|1<<(p-1))) + 1
	if r := &registers[hash>>(32-p)]; *r < rank {
		*r = rank
	}
}

// maxRank is what a register holds at most: all bits but the upper p were zeros.
func maxRank(p int) uint8 { return uint8(32-p) + 1 }

// fold tells which of the coarse registers a fine one belongs to, and what it says there.
func fold(i int, rank uint8) (at int, folded uint8) {
	const more = fineBits - coarseBits
	low := uint32(i) & (1<<more - 1)
	if low == 0 {
		return i >> more, rank + more
	}
	return i >> more, uint8(bits.LeadingZeros32(low<<(32-more))) + 1
}

// cardinality estimates how many different hashes the registers have noted. It is the improved estimator of O. Ertl, "New
// cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6: without bias where the
// original one changes between two formulas.
func cardinality(registers []byte, p int) int {
	var count [64]int
	for _, r := range registers {
		count[r&63]++
	}
	m, last := float64(len(registers)), int(maxRank(p))
	z := m * tau(1-float64(count[last])/m)
	for rank := last - 1; rank > 0; rank-- {
		z = (z + float64(count[rank])) / 2
	}
	z += m * sigma(float64(count[0])/m)
	return int(m*m/(2*math.Ln2*z) + 0.5)
}

// sigma and tau correct for registers that say nothing yet and for those that can say no more.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	sum, last := x, -1.0
	for y := 1.0; sum != last; y += y {
		x *= x
		last = sum
		sum += x * y
	}
	return sum
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	sum, last := 1-x, -1.0
	for y := 0.5; sum != last; y /= 2 {
		x = math.Sqrt(x)
		last = sum
		sum -= (1 - x) * (1 - x) * y
	}
	return sum / 3
}
