package report

import (
	"fmt"
	"maps"
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
		return s.empty(domain, at, after)
	}
	return s.understood(domain, res, at, after)
}

func (s DriftState) empty(domain string, at time.Time, after int) (DriftState, *Drift) {
	if s.Empty == 0 {
		s.Since = at
	}
	s.Empty++
	if s.Good < minGood || s.Empty < after || s.Raised {
		return s, nil
	}
	s.Raised = true
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
		if earlier >= minGood && s.Filled[name]*10 >= earlier*9 && s.Absent[name] == after {
			gone = append(gone, name)
		}
	}
	was := s.Format
	s.Format = res.Format
	if len(gone) == 0 {
		return s, nil
	}
	slices.Sort(gone)
	return s, &Drift{Domain: domain, Format: was, Since: at, Fields: gone}
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
