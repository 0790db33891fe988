package activity

import (
	"math/bits"
	"net/netip"
	"time"

	"spoor/flowwatch/netflow"
)

// Routes tells by which of an exporter's interfaces a host of ours is reached; ok is false where
// that is not known.
type Routes func(exporter, host netip.Addr) (ifIndex uint32, ok bool)

// A Setup is what a Counter counts by.
type Setup struct {
	Profiles  []Profile                                 // at most MaxProfiles
	Local     func(netip.Addr) bool                     // is it ours?
	Near      *Near                                     // where it is worth asking Local; nil is anywhere
	Routes    Routes                                    // may be nil: no source is then called forged
	Observe   func(exporter netip.Addr, in uint32) bool // may be nil: count what all see
	Delegated uint8                                     // bits of an IPv6 customer's prefix, counted beside each address; 0 is 64
	MaxHosts  int                                       // per profile; 0 is a million
	MaxPairs  int                                       // pairs followed at once for the histogram by pair: exact up to there, estimated above; 0 is none
	Seed      Seed
}

// A Counter sums Flows up by local host in the open interval. One goroutine at a time may use it.
type Counter struct {
	setup     Setup
	tcp, udp  services
	icmp      uint8 // profiles, one bit each
	synOnly   uint8
	choosy    bool // some flows of the profiles are left out
	tables    []*table
	pairs     []pairs
	strangers strangers
	near      *Near
	tasks     [maxTasks]task // of the flows under way
	n         int            // so many
	touched   byte

	exporters map[netip.Addr]*exporter
	last      *exporter // the one of the flow before,
	lastAddr  netip.Addr

	start      time.Time
	unobserved uint64
}

// NewCounter opens an interval that begins at start.
func NewCounter(s Setup, start time.Time) *Counter {
	if s.Delegated == 0 || s.Delegated > 127 {
		s.Delegated = 64
	}
	if s.MaxHosts <= 0 {
		s.MaxHosts = 1_000_000
	}
	s.Profiles = s.Profiles[:min(len(s.Profiles), MaxProfiles)]
	c := &Counter{setup: s, near: s.Near, start: start, exporters: make(map[netip.Addr]*exporter)}
	if c.near == nil {
		c.near = Anywhere()
	}
	for i, p := range s.Profiles {
		c.watch(p, 1<<i)
		c.tables = append(c.tables, newTable(s.MaxHosts, ruleOf(p)))
		c.pairs = append(c.pairs, pairs{limit: s.MaxPairs})
	}
	c.choosy = c.synOnly != 0 || s.Observe != nil
	return c
}

// services are the profiles that count a protocol, one bit each.
type services struct {
	port [1 << 16]uint8
	any  uint8 // of any port: only towards the server
}

// match tells which profiles a flow is of, by the side on which their server stands.
func (s *services) match(f *netflow.Flow) (toServer, toClient uint8) {
	toServer = s.port[f.DstPort] | s.any
	return toServer, s.port[f.SrcPort] &^ toServer
}

func (c *Counter) watch(p Profile, bit uint8) {
	s := &c.tcp
	switch p.Proto {
	case "icmp":
		c.icmp |= bit
		return
	case "udp":
		s = &c.udp
	}
	if p.Only == "syn" {
		c.synOnly |= bit
	}
	if len(p.Ports) == 0 {
		s.any |= bit
	}
	for _, port := range p.Ports {
		s.port[port] |= bit
	}
}

// A rule is what of a Profile is looked at for each flow.
type rule struct {
	tiny  uint64
	relay uint16
}

func ruleOf(p Profile) rule {
	r := rule{tiny: p.Tiny}
	if len(p.Ports) > 0 {
		r.relay = p.Ports[0]
	}
	return r
}

// Add counts flows. It goes over them several times, since each pass waits for memory that the flows
// of the pass need independently of one another, and so for all of it at once: first it finds out whose flows they
// are, then where these hosts stand, then it counts.
func (c *Counter) Add(flows []netflow.Flow) {
	for i := range flows {
		f := &flows[i]
		toServer, toClient := c.tcp.match(f)
		if f.Proto != netflow.ProtoTCP {
			toServer, toClient = c.matchOther(f)
		}
		if toServer|toClient == 0 {
			continue
		}
		if c.choosy || f.Event != netflow.EventNone {
			if toServer, toClient = c.choose(f, toServer, toClient); toServer|toClient == 0 {
				continue
			}
		}
		if c.sort(f, toServer, toClient); c.n > maxTasks-tasksOfFlow {
			c.run()
		}
	}
	c.run()
}

