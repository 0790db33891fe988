package message

import (
	"bytes"
	"strings"
)

// A Field is one header field as it was received.
type Field struct {
	// Name is the field's name without the colon; empty for a line that is no field.
	Name string
	// Raw is the whole field as received, folds included, without the final
	// line end. It shares memory with the mail and must not be changed.
	Raw []byte
}

// Value returns the field's text, unfolded (RFC 5322 §2.2.3) and trimmed.
func (f Field) Value() string {
	v := f.Raw
	if f.Name != "" {
		if i := bytes.IndexByte(v, ':'); i >= 0 {
			v = v[i+1:]
		}
	}
	v = bytes.TrimSpace(v)
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	out := make([]byte, 0, len(v))
	for _, c := range v {
		if c != '\n' && c != '\r' {
			out = append(out, c)
		}
	}
	return string(out)
}

// Text returns Value with its encoded words (RFC 2047) decoded to UTF-8.
func (f Field) Text() string { return DecodeWords(f.Value()) }

// A Header is the fields of a mail or part, in their order.
type Header struct {
	Fields []Field
}

// Field returns the first field of that name, in any case.
func (h Header) Field(name string) (Field, bool) {
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return Field{}, false
}

// Get returns the value of the first field of that name, or "".
func (h Header) Get(name string) string {
	f, ok := h.Field(name)
	if !ok {
		return ""
	}
	return f.Value()
}

// Text returns the decoded value of the first field of that name, or "".
func (h Header) Text(name string) string {
	f, ok := h.Field(name)
	if !ok {
		return ""
	}
	return f.Text()
}

// Has tells whether there is a field of that name.
func (h Header) Has(name string) bool {
	_, ok := h.Field(name)
	return ok
}

// All returns every field of that name in the order of the header.
func (h Header) All(name string) []Field {
	var out []Field
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f)
		}
	}
	return out
}

// ReadHeader reads a header (RFC 5322 §2.2) from the beginning of b and returns
// it with the body behind it. It never fails: From_ lines, leading blank lines,
// lines without a colon and strange names are got over and told as defects, and
// what passes the limits is skipped up to the body.
func ReadHeader(b []byte, lim Limits) (Header, []byte, []Defect) {
	var d defects
	_, h, body := readHeader(b, lim.orDefault(), &d)
	return h, body, d
}

// readHeader also returns the From_ line, without its line end.
func readHeader(b []byte, lim Limits, d *defects) (fromLine string, h Header, body []byte) {
	r := headerReader{lim: lim, defects: d, bareCR: onlyBareCR(b)}
	if skip := leadingBlanks(b); skip > 0 {
		// QUIRK: blank lines before the header, RFC 5322 §2.1; sent by scripts and pasted mails.
		d.add(DefectLeadingBlank, "")
		b = b[skip:]
	}
	body = r.read(b)
	return r.fromLine, Header{Fields: r.fields}, body
}

// onlyBareCR tells whether lines end with CR alone.
// QUIRK: old Macintosh mailers and broken gateways; RFC 5322 §2.3 forbids it.
func onlyBareCR(b []byte) bool {
	head := b[:min(len(b), 4096)]
	return bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0
}

// leadingBlanks returns the length of the blank lines that stand before what is
// plainly a field; 0 where a body follows, because an empty header is allowed.
func leadingBlanks(b []byte) int {
	skip := len(b) - len(bytes.TrimLeft(b, "\r\n"))
	if skip == 0 || skip > 64 {
		return 0
	}
	name, _, found := bytes.Cut(b[skip:min(len(b), skip+80)], []byte(":"))
	if !found || len(name) == 0 || bytes.ContainsAny(name, " \t\r\n/") {
		return 0
	}
	return skip
}

// A headerReader is the state of one ReadHeader.
type headerReader struct {
	lim      Limits
	defects  *defects
	fields   []Field
	fromLine string
	bareCR   bool
	lines    int
	bytes    int
	start    int // of the field being read, -1 if none
	end      int
	full     bool
}

// read returns the body.
func (r *headerReader) read(b []byte) []byte {
	pos := 0
	r.start = -1
	for pos < len(b) {
		line, next := r.cut(b, pos)
		if len(line) == 0 {
			r.flush(b)
			return b[next:]
		}
		r.line(b, line, pos)
		pos = next
	}
	r.flush(b)
	return nil
}

// cut returns the line at pos without its end, and where the next one begins.
func (r *headerReader) cut(b []byte, pos int) (line []byte, next int) {
	end := byte('\n')
	if r.bareCR {
		end = '\r'
	}
	i := bytes.IndexByte(b[pos:], end)
	if i < 0 {
		return bytes.TrimSuffix(b[pos:], []byte("\r")), len(b)
	}
	return bytes.TrimRight(b[pos:pos+i], "\r"), pos + i + 1
}

// line takes one line that is not empty and stands at pos.
func (r *headerReader) line(b, line []byte, pos int) {
	r.lines++
	r.bytes += len(line)
	if r.full || r.lines > r.lim.MaxHeaderLines || r.bytes > r.lim.MaxHeaderBytes {
		if !r.full {
			r.flush(b)
			r.defects.add(DefectHeaderLimit, "")
			r.full = true
		}
		return
	}
	if (line[0] == ' ' || line[0] == '\t') && r.start >= 0 {
		r.end = pos + len(line)
		return
	}
	r.flush(b)
	if len(r.fields) >= r.lim.MaxFields {
		r.defects.add(DefectHeaderLimit, "")
		r.full = true
		return
	}
	if isFromLine(line) {
		r.defects.add(DefectFromLine, "")
		if r.fromLine == "" {
			r.fromLine = string(line)
		}
		return
	}
	r.start, r.end = pos, pos+len(line)
}

// isFromLine knows the separator of mbox files (RFC 4155), also quoted.
func isFromLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// flush ends the field being read.
func (r *headerReader) flush(b []byte) {
	if r.start < 0 {
		return
	}
	raw := b[r.start:r.end:r.end]
	r.start = -1
	if len(raw) > r.lim.MaxFieldBytes {
		raw = raw[:r.lim.MaxFieldBytes:r.lim.MaxFieldBytes]
		r.defects.add(DefectHeaderLimit, "field cut")
	}
	if bytes.IndexByte(raw, 0) >= 0 {
		r.defects.add(DefectNUL, "")
	}
	if hasBareCR(raw) {
		r.defects.add(DefectBareCR, "")
	}
	r.fields = append(r.fields, Field{Name: r.name(raw), Raw: raw})
}

// hasBareCR tells whether a CR stands elsewhere than before LF.
func hasBareCR(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\r')
		if i < 0 {
			return false
		}
		if i+1 == len(raw) || raw[i+1] != '\n' {
			return true
		}
		raw = raw[i+2:]
	}
}

// name returns the field's name, "" where the line has no colon.
func (r *headerReader) name(raw []byte) string {
	first := raw
	if i := bytes.IndexByte(first, '\n'); i >= 0 {
		first = first[:i]
	}
	i := bytes.IndexByte(first, ':')
	if i <= 0 {
		r.defects.add(DefectNoColon, string(first))
		return ""
	}
	name := first[:i]
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			r.defects.add(DefectFieldName, string(name))
			break
		}
	}
	return string(bytes.TrimSpace(name))
}
