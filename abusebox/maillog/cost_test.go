package maillog

import (
	"strings"
	"testing"

	"spoor/internal/costtest"
)

// TestHostileLinesCostNoMore: what a stranger can put into a line makes it no dearer, byte for byte, than an
// ordinary one by more than a small factor; a reading that is quadratic would be dearer a thousand times.
func TestHostileLinesCostNoMore(t *testing.T) {
	const begin = "Oct  1 08:00:00 mx1 "
	ordinary := begin + "postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <u@example.com>: Relay access denied; from=<a@example.org> to=<u@example.com> proto=ESMTP helo=<x>"
	base := perByte(ordinary)
	for name, text := range map[string]string{
		"quotes":     begin + `sendmail[1]: x9L8E1aB000007: from=<` + strings.Repeat(`"`, maxText),
		"escapes":    begin + `sendmail[1]: x9L8E1aB000007: from=<"` + strings.Repeat(`\"`, maxText/2),
		"brackets":   begin + "postfix/smtpd[1]: NOQUEUE: reject: RCPT from " + strings.Repeat("[", maxText),
		"relays":     begin + "sendmail[1]: x9L8E1aB000007: from=<a>, size=1, nrcpts=1" + strings.Repeat(", relay=[", maxText/9),
		"statuses":   begin + "postfix/smtp[1]: 4F1B2C0A3D: to=<a>" + strings.Repeat(", status", maxText/8),
		"structured": "<22>1 2026-10-01T08:14:00Z mx1 postfix/smtpd 1 - " + strings.Repeat(`[a b="`, maxText/6),
		"viruses":    begin + "MailScanner[1]: " + strings.Repeat("Virus '", maxText/7),
		"infected":   begin + "clamav-milter[1]: Message x9L8E1aB000007" + strings.Repeat(" infected by ", maxText/13),
		"spaces":     begin + strings.Repeat(" ", maxText),
	} {
		if cost := perByte(text); cost > 30*base {
			t.Errorf("%s: %.1f times the cost of an ordinary byte", name, cost/base)
		}
	}
}

// perByte is the least processor time of several runs, per byte.
func perByte(line string) float64 {
	raw := []byte(line)
	var e event
	least := costtest.Least(5, func() {
		for range 200 {
			parse(raw, &e)
		}
	})
	return least.Seconds() / float64(len(raw))
}
