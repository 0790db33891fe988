package activity

// A flood is what happens past the limit of tracked hosts: it is summed up, the number of hosts is
// estimated, and a host that keeps sending takes the place of one that did almost nothing, so that
// a flood of forged sources cannot hide who really sends.
type flood struct {
	counts Counts
	hosts  Sketch
	rows   [][]uint16 // a count-min sketch of flows by host
	hand   int
}

const (
	floodRows  = 3
	floodWidth = 1 << 14
	// From this many flows on a host past the limit takes another's place.
	promoteAt = 16
	// A host with at most this many flows may lose its place.
	idleMax = 2
	// So many hosts are looked at to find such a one.
	lookAt = 32
)

// count notes a flow of a host that is not tracked and returns about how many there were.
func (f *flood) count(hash uint64, packets, bytes uint64) uint16 {
	f.counts.Add(Counts{1, packets, bytes})
	f.hosts.Add(uint32(hash))
	if f.rows == nil {
		for range floodRows {
			f.rows = append(f.rows, make([]uint16, floodWidth))
		}
	}
	least := ^uint16(0)
	for i := range f.rows {
		c := &f.rows[i][hash>>(14*i)&(floodWidth-1)]
		if *c < 1<<16-1 {
			*c++
		}
		least = min(least, *c)
	}
	return least
}

func (f *flood) overflow() Overflow { return Overflow{Counts: f.counts, Hosts: f.hosts.Count()} }

// admit finds room for a host past the limit that keeps coming, or returns none.
func (t *table) admit(seed Seed, k key, hash, packets, bytes uint64) host {
	if t.flood.count(hash, packets, bytes) < promoteAt || t.n == 0 {
		return host{}
	}
	for range lookAt {
		t.flood.hand = (t.flood.hand + 1) % t.n
		victim := t.host(uint32(t.flood.hand))
		if victim.flows() <= idleMax { // so its sets have not outgrown it
			victimHash := seed.of(victim.key())
			t.flood.counts.Add(victim.total())
			t.flood.hosts.Add(uint32(victimHash))
			return t.replace(victim, uint32(victimHash>>32), k, uint32(hash>>32))
		}
	}
	return host{}
}

func (h host) flows() uint64 { return h.total().Flows + uint64(h.forged) }

func (h host) total() (sum Counts) {
	for d := range Directions {
		s := h.series(d)
		sum.Add(Counts{uint64(s.flows), uint64(s.packets), s.bytes})
	}
	return sum
}
