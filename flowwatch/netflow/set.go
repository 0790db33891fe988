package netflow

import (
	"encoding/binary"
	"net/netip"
)

// A header is what the header of a v9 or IPFIX datagram says.
type header struct {
	version  uint16
	exported int64 // Unix milliseconds
	uptime   uint32
	domain   uint32
}

// decodeV9 reads NetFlow v9 (RFC 3954 §5.1). The header's count is not trusted: vendors
// count flow sets, records or both; the lengths of the sets decide.
func (d *Decoder) decodeV9(e *exporter, b []byte) error {
	if len(b) < 20 {
		return ErrTruncated
	}
	be := binary.BigEndian
	h := header{9, int64(be.Uint32(b[8:])) * 1000, be.Uint32(b[4:]), be.Uint32(b[16:])}
	dom := e.domain(9, h.domain, d.config.MaxDomains)
	e.sequence(dom, be.Uint32(b[12:]), 1)
	_, err := d.sets(e, dom, h, b[20:])
	return err
}

// decodeIPFIX reads an IPFIX message (RFC 7011 §3.1), whose sequence number counts data records.
func (d *Decoder) decodeIPFIX(e *exporter, b []byte) error {
	if len(b) < 16 {
		return ErrTruncated
	}
	be := binary.BigEndian
	length := int(be.Uint16(b[2:]))
	if length < 16 {
		return ErrMalformed
	}
	h := header{version: 10, exported: int64(be.Uint32(b[4:])) * 1000, domain: be.Uint32(b[12:])}
	dom := e.domain(10, h.domain, d.config.MaxDomains)
	missing := e.noTemplate
	d.optionRecords = 0
	n, err := d.sets(e, dom, h, b[16:min(length, len(b))])
	// QUIRK: softflowd counts the records of this message in, and options data not at all (RFC 7011 §3.1).
	seq := be.Uint32(b[8:])
	if ahead := seq - dom.last; dom.synced && (ahead == uint32(n) || ahead == uint32(n-d.optionRecords)) {
		dom.next = seq
	}
	e.sequence(dom, seq, uint32(n))
	dom.resync = err != nil || e.noTemplate != missing
	if err == nil && length > len(b) {
		err = ErrTruncated
	}
	return err
}

