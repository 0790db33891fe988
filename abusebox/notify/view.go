package notify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

// A View is all that a template can see. What is in it is redacted already, so that no template can say too much.
type View struct {
	Site     string // our name
	Case     string // "S-1042", or "S-1042 and 4 more"
	Kind     incident.TaskKind
	Number   int // which notice about the first case this is
	Contact  string
	Deadline string // UTC and the contact's zone
	By       string // the same, short, for the subject
	Reply    string // where answers go
	Policy   string // link, may be empty
	Why      string // why the desk gets this mail; never sent to a contact
	Blocked  string
	Cases    []Case
	First    Case // Cases[0]
	More     int  // cases after the first
	Left     int  // cases that did not fit into this mail
	Original ReplyView
}

// A ReplyView is the mail that an acknowledgement answers.
type ReplyView struct{ Subject, Date string }

// A Case is one incident as a notice shows it.
type Case struct {
	ID         string
	Addr       string
	Subject    string // account, site or file; redacted unless the contact's own
	Category   string
	Type       string
	What       string // the type in words of the language
	First      string
	Last       string
	Reports    int
	Events     int
	Reporters  int
	Samples    []Sample
	Left       int      // reports that are not shown
	Own        []string // what our own records say
	Chain      []string // why this contact
	Holder     string
	State      string
	Why        []string // for the desk only
	Confidence string   // for the desk only
	Chart      string
	Advice     string
	Blocked    string
	Claimed    bool // only lines that nobody of ours vouches for name the address
}

// A Sample is one piece of evidence as a notice shows it.
type Sample struct {
	Time  string
	Note  string // "the reporter named no time zone"
	Lines []string
	Seal  string // of the evidence before anything of it was hidden; only we can make or check it
}

// Bounds on what one mail shows; the rest is counted.
const (
	maxCases       = 50
	maxShown       = 3 // samples of each case
	maxSampleLines = 8
)

// clock writes times in UTC and in the contact's zone.
type clock struct{ zone *time.Location }

func (c clock) long(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	utc := t.UTC().Format("2006-01-02 15:04:05 UTC")
	if c.zone == nil || c.zone == time.UTC {
		return utc
	}
	return utc + " (" + t.In(c.zone).Format("15:04:05 -0700") + dayChange(t, c.zone) + " " + c.zone.String() + ")"
}

func dayChange(t time.Time, zone *time.Location) string {
	if t.UTC().YearDay() == t.In(zone).YearDay() {
		return ""
	}
	return t.In(zone).Format(" on 2 Jan")
}

func (c clock) short(t time.Time) string { return t.UTC().Format("2 Jan 15:04 UTC") }

// viewCase shows one incident. For the desk nothing is redacted and the doubts are told.
func (c *Composer) viewCase(i incident.Incident, r *Redactor, at clock, lang string, desk bool) Case {
	v := Case{
		ID: i.ID.String(), Addr: addrText(i), Category: i.Category, Type: i.Key.Type, What: c.templates.what(lang, i.Category, i.Key.Type),
		First: at.long(i.First), Last: at.long(i.Last), Reports: i.Reports, Events: i.Events, Reporters: len(i.Reporters),
		Chain: i.Holder.Chain, Holder: cmp.Or(i.Holder.Name, i.Holder.ID), State: string(i.State), Chart: "",
		Advice: c.templates.advice(lang, i.Key.Type), Blocked: i.Blocked, Subject: r.Line(subjectText(i)),
	}
	if desk {
		v.Subject, v.Why, v.Confidence = visible(subjectText(i)), i.Why, confidenceText(i.Confidence)
	}
	for _, e := range i.Samples {
		if e.Kind == incident.FromReply && !desk { // what a contact wrote to us is no record of ours, and for nobody else
			continue
		}
		if e.Kind != incident.FromReport {
			v.Own = append(v.Own, r.Line(e.Why))
			for _, line := range e.Lines {
				v.Own = append(v.Own, r.Line(line))
			}
			continue
		}
		if len(v.Samples) < maxShown {
			one := sample(e, r, at, c.config.Redact && !desk)
			one.Seal = c.signer.Seal(e.Hash)
			v.Samples = append(v.Samples, one)
		}
	}
	for _, p := range i.Confidence.Parts {
		if p.Side == incident.For && isOwn(p.Name) {
			v.Own = append(v.Own, r.Line(p.Why))
		}
	}
	slices.Sort(v.Own)
	v.Own = slices.Compact(v.Own)
	v.Left = max(i.Reports-len(v.Samples), 0)
	v.Claimed = len(i.Samples) > 0 && !slices.ContainsFunc(i.Samples, func(e incident.Evidence) bool { return !e.Claimed })
	return v
}

