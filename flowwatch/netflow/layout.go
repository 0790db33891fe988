package netflow

import (
	"encoding/binary"
	"net/netip"
)

// A layout tells where the records of a template hold what nearly all records hold. A Flow is read by it without a
// question asked: for how wide a number is, or whether it is there at all.
type layout struct {
	src, dst         side
	srcPort, dstPort place
	proto, flags     place
	packets, octets  place
	in, out          place
	start, end       place
	clock            clock
	icmp             place // type and code, of records that are of ICMP and have no port
	samplerAt        place // the number of the sampler that looked at the flow
}

// A window is as much of a datagram as a layout reaches: the eight bytes before a record, and then the record. It is an
// array, larger than any place in it, so that what is read need not be checked for being there.
type window [1<<8 + 16]byte

// before is how many bytes of a window stand before its record.
const before = 8

// A place is where a number stands: it is the eight bytes that end where it ends, under a mask; 0 is a number that is not there.
type place struct {
	mask uint64
	at   uint8
}

func placeOf(offset int, length uint16) place {
	return place{^uint64(0) >> max(0, 64-8*int(length)), uint8(offset + int(length))}
}

func (p *place) of(w *window) uint64 { return binary.BigEndian.Uint64(w[p.at:]) & p.mask }

// A side is where an address stands.
type side struct {
	version uint8 // 4 or 6; 0 is none
	at      uint8
}

// six is the address where it is not of IPv4.
func (s *side) six(w *window) netip.Addr {
	if s.version == 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(w[s.at:])).Unmap()
}

// A clock is in what form a layout's times are.
type clock uint8

const (
	unclocked clock = iota // none, or any other form
	uptime                 // NetFlow v9: milliseconds since the exporter began
	unixTime               // milliseconds
)

// read turns a number into a time; 0 is unknown.
func (c clock) read(n uint64, h *header) Stamp {
	switch c {
	case uptime:
		return Stamp(sinceBoot(h.exported, h.uptime, uint32(n)))
	case unixTime:
		return Stamp(bounded(n))
	}
	return 0
}

// lay sorts the fields of a fixed record into its layout and the rest.
func (t *template) lay(offsets []int, version uint16) {
	t.clock = t.plainTimes(offsets, version)
	var seen [kinds]bool
	for _, i := range t.order {
		f := t.fields[i]
		// The first of those that say the same is laid; the others must give way to it.
		same := f.kind.side()
		if seen[same] || !t.layField(f, offsets[i]) {
			t.rest = append(t.rest, step{uint16(offsets[i]), f.length, f.kind})
		}
		seen[same] = true
	}
	t.layICMP()
	t.whole = len(t.rest) == 0 && t.src.version != 0 && t.dst.version != 0
	t.fields, t.order = nil, nil
}

// layICMP lays the one field that means something only together with others: where all of these are laid.
func (t *template) layICMP() {
	if len(t.rest) != 1 || t.rest[0].kind != icmpBoth || !reached(t.rest[0].length, int(t.rest[0].offset)) {
		return
	}
	t.icmp, t.rest = placeOf(int(t.rest[0].offset), t.rest[0].length), nil
}

// layField finds a field its place; false means that it has none.
func (t *template) layField(f field, offset int) bool {
	if !reached(f.length, offset) || f.kind.isTime() && t.clock == unclocked {
		return false
	}
	if s := t.side(f); s != nil {
		s.at, s.version = uint8(before+offset), 4
		if f.length == 16 {
			s.version = 6
		}
		return true
	}
	p := t.place(f.kind)
	if p == nil {
		return false
	}
	*p = placeOf(offset, f.length)
	return true
}

// reached tells whether a layout reaches a field: every byte of it can be counted in eight bits.
func reached(length uint16, offset int) bool { return before+offset+int(length) <= 1<<8 }

// side is where the layout keeps an address of the right length.
func (l *layout) side(f field) *side {
	switch {
	case f.kind == srcV4 && f.length == 4, f.kind == srcV6 && f.length == 16:
		return &l.src
	case f.kind == dstV4 && f.length == 4, f.kind == dstV6 && f.length == 16:
		return &l.dst
	}
	return nil
}

// place is where the layout keeps a kind of number.
func (l *layout) place(k kind) *place {
	switch k {
	case srcPort:
		return &l.srcPort
	case dstPort:
		return &l.dstPort
	case proto:
		return &l.proto
	case tcpFlags:
		return &l.flags
	case packets:
		return &l.packets
	case octets:
		return &l.octets
	case inIf:
		return &l.in
	case outIf:
		return &l.out
	case samplerID:
		return &l.samplerAt
	case startUp, startMs:
		return &l.start
	case endUp, endMs:
		return &l.end
	}
	return nil
}

// plainTimes tells in which of a layout's forms the record has one start and one end within reach, and no other time.
func (t *template) plainTimes(offsets []int, version uint16) clock {
	var times [kinds]int
	n := 0
	for _, i := range t.order {
		if f := t.fields[i]; f.kind.isTime() {
			n++
			if reached(f.length, offsets[i]) {
				times[f.kind]++
			}
		}
	}
	switch {
	case n == 2 && version == 9 && times[startUp] == 1 && times[endUp] == 1:
		return uptime
	case n == 2 && times[startMs] == 1 && times[endMs] == 1:
		return unixTime
	}
	return unclocked
}

// readLaid fills Flows from as many records of a template that lie in d.windows. What is no part of any layout it leaves empty.
func (d *Decoder) readLaid(flows []Flow, t *template, h *header) {
	for i := range flows {
		w, f := (*window)(d.windows[i*t.minimum:]), &flows[i]
		f.Exporter, f.Domain, f.Sees, f.Event = d.exporterAddr, d.domain, t.sees, EventNone
		if t.src.version == 4 {
			f.Src = netip.AddrFrom4([4]byte(w[t.src.at:]))
		} else {
			f.Src = t.src.six(w)
		}
		if t.dst.version == 4 {
			f.Dst = netip.AddrFrom4([4]byte(w[t.dst.at:]))
		} else {
			f.Dst = t.dst.six(w)
		}
		f.SrcPort, f.DstPort = uint16(t.srcPort.of(w)), uint16(t.dstPort.of(w))
		f.Proto, f.Flags = uint8(t.proto.of(w)), uint8(t.flags.of(w))
		f.Packets, f.Bytes = t.packets.of(w), t.octets.of(w)
		f.In, f.Out = uint32(t.in.of(w)), uint32(t.out.of(w))
		f.Start, f.End = t.clock.read(t.start.of(w), h), t.clock.read(t.end.of(w), h)
	}
}

// readICMP gives Flows of ICMP their type and code, where the template has these and the port does not tell them.
func (d *Decoder) readICMP(flows []Flow, t *template) {
	if t.icmp.mask == 0 {
		return
	}
	for i := range flows {
		if f := &flows[i]; f.DstPort == 0 && f.isICMP() {
			f.DstPort = uint16(t.icmp.of((*window)(d.windows[i*t.minimum:])))
		}
	}
}
