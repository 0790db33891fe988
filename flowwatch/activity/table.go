package activity

import (
	"encoding/binary"
	"net/netip"
)

// A key is a host: an address as 16 bytes, IPv4 mapped, and how many bits of it count.
type key struct {
	hi, lo uint64
	bits   uint8
}

func keyOf(a netip.Addr) key {
	if a.Is4() {
		return keyOf4(a)
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), 128}
}

// keyOf4 is keyOf for an IPv4 address.
func keyOf4(a netip.Addr) key {
	b := a.As4()
	return key{0, 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:])), 128}
}

func (k key) is4() bool { return k.hi == 0 && k.lo>>32 == 0xffff }

func (k key) prefix() netip.Prefix {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	a := netip.AddrFrom16(b)
	if a.Is4In6() {
		return netip.PrefixFrom(a.Unmap(), int(k.bits)-96)
	}
	return netip.PrefixFrom(a, int(k.bits))
}

// masked is the delegated prefix of an IPv6 address.
func (k key) masked(bits uint8) key {
	if bits <= 64 {
		return key{k.hi &^ (1<<(64-bits) - 1), 0, bits}
	}
	return key{k.hi, k.lo &^ (1<<(128-bits) - 1), bits}
}

// A tally is Counts in 16 bytes: what one host does in one interval fits, and saturates where it does not.
type tally struct {
	flows, packets uint32
	bytes          uint64
}

func (t *tally) add(packets, bytes uint64) {
	t.flows = saturate(t.flows, 1)
	t.packets = saturate(t.packets, packets)
	t.bytes += bytes
}

func saturate(a uint32, b uint64) uint32 {
	if sum := uint64(a) + b; sum < 1<<32 && b < 1<<32 {
		return uint32(sum)
	}
	return 1<<32 - 1
}

// A host is the counters of one host in the open interval, in five cache lines of 64 bytes: what each outgoing flow
// touches are two, side by side, and those of all hosts stand together.
type host struct {
	*hot
	*cold
}

// hot is what every flow touches, or at least every outgoing one.
type hot struct {
	hi, lo      uint64   // its key,
	bits        uint8    // with bits
	setN        [3]uint8 // of the sets: peers, who of them replied, clients
	routeFrom   uint16   // the number of the exporter for which routeIf was asked; 0 is none
	packets     bool     // some of its flows were single sampled packets
	first, last uint32   // Unix seconds
	out         tally
	relay       uint32
	failed      uint32
	tiny        uint32
	established uint32

	peers [coarseSize]byte
}

// cold is the rest.
type cold struct {
	others   [Directions - 1]tally // replies, in, answers
	synOnly  uint32
	forged   uint32
	sampling uint32
	routeIf  uint32              // by which interface the host is reached; 0 is not known
	sets     [2][coarseSize]byte // who of the peers replied, clients
}

// set is the one into which a flow of a direction counts its peer; answers count none.
func (h host) set(d Direction) *[coarseSize]byte {
	if d == Replies || d == In {
		return &h.sets[d-1]
	}
	return &h.peers
}

func (h *hot) key() key { return key{h.hi, h.lo, h.bits} }

func (h *hot) is(k key) bool { return h.lo == k.lo && h.hi == k.hi && h.bits == k.bits }

func (h host) series(d Direction) *tally {
	if d == Out {
		return &h.out
	}
	return &h.others[d-1]
}

// A table finds hosts by address: open addressing over entries that stand in chunks, so
// that neither grows by copying what is large.
type table struct {
	slots  []slot // a power of two
	shift  uint8
	chunks []*chunk
	spare  []*chunk // of the interval before,
	fresh  []chunk  // and others that no host has stood in yet
	n      int
	limit  int
	rule   rule
	flood  *flood
	rooms  [rooms]arena // of sets that have outgrown their hosts,
	taken  int          // in so many bytes
}

// A slot is a host's hash and its number + 1; 0 is empty.
type slot struct{ hash, ref uint32 }

const (
	chunkSize  = 256
	fewChunks  = 4   // are made one by one,
	manyChunks = 104 // and further ones so many at once: some eight megabytes
)

type chunk struct {
	hot  [chunkSize]hot
	cold [chunkSize]cold
}

