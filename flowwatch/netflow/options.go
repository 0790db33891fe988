package netflow

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"strings"

	goflow "github.com/netsampler/goflow2/v2/decoders/netflow"
)

// This file is where goflow2's decoders read: templates, options templates and options data.
// Each call is given exactly one record whose lengths were checked, since goflow2
//   - makes room for as many fields as a record claims (a megabyte for four bytes),
//   - never returns from a data set whose template's record length is 0,
//   - takes an IPFIX withdrawal of an options template, four bytes long, for six,
//   - leaves the enterprise bit in the fields of IPFIX options templates.

func decodeTemplate(version uint16, record []byte) ([]goflow.Field, error) {
	list, err := goflow.DecodeTemplateSet(version, bytes.NewBuffer(record))
	if err != nil || len(list) != 1 {
		return nil, ErrMalformed
	}
	return list[0].Fields, nil
}

func (d *Decoder) optionsTemplatesV9(e *exporter, domainID uint32, b []byte) error {
	be := binary.BigEndian
	for len(b) >= 6 {
		id, size := be.Uint16(b), int(be.Uint16(b[2:]))+int(be.Uint16(b[4:]))
		if id < 256 {
			return nil // padding
		}
		if size > len(b)-6 || be.Uint16(b[2:])%4 != 0 || be.Uint16(b[4:])%4 != 0 {
			e.badTemplates++
			return ErrTruncated
		}
		list, err := goflow.DecodeNFv9OptionsTemplateSet(bytes.NewBuffer(b[:6+size]))
		if err == nil && len(list) == 1 {
			d.store(e, templateKey{domainID, 9, id}, compileOptions(d, 9, list[0].Scopes, list[0].Options), b[:6+size])
		} else {
			e.badTemplates++
		}
		b = b[6+size:]
	}
	return nil
}

func (d *Decoder) optionsTemplatesIPFIX(e *exporter, domainID uint32, b []byte) error {
	be := binary.BigEndian
	for len(b) >= 4 {
		id, count := be.Uint16(b), int(be.Uint16(b[2:]))
		key := templateKey{domainID, 10, id}
		if count == 0 && (id == 3 || id >= 256) {
			if id == 3 {
				e.withdraw(10, domainID, true)
			} else {
				delete(e.templates, key)
			}
			b = b[4:]
			continue
		}
		if id < 256 {
			return nil // padding
		}
		size := -1
		if len(b) >= 6 {
			size = fieldsLength(10, b[6:], count)
		}
		if size < 0 || int(be.Uint16(b[4:])) > count {
			e.badTemplates++
			return ErrTruncated
		}
		list, err := goflow.DecodeIPFIXOptionsTemplateSet(bytes.NewBuffer(b[:6+size]))
		if err == nil && len(list) == 1 {
			stripEnterprise(list[0].Scopes)
			stripEnterprise(list[0].Options)
			d.store(e, key, compileOptions(d, 10, list[0].Scopes, list[0].Options), b[:6+size])
		} else {
			e.badTemplates++
		}
		b = b[6+size:]
	}
	return nil
}

func stripEnterprise(fields []goflow.Field) {
	for i := range fields {
		if fields[i].PenProvided {
			fields[i].Type &^= 0x8000
		}
	}
}

func compileOptions(d *Decoder, version uint16, scopes, options []goflow.Field) *template {
	t := compile(version, append(append([]goflow.Field(nil), scopes...), options...), d.receivedTime())
	if t != nil {
		t.options = &optionsTemplate{scopes, options}
	}
	return t
}

// options reads a set of options data and keeps the sampling rates it tells. It returns the number of records.
func (d *Decoder) options(e *exporter, version uint16, dom *domain, t *template, b []byte) (int, error) {
	records, err := goflow.DecodeOptionsDataSet(version, bytes.NewBuffer(b), t.options.scopes, t.options.options)
	for i := range records {
		fields := records[i].OptionsValues
		if version == 10 {
			// A v9 scope's type is a number of its own (RFC 3954 §6.1); an IPFIX scope is an element like others.
			fields = append(fields, records[i].ScopesValues...)
		}
		e.learn(dom, fields, scopeInterface(version, records[i].ScopesValues))
	}
	if err != nil {
		return len(records), ErrTruncated
	}
	return len(records), nil
}

