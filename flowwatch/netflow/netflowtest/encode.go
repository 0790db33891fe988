// Package netflowtest simulates flow exporters: it writes NetFlow v5 and v9, IPFIX and
// sFlow v5 datagrams of given conversations, and makes up labelled traffic to fill them with.
// The traffic is synthetic: it is built from what notes and papers say of spam sources,
// and a good figure on it is worth no more than that.
package netflowtest

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A Record is one unidirectional conversation as an exporter counts it, before any sampling correction.
type Record struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Proto, Flags     uint8
	Packets, Bytes   uint64
	In, Out          uint32
	Start, End       time.Time
}

// A Format is a kind of datagram.
type Format string

const (
	V5    Format = "v5" // IPv4 only: other records are left out
	V9    Format = "v9"
	IPFIX Format = "ipfix"
	SFlow Format = "sflow" // each record becomes one sampled packet
)

// An Exporter writes Records as the datagrams of one router.
type Exporter struct {
	Format   Format
	Domain   uint32    // v9 source id, IPFIX domain, sFlow sub-agent, v5 engine
	Boot     time.Time // when the router started
	Sampling uint32    // one in so many, told in the format's own way; 0 says nothing
	// Sampler is the number of the sampler that Sampling is the rate of, in v9 and IPFIX: records name it. 0 names none.
	Sampler uint8
	// TemplateEvery is after how many datagrams v9 and IPFIX repeat their templates; 0 means 20.
	TemplateEvery int

	sequence uint32
	sent     int
}

// Template ids that the exporter uses.
const (
	template4 = 256
	template6 = 257
	template0 = 258 // options
)

const perDatagram = 24

// Encode writes records as datagrams sent at a time. The slices are its own to keep.
func (x *Exporter) Encode(records []Record, at time.Time) [][]byte {
	var out [][]byte
	for len(records) > 0 {
		n := min(len(records), perDatagram)
		if b := x.datagram(records[:n], at); b != nil {
			out = append(out, b)
		}
		records = records[n:]
	}
	return out
}

func (x *Exporter) datagram(records []Record, at time.Time) []byte {
	defer func() { x.sent++ }()
	switch x.Format {
	case V5:
		return x.v5(records, at)
	case V9:
		return x.v9(records, at)
	case SFlow:
		return x.sflow(records, at)
	}
	return x.ipfix(records, at)
}

var be = binary.BigEndian

func (x *Exporter) uptime(t time.Time) uint32 { return uint32(t.Sub(x.Boot).Milliseconds()) }

func (x *Exporter) v5(records []Record, at time.Time) []byte {
	b := make([]byte, 24, 24+48*len(records))
	n := uint16(0)
	for _, r := range records {
		if !r.Src.Is4() || !r.Dst.Is4() {
			continue
		}
		n++
		b = append(b, r.Src.AsSlice()...)
		b = append(b, r.Dst.AsSlice()...)
		b = be.AppendUint32(b, 0)
		b = be.AppendUint16(be.AppendUint16(b, uint16(r.In)), uint16(r.Out))
		b = be.AppendUint32(be.AppendUint32(b, uint32(r.Packets)), uint32(r.Bytes))
		b = be.AppendUint32(be.AppendUint32(b, x.uptime(r.Start)), x.uptime(r.End))
		b = be.AppendUint16(be.AppendUint16(b, r.SrcPort), r.DstPort)
		b = append(b, 0, r.Flags, r.Proto, 0, 0, 0, 0, 0, 24, 24, 0, 0)
	}
	if n == 0 {
		return nil
	}
	be.PutUint16(b, 5)
	be.PutUint16(b[2:], n)
	be.PutUint32(b[4:], x.uptime(at))
	be.PutUint32(b[8:], uint32(at.Unix()))
	be.PutUint32(b[12:], uint32(at.Nanosecond()))
	be.PutUint32(b[16:], x.sequence)
	be.PutUint16(b[20:], uint16(x.Domain))
	be.PutUint16(b[22:], uint16(x.Sampling&0x3fff))
	x.sequence += uint32(n)
	return b
}

