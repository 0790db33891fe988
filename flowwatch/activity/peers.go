package activity

import (
	"encoding/binary"
	"slices"
)

// A host's set of peers, while it is open, begins as 16 hashes in the host itself. Past these it grows into a room of the
// table's: of 64 hashes, then of 512, which become registers when they are three quarters full. A table has room for
// as many as its limit of hosts lets it; past that, sets go on as 64 registers in the host.
const (
	setCoarse = 0xff // of setN: the host holds registers
	setGrown  = 0xfe // of setN: the host holds where the set is, what it is and how many are in it
)

// Rooms are the sizes of sets outside the host, and how many hashes are put in each.
const (
	middle = iota // 64 hashes
	wide          // 512 hashes
	rooms
	inRegisters = rooms // in a wide room
)

var (
	roomSize = [rooms]int{256, fineSize}
	roomMax  = [rooms]uint16{48, exactMax}
)

// A grown is what a host holds of a set that stands in a room.
type grown struct {
	room uint32
	n    uint16
	kind uint8
}

func grownOf(data *[coarseSize]byte) grown {
	return grown{binary.LittleEndian.Uint32(data[0:]), binary.LittleEndian.Uint16(data[4:]), data[6]}
}

func (g grown) store(data *[coarseSize]byte) {
	*data = [coarseSize]byte{}
	binary.LittleEndian.PutUint32(data[0:], g.room)
	binary.LittleEndian.PutUint16(data[4:], g.n)
	data[6] = g.kind
}

// meet counts a peer in one of a host's sets. The hashes stand in open addressing, beginning at one of four fours that
// are looked at all at once, so that most are found at the first look; 0 is empty.
func (t *table) meet(n *uint8, data *[coarseSize]byte, hash uint32) {
	if *n > inlineMax {
		t.meetMany(n, data, hash)
		return
	}
	hash = max(hash, 1)
	four := data[hash%4*(4*hashSize):]
	both := uint64(hash)<<32 | uint64(hash)
	if holdsZero(binary.LittleEndian.Uint64(four)^both) || holdsZero(binary.LittleEndian.Uint64(four[8:])^both) {
		return
	}
	t.meetInline(n, data, hash)
}

// holdsZero tells whether one half of x is 0.
func holdsZero(x uint64) bool { return (x-(1<<32|1))&^x&(1<<63|1<<31) != 0 }

// meetInline is meet for a set that is in the host.
func (t *table) meetInline(n *uint8, data *[coarseSize]byte, hash uint32) {
	for i := range uint32(inlineMax) {
		at := data[(hash%4*4+i)%inlineMax*hashSize:]
		switch binary.LittleEndian.Uint32(at) {
		case hash:
			return
		case 0:
			binary.LittleEndian.PutUint32(at, hash)
			*n++
			return
		}
	}
	t.move(n, data, middle, data[:], hash)
}

// meetMany is meet for a set that is no longer in the host, or no longer exact.
func (t *table) meetMany(n *uint8, data *[coarseSize]byte, hash uint32) {
	if *n == setCoarse {
		register(data[:], coarseBits, hash)
		return
	}
	g := grownOf(data)
	if g.kind == inRegisters {
		register(t.rooms[wide].at(g.room), fineBits, hash)
		return
	}
	set := t.rooms[g.kind].at(g.room)
	if !insert(set, hash) {
		return
	}
	if g.n++; g.n <= roomMax[g.kind] {
		binary.LittleEndian.PutUint16(data[4:], g.n)
		return
	}
	if g.kind == middle {
		t.move(n, data, wide, set, 0)
		t.rooms[middle].put(g.room)
		return
	}
	hashes := hashesIn(set)
	clear(set)
	for _, hash := range hashes {
		register(set, fineBits, hash)
	}
	g.kind = inRegisters
	g.store(data)
}

// insert puts a hash into a set that is never full; it is false where it stood there.
func insert(set []byte, hash uint32) bool {
	hash = max(hash, 1)
	mask := uint32(len(set)/hashSize - 1)
	for i := hash; ; i++ {
		at := set[i&mask*hashSize:]
		switch binary.LittleEndian.Uint32(at) {
		case hash:
			return false
		case 0:
			binary.LittleEndian.PutUint32(at, hash)
			return true
		}
	}
}

