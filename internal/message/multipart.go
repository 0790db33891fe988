package message

import (
	"bytes"
	"strings"
)

// multipart splits p's body at its boundary (RFC 2046 §5.1.1) and reads the parts.
func (r *reader) multipart(p *Part) {
	body := p.Raw
	if enc := strings.ToLower(p.Header.Get("Content-Transfer-Encoding")); enc == "base64" || enc == "quoted-printable" {
		// QUIRK: an encoded multipart, forbidden by RFC 2045 §6.4, sent by gateways.
		if find(body, []byte("--"+p.Params["boundary"]), 0).start < 0 {
			body = p.Body()
		}
	}
	s := splitter{body: body, delim: []byte("--" + p.Params["boundary"])}
	if p.Params["boundary"] == "" || !s.next() {
		r.defects.add(DefectNoBoundary, p.Params["boundary"])
		if !s.guess() {
			return
		}
	}
	p.Preamble = body[:s.line.start]
	defaultType := "text/plain"
	if p.MediaType == "multipart/digest" {
		defaultType = "message/rfc822"
	}
	for !s.line.closing {
		if r.parts >= r.lim.MaxParts {
			r.defects.add(DefectPartsLimit, "")
			return
		}
		from := s.line.end
		more := s.next()
		to := len(body)
		if more {
			to = lineEndBefore(body, from, s.line.start)
		} else {
			r.defects.add(DefectUnclosed, "")
		}
		child := &Part{Depth: p.Depth + 1}
		r.bodyPart(child, body[from:to], defaultType)
		p.Children = append(p.Children, child)
		if !more {
			return
		}
	}
	p.Epilogue = body[s.line.end:]
}

// bodyPart reads a part; one that begins with a blank line has no header
// (RFC 2046 §5.1), even where its text begins like one.
func (r *reader) bodyPart(p *Part, b []byte, defaultType string) {
	n := softBreak(b)
	if n == 0 {
		r.entity(p, b, defaultType)
		return
	}
	r.parts++
	p.MediaType, p.Raw = defaultType, b[n:]
	if isMailType(defaultType) && p.Depth < r.lim.MaxDepth {
		r.enclosed(p)
	}
}

// lineEndBefore returns i without the line end that belongs to the delimiter, at least from.
func lineEndBefore(b []byte, from, i int) int {
	if i > from && b[i-1] == '\n' {
		i--
	}
	if i > from && b[i-1] == '\r' {
		i--
	}
	return i
}

// A delimiter is one delimiter line: where it starts, where the line after it
// starts, and whether it closes the multipart.
type delimiter struct {
	start, end int
	closing    bool
}

// A splitter walks over the delimiter lines of a multipart.
type splitter struct {
	body  []byte
	delim []byte
	line  delimiter
}

func (s *splitter) next() bool {
	d := find(s.body, s.delim, s.line.end)
	if d.start < 0 {
		return false
	}
	s.line = d
	return true
}

// guess takes the first line that looks like a delimiter and occurs again.
// QUIRK: forwarders that rewrite Content-Type but not the body, RFC 2046 §5.1.
func (s *splitter) guess() bool {
	for pos, tries := 0, 0; tries < 64 && pos < len(s.body); tries++ {
		i := bytes.Index(s.body[pos:], []byte("--"))
		if i < 0 {
			return false
		}
		at := pos + i
		pos = at + 2
		if at > 0 && s.body[at-1] != '\n' {
			continue
		}
		line := s.body[at:]
		if e := bytes.IndexByte(line, '\n'); e >= 0 {
			line = line[:e]
		}
		line = bytes.TrimRight(line, " \t\r")
		if len(line) < 8 || len(line) > 90 || bytes.ContainsAny(line, " \t") || len(bytes.Trim(line, "-")) < 4 {
			continue
		}
		next := s.body[at+len(line):]
		if e := bytes.IndexByte(next, '\n'); e < 0 || !bytes.HasPrefix(bytes.ToLower(next[e+1:]), []byte("content-")) {
			continue
		}
		s.delim = bytes.Clone(line)
		return s.next()
	}
	return false
}

// find returns the first delimiter line at or after from; its start is -1 if there is none.
func find(b, delim []byte, from int) delimiter {
	for pos := from; pos < len(b); {
		i := bytes.Index(b[pos:], delim)
		if i < 0 {
			break
		}
		at := pos + i
		pos = at + len(delim)
		if at > 0 && b[at-1] != '\n' && b[at-1] != '\r' {
			continue
		}
		if d, ok := delimiterAt(b, at, len(delim)); ok {
			return d
		}
	}
	return delimiter{start: -1}
}

// delimiterAt tells whether the delimiter of n bytes at b[at] fills its line.
func delimiterAt(b []byte, at, n int) (delimiter, bool) {
	d := delimiter{start: at}
	i := at + n
	if bytes.HasPrefix(b[i:], []byte("--")) {
		d.closing = true
		i += 2
	}
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	switch {
	case i == len(b):
		d.end = i
		return d, true
	case b[i] == '\n':
		d.end = i + 1
		return d, true
	case i > 0 && b[i-1] == '\r':
		d.end = i
		return d, true
	}
	return d, false
}
