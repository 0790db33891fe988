package activity

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// A Sketch counts distinct peers: exactly up to 384 of them, and about above (HyperLogLog of 2,048 registers, standard
// error 2.3 %). Where room for that was short it is a coarse one, exact up to 16 (64 registers, 13 %).
// Sketches of the same Seed merge; a copy shares its data with the original, which only Add writes to.
type Sketch struct {
	form form
	data []byte   // of few: their hashes, each of four bytes, ascending; else the registers, a byte each
	more []Sketch // to be merged when somebody asks: most sums are only looked at for their flows
}

// A form is how a Sketch counts. Of two that merge the greater is that of both together.
type form uint8

const (
	few form = iota // exact
	fine
	coarse
)

const (
	exactMax     = 384
	inlineMax    = 16 // the most of which a coarse Sketch was exact
	fineBits     = 11
	coarseBits   = 6
	fineSize     = 1 << fineBits
	coarseSize   = 1 << coarseBits
	hashSize     = 4
	markCoarse   = 0xff // first bytes of what Append writes; up to 16 hashes are told by their number
	markFine     = 0xfd
	markManyHash = 0xfe
)

// Add counts a peer by its hash, in place.
func (s *Sketch) Add(hash uint32) {
	s.settle()
	if s.form != few {
		register(s.data, s.form.bits(), hash)
		return
	}
	hash = max(hash, 1)
	at, found := s.search(hash)
	if found {
		return
	}
	s.data = slices.Insert(s.data, at*hashSize, binary.LittleEndian.AppendUint32(nil, hash)...)
	if len(s.data) > exactMax*hashSize {
		*s = Sketch{form: fine, data: s.registers(fine)}
	}
}

// search finds where a hash stands, or would.
func (s *Sketch) search(hash uint32) (at int, found bool) {
	n := len(s.data) / hashSize
	for at < n {
		middle := (at + n) / 2
		switch h := binary.LittleEndian.Uint32(s.data[middle*hashSize:]); {
		case h == hash:
			return middle, true
		case h < hash:
			at = middle + 1
		default:
			n = middle
		}
	}
	return at, false
}

func (f form) bits() int {
	if f == fine {
		return fineBits
	}
	return coarseBits
}

// Merge makes s count the peers of both. What s was copied from stays as it is.
func (s *Sketch) Merge(o *Sketch) {
	s.settle()
	o.settle()
	switch {
	case len(o.data) == 0:
	case len(s.data) == 0:
		*s = o.Clone()
	case s.form == few && o.form == few:
		both := union(s.data, o.data)
		if len(both) == len(s.data) {
			return
		}
		if s.data = both; len(both) > exactMax*hashSize {
			*s = Sketch{form: fine, data: s.registers(fine)}
		}
	default:
		f := max(s.form, o.form)
		data := s.registers(f)
		o.register(data, f)
		*s = Sketch{form: f, data: data}
	}
}

// union merges ascending hashes.
func union(a, b []byte) []byte {
	to := make([]byte, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		x, y := binary.LittleEndian.Uint32(a), binary.LittleEndian.Uint32(b)
		to = binary.LittleEndian.AppendUint32(to, min(x, y))
		if x <= y {
			a = a[hashSize:]
		}
		if y <= x {
			b = b[hashSize:]
		}
	}
	return append(append(to, a...), b...)
}

// settle merges what was put off, all at once.
func (s *Sketch) settle() {
	if len(s.more) == 0 {
		return
	}
	all := append(s.more, Sketch{form: s.form, data: s.data})
	*s = Sketch{}
	if s.fill(all) {
		return
	}
	for i := range all {
		s.form = max(s.form, all[i].form, fine)
	}
	s.data = make([]byte, 1<<s.form.bits())
	for i := range all {
		all[i].register(s.data, s.form)
	}
}

// fill makes s the exact union of others; false means that they are too many.
func (s *Sketch) fill(all []Sketch) bool {
	hashes := 0
	for i := range all {
		if all[i].form != few {
			return false
		}
		hashes += len(all[i].data) / hashSize
	}
	var room [2 * fineSize]byte
	set, n := room[:min(len(room), hashSize<<bits.Len(uint(2*hashes)))], 0
	for i := range all {
		for data := all[i].data; len(data) > 0; data = data[hashSize:] {
			if insert(set, binary.LittleEndian.Uint32(data)) {
				n++
			}
		}
		if n > exactMax {
			return false
		}
	}
	s.data = appendSorted(make([]byte, 0, n*hashSize), hashesIn(set))
	return true
}

