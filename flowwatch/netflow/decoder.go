package netflow

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// Errors of Decode. Each is also counted for its exporter; none stops the Decoder.
var (
	ErrRefused   = errors.New("netflow: exporter is not allowed")
	ErrVersion   = errors.New("netflow: unknown version")
	ErrTruncated = errors.New("netflow: datagram is shorter than it says")
	ErrMalformed = errors.New("netflow: datagram contradicts itself")
	ErrFull      = errors.New("netflow: too many exporters")
)

// A Config bounds a Decoder. The zero value of each limit means its default.
type Config struct {
	Allowed      []netip.Prefix        // exporters that are heard
	AllowAny     bool                  // offline reading: everyone is heard
	Sampling     map[netip.Addr]uint32 // rates that override the exporter's own word
	MaxExporters int                   // default 1024
	MaxTemplates int                   // per exporter, default 2048
	MaxDomains   int                   // per exporter, default 256
	TemplateLife time.Duration         // since last sent, default 24 h
	MaxSkew      time.Duration         // of times against the receive time, default 1 h
}

func (c *Config) fill() {
	or := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	or(&c.MaxExporters, 1024)
	or(&c.MaxTemplates, 2048)
	or(&c.MaxDomains, 256)
	if c.TemplateLife <= 0 {
		c.TemplateLife = 24 * time.Hour
	}
	if c.MaxSkew <= 0 {
		c.MaxSkew = time.Hour
	}
}

// A Decoder turns datagrams into Flows and keeps what that takes: templates,
// sampling rates and sequence numbers per exporter. One goroutine at a time may use it.
type Decoder struct {
	config    Config
	exporters map[netip.Addr]*exporter
	refused   refusals
	last      *exporter // most datagrams come from the exporter before

	emit          func([]Flow)
	flows         [batch]Flow // read and not handed on yet:
	n             int         // so many
	exporterAddr  netip.Addr  // of this datagram's flows,
	domain        uint32      // and the domain
	rec           record
	windows       [before + maxRecord + len(window{})]byte // the records being read by a layout
	values        [][]byte                                 // of the record being read, where lengths vary
	received      int64                                    // Unix milliseconds
	optionRecords int                                      // of the message being read
	skew          int64                                    // what to add to this datagram's times
	limit         int64                                    // Config.MaxSkew in milliseconds
}

// NewDecoder makes a Decoder within the bounds of c.
func NewDecoder(c Config) *Decoder {
	c.fill()
	return &Decoder{config: c, exporters: make(map[netip.Addr]*exporter), limit: c.MaxSkew.Milliseconds()}
}

// batch is how many Flows are handed on at once: those of most datagrams, and few enough to stay in the fastest cache.
const batch = 64

// Decode reads one datagram that came from an exporter at a time and hands its Flows to emit, several at once;
// emit must not keep the slice. After an error the Flows before it are still good.
func (d *Decoder) Decode(datagram []byte, from netip.Addr, received time.Time, emit func([]Flow)) error {
	e, err := d.exporter(from.Unmap(), received)
	if err != nil {
		return err
	}
	e.datagrams++
	e.bytes += uint64(len(datagram))
	e.lastSeen = received
	d.emit, d.received, d.skew = emit, received.UnixMilli(), 0
	d.exporterAddr, d.domain = e.addr, 0
	err = d.decode(e, datagram)
	d.flush()
	switch {
	case errors.Is(err, ErrVersion):
		e.unknownVersion++
	case err != nil:
		e.malformed++
	}
	return err
}

func (d *Decoder) decode(e *exporter, b []byte) error {
	if len(b) < 4 {
		return ErrTruncated
	}
	switch binary.BigEndian.Uint16(b) {
	case 5:
		return d.decodeV5(e, b)
	case 9:
		return d.decodeV9(e, b)
	case 10:
		return d.decodeIPFIX(e, b)
	case 0:
		if binary.BigEndian.Uint32(b) == 5 {
			return d.decodeSFlow(e, b)
		}
	}
	return ErrVersion
}

