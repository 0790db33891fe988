package intake

import (
	"bytes"
	"strings"
)

// FromPipe makes a mail of what an MTA or a filter writes to a pipe: a From_ line that some put before it is the envelope
// sender, not part of the message.
func FromPipe(raw []byte, sender string, recipients []string) Mail {
	m := Mail{Envelope: Envelope{Source: SourceFile, From: strings.Trim(sender, "<>"), Recipients: recipients}, Raw: raw}
	line, rest, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || !bytes.HasPrefix(line, []byte("From ")) {
		return m
	}
	m.Raw = rest
	if fields := strings.Fields(string(line)); sender == "" && len(fields) > 1 && !strings.EqualFold(fields[1], "MAILER-DAEMON") {
		m.From = strings.Trim(fields[1], "<>")
	}
	return m
}
