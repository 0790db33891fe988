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
	observe(good("x"), 5)
	if d := observe(good(""), 2); d != nil {
		t.Errorf("two mails without time raised %v", d)
	}
	if d := observe(good(""), 1); d == nil || !cmp.Equal(d.Fields, []string{"time", "zone"}) {
		t.Errorf("three mails without time: %v", d)
	}
	if d := observe(&Result{}, 3); d == nil {
		t.Error("no alarm after the reporter was understood again")
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
