package activity

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
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

// addPeer is Add for a Sketch whose parts stand apart. The exact hashes stand in an open-addressing
// table of 16, so that most are found at the first look; 0 is empty.
func addPeer(n *uint8, data *[registers]byte, hash uint32) {
	if *n == estimated {
		register(data, hash)
		return
	}
	hash = max(hash, 1)
	for i := range uint32(exactMax) {
		at := data[(hash+i)%exactMax*4:]
		switch binary.LittleEndian.Uint32(at) {
		case hash:
			return
		case 0:
			binary.LittleEndian.PutUint32(at, hash)
			*n++
			return
		}
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
	old := *data
	*data, *n = [registers]byte{}, estimated
	for _, hash := range exact(&old) {
		if hash != 0 {
			register(data, hash)
		}
	}
}

// exact are the hashes of an exact set, some of them 0.
func exact(data *[registers]byte) (hashes [exactMax]uint32) {
	for i := range hashes {
		hashes[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return hashes
}

// Merge makes s count the peers of both.
func (s *Sketch) Merge(o *Sketch) {
	switch o.n {
	case 0:
		return
	case estimated:
	default:
		if s.n == 0 {
			*s = *o
			return
		}
		for i, left := 0, o.n; left > 0 && i < registers; i += 4 {
			if hash := binary.LittleEndian.Uint32(o.data[i:]); hash != 0 {
				s.Add(hash)
				left--
			}
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

// Equal tells whether both count the same peers; where they stand in an exact set is of no matter.
func (s Sketch) Equal(o Sketch) bool { return bytes.Equal(s.Append(nil), o.Append(nil)) }

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

// Append writes s in its shortest form; equal sets are written alike.
func (s *Sketch) Append(b []byte) []byte {
	b = append(b, s.n)
	switch s.n {
	case 0:
		return b
	case estimated:
		return append(b, s.data[:]...)
	}
	hashes := exact(&s.data)
	slices.Sort(hashes[:])
	for _, hash := range hashes[exactMax-s.n:] {
		b = binary.LittleEndian.AppendUint32(b, hash)
	}
	return b
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
	if b[0] == estimated {
		s.n = estimated
		for i, r := range b[1 : 1+size] {
			s.data[i] = min(r, maxRank)
		}
		return b[1+size:]
	}
	for i := 1; i < 1+size; i += 4 {
		s.Add(binary.LittleEndian.Uint32(b[i:]))
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

// of is the hash of a key.
func (s Seed) of(k key) uint64 { return s.hash(k.hi, k.lo^uint64(k.bits)) }
