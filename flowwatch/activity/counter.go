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
	tcp, udp  [1 << 16]uint8 // which profiles have a port, one bit each
	icmp      uint8
	anyTCP    uint8 // profiles of any port: only towards the server
	anyUDP    uint8
	synOnly   uint8
	tables    []*table
	pairs     []pairs
	rules     []rule
	exporters map[netip.Addr]uint16

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
	c := &Counter{setup: s, start: start, exporters: make(map[netip.Addr]uint16)}
	for i, p := range s.Profiles {
		c.watch(p, 1<<i)
		c.tables = append(c.tables, newTable(s.MaxHosts))
		c.pairs = append(c.pairs, pairs{limit: s.MaxPairs})
		c.rules = append(c.rules, ruleOf(p))
	}
	return c
}

func (c *Counter) watch(p Profile, bit uint8) {
	ports, anyPort := &c.tcp, &c.anyTCP
	switch p.Proto {
	case "icmp":
		c.icmp |= bit
		return
	case "udp":
		ports, anyPort = &c.udp, &c.anyUDP
	}
	if p.Only == "syn" {
		c.synOnly |= bit
	}
	if len(p.Ports) == 0 {
		*anyPort |= bit
	}
	for _, port := range p.Ports {
		ports[port] |= bit
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

// Add counts a flow.
func (c *Counter) Add(f *netflow.Flow) {
	toServer, toClient := c.match(f)
	if toServer|toClient == 0 {
		return
	}
	if f.Event == netflow.EventCreated || f.Event == netflow.EventUpdate || f.Event == netflow.EventAlert {
		return // a firewall tells of the same flow again at its end
	}
	if c.setup.Observe != nil && !c.setup.Observe(f.Exporter, f.In) {
		c.unobserved++
		return
	}
	var src, dst end
	c.prepare(&src, f.Src)
	c.prepare(&dst, f.Dst)
	for i := range c.tables {
		switch bit := uint8(1) << i; {
		case toServer&bit != 0:
			c.count(i, f, &src, &dst, Out)
			c.count(i, f, &dst, &src, In)
		case toClient&bit != 0:
			c.count(i, f, &dst, &src, Replies)
			c.count(i, f, &src, &dst, Answers)
		}
	}
}

// An end is one of a flow's two addresses, made ready to be looked up.
type end struct {
	key
	hash uint64 // the upper half finds it in a table, the lower counts it as a peer
	addr netip.Addr
}

// prepare fills e in place: a copy of the whole would wait for its parts to be written.
func (c *Counter) prepare(e *end, a netip.Addr) {
	e.key = keyOf(a)
	e.hash = c.setup.Seed.hash(e.hi, e.lo^uint64(e.bits))
	e.addr = a
}

// match tells which profiles the flow is of, by the side on which their server stands.
func (c *Counter) match(f *netflow.Flow) (toServer, toClient uint8) {
	switch f.Proto {
	case netflow.ProtoTCP:
		toServer = c.tcp[f.DstPort] | c.anyTCP
		toClient = c.tcp[f.SrcPort] &^ toServer
		if (toServer|toClient)&c.synOnly != 0 && f.Flags&(netflow.FlagSYN|netflow.FlagACK) != netflow.FlagSYN {
			toServer &^= c.synOnly // more than an attempt: only answers to attempts count besides
			if f.Flags&(netflow.FlagSYN|netflow.FlagRST) == 0 {
				toClient &^= c.synOnly
			}
		}
	case netflow.ProtoUDP:
		toServer = c.udp[f.DstPort] | c.anyUDP
		toClient = c.udp[f.SrcPort] &^ toServer
	case netflow.ProtoICMP, netflow.ProtoICMPv6:
		switch f.DstPort >> 8 {
		case 8, 128: // echo request
			toServer = c.icmp
		case 0, 129: // echo reply
			toClient = c.icmp
		}
	}
	return toServer, toClient
}

// count adds the flow to one of its two ends, if that is ours, and to the delegated prefix it is in.
func (c *Counter) count(profile int, f *netflow.Flow, e, peer *end, d Direction) {
	t := c.tables[profile]
	h := t.find(e.key, uint32(e.hash>>32))
	if h == nil {
		if !c.setup.Local(e.addr) {
			return
		}
		h = c.place(t, e.key, e.hash, f)
	}
	forged := false
	if h != nil {
		forged = c.forged(h, f, e.addr, d)
		h.add(f, d, uint32(peer.hash), c.rules[profile], forged)
	}
	if d == Out && !forged && c.setup.MaxPairs > 0 {
		c.pairs[profile].add(e.hash^bits.RotateLeft64(peer.hash, 29), f.Packets, f.Bytes)
	}
	if e.addr.Is4() {
		return
	}
	net := e.masked(c.setup.Delegated)
	hash := c.setup.Seed.hash(net.hi, net.lo^uint64(net.bits))
	if h = t.find(net, uint32(hash>>32)); h == nil {
		h = c.place(t, net, hash, f)
	}
	if h != nil {
		h.add(f, d, uint32(peer.hash), c.rules[profile], forged)
	}
}

// place makes room for a new host, or returns nil where there is none.
func (c *Counter) place(t *table, k key, hash uint64, f *netflow.Flow) *host {
	if h := t.add(k, uint32(hash>>32)); h != nil {
		return h
	}
	return t.admit(c.setup.Seed, k, hash, f.Packets, f.Bytes)
}

// forged tells whether a flow that claims to come from our host came in where that host is not.
// Only flows from the host can be.
func (c *Counter) forged(h *host, f *netflow.Flow, addr netip.Addr, d Direction) bool {
	if c.setup.Routes == nil || f.In == 0 || d == In || d == Replies {
		return false
	}
	if asked := c.exporterNumber(f.Exporter); h.routeFrom != asked {
		h.routeFrom, h.routeIf = asked, 0
		if ifIndex, ok := c.setup.Routes(f.Exporter, addr); ok {
			h.routeIf = ifIndex
		}
	}
	return h.routeIf != 0 && h.routeIf != f.In
}

// exporterNumber counts exporters from 1.
func (c *Counter) exporterNumber(a netip.Addr) uint16 {
	n, ok := c.exporters[a]
	if !ok {
		n = uint16(min(len(c.exporters)+1, 1<<15))
		if n < 1<<15 {
			c.exporters[a] = n
		}
	}
	return n
}

func (h *host) add(f *netflow.Flow, d Direction, peer uint32, r rule, forged bool) {
	end := uint32(f.End.Unix())
	if h.first == 0 || end < h.first {
		h.first = end
	}
	h.last = max(h.last, end)
	h.sampling = max(h.sampling, f.Sampling)
	if forged {
		h.forged = saturate(h.forged, 1)
		return
	}
	h.series(d).add(f.Packets, f.Bytes)
	switch d {
	case Out:
		addPeer(&h.peersN, &h.peers, peer)
		h.outgoing(f, r)
	case Replies:
		if answers(f) {
			addPeer(&h.repliedN, &h.replied, peer)
		}
	case In:
		if established(f) {
			addPeer(&h.clientsN, &h.clients, peer)
		}
	}
}

// outgoing sorts one of the host's own flows into failed, tiny and established. Under
// sampling the number of packets proves nothing.
func (h *host) outgoing(f *netflow.Flow, r rule) {
	if f.DstPort == r.relay {
		h.relay++
	}
	if f.Sees&netflow.SeesPacket != 0 {
		h.packets = true
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
