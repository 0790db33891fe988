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

// pairs counts flows by pair of host and peer, up to a limit; what is past it is not in the histogram.
type pairs struct {
	limit int
	index map[uint64]uint32
	list  []tally
	lost  uint64
}

func (p *pairs) add(hash, packets, bytes uint64) {
	ref, ok := p.index[hash]
	if !ok {
		if len(p.list) >= p.limit {
			p.lost++
			return
		}
		if p.index == nil {
			p.index = make(map[uint64]uint32)
		}
		ref = uint32(len(p.list))
		p.index[hash] = ref
		p.list = append(p.list, tally{})
	}
	p.list[ref].add(packets, bytes)
}

func (p *pairs) histogram() (h Histogram) {
	for _, t := range p.list {
		h.Add(Counts{uint64(t.flows), uint64(t.packets), t.bytes})
	}
	return h
}