// move moves a set and one hash more (0 is none) into a room, or where there is none, into registers in the host.
func (t *table) move(n *uint8, data *[coarseSize]byte, kind uint8, set []byte, hash uint32) {
	hashes := hashesIn(set)
	if hash != 0 {
		hashes = append(hashes, hash)
	}
	room, ok := t.room(kind)
	if !ok {
		*n, *data = setCoarse, [coarseSize]byte{}
		for _, hash := range hashes {
			register(data[:], coarseBits, hash)
		}
		return
	}
	to := t.rooms[kind].at(room)
	g := grown{room: room, kind: kind}
	for _, hash := range hashes {
		if insert(to, hash) {
			g.n++
		}
	}
	*n = setGrown
	g.store(data)
}

// hashesIn lists a set.
func hashesIn(set []byte) []uint32 {
	list := make([]uint32, 0, len(set)/hashSize)
	for ; len(set) > 0; set = set[hashSize:] {
		if hash := binary.LittleEndian.Uint32(set); hash != 0 {
			list = append(list, hash)
		}
	}
	return list
}

// sketch writes a host's set as a Sketch, in the memory given.
func (t *table) sketch(n uint8, data *[coarseSize]byte, to []byte) Sketch {
	to = to[:0]
	switch n {
	case 0:
		return Sketch{data: to}
	case setCoarse:
		return Sketch{form: coarse, data: append(to, data[:]...)}
	case setGrown:
		g := grownOf(data)
		if g.kind == inRegisters {
			return Sketch{form: fine, data: append(to, t.rooms[wide].at(g.room)...)}
		}
		return Sketch{data: appendSorted(to, hashesIn(t.rooms[g.kind].at(g.room)))}
	}
	var hashes [inlineMax]uint32
	list := hashes[:0]
	for i := 0; i < len(data); i += hashSize {
		if hash := binary.LittleEndian.Uint32(data[i:]); hash != 0 {
			list = append(list, hash)
		}
	}
	return Sketch{data: appendSorted(to, list)}
}

func appendSorted(to []byte, hashes []uint32) []byte {
	slices.Sort(hashes)
	for _, hash := range hashes {
		to = binary.LittleEndian.AppendUint32(to, hash)
	}
	return to
}

// Room for larger sets is so much for each host that a table may hold, and never less than some megabytes.
const (
	roomOfHost = 48
	leastRoom  = 4 << 20
)

// room finds room of a kind, if there is any left.
func (t *table) room(kind uint8) (uint32, bool) {
	r := &t.rooms[kind]
	if len(r.free) == 0 && r.n%r.inChunk() == 0 {
		if t.taken += chunkBytes; t.taken > max(leastRoom, t.limit*roomOfHost) {
			t.taken -= chunkBytes
			return 0, false
		}
	}
	return r.get(), true
}

// An arena is room for sets of one size.
type arena struct {
	size   int
	chunks [][]byte
	spare  [][]byte // of the interval before
	free   []uint32
	n      int
}

const chunkBytes = 1 << 16

func (r *arena) inChunk() int { return chunkBytes / r.size }

// at is the memory of a room.
func (r *arena) at(room uint32) []byte {
	i := int(room) * r.size
	at := i % chunkBytes
	return r.chunks[i/chunkBytes][at : at+r.size]
}

func (r *arena) get() uint32 {
	if last := len(r.free) - 1; last >= 0 {
		room := r.free[last]
		r.free = r.free[:last]
		return room
	}
	if r.n%r.inChunk() == 0 {
		if last := len(r.spare) - 1; last >= 0 {
			r.chunks, r.spare = append(r.chunks, r.spare[last]), r.spare[:last]
		} else {
			r.chunks = append(r.chunks, make([]byte, chunkBytes))
		}
	}
	r.n++
	return uint32(r.n - 1)
}

// put gives a room back.
func (r *arena) put(room uint32) {
	clear(r.at(room))
	r.free = append(r.free, room)
}

// reset leaves all rooms to whoever holds a copy.
func (r *arena) reset() { r.chunks, r.free, r.n = nil, nil, 0 }