// fields of the templates: element and length. The times differ by version.
func (x *Exporter) fields(v6, ipfix bool) [][2]uint16 {
	f := [][2]uint16{{8, 4}, {12, 4}}
	if v6 {
		f = [][2]uint16{{27, 16}, {28, 16}}
	}
	f = append(f, [2]uint16{7, 2}, [2]uint16{11, 2}, [2]uint16{4, 1}, [2]uint16{6, 1},
		[2]uint16{2, 8}, [2]uint16{1, 8}, [2]uint16{10, 4}, [2]uint16{14, 4})
	if x.Sampler > 0 {
		f = append(f, [2]uint16{48, 1})
	}
	if ipfix {
		return append(f, [2]uint16{152, 8}, [2]uint16{153, 8})
	}
	return append(f, [2]uint16{22, 4}, [2]uint16{21, 4})
}

func set(b []byte, id uint16, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b = be.AppendUint16(be.AppendUint16(b, id), uint16(4+len(body)))
	return append(b, body...)
}

func (x *Exporter) templates(ipfix bool) []byte {
	var b []byte
	for _, v6 := range []bool{false, true} {
		id := uint16(template4)
		if v6 {
			id = template6
		}
		list := x.fields(v6, ipfix)
		b = be.AppendUint16(be.AppendUint16(b, id), uint16(len(list)))
		for _, f := range list {
			b = be.AppendUint16(be.AppendUint16(b, f[0]), f[1])
		}
	}
	return b
}

// sets writes the templates when they are due, and the data.
func (x *Exporter) sets(b []byte, records []Record, ipfix bool) ([]byte, int) {
	extra := 0
	every := x.TemplateEvery
	if every <= 0 {
		every = 20
	}
	if x.sent%every == 0 {
		templateSet, optionsSet := uint16(0), uint16(1)
		if ipfix {
			templateSet, optionsSet = 2, 3
		}
		b = set(b, templateSet, x.templates(ipfix))
		if x.Sampling > 0 {
			b = set(b, optionsSet, x.optionsTemplate(ipfix))
			b = set(b, template0, x.options())
			extra = 1
		}
	}
	n := 0
	for _, v6 := range []bool{false, true} {
		var body []byte
		for _, r := range records {
			if r.Src.Is4() != v6 {
				body = x.record(body, r, ipfix)
				n++
			}
		}
		if body != nil {
			id := uint16(template4)
			if v6 {
				id = template6
			}
			b = set(b, id, body)
		}
	}
	return b, n + extra
}

// optionsTemplate: scope "system" (v9) or observationDomainId, then the elements 34 and, of a sampler, 48.
func (x *Exporter) optionsTemplate(ipfix bool) (b []byte) {
	elements := [][2]uint16{{34, 4}}
	if x.Sampler > 0 {
		elements = append(elements, [2]uint16{48, 1})
	}
	if n := uint16(len(elements)); ipfix {
		b = be.AppendUint16(be.AppendUint16(be.AppendUint16(nil, template0), 1+n), 1)
		b = be.AppendUint16(be.AppendUint16(b, 149), 4)
	} else {
		b = be.AppendUint16(be.AppendUint16(be.AppendUint16(nil, template0), 4), 4*n)
		b = be.AppendUint16(be.AppendUint16(b, 1), 4)
	}
	for _, e := range elements {
		b = be.AppendUint16(be.AppendUint16(b, e[0]), e[1])
	}
	return b
}

// options is the record that the options template describes.
func (x *Exporter) options() []byte {
	b := be.AppendUint32(be.AppendUint32(nil, 0), x.Sampling)
	if x.Sampler > 0 {
		b = append(b, x.Sampler)
	}
	return b
}