func (d *Decoder) exporter(addr netip.Addr, at time.Time) (*exporter, error) {
	if d.last != nil && d.last.addr == addr {
		return d.last, nil
	}
	e := d.exporters[addr]
	if e == nil {
		if !d.allowed(addr) {
			d.refused.count(addr, at)
			return nil, ErrRefused
		}
		if len(d.exporters) >= d.config.MaxExporters {
			d.refused.count(addr, at)
			return nil, ErrFull
		}
		e = newExporter(addr, d.config.Sampling[addr], at)
		d.exporters[addr] = e
	}
	d.last = e
	return e, nil
}

func (d *Decoder) allowed(addr netip.Addr) bool {
	if d.config.AllowAny {
		return true
	}
	for _, p := range d.config.Allowed {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// clock notes the exporter's idea of now. Where it is far off, all times of the
// datagram are shifted by the difference, so that durations and order stay.
func (d *Decoder) clock(e *exporter, exported int64) {
	off := d.received - exported
	if off > d.limit || off < -d.limit {
		d.skew = off
		e.clockSkew = time.Duration(off) * time.Millisecond
		e.skewed++
		return
	}
	e.clockSkew = 0
}

// next is where the next Flow is to be read into, over what lay there; it is kept by keep or left.
func (d *Decoder) next() *Flow {
	d.room()
	return &d.flows[d.n]
}

// room is for how many Flows there is room, at least one.
func (d *Decoder) room() int {
	if d.n == batch {
		d.flush()
	}
	return batch - d.n
}

// flush hands on what was read.
func (d *Decoder) flush() {
	if d.n > 0 {
		d.emit(d.flows[:d.n])
		d.n = 0
	}
}

// times makes the flow's start and end (0 for unknown) plausible: what is not is replaced by the time of receipt and counted.
func (d *Decoder) times(e *exporter, f *Flow) {
	if !d.plausible(f) {
		d.mendTimes(e, f)
	}
}

// plausible tells whether the flow's times are good as they are: known, in order, and about now.
func (d *Decoder) plausible(f *Flow) bool {
	return d.skew == 0 && f.Start > 0 && uint64(f.End-f.Start) <= day && uint64(int64(f.End)-d.received+d.limit) <= 2*uint64(d.limit)
}

const day = 24 * 3600 * 1000 // milliseconds: no flow lasts longer

func (d *Decoder) mendTimes(e *exporter, f *Flow) {
	start, end := int64(f.Start), int64(f.End)
	if end == 0 {
		end = start
	}
	if start == 0 {
		start = end
	}
	received := Stamp(d.received)
	if start == 0 {
		f.Start, f.End = received, received
		return
	}
	start, end = start+d.skew, end+d.skew
	length := end - start
	if length < 0 || length > day {
		length = 0
		e.badTimes++
	} else if off := d.received - end; off > d.limit || off < -d.limit {
		e.badTimes++
	} else {
		f.Start, f.End = Stamp(start), Stamp(end)
		return
	}
	f.Start, f.End = received-Stamp(length), received
}

// keep corrects the counts of the Flow that next gave for sampling; it is handed on.
func (d *Decoder) keep(e *exporter, s Sampling) {
	d.flows[d.n].sampled(max(s.Rate, 1))
	e.flows++
	d.n++
}

// keepAll is times and keep for the next Flows, of one domain.
func (d *Decoder) keepAll(e *exporter, flows []Flow, s Sampling) {
	rate := max(s.Rate, 1)
	for i := range flows {
		f := &flows[i]
		if !d.plausible(f) {
			d.mendTimes(e, f)
		}
		f.sampled(rate)
	}
	e.flows += uint64(len(flows))
	d.n += len(flows)
}

// sampled corrects the Flow's counts: one packet in so many was looked at.
func (f *Flow) sampled(rate uint32) {
	if f.Sampling = rate; rate > 1 {
		f.Packets, f.Bytes = mul(f.Packets, rate), mul(f.Bytes, rate)
	}
}

func mul(n uint64, by uint32) uint64 {
	if n > 1<<31 && n > ^uint64(0)/uint64(by) {
		return ^uint64(0)
	}
	return n * uint64(by)
}
