// Package message reads mail (RFC 5322, RFC 2045–2047) within bounds: whatever
// the bytes are, it returns a header that keeps its order and bytes, a tree of
// parts, and a list of what was wrong.
package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"sync"
)

// Limits bound what reading one mail may cost. A zero field stands for its default.
type Limits struct {
	MaxBytes       int // of the whole mail
	MaxHeaderBytes int // of one header
	MaxHeaderLines int // of one header, folds counted
	MaxFields      int // of one header
	MaxFieldBytes  int // of one field
	MaxParts       int // of the mail, at all depths
	MaxDepth       int // of nesting; parts deeper down stay closed
}

// DefaultLimits returns limits that no real mail has been seen to pass.
func DefaultLimits() Limits {
	return Limits{
		MaxBytes:       64 << 20,
		MaxHeaderBytes: 1 << 20,
		MaxHeaderLines: 20_000,
		MaxFields:      4096,
		MaxFieldBytes:  128 << 10,
		MaxParts:       2000,
		MaxDepth:       16,
	}
}

func (l Limits) orDefault() Limits {
	def := DefaultLimits()
	for _, f := range []struct {
		have *int
		def  int
	}{
		{&l.MaxBytes, def.MaxBytes}, {&l.MaxHeaderBytes, def.MaxHeaderBytes},
		{&l.MaxHeaderLines, def.MaxHeaderLines}, {&l.MaxFields, def.MaxFields},
		{&l.MaxFieldBytes, def.MaxFieldBytes}, {&l.MaxParts, def.MaxParts}, {&l.MaxDepth, def.MaxDepth},
	} {
		if *f.have <= 0 {
			*f.have = f.def
		}
	}
	return l
}

// A Message is a received mail whose header fields keep their order and bytes.
// Its embedded Part is the root of the tree.
type Message struct {
	Part
	// FromLine is the From_ line (RFC 4155) that stood before the header, or "".
	FromLine string
	// Raw is the whole mail as it was given to Read, cut at MaxBytes.
	Raw []byte
	// Defects tells what was wrong with it, each code once.
	Defects []Defect
}

// A Part is one node of a mail's tree (RFC 2046): the mail itself, a part of a
// multipart, or the mail inside a message/rfc822 part, which is that part's
// only child.
type Part struct {
	Header Header
	// MediaType is in lower case; "text/plain" where none is stated (RFC 2045 §5.2).
	MediaType string
	// Params of Content-Type, names in lower case, RFC 2231 decoded.
	Params map[string]string
	// Disposition is "attachment", "inline" or what else was said, in lower case.
	Disposition string
	// Filename is the decoded name given by Content-Disposition or Content-Type.
	Filename string
	// Raw is the body with its transfer encoding.
	Raw []byte
	// Preamble is what stands before the first part of a multipart.
	Preamble []byte
	// Epilogue is what stands behind the last part of a multipart.
	Epilogue []byte
	Children []*Part
	// Groups are the groups of fields that a feedback report (RFC 5965) or a
	// delivery status (RFC 3464) consists of; nil for other parts.
	Groups []Header
	// Depth is 0 for the mail itself.
	Depth int

	body     []byte
	bodyOnce sync.Once
	text     string
	textOnce sync.Once
}

// Body returns the body freed of its transfer encoding. Broken encodings give
// what can be had, unknown ones the raw bytes. The result must not be changed.
func (p *Part) Body() []byte {
	p.bodyOnce.Do(func() { p.body, _ = decodeTransfer(p.Raw, p.Header.Get("Content-Transfer-Encoding")) })
	return p.body
}

// Text returns the body as UTF-8, by its charset if that is known.
func (p *Part) Text() string {
	p.textOnce.Do(func() { p.text, _ = DecodeCharset(p.Body(), p.Params["charset"]) })
	return p.text
}

// IsMultipart tells whether the part is a container of parts.
func (p *Part) IsMultipart() bool { return strings.HasPrefix(p.MediaType, "multipart/") }

// IsMail tells whether the part encloses a mail, which is then its only child.
func (p *Part) IsMail() bool { return !p.IsMultipart() && len(p.Children) == 1 }

// Walk calls f for the part and everything below it, in the order of the mail.
// Where f returns false, what is below that part is left out.
func (p *Part) Walk(f func(p *Part) bool) {
	if !f(p) {
		return
	}
	for _, c := range p.Children {
		c.Walk(f)
	}
}

// Read reads a mail. It never fails; the Message shares memory with b.
// The cost is linear in len(b) for any input.
func Read(b []byte, lim Limits) *Message {
	lim = lim.orDefault()
	m := &Message{}
	r := reader{lim: lim}
	if len(b) > lim.MaxBytes {
		b = b[:lim.MaxBytes]
		r.defects.add(DefectBytesLimit, "")
	}
	m.Raw = b
	m.FromLine = r.entity(&m.Part, b, "text/plain")
	if len(m.Header.Fields) == 0 {
		r.defects.add(DefectNoHeader, "")
	}
	m.Defects = r.defects
	return m
}

