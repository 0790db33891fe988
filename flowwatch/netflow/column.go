package netflow

import (
	"encoding/binary"
	"net/netip"
)

// A quick is a kind in its most usual width, which is read without looking at either.
type quick uint8

const (
	slow quick = iota // any other kind or width
	quickSrc4
	quickDst4
	quickSrcPort
	quickDstPort
	quickProto
	quickFlags
	quickPackets4
	quickPackets8
	quickOctets4
	quickOctets8
	quickIn2
	quickIn4
	quickOut2
	quickOut4
	quickStartUp
	quickEndUp
	quickStartMs
	quickEndMs
)

func newStep(offset int, f field) step {
	return step{uint16(offset), f.length, f.kind, quickOf(f)}
}

// quickOf names the quick form only of first choices (rank 0): the others must give way to what was read before.
func quickOf(f field) quick {
	type width struct {
		kind   kind
		length uint16
	}
	if f.rank != 0 {
		return slow
	}
	switch (width{f.kind, f.length}) {
	case width{srcV4, 4}:
		return quickSrc4
	case width{dstV4, 4}:
		return quickDst4
	case width{srcPort, 2}:
		return quickSrcPort
	case width{dstPort, 2}:
		return quickDstPort
	case width{proto, 1}:
		return quickProto
	case width{tcpFlags, 1}:
		return quickFlags
	case width{packets, 4}:
		return quickPackets4
	case width{packets, 8}:
		return quickPackets8
	case width{octets, 4}:
		return quickOctets4
	case width{octets, 8}:
		return quickOctets8
	case width{inIf, 2}:
		return quickIn2
	case width{inIf, 4}:
		return quickIn4
	case width{outIf, 2}:
		return quickOut2
	case width{outIf, 4}:
		return quickOut4
	case width{startUp, 4}:
		return quickStartUp
	case width{endUp, 4}:
		return quickEndUp
	case width{startMs, 8}:
		return quickStartMs
	case width{endMs, 8}:
		return quickEndMs
	}
	return slow
}

// steps reads one record of fixed layout. It is long because a call for each field
// would cost more than the field: this loop runs for every field of every record.
func (d *Decoder) steps(steps []step, b []byte) {
	be, f, r := binary.BigEndian, &d.flow, &d.rec
	for i := range steps {
		st := &steps[i]
		v := b[st.offset:]
		switch st.quick {
		case quickSrc4:
			f.Src = netip.AddrFrom4([4]byte(v))
		case quickDst4:
			f.Dst = netip.AddrFrom4([4]byte(v))
		case quickSrcPort:
			f.SrcPort = be.Uint16(v)
		case quickDstPort:
			f.DstPort = be.Uint16(v)
		case quickProto:
			f.Proto = v[0]
		case quickFlags:
			f.Flags = v[0]
		case quickPackets4:
			f.Packets = uint64(be.Uint32(v))
		case quickPackets8:
			f.Packets = be.Uint64(v)
		case quickOctets4:
			f.Bytes = uint64(be.Uint32(v))
		case quickOctets8:
			f.Bytes = be.Uint64(v)
		case quickIn2:
			f.In = uint32(be.Uint16(v))
		case quickIn4:
			f.In = be.Uint32(v)
		case quickOut2:
			f.Out = uint32(be.Uint16(v))
		case quickOut4:
			f.Out = be.Uint32(v)
		case quickStartUp:
			r.startUp, r.hasStartUp = be.Uint32(v), true
		case quickEndUp:
			r.endUp, r.hasEnd = be.Uint32(v), true
		case quickStartMs:
			r.start = bounded(be.Uint64(v))
		case quickEndMs:
			r.end = bounded(be.Uint64(v))
		default:
			d.field(st.kind, v[:st.length])
		}
	}
}
