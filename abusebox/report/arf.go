package report

import (
	"net/netip"
	"strconv"
	"strings"

	"spoor/internal/message"
)

// readARF reads feedback reports (RFC 5965, RFC 6591, RFC 6692): a part
// message/feedback-report with fields about one mail, and that mail behind it.
// Also seen: the part in multipart/mixed, Received-Date for Arrival-Date, no
// Source-IP (then the enclosed mail is traced), the fields as plain text.
//
// Sources: mailbox providers' feedback loops, spam traps, filtering services.
func readARF(d *document) []Report {
	groups := d.feedback
	if len(groups) == 0 {
		groups = d.inlineFeedback()
	}
	var out []Report
	for _, g := range groups {
		out = append(out, d.feedbackReport(g)...)
	}
	return out
}

// inlineFeedback finds feedback fields sent as text.
// QUIRK: forwarders that flatten the report, RFC 5965 §2.
func (d *document) inlineFeedback() []message.Header {
	for _, p := range d.files {
		if strings.Contains(strings.ToLower(p.Filename), "feedback") {
			if h, _, _ := message.ReadHeader(p.Body(), message.Limits{}); h.Has("Feedback-Type") {
				return []message.Header{h}
			}
		}
	}
	i := strings.Index(d.body, "Feedback-Type:")
	if i < 0 || !strings.Contains(d.body, "User-Agent:") {
		return nil
	}
	start := i
	for start > 0 {
		prev := strings.LastIndexByte(d.body[:start-1], '\n')
		lineText := d.body[prev+1 : start-1]
		if name, _, ok := strings.Cut(lineText, ":"); !ok || strings.ContainsAny(name, " \t") {
			break
		}
		start = prev + 1
	}
	h, _, _ := message.ReadHeader([]byte(d.body[start:]), message.Limits{MaxHeaderLines: 100})
	if !h.Has("Version") {
		return nil
	}
	return []message.Header{h}
}

// feedbackReport turns one group of feedback fields into reports.
func (d *document) feedbackReport(g message.Header) []Report {
	base := Report{Count: 1, Confidence: High, Role: Sender}
	base.Category, base.Type = feedbackType(g)
	if n, err := strconv.Atoi(g.Get("Incidents")); err == nil && n > 0 {
		base.Count = n
	}
	if p, err := strconv.ParseUint(g.Get("Source-Port"), 10, 16); err == nil {
		base.Port = uint16(p)
	}
	for _, name := range [...]string{"Arrival-Date", "Received-Date"} {
		if st, ok := stampOf(g.Get(name)); ok {
			d.setTime(&base, st)
		}
	}
	base.ReportID = g.Get("Original-Envelope-Id")
	for _, f := range g.All("Reported-URI") {
		base.URLs = appendNew(base.URLs, f.Value())
	}
	for _, f := range g.All("Reported-Domain") {
		base.Domains = appendNew(base.Domains, strings.ToLower(f.Value()))
	}
	base.Subject.Account = accountOf(g)
	for _, f := range g.Fields {
		if f.Name != "" && !isIdentityField(f.Name) {
			base.Evidence = append(base.Evidence, string(f.Raw))
		}
	}
	return d.feedbackSources(g, base)
}

// feedbackSources puts the addresses into a feedback report.
func (d *document) feedbackSources(g message.Header, base Report) []Report {
	var out []Report
	for _, f := range g.All("Source-IP") {
		ip, ok := parseAddress(f.Value())
		if !ok {
			continue
		}
		r := base
		r.IP, r.Why = ip, "Source-IP of the feedback report"
		if len(d.mails) > 0 {
			d.addMailEvidence(&r, d.mails[len(d.mails)-1].Header, ip)
		}
		out = append(out, r)
	}
	if len(out) > 0 {
		return dedupe(out)
	}
	base.Confidence = Medium
	for _, m := range d.mails {
		for _, o := range d.traceEnclosed(m.Header) {
			r := base
			r.apply(d, o)
			d.addMailEvidence(&r, m.Header, o.IP)
			return []Report{r}
		}
	}
	return d.feedbackFromText(base)
}