// scopeInterface is the interface that a record of options is about, 0 where it is about more: scope type 2 of v9
// (RFC 3954 §6.1), or the elements of interfaces in IPFIX.
func scopeInterface(version uint16, scopes []goflow.DataField) uint32 {
	for _, f := range scopes {
		b, ok := f.Value.([]byte)
		switch {
		case !ok || f.PenProvided || len(b) > 8:
		case version == 9 && f.Type == 2, version == 10 && (f.Type == 10 || f.Type == 14):
			return uint32(number(b))
		}
	}
	return 0
}

// learn takes out of one record of options the sampling rate (IE 34, 50, 305/306 and 309–311), with the sampler's number
// (48, 302) or the interface that it is for, and an interface's name (82).
func (e *exporter) learn(dom *domain, fields []goflow.DataField, ifIndex uint32) {
	var s optionSampling
	for _, f := range fields {
		if b, ok := f.Value.([]byte); ok && !f.PenProvided {
			s.read(f.Type, b)
		}
	}
	if s.ifIndex == 0 {
		s.ifIndex = ifIndex
	}
	if s.ifName != "" && s.ifIndex != 0 {
		e.name(s.ifName, s.ifIndex)
	}
	rate := s.value()
	switch {
	case rate == 0:
	case ifIndex != 0 && !s.named:
		dom.learnInterface(ifIndex, rate)
	case s.named:
		e.shared = Sampling{rate, SourceOptions}
		dom.learn(s.id, rate)
	default:
		e.shared = Sampling{rate, SourceOptions}
		dom.sampling = e.shared
	}
}

// maxInterfaces bounds the interfaces of an exporter whose rates or names are kept: more than any router has.
const maxInterfaces = 8192

func (e *exporter) name(name string, ifIndex uint32) {
	if _, known := e.names[name]; known || len(e.names) < maxInterfaces {
		e.names[name] = ifIndex
	}
}

func (dom *domain) learnInterface(ifIndex, rate uint32) {
	if dom.interfaces == nil {
		dom.interfaces = make(map[uint32]uint32)
	}
	if _, known := dom.interfaces[ifIndex]; known || len(dom.interfaces) < maxInterfaces {
		dom.interfaces[ifIndex] = rate
	}
}

// Interface is the number of the exporter's interface with a name, as the exporter's options told it.
func (d *Decoder) Interface(exporter netip.Addr, name string) (ifIndex uint32, ok bool) {
	if e := d.exporters[exporter]; e != nil {
		ifIndex, ok = e.names[name]
	}
	return ifIndex, ok
}

func (dom *domain) learn(id uint64, rate uint32) {
	for i := range dom.samplers {
		if dom.samplers[i].id == id {
			dom.samplers[i].rate = rate
			return
		}
	}
	if len(dom.samplers) < maxSamplers {
		dom.samplers = append(dom.samplers, sampler{id, rate})
	}
}

type optionSampling struct {
	named            bool
	id               uint64
	every, run, skip uint64
	size, population uint64
	probability      float64
	ifIndex          uint32
	ifName           string
}

func (s *optionSampling) read(element uint16, b []byte) {
	n := number(b)
	switch element {
	case 10, 14:
		s.ifIndex = uint32(n)
	case 82:
		s.ifName = strings.TrimSpace(strings.TrimRight(string(b[:min(len(b), 64)]), "\x00"))
	case 48, 302:
		s.named, s.id = true, n
	case 34, 50:
		s.every = n
	case 305:
		s.run = n
	case 306:
		s.skip = n
	case 309:
		s.size = n
	case 310:
		s.population = n
	case 311:
		if len(b) == 8 {
			s.probability = math.Float64frombits(n)
		}
	}
}

// value is the rate "one in so many", or 0 where the record says nothing usable.
func (s *optionSampling) value() uint32 {
	switch {
	case s.every > 0:
		return rateOf(s.every, 1)
	case s.run > 0:
		return rateOf(s.run+s.skip, s.run)
	case s.size > 0 && s.population >= s.size:
		return rateOf(s.population, s.size)
	case s.probability > 1e-9 && s.probability <= 1:
		return uint32(1/s.probability + 0.5)
	}
	return 0
}

// rateOf divides and refuses what no sampler does: more than one in 2^30.
func rateOf(of, one uint64) uint32 {
	if rate := (of + one/2) / one; of >= one && rate <= 1<<30 {
		return uint32(rate)
	}
	return 0
}