const (
	tasksOfFlow = MaxProfiles * 2 * 2 // at most: two ends of each profile, each an address and its delegated prefix
	maxTasks    = 64 + tasksOfFlow    // few enough that they and their hosts stay in the caches
)

// A task is a flow to be counted at one of its two ends.
type task struct {
	flow    *netflow.Flow
	table   *table // of the profile
	key     key
	hash    uint64 // the upper half finds the host in its table, the lower one counts it as a peer
	peer    uint64 // the same of the other end
	seat    seat   // where the host most likely is
	profile uint8
	dir     Direction
	prefix  bool // of the delegated prefix that the address of the task before is in
}

// sort makes the tasks of a flow of profiles.
func (c *Counter) sort(f *netflow.Flow, toServer, toClient uint8) {
	if !f.Src.Is4() || !f.Dst.Is4() {
		c.sort6(f, toServer, toClient)
		return
	}
	src, dst := keyOf4(f.Src), keyOf4(f.Dst)
	srcNear, dstNear := c.near.has4(src), c.near.has4(dst)
	if !srcNear && !dstNear {
		return
	}
	srcHash, dstHash := c.setup.Seed.of(src), c.setup.Seed.of(dst)
	for profiles := toServer | toClient; profiles != 0; profiles &= profiles - 1 {
		profile := uint8(bits.TrailingZeros8(profiles))
		atSrc, atDst := directions(toServer>>profile&1 != 0)
		if srcNear {
			c.task(f, src, srcHash, dstHash, profile, atSrc)
		}
		if dstNear {
			c.task(f, dst, dstHash, srcHash, profile, atDst)
		}
	}
}

// sort6 is sort for a flow that is not of IPv4.
func (c *Counter) sort6(f *netflow.Flow, toServer, toClient uint8) {
	src, dst := keyOf(f.Src), keyOf(f.Dst)
	srcNear, dstNear := c.near.has(src), c.near.has(dst)
	srcHash, dstHash := c.setup.Seed.of(src), c.setup.Seed.of(dst)
	for profiles := toServer | toClient; profiles != 0; profiles &= profiles - 1 {
		profile := uint8(bits.TrailingZeros8(profiles))
		atSrc, atDst := directions(toServer>>profile&1 != 0)
		if srcNear {
			c.task(f, src, srcHash, dstHash, profile, atSrc)
			c.delegated(src, dstHash)
		}
		if dstNear {
			c.task(f, dst, dstHash, srcHash, profile, atDst)
			c.delegated(dst, srcHash)
		}
	}
}

// directions are those in which a flow counts at its two ends.
func directions(toServer bool) (atSrc, atDst Direction) {
	if toServer {
		return Out, In
	}
	return Answers, Replies
}

// task notes a task.
func (c *Counter) task(f *netflow.Flow, k key, hash, peer uint64, profile uint8, d Direction) {
	t := &c.tasks[c.n]
	c.n++
	t.flow, t.table, t.key, t.hash, t.peer = f, c.tables[profile], k, hash, peer
	t.profile, t.dir, t.prefix = profile, d, false
}

// delegated notes the task before again, for the delegated prefix that its IPv6 address is in.
func (c *Counter) delegated(k key, peer uint64) {
	if k.is4() {
		return
	}
	of := &c.tasks[c.n-1]
	k = k.masked(c.setup.Delegated)
	c.task(of.flow, k, c.setup.Seed.of(k), peer, of.profile, of.dir)
	c.tasks[c.n-1].prefix = true
}

// run counts what is noted.
func (c *Counter) run() {
	tasks := c.tasks[:c.n]
	c.n = 0
	touched := byte(0)
	for i := range tasks {
		touched += tasks[i].guess()
	}
	c.touched = touched // or the compiler would leave it out
	ours, forged := false, false
	for i := range tasks {
		if t := &tasks[i]; !t.prefix {
			ours, forged = c.count(t)
		} else if ours {
			c.countPrefix(t, forged)
		}
	}
}

