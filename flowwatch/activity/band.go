package activity

// A Histogram is the 2003 table: how many flows, hosts (or pairs), packets and bytes
// fall to those with so many flows in the interval.
type Histogram [Bands]Bar

// A Bar is one band of a Histogram.
type Bar struct {
	Entries uint64 `json:"entries"` // hosts, or pairs
	Counts
}

// Bands is the number of bands: 1–10, 11–30, 31–70, 71–100, 101–200, 201–1000 and above.
const Bands = 7

// BandOf is the band of a number of flows.
func BandOf(flows uint64) int {
	for i, upper := range [...]uint64{10, 30, 70, 100, 200, 1000} {
		if flows <= upper {
			return i
		}
	}
	return Bands - 1
}

// BandName is how the talk writes a band.
func BandName(band int) string {
	return [Bands]string{"1-10", "11-30", "31-70", "71-100", "101-200", "201-1000", ">1000"}[band]
}

// Add counts one host or pair; one without flows is not counted.
func (h *Histogram) Add(c Counts) {
	if c.Flows == 0 {
		return
	}
	b := &h[BandOf(c.Flows)]
	b.Entries++
	b.Counts.Add(c)
}

// Merge adds another interval's histogram.
func (h *Histogram) Merge(o *Histogram) {
	for i := range h {
		h[i].Entries += o[i].Entries
		h[i].Counts.Add(o[i].Counts)
	}
}

// Total sums all bands.
func (h *Histogram) Total() (sum Bar) {
	for _, b := range h {
		sum.Entries += b.Entries
		sum.Counts.Add(b.Counts)
	}
	return sum
}

// pairs counts flows by pair of host and peer. It is exact up to a limit of pairs; each time it is reached, half of the
// pairs, chosen by their hash, are forgotten and no longer followed, and the rest stand for them (adaptive sampling,
// Flajolet 1990). So the table stays small enough to be fast, and the histogram unbiased.
//
// The table is open addressing by a hash of both ends: two pairs of one hash, one in 2^64, count as one. Where in it a pair
// stands is fetched from memory for many flows at once: so these wait until they are many.
type pairs struct {
	limit int
	slots []pair // a power of two
	n     int
	shift uint8 // pairs whose hash has so many zeros on top are followed: one in 2^shift

	waiting [waitingPairs]waitingPair
	waits   int // so many do
	touched uint32
}

const waitingPairs = 128

// A waitingPair is a flow that is not counted by its pair yet.
type waitingPair struct{ hash, packets, bytes uint64 }

type pair struct {
	hash uint64 // 0 is empty
	tally
}

// add counts a flow of a pair. Whether the pair is followed cannot be foretold, so it is decided without a branch.
func (p *pairs) add(hash, packets, bytes uint64) {
	p.waiting[p.waits%waitingPairs] = waitingPair{hash, packets, bytes}
	top := hash >> ((64 - p.shift) & 127)
	p.waits += int(1 ^ (top|-top)>>63)
	if p.waits == waitingPairs {
		p.settle()
	}
}

// settle counts what waits.
func (p *pairs) settle() {
	list := p.waiting[:p.waits]
	p.waits = 0
	if p.slots == nil && len(list) > 0 {
		p.rebuild(1024)
	}
	for i := range list {
		p.touched += p.slots[list[i].hash&uint64(len(p.slots)-1)].flows // or the compiler would leave it out
	}
	for i := range list {
		p.count(&list[i])
	}
}

func (p *pairs) count(w *waitingPair) {
	if w.hash>>(64-p.shift) != 0 || w.hash == 0 {
		return
	}
	if 4*(p.n+1) > 3*len(p.slots) {
		p.rebuild(2 * len(p.slots))
	}
	at := p.find(w.hash)
	if at.hash == 0 {
		if p.n >= p.limit {
			p.shift++
			p.rebuild(len(p.slots))
			p.count(w)
			return
		}
		p.n++
		at.hash = w.hash
	}
	at.add(w.packets, w.bytes)
}

func (p *pairs) find(hash uint64) *pair {
	mask := uint64(len(p.slots) - 1)
	i := hash & mask
	for p.slots[i].hash != hash && p.slots[i].hash != 0 {
		i = (i + 1) & mask
	}
	return &p.slots[i]
}

// rebuild takes the pairs that are still followed over into a table of a size.
func (p *pairs) rebuild(size int) {
	old := p.slots
	p.slots, p.n = make([]pair, size), 0
	for _, s := range old {
		if s.hash != 0 && s.hash>>(64-p.shift) == 0 {
			*p.find(s.hash) = s
			p.n++
		}
	}
}

func (p *pairs) histogram() (h Histogram) {
	p.settle()
	for _, s := range p.slots {
		h.Add(Counts{uint64(s.flows), uint64(s.packets), s.bytes})
	}
	for i := range h {
		b := &h[i]
		b.Entries, b.Flows, b.Packets, b.Bytes = b.Entries<<p.shift, b.Flows<<p.shift, b.Packets<<p.shift, b.Bytes<<p.shift
	}
	return h
}
