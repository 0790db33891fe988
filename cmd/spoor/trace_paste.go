package main

import (
	"bytes"
	"unicode/utf16"
)

// pasted makes a header of what a person copied out of a program: a bare Received
// value, a header that is quoted, indented, numbered, spaced out, without its
// folds, or below some words. A mail as it was received is returned as it is.
func pasted(raw []byte) []byte {
	raw = received(unnumbered(plainSpace(unmarked(raw))))
	head := headOf(raw)
	switch {
	case spacedOut(raw):
		return refolded(tight(raw))
	case hasField(head, "received"):
		return refolded(raw)
	case !onlyFields(head):
		// Words, or the summary that a program shows above the header.
	case hasField(head, "from") || hasField(head, "date") || hasField(head, "message-id") || hasField(head, "subject"):
		return raw // a mail that has no Received line
	}
	if block := unquoted(raw); block != nil {
		return refolded(block)
	}
	return raw
}

// received turns a bare Received value, pasted without its name, into a header.
func received(raw []byte) []byte {
	s := bytes.TrimLeft(raw, " \t\r\n")
	for _, p := range []string{"from ", "by ", "(qmail ", "(from ", "FROM "} {
		if bytes.HasPrefix(s, []byte(p)) {
			return append([]byte("Received: "), s...)
		}
	}
	return raw
}

// unmarked cuts a byte order mark, and turns UTF-16 that begins with one into UTF-8.
func unmarked(raw []byte) []byte {
	var hi, lo int
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return raw[3:]
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		hi, lo = 1, 0
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		hi, lo = 0, 1
	default:
		return raw
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 2; i+1 < len(raw); i += 2 {
		units = append(units, uint16(raw[i+hi])<<8|uint16(raw[i+lo]))
	}
	return []byte(string(utf16.Decode(units)))
}

// plainSpace ends lines by LF where all of them end by CR, and takes away the
// no-break spaces that a browser copies as a line's indentation or behind a field's
// name. Those inside a value stay: a sender may have put them there, as into the
// body below a header.
func plainSpace(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') >= 0 {
		raw = bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
	}
	end := len(raw)
	if head := headOf(raw); hasField(head, "received") {
		end = len(raw) - len(bytes.TrimLeft(raw, "\r\n")) + len(head)
	}
	if !bytes.Contains(raw[:end], []byte("\n"+noBreak)) && !bytes.Contains(raw[:end], []byte("Received:"+noBreak)) {
		return raw
	}
	return append(broken(raw[:end]), raw[end:]...)
}

const noBreak = "\u00a0"

// broken makes no-break spaces that stand before a line or behind a field's name
// plain ones. A Received field's line stays without indentation: refolded tells
// whether it belongs there.
func broken(text []byte) []byte {
	const white = " \t" + noBreak
	out := make([]byte, 0, len(text))
	in := false // a Received field
	for pos := 0; pos < len(text); {
		line, next := cutLine(text, pos)
		if name := fieldName(line); name != nil {
			in = string(name) == "received"
			i := bytes.IndexByte(line, ':') + 1
			out, line = append(append(out, line[:i]...), ' '), bytes.TrimLeft(line[i:], white)
		} else if bytes.HasPrefix(line, []byte(noBreak)) {
			if line = bytes.TrimLeft(line, white); !in && len(line) > 0 {
				out = append(out, ' ')
			}
		}
		out = append(append(out, line...), '\n')
		pos = next
	}
	return out
}

// unnumbered takes away the numbers that an editor or "cat -n" shows before lines,
// where the first lines are numbered one after the other, and the white space that
// stands behind the first number: more of it is the line's own.
func unnumbered(raw []byte) []byte {
	const enough = 3
	var out, gap []byte
	first, n, pos := 0, 0, 0
	for pos < len(raw) {
		line, next := cutLine(raw, pos)
		number, rest := lineNumber(line)
		if n == 0 {
			first, gap = number, gapBefore(rest)
		}
		if number < 0 || number != first+n {
			break
		}
		out = append(append(out, rest[shared(gap, rest):]...), '\n')
		n, pos = n+1, next
	}
	if n < enough {
		return raw
	}
	return append(out, raw[pos:]...)
}

// lineNumber returns the number that stands before a line, and what stands behind
// it and one mark; -1 if there is none.
func lineNumber(line []byte) (n int, rest []byte) {
	s := bytes.TrimLeft(line, " \t")
	i := 0
	for i < len(s) && i < 6 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if s = s[i:]; i == 0 {
		return -1, nil
	}
	switch {
	case len(s) == 0 || s[0] == ' ' || s[0] == '\t':
		return n, s
	case bytes.IndexByte([]byte(":.|)"), s[0]) >= 0:
		return n, s[1:]
	}
	return -1, nil
}

// gapBefore returns the tab or the spaces that stand between a number and its line.
func gapBefore(rest []byte) []byte {
	if bytes.HasPrefix(rest, []byte("\t")) {
		return rest[:1]
	}
	return rest[:len(rest)-len(bytes.TrimLeft(rest, " "))]
}

// shared returns how many bytes a and b begin with alike.
func shared(a, b []byte) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

// onlyFields tells whether all lines of head begin a field or go on with one.
func onlyFields(head []byte) bool {
	for pos := 0; pos < len(head); {
		line, next := cutLine(head, pos)
		if pos == 0 && bytes.HasPrefix(line, []byte("From ")) { // an mbox's line
			pos = next
			continue
		}
		if fieldName(line) == nil && line[0] != ' ' && line[0] != '\t' {
			return false
		}
		pos = next
	}
	return true
}