func (x *Exporter) record(b []byte, r Record, ipfix bool) []byte {
	b = append(b, r.Src.AsSlice()...)
	b = append(b, r.Dst.AsSlice()...)
	b = be.AppendUint16(be.AppendUint16(b, r.SrcPort), r.DstPort)
	b = append(b, r.Proto, r.Flags)
	b = be.AppendUint64(be.AppendUint64(b, r.Packets), r.Bytes)
	b = be.AppendUint32(be.AppendUint32(b, r.In), r.Out)
	if x.Sampler > 0 {
		b = append(b, x.Sampler)
	}
	if ipfix {
		return be.AppendUint64(be.AppendUint64(b, uint64(r.Start.UnixMilli())), uint64(r.End.UnixMilli()))
	}
	return be.AppendUint32(be.AppendUint32(b, x.uptime(r.Start)), x.uptime(r.End))
}

func (x *Exporter) v9(records []Record, at time.Time) []byte {
	b, n := x.sets(make([]byte, 20), records, false)
	be.PutUint16(b, 9)
	be.PutUint16(b[2:], uint16(n))
	be.PutUint32(b[4:], x.uptime(at))
	be.PutUint32(b[8:], uint32(at.Unix()))
	be.PutUint32(b[12:], x.sequence)
	be.PutUint32(b[16:], x.Domain)
	x.sequence++
	return b
}

func (x *Exporter) ipfix(records []Record, at time.Time) []byte {
	b, n := x.sets(make([]byte, 16), records, true)
	be.PutUint16(b, 10)
	be.PutUint16(b[2:], uint16(len(b)))
	be.PutUint32(b[4:], uint32(at.Unix()))
	be.PutUint32(b[8:], x.sequence)
	be.PutUint32(b[12:], x.Domain)
	x.sequence += uint32(n)
	return b
}

// sflow writes each record as one flow sample of a raw Ethernet header.
func (x *Exporter) sflow(records []Record, at time.Time) []byte {
	b := be.AppendUint32(nil, 5)
	b = be.AppendUint32(b, 1)
	b = append(b, 192, 0, 2, 250)
	b = be.AppendUint32(b, x.Domain)
	b = be.AppendUint32(b, x.sequence)
	b = be.AppendUint32(b, x.uptime(at))
	b = be.AppendUint32(b, uint32(len(records)))
	for i, r := range records {
		b = x.sample(b, r, uint32(i))
	}
	x.sequence++
	return b
}

func (x *Exporter) sample(b []byte, r Record, seq uint32) []byte {
	head := Frame(r)
	frame := len(head)
	for len(head)%4 != 0 {
		head = append(head, 0)
	}
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(32+8+16+len(head)))
	b = be.AppendUint32(b, seq)
	b = be.AppendUint32(b, r.In)
	b = be.AppendUint32(b, max(x.Sampling, 1))
	b = be.AppendUint32(be.AppendUint32(b, seq), 0)
	b = be.AppendUint32(be.AppendUint32(b, r.In), r.Out)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(be.AppendUint32(b, 1), uint32(16+len(head)))
	b = be.AppendUint32(be.AppendUint32(b, 1), uint32(14+int(r.Bytes/max(r.Packets, 1))))
	b = be.AppendUint32(be.AppendUint32(b, 4), uint32(frame))
	return append(b, head...)
}

// Frame is an Ethernet frame of one mean packet of r: headers only, the lengths as on the wire.
func Frame(r Record) []byte {
	b := make([]byte, 12, 80)
	b[5], b[11] = 1, 2
	length := uint16(r.Bytes / max(r.Packets, 1))
	if r.Src.Is4() {
		b = be.AppendUint16(b, 0x0800)
		b = append(b, 0x45, 0)
		b = be.AppendUint16(b, length)
		b = append(b, 0, 0, 0x40, 0, 64, r.Proto, 0, 0)
	} else {
		b = be.AppendUint16(b, 0x86dd)
		b = append(b, 0x60, 0, 0, 0)
		b = be.AppendUint16(b, length-40)
		b = append(b, r.Proto, 64)
	}
	b = append(b, r.Src.AsSlice()...)
	b = append(b, r.Dst.AsSlice()...)
	b = be.AppendUint16(be.AppendUint16(b, r.SrcPort), r.DstPort)
	return append(b, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, r.Flags, 0xff, 0xff, 0, 0, 0, 0)
}
