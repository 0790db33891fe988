package report

import (
	"context"
	"io"
	"strings"

	"spoor/internal/message"
)

// enclosed reads mails within the mail: a complaint that was forwarded or
// wrapped in a ticket is read as its inside; any other enclosed mail is the
// evidence, and its origin is the accused.
func (d *document) enclosed(ctx context.Context) (findings, bool) {
	for _, m := range d.mails {
		if f, ok := d.inside(ctx, m); ok {
			return f, true
		}
	}
	named := d.statedByText()
	if len(d.mails) > 0 && !named {
		if out := d.evidenceMails(d.mailHeaders(), "attached mail"); len(out) > 0 {
			return findings{format: "attached-mail", reports: out, candidates: d.weighing().others(nil)}, true
		}
	}
	d.splitEnclosures()
	if len(d.pasted) > 0 && !named {
		if out := d.evidenceMails(d.pasted, "pasted mail"); len(out) > 0 {
			return findings{format: "pasted-mail", reports: out, candidates: d.candidatesBeside(out), author: d.innerAuthor}, true
		}
	}
	if len(d.mails) == 0 && len(d.pasted) == 0 && !named {
		return d.mailFiles(ctx)
	}
	return findings{}, false
}

func (d *document) candidatesBeside(reports []Report) []Candidate {
	var chosen []*weighed
	for _, c := range d.weighing().list {
		for _, r := range reports {
			if r.IP == c.ip {
				chosen = append(chosen, c)
			}
		}
	}
	return d.weighing().others(chosen)
}

// inside reads an enclosed mail as a complaint of its own, if it looks like one.
func (d *document) inside(ctx context.Context, m *message.Part) (findings, bool) {
	if d.depth+1 > d.lim.MaxNesting {
		d.budget.truncated = "nesting"
		return findings{}, false
	}
	in := newDocument(m, d.opt, d.depth+1, d.budget)
	if f, ok := in.tryForms(forms()); ok {
		f.by(d, in, m)
		return f, true
	}
	if !in.addressedToDesk() && len(in.mails) == 0 {
		return findings{}, false
	}
	if in.addressedToDesk() || d.wraps() {
		f := in.read(ctx)
		if len(f.reports) > 0 {
			f.by(d, in, m)
			return f, true
		}
	}
	return findings{}, false
}

