package netflow

import (
	"encoding/binary"
	"net/netip"
)

const (
	v5Header = 24
	v5Record = 48
)

// decodeV5 reads NetFlow v5. The number of records is what lies in the datagram,
// never what the header claims beyond it.
func (d *Decoder) decodeV5(e *exporter, b []byte) error {
	if len(b) < v5Header {
		return ErrTruncated
	}
	be := binary.BigEndian
	count := int(be.Uint16(b[2:]))
	uptime := be.Uint32(b[4:])
	exported := int64(be.Uint32(b[8:]))*1000 + int64(be.Uint32(b[12:]))/1e6
	engine := uint32(be.Uint16(b[20:]))
	whole := min(count, (len(b)-v5Header)/v5Record)

	d.domain = engine
	dom := e.domain(5, engine, d.config.MaxDomains)
	e.sequence(dom, be.Uint32(b[16:]), uint32(whole))
	if rate := uint32(be.Uint16(b[22:]) & 0x3fff); rate > 0 {
		dom.sampling = Sampling{rate, SourceHeader}
	}
	d.clock(e, exported)
	s := e.inForce(dom)
	for body := b[v5Header:]; whole > 0; {
		n := min(whole, d.room())
		flows := d.flows[d.n : d.n+n]
		d.readV5(flows, body, exported, uptime)
		d.keepAll(e, flows, s)
		body, whole = body[n*v5Record:], whole-n
	}
	if count*v5Record > len(b)-v5Header {
		return ErrTruncated
	}
	return nil
}

// readV5 fills Flows from as many records.
func (d *Decoder) readV5(flows []Flow, b []byte, exported int64, uptime uint32) {
	be := binary.BigEndian
	for i := range flows {
		r, f := (*[v5Record]byte)(b), &flows[i]
		f.Exporter, f.Domain, f.Sees, f.Event = d.exporterAddr, d.domain, SeesFlags, EventNone
		f.Src, f.Dst = netip.AddrFrom4([4]byte(r[0:4])), netip.AddrFrom4([4]byte(r[4:8]))
		f.In, f.Out = uint32(be.Uint16(r[12:])), uint32(be.Uint16(r[14:]))
		f.Packets, f.Bytes = uint64(be.Uint32(r[16:])), uint64(be.Uint32(r[20:]))
		f.SrcPort, f.DstPort = be.Uint16(r[32:]), be.Uint16(r[34:])
		f.Flags, f.Proto = r[37], r[38]
		f.Start = Stamp(sinceBoot(exported, uptime, be.Uint32(r[24:])))
		f.End = Stamp(sinceBoot(exported, uptime, be.Uint32(r[28:])))
		b = b[v5Record:]
	}
}

// sinceBoot turns an exporter's uptime stamp into Unix milliseconds. The
// difference is taken as signed, so that the wrap after 49.7 days does no harm.
func sinceBoot(exported int64, uptime, stamp uint32) int64 {
	return exported + int64(int32(stamp-uptime))
}
