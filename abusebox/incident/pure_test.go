package incident

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDecisionsArePure runs a long random course of complaints, commands and looks at the clock. Every decision is
// computed twice: both must be the same, and what was known must be as it was, since a store may run it again.
func TestDecisionsArePure(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	p := DefaultPolicy()
	p.Rules = []Rule{{Name: "hook", Do: DoHook, Hook: "/x", MinReports: 3}}
	k, now := Known{Counts: map[string]int{}, Contacts: map[string]ContactState{}}, noon
	for step := range 120 {
		now = now.Add(time.Duration(random.IntN(600)) * time.Minute)
		decide := course(random, p, k, now)
		before := snapshot(t, k)
		first, second := snapshot(t, decide()), snapshot(t, decide())
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("step %d: the same decision twice: %s", step, diff)
		}
		if diff := cmp.Diff(before, snapshot(t, k)); diff != "" {
			t.Fatalf("step %d: what was known was changed: %s", step, diff)
		}
		k = known(Decision{Changes: asChanges(k.Incidents)}, decide())
		checkInvariants(t, step, k)
	}
	if len(k.Incidents) < 8 {
		t.Errorf("only %d incidents: the course is too tame", len(k.Incidents))
	}
}

// course picks what happens next.
func course(random *rand.Rand, p Policy, k Known, now time.Time) func() Decision {
	pick := func() Incident { return k.Incidents[random.IntN(len(k.Incidents))] }
	switch what := random.IntN(10); {
	case what < 6 || len(k.Incidents) < 2:
		var cases []Case
		for range 1 + random.IntN(4) {
			cases = append(cases, complaint(now.Add(-time.Duration(random.IntN(2000))*time.Minute), func(c *Case) {
				c.Evidence.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(4))})
				c.Evidence.Reporter.Address = string(rune('a'+random.IntN(26))) + "@r.example"
				c.Evidence.Reporter.Authenticated = []string{"none", "dkim"}[random.IntN(2)]
				c.Holders = []Holder{holder("c1"), holder("c2")}[:1+random.IntN(2)]
			}))
		}
		return func() Decision { return p.Decide(k, cases, now) }
	case what < 8:
		return func() Decision { return p.Review(k.Incidents, nil, k.Contacts, now) }
	case what == 8:
		i, do := pick(), []string{"close", "release", "ignore", "reopen", "comment"}[random.IntN(5)]
		return func() Decision {
			d, _ := p.Apply(Command{Do: do, Who: "ann", Why: "x", Verdict: Confirmed, At: now}, i)
			return d
		}
	}
	a, b := pick(), pick()
	return func() Decision {
		d, _ := p.Merge(Command{Who: "ann", Why: "x", At: now}, a, b)
		return d
	}
}

func asChanges(incidents []Incident) (changes []Change) {
	for _, i := range incidents {
		changes = append(changes, Change{Incident: i})
	}
	return changes
}

func snapshot(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func checkInvariants(t *testing.T, step int, k Known) {
	t.Helper()
	for _, i := range k.Incidents {
		switch {
		case i.Last.Before(i.First):
			t.Fatalf("step %d: %s ends before it begins", step, i.ID)
		case i.State == "":
			t.Fatalf("step %d: %s has no state", step, i.ID)
		case (i.State == Merged) != (i.Into != 0):
			t.Fatalf("step %d: %s is %s and went into %s", step, i.ID, i.State, i.Into)
		case i.State == Notified && i.Next.IsZero():
			t.Fatalf("step %d: nobody will look at %s again", step, i.ID)
		}
		for _, e := range i.Samples {
			if e.Addr.IsValid() && !i.Key.Net.Contains(e.Addr) {
				t.Fatalf("step %d: evidence about %s stands in an incident about %s", step, e.Addr, i.Key.Net)
			}
		}
	}
}
