package report

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"spoor/internal/message"
)

// A Redactor replaces people and addresses in mails, the same one always by the
// same stand-in, so that a copy can be shared and still be parsed. IPv4 becomes
// 198.18.0.0/15 (RFC 2544), IPv6 2001:db8::/32, mailboxes userN@example.com.
type Redactor struct {
	mu    sync.Mutex
	ips   map[netip.Addr]string
	boxes map[string]string
	n     int
}

// NewRedactor returns a Redactor that has replaced nothing yet.
func NewRedactor() *Redactor {
	return &Redactor{ips: map[netip.Addr]string{}, boxes: map[string]string{}}
}

// Mail returns a copy of a mail in which nobody is named. Parts that are not
// text are left out; texts are written decoded, as UTF-8.
func (r *Redactor) Mail(raw []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := message.Read(raw, message.DefaultLimits())
	var b bytes.Buffer
	r.part(&b, &m.Part)
	return b.Bytes()
}

// part writes one part with its header.
func (r *Redactor) part(b *bytes.Buffer, p *message.Part) {
	r.header(b, p.Header)
	b.WriteByte('\n')
	switch {
	case p.IsMultipart() && len(p.Children) > 0:
		for _, c := range p.Children {
			fmt.Fprintf(b, "--%s\n", p.Params["boundary"])
			r.part(b, c)
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "--%s--\n", p.Params["boundary"])
	case p.IsMail():
		r.part(b, p.Children[0])
	case isText(p) || len(p.Groups) > 0 || p.MediaType == "application/octet-stream" && isTableFile(p, strings.ToLower(p.Filename)):
		b.WriteString(r.text(p.Text()))
	default:
		b.WriteString("[removed]\n")
	}
}

// dropped are fields that only identify.
var dropped = map[string]bool{"dkim-signature": true, "arc-seal": true, "arc-message-signature": true, "arc-authentication-results": true, "domainkey-signature": true, "x-google-smtp-source": true, "x-gm-message-state": true, "x-received": true}

func (r *Redactor) header(b *bytes.Buffer, h message.Header) {
	for _, f := range h.Fields {
		low := strings.ToLower(f.Name)
		if dropped[low] || f.Name == "" {
			continue
		}
		switch low {
		case "content-transfer-encoding":
			b.WriteString("Content-Transfer-Encoding: 8bit\n")
			continue
		case "content-type":
			b.WriteString(r.contentType(f) + "\n")
			continue
		case "from", "to", "cc", "sender", "reply-to", "return-path", "delivered-to":
			fmt.Fprintf(b, "%s: %s\n", f.Name, r.mailboxField(f))
			continue
		}
		text := strings.ReplaceAll(message.DecodeWords(string(f.Raw)), "\r\n", "\n")
		b.WriteString(r.text(strings.TrimRight(text, "\r\n")) + "\n")
	}
}

// contentType keeps structure and says UTF-8.
func (r *Redactor) contentType(f message.Field) string {
	typ, params := message.ParseMediaType(f.Value())
	out := f.Name + ": " + typ
	for _, k := range [...]string{"boundary", "report-type", "name"} {
		if v := params[k]; v != "" {
			out += fmt.Sprintf("; %s=%q", k, r.text(v))
		}
	}
	if strings.HasPrefix(typ, "text/") {
		out += "; charset=utf-8"
	}
	return out
}

// mailboxField leaves only the replaced address: display names are people.
func (r *Redactor) mailboxField(f message.Field) string {
	var out []string
	for _, m := range mailboxesIn(f.Text()) {
		out = append(out, "<"+r.box(m)+">")
	}
	if len(out) == 0 {
		return "<>"
	}
	return strings.Join(out, ", ")
}

// text replaces addresses and mailboxes in any text.
func (r *Redactor) text(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		l, rest, more := strings.Cut(s, "\n")
		b.WriteString(r.line(l))
		if more {
			b.WriteByte('\n')
		}
		s = rest
	}
	return b.String()
}

func (r *Redactor) line(l string) string {
	for _, m := range mailboxesIn(l) {
		l = strings.ReplaceAll(l, m, r.box(m))
	}
	text := refang(l)
	hits := findAddresses(text)
	if len(hits) == 0 {
		return l
	}
	var b strings.Builder
	at := 0
	for _, h := range hits {
		b.WriteString(text[at:h.start])
		b.WriteString(r.ip(h.ip))
		at = h.end
	}
	b.WriteString(text[at:])
	return b.String()
}

// box is the stand-in of a mailbox; role names are kept, because formats are
// known by them.
func (r *Redactor) box(m string) string {
	low := strings.ToLower(m)
	if v, ok := r.boxes[low]; ok {
		return v
	}
	for _, v := range r.boxes {
		if v == low {
			return m
		}
	}
	local, _, _ := strings.Cut(low, "@")
	switch local {
	case "abuse", "postmaster", "noc", "security", "noreply", "no-reply", "cert", "csirt", "mailer-daemon":
	default:
		local = fmt.Sprintf("user%d", len(r.boxes)+1)
	}
	v := fmt.Sprintf("%s@d%d.example.com", local, len(r.boxes)+1)
	r.boxes[low] = v
	return v
}

// ip is the stand-in of an address; private and special ones stay.
func (r *Redactor) ip(ip netip.Addr) string {
	if !public(ip) {
		return ip.String()
	}
	if v, ok := r.ips[ip]; ok {
		return v
	}
	r.n++
	v := fmt.Sprintf("198.%d.%d.%d", 18+r.n>>16&1, r.n>>8&255, r.n&255)
	if ip.Is6() {
		v = fmt.Sprintf("2001:db8::%x", r.n)
	}
	r.ips[ip] = v
	return v
}
