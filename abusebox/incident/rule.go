package incident

import (
	"path"
	"slices"
	"time"
)

// An Action is what a rule asks for.
type Action string

// The actions of rules.
const (
	DoNotify   Action = "notify"
	DoHold     Action = "hold"
	DoEscalate Action = "escalate"
	DoBlock    Action = "block"
	DoHook     Action = "hook"
	DoIgnore   Action = "ignore"
)

// Actions lists every action.
func Actions() []Action { return []Action{DoNotify, DoHold, DoEscalate, DoBlock, DoHook, DoIgnore} }

// A Rule is an automatic decision about incidents that fit it. It cannot lift anything above the confidence floor.
type Rule struct {
	Name       string   `toml:"name"`
	Types      []string `toml:"types"`      // XARF types or categories, "*" patterns allowed; none is all
	Holders    []string `toml:"holders"`    // holder IDs, patterns allowed
	Formats    []string `toml:"formats"`    // complaint formats
	Reporters  []string `toml:"reporters"`  // domains or addresses
	Confidence Level    `toml:"confidence"` // at least
	MinReports int      `toml:"min_reports"`
	Hours      string   `toml:"hours"` // "08:00-18:00" UTC; may run past midnight
	Do         Action   `toml:"do"`
	Hook       string   `toml:"hook"`
}

// Matches reports whether r applies to an incident that e has just joined.
func (r Rule) Matches(i Incident, e Evidence, now time.Time) bool {
	return (matchAny(r.Types, i.Key.Type) || matchAny(r.Types, i.Category)) &&
		matchAny(r.Holders, i.Key.Holder) &&
		matchAny(r.Formats, e.Format) &&
		r.matchesReporter(e.Reporter) &&
		(r.Confidence == "" || i.Confidence.Level.AtLeast(r.Confidence)) &&
		i.Reports >= r.MinReports &&
		withinHours(r.Hours, now)
}

// matchesReporter takes a name that is not proven for a rule that holds only: whoever forges it gains nothing there.
func (r Rule) matchesReporter(who Reporter) bool {
	if len(r.Reporters) == 0 {
		return true
	}
	return (who.Proven() || r.Do == DoHold) && (matchAny(r.Reporters, who.Domain) || matchAny(r.Reporters, who.Address))
}

func matchAny(patterns []string, value string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, value)
		return err == nil && ok
	})
}

// ParseHours reads "08:00-18:00" into minutes of the day.
func ParseHours(s string) (from, to int, ok bool) {
	if len(s) != 11 || s[5] != '-' {
		return 0, 0, false
	}
	a, errA := time.Parse("15:04", s[:5])
	b, errB := time.Parse("15:04", s[6:])
	return a.Hour()*60 + a.Minute(), b.Hour()*60 + b.Minute(), errA == nil && errB == nil
}

func withinHours(hours string, now time.Time) bool {
	if hours == "" {
		return true
	}
	from, to, ok := ParseHours(hours)
	if !ok {
		return false
	}
	at := now.UTC().Hour()*60 + now.UTC().Minute()
	if from <= to {
		return at >= from && at < to
	}
	return at >= from || at < to
}
