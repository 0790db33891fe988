package abusebox

import (
	"net/netip"
	"testing"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/report"
)

// A tally counts what it is told of a reporter.
type tally map[string][2]int

func (t tally) Judged(reporter string, corroborated, unconfirmed int) {
	t[reporter] = [2]int{t[reporter][0] + corroborated, t[reporter][1] + unconfirmed}
}

// Only proven reporters are judged, and only where our own sources could see.
func TestReputation(t *testing.T) {
	at := time.Date(2026, 10, 1, 8, 14, 0, 0, time.UTC)
	day := []incident.Span{{From: at.Add(-24 * time.Hour), To: at.Add(24 * time.Hour)}}
	saw := incident.Testimony{Source: incident.FromLog, Covered: day, Seen: []incident.Sighting{{Span: incident.Span{From: at, To: at}, Count: 3, What: "3 mails"}}}
	sawNothing := incident.Testimony{Source: incident.FromLog, Covered: day}
	blind := incident.Testimony{Source: incident.FromLog, Note: "no log of that day"}
	one := func(all ...incident.Testimony) incident.Case {
		return incident.Case{Ours: true, Testimonies: all, Evidence: incident.Evidence{Kind: incident.FromReport, Addr: netip.MustParseAddr("192.0.2.7"), From: at, To: at, ZoneKnown: true, Type: "spam"}}
	}
	for _, tc := range []struct {
		name  string
		auth  report.Authentication
		cases []incident.Case
		want  tally
	}{
		{"one of each", report.ByDKIM, []incident.Case{one(saw), one(sawNothing), one(blind)}, tally{"reporter.example": {1, 1}}},
		{"one source agrees", report.BySPF, []incident.Case{one(sawNothing, saw)}, tally{"reporter.example": {1, 0}}},
		{"nothing could be seen", report.ByDKIM, []incident.Case{one(blind), one()}, tally{}},
		{"not proven", report.ByNone, []incident.Case{one(saw)}, tally{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tally{}
			d := &Desk{d: Deps{Reputation: got}}
			d.judgeReporter(&reading{result: report.Result{Reporter: report.Reporter{Domain: "reporter.example", Authenticated: tc.auth}}, cases: tc.cases})
			if len(got) != len(tc.want) || got["reporter.example"] != tc.want["reporter.example"] {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
