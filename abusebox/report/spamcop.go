package report

import (
	"strconv"
	"strings"
	"time"
)

// readSpamCop reads SpamCop's mails. A single report begins with "[ SpamCop V… ]"
// and says "Email from IP / date"; a spamvertised site is a URL and, in the next
// line, "URL is IP; date"; a summary is a table of IP, last report and counts of
// traps, users, moles and simp; an alert lists bare addresses. Zones may be cut
// short: "(ES".
//
// Sources: …@reports.spamcop.net, summaries@admin.spamcop.net.
func readSpamCop(d *document) []Report {
	if !strings.Contains(d.body, "SpamCop") && !strings.Contains(d.subject, "SpamCop") && !strings.Contains(d.domain, "spamcop.net") {
		return nil
	}
	if out := d.spamCopSingle(); len(out) > 0 {
		return out
	}
	low := strings.ToLower(d.subject)
	if strings.Contains(low, "summary") || strings.Contains(d.body, "Trap  User") || strings.Contains(d.body, "Mole") {
		if out := d.spamCopSummary(); len(out) > 0 {
			return out
		}
	}
	if strings.Contains(low, "alert") {
		return d.spamCopAlert()
	}
	return nil
}

// spamCopSingle reads "Email from 192.0.2.7 / Thu, 1 Oct 2026 08:14:00 +0000".
func (d *document) spamCopSingle() []Report {
	var out []Report
	prev := ""
	for _, l := range d.bodyLines()[:min(len(d.bodyLines()), 200)] {
		t := strings.TrimSpace(l.text)
		low := strings.ToLower(t)
		if len(l.hits) == 0 {
			if t != "" {
				prev = t
			}
			continue
		}
		h := l.hits[0]
		rest := t[min(len(t), strings.Index(t, l.text[h.start:h.end])+h.end-h.start):]
		switch {
		case strings.HasPrefix(low, "email from ") && strings.HasPrefix(strings.TrimSpace(rest), "/"):
			r := d.base(h.ip, High, "\"Email from\" of SpamCop")
			r.Category, r.Type = "messaging", "spam"
			if st := findStamps(rest, 1); len(st) > 0 {
				d.setTime(&r, st[0])
			}
			r.Evidence = []string{l.raw}
			out = append(out, r)
		case strings.Contains(low, " is ") && strings.Contains(rest, ";") && (strings.Contains(low, "://") || strings.Contains(prev, "://")) && !strings.HasPrefix(low, "["):
			out = append(out, d.spamvertised(l, h, t, prev, rest))
		}
		if t != "" {
			prev = t
		}
	}
	d.splitEnclosures()
	for i := range out {
		if len(d.pasted) > 0 && out[i].Type == "spam" {
			d.addMailEvidence(&out[i], d.pasted[0], out[i].IP)
		}
	}
	return dedupe(out)
}

func (d *document) spamvertised(l line, h hit, t, prev, rest string) Report {
	r := d.base(h.ip, High, "spamvertised site of SpamCop")
	r.Category, r.Type = "content", "fraud"
	if strings.Contains(strings.ToLower(d.subject+d.body[:min(len(d.body), 1000)]), "phish") {
		r.Type = "phishing"
	}
	urls := findURLs(t, 1)
	if len(urls) == 0 {
		urls = findURLs(prev, 1)
		r.Evidence = append(r.Evidence, prev)
	}
	for _, u := range urls {
		r.URLs, r.Subject.Site = []string{u}, hostOf(u)
		r.Domains = appendNew(r.Domains, domainOnly(hostOf(u)))
	}
	if st := findStamps(rest, 1); len(st) > 0 {
		d.setTime(&r, st[0])
	}
	r.Evidence = append(r.Evidence, l.raw)
	return r
}

// spamCopSummary reads rows as "192.0.2.7  Oct 1 08h/2  0 3 0 0".
func (d *document) spamCopSummary() []Report {
	var out []Report
	for _, l := range d.bodyLines() {
		t := strings.TrimLeft(l.text, " \t*|")
		if len(l.hits) != 1 || len(t) == 0 || !strings.HasPrefix(t, l.text[l.hits[0].start:l.hits[0].end]) {
			continue
		}
		fields := strings.Fields(l.text[l.hits[0].full:])
		if len(fields) < 3 {
			continue
		}
		r := d.base(l.hits[0].ip, High, "row of SpamCop's summary")
		r.Category, r.Type = "messaging", "spam"
		n := 0
		for _, f := range fields[max(0, len(fields)-4):] {
			if k, err := strconv.Atoi(f); err == nil && k >= 0 {
				n += k
			}
		}
		r.Count = max(n, 1)
		if st, ok := summaryTime(fields); ok {
			d.setTime(&r, st)
		}
		r.Evidence = []string{l.raw}
		out = append(out, r)
	}
	return dedupe(out)
}

// summaryTime reads "Oct 1 08h/2": the first hour of the last report's day.
func summaryTime(fields []string) (stamp, bool) {
	if len(fields) < 3 {
		return stamp{}, false
	}
	m, ok := monthOf(fields[0])
	day, err := strconv.Atoi(fields[1])
	hour, _, found := strings.Cut(fields[2], "h")
	h, herr := strconv.Atoi(hour)
	if !ok || err != nil || !found || herr != nil || day < 1 || day > 31 || h > 24 {
		return stamp{}, false
	}
	st := stamp{at: timeAt(1, time.Month(m), day, h, 0, 0), clock: true, yearless: true, raw: strings.Join(fields[:3], " ")}
	st.zone = zone{known: true, name: "UTC"} // SpamCop's tables are in UTC
	return st, true
}

// spamCopAlert reads bare addresses.
func (d *document) spamCopAlert() []Report {
	var out []Report
	for _, l := range d.bodyLines() {
		if len(l.hits) != 1 || strings.TrimSpace(l.text[:l.hits[0].start]) != "" {
			continue
		}
		r := d.base(l.hits[0].ip, High, "listed in SpamCop's alert")
		r.Category, r.Type = "messaging", "spam"
		r.Evidence = []string{l.raw}
		out = append(out, r)
	}
	return dedupe(out)
}