// guess finds where the task's host most likely is, and has what will be written to fetched from memory: for all
// tasks at once, if nothing waits for it.
func (t *task) guess() byte {
	if t.seat = t.table.guess(uint32(t.hash >> 32)); t.seat.chunk == nil {
		return 0
	}
	h := t.seat.host()
	return h.bits + h.set(t.dir)[0]
}

// guessed is the host of the task if it was guessed rightly.
func (t *task) guessed() (h host, ok bool) {
	if t.seat.chunk == nil || !t.seat.host().is(t.key) {
		return host{}, false
	}
	return t.seat.host(), true
}

// count adds a task's flow to its host; ours is false where the address is not, and forged tells that the flow
// claims an address that is elsewhere.
func (c *Counter) count(t *task) (ours, forged bool) {
	h, ok := t.guessed()
	if !ok {
		if h, ok = c.find(t); !ok {
			return false, false
		}
	}
	if h.hot != nil {
		forged = c.setup.Routes != nil && c.forged(h, t)
		h.add(t, forged)
	}
	if c.setup.MaxPairs > 0 && t.dir == Out && !forged {
		c.pairs[t.profile].add(t.hash^bits.RotateLeft64(t.peer, 29), t.flow.Packets, t.flow.Bytes)
	}
	return true, forged
}

// countPrefix adds a task's flow to the delegated prefix of an address of ours.
func (c *Counter) countPrefix(t *task, forged bool) {
	h, ok := t.guessed()
	if !ok {
		h, _ = c.find(t)
	}
	if h.hot != nil {
		h.add(t, forged)
	}
}

// find finds the host of a task that is not where it was guessed to be; it is given a place if it is ours and there is one.
func (c *Counter) find(t *task) (h host, ours bool) {
	if h = t.table.find(t.key, uint32(t.hash>>32)); h.hot != nil {
		return h, true
	}
	if !t.prefix && !c.ours(t) {
		return host{}, false
	}
	return c.place(t.table, t.key, t.hash, t.flow), true
}

// ours tells whether the address of a task is ours.
func (c *Counter) ours(t *task) bool {
	if c.strangers.has(t.hash) {
		return false
	}
	if !c.setup.Local(t.addr()) {
		c.strangers.note(t.hash)
		return false
	}
	return true
}

// addr is the address of the end at which the task counts.
func (t *task) addr() netip.Addr {
	if t.dir == Out || t.dir == Answers {
		return t.flow.Src
	}
	return t.flow.Dst
}

// strangers remembers hashes of addresses near ours that are not ours, since those come again and again and to find
// out is dear. One stranger in 2^31 is one of ours; it goes uncounted until the interval closes.
type strangers struct {
	tags [1 << 14]uint32
}

func (s *strangers) has(hash uint64) bool {
	return s.tags[hash%uint64(len(s.tags))] == uint32(hash>>32)|1
}

func (s *strangers) note(hash uint64) { s.tags[hash%uint64(len(s.tags))] = uint32(hash>>32) | 1 }

// choose takes from a flow's profiles those that leave it out.
func (c *Counter) choose(f *netflow.Flow, toServer, toClient uint8) (uint8, uint8) {
	if f.Flags&(netflow.FlagSYN|netflow.FlagACK) != netflow.FlagSYN {
		toServer &^= c.synOnly // more than an attempt: only answers to attempts count besides
		if f.Flags&(netflow.FlagSYN|netflow.FlagRST) == 0 {
			toClient &^= c.synOnly
		}
	}
	switch f.Event {
	case netflow.EventCreated, netflow.EventUpdate, netflow.EventAlert:
		return 0, 0 // a firewall tells of the same flow again at its end
	}
	if toServer|toClient != 0 && c.setup.Observe != nil && !c.setup.Observe(f.Exporter, f.In) {
		c.unobserved++
		return 0, 0
	}
	return toServer, toClient
}

// matchOther tells which profiles a flow of another protocol than TCP is of.
func (c *Counter) matchOther(f *netflow.Flow) (toServer, toClient uint8) {
	switch f.Proto {
	case netflow.ProtoUDP:
		return c.udp.match(f)
	case netflow.ProtoICMP, netflow.ProtoICMPv6:
		switch f.DstPort >> 8 {
		case 8, 128: // echo request
			return c.icmp, 0
		case 0, 129: // echo reply
			return 0, c.icmp
		}
	}
	return 0, 0
}

