// Package messagetest builds the containers that package message reads: TNEF,
// Outlook's .msg, and opaque-signed S/MIME.
package messagetest

import (
	"encoding/binary"
	"unicode/utf16"
)

// A File is an attachment, or an attached mail where Mail is set.
type File struct {
	Name string
	Data []byte
	Mail *Mail
}

// A Mail is what a container holds.
type Mail struct {
	Header  string // of the transport, "" for none
	From    string
	Subject string
	Text    string
	HTML    string
	Files   []File
}

// TNEF returns the mail as winmail.dat (MS-OXTNEF).
func TNEF(m Mail) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x223E9F78)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = attribute(b, 1, 0x00089006, []byte{0, 0, 1, 0}) // attTnefVersion
	if m.Subject != "" {
		b = attribute(b, 1, 0x00018004, append([]byte(m.Subject), 0))
	}
	var props []prop
	for id, v := range map[uint16]string{0x1000: m.Text, 0x007D: m.Header, 0x5D01: m.From} {
		if v != "" {
			props = append(props, prop{id: id, typ: 0x001F, value: utf16le(v)})
		}
	}
	if m.HTML != "" {
		props = append(props, prop{id: 0x1013, typ: 0x0102, value: []byte(m.HTML)})
	}
	props = append(props, prop{id: 0x8001, typ: 0x0003, named: true, value: []byte{1, 0, 0, 0}})
	b = attribute(b, 1, 0x00069003, propList(props))
	for _, f := range m.Files {
		b = attribute(b, 2, 0x00069002, make([]byte, 14))
		b = attribute(b, 2, 0x00018010, append([]byte("SHORT~1"), 0))
		data := f.Data
		list := []prop{{id: 0x3707, typ: 0x001F, value: utf16le(f.Name)}}
		if f.Mail != nil {
			list = append(list, prop{id: 0x3701, typ: 0x000D, value: append(make([]byte, 16), TNEF(*f.Mail)...)})
		} else {
			b = attribute(b, 2, 0x0006800F, data)
		}
		b = attribute(b, 2, 0x00069005, propList(list))
	}
	return b
}

func attribute(b []byte, level byte, id uint32, value []byte) []byte {
	b = append(b, level)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	b = append(b, value...)
	var sum uint16
	for _, c := range value {
		sum += uint16(c)
	}
	return binary.LittleEndian.AppendUint16(b, sum)
}

// A prop is one MAPI property.
type prop struct {
	id, typ uint16
	named   bool
	value   []byte
}

func propList(list []prop) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(list)))
	for _, p := range list {
		b = binary.LittleEndian.AppendUint16(b, p.typ)
		b = binary.LittleEndian.AppendUint16(b, p.id)
		if p.named {
			b = append(b, make([]byte, 16)...)
			b = binary.LittleEndian.AppendUint32(b, 1)
			b = binary.LittleEndian.AppendUint32(b, 6)
			b = append(b, utf16le("ab")[:6]...)
			b = append(b, 0, 0)
		}
		if p.typ == 0x0003 {
			b = append(b, p.value...)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.value)))
		b = append(b, p.value...)
		b = append(b, make([]byte, -len(p.value)&3)...)
	}
	return b
}

// utf16le encodes with a NUL behind.
func utf16le(s string) []byte {
	var b []byte
	for _, c := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}
