package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// A Drift says that a reporter's form has probably changed: mails that used to
// give reports give none, or fields that used to be there are gone.
type Drift struct {
	Domain string // of the reporter
	Format string // that it used to have
	Since  time.Time
	Mails  int      // in a row that were not understood, 0 where only fields are gone
	Fields []string // that used to be filled and are not any more
}

// String says it for a person.
func (d Drift) String() string {
	if len(d.Fields) > 0 {
		return fmt.Sprintf("%s: %s reports no longer state %v", d.Domain, d.Format, d.Fields)
	}
	return fmt.Sprintf("%s: the last %d mails gave no report, before they were %s", d.Domain, d.Mails, d.Format)
}

// A DriftState is what is remembered of one reporter. It is plain data, so that
// the Desk can store it.
type DriftState struct {
	Format string    `json:"format"`
	Good   int       `json:"good"`   // mails that gave reports, ever
	Empty  int       `json:"empty"`  // mails in a row that gave none
	Since  time.Time `json:"since"`  // of the first of them
	Raised bool      `json:"raised"` // the alarm was given
	Lost   int       `json:"lost"`   // mails that gave none, ever
	// RaisedAt is when an alarm was last given; for a while after it there is no other.
	RaisedAt time.Time `json:"raised_at"`
	// Last is when the reporter last wrote.
	Last time.Time `json:"last"`
	// Filled counts, for each field, how often it was filled in the mails that
	// gave reports; Absent how many in a row it was not.
	Filled map[string]int `json:"filled"`
	Absent map[string]int `json:"absent"`
	// Corroborated and Unconfirmed count what other evidence made of the
	// reporter's reports. They are recorded, not used.
	Corroborated int `json:"corroborated"`
	Unconfirmed  int `json:"unconfirmed"`
}

// minGood is how many understood mails make a reporter known.
const minGood = 3

// quarantine is how long after an alarm a reporter raises no other: one that
// goes to and fro between two forms is told once.
const quarantine = 7 * 24 * time.Hour

// chance is how improbable a run must be, by what the reporter used to do, to
// be no accident: of one that also writes letters every other mail is unread.
const chance = 0.01

// improbable tells whether a run of n misses is no accident, where before it
// missed of all missed. One more of each is assumed, since few samples say little.
func improbable(n, missed, all int) bool {
	rate := float64(missed+1) / float64(all+2)
	return math.Pow(rate, float64(n)) < chance
}

// Judged returns the state after our own evidence agreed with some of the
// reporter's reports, and did not show others although it would have.
func (old DriftState) Judged(corroborated, unconfirmed int) DriftState {
	old.Corroborated += corroborated
	old.Unconfirmed += unconfirmed
	return old
}

// quiet tells whether an alarm may not be given at that time.
func (s DriftState) quiet(at time.Time) bool {
	return !s.RaisedAt.IsZero() && at.Sub(s.RaisedAt).Abs() < quarantine
}

// Observe returns the state after one more mail and, where the mail makes it
// plain, the drift. It is pure: old is not changed. after is how many mails
// without a report raise the alarm, once until the reporter is understood again.
func (old DriftState) Observe(domain string, res *Result, at time.Time, after int) (DriftState, *Drift) {
	s := old
	s.Filled, s.Absent = maps.Clone(old.Filled), maps.Clone(old.Absent)
	if s.Filled == nil {
		s.Filled, s.Absent = map[string]int{}, map[string]int{}
	}
	switch {
	case res.Rejected != "":
		return s, nil
	case len(res.Reports) == 0:
		s.Last = at
		return s.empty(domain, at, after)
	}
	s.Last = at
	return s.understood(domain, res, at, after)
}

func (s DriftState) empty(domain string, at time.Time, after int) (DriftState, *Drift) {
	if s.Empty == 0 {
		s.Since = at
	}
	s.Empty++
	s.Lost++
	before := s.Lost - s.Empty
	if s.Good < minGood || s.Empty < after || s.Raised || s.quiet(at) || !improbable(s.Empty, before, s.Good+before) {
		return s, nil
	}
	s.Raised, s.RaisedAt = true, at
	return s, &Drift{Domain: domain, Format: s.Format, Since: s.Since, Mails: s.Empty}
}

// understood also sees a form that fell back from structure to weighing.
func (s DriftState) understood(domain string, res *Result, at time.Time, after int) (DriftState, *Drift) {
	before := s.Good
	s.Good++
	s.Empty, s.Raised = 0, false
	var gone []string
	for name, filled := range filledFields(res) {
		if filled {
			s.Filled[name]++
			s.Absent[name] = 0
			continue
		}
		s.Absent[name]++
		earlier := before - (s.Absent[name] - 1)
		if s.vanished(name, s.Absent[name], earlier, after) && !s.vanished(name, s.Absent[name]-1, earlier, after) {
			gone = append(gone, name)
		}
	}
	was := s.Format
	s.Format = res.Format
	if len(gone) == 0 || s.quiet(at) {
		return s, nil
	}
	s.RaisedAt = at
	slices.Sort(gone)
	return s, &Drift{Domain: domain, Format: was, Since: at, Fields: gone}
}

// vanished tells whether n mails in a row without a field are no accident, after
// earlier ones of which nine of ten had it.
func (s DriftState) vanished(name string, n, earlier, after int) bool {
	missed := earlier - s.Filled[name]
	return n >= after && earlier >= minGood && missed*10 <= earlier && improbable(n, missed, earlier)
}

// filledFields tells which fields any report of the mail states.
func filledFields(res *Result) map[string]bool {
	out := map[string]bool{"address": false, "time": false, "zone": false, "type": false, "structure": false}
	for _, r := range res.Reports {
		out["address"] = out["address"] || r.IP.IsValid()
		out["time"] = out["time"] || r.TimeRaw != ""
		out["zone"] = out["zone"] || r.TimeRaw != "" && r.TimeZoneKnown
		out["type"] = out["type"] || r.Type != ""
		out["structure"] = out["structure"] || r.Step != Fallback
	}
	return out
}