// A reader is the state of one Read.
type reader struct {
	lim     Limits
	defects defects
	parts   int
}

// entity reads header and body of one part into p.
func (r *reader) entity(p *Part, b []byte, defaultType string) (fromLine string) {
	r.parts++
	fromLine, p.Header, p.Raw = readHeader(b, r.lim, &r.defects)
	r.describe(p, defaultType)
	if p.Depth >= r.lim.MaxDepth {
		if p.IsMultipart() || isMailType(p.MediaType) {
			r.defects.add(DefectDepthLimit, "")
		}
		return fromLine
	}
	switch {
	case p.IsMultipart():
		r.multipart(p)
	case isMailType(p.MediaType):
		r.enclosed(p)
	case isGroupType(p.MediaType):
		r.groups(p)
	case isMisnamedMail(p):
		r.defects.add(DefectMisnamedEmail, p.MediaType)
		r.enclosed(p)
	default:
		r.check(p)
	}
	return fromLine
}

// describe reads the MIME fields of p's header.
func (r *reader) describe(p *Part, defaultType string) {
	var params map[string]string
	p.MediaType, p.Params = ParseMediaType(p.Header.Get("Content-Type"))
	if !strings.Contains(p.MediaType, "/") {
		switch p.MediaType {
		case "text", "html": // QUIRK: a type without subtype, RFC 2045 §5.1.
			p.MediaType = map[string]string{"text": "text/plain", "html": "text/html"}[p.MediaType]
		default:
			p.MediaType = defaultType
		}
	}
	p.Disposition, params = ParseMediaType(p.Header.Get("Content-Disposition"))
	p.Filename = DecodeWords(params["filename"])
	if p.Filename == "" {
		p.Filename = DecodeWords(p.Params["name"])
	}
}

// check notes a transfer encoding that Body will not understand.
func (r *reader) check(p *Part) {
	if enc := p.Header.Get("Content-Transfer-Encoding"); !knownEncoding(enc) {
		r.defects.add(DefectEncoding, enc)
	}
	if cs := p.Params["charset"]; cs != "" && !KnownCharset(cs) {
		r.defects.add(DefectCharset, cs)
	}
}

func isMailType(t string) bool {
	switch t {
	case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "text/rfc822", "message/news":
		return true
	}
	return false
}

func isGroupType(t string) bool {
	switch t {
	case "message/feedback-report", "message/delivery-status", "message/disposition-notification",
		"message/global-delivery-status", "text/feedback-report", "application/feedback-report":
		return true
	}
	return false
}

// isMisnamedMail knows a mail attached as a file.
// QUIRK: Outlook, web mailers and ticket systems send .eml as octet-stream, RFC 2046 §5.2.1.
func isMisnamedMail(p *Part) bool {
	name := strings.ToLower(p.Filename)
	if !strings.HasSuffix(name, ".eml") && !strings.HasSuffix(name, ".mht") {
		return false
	}
	return looksLikeHeader(p.Body())
}

// looksLikeHeader tells whether b begins with at least two header fields.
func looksLikeHeader(b []byte) bool {
	h, _, _ := ReadHeader(b[:min(len(b), 4096)], Limits{MaxHeaderLines: 40})
	named := 0
	for _, f := range h.Fields {
		if f.Name != "" && !strings.ContainsAny(f.Name, " \t") {
			named++
		}
	}
	return named >= 2
}

// enclosed reads the mail inside p.
func (r *reader) enclosed(p *Part) {
	if r.parts >= r.lim.MaxParts {
		r.defects.add(DefectPartsLimit, "")
		return
	}
	child := &Part{Depth: p.Depth + 1}
	r.entity(child, p.Body(), "text/plain")
	p.Children = []*Part{child}
}

// maxGroups bounds the recipients of one delivery status.
const maxGroups = 256

// groups reads p as groups of fields parted by blank lines (RFC 3464 §2.1).
func (r *reader) groups(p *Part) {
	b := p.Body()
	for len(b) > 0 && len(p.Groups) < maxGroups {
		var h Header
		_, h, b = readHeader(b, r.lim, &r.defects)
		if len(h.Fields) > 0 {
			p.Groups = append(p.Groups, h)
		}
		b = bytes.TrimLeft(b, "\r\n")
	}
}

// Reader returns the body freed of its transfer encoding as a stream, for
// parts that are too large to decode at once. Unlike Body it stops at what is
// broken.
func (p *Part) Reader() io.Reader {
	switch normalEncoding(p.Header.Get("Content-Transfer-Encoding")) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, bytes.NewReader(p.Raw))
	case "quoted-printable":
		return quotedprintable.NewReader(bytes.NewReader(p.Raw))
	}
	return bytes.NewReader(p.Body())
}
