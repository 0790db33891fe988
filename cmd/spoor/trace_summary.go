package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"spoor/internal/trace"
)

// maxOrigins bounds the addresses that a summary remembers; further ones are
// counted together.
const maxOrigins = 1 << 17

// A traceSummary counts the results of a batch.
type traceSummary struct {
	Messages int                  `json:"messages"`
	Failed   int                  `json:"failed"`
	Status   map[trace.Status]int `json:"status"`
	Origins  []*originCount       `json:"origins"`
	Others   int                  `json:"others"`
	Findings []*findingCount      `json:"findings"`
	origins  map[netip.Addr]*originCount
	findings map[findingKey]*findingCount
}

// An originCount is how often one address was the origin, and when.
type originCount struct {
	IP   netip.Addr `json:"ip"`
	Name string     `json:"name"`
	// Organisation is who answers for the address, where a registry knows; asked
	// for the first namedOrigins only.
	Organisation string `json:"organisation,omitempty"`
	// Roles counts what the address was in its messages: a forwarder or a list
	// is not who wrote them.
	Roles    map[trace.SourceRole]int `json:"roles"`
	Messages int                      `json:"messages"`
	First    string                   `json:"first"`
	Last     string                   `json:"last"`
	first    time.Time
	last     time.Time
}

// A findingCount is in how many messages a finding was met with one strength.
type findingCount struct {
	Code     string         `json:"code"`
	Strength trace.Strength `json:"strength"`
	Messages int            `json:"messages"`
	seen     int
}

// A findingKey tells findings apart.
type findingKey struct {
	code     string
	strength trace.Strength
}

func newTraceSummary() *traceSummary {
	return &traceSummary{Status: map[trace.Status]int{}, origins: map[netip.Addr]*originCount{}, findings: map[findingKey]*findingCount{}}
}

// add counts one result.
func (s *traceSummary) add(r *trace.Result) {
	if r.Error != "" {
		s.Failed++
		return
	}
	s.Messages++
	s.Status[r.Status]++
	if r.Origin != nil {
		s.origin(r)
	}
	for _, f := range r.Findings {
		key := findingKey{f.Code, f.Strength}
		c := s.findings[key]
		if c == nil {
			c = &findingCount{Code: f.Code, Strength: f.Strength}
			s.findings[key] = c
		}
		if c.seen != s.Messages {
			c.seen = s.Messages
			c.Messages++
		}
	}
}

func (s *traceSummary) origin(r *trace.Result) {
	o := r.Origin
	c := s.origins[o.IP]
	if c == nil {
		if len(s.origins) >= maxOrigins {
			s.Others++
			return
		}
		c = &originCount{IP: o.IP, Roles: map[trace.SourceRole]int{}}
		s.origins[o.IP] = c
	}
	c.Messages++
	if len(r.Sources) > 0 {
		c.Roles[r.Sources[0].Role]++
	}
	if c.Name == "" {
		c.Name = cmp.Or(o.RDNS, o.HELO)
	}
	if !o.Time.Known() {
		return
	}
	if c.first.IsZero() || o.Time.Before(c.first) {
		c.first = o.Time.Time
	}
	if o.Time.After(c.last) {
		c.last = o.Time.Time
	}
}

// mostly is the role that the address had most often.
func (c *originCount) mostly() trace.SourceRole {
	var most trace.SourceRole
	for _, role := range slices.Sorted(maps.Keys(c.Roles)) {
		if c.Roles[role] > c.Roles[most] {
			most = role
		}
	}
	return most
}

// finish sorts what was counted, the most first.
func (s *traceSummary) finish() {
	s.Origins = slices.SortedFunc(maps.Values(s.origins), func(a, b *originCount) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), a.IP.Compare(b.IP))
	})
	for _, c := range s.Origins {
		if !c.first.IsZero() {
			c.First, c.Last = c.first.Format(time.RFC3339), c.last.Format(time.RFC3339)
		}
	}
	s.Findings = slices.SortedFunc(maps.Values(s.findings), func(a, b *findingCount) int {
		return cmp.Or(cmp.Compare(strengthRank(a.Strength), strengthRank(b.Strength)), cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Code, b.Code))
	})
}

func strengthRank(s trace.Strength) int {
	return slices.Index([]trace.Strength{trace.Strong, trace.Medium, trace.Weak, trace.Note}, s)
}

// runSummary counts all messages and prints tables.
func (t *traceCmd) runSummary(ctx context.Context, paths []string) error {
	s := newTraceSummary()
	err := t.pipeline(ctx, paths, false, func(j *traceJob) error {
		if j.mail.err != nil {
			t.failed(j.mail.source, j.mail.err)
		}
		s.add(&j.result)
		return nil
	})
	if err != nil {
		return err
	}
	s.finish()
	t.nameOrigins(ctx, s)
	if t.app.json {
		err = t.app.emit(s)
	} else {
		t.printSummary(s)
	}
	return t.outcome(err)
}

// namedOrigins is how many origins a summary shows to a person, and asks the
// registry about.
const namedOrigins = 25

// nameOrigins asks who answers for the origins that sent most.
func (t *traceCmd) nameOrigins(ctx context.Context, s *traceSummary) {
	if t.registry == nil {
		return
	}
	for _, c := range s.Origins[:min(namedOrigins, len(s.Origins))] {
		if a, err := t.registry.ask(ctx, c.IP, c.last); err == nil {
			c.Organisation = a.name
		}
	}
}

// printSummary prints the tables for a person; of the origins the first 25.
func (t *traceCmd) printSummary(s *traceSummary) {
	fmt.Fprintf(t.app.out, "%d messages", s.Messages)
	for _, st := range []trace.Status{trace.StatusTraced, trace.StatusAllTrusted, trace.StatusNoIPRecorded, trace.StatusAmbiguous, trace.StatusNoReceived} {
		if n := s.Status[st]; n > 0 {
			fmt.Fprintf(t.app.out, ", %d %s", n, st)
		}
	}
	if s.Failed > 0 {
		fmt.Fprintf(t.app.out, ", %d unreadable", s.Failed)
	}
	fmt.Fprintln(t.app.out)
	const most = namedOrigins
	if len(s.Origins) > 0 {
		fmt.Fprintln(t.app.out)
		tab := t.app.table("MESSAGES", "ORIGIN", "MOSTLY", "NAME", "FIRST", "LAST")
		for _, c := range s.Origins[:min(most, len(s.Origins))] {
			first, last := "-", "-"
			if !c.first.IsZero() {
				first, last = c.first.Format(time.DateOnly), c.last.Format(time.DateOnly)
			}
			tab.AppendRow([]any{c.Messages, c.IP, c.mostly(), cutTo(safeText(cmp.Or(c.Organisation, c.Name)), 18), first, last})
		}
		tab.Render()
		if rest := len(s.Origins) - most; rest > 0 {
			fmt.Fprintf(t.app.out, "… and %d more origins\n", rest+s.Others)
		}
	}
	if len(s.Findings) > 0 {
		fmt.Fprintln(t.app.out)
		tab := t.app.table("MESSAGES", "STRENGTH", "FINDING")
		for _, c := range s.Findings {
			tab.AppendRow([]any{c.Messages, c.Strength, c.Code})
		}
		tab.Render()
	}
}
