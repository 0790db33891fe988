package report

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"spoor/internal/message"
)

// markIdentities lists in each report what identifies the complainant and third
// parties, so that a notice can leave it out. Of the complainant and of those who
// received what is reported, the domain is listed too. The accused side's own
// mailboxes and Message-ID are not: its operator finds the mail by them.
func (d *document) markIdentities(res *Result) {
	people := d.identities(res)
	accused := d.accusedMailboxes(people)
	for i := range res.Reports {
		r := &res.Reports[i]
		text := strings.ToLower(strings.Join(r.Evidence, "\n"))
		for _, p := range people {
			if p.isIn(text) {
				r.Redact = appendNew(appendNew(r.Redact, p.address), p.domain)
			}
		}
		r.markOthers(people, accused)
	}
}

// markOthers lists the mailboxes of third parties.
func (r *Report) markOthers(people []person, accused []string) {
	for _, e := range r.Evidence {
		if name, value, ok := strings.Cut(e, ":"); ok && writtenBySender(name) {
			for _, m := range mailboxesIn(value) {
				accused = append(accused[:len(accused):len(accused)], strings.ToLower(m))
			}
		}
	}
	for _, e := range r.Evidence {
		for _, m := range mailboxesIn(e) {
			low := strings.ToLower(m)
			if m != r.Subject.Account && !slices.Contains(accused, low) && !isOneOfPeople(people, low) {
				r.Redact = appendNew(r.Redact, m)
			}
		}
	}
}

// writtenBySender tells the fields of evidence that name the accused mail.
func writtenBySender(name string) bool {
	switch strings.ToLower(strings.Trim(name, "> \t")) {
	case "message-id", "return-path", "original-mail-from":
		return true
	}
	return false
}

// A person is one who complained or received what is reported.
type person struct {
	address string // lower case
	local   string // "" where too short to be looked for
	domain  string
	org     string // registered domain of domain
}

// isIn tells whether a text in lower case names the person or its hosts.
func (p person) isIn(text string) bool {
	return strings.Contains(text, p.org) || p.local != "" && strings.Contains(text, p.local)
}

func isOneOfPeople(people []person, address string) bool {
	return slices.ContainsFunc(people, func(p person) bool { return p.address == address })
}

// maxPeople bounds how many are looked for in the evidence of each report.
const maxPeople = 32

func addPerson(people []person, address string) []person {
	address = strings.ToLower(strings.Trim(address, "<> "))
	i := strings.LastIndexByte(address, '@')
	if i <= 0 || i == len(address)-1 || len(people) == maxPeople || isOneOfPeople(people, address) {
		return people
	}
	p := person{address: address, local: address[:i], domain: address[i+1:]}
	if len(p.local) < 4 {
		p.local = ""
	}
	p.org = p.domain
	if org, err := publicsuffix.EffectiveTLDPlusOne(p.domain); err == nil {
		p.org = org
	}
	return append(people, p)
}

// identities are those who complained, and the receivers of what they report.
func (d *document) identities(res *Result) []person {
	var out []person
	for _, a := range [...]string{res.Reporter.Address, d.from} {
		out = addPerson(out, a)
	}
	for _, g := range d.feedback {
		for _, name := range [...]string{"Original-Rcpt-To", "Removal-Recipient"} {
			for _, f := range g.All(name) {
				out = addPerson(out, strings.TrimPrefix(strings.ToLower(f.Value()), "rfc822;"))
			}
		}
	}
	for _, h := range d.reportedHeaders() {
		for _, a := range recipientsOf(h) {
			out = addPerson(out, a)
		}
	}
	return out
}

// accusedMailboxes are those that the reported mails bear as their senders'.
func (d *document) accusedMailboxes(people []person) []string {
	var out []string
	for _, g := range d.feedback {
		for _, f := range g.All("Original-Mail-From") {
			out = append(out, mailboxesIn(strings.ToLower(f.Value()))...)
		}
	}
	for _, h := range d.reportedHeaders() {
		if isOneOfPeople(people, authorOf(h)) {
			continue // a complaint within the complaint
		}
		for _, name := range [...]string{"Message-ID", "From", "Sender", "Return-Path"} {
			out = append(out, mailboxesIn(strings.ToLower(h.Text(name)))...)
		}
	}
	return slices.DeleteFunc(out, func(m string) bool { return isOneOfPeople(people, m) })
}

// maxReported bounds how many enclosed headers are looked at.
const maxReported = 32

// reportedHeaders are those of all mails within the mail, at any depth.
func (d *document) reportedHeaders() []message.Header {
	out := slices.Clone(d.pasted)
	d.root.Walk(func(p *message.Part) bool {
		switch {
		case p.IsMail() && len(p.Children) > 0:
			out = append(out, p.Children[0].Header)
		case p.MediaType == "text/rfc822-headers", p.MediaType == "message/rfc822-headers":
			h, _, _ := message.ReadHeader(append(slices.Clone(p.Body()), "\r\n\r\n"...), message.DefaultLimits())
			out = append(out, h)
		}
		return len(out) < maxReported
	})
	return out
}

// recipientsOf returns whom a mail was sent to, by its fields and by the for
// clauses of its trace (RFC 5321 §4.4).
func recipientsOf(h message.Header) []string {
	var out []string
	for _, name := range [...]string{"Delivered-To", "X-Original-To", "To", "Cc"} {
		for _, f := range h.All(name) {
			out = append(out, mailboxesIn(f.Text())...)
		}
	}
	for _, f := range h.All("Received") {
		v := f.Value()
		if i := strings.Index(v, " for "); i >= 0 {
			to, _, _ := strings.Cut(v[i+len(" for "):], ";")
			to, _, _ = strings.Cut(strings.TrimSpace(to), " ")
			out = append(out, mailboxesIn(to)...)
		}
	}
	return out
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
