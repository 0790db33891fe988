package report

import (
	"strings"

	"spoor/internal/message"
)

// markIdentities lists in each report what identifies the complainant and third
// parties, so that a notice can leave it out.
func (d *document) markIdentities(res *Result) {
	names := d.identities(res)
	for i := range res.Reports {
		r := &res.Reports[i]
		for _, n := range names {
			if containsAnyLine(r.Evidence, n) {
				r.Redact = appendNew(r.Redact, n)
			}
		}
		for _, e := range r.Evidence {
			for _, m := range mailboxesIn(e) {
				if m != r.Subject.Account {
					r.Redact = appendNew(r.Redact, m)
				}
			}
		}
	}
}

// identities are the mailboxes of those who complained.
func (d *document) identities(res *Result) []string {
	var out []string
	for _, a := range [...]string{res.Reporter.Address, d.from} {
		out = appendNew(out, a)
	}
	for _, g := range d.feedback {
		for _, name := range [...]string{"Original-Rcpt-To", "Removal-Recipient"} {
			for _, f := range g.All(name) {
				out = appendNew(out, strings.Trim(f.Value(), "<> "))
			}
		}
	}
	for _, m := range append(d.mailHeaders(), d.pasted...) {
		out = appendNew(out, recipientOf(m))
	}
	return out
}

func recipientOf(h message.Header) string {
	for _, name := range [...]string{"Delivered-To", "X-Original-To", "To"} {
		if a := mailbox(h.Text(name)); a != "" {
			return a
		}
	}
	return ""
}

func containsAnyLine(lines []string, s string) bool {
	for _, l := range lines {
		if s != "" && strings.Contains(l, s) {
			return true
		}
	}
	return false
}

// mailboxesIn returns the mail addresses written in a line, at most eight.
func mailboxesIn(s string) []string {
	var out []string
	for at := 0; at < len(s) && len(out) < 8; {
		i := strings.IndexByte(s[at:], '@')
		if i < 0 {
			return out
		}
		i += at
		a, b := i, i+1
		for a > 0 && isMailboxByte(s[a-1]) {
			a--
		}
		for b < len(s) && (isAlnum(s[b]) || s[b] == '.' || s[b] == '-') {
			b++
		}
		if a < i && b > i+1 {
			out = append(out, strings.TrimRight(s[a:b], ".-"))
		}
		at = b
	}
	return out
}

func isMailboxByte(c byte) bool {
	return isAlnum(c) || strings.IndexByte(".!#$%&'*+-/=?^_`{|}~", c) >= 0 && c != '\'' && c != '=' && c != '/'
}
