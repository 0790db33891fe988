package netflow

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	goflow "github.com/netsampler/goflow2/v2/decoders/netflow"
)

type templateKey struct {
	domain  uint32
	version uint16
	id      uint16
}

// A template is the compiled form of what an exporter said about its records.
type template struct {
	sent    time.Time
	raw     []byte  // the record that defined it
	minimum int     // bytes of the shortest record; never 0
	fixed   bool    // every record is minimum bytes long
	layout          // fixed: where the records hold what nearly all do,
	rest    []step  // and the other fields that mean something, lower ranks first
	whole   bool    // there are no others, and the addresses are there
	fields  []field // otherwise: all fields in their order,
	order   []int   // and which of them mean something, lower ranks first
	options *optionsTemplate
	sees    Sees
	reverse bool
	sampler bool
}

// A step is one field of a fixed record: where it lies and what it means.
type step struct {
	offset, length uint16
	kind           kind
}

// A field is one field of a record of variable length; length variable means that the record says.
type field struct {
	length uint16
	meaning
}

// optionsTemplate is kept in goflow2's form, since goflow2 reads the options' data.
type optionsTemplate struct{ scopes, options []goflow.Field }

const variable = 0xffff

// The most bytes a record may have; one that could not fit any datagram is refused.
const maxRecord = 65535

// compile prepares the reading of a template's records in place. It answers nil
// for a template that no record can fit, among them the ones that would keep
// goflow2's decoder busy forever: no fields, or a record length of 0.
func compile(version uint16, fields []goflow.Field, sent time.Time) *template {
	t := &template{sent: sent, fixed: true}
	offsets := make([]int, len(fields))
	for i, f := range fields {
		m := meaningOf(f)
		if f.Length == 0 {
			m = meaning{}
		}
		t.note(m.kind)
		t.fields = append(t.fields, field{f.Length, m})
		offsets[i] = t.minimum
		if f.Length == variable {
			t.fixed = false
			t.minimum++
		} else {
			t.minimum += int(f.Length)
		}
	}
	if t.minimum == 0 || t.minimum > maxRecord {
		return nil
	}
	t.order = byRank(t.fields)
	if t.fixed {
		t.lay(offsets, version)
	}
	return t
}

// byRank lists the fields that mean something, lower ranks first.
func byRank(fields []field) []int {
	var order []int
	for i, f := range fields {
		if f.kind != skip {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(fields[a].rank, fields[b].rank) })
	return order
}

func meaningOf(f goflow.Field) meaning {
	switch {
	case !f.PenProvided:
		return elements(f.Type)
	case f.Pen == reversePEN:
		return reversed(f.Type)
	}
	return meaning{}
}

func (t *template) note(k kind) {
	switch k {
	case tcpFlags:
		t.sees |= SeesFlags
	case revOctets, revPackets:
		t.reverse = true
	case samplerID, sampleEvery, sampleRun:
		t.sampler = true
	}
}

// templates reads a template set record by record, so that each can be checked
// against the bytes that are there before goflow2 makes room for what it claims.
func (d *Decoder) templates(e *exporter, version uint16, domainID uint32, b []byte) error {
	for len(b) >= 4 {
		id, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if id < 256 {
			// Padding, or (IPFIX, RFC 7011 §8.1) "all templates are withdrawn".
			if version == 10 && count == 0 && id == 2 {
				e.withdraw(version, domainID, false)
			}
			return nil
		}
		size := fieldsLength(version, b[4:], count)
		if size < 0 {
			e.badTemplates++
			return ErrTruncated
		}
		d.addTemplate(e, version, domainID, id, b[:4+size])
		b = b[4+size:]
	}
	return nil
}

// fieldsLength is the number of bytes that count field specifiers take, or -1 if they are not all there.
func fieldsLength(version uint16, b []byte, count int) int {
	n := 0
	for ; count > 0; count-- {
		if len(b)-n < 4 {
			return -1
		}
		enterprise := version == 10 && b[n]&0x80 != 0
		n += 4
		if enterprise {
			if len(b)-n < 4 {
				return -1
			}
			n += 4
		}
	}
	return n
}

func (d *Decoder) addTemplate(e *exporter, version uint16, domainID uint32, id uint16, record []byte) {
	key := templateKey{domainID, version, id}
	fields, err := decodeTemplate(version, record)
	if err != nil || len(fields) == 0 {
		if version != 10 || err != nil {
			e.badTemplates++
			return
		}
		delete(e.templates, key) // RFC 7011 §8.1: a template without fields is withdrawn
		return
	}
	d.store(e, key, compile(version, fields, d.receivedTime()), record)
}

// store keeps a compiled template (nil: refused) within the exporter's bound.
func (d *Decoder) store(e *exporter, key templateKey, t *template, record []byte) {
	if t == nil {
		// What stood there before is void as well: the exporter redefined it.
		delete(e.templates, key)
		e.badTemplates++
		return
	}
	old, known := e.templates[key]
	if !known && len(e.templates) >= d.config.MaxTemplates {
		e.templatesFull++
		return
	}
	if t.raw = record; known && bytes.Equal(old.raw, record) {
		t.raw = old.raw
	} else {
		t.raw = bytes.Clone(record)
	}
	e.templates[key] = t
}

func (e *exporter) withdraw(version uint16, domainID uint32, options bool) {
	for key, t := range e.templates {
		if key.version == version && key.domain == domainID && (t.options != nil) == options {
			delete(e.templates, key)
		}
	}
}

func (d *Decoder) receivedTime() time.Time { return Stamp(d.received).Time() }