// feedbackFromText takes the address from the human part or the subject where
// neither field nor enclosed mail has one.
func (d *document) feedbackFromText(base Report) []Report {
	for _, text := range [...]string{d.subject, d.body} {
		for _, l := range splitLines(text[:min(len(text), 8<<10)]) {
			for k, h := range l.hits {
				if r := l.read()[k]; usable(h.ip) && r.is != target && r.is != reference {
					base.IP, base.Why = h.ip, "address in the text of the feedback report"
					return []Report{base}
				}
			}
		}
	}
	if dom := firstOf(base.Domains); dom != "" && base.IP == (netip.Addr{}) {
		base.Source, base.Why = dom, "Reported-Domain of the feedback report, which states no address"
		base.Confidence = Low
		return []Report{base}
	}
	return nil
}

// apply puts the result of a trace into a report.
func (r *Report) apply(d *document, o Origin) {
	r.IP = o.IP
	if o.Port != 0 {
		r.Port = o.Port
	}
	r.Why = o.Why
	if o.Relay {
		r.Role = Relay
	}
	if o.Claimed {
		r.Claimed, r.Confidence = true, Low
	}
	if r.TimeRaw == "" && !o.Time.IsZero() && !d.future(o.Time) {
		r.Time, r.TimeRaw, r.TimeZoneKnown = o.Time, o.TimeRaw, o.ZoneKnown
	}
}

// addMailEvidence adds the fields of the enclosed mail that name the address,
// and those that tell a mail apart.
func (d *document) addMailEvidence(r *Report, h message.Header, ip netip.Addr) {
	text := ip.String()
	for _, f := range h.Fields {
		switch strings.ToLower(f.Name) {
		case "received":
			if strings.Contains(string(f.Raw), text) {
				r.Evidence = append(r.Evidence, string(f.Raw))
			}
		case "subject", "message-id", "date":
			r.Evidence = append(r.Evidence, string(f.Raw))
		}
	}
	if r.Subject.Title == "" {
		r.Subject.Title = h.Text("Subject")
	}
	if r.Subject.Account == "" {
		r.Subject.Account = accountOf(h)
	}
}

// accountOf finds the mailbox that signed in to send (RFC 8601 §2.7.4).
func accountOf(h message.Header) string {
	for _, f := range h.All("Authentication-Results") {
		v := f.Value()
		if i := strings.Index(v, "smtp.auth="); i >= 0 {
			a := v[i+len("smtp.auth="):]
			if j := strings.IndexAny(a, " ;,\t"); j >= 0 {
				a = a[:j]
			}
			return strings.Trim(a, `"<>`)
		}
	}
	return ""
}

// isIdentityField tells fields that name the complainant.
func isIdentityField(name string) bool {
	switch strings.ToLower(name) {
	case "original-rcpt-to", "redacted-address", "removal-recipient", "delivered-to", "reported-recipient":
		return true
	}
	return false
}

// feedbackType maps Feedback-Type (RFC 5965 §7.3) to XARF.
func feedbackType(g message.Header) (category, typ string) {
	switch strings.ToLower(strings.TrimSpace(g.Get("Feedback-Type"))) {
	case "fraud":
		return "content", "phishing"
	case "virus":
		return "content", "malware"
	case "dmarc", "auth-failure", "abuse", "opt-out", "opt-out-list", "not-spam", "miscategorized", "other", "":
		return "messaging", "spam"
	}
	return "", ""
}

func appendNew(list []string, s string) []string {
	if s == "" {
		return list
	}
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// dedupe merges reports of the same address, port and time.
func dedupe(in []Report) []Report {
	type key struct {
		ip     netip.Addr
		source string
		port   uint16
		at     int64
	}
	seen := make(map[key]int, len(in))
	out := in[:0]
	for _, r := range in {
		k := key{r.IP, r.Source, r.Port, r.Time.Unix()}
		if i, ok := seen[k]; ok {
			out[i].absorb(r)
			continue
		}
		seen[k] = len(out)
		out = append(out, r)
	}
	return out
}

// absorb adds what another report of the same event says.
func (r *Report) absorb(o Report) {
	for _, e := range o.Evidence {
		r.Evidence = appendNew(r.Evidence, e)
	}
	for _, u := range o.URLs {
		r.URLs = appendNew(r.URLs, u)
	}
	for _, u := range o.Domains {
		r.Domains = appendNew(r.Domains, u)
	}
}
