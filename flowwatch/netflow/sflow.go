package netflow

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	goflow "github.com/netsampler/goflow2/v2/decoders/sflow"
)

const sflowKey = 0xf5 // stands for sFlow v5 where versions are told apart

// maxFlowRecords is more than any honest agent puts into one sample.
const maxFlowRecords = 64

// decodeSFlow reads an sFlow v5 datagram. It walks the samples itself and gives goflow2
// only the flow samples' records that describe a packet: goflow2 gives up the whole
// datagram at the first sample of a kind it does not know, and makes room for as
// many records as an expanded sample claims (gigabytes for sixty bytes).
func (d *Decoder) decodeSFlow(e *exporter, b []byte) error {
	agentLength := 4
	if len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) == 2 {
		agentLength = 16
	}
	if len(b) < 8+agentLength+16 {
		return ErrTruncated
	}
	agent, _ := netip.AddrFromSlice(b[8 : 8+agentLength])
	d.exporterAddr = agent.Unmap()
	b = b[8+agentLength:]
	be := binary.BigEndian
	d.domain = be.Uint32(b)
	// One relay may hand on several agents whose sub-agents all are 0.
	dom := e.domain(sflowKey, d.domain^agentTag(agent), d.config.MaxDomains)
	e.sequence(dom, be.Uint32(b[4:]), 1)
	count := be.Uint32(b[12:])
	return d.samples(e, dom, b[16:], count)
}

func agentTag(a netip.Addr) uint32 {
	b := a.As16()
	var tag uint32
	for i := 0; i < 16; i += 4 {
		tag = tag*16777619 ^ binary.BigEndian.Uint32(b[i:])
	}
	return tag
}

func (d *Decoder) samples(e *exporter, dom *domain, b []byte, count uint32) error {
	be := binary.BigEndian
	for ; count > 0; count-- {
		if len(b) < 8 {
			return ErrTruncated
		}
		format, length := be.Uint32(b), be.Uint32(b[4:])
		if uint64(length) > uint64(len(b)-8) {
			return ErrTruncated
		}
		if format == goflow.SAMPLE_FORMAT_FLOW || format == goflow.SAMPLE_FORMAT_EXPANDED_FLOW {
			if err := d.sample(e, dom, format, b[8:8+length]); err != nil {
				return err
			}
		}
		b = b[8+length:]
	}
	return nil
}

// sample reads one flow sample: sequence, source, rate, pool, drops, input, output, records.
func (d *Decoder) sample(e *exporter, dom *domain, format uint32, b []byte) error {
	be := binary.BigEndian
	at, head := 8, 32 // where the rate stands, and where the records begin
	if format == goflow.SAMPLE_FORMAT_EXPANDED_FLOW {
		at, head = 12, 44
	}
	if len(b) < head {
		return ErrTruncated
	}
	rate, count := be.Uint32(b[at:]), be.Uint32(b[head-4:])
	f := d.next()
	f.begin(d.exporterAddr, d.domain, 0)
	if format == goflow.SAMPLE_FORMAT_FLOW {
		f.In, f.Out = interfaceOf(be.Uint32(b[20:])), interfaceOf(be.Uint32(b[24:]))
	} else {
		f.In, f.Out = expandedInterface(b[24:]), expandedInterface(b[32:])
	}
	if rate == 0 || rate > 1<<30 {
		rate = 1
	}
	dom.sampling = Sampling{rate, SourceSample}
	return d.flowRecords(e, f, e.inForce(dom), b[head:], count)
}

// interfaceOf reads a compact interface: the two top bits say whether it is one interface at all.
func interfaceOf(v uint32) uint32 {
	if v>>30 != 0 || v == 0x3fffffff {
		return 0
	}
	return v
}

func expandedInterface(b []byte) uint32 {
	if binary.BigEndian.Uint32(b) != 0 || binary.BigEndian.Uint32(b[4:]) == 0xffffffff {
		return 0
	}
	return binary.BigEndian.Uint32(b[4:])
}

// flowRecords makes one Flow of a sample: from the first record that describes the packet.
func (d *Decoder) flowRecords(e *exporter, f *Flow, s Sampling, b []byte, count uint32) error {
	for n := 0; count > 0; count-- {
		if n++; n > maxFlowRecords || len(b) < 8 {
			return ErrTruncated
		}
		h := goflow.RecordHeader{DataFormat: binary.BigEndian.Uint32(b), Length: binary.BigEndian.Uint32(b[4:])}
		if uint64(h.Length) > uint64(len(b)-8) {
			return ErrTruncated
		}
		body := b[8 : 8+h.Length]
		b = b[8+h.Length:]
		if h.DataFormat != goflow.FLOW_TYPE_RAW && h.DataFormat != goflow.FLOW_TYPE_IPV4 && h.DataFormat != goflow.FLOW_TYPE_IPV6 {
			continue
		}
		record, err := goflow.DecodeFlowRecord(&h, bytes.NewBuffer(body))
		if err != nil {
			return ErrTruncated
		}
		if f.packet(record.Data) {
			f.Start, f.End = Stamp(d.received), Stamp(d.received)
			d.keep(e, s)
			return nil
		}
	}
	e.unreadable++
	return nil
}

// packet fills f by one sampled packet, if that is IP.
func (f *Flow) packet(data any) bool {
	var p Packet
	switch r := data.(type) {
	case goflow.SampledHeader:
		var ok bool
		if p, ok = ParseHeader(Link(r.Protocol), r.HeaderData, int(r.FrameLength)); !ok {
			return false
		}
	case goflow.SampledIPv4:
		p = sampledIP(r.SampledIPBase)
	case goflow.SampledIPv6:
		p = sampledIP(r.SampledIPBase)
	default:
		return false
	}
	f.Src, f.Dst, f.SrcPort, f.DstPort = p.Src, p.Dst, p.SrcPort, p.DstPort
	f.Proto, f.Flags, f.Sees = p.Proto, p.Flags, SeesPacket
	if p.Proto == ProtoTCP {
		f.Sees |= SeesFlags
	}
	f.Packets, f.Bytes = 1, uint64(p.Bytes)
	return f.Src.IsValid() && f.Dst.IsValid()
}

func sampledIP(r goflow.SampledIPBase) Packet {
	src, _ := netip.AddrFromSlice(r.SrcIP)
	dst, _ := netip.AddrFromSlice(r.DstIP)
	return Packet{
		Src: src.Unmap(), Dst: dst.Unmap(), SrcPort: uint16(r.SrcPort), DstPort: uint16(r.DstPort),
		Proto: uint8(r.Protocol), Flags: uint8(r.TcpFlags), Bytes: int(min(r.Length, 1<<16)),
	}
}
