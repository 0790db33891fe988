package stats

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/incident"
)

// TestOf follows one incident through its life.
func TestOf(t *testing.T) {
	now := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	report := incident.Evidence{Kind: incident.FromReport, Format: "arf", Reporter: incident.Reporter{Address: "Fbl@Example.org", Domain: "example.org", Authenticated: "dkim"}}
	lastYear, ahead := report, report
	lastYear.Received, ahead.Received = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
	flow := incident.Evidence{Kind: incident.FromFlows, Count: 70}
	one := incident.Incident{
		ID: 7, Key: incident.Key{Net: netip.MustParsePrefix("192.0.2.7/32"), Type: "spam"}, Holder: incident.Holder{ID: "campus"}, State: incident.Notified,
		Reports: 1, Notices: 1, Opened: now, Notified: now.Add(2 * time.Second), Samples: []incident.Evidence{report},
		Lead:       incident.Lead{Listed: true, By: time.Hour, Chance: 0.01},
		Confidence: incident.Confidence{Grounds: []incident.Ground{incident.Authenticated, incident.OwnEvidence}},
	}
	base := Event{At: now, Host: one.Key.Net, Type: "spam", Holder: "campus", Took: -1}
	with := func(kind Kind, fill func(*Event)) Event {
		e := base
		e.Kind = kind
		if fill != nil {
			fill(&e)
		}
		return e
	}
	complained := with(Complaint, func(e *Event) { e.Format, e.Reporter = "arf", "example.org" })
	then := func(change func(*incident.Incident)) incident.Incident {
		i := one
		change(&i)
		return i
	}
	answered := then(func(i *incident.Incident) { i.State, i.Answered = incident.Acknowledged, now.Add(time.Hour) })
	quiet := func(v incident.Verdict) incident.Incident {
		return then(func(i *incident.Incident) {
			i.State, i.Verdict, i.Last, i.Answered = incident.Resolved, v, now.Add(5*time.Hour), now.Add(time.Hour)
		})
	}
	for _, test := range []struct {
		name   string
		before *incident.Incident
		change incident.Change
		want   []Event
	}{
		{"opened and notified at once", nil, incident.Change{Incident: one, Evidence: []incident.Evidence{report, flow}}, []Event{
			complained,
			with(Opened, func(e *Event) { e.Flows, e.Lists = 70, []Listing{{Any, true, time.Hour, 0.01}} }),
			with(Notified, func(e *Event) { e.Took = 2 * time.Second }),
		}},
		{"from a mailbox of last year", nil, incident.Change{Incident: then(func(i *incident.Incident) { i.Notices, i.Lead = 0, incident.Lead{} }), Evidence: []incident.Evidence{lastYear}}, []Event{
			with(Complaint, func(e *Event) { e.Format, e.Reporter, e.At = "arf", "example.org", lastYear.Received }),
			with(Opened, func(e *Event) { e.At = lastYear.Received }),
		}},
		{"with a clock that is ahead", &one, incident.Change{Incident: then(func(i *incident.Incident) { i.Reports = 2 }), Evidence: []incident.Evidence{ahead}}, []Event{complained}},
		{"a second complaint joins", &one, incident.Change{Incident: then(func(i *incident.Incident) { i.Reports = 2 }), Evidence: []incident.Evidence{report}}, []Event{complained}},
		{"a reminder", &one, incident.Change{Incident: then(func(i *incident.Incident) { i.Notices = 2 })}, []Event{with(Notified, nil)}},
		{"answered", &one, incident.Change{Incident: answered}, []Event{with(Acknowledged, func(e *Event) { e.Took = time.Hour - 2*time.Second })}},
		{"quiet", &answered, incident.Change{Incident: quiet(incident.Quiet)}, []Event{with(Quiet, func(e *Event) { e.Took, e.Stopped = 5*time.Hour-2*time.Second, StoppedByAnswer })}},
		{"judged", &answered, incident.Change{Incident: quiet(incident.False)}, []Event{with(Judged, func(e *Event) {
			e.Verdict, e.Noticed, e.Format, e.Reporter, e.Rules = "false", true, "arf", "example.org", []string{"authenticated", "evidence"}
		})}},
		{"found by ourselves", nil, incident.Change{Incident: then(func(i *incident.Incident) { i.Reports, i.Notices, i.Proactive = 0, 0, true })}, []Event{with(Found, nil)}},
		{"again", func() *incident.Incident { i := quiet(incident.Quiet); return &i }(), incident.Change{Incident: then(func(i *incident.Incident) { i.Reopens, i.Answered = 1, now.Add(time.Hour) })},
			[]Event{with(Reopened, nil)}},
		{"nothing to count", &one, incident.Change{Incident: then(func(i *incident.Incident) { i.Assignee = "ann" })}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Of(test.before, test.change, now)
			if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReportersAreNoPeople: tables hold domains; what is only claimed is called so.
func TestReportersAreNoPeople(t *testing.T) {
	for _, test := range []struct {
		reporter incident.Reporter
		want     string
	}{
		{incident.Reporter{Address: "ann@example.org", Domain: "example.org", Authenticated: "spf"}, "example.org"},
		{incident.Reporter{Address: "ann@Example.org", Domain: "example.org", Authenticated: "none"}, "example.org (claimed)"},
		{incident.Reporter{Address: "ann@example.org"}, "example.org (claimed)"},
		{incident.Reporter{}, ""},
	} {
		if got := reporterName(test.reporter); got != test.want {
			t.Errorf("%+v is named %q, want %q", test.reporter, got, test.want)
		}
	}
}

func TestContacts(t *testing.T) {
	now := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	broken, whole := incident.ContactState{Broken: true}, incident.ContactState{}
	if e := OfContact("noc@example.com", whole, broken, now); len(e) != 1 || e[0].Kind != Broken {
		t.Errorf("broken: %+v", e)
	}
	if e := OfContact("noc@example.com", broken, whole, now); len(e) != 1 || e[0].Kind != Mended {
		t.Errorf("mended: %+v", e)
	}
	if e := OfContact("noc@example.com", broken, broken, now); e != nil {
		t.Errorf("unchanged: %+v", e)
	}
}

// TestBreaker: the limit is what the sample proves, not the bare rate.
func TestBreaker(t *testing.T) {
	b := DefaultConfig().Breaker()
	for _, test := range []struct {
		wrong, judged int64
		trips         bool
	}{
		{0, 1000, false}, {1, 1, false}, {4, 4, false}, {1, 5, false}, {2, 5, true}, {5, 5, true},
		{5, 100, false}, {7, 100, false}, {12, 100, true}, {60, 1000, false}, {70, 1000, true},
	} {
		table := NewTable(Period{})
		for n := range test.judged {
			verdict := "confirmed"
			if n < test.wrong {
				verdict = "false"
			}
			table.Add(Event{Kind: Judged, Format: "arf", Verdict: verdict, Noticed: true})
		}
		trips := b.Trips(table.judgements())
		if (len(trips) == 1) != test.trips {
			t.Errorf("%d of %d false: %+v", test.wrong, test.judged, trips)
		}
	}
}

func TestBreakerReadsItsWindow(t *testing.T) {
	now := time.Date(2026, 10, 20, 8, 0, 0, 0, time.UTC)
	s := NewMemory()
	judge := func(at time.Time, reporter, verdict string, noticed bool) {
		if err := s.Record(t.Context(), Event{Kind: Judged, At: at, Reporter: reporter, Rules: []string{"structured"}, Verdict: verdict, Noticed: noticed}); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 {
		judge(now, "wrong*.example", "wrong-holder", true)
		judge(now, "unsent.example", "false", false) // nobody was accused
		judge(now, "unclear.example", "cannot-tell", true)
		judge(now.AddDate(0, -6, 0), "old.example", "false", true)
		for range 200 {
			judge(now, "right.example", "confirmed", true)
		}
	}
	if _, err := s.Count(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	trips, err := DefaultConfig().Breaker().Check(t.Context(), s, 90*24*time.Hour, now)
	if err != nil || len(trips) != 1 || trips[0].Name != "wrong*.example" || trips[0].Why == "" {
		t.Fatalf("trips %+v (%v), want wrong*.example alone", trips, err)
	}
	rule, ok := trips[0].Rule()
	if !ok || rule.Do != incident.DoHold {
		t.Fatalf("rule %+v", rule)
	}
	about := func(domain string) bool {
		return rule.Matches(incident.Incident{}, incident.Evidence{Reporter: incident.Reporter{Domain: domain}}, now)
	}
	if !about("wrong*.example") || about("wrongly.example") {
		t.Error("the rule holds others, or not its own")
	}
	ground := Trip{Judgement: Judgement{Kind: "rule", Name: "structured"}}
	if g, ok := ground.Ground(); !ok || g != incident.Structured {
		t.Errorf("ground %q", g)
	}
	if _, ok := ground.Rule(); ok {
		t.Error("a ground is taken for a rule")
	}
}

func TestConfig(t *testing.T) {
	DefaultConfig().Validate(func(key, problem, write string) { t.Errorf("default: %s: %s; write %s", key, problem, write) })
	var keys []string
	Config{}.Validate(func(key, problem, write string) {
		if problem == "" || write == "" {
			t.Errorf("%s: no advice", key)
		}
		keys = append(keys, key)
	})
	if diff := cmp.Diff([]string{"keep_days", "max_false", "min_judged", "window"}, keys); diff != "" {
		t.Error(diff)
	}
}

// TestForgottenPersons takes a person out of every list of names, and leaves the counts.
func TestForgottenPersons(t *testing.T) {
	day := DayOf(time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC))
	table := NewTable(day)
	for _, e := range []Event{
		{Kind: Complaint, Type: "spam", Reporter: "jane.example (claimed)", Took: -1},
		{Kind: Broken, Contact: "Jane@Customer.example", At: day.Begin(), Took: -1},
		{Kind: Broken, Contact: "noc@customer.example", At: day.Begin(), Took: -1},
		{Kind: Judged, Verdict: "false", Noticed: true, Reporter: "jane.example", Format: "arf", Took: -1},
	} {
		table.Add(e)
	}
	if !table.Erase("jane@customer.example") || !table.Erase("jane.example") || table.Erase("jane@customer.example") || table.Erase("") {
		t.Error("it was not found once")
	}
	data, err := table.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(data)), "jane") || !strings.Contains(string(data), "noc@customer.example") || table.types["spam"].complaints != 1 {
		t.Errorf("what is left: %q", data)
	}
	if e := (Event{Contact: "jane@customer.example", Reporter: "other.example"}).Without("JANE@customer.example"); e.Contact != "" || e.Reporter != "other.example" {
		t.Errorf("the event still says %+v", e)
	}
}

func TestTablesSayWhichListKnew(t *testing.T) {
	since := time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC)
	i := incident.Incident{ID: 1, Key: incident.Key{Net: netip.MustParsePrefix("192.0.2.7/32"), Type: "spam"}, Reports: 1,
		Lead: incident.Lead{Listed: true, List: "syn", Since: since, By: 2 * time.Hour, Chance: 0.01, Lists: []incident.Standing{
			{List: "smtp", Listed: true, Since: since.Add(time.Hour), Share: 0.01}, {List: "syn", Listed: true, Since: since, Share: 0.002}, {List: "icmp", Share: 0.001}}}}
	events := Of(nil, incident.Change{Incident: i}, since.Add(2*time.Hour))
	want := []Listing{{"smtp", true, time.Hour, 0.01}, {"syn", true, 2 * time.Hour, 0.002}, {"icmp", false, 0, 0.001}}
	if diff := cmp.Diff(want, events[0].Lists); diff != "" {
		t.Error(diff)
	}
	table := NewTable(DayOf(since))
	table.Add(Event{Kind: Census, Profile: "syn", Band: 2, Hosts: 3})
	if !table.Counts("syn") || table.Counts("smtp") {
		t.Error("which profiles were counted is not told")
	}
}