// registers turns s into the registers of another form.
func (s *Sketch) registers(f form) []byte {
	to := make([]byte, 1<<f.bits())
	s.register(to, f)
	return to
}

// register notes all of s in registers of its own or a greater form.
func (s *Sketch) register(to []byte, f form) {
	switch {
	case s.form == few:
		for i := 0; i < len(s.data); i += hashSize {
			register(to, f.bits(), binary.LittleEndian.Uint32(s.data[i:]))
		}
	case s.form == f:
		for i, r := range s.data {
			to[i] = max(to[i], r)
		}
	default: // fine, to be coarse
		for i, r := range s.data {
			if r > 0 {
				at, rank := fold(i, r)
				to[at] = max(to[at], rank)
			}
		}
	}
}

// Small tells whether s takes no more memory than a coarse one.
func (s *Sketch) Small() bool {
	s.settle()
	return len(s.data) <= coarseSize
}

// Coarsen makes s small, for the price of its exactness.
func (s *Sketch) Coarsen() {
	if !s.Small() {
		*s = Sketch{form: coarse, data: s.registers(coarse)}
	}
}

// Clone makes a Sketch whose data nothing else shares.
func (s *Sketch) Clone() Sketch {
	s.settle()
	return Sketch{form: s.form, data: bytes.Clone(s.data)}
}

// Equal tells whether both count the same peers.
func (s Sketch) Equal(o Sketch) bool {
	s.settle()
	o.settle()
	return s.form == o.form && bytes.Equal(s.data, o.data)
}

// Exact tells whether Count is exact.
func (s *Sketch) Exact() bool {
	s.settle()
	return s.form == few
}

// Count is the number of distinct peers.
func (s *Sketch) Count() int {
	s.settle()
	switch s.form {
	case few:
		return len(s.data) / hashSize
	case fine:
		return max(exactMax+1, cardinality(s.data, fineBits))
	}
	return max(inlineMax+1, cardinality(s.data, coarseBits))
}

// Append writes s in its shortest form; equal sets are written alike.
func (s *Sketch) Append(b []byte) []byte {
	s.settle()
	switch n := len(s.data) / hashSize; {
	case s.form == coarse:
		b = append(b, markCoarse)
	case s.form == fine:
		b = append(b, markFine)
	case n <= inlineMax:
		b = append(b, byte(n))
	default:
		b = binary.LittleEndian.AppendUint16(append(b, markManyHash), uint16(n))
	}
	return append(b, s.data...)
}

// Read reads what Append wrote and returns the rest; nil means that b holds no Sketch.
func (s *Sketch) Read(b []byte) []byte {
	rest := s.View(b)
	s.data = bytes.Clone(s.data)
	return rest
}

// View is Read without a copy: s is good as long as b is, and Add must not be called.
func (s *Sketch) View(b []byte) []byte {
	*s = Sketch{}
	if len(b) == 0 {
		return nil
	}
	mark, size := b[0], int(b[0])*hashSize
	b = b[1:]
	switch {
	case mark <= inlineMax:
	case mark == markManyHash && len(b) >= 2:
		n := int(binary.LittleEndian.Uint16(b))
		if n <= inlineMax || n > exactMax {
			return nil
		}
		b, size = b[2:], n*hashSize
	case mark == markFine:
		s.form, size = fine, fineSize
	case mark == markCoarse:
		s.form, size = coarse, coarseSize
	default:
		return nil
	}
	if len(b) < size {
		*s = Sketch{}
		return nil
	}
	s.data = b[:size:size]
	if !s.sound() {
		*s = Sketch{}
		return nil
	}
	return b[size:]
}

// sound tells whether the data is what Append could have written.
func (s *Sketch) sound() bool {
	if s.form != few {
		return slices.Max(s.data) <= maxRank(s.form.bits())
	}
	last := uint32(0)
	for i := 0; i < len(s.data); i += hashSize {
		hash := binary.LittleEndian.Uint32(s.data[i:])
		if hash <= last {
			return false
		}
		last = hash
	}
	return true
}

// A Seed keys the hashing of addresses, so that nobody outside can choose peers that collide.
type Seed [2]uint64

// hash mixes an address; both halves of the result are usable by themselves.
func (s *Seed) hash(hi, lo uint64) uint64 {
	a, b := bits.Mul64(hi^s[0]^0x9e3779b97f4a7c15, lo^s[1]|1<<63)
	x := a ^ b ^ lo*0xff51afd7ed558ccd
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>29
}

// of is the hash of a key.
func (s *Seed) of(k key) uint64 { return s.hash(k.hi, k.lo^uint64(k.bits)) }