// by notes the author of an enclosed complaint, and its bytes where no deeper one is his.
func (f *findings) by(d, in *document, m *message.Part) {
	if f.author != "" {
		return
	}
	f.author = in.from
	d.root.Walk(func(p *message.Part) bool {
		if p.IsMail() && p.Children[0] == m {
			f.inside = p.Body()
		}
		return f.inside == nil
	})
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// wraps tells whether the outer mail is a mere wrapper.
func (d *document) wraps() bool {
	low := strings.ToLower(d.subject)
	return strings.HasPrefix(low, "fw:") || strings.HasPrefix(low, "fwd:") || strings.HasPrefix(low, "wg:") || len(strings.TrimSpace(d.body)) < 400
}

// addressedToDesk tells whether a mail was sent to an abuse desk, or sounds
// like a complaint in its subject.
func (d *document) addressedToDesk() bool {
	to := strings.ToLower(d.root.Header.Get("To") + d.root.Header.Get("Cc") + d.root.Header.Get("Delivered-To"))
	for _, w := range [...]string{"abuse@", "abuse-", "security@", "noc@", "cert@", "csirt@", "postmaster@", "hostmaster@", "dmca@", "copyright@", "netabuse@"} {
		if strings.Contains(to, w) {
			return true
		}
	}
	low := strings.ToLower(d.subject)
	for _, w := range [...]string{"abuse report", "abuse complaint", "abuse from", "[abuse", "complaint", "attack from", "spam from", "infringement", "dmca", "phishing site", "incident report"} {
		if strings.Contains(low, w) {
			return true
		}
	}
	return false
}

// statedByText tells whether the text itself states the accused, in the
// subject or behind a label made for it.
func (d *document) statedByText() bool {
	for _, c := range d.weighing().chosen() {
		if !public(c.ip) {
			continue
		}
		if c.inSubject || c.named && c.forIt.weight >= weightPlain-8 || c.forIt.is == source && c.forIt.weight >= weightProse {
			return true
		}
		if c.forIt.is == from && c.forIt.weight >= weightProse {
			return true
		}
	}
	return false
}

func (d *document) mailHeaders() []message.Header {
	var out []message.Header
	for _, m := range d.mails {
		out = append(out, m.Header)
	}
	return out
}

// evidenceMails traces enclosed mails: each gives a report on its origin.
func (d *document) evidenceMails(headers []message.Header, what string) []Report {
	var out []Report
	for _, h := range headers {
		if d.joeJob(h) {
			d.opt.explain("an enclosed mail only bears our name")
		}
		for _, o := range d.traceEnclosed(h) {
			if !public(o.IP) && !d.opt.isOurs(o.IP) {
				continue
			}
			r := d.base(o.IP, Medium, what+": "+o.Why)
			r.Category, r.Type, r.Step = "messaging", "spam", Structure
			r.apply(d, o)
			r.Why = what + ": " + o.Why
			d.addMailEvidence(&r, h, o.IP)
			out = append(out, r)
			if o.Relay {
				continue
			}
			break
		}
	}
	out = dedupe(out)
	if cat, typ := d.kind(); len(out) > 0 && (typ == "phishing" || typ == "malware" || typ == "fraud") {
		for i := range out {
			out[i].Category, out[i].Type = cat, typ
		}
	}
	return out
}

// joeJob tells whether a mail bears our domain in From although it was sent
// from elsewhere: that is no report about us.
func (d *document) joeJob(h message.Header) bool {
	from := mailbox(h.Text("From"))
	i := strings.LastIndexByte(from, '@')
	return i >= 0 && d.opt.isOurDomain(from[i+1:])
}

// mailFiles reads mails that were attached as text files.
func (d *document) mailFiles(ctx context.Context) (findings, bool) {
	var headers []message.Header
	for _, p := range d.files {
		if !isText(p) && p.MediaType != "application/octet-stream" || len(p.Raw) > 2*d.lim.MaxText || len(p.Body()) > d.lim.MaxText {
			continue
		}
		h, _, _ := message.ReadHeader(p.Body(), message.Limits{})
		if h.Has("Received") && (h.Has("From") || h.Has("Date") || h.Has("Message-ID")) {
			headers = append(headers, h)
		}
	}
	if out := d.evidenceMails(headers, "attached header"); len(out) > 0 {
		return findings{format: "attached-mail", reports: out}, true
	}
	return d.logFiles(ctx)
}

// isPlainFile tells an attachment without a type of its own that holds text.
func isPlainFile(p *message.Part) bool {
	if p.MediaType != "application/octet-stream" && !strings.HasSuffix(strings.ToLower(p.Filename), ".log") {
		return false
	}
	head := make([]byte, 512)
	n, _ := io.ReadFull(p.Reader(), head)
	for _, c := range head[:n] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' {
			return false
		}
	}
	return n > 0
}

// logFiles weighs attached text where the body itself names nobody.
func (d *document) logFiles(ctx context.Context) (findings, bool) {
	if len(d.weighing().chosen()) > 0 {
		return findings{}, false
	}
	text := ""
	for _, p := range d.files {
		if (isText(p) || isPlainFile(p)) && len(text) < d.lim.MaxText && !strings.HasSuffix(strings.ToLower(p.Filename), ".csv") {
			t := headText(p, 2*d.lim.MaxText)
			if p.MediaType == "text/html" {
				t = htmlText(t, d.lim.MaxText)
			}
			text += limitText(t, d.lim.MaxText-len(text)) + "\n"
			continue
		}
		if len(text) < d.lim.MaxText {
			text += limitText(d.archivedText(p), d.lim.MaxText-len(text))
		}
	}
	if text == "" {
		return findings{}, false
	}
	in := *d
	in.body, in.lines, in.weights, in.split, in.zone = text, nil, nil, false, nil
	in.files, in.mails, in.pasted = nil, nil, nil
	f := in.weigh(ctx)
	if len(f.reports) == 0 {
		return findings{}, false
	}
	f.format = "attached-log"
	return f, true
}
