package activity

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// An Interval is a closed interval's counts: what a Counter held when it was closed.
type Interval struct {
	Start    time.Time
	Length   time.Duration
	Profiles []Profile
	Coverage []Coverage  // of each profile; its exporters are for the owner to fill in
	Pairs    []Histogram // of each profile, by pair of host and peer; empty where pairs are not counted

	tables []*table
	pairs  []pairs
}

// Close ends the open interval at a time and begins the next one there. It is quick: what takes
// time is left to Interval.Finish and Interval.Clear, so that flows need not wait for it.
func (c *Counter) Close(end time.Time) *Interval {
	iv := &Interval{Start: c.start, Length: end.Sub(c.start), Profiles: c.setup.Profiles}
	for i, t := range c.tables {
		closed := *t
		iv.tables = append(iv.tables, &closed)
		iv.pairs = append(iv.pairs, c.pairs[i])
		c.pairs[i] = pairs{limit: c.setup.MaxPairs}
		t.flood = &flood{}
		closed.spare, closed.fresh = nil, nil
		for i := range closed.rooms {
			closed.rooms[i].spare = nil
		}
		t.reset()
	}
	c.strangers = strangers{} // what is ours may change
	for _, e := range c.exporters {
		e.settle()
	}
	c.start = end
	return iv
}

// Near tells anew where it is worth asking whether an address is ours.
func (c *Counter) Near(n *Near) { c.near = n }

// SkipTo moves the beginning of the open interval on, if nothing was counted in it yet.
func (c *Counter) SkipTo(t time.Time) {
	if c.Hosts() == 0 && t.After(c.start) {
		c.start = t
	}
}

// Finish sums up Coverage and Pairs. It must be called before these are read.
func (iv *Interval) Finish() {
	iv.Coverage, iv.Pairs = nil, nil
	for i, t := range iv.tables {
		cover := Coverage{Overflow: t.flood.overflow()}
		for n := range t.n {
			h := t.host(uint32(n))
			if h.bits == 128 {
				cover.Out += uint64(h.out.flows)
				cover.Replies += uint64(h.series(Replies).flows)
				cover.Sampling = max(cover.Sampling, h.sampling)
			}
		}
		iv.Coverage = append(iv.Coverage, cover)
		iv.Pairs = append(iv.Pairs, iv.pairs[i].histogram())
	}
}

// Clear empties the interval before its memory is recycled.
func (iv *Interval) Clear() {
	for _, t := range iv.tables {
		for _, ch := range t.chunks {
			*ch = chunk{}
		}
		for i := range t.rooms {
			for _, ch := range t.rooms[i].chunks {
				clear(ch)
			}
		}
		t.n, t.slots = 0, nil
	}
}

// Recycle gives a cleared interval's memory back to the counter that closed it.
func (c *Counter) Recycle(iv *Interval) {
	for i, t := range iv.tables {
		c.tables[i].spare = append(c.tables[i].spare, t.chunks...)
		t.chunks = nil
		for k := range t.rooms {
			c.tables[i].rooms[k].spare = append(c.tables[i].rooms[k].spare, t.rooms[k].chunks...)
			t.rooms[k].chunks = nil
		}
	}
}

// Host returns what one of our addresses, or its delegated prefix, did in the open interval so far.
func (c *Counter) Host(profile int, host netip.Prefix, now time.Time) (a Activity, ok bool) {
	k := keyOf(host.Addr())
	if !host.IsSingleIP() {
		k = k.masked(uint8(host.Bits()))
	}
	hash := c.setup.Seed.of(k)
	t := c.tables[profile]
	h := t.find(k, uint32(hash>>32))
	if h.hot == nil {
		return a, false
	}
	t.fill(h, &a)
	a.Profile, a.Start, a.Length = c.setup.Profiles[profile].Name, c.start, now.Sub(c.start)
	return a, true
}

// Hosts is how many hosts the open interval holds, over all profiles.
func (c *Counter) Hosts() (n int) {
	for _, t := range c.tables {
		n += t.n
	}
	return n
}

// Unobserved is how many flows were left out since they were not seen at a point of observation.
func (c *Counter) Unobserved() uint64 { return c.unobserved }

// Start is when the open interval began.
func (c *Counter) Start() time.Time { return c.start }

// Len is the number of hosts of a profile, by its place in Profiles.
func (iv *Interval) Len(profile int) int { return iv.tables[profile].n }

// Each calls fn with the Activity of each host of a profile, in the order of their addresses.
// The pointer is good until fn returns.
func (iv *Interval) Each(profile int, fn func(*Activity)) {
	t := iv.tables[profile]
	order := make([]uint32, t.n)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return t.host(a).key().compare(t.host(b).key()) })
	var a Activity
	for _, ref := range order {
		t.fill(t.host(ref), &a)
		a.Profile, a.Start, a.Length = iv.Profiles[profile].Name, iv.Start, iv.Length
		fn(&a)
	}
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo), cmp.Compare(k.bits, o.bits))
}

// fill writes a host to an Activity, whose sketches' memory is used again.
func (t *table) fill(h host, a *Activity) {
	a.Host = h.key().prefix()
	a.First, a.Last = time.Unix(int64(h.first), 0).UTC(), time.Unix(int64(h.last), 0).UTC()
	for d := range Directions {
		s := h.series(d)
		a.Series[d] = Counts{uint64(s.flows), uint64(s.packets), s.bytes}
	}
	a.Failed, a.SYNOnly, a.Tiny = uint64(h.failed), uint64(h.synOnly), uint64(h.tiny)
	a.Established, a.Forged, a.Sampling = uint64(h.established), uint64(h.forged), max(h.sampling, 1)
	a.Relay, a.Packets = uint64(h.relay), h.packets
	a.Peers = t.sketch(h.setN[0], &h.peers, a.Peers.data)
	a.Replied, a.Clients = t.sketch(h.setN[1], &h.sets[0], a.Replied.data), t.sketch(h.setN[2], &h.sets[1], a.Clients.data)
	a.Active = 0
	if h.out.flows > 0 {
		a.Active = 1
	}
}

// Each calls fn with the Activity so far of each host of a profile, in no order. The pointer is good until fn returns.
func (c *Counter) Each(profile int, now time.Time, fn func(*Activity)) {
	t := c.tables[profile]
	var a Activity
	for n := range t.n {
		t.fill(t.host(uint32(n)), &a)
		a.Profile, a.Start, a.Length = c.setup.Profiles[profile].Name, c.start, now.Sub(c.start)
		fn(&a)
	}
}