// sets walks the sets of a message and returns the number of data records in them.
func (d *Decoder) sets(e *exporter, dom *domain, h header, b []byte) (int, error) {
	d.domain = h.domain
	d.clock(e, h.exported)
	n := 0
	for len(b) >= 4 {
		id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if length < 4 {
			if zeros(b) {
				return n, nil // QUIRK: Palo Alto fills its datagrams up with zeros
			}
			return n, ErrMalformed
		}
		body := b[4:min(length, len(b))]
		records, err := d.set(e, dom, h, id, body)
		n += records
		if err != nil {
			return n, err
		}
		if length > len(b) {
			return n, ErrTruncated
		}
		b = b[length:]
	}
	return n, nil
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func (d *Decoder) set(e *exporter, dom *domain, h header, id uint16, b []byte) (int, error) {
	switch {
	case h.version == 9 && id == 0, h.version == 10 && id == 2:
		return 0, d.templates(e, h.version, h.domain, b)
	case h.version == 9 && id == 1:
		return 0, d.optionsTemplatesV9(e, h.domain, b)
	case h.version == 10 && id == 3:
		return 0, d.optionsTemplatesIPFIX(e, h.domain, b)
	case id < 256:
		return 0, ErrMalformed
	}
	t := e.templates[templateKey{h.domain, h.version, id}]
	switch {
	case t == nil:
		e.noTemplate++
		return 0, nil
	case t.options != nil:
		n, err := d.options(e, h.version, dom, t, b)
		d.optionRecords += n
		return n, err
	case t.fixed:
		return d.fixed(e, dom, h, t, b), nil
	}
	return d.variable(e, dom, h, t, b)
}

// fixed reads records of one length in place, as many at once as there is room for.
func (d *Decoder) fixed(e *exporter, dom *domain, h header, t *template, b []byte) int {
	all := len(b) / t.minimum
	s := e.inForce(dom)
	for left := all; left > 0; {
		n := min(left, d.room())
		if t.reverse {
			n = 1 // each may become two Flows
		}
		d.records(e, dom, h, t, s, b[:n*t.minimum])
		b, left = b[n*t.minimum:], left-n
	}
	return all
}

// records reads records for which there is room: first what the template's layout tells of, then, of templates that tell
// more, the rest.
func (d *Decoder) records(e *exporter, dom *domain, h header, t *template, s Sampling, b []byte) {
	flows := d.flows[d.n : d.n+len(b)/t.minimum]
	copy(d.windows[before:], b)
	d.readLaid(flows, t, &h)
	d.readICMP(flows, t)
	if t.whole && dom.interfaces == nil {
		if t.samplerAt.mask != 0 && len(dom.samplers) > 0 {
			d.keepEach(e, dom, flows, t)
		} else {
			d.keepAll(e, flows, s)
		}
		return
	}
	for i := range flows {
		f := d.here(&flows[i])
		d.rec = record{hasSampler: t.samplerAt.mask != 0, sampler: d.samplerOf(t, i)}
		for _, st := range t.rest {
			d.rec.take(st.kind, b[i*t.minimum+int(st.offset):][:st.length], f)
		}
		d.complete(e, dom, h, t, s, f)
	}
}

// samplerOf is the number of the sampler of a record that lies in d.windows; 0 is also where it names none.
func (d *Decoder) samplerOf(t *template, i int) uint64 {
	return t.samplerAt.of((*window)(d.windows[i*t.minimum:]))
}

// keepEach is keepAll for Flows each of which names the sampler that looked at it: mostly the same as the one before.
func (d *Decoder) keepEach(e *exporter, dom *domain, flows []Flow, t *template) {
	for i := 0; i < len(flows); {
		id, first := d.samplerOf(t, i), i
		for i++; i < len(flows) && d.samplerOf(t, i) == id; i++ {
		}
		d.keepAll(e, flows[first:i], e.sampler(dom, id))
	}
}

// here moves a Flow up to where the next is to be kept, if others before it were not.
func (d *Decoder) here(f *Flow) *Flow {
	to := &d.flows[d.n]
	if to != f {
		*to = *f
	}
	return to
}

// variable reads records some of whose fields bear their own length (RFC 7011 §7).
func (d *Decoder) variable(e *exporter, dom *domain, h header, t *template, b []byte) (int, error) {
	n := 0
	s := e.inForce(dom)
	for len(b) >= t.minimum {
		var ok bool
		if b, ok = d.locate(t, b); !ok {
			return n, ErrTruncated
		}
		f := d.next()
		f.begin(d.exporterAddr, d.domain, t.sees)
		d.rec = record{}
		for _, i := range t.order {
			d.rec.take(t.fields[i].kind, d.values[i], f)
		}
		d.complete(e, dom, h, t, s, f)
		n++
	}
	return n, nil
}

// locate finds where the fields of the next record lie and returns what follows it.
func (d *Decoder) locate(t *template, b []byte) ([]byte, bool) {
	d.values = d.values[:0]
	for _, f := range t.fields {
		value, rest, ok := take(b, f.length)
		if !ok {
			return b, false
		}
		d.values = append(d.values, value)
		b = rest
	}
	return b, true
}

func take(b []byte, length uint16) (value, rest []byte, ok bool) {
	n := int(length)
	if length == variable {
		if len(b) < 1 {
			return nil, nil, false
		}
		n, b = int(b[0]), b[1:]
		if n == 255 {
			if len(b) < 2 {
				return nil, nil, false
			}
			n, b = int(binary.BigEndian.Uint16(b)), b[2:]
		}
	}
	if len(b) < n {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// A record gathers what must be known in full before a Flow's times and reverse side can be told.
type record struct {
	start, end         int64 // Unix milliseconds
	startUp, endUp     uint32
	hasStartUp, hasEnd bool
	boot               int64
	back, endBack      int64 // microseconds
	length             int64 // milliseconds; 0 is unknown
	revOctets, revPkts uint64
	revFlags           uint8
	icmp               uint16
	hasICMP            bool
	hasSampler         bool
	sampler            uint64
	every, run, skip   uint64
}

// begin makes a Flow ready to be filled: a whole one is not assigned, since that would copy it.
func (f *Flow) begin(exporter netip.Addr, domain uint32, sees Sees) {
	f.Exporter, f.Domain = exporter, domain
	f.Src, f.Dst = netip.Addr{}, netip.Addr{}
	f.SrcPort, f.DstPort, f.Proto, f.Flags = 0, 0, 0, 0
	f.Sees, f.Event = sees, EventNone
	f.Packets, f.Bytes, f.Sampling, f.In, f.Out, f.Start, f.End = 0, 0, 0, 0, 0, 0, 0
}

// take takes one field's bytes, of whatever width the template gave it.
func (r *record) take(k kind, b []byte, f *Flow) {
	switch k {
	case skip:
	case srcV4:
		setAddr4(&f.Src, b)
	case dstV4:
		setAddr4(&f.Dst, b)
	case srcV6:
		setAddr6(&f.Src, b)
	case dstV6:
		setAddr6(&f.Dst, b)
	case srcPort:
		first(&f.SrcPort, uint16(number(b)))
	case dstPort:
		first(&f.DstPort, uint16(number(b)))
	case proto:
		f.Proto = uint8(number(b))
	case tcpFlags:
		f.Flags |= uint8(number(b))
	case octets:
		first(&f.Bytes, number(b))
	case packets:
		first(&f.Packets, number(b))
	case inIf:
		first(&f.In, uint32(number(b)))
	case outIf:
		first(&f.Out, uint32(number(b)))
	default:
		r.field(k, b, f)
	}
}

func first[T uint16 | uint32 | uint64](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

func setAddr4(a *netip.Addr, b []byte) {
	if len(b) == 4 && (!a.IsValid() || a.IsUnspecified()) {
		*a = netip.AddrFrom4([4]byte(b))
	}
}

func setAddr6(a *netip.Addr, b []byte) {
	if len(b) == 16 && (!a.IsValid() || a.IsUnspecified()) {
		*a = netip.AddrFrom16([16]byte(b)).Unmap()
	}
}

// field takes the rarer fields, and those of which several make one value.
func (r *record) field(k kind, b []byte, f *Flow) {
	n := number(b)
	switch k {
	case revOctets:
		first(&r.revOctets, n)
	case revPackets:
		first(&r.revPkts, n)
	case revFlags:
		r.revFlags = uint8(n)
	case icmpBoth:
		r.icmp, r.hasICMP = uint16(n), true
	case icmpType:
		r.icmp, r.hasICMP = r.icmp&0xff|uint16(n)<<8, true
	case icmpCode:
		r.icmp, r.hasICMP = r.icmp&0xff00|uint16(n)&0xff, true
	case fwEvent:
		f.Event = Event(n)
	case samplerID:
		r.sampler, r.hasSampler = n, true
	case sampleEvery:
		r.every = n
	case sampleRun:
		r.run = n
	case sampleSkip:
		r.skip = n
	default:
		r.time(k, n)
	}
}

func (r *record) time(k kind, n uint64) {
	switch k {
	case startUp:
		r.startUp, r.hasStartUp = uint32(n), true
	case endUp:
		r.endUp, r.hasEnd = uint32(n), true
	case startSec:
		r.start = bounded(n) * 1000
	case endSec:
		r.end = bounded(n) * 1000
	case startMs:
		r.start = bounded(n)
	case endMs:
		r.end = bounded(n)
	case startNTP:
		r.start = ntp(n)
	case endNTP:
		r.end = ntp(n)
	case startBack:
		r.back = bounded(n)
	case endBack:
		r.endBack = bounded(n)
	case eventMs:
		r.start, r.end = bounded(n), bounded(n)
	case bootMs:
		r.boot = bounded(n)
	case lengthMs:
		r.length = bounded(n)
	case lengthUs:
		r.length = bounded(n) / 1000
	}
}

// bounded keeps hostile stamps from overflowing; what exceeds it is implausible anyway.
func bounded(n uint64) int64 { return int64(min(n, 1<<45)) }

// ntp turns an RFC 5905 §6 timestamp into Unix milliseconds; those before 1970 become 0, unknown.
func ntp(n uint64) int64 {
	const epoch = 2208988800
	ms := (int64(n>>32)-epoch)*1000 + int64((n&0xffffffff)*1000>>32)
	return max(ms, 0)
}

func number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	var n uint64
	for _, c := range b[max(0, len(b)-8):] {
		n = n<<8 | uint64(c)
	}
	return n
}

// complete ends the reading of a record of which some is in d.rec, and keeps its reverse side, too, where it has one.
func (d *Decoder) complete(e *exporter, dom *domain, h header, t *template, s Sampling, f *Flow) {
	r := &d.rec
	if !f.Src.IsValid() || !f.Dst.IsValid() {
		e.unreadable++
		return
	}
	if r.hasICMP && f.DstPort == 0 && f.isICMP() {
		f.DstPort = r.icmp
	}
	if t.clock == unclocked {
		start, end := r.span(h)
		f.Start, f.End = Stamp(start), Stamp(end)
	}
	d.times(e, f)
	if dom.interfaces != nil {
		s = e.ofInterface(dom, f, s)
	}
	if t.sampler {
		s = d.ownSampling(e, dom, s)
	}
	d.keep(e, s)
	if t.reverse && (r.revOctets > 0 || r.revPkts > 0) {
		d.keepReverse(e, s, *f)
	}
}

// keepReverse keeps the other direction of a biflow (RFC 5103).
func (d *Decoder) keepReverse(e *exporter, s Sampling, forth Flow) {
	r, f := &d.rec, d.next()
	*f = forth
	f.Src, f.Dst = forth.Dst, forth.Src
	f.SrcPort, f.DstPort = forth.DstPort, forth.SrcPort
	f.In, f.Out = forth.Out, forth.In
	f.Packets, f.Bytes, f.Flags = r.revPkts, r.revOctets, r.revFlags
	d.keep(e, s)
}

// span finds the record's times in whichever form it has them; 0 is unknown.
func (r *record) span(h header) (start, end int64) {
	start, end = r.start, r.end
	if r.back > 0 || r.endBack > 0 {
		start, end = h.exported-r.back/1000, h.exported-r.endBack/1000
	}
	if r.hasStartUp {
		start = r.sinceBoot(h, r.startUp)
	}
	if r.hasEnd {
		end = r.sinceBoot(h, r.endUp)
	}
	if r.length > 0 && start > 0 && end == 0 {
		end = start + r.length
	} else if r.length > 0 && end > 0 && start == 0 {
		start = end - r.length
	}
	return start, end
}

// sinceBoot needs the uptime of a v9 header or, in IPFIX, systemInitTimeMilliseconds (IE 160).
func (r *record) sinceBoot(h header, stamp uint32) int64 {
	switch {
	case h.version == 9:
		return sinceBoot(h.exported, h.uptime, stamp)
	case r.boot > 0:
		return r.boot + int64(stamp)
	}
	return 0
}

// ownSampling is the rate by the record's sampler number or by its own fields.
func (d *Decoder) ownSampling(e *exporter, dom *domain, s Sampling) Sampling {
	r := &d.rec
	if e.config > 0 {
		return s
	}
	if rate := (&optionSampling{every: r.every, run: r.run, skip: r.skip}).value(); rate > 0 {
		if dom.sampling.Rate == 0 {
			dom.sampling = Sampling{rate, SourceRecord}
		}
		return Sampling{rate, SourceRecord}
	}
	if r.hasSampler {
		return e.sampler(dom, r.sampler)
	}
	return s
}