func newTable(limit int, r rule) *table {
	t := &table{limit: limit, rule: r, flood: &flood{}}
	for i, size := range roomSize {
		t.rooms[i].size = size
	}
	t.reset()
	return t
}

const firstSlots = 1 << 10

func (t *table) reset() {
	t.slots, t.shift = make([]slot, firstSlots), 32-10
	t.chunks, t.n, t.taken = nil, 0, 0
	for i := range t.rooms {
		t.rooms[i].reset()
	}
}

func (t *table) host(ref uint32) host {
	c, i := t.chunks[ref/chunkSize], ref%chunkSize
	return host{&c.hot[i], &c.cold[i]}
}

// A seat is where in a table a host is; none is where its chunk is nil.
type seat struct {
	chunk *chunk
	at    uint8 // below chunkSize
}

func (s seat) host() host { return host{&s.chunk.hot[s.at], &s.chunk.cold[s.at]} }

// guess returns where the host with a hash most likely is: in one of the two slots where nearly all are, whatever host
// that is. It looks at no host and, since it cannot foretell which of the two it is, decides without a branch.
func (t *table) guess(hash uint32) seat {
	i := hash >> (t.shift & 31)
	first, ref := t.slots[i], t.slots[(i+1)&uint32(len(t.slots)-1)].ref
	if first.hash == hash {
		ref = first.ref
	}
	if ref == 0 {
		return seat{}
	}
	ref--
	return seat{t.chunks[ref/chunkSize], uint8(ref % chunkSize)}
}

// find returns the host with a key and its hash, or none.
func (t *table) find(k key, hash uint32) host {
	mask := uint32(len(t.slots) - 1)
	for i := hash >> t.shift; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.ref == 0 {
			return host{}
		}
		if s.hash == hash {
			if h := t.host(s.ref - 1); h.is(k) {
				return h
			}
		}
	}
}

// add makes room for a new host, or returns none where the limit is reached.
func (t *table) add(k key, hash uint32) host {
	if t.n >= t.limit {
		return host{}
	}
	if 2*(t.n+1) > len(t.slots) {
		t.grow()
	}
	if t.n%chunkSize == 0 {
		t.chunks = append(t.chunks, t.chunk())
	}
	ref := uint32(t.n)
	t.n++
	t.place(slot{hash, ref + 1})
	h := t.host(ref)
	h.hi, h.lo, h.bits = k.hi, k.lo, k.bits
	return h
}

func (t *table) chunk() *chunk {
	if n := len(t.spare); n > 0 {
		c := t.spare[n-1]
		t.spare[n-1] = nil
		t.spare = t.spare[:n-1]
		return c
	}
	if len(t.chunks) < fewChunks {
		return new(chunk)
	}
	if len(t.fresh) == 0 {
		t.fresh = make([]chunk, manyChunks)
		inHugePages(t.fresh)
	}
	c := &t.fresh[0]
	t.fresh = t.fresh[1:]
	return c
}

func (t *table) place(s slot) {
	mask := uint32(len(t.slots) - 1)
	i := s.hash >> t.shift
	for t.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	inHugePages(t.slots)
	t.shift--
	for _, s := range old {
		if s.ref != 0 {
			t.place(s)
		}
	}
}

// replace gives the room of one host to another.
func (t *table) replace(victim host, victimHash uint32, k key, hash uint32) host {
	ref := t.remove(victim.key(), victimHash)
	*victim.hot, *victim.cold = hot{hi: k.hi, lo: k.lo, bits: k.bits}, cold{}
	t.place(slot{hash, ref})
	return victim
}

// remove takes a host's slot out and moves back those that had to step over it.
func (t *table) remove(k key, hash uint32) (ref uint32) {
	mask := uint32(len(t.slots) - 1)
	i := hash >> t.shift
	for t.slots[i].hash != hash || !t.host(t.slots[i].ref-1).is(k) {
		i = (i + 1) & mask
	}
	ref = t.slots[i].ref
	for j := (i + 1) & mask; t.slots[j].ref != 0; j = (j + 1) & mask {
		home := t.slots[j].hash >> t.shift
		if (j-home)&mask >= (j-i)&mask {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = slot{}
	return ref
}
