package stats

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

// A Judgement is how often notices that one rule, reporter or format let go were judged, and how often they were wrong.
type Judgement struct {
	Kind   string  `json:"kind"` // "rule", "reporter" or "format"
	Name   string  `json:"name"`
	Judged int64   `json:"judged"`
	False  int64   `json:"false"`    // false, or to the wrong holder
	Rate   float64 `json:"rate"`     // false ÷ judged
	Least  float64 `json:"at_least"` // the rate is at least this, with 95 % confidence
}

// A Breaker puts back to hold what accuses wrongly: a rule, reporter or format whose false notices are, with 95 %
// confidence, more than MaxFalse of all. Few judgements prove little: with a limit of 5 %, two false ones of five
// trip it, and one of five does not.
type Breaker struct {
	MaxFalse  float64 // part of all
	MinJudged int64
}

// A Trip says what is to be held, and why.
type Trip struct {
	Judgement
	Why string `json:"why"`
}

// Trips lists what is to be held, the worst first.
func (b Breaker) Trips(judgements []Judgement) []Trip {
	var trips []Trip
	for _, j := range judgements {
		if j.Judged >= b.MinJudged && j.Least > b.MaxFalse {
			why := fmt.Sprintf("%d of %d judged notices were false: with 95 %% confidence more than %.0f %%, and %.0f %% is the limit",
				j.False, j.Judged, math.Floor(j.Least*100), b.MaxFalse*100)
			trips = append(trips, Trip{j, why})
		}
	}
	slices.SortFunc(trips, func(a, b Trip) int {
		return cmp.Or(cmp.Compare(b.Least, a.Least), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return trips
}

// Check reads the judgements of the window before now and says what is to be held.
func (b Breaker) Check(ctx context.Context, store Store, window time.Duration, now time.Time) ([]Trip, error) {
	tables, err := store.Tables(ctx, Cover(DayOf(now.Add(-window)), DayOf(now))...)
	if err != nil {
		return nil, err
	}
	total := NewTable(Period{})
	for _, t := range tables {
		total.Merge(t)
	}
	return b.Trips(total.judgements()), nil
}

// Rule is the rule of the desk that holds what tripped; a ground is no rule and is to be taken from the floor instead.
func (t Trip) Rule() (incident.Rule, bool) {
	r := incident.Rule{Name: "breaker: " + t.Kind + " " + t.Name, Do: incident.DoHold}
	switch t.Kind {
	case "reporter":
		domain, _, _ := strings.Cut(t.Name, " ")
		r.Reporters = []string{literal(domain), "*@" + literal(domain)}
	case "format":
		r.Formats = []string{literal(t.Name)}
	default:
		return incident.Rule{}, false
	}
	return r, true
}

// Ground is the ground that is to be taken from the confidence floor.
func (t Trip) Ground() (incident.Ground, bool) {
	g := incident.Ground(t.Name)
	return g, t.Kind == "rule" && slices.Contains(incident.Grounds(), g)
}

// literal keeps a name from being read as a pattern.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

func (t *Table) judgements() []Judgement {
	list := []Judgement{}
	for key, j := range t.judged {
		list = append(list, Judgement{key.kind, key.name, j.all, j.wrong, ratio(j.wrong, j.all), atLeast(j.wrong, j.all)})
	}
	slices.SortFunc(list, func(a, b Judgement) int {
		return cmp.Or(cmp.Compare(b.Least, a.Least), cmp.Compare(b.Judged, a.Judged), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return list
}

// atLeast is Wilson's lower bound of a rate, one-sided, at 95 %.
func atLeast(hits, n int64) float64 {
	if n == 0 {
		return 0
	}
	const z = 1.645
	p, m := float64(hits)/float64(n), float64(n)
	bound := (p + z*z/(2*m) - z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))) / (1 + z*z/m)
	return max(bound, 0)
}
