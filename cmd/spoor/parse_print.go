package main

import (
	"fmt"
	"strings"
	"time"

	"spoor/abusebox/report"
)

// print shows one mail for a person: the verdict, then each report with the
// lines of the mail that say it, the accused marked.
func (p *parseCmd) print(o parseOutcome) {
	w, res := p.app.out, o.result
	total := o.spill.n + len(res.Reports)
	res.Reports = append(o.spill.head, res.Reports...)
	fmt.Fprintf(w, "%s", o.mail.source)
	if o.mail.number > 1 {
		fmt.Fprintf(w, " (mail %d)", o.mail.number)
	}
	fmt.Fprintf(w, "\n  %s\n", parseVerdict(res, total))
	if a := res.Reporter; a.Address != "" {
		fmt.Fprintf(w, "  from %s, %s\n", clean(a.Address), provenBy(a.Authenticated))
	}
	for _, s := range o.steps {
		fmt.Fprintf(w, "  . %s\n", s)
	}
	for i := range res.Reports[:min(len(res.Reports), shown)] {
		p.printReport(&res.Reports[i])
	}
	if total > shown {
		fmt.Fprintf(w, "\n  and %d more; --json prints them all\n", total-shown)
	}
	if len(res.Candidates) > 0 {
		fmt.Fprintln(w, "  not taken:")
		for _, c := range res.Candidates {
			fmt.Fprintf(w, "    %-24s %s\n", c.IP, c.WhyNot)
		}
	}
	for _, u := range res.Unread {
		fmt.Fprintf(w, "  not read: %s: %s\n", clean(u.Name), u.Why)
	}
	if res.Truncated != "" {
		fmt.Fprintf(w, "  cut short by a limit: %s\n", res.Truncated)
	}
	fmt.Fprintln(w)
}

// parseVerdict is the first line about a mail.
func parseVerdict(res report.Result, total int) string {
	switch {
	case res.Rejected != "":
		return "no complaint: " + res.Rejected
	case total == 0:
		return fmt.Sprintf("not understood: %d addresses in it, none stands out", len(res.Candidates))
	case total == 1:
		return "1 report, format " + res.Format
	}
	return fmt.Sprintf("%d reports, format %s", total, res.Format)
}

func (p *parseCmd) printReport(r *report.Report) {
	w := p.app.out
	fmt.Fprintf(w, "\n  %s  %s  %s  confidence %s\n", accused(r), kindOf(r), when(r), r.Confidence)
	fmt.Fprintf(w, "    why      %s\n", r.Why)
	if r.Count > 1 {
		fmt.Fprintf(w, "    count    %d\n", r.Count)
	}
	for _, f := range []struct{ name, value string }{
		{"written", writtenTime(r)}, {"against", against(r)}, {"account", r.Subject.Account}, {"site", r.Subject.Site}, {"url", strings.Join(r.URLs, " ")},
		{"file", r.Subject.File}, {"title", r.Subject.Title}, {"case", r.ReportID},
	} {
		if f.value != "" {
			fmt.Fprintf(w, "    %-8s %s\n", f.name, clean(f.value))
		}
	}
	for _, e := range r.Evidence {
		fmt.Fprintf(w, "    | %s\n", p.mark(clean(e), r))
	}
}

// provenBy says what proves the reporter; parse asks no name server, so that it
// knows only what our own hosts wrote into the mail.
func provenBy(a report.Authentication) string {
	if a == report.ByNone || a == "" {
		return "authenticated: none (no result of our own hosts in the mail; parse asks no name server)"
	}
	return "authenticated: " + string(a)
}

// writtenTime is the time as the mail writes it, with the offsets that are
// possible where none is stated.
func writtenTime(r *report.Report) string {
	if r.TimeRaw == "" || r.TimeZoneKnown || len(r.Zones) == 0 {
		return r.TimeRaw
	}
	return r.TimeRaw + ", perhaps " + strings.Join(r.Zones, " or ")
}

// against is the other side, as far as it is named.
func against(r *report.Report) string {
	s := r.Destination
	if r.DstPort != 0 {
		s = strings.TrimSpace(s + fmt.Sprintf(" port %d", r.DstPort))
	}
	if r.Protocol != "" {
		s = strings.TrimSpace(s + " " + r.Protocol)
	}
	return s
}

// accused names the address with its port, or what stands for it.
func accused(r *report.Report) string {
	s := r.Source
	switch {
	case r.IP.IsValid():
		s = r.IP.String()
	case r.Prefix.IsValid():
		s = r.Prefix.String()
	}
	if r.Port != 0 {
		s += fmt.Sprintf(" port %d", r.Port)
	}
	return clean(s)
}

func kindOf(r *report.Report) string {
	if r.Category == "" {
		return "kind unknown"
	}
	return r.Category + "/" + r.Type
}

func when(r *report.Report) string {
	switch {
	case r.Time.IsZero():
		return "time unknown"
	case r.TimeRaw == "":
		return r.Time.Format(time.RFC3339) + " (the mail's own time)"
	case !r.TimeZoneKnown:
		return r.Time.Format("2006-01-02T15:04:05") + " (zone not stated)"
	}
	return r.Time.Format(time.RFC3339)
}

// mark sets the accused off within a line: in colour on a terminal, between
// brackets elsewhere.
func (p *parseCmd) mark(line string, r *report.Report) string {
	s := r.Source
	if r.IP.IsValid() {
		s = r.IP.String()
	}
	if s == "" || !strings.Contains(line, s) {
		return line
	}
	marked := ">>" + s + "<<"
	if p.app.colour() {
		marked = "\x1b[1;31m" + s + "\x1b[0m"
	}
	return strings.ReplaceAll(line, s, marked)
}

// clean keeps control characters of a mail off the terminal.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' || c == '\n' {
			return ' '
		}
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u202e' || c == '\u2066' {
			return '\uFFFD'
		}
		return c
	}, s)
}
