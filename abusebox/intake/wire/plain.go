package wire

import (
	"bytes"
	"fmt"
	"strings"
)

// Lengths in octets beyond which an argument is no name that anybody uses. RFC 5321 §4.5.3.1 has 64 for a local part and 256
// for a path, and asks for no limits where they can be done without: QUIRK: bounce addresses (VERP, SRS, BATV) pass both.
const (
	maxHelo  = 255
	maxLocal = 256
	maxPath  = 512
)

// malformed says what is wrong with the line of a greeting, MAIL or RCPT; empty for nothing. It is liberal: underscores,
// address literals and names of no host are none of its business.
func malformed(verb string, line []byte) (reply string) {
	switch verb {
	case "EHLO", "LHLO", "HELO", "MAIL", "RCPT":
	default:
		return ""
	}
	arg := strings.TrimRight(string(line[min(len(line), 5):]), "\r\n")
	for i := range len(arg) {
		if ch := arg[i]; ch < ' ' && ch != '\t' || ch == 0x7f {
			return "501 5.5.2 A control character has no place in " + verb
		}
	}
	if verb == "MAIL" || verb == "RCPT" {
		return malformedPath(verb, arg)
	}
	if len(arg) > maxHelo {
		return fmt.Sprintf("501 5.5.4 The name is longer than %d octets", maxHelo)
	}
	if strings.IndexFunc(arg, func(r rune) bool { return r >= 0x80 }) >= 0 {
		return "501 5.5.4 A host's name is ASCII, xn-- if need be (RFC 5321 section 4.1.1.1)"
	}
	return ""
}

func malformedPath(verb, arg string) string {
	_, rest, ok := strings.Cut(arg, "<")
	if !ok {
		return ""
	}
	path, _, _ := strings.Cut(rest, ">")
	status := "5.1.7" // of the sender, RFC 3463 §3.2
	if verb == "RCPT" {
		status = "5.1.3"
	}
	at := strings.LastIndexByte(path, '@')
	if len(path) > maxPath || max(at, 0)-strings.LastIndexByte(path[:max(at, 0)], ':') > maxLocal {
		return "553 " + status + " The address is too long"
	}
	return ""
}

// plain is what is said in the place of go-smtp's own words: what a postmaster finds in his log must tell him something,
// and a command that comes too early is 503 (RFC 5321 §4.2.4), which some clients tell from 502.
var plain = []struct{ begins, instead string }{
	{"250 2.0.0 Roger, accepting mail from", "250 2.1.0 Sender OK\r\n"},
	{"250 2.0.0 I'll make sure", "250 2.1.5 Recipient OK\r\n"},
	{"250 2.0.0 I have successfully done nothing", "250 2.0.0 OK\r\n"},
	{"500 5.5.1 Too many errors. Quiting now", "500 5.5.1 Too many errors, closing the connection\r\n"},
	{"500 5.5.1 This is a LMTP server", "500 5.5.1 This is LMTP: greet with LHLO\r\n"},
	{"500 5.5.1 This is not a LMTP server", "500 5.5.1 This is SMTP: greet with EHLO\r\n"},
	{"501 5.5.2 Domain/address argument required for HELO", "501 5.5.4 The greeting wants your host's name\r\n"},
	{"501 5.5.2 Was expecting MAIL arg syntax", "501 5.5.2 MAIL wants FROM:<address>\r\n"},
	{"501 5.5.2 Was expecting RCPT arg syntax", "501 5.5.2 RCPT wants TO:<address>\r\n"},
	{"502 5.5.1 Please introduce yourself first", "503 5.5.1 Greet first, with EHLO or LHLO\r\n"},
	{"502 5.5.1 Missing MAIL FROM command", "503 5.5.1 MAIL comes first\r\n"},
	{"502 5.5.1 Missing RCPT TO command", "503 5.5.1 RCPT comes first\r\n"},
}

// plainly puts our words in the place of go-smtp's.
func plainly(line []byte) []byte {
	for _, p := range plain {
		if bytes.HasPrefix(line, []byte(p.begins)) {
			return []byte(p.instead)
		}
	}
	return line
}