// headOf returns what stands before the first blank line behind any others.
func headOf(raw []byte) []byte {
	start := len(raw) - len(bytes.TrimLeft(raw, "\r\n"))
	for pos := start; pos < len(raw); {
		line, next := cutLine(raw, pos)
		if len(line) == 0 {
			return raw[start:pos]
		}
		pos = next
	}
	return raw[start:]
}

// cutLine returns the line at pos without its end and the white space before it,
// and where the next one begins.
func cutLine(b []byte, pos int) (line []byte, next int) {
	next = len(b)
	if i := bytes.IndexByte(b[pos:], '\n'); i >= 0 {
		next = pos + i + 1
	}
	return bytes.TrimRight(b[pos:next], " \t\r\n"), next
}

// fieldName returns the name of the field that a line begins (RFC 5322 §2.2), in
// lower case, or nil.
func fieldName(line []byte) []byte {
	i := 0
	for i < len(line) && (line[i]|0x20 >= 'a' && line[i]|0x20 <= 'z' || i > 0 && (line[i] == '-' || line[i] == '_' || line[i] >= '0' && line[i] <= '9')) {
		i++
	}
	if i == 0 || !bytes.HasPrefix(bytes.TrimLeft(line[i:], " \t"), []byte(":")) {
		return nil
	}
	return bytes.ToLower(line[:i])
}

// hasField tells whether a line of head begins that field.
func hasField(head []byte, name string) bool {
	for pos := 0; pos < len(head); {
		line, next := cutLine(head, pos)
		if len(line) > len(name) && (line[0]|0x20) == name[0] && string(fieldName(line)) == name {
			return true
		}
		pos = next
	}
	return false
}

// spacedOut tells whether a blank line stands behind every line of a header.
func spacedOut(raw []byte) bool {
	pos, found := 0, false
	for n := 0; n < 4; n++ {
		line, next := cutLine(raw, pos)
		if len(line) == 0 || next >= len(raw) {
			return false
		}
		found = found || string(fieldName(line)) == "received"
		if line, pos = cutLine(raw, next); len(line) != 0 {
			return false
		}
	}
	return found
}

// tight takes out the blank lines of a header that is spacedOut.
func tight(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for pos := 0; pos < len(raw); {
		line, next := cutLine(raw, pos)
		blank, after := cutLine(raw, min(next, len(raw)))
		if len(line) == 0 || len(blank) != 0 {
			return append(out, raw[pos:]...)
		}
		out = append(append(out, line...), '\n')
		pos = after
	}
	return out
}

// unquoted returns the header that stands somewhere in raw, from its first line
// on, without the marks or the indentation before its lines; nil if there is none.
func unquoted(raw []byte) []byte {
	prefix, at := findReceived(raw)
	if at < 0 {
		return nil
	}
	mark := bytes.TrimRight(prefix, " \t")
	out := make([]byte, 0, len(raw)-at)
	for pos := at; pos < len(raw); {
		line, next := cutLine(raw, pos)
		cut, ok := bytes.CutPrefix(line, prefix)
		if !ok {
			if cut, ok = bytes.CutPrefix(line, mark); !ok {
				break
			}
		}
		out = append(append(out, cut...), '\n')
		pos = next
	}
	return out
}

// findReceived finds the first Received field that only marks or white space
// stand before, and returns those and where the fields around it begin.
func findReceived(raw []byte) (prefix []byte, at int) {
	at = -1
	for pos := 0; pos < len(raw); {
		line, next := cutLine(raw, pos)
		rest := bytes.TrimLeft(line, " \t>|:")
		name := fieldName(rest)
		switch {
		case string(name) == "received":
			mark := line[:len(line)-len(rest)]
			if at < 0 || !bytes.Equal(mark, prefix) {
				return mark, pos
			}
			return prefix, at
		case name == nil && (at < 0 || len(rest) == 0 || len(line)-len(rest) <= len(prefix)):
			at = -1 // no header, or its end
		case at < 0:
			prefix, at = line[:len(line)-len(rest)], pos
		}
		pos = next
	}
	return nil, -1
}

// refolded indents the lines of a Received field that lost their white space
// (RFC 5322 §2.2.3), as far as the field's date.
func refolded(raw []byte) []byte {
	head := headOf(raw)
	start := len(raw) - len(bytes.TrimLeft(raw, "\r\n"))
	var out []byte
	var dated dateSearch
	copied, open := 0, false
	for pos := start; pos < start+len(head); {
		line, next := cutLine(raw, pos)
		name := fieldName(line)
		switch {
		case line[0] == ' ' || line[0] == '\t':
		case name != nil:
			dated, open = dateSearch{}, string(name) == "received"
		case open && !(dated.found() && !isOffset(line)):
			out = append(append(out, raw[copied:pos]...), '\t')
			copied = pos
		default:
			open = false
		}
		dated.read(line)
		pos = next
	}
	if out == nil {
		return raw
	}
	return append(out, raw[copied:]...)
}

// A dateSearch looks for a field's date, line by line.
type dateSearch struct{ semicolon, colon bool }

// read looks at one line more. The date stands behind the last semicolon.
func (d *dateSearch) read(line []byte) {
	if i := bytes.LastIndexByte(line, ';'); i >= 0 {
		d.semicolon, d.colon, line = true, false, line[i:]
	}
	d.colon = d.colon || bytes.IndexByte(line, ':') >= 0
}

// found tells whether the date's time of day was read.
func (d *dateSearch) found() bool { return d.semicolon && d.colon }

// isOffset tells whether a line begins with a zone's offset.
func isOffset(line []byte) bool {
	return len(line) > 4 && (line[0] == '+' || line[0] == '-') && line[1] >= '0' && line[1] <= '9'
}
