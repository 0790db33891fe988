package message

import "encoding/binary"

// Attributes of TNEF (MS-OXTNEF §2.1.3.2).
const (
	tnefSignature  = 0x223E9F78
	attSubject     = 0x00018004
	attBody        = 0x0002800C
	attMsgProps    = 0x00069003
	attAttachStart = 0x00069002
	attAttachTitle = 0x00018010
	attAttachData  = 0x0006800F
	attAttachProps = 0x00069005
)

// IsTNEF tells whether b is Outlook's winmail.dat.
func IsTNEF(b []byte) bool {
	return len(b) > 6 && binary.LittleEndian.Uint32(b) == tnefSignature
}

// ReadTNEF reads a winmail.dat; ok is false where b is none. A file that is cut
// or damaged gives what stands before the damage.
func ReadTNEF(b []byte) (w *Wrapped, ok bool) { return readTNEF(b, 0) }

func readTNEF(b []byte, depth int) (*Wrapped, bool) {
	if !IsTNEF(b) || depth > maxWrappedDepth {
		return nil, false
	}
	t := tnef{depth: depth, props: newPropSet(), file: newPropSet()}
	for b = b[6:]; len(b) >= 11; {
		id, n := binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint32(b[5:])
		if uint64(n) > uint64(len(b)-9) {
			break
		}
		t.attribute(id, b[9:9+n])
		b = b[9+n:]
		b = b[min(2, len(b)):] // checksum
	}
	t.endFile()
	t.props.message(&t.out)
	return &t.out, true
}

// A tnef is the state of reading one TNEF stream.
type tnef struct {
	out    Wrapped
	depth  int
	props  propSet
	file   propSet
	inFile bool
}

func (t *tnef) attribute(id uint32, value []byte) {
	switch id {
	case attSubject:
		t.props.text[propSubject] = bytesText(value)
	case attBody:
		t.out.Text = bytesText(value)
	case attMsgProps:
		readProps(value, t.props)
	case attAttachStart:
		t.endFile()
		t.inFile = true
	case attAttachTitle:
		t.file.text[propFilename] = bytesText(value)
	case attAttachData:
		t.file.binary[propData] = value
	case attAttachProps:
		readProps(value, t.file)
	}
}

// endFile keeps the attachment that was being read.
func (t *tnef) endFile() {
	data := t.file.binary[propData]
	if t.inFile && len(data) > 0 && len(t.out.Files) < maxWrappedFiles {
		f := WrappedFile{Name: t.file.first(propLongFilename, propFilename), MediaType: t.file.first(propMimeTag), Data: data}
		if len(data) > 16 && IsTNEF(data[16:]) { // an embedded mail behind its interface's GUID
			f.Mail, _ = readTNEF(data[16:], t.depth+1)
		}
		t.out.Files = append(t.out.Files, f)
	}
	t.file, t.inFile = newPropSet(), false
}

// maxProps bounds the properties of one set.
const maxProps = 4096

// readProps reads a list of MAPI properties (MS-OXTNEF §2.1.3.4) until it is cut
// or not understood.
func readProps(b []byte, into propSet) {
	r := propReader{b: b}
	for n := min(r.u32(), maxProps); n > 0 && !r.bad; n-- {
		typ, id := r.u16(), r.u16()
		if id >= 0x8000 {
			r.name()
		}
		value := r.value(typ)
		if !r.bad {
			into.put(id, typ&^0x1000, value)
		}
	}
}

// A propReader reads the fields of a property list; bad is set where it ends too soon.
type propReader struct {
	b   []byte
	bad bool
}

func (r *propReader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *propReader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *propReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// padded takes n bytes and what fills them up to four.
func (r *propReader) padded(n uint32) []byte {
	out := r.take(n)
	if pad := -n & 3; !r.bad && pad > 0 {
		r.take(min(pad, uint32(len(r.b))))
	}
	return out
}

// name skips the name of a named property.
func (r *propReader) name() {
	r.take(16)
	if r.u32() == 0 {
		r.u32()
		return
	}
	r.padded(r.u32())
}

// value takes one value; of a multiple one the first.
func (r *propReader) value(typ uint16) []byte {
	many := typ&0x1000 != 0
	typ &^= 0x1000
	size := fixedSize(typ)
	count := uint32(1)
	if many || size == 0 {
		count = r.u32()
	}
	var first []byte
	for i := uint32(0); i < count && !r.bad; i++ {
		var v []byte
		if size > 0 {
			v = r.take(size)
		} else {
			v = r.padded(r.u32())
		}
		if i == 0 {
			first = v
		}
	}
	return first
}

// fixedSize is how many bytes a value takes, 0 where it states its length.
func fixedSize(typ uint16) uint32 {
	switch typ {
	case 0x0002, 0x0003, 0x0004, 0x000A, 0x000B:
		return 4
	case 0x0005, 0x0006, 0x0007, 0x0014, typeTime:
		return 8
	case 0x0048:
		return 16
	}
	return 0
}
