package message

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// ReadOutlook reads an Outlook .msg file (MS-OXMSG); ok is false where b is none.
func ReadOutlook(b []byte) (w *Wrapped, ok bool) {
	if !IsOutlook(b) {
		return nil, false
	}
	c := openCompound(b)
	if c == nil {
		return nil, false
	}
	return c.outlook(0, 0), true
}

const (
	propStream   = "__substg1.0_"
	attachFolder = "__attach_version1.0_"
	fixedProps   = "__properties_version1.0"
)

// outlook reads the message in a folder.
func (c *compound) outlook(folder, depth int) *Wrapped {
	w := &Wrapped{}
	head := 32 // of the fixed properties: 32 at the top, 24 in an embedded message
	if depth > 0 {
		head = 24
	}
	c.props(folder, head).message(w)
	for _, i := range c.children(folder) {
		if c.entries[i].kind != 1 || !strings.HasPrefix(c.entries[i].name, attachFolder) || len(w.Files) >= maxWrappedFiles {
			continue
		}
		props := c.props(i, 8)
		f := WrappedFile{Name: props.first(propLongFilename, propFilename), MediaType: props.first(propMimeTag), Data: props.binary[propData]}
		if inner := c.embedded(i); inner >= 0 && depth < maxWrappedDepth {
			f.Mail = c.outlook(inner, depth+1)
		}
		if f.Mail != nil || len(f.Data) > 0 {
			w.Files = append(w.Files, f)
		}
	}
	return w
}

// props reads the properties that stand in a folder.
func (c *compound) props(folder, head int) propSet {
	s := newPropSet()
	for _, i := range c.children(folder) {
		e := c.entries[i]
		if e.kind != 2 {
			continue
		}
		if e.name == fixedProps {
			s.fixed(c.stream(i), head)
			continue
		}
		if id, typ, ok := propName(e.name); ok && wantedProp(id) {
			s.put(id, typ, c.stream(i))
		}
	}
	return s
}

// wantedProp keeps the reader from copying what it does not use.
func wantedProp(id uint16) bool {
	switch id {
	case propSubject, propHeaders, propSenderName, propSenderMail, propSenderSMTP, propDisplayTo, propBody, propRTF, propHTML, propMessageID, propData, propFilename, propLongFilename, propMimeTag:
		return true
	}
	return false
}

// fixed reads the times among the fixed properties, 16 bytes each.
func (s propSet) fixed(b []byte, head int) {
	if len(b) < head {
		return
	}
	for b = b[head:]; len(b) >= 16; b = b[16:] {
		typ, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		if typ == typeTime {
			s.put(id, typ, b[8:16])
		}
	}
}

// propName reads "__substg1.0_0037001F".
func propName(name string) (id, typ uint16, ok bool) {
	hex, ok := strings.CutPrefix(name, propStream)
	if !ok || len(hex) != 8 {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	return uint16(n >> 16), uint16(n), err == nil
}

// embedded returns the folder of a mail attached as a message, or -1.
func (c *compound) embedded(attachment int) int {
	for _, i := range c.children(attachment) {
		if c.entries[i].kind == 1 && c.entries[i].name == propStream+"3701000D" {
			return i
		}
	}
	return -1
}
