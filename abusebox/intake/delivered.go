package intake

import (
	"bytes"
	"net/mail"
	"strings"
	"time"
)

// maxTopmost bounds the topmost Received field that is read for its time, in bytes.
const maxTopmost = 4 << 10

// delivered is when the mailbox got a message that was read from it: the time of its topmost Received field, which the
// mailbox's own server wrote and which has a zone (RFC 5321 §4.4), or else what the mailbox says.
func delivered(message []byte, mailbox time.Time) time.Time {
	if t, ok := topmost(message); ok {
		return possible(t)
	}
	return possible(mailbox)
}

// possible leaves of a time from outside what can be one: RFC 822 mail is younger than 1970, and JSON knows no year 10000.
func possible(t time.Time) time.Time {
	if t = t.UTC(); t.Year() <= 1970 || t.Year() >= 9999 {
		return time.Time{}
	}
	return t
}

// topmost reads the time of the first Received field, past fields that delivery agents put before it.
func topmost(message []byte) (time.Time, bool) {
	for rest := message[:min(len(message), 8*maxTopmost)]; len(rest) > 0; {
		field := fieldOf(rest)
		rest = rest[len(field):]
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok {
			return time.Time{}, false
		}
		if !strings.EqualFold(strings.TrimSpace(string(name)), "Received") {
			continue
		}
		value = value[:min(len(value), maxTopmost)]
		i := bytes.LastIndexByte(value, ';')
		if i < 0 {
			return time.Time{}, false
		}
		t, err := mail.ParseDate(strings.Join(strings.Fields(string(value[i+1:])), " "))
		return t.UTC(), err == nil
	}
	return time.Time{}, false
}

// fieldOf returns the first field with its continuation lines, or the empty line at the end of a header.
func fieldOf(header []byte) []byte {
	for at := 0; ; {
		i := bytes.IndexByte(header[at:], '\n')
		if i < 0 {
			return header
		}
		at += i + 1
		if at >= len(header) || header[at] != ' ' && header[at] != '\t' {
			return header[:at]
		}
	}
}
