package report

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)

func good(raw string) *Result {
	r := Report{IP: netip.MustParseAddr("203.0.113.7"), TimeRaw: raw, Time: day, TimeZoneKnown: true, Type: "spam", Step: Structure}
	return &Result{Format: "x-arf", Reports: []Report{r}}
}

func TestDrift(t *testing.T) {
	var s DriftState
	var d *Drift
	observe := func(res *Result, n int) *Drift {
		var last *Drift
		for i := range n {
			s, d = s.Observe("reporter.example", res, day.AddDate(0, 0, i), 3)
			if d != nil {
				last = d
			}
		}
		return last
	}
	if d := observe(&Result{}, 5); d != nil {
		t.Errorf("an unknown reporter raised %v", d)
	}
	s = DriftState{}
	observe(good("x"), 5)
	if d := observe(&Result{Rejected: "newsletter"}, 5); d != nil {
		t.Errorf("rejected mails raised %v", d)
	}
	if d := observe(&Result{}, 2); d != nil {
		t.Errorf("two empty mails raised %v", d)
	}
	got := observe(&Result{}, 2)
	want := &Drift{Domain: "reporter.example", Format: "x-arf", Since: day, Mails: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := observe(&Result{}, 5); d != nil {
		t.Errorf("raised twice: %v", d)
	}
	if s := s.Judged(2, 1).Judged(0, 1); s.Corroborated != 2 || s.Unconfirmed != 2 {
		t.Errorf("%d corroborated, %d unconfirmed", s.Corroborated, s.Unconfirmed)
	}
}

// alarms walks a reporter's mails along a clock and returns the days of its alarms.
func alarms(mails string, every time.Duration, after int) (days []int) {
	var s DriftState
	for i, m := range mails {
		res := map[rune]*Result{'y': good("x"), 'n': {}, 't': good("")}[m]
		at := day.Add(time.Duration(i) * every)
		var d *Drift
		if s, d = s.Observe("reporter.example", res, at, after); d != nil {
			days = append(days, i)
		}
	}
	return days
}

// y is a mail that is understood, n one that gives nothing, t one without its time.
func TestDriftAlarms(t *testing.T) {
	const oneDay = 24 * time.Hour
	for _, tc := range []struct {
		name, mails string
		every       time.Duration
		want        []int
	}{
		{"a changed form", "yyyyynnnnn", oneDay, []int{7}},
		{"a young reporter", "yynnnnn", oneDay, nil},
		{"just known", "yyynnn", oneDay, []int{5}},
		{"one who also writes letters", "ynynynynynynnnyn", oneDay, nil},
		{"and who falls silent for good", "ynynynynynynnnnnnnnn", oneDay, []int{16}},
		{"the time is gone", "yyyyyyttt", oneDay, []int{8}},
		{"to and fro within a week", "yyyyynnnyyynnn", time.Hour, []int{7}},
		{"again after the quarantine", "yyyyynnnyyyyyyyyyyyyynnn", oneDay, []int{7, 23}},
		{"the alarm is given once", "yyyyynnnnnnnnnnnnnnnnnnnnnn", oneDay, []int{7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, alarms(tc.mails, tc.every, 3)); d != "" {
				t.Errorf("alarms (-want +got):\n%s", d)
			}
		})
	}
}

func TestObserveIsPure(t *testing.T) {
	a := DriftState{Good: 4, Filled: map[string]int{"time": 4}, Absent: map[string]int{}}
	before := DriftState{Good: 4, Filled: map[string]int{"time": 4}, Absent: map[string]int{}}
	a.Observe("x", good(""), day, 3)
	if d := cmp.Diff(before, a); d != "" {
		t.Errorf("Observe changed its receiver:\n%s", d)
	}
}