// place makes room for a new host, or returns none where there is none.
func (c *Counter) place(t *table, k key, hash uint64, f *netflow.Flow) host {
	if h := t.add(k, uint32(hash>>32)); h.hot != nil {
		return h
	}
	return t.admit(c.setup.Seed, k, hash, f.Packets, f.Bytes)
}

// forged tells whether a flow that claims to come from our host came in where that host is not.
// Only flows from the host can be.
func (c *Counter) forged(h host, t *task) bool {
	if t.flow.In == 0 || t.dir == In || t.dir == Replies {
		return false
	}
	e := c.exporter(t.flow.Exporter)
	if h.routeFrom != e.number {
		h.routeFrom, h.routeIf = e.number, 0
		if ifIndex, ok := c.setup.Routes(t.flow.Exporter, t.flow.Src); ok {
			h.routeIf = ifIndex
		}
	}
	return h.routeIf != 0 && e.misfit(h.routeIf != t.flow.In)
}

func (h host) add(t *task, forged bool) {
	f := t.flow
	end := uint32(f.End.Seconds())
	if end-1 < h.first-1 { // so that 0, which is none yet, is later than any
		h.first = end
	}
	h.last = max(h.last, end)
	if f.Sampling > 1 {
		h.sampling = max(h.sampling, f.Sampling)
	}
	if forged {
		h.forged = saturate(h.forged, 1)
		return
	}
	h.series(t.dir).add(f.Packets, f.Bytes)
	in, peer := t.table, uint32(t.peer)
	switch t.dir {
	case Out:
		in.meet(&h.setN[0], &h.peers, peer)
		h.outgoing(f, &in.rule)
	case Replies:
		if answers(f) {
			in.meet(&h.setN[1], &h.sets[0], peer)
		}
	case In:
		if established(f) {
			in.meet(&h.setN[2], &h.sets[1], peer)
		}
	}
}

// outgoing sorts one of the host's own flows into failed, tiny and established. Under
// sampling the number of packets proves nothing.
func (h host) outgoing(f *netflow.Flow, r *rule) {
	if f.DstPort == r.relay {
		h.relay++
	}
	if f.Sees&netflow.SeesPacket != 0 {
		h.packets = true
		if f.Flags&(netflow.FlagSYN|netflow.FlagACK) == netflow.FlagSYN {
			h.synOnly++
			h.failed++
		}
		if f.Bytes < r.tiny*f.Packets {
			h.tiny++
		}
		if f.Flags&netflow.FlagACK != 0 && f.Flags&netflow.FlagPSH != 0 {
			h.established = saturate(h.established, 1)
		}
		return
	}
	flags, seen := f.Flags, f.Sees&netflow.SeesFlags != 0
	if f.Proto == netflow.ProtoTCP {
		switch {
		case seen && flags&(netflow.FlagSYN|netflow.FlagACK) == netflow.FlagSYN:
			h.synOnly++
			h.failed++
		case f.Event == netflow.EventDenied:
			h.failed++
		case f.Sampling <= 1 && f.Packets <= 3 && (!seen || flags&(netflow.FlagSYN|netflow.FlagRST) != 0):
			h.failed++
		case established(f):
			h.established++
		}
	}
	if f.Bytes < r.tiny*f.Packets {
		h.tiny++
	}
}

// established tells whether a client's flow proves that the server answered: it acknowledges
// (RFC 9293 §3.5), and in more than the handshake.
func established(f *netflow.Flow) bool {
	if f.Sees&netflow.SeesFlags == 0 {
		return f.Packets > 3
	}
	return f.Flags&netflow.FlagACK != 0 && (f.Flags&netflow.FlagPSH != 0 || f.Packets > 3)
}

// answers tells whether a server's flow accepts the connection rather than resetting it.
func answers(f *netflow.Flow) bool {
	if f.Proto != netflow.ProtoTCP || f.Sees&netflow.SeesFlags == 0 {
		return true
	}
	return f.Flags&(netflow.FlagSYN|netflow.FlagPSH) != 0 && f.Flags&netflow.FlagACK != 0
}
