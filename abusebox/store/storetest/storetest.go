// Package storetest is the conformance suite of the Desk's store: every engine passes it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// An Engine opens stores for tests.
type Engine struct {
	// Open opens the store that lives at place, new at the first call.
	Open func(t *testing.T, place string) abusebox.Store
}

var (
	noon   = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	policy = incident.DefaultPolicy()
)

// Run runs the whole suite.
func Run(t *testing.T, e Engine) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s abusebox.Store)
	}{
		{"a mail is decided once", decidedOnce}, {"a failed decision changes nothing", failedDecision}, {"repeats", repeats},
		{"many at once make one incident", manyAtOnce}, {"incidents are found by key", byKey}, {"merged incidents lead on", mergedLeadOn},
		{"counters and contacts are known", countersKnown}, {"change", change}, {"due", due}, {"leases", leases}, {"caps", caps},
		{"the desk's mails are shared", sharedForDesk}, {"settle", settle}, {"listing", listing}, {"history", history}, {"attempts", attempts}, {"a panic changes nothing", panics},
		{"purge by age", purgeByAge}, {"purge one person", purgePerson}, {"purge one holder", purgeHolder}, {"cancelled context", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := e.Open(t, t.TempDir())
			t.Cleanup(func() {
				check(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			test.run(t, s)
		})
	}
	t.Run("everything is there after opening again", func(t *testing.T) { reopened(t, e) })
}

func check(t *testing.T, s abusebox.Store) {
	t.Helper()
	err := s.Check(context.Background(), func(where, problem, mend string) { t.Errorf("check: %s: %s (%s)", where, problem, mend) })
	if err != nil {
		t.Error(err)
	}
}

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

// complaint is an authenticated report about the n-th address.
func complaint(n int, at time.Time) incident.Case {
	return incident.Case{Ours: true,
		Holders: []incident.Holder{{ID: "c1", Certain: true, Contact: incident.Contact{Addresses: []string{"noc@c1.example"}}}},
		Evidence: incident.Evidence{Kind: incident.FromReport, Addr: addr(n), From: at, Received: at, ZoneKnown: true, Category: "messaging",
			Type: "spam", Step: "structure", Level: incident.High, Lines: []string{"Source-IP: " + addr(n).String()},
			Reporter: incident.Reporter{Address: "fbl@reporter.example", Domain: "reporter.example", Authenticated: "dkim"}}}
}

// file decides one mail with one complaint.
func file(t *testing.T, s abusebox.Store, mail intake.ID, c incident.Case, at time.Time) incident.Decision {
	t.Helper()
	d, err := s.Decide(context.Background(), ask(mail, c, at), func(k incident.Known) (incident.Decision, error) {
		return policy.Decide(k, []incident.Case{c}, at), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ask(mail intake.ID, c incident.Case, at time.Time) abusebox.Ask {
	return abusebox.Ask{Mail: mail, Keys: []incident.Key{incident.KeyOf(c, policy.V6Bits)}, Contacts: []string{"noc@c1.example"},
		Counters: []string{incident.Counter(c.Evidence.Reporter, at)}, Fingerprint: fmt.Sprint("mail ", mail),
		Record: abusebox.MailRecord{Decided: at, Arrived: at, Reporter: c.Evidence.Reporter, Subject: "a complaint", Reports: 1}}
}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) (all []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func decidedOnce(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	d := file(t, s, 7, complaint(1, noon), noon)
	if d.Changes[0].Incident.ID == 0 || d.Tasks[0].ID == 0 || !slices.Equal(d.Tasks[0].Incidents, []incident.ID{d.Changes[0].Incident.ID}) {
		t.Errorf("the decision came back without its IDs: %+v", d.Tasks)
	}
	called := false
	_, err := s.Decide(ctx, ask(7, complaint(1, noon), noon), func(incident.Known) (incident.Decision, error) {
		called = true
		return incident.Decision{}, nil
	})
	if !errors.Is(err, abusebox.ErrMailDone) || called {
		t.Errorf("decided twice: error %v, called %v", err, called)
	}
	mails := collect(t, s.Mails(ctx, 0))
	if len(mails) != 1 || mails[0].Outcome != incident.Filed || mails[0].Mail != 7 || len(mails[0].Incidents) != 1 {
		t.Errorf("mails %+v", mails)
	}
}

func failedDecision(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	broken := errors.New("broken")
	_, err := s.Decide(ctx, ask(7, complaint(1, noon), noon), func(incident.Known) (incident.Decision, error) { return incident.Decision{}, broken })
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	if mails := collect(t, s.Mails(ctx, 0)); len(mails) != 0 {
		t.Errorf("a failed decision left %+v", mails)
	}
	file(t, s, 7, complaint(1, noon), noon)
}

func repeats(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	decide := func(mail intake.ID, at time.Time) incident.Decision {
		a := ask(mail, complaint(1, noon), at)
		a.Fingerprint = "same"
		d, err := s.Decide(ctx, a, func(k incident.Known) (incident.Decision, error) {
			return policy.Decide(k, []incident.Case{complaint(1, noon)}, at), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := decide(1, noon); d.Outcome != incident.Filed {
		t.Errorf("the first is %s", d.Outcome)
	}
	if d := decide(2, noon.Add(abusebox.RepeatWindow-time.Minute)); d.Outcome != incident.Repeated || len(d.Changes) != 0 {
		t.Errorf("the second is %s with %d changes", d.Outcome, len(d.Changes))
	}
	if d := decide(3, noon.Add(abusebox.RepeatWindow+time.Minute)); d.Outcome != incident.Filed {
		t.Errorf("after seven days it is %s", d.Outcome)
	}
	mails := collect(t, s.Mails(ctx, 0))
	if len(mails) != 3 || mails[0].Repeats != 1 {
		t.Errorf("mails %+v", mails)
	}
}

func manyAtOnce(t *testing.T, s abusebox.Store) {
	const n = 200
	var group sync.WaitGroup
	errs := make(chan error, n)
	for mail := range n {
		group.Go(func() {
			c := complaint(1, noon.Add(time.Duration(mail)*time.Second))
			_, err := s.Decide(context.Background(), ask(intake.ID(mail+1), c, noon), func(k incident.Known) (incident.Decision, error) {
				return policy.Decide(k, []incident.Case{c}, noon), nil
			})
			errs <- err
		})
	}
	group.Wait()
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	all := collect(t, s.Incidents(context.Background(), abusebox.Filter{}))
	tasks := collect(t, s.Tasks(context.Background(), 0))
	if len(all) != 1 || all[0].Reports != n || len(tasks) != 1 {
		t.Errorf("%d incidents, %d tasks; the first has %d reports", len(all), len(tasks), all[0].Reports)
	}
	if got := len(collect(t, s.Evidence(context.Background(), all[0].ID))); got != n {
		t.Errorf("%d pieces of evidence", got)
	}
}

func byKey(t *testing.T, s abusebox.Store) {
	first := file(t, s, 1, complaint(1, noon), noon).Changes[0].Incident.ID
	if got := file(t, s, 2, complaint(2, noon), noon).Changes[0].Incident.ID; got == first {
		t.Error("evidence crossed an address")
	}
	if got := file(t, s, 3, complaint(1, noon.Add(time.Hour)), noon).Changes[0].Incident.ID; got != first {
		t.Errorf("the same key came to %s", got)
	}
	late := file(t, s, 4, complaint(1, noon.Add(72*time.Hour)), noon.Add(72*time.Hour)).Changes[0].Incident
	if late.ID == first || late.Previous != first {
		t.Errorf("after the window: %s after %s", late.ID, late.Previous)
	}
	if got := file(t, s, 5, complaint(1, noon.Add(2*time.Hour)), noon.Add(73*time.Hour)).Changes[0].Incident.ID; got != first {
		t.Errorf("a late report of the earlier window came to %s", got)
	}
}

func mergedLeadOn(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	bulk := complaint(1, noon)
	bulk.Evidence.Type = "bulk-messaging"
	a := file(t, s, 1, complaint(1, noon), noon).Changes[0].Incident.ID
	b := file(t, s, 2, bulk, noon).Changes[0].Incident.ID
	_, err := s.Change(ctx, []incident.ID{a, b}, func(all []incident.Incident, _ incident.Known) (incident.Decision, error) {
		return policy.Merge(incident.Command{Who: "ann", Why: "same", At: noon}, all[0], all[1])
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(collect(t, s.Evidence(ctx, a))); got != 2 {
		t.Errorf("%d pieces of evidence went along", got)
	}
	bulk.Evidence.From = noon.Add(time.Minute)
	if got := file(t, s, 3, bulk, noon).Changes[0].Incident.ID; got != a {
		t.Errorf("a later report came to %s, not to %s", got, a)
	}
}

func countersKnown(t *testing.T, s abusebox.Store) {
	c := complaint(1, noon)
	file(t, s, 1, c, noon)
	state := map[string]incident.ContactState{"noc@c1.example": {Broken: true, Why: "550"}}
	_, err := s.Decide(context.Background(), ask(2, c, noon), func(k incident.Known) (incident.Decision, error) {
		if k.Counts[incident.Counter(c.Evidence.Reporter, noon)] != 1 {
			t.Errorf("counts %v", k.Counts)
		}
		return incident.Decision{Outcome: incident.Bounced, Contacts: state}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Contact(context.Background(), "noc@c1.example")
	if err != nil || !got.Broken {
		t.Errorf("contact %+v, %v", got, err)
	}
	if d := file(t, s, 3, complaint(2, noon), noon); d.Changes[0].Incident.State != incident.Held {
		t.Errorf("a broken contact was written to: %s", d.Changes[0].Incident.State)
	}
}

func change(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	nothing := func([]incident.Incident, incident.Known) (incident.Decision, error) { return incident.Decision{}, nil }
	if _, err := s.Change(ctx, []incident.ID{99}, nothing); !errors.Is(err, abusebox.ErrNotFound) {
		t.Errorf("an incident that is not there: %v", err)
	}
	if _, err := s.Incident(ctx, 99); !errors.Is(err, abusebox.ErrNotFound) {
		t.Errorf("an incident that is not there: %v", err)
	}
	id := file(t, s, 1, complaint(1, noon), noon).Changes[0].Incident.ID
	_, err := s.Change(ctx, []incident.ID{id}, func(all []incident.Incident, _ incident.Known) (incident.Decision, error) {
		return policy.Apply(incident.Command{Do: "close", Who: "ann", Verdict: incident.Confirmed, At: noon}, all[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	if i, err := s.Incident(ctx, id); err != nil || i.State != incident.Resolved {
		t.Errorf("%s, %v", i.State, err)
	}
}

func due(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	file(t, s, 1, complaint(1, noon), noon)
	file(t, s, 2, complaint(2, noon), noon.Add(time.Hour))
	for at, want := range map[time.Duration]int{23 * time.Hour: 0, 24 * time.Hour: 1, 25 * time.Hour: 2} {
		ids, err := s.Due(ctx, noon.Add(at), 10)
		if err != nil || len(ids) != want {
			t.Errorf("after %s: %v, %v; want %d", at, ids, err, want)
		}
	}
	if ids, _ := s.Due(ctx, noon.AddDate(1, 0, 0), 1); len(ids) != 1 {
		t.Errorf("the limit is not kept: %v", ids)
	}
}

func lease(t *testing.T, s abusebox.Store, at time.Time, caps ...int) []incident.Task {
	t.Helper()
	want := abusebox.LeaseRequest{Now: at, Until: at.Add(time.Minute), Limit: 100}
	if len(caps) == 2 {
		want.PerContact, want.PerHour = caps[0], caps[1]
	}
	tasks, err := s.Lease(context.Background(), want)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

func leases(t *testing.T, s abusebox.Store) {
	for n := range 20 {
		file(t, s, intake.ID(n+1), complaint(n, noon), noon)
	}
	var mu sync.Mutex
	times := map[uint64]int{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				tasks, err := s.Lease(context.Background(), abusebox.LeaseRequest{Now: noon, Until: noon.Add(time.Minute), Limit: 3})
				mu.Lock()
				if err != nil {
					t.Error(err)
				}
				for _, task := range tasks {
					times[task.ID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(times) != 20 {
		t.Errorf("%d of 20 tasks were leased", len(times))
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("task %d was leased %d times", id, n)
		}
	}
	again := lease(t, s, noon.Add(2*time.Minute))
	if len(again) != 20 || again[0].Attempts != 2 {
		t.Errorf("after the leases ended %d tasks are due again", len(again))
	}
}

func caps(t *testing.T, s abusebox.Store) {
	for n := range 10 {
		file(t, s, intake.ID(n+1), complaint(n, noon), noon)
	}
	if got := len(lease(t, s, noon, 3, 100)); got != 3 {
		t.Fatalf("%d mails to one contact, the cap is 3", got)
	}
	if got := len(lease(t, s, noon.Add(30*time.Second), 3, 100)); got != 0 {
		t.Errorf("%d more in the same hour", got)
	}
	next := lease(t, s, noon.Add(time.Hour), 3, 100)
	var firsts []incident.Task
	for _, task := range next {
		if task.Attempts == 1 {
			firsts = append(firsts, task)
		}
	}
	if len(firsts) != 1 || len(firsts[0].Incidents) != 7 {
		t.Fatalf("what waited does not share one mail: %+v", firsts)
	}
	for n := range 10 {
		c := complaint(100+n, noon)
		c.Holders[0].Contact.Addresses = []string{fmt.Sprintf("noc@c%d.example", n)}
		file(t, s, intake.ID(n+100), c, noon.Add(2*time.Hour))
	}
	fresh := 0
	for _, task := range lease(t, s, noon.Add(2*time.Hour), 100, 4) {
		if task.Attempts == 1 {
			fresh++
		}
	}
	if fresh != 4 {
		t.Errorf("%d mails in all, the cap is 4", fresh)
	}
}

func sharedForDesk(t *testing.T, s abusebox.Store) {
	for n := range 30 {
		c := complaint(n, noon)
		c.Holders = nil
		file(t, s, intake.ID(n+1), c, noon)
	}
	tasks := lease(t, s, noon)
	if len(tasks) != 1 || len(tasks[0].Incidents) != 30 {
		t.Errorf("%d mails to the desk", len(tasks))
	}
}

func settle(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	file(t, s, 1, complaint(1, noon), noon)
	task := lease(t, s, noon)[0]
	if _, err := s.Mail(ctx, task.ID); !errors.Is(err, abusebox.ErrNotFound) {
		t.Errorf("a mail that was not composed: %v", err)
	}
	if err := s.Composed(ctx, task.ID, "<1@example.net>", []byte("mail")); err != nil {
		t.Fatal(err)
	}
	later := noon.Add(10 * time.Minute)
	if err := s.Settle(ctx, task.ID, abusebox.Result{State: incident.Queued, Due: later, Last: "451"}); err != nil {
		t.Fatal(err)
	}
	if n, next, err := s.Backlog(ctx); err != nil || n != 1 || !next.Equal(later) {
		t.Errorf("backlog %d at %s, %v", n, next, err)
	}
	if got := lease(t, s, later.Add(-time.Second)); len(got) != 0 {
		t.Errorf("leased before it is due: %+v", got)
	}
	again := lease(t, s, later)
	if len(again) != 1 || again[0].MessageID != "<1@example.net>" || again[0].Last != "451" {
		t.Fatalf("%+v", again)
	}
	if mail, err := s.Mail(ctx, task.ID); err != nil || string(mail) != "mail" {
		t.Errorf("mail %q, %v", mail, err)
	}
	if err := s.Settle(ctx, task.ID, abusebox.Result{State: incident.Failed, At: later, Last: "550", Broken: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(ctx, task.ID, abusebox.Result{State: incident.Queued, Due: later}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Task(ctx, task.ID); err != nil || got.State != incident.Failed {
		t.Errorf("settled twice: %+v, %v", got, err)
	}
	if state, err := s.Contact(ctx, "noc@c1.example"); err != nil || !state.Broken {
		t.Errorf("contact %+v, %v", state, err)
	}
	if n, _, _ := s.Backlog(ctx); n != 0 {
		t.Errorf("backlog %d", n)
	}
}

func listing(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	for n := range 600 {
		file(t, s, intake.ID(n+1), complaint(n%200, noon.Add(time.Duration(n/200)*72*time.Hour)), noon.Add(time.Duration(n/200)*72*time.Hour))
	}
	for _, tc := range []struct {
		name string
		f    abusebox.Filter
		want int
	}{
		{"all", abusebox.Filter{}, 600},
		{"one address", abusebox.Filter{Net: netip.PrefixFrom(addr(5), 32)}, 3},
		{"a prefix", abusebox.Filter{Net: netip.MustParsePrefix("192.0.2.0/29")}, 24},
		{"limit", abusebox.Filter{Limit: 7}, 7},
		{"since", abusebox.Filter{Since: noon.Add(100 * time.Hour)}, 200},
		{"until", abusebox.Filter{Until: noon.Add(time.Hour)}, 200},
		{"state", abusebox.Filter{States: []incident.State{incident.Held}}, 0},
		{"holder", abusebox.Filter{Holder: "c1"}, 600},
		{"type", abusebox.Filter{Type: "port-scan"}, 0},
		{"before", abusebox.Filter{Before: 11}, 10},
	} {
		got := collect(t, s.Incidents(ctx, tc.f))
		if len(got) != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, len(got), tc.want)
		}
		if !slices.IsSortedFunc(got, func(a, b incident.Incident) int { return int(b.ID) - int(a.ID) }) {
			t.Errorf("%s: not newest first", tc.name)
		}
	}
}

func history(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	a := file(t, s, 1, complaint(1, noon), noon).Changes[0].Incident.ID
	file(t, s, 2, complaint(2, noon), noon)
	_, err := s.Change(ctx, []incident.ID{a}, func(all []incident.Incident, _ incident.Known) (incident.Decision, error) {
		return policy.Apply(incident.Command{Do: "comment", Who: "ann", Why: "called them", At: noon}, all[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, sealed := range collect(t, s.History(ctx, a)) {
		e, _ := sealed.Entry()
		got = append(got, e.Who+" "+e.Action)
	}
	if diff := cmp.Diff([]string{"spoor open", "spoor notify", "ann comment"}, got); diff != "" {
		t.Error(diff)
	}
	var prev *incident.Sealed
	all := collect(t, s.History(ctx, 0))
	for n := range all {
		if err := all[n].Follows(prev); err != nil {
			t.Error(err)
		}
		prev = &all[n]
	}
	if len(all) != 5 {
		t.Errorf("%d entries", len(all))
	}
}

func attempts(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	first, err := s.Begin(ctx, []intake.ID{5, 6}, 0)
	if err != nil || first[0].Number != 1 || first[0].Before || first[1].Mail != 6 {
		t.Errorf("begun %+v, %v", first, err)
	}
	second, err := s.Begin(ctx, []intake.ID{5, 7}, 0)
	if err != nil || second[0].Number != 1 || !second[0].Before || second[1].Before {
		t.Errorf("begun again %+v, %v", second, err)
	}
	for n := 2; n <= 4; n++ {
		for range 2 { // the second time as after a commit of unknown outcome
			if a, err := s.Again(ctx, 5, n-1); err != nil || a.Number != n || a.Done {
				t.Errorf("attempt %d: %+v, %v", n, a, err)
			}
		}
	}
	file(t, s, 5, complaint(1, noon), noon)
	got, err := s.Begin(ctx, []intake.ID{5, 6}, 6)
	if err != nil || !got[0].Done || got[0].Number != 4 || got[1].Number != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if a, err := s.Again(ctx, 5, 4); err != nil || !a.Done || a.Number != 4 {
		t.Errorf("again after it was done: %+v, %v", a, err)
	}
	if cursor, err := s.Cursor(ctx); err != nil || cursor != 6 {
		t.Errorf("cursor %s, %v", cursor, err)
	}
	if _, err := s.Begin(ctx, nil, 3); err != nil {
		t.Error(err)
	}
	if cursor, _ := s.Cursor(ctx); cursor != 6 {
		t.Errorf("the cursor went back to %s", cursor)
	}
}

func panics(t *testing.T, s abusebox.Store) {
	ctx, c := context.Background(), complaint(1, noon)
	_, err := s.Decide(ctx, ask(1, c, noon), func(incident.Known) (incident.Decision, error) { panic("odd") })
	if !errors.Is(err, abusebox.ErrPanicked) || errors.Is(err, abusebox.ErrUncertain) {
		t.Errorf("a decision that panics gives %v", err)
	}
	if id := file(t, s, 1, c, noon).Changes[0].Incident.ID; id == 0 {
		t.Error("the mail cannot be decided after it")
	}
	for i, err := range s.Incidents(ctx, abusebox.Filter{}) {
		if err != nil || i.Reports != 1 {
			t.Errorf("%d reports, %v", i.Reports, err)
		}
	}
}

func purgeByAge(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	old := file(t, s, 1, complaint(1, noon), noon).Changes[0].Incident.ID
	late := noon.AddDate(0, 0, 100)
	fresh := file(t, s, 2, complaint(1, late), late).Changes[0].Incident.ID
	_, err := s.Change(ctx, []incident.ID{old}, func(all []incident.Incident, _ incident.Known) (incident.Decision, error) {
		return policy.Apply(incident.Command{Do: "close", Who: "ann", Verdict: incident.Confirmed, At: noon}, all[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	limit := noon.AddDate(0, 0, 50)
	all := abusebox.Purge{Evidence: limit, Personal: limit, Closed: limit, History: limit, Counters: limit}
	dry := all
	dry.DryRun = true
	would, err := s.Purge(ctx, dry)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Incident(ctx, old); err != nil {
		t.Errorf("a dry run purged: %v", err)
	}
	did, err := s.Purge(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(would, did); diff != "" || did.Incidents != 1 || did.Evidence == 0 || did.History == 0 || did.Mails == 0 {
		t.Errorf("would %+v, did %+v", would, did)
	}
	if _, err := s.Incident(ctx, old); !errors.Is(err, abusebox.ErrNotFound) {
		t.Errorf("the old one is still there: %v", err)
	}
	_, err = s.Decide(ctx, ask(9, complaint(9, late), noon), func(k incident.Known) (incident.Decision, error) {
		if n := k.Counts[incident.Counter(complaint(1, noon).Evidence.Reporter, noon)]; n != 0 {
			t.Errorf("an old counter still says %d", n)
		}
		return incident.Decision{Outcome: incident.Rejected}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if i, err := s.Incident(ctx, fresh); err != nil || len(i.Reporters) != 1 {
		t.Errorf("the fresh one suffered: %+v, %v", i.Reporters, err)
	}
}

func purgePerson(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	c := complaint(1, noon)
	c.Evidence.Reporter = incident.Reporter{Address: "jane@victim.example", Domain: "victim.example", Authenticated: "spf"}
	id := file(t, s, 1, c, noon).Changes[0].Incident.ID
	file(t, s, 2, complaint(2, noon), noon)
	if _, err := s.Purge(ctx, abusebox.Purge{Person: "jane@victim.example"}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Incident(ctx, id)
	if err != nil || len(i.Reporters) != 0 || len(i.Samples) != 0 || i.Reports != 1 {
		t.Errorf("%+v, %v", i, err)
	}
	for _, m := range collect(t, s.Mails(ctx, 0)) {
		if m.Reporter.Address == "jane@victim.example" {
			t.Errorf("mail %s still names her", m.Mail)
		}
	}
	if got := len(collect(t, s.Evidence(ctx, 2))); got != 1 {
		t.Errorf("another's evidence went: %d left", got)
	}
}

func purgeHolder(t *testing.T, s abusebox.Store) {
	ctx := context.Background()
	id := file(t, s, 1, complaint(1, noon), noon).Changes[0].Incident.ID
	c := complaint(2, noon)
	c.Holders[0].ID = "c2"
	kept := file(t, s, 2, c, noon).Changes[0].Incident.ID
	if _, err := s.Purge(ctx, abusebox.Purge{Holder: "c1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Incident(ctx, id); !errors.Is(err, abusebox.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	if _, err := s.Incident(ctx, kept); err != nil {
		t.Error(err)
	}
	if tasks := collect(t, s.Tasks(ctx, 0)); len(tasks) != 1 {
		t.Errorf("%d tasks", len(tasks))
	}
}

func cancelled(t *testing.T, s abusebox.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Decide(ctx, ask(1, complaint(1, noon), noon), func(incident.Known) (incident.Decision, error) { return incident.Decision{}, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for _, err := range s.Incidents(ctx, abusebox.Filter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
}

func reopened(t *testing.T, e Engine) {
	place := t.TempDir()
	s := e.Open(t, place)
	d := file(t, s, 1, complaint(1, noon), noon)
	if got := len(lease(t, s, noon)); got != 1 {
		t.Fatalf("%d leased", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = e.Open(t, place)
	defer func() {
		check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	i, err := s.Incident(context.Background(), d.Changes[0].Incident.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Changes[0].Incident, i, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got := lease(t, s, noon); len(got) != 1 || got[0].Attempts != 2 {
		t.Errorf("a lease outlived its process: %+v", got)
	}
}
