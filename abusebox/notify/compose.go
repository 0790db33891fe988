// Package notify writes the mails of the desk, and delivers them: allegations with their proof, redacted for whom
// they go to, marked so that no loop can start (RFC 3834), and never sent while `send` is off.
package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

// A Notice is one mail about one or more Incidents to one Contact; its Message-ID makes a resend harmless.
type Notice struct {
	Task      uint64    `json:"task"`
	MessageID string    `json:"message_id"`
	From      string    `json:"from"` // of the envelope; "" is the null sender
	To        []string  `json:"to"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	Date      time.Time `json:"date"`
	Raw       []byte    `json:"-"` // the whole mail, CRLF line ends
}

// ErrNobody means that a mail has no address that we could write to; trying again is of no use.
var ErrNobody = errors.New("notify: nobody to write to")

// A Job is a task with all that its mail is made of.
type Job struct {
	Task      incident.Task
	Incidents []incident.Incident
	Now       time.Time
}

// An Activity tells what our flows saw an address do, for the chart of a notice; nil where there are no flows.
type Activity func(ctx context.Context, addr netip.Addr, typ string, from, to time.Time) []Point

// Blocked says which restriction of an address is in force now, in a few words; "" is none.
type Blocked func(addr netip.Addr) string

// A Point is one bar of a chart.
type Point struct {
	At    time.Time
	Count int
}

// Deps are what a Composer needs.
type Deps struct {
	Config    Config
	Site      string // our name
	Desk      string // mailbox of the people; tasks for the desk go there
	Instance  string // our own mark: mail that bears it is ours
	Templates *Templates
	Signer    *Signer
	Activity  Activity // may be nil
	Blocked   Blocked  // may be nil
	DKIM      *DKIM    // may be nil
}

// A Composer turns tasks into mails.
type Composer struct {
	config    Config
	site      string
	desk      string
	instance  string
	templates *Templates
	signer    *Signer
	activity  Activity
	blocked   Blocked
	dkim      *DKIM
	zone      *time.Location
}

// NewComposer returns a Composer.
func NewComposer(d Deps) (*Composer, error) {
	zone, err := time.LoadLocation(d.Config.Zone)
	if err != nil {
		return nil, fmt.Errorf("composer: %w", err)
	}
	if strings.ContainsAny(d.Site+d.Instance+d.Config.Name, "\r\n") {
		return nil, fmt.Errorf("composer: a name has more than one line")
	}
	return &Composer{config: d.Config, site: d.Site, desk: d.Desk, instance: d.Instance, templates: d.Templates, signer: d.Signer,
		activity: d.Activity, blocked: d.Blocked, dkim: d.DKIM, zone: zone}, nil
}

// Compose writes the mail of one task.
func (c *Composer) Compose(ctx context.Context, job Job) (Notice, error) {
	to, envelope, err := c.addresses(job.Task)
	if err != nil {
		return Notice{}, err
	}
	n := Notice{Task: job.Task.ID, MessageID: c.signer.MessageID(job.Task.ID), From: envelope, To: to, Date: job.Now.UTC()}
	desk := c.isForDesk(job.Task)
	lang := cmp.Or(job.Task.Contact.Language, c.config.Language)
	redactor := c.redactorFor(job.Incidents, job.Task.Contact, desk)
	view, charts := c.view(ctx, job, redactor, lang, desk)
	name := string(job.Task.Kind)
	switch {
	case desk:
		name, lang = "desk", c.config.Language
	case isTraced(job):
		name = "traced"
	}
	if n.Subject, n.Text, err = c.templates.render(lang, name, view); err != nil {
		return Notice{}, fmt.Errorf("compose task %d: %w", job.Task.ID, err)
	}
	n.Raw, err = c.write(n, job, content{text: n.Text, charts: charts, redactor: redactor, view: view, desk: desk})
	if err != nil {
		return Notice{}, fmt.Errorf("compose task %d: %w", job.Task.ID, err)
	}
	return n, nil
}

// isTraced reports whether a mail is a report outside about a traced message, which is no case of ours.
func isTraced(job Job) bool {
	return job.Task.Kind == incident.Outward && len(job.Incidents) > 0 && job.Incidents[0].ID == 0
}

// isForDesk reports whether people of ours read the mail: then nothing is hidden.
func (c *Composer) isForDesk(t incident.Task) bool {
	return t.Kind == incident.ToDesk || t.Kind == incident.Escalation && len(t.Contact.Addresses) == 0
}

// addresses says to whom a task's mail goes, and which envelope sender takes its delivery reports.
func (c *Composer) addresses(t incident.Task) (to []string, envelope string, err error) {
	switch {
	case c.isForDesk(t):
		to = []string{c.desk}
	case t.Kind == incident.Acknowledge:
		return []string{t.Reply.Address}, "", plainAddress(t.Reply.Address) // an answer has the null sender (RFC 3834 §3.3)
	default:
		to = t.Contact.Addresses
	}
	if len(to) == 0 || to[0] == "" {
		return nil, "", fmt.Errorf("task %d: %w: set site.desk, or give the contact an address", t.ID, ErrNobody)
	}
	for _, a := range to {
		if err := plainAddress(a); err != nil {
			return nil, "", err
		}
	}
	var first incident.ID
	if len(t.Incidents) > 0 {
		first = t.Incidents[0]
	}
	return to, c.signer.Address(Tag{Bounce: true, Incident: first, Task: t.ID}), nil
}

// plainAddress refuses what could smuggle a second address or header field into a mail.
func plainAddress(a string) error {
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at == len(a)-1 || len(a) > 254 || strings.ContainsAny(a, "\r\n\t <>,;\"\x00") {
		return fmt.Errorf("%w: %q is no plain mail address", ErrNobody, a)
	}
	return nil
}

func (c *Composer) view(ctx context.Context, job Job, r *Redactor, lang string, desk bool) (View, []chart) {
	at := clock{c.zoneOf(job.Task.Contact)}
	v := View{Site: c.site, Kind: job.Task.Kind, Number: job.Task.Number, Contact: oneLine(job.Task.Contact.Name), Policy: c.config.Policy,
		Left: max(len(job.Incidents)-maxCases, 0), Original: ReplyView{Subject: oneLine(job.Task.Reply.Subject)}}
	if desk {
		v.Why = visible(job.Task.Why)
	}
	var charts []chart
	var deadline time.Time
	for _, i := range job.Incidents[:min(len(job.Incidents), maxCases)] {
		if c.blocked != nil && i.Key.Net.IsValid() {
			i.Blocked = cmp.Or(c.blocked(i.Key.Net.Addr()), i.Blocked)
		}
		one := c.viewCase(i, r, at, lang, desk)
		if drawn, ok := c.chart(ctx, i, job.Now); ok && len(charts) < maxCharts {
			one.Chart = drawn.text()
			charts = append(charts, drawn)
		}
		v.Cases = append(v.Cases, one)
		if !i.Deadline.IsZero() && (deadline.IsZero() || i.Deadline.After(deadline)) {
			deadline = i.Deadline
		}
		v.Blocked = cmp.Or(v.Blocked, i.Blocked)
	}
	if deadline.IsZero() {
		deadline = job.Now.Add(24 * time.Hour)
	}
	v.Deadline, v.By = at.long(deadline), at.short(deadline)
	if len(v.Cases) > 0 {
		v.First, v.More = v.Cases[0], len(job.Incidents)-1
		v.Case = v.First.ID
		if v.More > 0 {
			v.Case += fmt.Sprintf(" +%d", v.More)
		}
	}
	return v, charts
}

func (c *Composer) zoneOf(contact incident.Contact) *time.Location {
	if zone, err := time.LoadLocation(contact.Zone); err == nil && contact.Zone != "" {
		return zone
	}
	return c.zone
}

// isSingle reports whether a mail is about one message, so that a feedback report may carry it (RFC 5965 §1).
func isSingle(job Job) bool {
	if len(job.Incidents) != 1 || job.Task.Kind != incident.Notice && job.Task.Kind != incident.Outward {
		return false
	}
	i := job.Incidents[0]
	return i.Category == "messaging" && i.Reports == 1 && i.Events <= 1 && slices.ContainsFunc(i.Samples, hasHeader)
}

func hasHeader(e incident.Evidence) bool { return e.Kind == incident.FromReport && e.Header != "" }

// Again returns a mail that was composed before as it stands, to be sent once more.
func (c *Composer) Again(t incident.Task, raw []byte) (Notice, error) {
	to, envelope, err := c.addresses(t)
	return Notice{Task: t.ID, MessageID: t.MessageID, From: envelope, To: to, Raw: raw}, err
}
