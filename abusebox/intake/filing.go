package intake

import (
	"bytes"
	"strings"
)

// nullSender stands for the empty return path where a word is wanted: in From_ lines, and in Postfix's pipe(8).
const nullSender = "MAILER-DAEMON"

// FromPipe makes a mail of what an MTA or a filter writes to a pipe: a From_ line that some put before it is the envelope
// sender, not part of the message.
func FromPipe(raw []byte, sender string, recipients []string) Mail {
	m := Mail{Envelope: Envelope{Source: SourceFile, From: strings.Trim(sender, "<>"), Recipients: recipients}, Raw: raw}
	if strings.EqualFold(m.From, nullSender) {
		m.From = ""
	}
	line, rest, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || !bytes.HasPrefix(line, []byte("From ")) {
		return m
	}
	m.Raw = rest
	if fields := strings.Fields(string(line)); sender == "" && len(fields) > 1 && !strings.EqualFold(fields[1], nullSender) {
		m.From = strings.Trim(fields[1], "<>")
	}
	return m
}