func isOwn(part string) bool {
	return part == string(incident.FromFlows) || part == string(incident.FromLog) || part == string(incident.FromTrace) || part == string(incident.FromAnomaly) ||
		part == string(incident.FromBlock)
}

func addrText(i incident.Incident) string {
	switch {
	case !i.Key.Net.IsValid():
		return "-"
	case i.Key.Net.IsSingleIP():
		return i.Key.Net.Addr().String()
	}
	return i.Key.Net.String()
}

func subjectText(i incident.Incident) string {
	_, value, ok := strings.Cut(i.Key.Subject, ":")
	if !ok {
		value = i.Key.Subject
	}
	return value
}

func confidenceText(c incident.Confidence) string {
	parts := make([]string, 0, len(c.Parts))
	for _, p := range c.Parts {
		parts = append(parts, fmt.Sprintf("%s %s (%+d): %s", p.Name, p.Side, p.Points, p.Why))
	}
	return fmt.Sprintf("%s, %d of 100: %s", c.Level, c.Score, strings.Join(parts, "; "))
}

func sample(e incident.Evidence, r *Redactor, at clock, redact bool) Sample {
	s := Sample{Time: at.long(e.When())}
	var notes []string
	switch {
	case e.Undated:
		notes = append(notes, "the report names no time; this is when it was written")
	case !e.ZoneKnown && !e.From.IsZero():
		notes = append(notes, "the reporter named no time zone")
	}
	if e.Claimed {
		notes = append(notes, "claimed: only a line that nobody vouches for names this address")
	}
	s.Note = strings.Join(notes, "; ")
	lines := e.Lines
	if e.Header != "" && (redact || len(lines) == 0) {
		lines = strings.Split(strings.TrimRight(r.Header(e.Header), "\r\n"), "\r\n")
	}
	for _, line := range lines {
		if len(s.Lines) == maxSampleLines {
			break
		}
		if line = strings.TrimSpace(r.Line(line)); line != "" {
			s.Lines = append(s.Lines, line)
		}
	}
	return s
}

// redactorFor hides, from the receiver of a mail about these incidents, everybody but itself.
func (c *Composer) redactorFor(incidents []incident.Incident, to incident.Contact, desk bool) *Redactor {
	if desk || !c.config.Redact {
		return &Redactor{open: true}
	}
	var secrets, keep, others []string
	var nets []netip.Prefix
	for _, a := range to.Addresses {
		keep = append(keep, a[strings.LastIndex(a, "@")+1:])
	}
	for _, i := range incidents {
		nets = append(nets, i.Key.Net)
		if p, err := netip.ParsePrefix(i.Holder.Prefix); err == nil {
			nets = append(nets, p)
		}
		for _, rc := range i.Reporters {
			secrets = append(secrets, rc.Reporter.Address, "x@"+rc.Reporter.Domain)
		}
		for _, e := range i.Samples {
			people, third := partition(e.Redact)
			others = append(others, third...)
			secrets = append(append(append(secrets, people...), SecretsOf(e.Header)...), e.Reporter.Address, "x@"+e.Reporter.Domain)
		}
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return s == "x@" })
	return NewRedactor(secrets, keep, func(ip netip.Addr) bool {
		return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.IsValid() && p.Contains(ip) })
	}, others...)
}

// partition tells, in what a report marks, the complainant's and receivers' addresses from third parties': the domain
// of the former is marked too.
func partition(marked []string) (people, others []string) {
	for _, s := range marked {
		switch at := strings.LastIndexByte(s, '@'); {
		case at < 0 && strings.Contains(s, "."):
			people = append(people, "x@"+s)
		case at < 0 || slices.Contains(marked, s[at+1:]):
			people = append(people, s)
		default:
			others = append(others, s)
		}
	}
	return people, others
}
