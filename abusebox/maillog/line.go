package maillog

import "bytes"

// A line is one log line, split into what the log daemon wrote and what the program said. All fields are
// slices of the line itself.
type line struct {
	stamp   stamp
	host    []byte
	program []byte // "sendmail", "postfix/smtpd"
	pid     uint32
	text    []byte // the program's words
}

// maxText bounds how much of a line is read; the rest of a longer one is never looked at.
const maxText = 8 << 10

// split reads the header of one line, in any of the forms that log daemons write:
//
//	Nov  3 20:25:58 host program[pid]: text                   RFC 3164 §4.1, with or without <PRI>
//	Nov  3 2003 20:25:58 host …, Nov  3 20:25:58 2003 host …  the same with a year
//	2026-10-01T08:14:00.5+02:00 host program[pid]: text       RFC 3339 time
//	<22>1 2026-10-01T08:14:00Z host program pid id sd text    RFC 5424 §6
//
// QUIRK: a word and a colon may stand before the time ("maillog.1:Nov  3"), as grep leaves it.
func split(raw []byte) (l line, ok bool) {
	if len(raw) > maxText {
		raw = raw[:maxText]
	}
	rest, versioned := skipPriority(raw)
	if versioned {
		return splitRFC5424(rest)
	}
	if l.stamp, rest, ok = parseStamp(rest); !ok {
		if rest, ok = skipFileName(raw); !ok {
			return line{}, false
		}
		if l.stamp, rest, ok = parseStamp(rest); !ok {
			return line{}, false
		}
	}
	if l.host, rest, ok = word(rest); !ok {
		return line{}, false
	}
	return l, l.tag(rest)
}

// skipPriority drops "<22>" and says whether the version of RFC 5424 follows it.
func skipPriority(b []byte) (rest []byte, versioned bool) {
	if len(b) < 3 || b[0] != '<' {
		return b, false
	}
	end := bytes.IndexByte(b[:min(len(b), 6)], '>')
	if end < 2 {
		return b, false
	}
	rest = b[end+1:]
	if after, found := bytes.CutPrefix(rest, []byte("1 ")); found {
		return after, true
	}
	return rest, false
}

// skipFileName drops the "file:" that grep puts before a line.
func skipFileName(b []byte) ([]byte, bool) {
	colon := bytes.IndexByte(b[:min(len(b), 256)], ':')
	if colon < 1 || bytes.IndexByte(b[:colon], ' ') >= 0 {
		return nil, false
	}
	return bytes.TrimLeft(b[colon+1:], " "), true
}

// word takes one word off b.
func word(b []byte) (first, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	end := bytes.IndexByte(b[i:], ' ')
	if end <= 0 {
		return nil, nil, false
	}
	return b[i : i+end], b[i+end+1:], true
}

// lastRepeated is how BSD's syslogd shortens a line that comes again; it stands without a program.
var lastRepeated = []byte("last message repeated ")

// tag reads "program[pid]: [ID 801593 mail.info] text".
func (l *line) tag(b []byte) bool {
	b = bytes.TrimLeft(b, " ")
	if bytes.HasPrefix(b, lastRepeated) {
		l.program, l.text = lastRepeated[:4], b
		return true
	}
	end := bytes.Index(b, []byte(": "))
	if end <= 0 || end > 128 {
		return false
	}
	name := b[:end]
	l.text = skipMessageID(b[end+2:])
	if open := bytes.IndexByte(name, '['); open >= 0 {
		l.pid = number(name[open+1:])
		name = name[:open]
	}
	l.program = name
	return len(name) > 0 && bytes.IndexByte(name, ' ') < 0
}

// skipMessageID drops the message identifier of Solaris, "[ID 801593 mail.info] ".
func skipMessageID(b []byte) []byte {
	b = bytes.TrimLeft(b, " ")
	if !bytes.HasPrefix(b, []byte("[ID ")) {
		return b
	}
	if end := bytes.IndexByte(b[:min(len(b), 64)], ']'); end > 0 {
		return bytes.TrimLeft(b[end+1:], " ")
	}
	return b
}

// splitRFC5424 reads what follows the version: time, host, program, pid, id, structured data, text.
func splitRFC5424(b []byte) (l line, ok bool) {
	var stampText, pid []byte
	if stampText, b, ok = word(b); !ok {
		return l, false
	}
	if l.stamp, _, ok = parseStamp(append(stampText[:len(stampText):len(stampText)], ' ')); !ok {
		return l, false
	}
	if l.host, b, ok = word(b); !ok {
		return l, false
	}
	if l.program, b, ok = word(b); !ok {
		return l, false
	}
	if pid, b, ok = word(b); !ok {
		return l, false
	}
	l.pid = number(pid)
	if _, b, ok = word(b); !ok {
		return l, false
	}
	b = skipStructured(b)
	l.text = skipMessageID(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	return l, len(l.text) > 0
}

// skipStructured drops the structured data of RFC 5424 §6.3, "-" or elements in brackets.
func skipStructured(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("-")) {
		return bytes.TrimPrefix(b[1:], []byte(" "))
	}
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ' ' && !quoted && i > 0 && b[i-1] == ']':
			return b[i+1:]
		}
	}
	return nil
}

// number reads decimal digits at the begin of b, at most nine of them.
func number(b []byte) (n uint32) {
	for i := 0; i < len(b) && i < 9 && b[i]-'0' <= 9; i++ {
		n = n*10 + uint32(b[i]-'0')
	}
	return n
}
