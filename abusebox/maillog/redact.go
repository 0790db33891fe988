package maillog

import (
	"bytes"
	"strings"
)

// Redact masks the people in a log line, so that it may be shown to somebody else: the local part of every mail
// address, and a recipient that has none. Hosts, domains and queue ids stay.
func Redact(line string) string {
	out := make([]byte, 0, len(line))
	for i := range len(line) {
		if line[i] == '@' {
			out = append(out[:localPart(out)], mask...)
		}
		out = append(out, line[i])
	}
	return maskRecipients(string(out))
}

// localPart is where the local part at the end of b begins (RFC 5321 §4.1.2: an atom, or a quoted string).
func localPart(b []byte) int {
	if n := len(b); n > 1 && b[n-1] == '"' {
		if begin := bytes.LastIndexByte(b[:n-1], '"'); begin >= 0 {
			return begin
		}
	}
	return bytes.LastIndexAny(b, "<>,;:=()\"'[] \t@") + 1
}

const mask = "***"

// maskRecipients masks "to=<bob>", a recipient without a domain.
func maskRecipients(line string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(line, "to=<")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, rest, closed := strings.Cut(after, ">")
		if !strings.Contains(name, "@") && name != "" {
			name = mask
		}
		b.WriteString("to=<" + name)
		if closed {
			b.WriteString(">")
		}
		line = rest
	}
}
