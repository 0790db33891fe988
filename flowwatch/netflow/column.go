package netflow

import (
	"encoding/binary"
	"net/netip"
)

// A column is one field of a fixed record in its most usual width. It is read for many records at
// once, so that what sort of field it is need not be asked for each of them.
type column struct {
	offset int
	usual  usual
}

// usual is a kind in its most usual width.
type usual uint8

const (
	unusual usual = iota // any other kind or width
	usualSrc4
	usualDst4
	usualSrc6
	usualDst6
	usualSrcPort
	usualDstPort
	usualProto
	usualFlags
	usualFlags2
	usualPackets4
	usualPackets8
	usualBytes4
	usualBytes8
	usualIn2
	usualIn4
	usualOut2
	usualOut4
	usualStartUp
	usualEndUp
	usualStartMs
	usualEndMs
)

func usualOf(f field) usual {
	type width struct {
		kind   kind
		length uint16
	}
	switch (width{f.kind, f.length}) {
	case width{srcV4, 4}:
		return usualSrc4
	case width{dstV4, 4}:
		return usualDst4
	case width{srcV6, 16}:
		return usualSrc6
	case width{dstV6, 16}:
		return usualDst6
	case width{srcPort, 2}:
		return usualSrcPort
	case width{dstPort, 2}:
		return usualDstPort
	case width{proto, 1}:
		return usualProto
	case width{tcpFlags, 1}:
		return usualFlags
	case width{tcpFlags, 2}:
		return usualFlags2
	case width{packets, 4}:
		return usualPackets4
	case width{packets, 8}:
		return usualPackets8
	case width{octets, 4}:
		return usualBytes4
	case width{octets, 8}:
		return usualBytes8
	case width{inIf, 2}:
		return usualIn2
	case width{inIf, 4}:
		return usualIn4
	case width{outIf, 2}:
		return usualOut2
	case width{outIf, 4}:
		return usualOut4
	case width{startUp, 4}:
		return usualStartUp
	case width{endUp, 4}:
		return usualEndUp
	case width{startMs, 8}:
		return usualStartMs
	case width{endMs, 8}:
		return usualEndMs
	}
	return unusual
}

// lay sorts the fields of a fixed record into columns and the rest.
func (t *template) lay(offsets []int, version uint16) {
	t.clocked = t.plainTimes(version)
	var seen [kinds]bool
	for _, i := range t.order {
		f := t.fields[i]
		u := usualOf(f)
		if f.kind.isTime() && !t.clocked {
			u = unusual
		}
		// The first of those that say the same is a column; the others must give way to it.
		if same := f.kind.side(); seen[same] {
			u = unusual
		} else {
			seen[same] = true
		}
		if u == unusual {
			t.rest = append(t.rest, step{uint16(offsets[i]), f.length, f.kind})
		} else {
			t.columns = append(t.columns, column{offsets[i], u})
		}
	}
	t.fields, t.order = nil, nil
}

// plainTimes tells whether the record has one start and one end of one usual form, and no other time.
func (t *template) plainTimes(version uint16) bool {
	var times [kinds]int
	n := 0
	for _, i := range t.order {
		if f := t.fields[i]; f.kind.isTime() {
			n++
			if usualOf(f) != unusual {
				times[f.kind]++
			}
		}
	}
	up := version == 9 && times[startUp] == 1 && times[endUp] == 1
	ms := times[startMs] == 1 && times[endMs] == 1
	return n == 2 && (up || ms)
}

// read fills one field of each of the flows from their records, which are size bytes long. It is
// long because a call for each field would cost more than the field.
func (c column) read(flows []Flow, b []byte, size int, h header) {
	be := binary.BigEndian
	b = b[c.offset:]
	at := 0
	switch c.usual {
	case usualSrc4:
		for i := range flows {
			flows[i].Src = netip.AddrFrom4([4]byte(b[at:]))
			at += size
		}
	case usualDst4:
		for i := range flows {
			flows[i].Dst = netip.AddrFrom4([4]byte(b[at:]))
			at += size
		}
	case usualSrc6:
		for i := range flows {
			flows[i].Src = netip.AddrFrom16([16]byte(b[at:])).Unmap()
			at += size
		}
	case usualDst6:
		for i := range flows {
			flows[i].Dst = netip.AddrFrom16([16]byte(b[at:])).Unmap()
			at += size
		}
	case usualSrcPort:
		for i := range flows {
			flows[i].SrcPort = be.Uint16(b[at:])
			at += size
		}
	case usualDstPort:
		for i := range flows {
			flows[i].DstPort = be.Uint16(b[at:])
			at += size
		}
	case usualProto:
		for i := range flows {
			flows[i].Proto = b[at]
			at += size
		}
	case usualFlags, usualFlags2:
		if c.usual == usualFlags2 { // IPFIX has them in 16 bits, of which the lower ones are ours
			b = b[1:]
		}
		for i := range flows {
			flows[i].Flags = b[at]
			at += size
		}
	default:
		c.readCount(flows, b, size, h)
	}
}

// readCount is read for counters, interfaces and times.
func (c column) readCount(flows []Flow, b []byte, size int, h header) {
	be := binary.BigEndian
	at := 0
	switch c.usual {
	case usualPackets4:
		for i := range flows {
			flows[i].Packets = uint64(be.Uint32(b[at:]))
			at += size
		}
	case usualPackets8:
		for i := range flows {
			flows[i].Packets = be.Uint64(b[at:])
			at += size
		}
	case usualBytes4:
		for i := range flows {
			flows[i].Bytes = uint64(be.Uint32(b[at:]))
			at += size
		}
	case usualBytes8:
		for i := range flows {
			flows[i].Bytes = be.Uint64(b[at:])
			at += size
		}
	case usualIn2:
		for i := range flows {
			flows[i].In = uint32(be.Uint16(b[at:]))
			at += size
		}
	case usualIn4:
		for i := range flows {
			flows[i].In = be.Uint32(b[at:])
			at += size
		}
	case usualOut2:
		for i := range flows {
			flows[i].Out = uint32(be.Uint16(b[at:]))
			at += size
		}
	case usualOut4:
		for i := range flows {
			flows[i].Out = be.Uint32(b[at:])
			at += size
		}
	case usualStartUp:
		for i := range flows {
			flows[i].Start = Stamp(sinceBoot(h.exported, h.uptime, be.Uint32(b[at:])))
			at += size
		}
	case usualEndUp:
		for i := range flows {
			flows[i].End = Stamp(sinceBoot(h.exported, h.uptime, be.Uint32(b[at:])))
			at += size
		}
	case usualStartMs:
		for i := range flows {
			flows[i].Start = Stamp(bounded(be.Uint64(b[at:])))
			at += size
		}
	case usualEndMs:
		for i := range flows {
			flows[i].End = Stamp(bounded(be.Uint64(b[at:])))
			at += size
		}
	}
}
