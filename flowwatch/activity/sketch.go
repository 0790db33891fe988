package activity

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A Sketch counts distinct peers in 65 bytes: exactly up to 16 of them, and about above
// (HyperLogLog of 64 registers, standard error 13 %). Sketches of the same Seed merge.
type Sketch struct {
	n    uint8 // number of exact hashes, or estimated
	data [registers]byte
}

const (
	registers = 64
	exactMax  = registers / 4
	estimated = 0xff
	maxRank   = 27 // of 26 bits of hash, all zero
)

// Add counts a peer by its hash.
func (s *Sketch) Add(hash uint32) { addPeer(&s.n, &s.data, hash) }

// addPeer is Add for a Sketch whose parts stand apart.
func addPeer(n *uint8, data *[registers]byte, hash uint32) {
	if *n == estimated {
		register(data, hash)
		return
	}
	used := int(*n)
	for i := range used {
		if binary.LittleEndian.Uint32(data[4*i:]) == hash {
			return
		}
	}
	if used < exactMax {
		binary.LittleEndian.PutUint32(data[4*used:], hash)
		*n++
		return
	}
	estimate(n, data)
	register(data, hash)
}

func register(data *[registers]byte, hash uint32) {
	rank := uint8(bits.LeadingZeros32(hash<<6|1<<5)) + 1
	if r := &data[hash>>26]; *r < rank {
		*r = rank
	}
}

// estimate turns the exact set into registers.
func estimate(n *uint8, data *[registers]byte) {
	old, used := *data, int(*n)
	*data, *n = [registers]byte{}, estimated
	for i := range used {
		register(data, binary.LittleEndian.Uint32(old[4*i:]))
	}
}

// Merge makes s count the peers of both.
func (s *Sketch) Merge(o *Sketch) {
	if o.n != estimated {
		for i := range int(o.n) {
			s.Add(binary.LittleEndian.Uint32(o.data[4*i:]))
		}
		return
	}
	if s.n != estimated {
		estimate(&s.n, &s.data)
	}
	for i, r := range o.data {
		s.data[i] = max(s.data[i], r)
	}
}

// Exact tells whether Count is exact.
func (s *Sketch) Exact() bool { return s.n != estimated }

// Count is the number of distinct peers.
func (s *Sketch) Count() int {
	if s.n != estimated {
		return int(s.n)
	}
	sum, zeros := 0.0, 0
	for _, r := range s.data {
		sum += 1 / float64(uint64(1)<<r)
		if r == 0 {
			zeros++
		}
	}
	const m = registers
	e := 0.709 * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		e = m * math.Log(m/float64(zeros))
	}
	return max(exactMax+1, int(e+0.5))
}

// Append writes s in its shortest form.
func (s *Sketch) Append(b []byte) []byte {
	b = append(b, s.n)
	if s.n == estimated {
		return append(b, s.data[:]...)
	}
	return append(b, s.data[:4*s.n]...)
}

// Read reads what Append wrote and returns the rest; nil means that b holds no Sketch.
func (s *Sketch) Read(b []byte) []byte {
	*s = Sketch{}
	if len(b) == 0 {
		return nil
	}
	size := registers
	if b[0] != estimated {
		size = 4 * int(b[0])
	}
	if b[0] > exactMax && b[0] != estimated || len(b) < 1+size {
		return nil
	}
	s.n = b[0]
	copy(s.data[:], b[1:1+size])
	if s.n == estimated {
		for i := range s.data {
			s.data[i] = min(s.data[i], maxRank)
		}
	}
	return b[1+size:]
}

// A Seed keys the hashing of addresses, so that nobody outside can choose peers that collide.
type Seed [2]uint64

// hash mixes an address; both halves of the result are usable by themselves.
func (s Seed) hash(hi, lo uint64) uint64 {
	a, b := bits.Mul64(hi^s[0]^0x9e3779b97f4a7c15, lo^s[1]|1<<63)
	x := a ^ b ^ lo*0xff51afd7ed558ccd
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>29
}
