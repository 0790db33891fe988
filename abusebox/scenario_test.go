package abusebox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// flows are a witness with a memory: which spans it covered, and what it saw of one address.
type flows struct {
	mu      sync.Mutex
	covered []incident.Span
	seen    []incident.Sighting
	listed  []incident.Listing
}

func (f *flows) Testify(_ context.Context, q incident.Question) (incident.Testimony, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := incident.Testimony{Source: incident.FromFlows, Covered: f.covered, Share: 0.01}
	for _, s := range f.seen {
		if s.Overlaps(q.Window) {
			t.Seen = append(t.Seen, s)
		}
	}
	for _, l := range f.listed {
		if l.Addr == q.Addr {
			t.Listed = append(t.Listed, incident.Span{From: l.Since, To: l.Until})
		}
	}
	return t, nil
}

func (f *flows) Listings(context.Context, time.Time) ([]incident.Listing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listed, nil
}

func (f *flows) set(change func(*flows)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// tick turns the clock and lets the desk look at it.
func (w *world) tick(d time.Duration) {
	w.t.Helper()
	w.clock.add(d)
	if err := w.desk.Review(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.settled()
}

func (w *world) subjects() (all []string) {
	for n := range w.sink.count() {
		subject := w.sink.mail(n).Header.Text("Subject")
		all = append(all, w.sink.to(n)[0]+": "+subject[:min(len(subject), 30)])
	}
	return all
}

// TestFromListToQuiet is the life of one host: on our list, told, complained of, told again, quiet, closed.
func TestFromListToQuiet(t *testing.T) {
	f := &flows{covered: []incident.Span{{From: day.AddDate(0, 0, -30), To: day.AddDate(0, 0, 30)}}}
	w := newWorld(t, func(d *abusebox.Deps) {
		d.Witnesses, d.Listings = []abusebox.Witness{f}, f
		d.Holders = customers{"*": {customer("c1", func(c *incident.Contact) { c.Upstream = []string{"noc@upstream.example"} })}}
	})
	now := w.clock.now()
	f.set(func(f *flows) {
		f.listed = []incident.Listing{{Addr: ours.Addr().Next(), Profile: "spam", Since: now.Add(-time.Hour), Until: now, Reasons: []string{"900 hosts in 10 minutes"}, Sure: true}}
		f.seen = []incident.Sighting{{Span: incident.Span{From: now.Add(-time.Hour), To: now.Add(26 * time.Hour)}, Count: 9000, What: "9000 connections to port 25"}}
	})
	for range 3 { // the same listing again changes nothing
		if err := w.desk.Proact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	w.settled()
	w.clock.add(2 * time.Hour)
	w.put(arf("192.0.2.1", w.clock.now(), 1))
	w.settled()
	i := w.incidents()[0]
	if len(w.incidents()) != 1 || !i.Proactive || i.Reports != 1 || i.Lead.By != 3*time.Hour || !i.Confidence.Has([]incident.Ground{incident.OwnEvidence}) {
		t.Errorf("%+v", i)
	}
	w.tick(24 * time.Hour) // no answer, and it goes on
	w.tick(25 * time.Hour) // again nobody answers; our flows have ended
	w.tick(24 * time.Hour)
	w.tick(24 * time.Hour)
	w.tick(24 * time.Hour)
	want := []string{
		"noc@c1.example: [S-1] Spam reported from your ",
		"noc@c1.example: [S-1] Second notice: Spam stil",
	}
	if diff := cmp.Diff(want, w.subjects()); diff != "" {
		t.Error(diff)
	}
	if i = w.incidents()[0]; i.State != incident.Resolved || !strings.Contains(strings.Join(i.Why, " "), "our flows show nothing of the kind since") {
		t.Errorf("%s: %v", i.State, i.Why)
	}
	w.put(arf("192.0.2.1", w.clock.now(), 2))
	w.settled()
	if all := w.incidents(); len(all) != 2 || all[0].Previous != 1 { // days later: a new window, that follows on the old
		t.Errorf("%d incidents, previous %s", len(all), all[0].Previous)
	}
}

// TestContradiction: our flows saw the host all the time, and nothing of the kind; eight hours earlier there was.
func TestContradiction(t *testing.T) {
	now := day
	f := &flows{covered: []incident.Span{{From: now.Add(-20 * time.Hour), To: now.Add(20 * time.Hour)}},
		seen: []incident.Sighting{{Span: incident.Span{From: now.Add(-8*time.Hour - 5*time.Minute), To: now.Add(-8*time.Hour + 5*time.Minute)}, Count: 90, What: "90 connections to port 25"}}}
	w := newWorld(t, func(d *abusebox.Deps) { d.Witnesses = []abusebox.Witness{f} })
	w.put(arf("192.0.2.25", now, 1))
	w.settled()
	i := w.incidents()[0]
	if i.State != incident.Held || !i.Confidence.Contradicted || w.sink.count() != 0 {
		t.Errorf("%s, %d mails", i.State, w.sink.count())
	}
	told := false
	for _, p := range i.Confidence.Parts {
		told = told || strings.Contains(p.Why, "it fits if the reporter's times are +0800")
	}
	if !told {
		t.Errorf("%+v", i.Confidence.Parts)
	}
}

func TestDigestContact(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) {
		d.Holders = customers{"*": {customer("c1", func(c *incident.Contact) { c.Delivery, c.Language, c.Zone = "digest", "zh-TW", "Asia/Taipei" })}}
	})
	for n := range 4 {
		w.put(arf([]string{"192.0.2.25", "192.0.2.26"}[n%2], w.clock.now(), n))
	}
	w.settled()
	if w.sink.count() != 0 {
		t.Fatalf("%d mails at once to a contact that takes digests", w.sink.count())
	}
	w.tick(24*time.Hour + time.Minute)
	if w.sink.count() != 1 {
		t.Fatalf("%d digests", w.sink.count())
	}
	if text := w.sink.mail(0).Children[0].Text(); !strings.Contains(text, "192.0.2.25") || !strings.Contains(text, "192.0.2.26") || !strings.Contains(text, "Asia/Taipei") || !strings.Contains(text, "垃圾郵件") {
		t.Errorf("%s", text)
	}
	for n := range 6 { // the next day's complaints share one mail as well
		w.put(arf([]string{"192.0.2.25", "192.0.2.26"}[n%2], w.clock.now(), 10+n))
	}
	w.settled()
	if w.sink.count() != 1 {
		t.Fatalf("%d mails before the next digest is due", w.sink.count())
	}
	w.tick(24*time.Hour + time.Minute)
	if w.sink.count() != 2 {
		t.Fatalf("%d mails in two days", w.sink.count())
	}
	w.tick(24*time.Hour + time.Minute)
	if w.sink.count() != 2 {
		t.Errorf("%d mails, though on the third day nothing new was reported", w.sink.count())
	}
}

// blocks are a blocker that remembers.
type blocks []incident.Restriction

func (b blocks) Restrictions(context.Context, incident.Question) ([]incident.Restriction, error) {
	return b, nil
}

// TestBlockedAtThatTime: what our own block would have stopped accuses nobody by itself; a desk without blocks asks none.
func TestBlockedAtThatTime(t *testing.T) {
	b := blocks{{From: day.Add(-time.Hour), What: "port 25 outbound", Stops: true}}
	for _, tc := range []struct {
		blocks abusebox.Blocks
		state  incident.State
		says   int
	}{{b, incident.Held, 1}, {blocks{}, incident.Notified, 0}, {nil, incident.Notified, 0}} {
		w := newWorld(t, func(d *abusebox.Deps) { d.Blocks = tc.blocks })
		w.put(arf("192.0.2.25", day, 1))
		w.settled()
		i, says := w.incidents()[0], 0
		for _, p := range i.Confidence.Parts {
			if p.Name == string(incident.FromBlock) {
				says++
			}
		}
		if i.State != tc.state || says != tc.says {
			t.Errorf("%T: %s with %d words of the blocks, want %s with %d: %+v", tc.blocks, i.State, says, tc.state, tc.says, i.Confidence.Parts)
		}
		w.close()
	}
}

// TestUnknownBlocksAreSilent: blocks that cannot be asked stop no decision.
func TestUnknownBlocksAreSilent(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Blocks = brokenBlocks{} })
	w.put(arf("192.0.2.25", day, 1))
	w.settled()
	if i := w.incidents()[0]; i.State != incident.Notified {
		t.Errorf("%s %v", i.State, i.Why)
	}
}

type brokenBlocks struct{}

func (brokenBlocks) Restrictions(context.Context, incident.Question) ([]incident.Restriction, error) {
	return nil, errors.New("no answer")
}

// brakes hold back one format.
type brakes struct{ format string }

func (b brakes) Brakes() ([]incident.Rule, []incident.Ground) {
	return []incident.Rule{{Name: "breaker: format " + b.format, Do: incident.DoHold, Formats: []string{b.format}}}, []incident.Ground{incident.Structured}
}

func TestBrakes(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Brakes = brakes{"arf"} })
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	if i := w.incidents()[0]; i.State != incident.Held || w.sink.count() != 0 {
		t.Errorf("%s %v", i.State, i.Why)
	}
}

func TestRouteChangesHands(t *testing.T) {
	held := customers{"*": {customer("c1")}}
	w := newWorld(t, func(d *abusebox.Deps) { d.Holders = held })
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	held["*"] = []incident.Holder{customer("c2")}
	w.put(arf("192.0.2.25", w.clock.now(), 2))
	w.settled()
	all := w.incidents()
	if len(all) != 2 || all[0].Key.Holder != "c2" || w.sink.count() != 2 || w.sink.rcpt[1][0] != "noc@c2.example" {
		t.Errorf("%d incidents, %v", len(all), w.subjects())
	}
}

func TestCommentsAreNeverSent(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	clerk := w.desk.Clerk()
	if _, err := clerk.Apply(context.Background(), 1, incident.Command{Do: "comment", Who: "ann", Why: "a-secret-word"}); err != nil {
		t.Fatal(err)
	}
	w.put(arf("192.0.2.25", w.clock.now().Add(time.Hour), 2))
	w.settled()
	w.tick(25 * time.Hour)
	if w.sink.count() != 2 {
		t.Fatalf("%d mails", w.sink.count())
	}
	for n := range w.sink.count() {
		if contains(w.sink.mails[n], "a-secret-word") {
			t.Error("a comment was sent")
		}
	}
	if chain, err := clerk.Verify(context.Background()); err != nil || chain.Broken != "" || chain.Entries < 3 {
		t.Errorf("%+v, %v", chain, err)
	}
}

// TestReleasedToOneOfTwo: what a person decided once holds for the reports that follow.
func TestReleasedToOneOfTwo(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.Holders = customers{"*": {customer("c1"), customer("c2")}} })
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	if _, err := w.desk.Clerk().Apply(context.Background(), 1, incident.Command{Do: "release", Who: "ann", To: "c2"}); err != nil {
		t.Fatal(err)
	}
	w.put(arf("192.0.2.25", w.clock.now(), 2))
	w.settled()
	all := w.incidents()
	if len(all) != 1 || all[0].Reports != 2 || all[0].State != incident.Notified || w.sink.count() != 1 || w.sink.rcpt[0][0] != "noc@c2.example" {
		t.Errorf("%d incidents, %d reports, %v", len(all), all[0].Reports, w.subjects())
	}
}

func TestEducationOncePerMonth(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) {
		d.Config.Education = true
		d.Holders = customers{"192.0.2.25": {customer("c1")}, "192.0.2.26": {customer("c2", func(c *incident.Contact) { c.OptOut = []string{"education"} })}}
	})
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.put(arf("192.0.2.26", w.clock.now(), 2))
	w.settled()
	w.clock.add(20 * 24 * time.Hour) // October
	for range 2 {
		w.close()
		w.open(func(d *abusebox.Deps) { d.Config.Education = true })
		w.until(func() bool { return w.sink.count() >= 3 })
		w.settled()
	}
	if w.sink.count() != 3 || w.sink.rcpt[2][0] != "noc@c1.example" {
		t.Fatalf("%v", w.subjects())
	}
	if text := w.sink.mail(2).Children[0].Text(); !strings.Contains(text, "Spam: 2 report(s)") || strings.Contains(text, "192.0.2") {
		t.Errorf("%s", text)
	}
}

func TestRawMailsExpireOnceTheyAreDone(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) { d.KeepMail = 30 * 24 * time.Hour })
	old := w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	w.clock.add(40 * 24 * time.Hour)
	fresh := w.put(arf("192.0.2.25", w.clock.now(), 2))
	w.settled()
	w.put(arf("192.0.2.25", w.clock.now(), 3)) // its begin moves the cursor past what is done
	w.settled()
	w.close()
	w.open(func(d *abusebox.Deps) { d.KeepMail = 30 * 24 * time.Hour })
	w.until(func() bool { _, err := w.spool.Get(old); return errors.Is(err, intake.ErrNotFound) })
	if _, err := w.spool.Get(fresh); err != nil {
		t.Errorf("a fresh mail went with it: %v", err)
	}
}

// TestRawMailsThatNameAPerson says which raw mails remain after a person was purged, and until when.
func TestRawMailsThatNameAPerson(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.put("From: ann@reporter.example\nTo: abuse@example.net\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSmFuZS5Eb2VAdmljdGltLmV4YW1wbGUgd3JvdGUgdG8gbWU=\n")
	w.put("From: bob@reporter.example\nTo: abuse@example.net\nSubject: y\n\nnothing of her\n", func(m *intake.Mail) { m.From = "bob@reporter.example" })
	w.settled()
	ctx := context.Background()
	clerk := &abusebox.Clerk{Store: w.store, Raw: w.spool, KeepMail: 48 * time.Hour}
	got, err := clerk.Remains(ctx, "Jane.Doe@victim.example")
	if err != nil || got.Mails != 2 || len(got.IDs) != 2 || got.Kept || !got.Until.Equal(time.Date(2026, 9, 17, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := clerk.Remains(ctx, "bob@reporter.example"); err != nil || got.Mails != 1 {
		t.Errorf("of the envelope: %+v %v", got, err)
	}
	clerk.KeepMail = 0
	if got, err := clerk.Remains(ctx, "nobody@elsewhere.example"); err != nil || got.Mails != 0 || !got.Kept {
		t.Errorf("%+v %v", got, err)
	}
	purged, err := w.store.Purge(ctx, abusebox.Purge{Person: "jane.doe@victim.example"})
	if err != nil || purged.Evidence == 0 {
		t.Errorf("%+v %v", purged, err)
	}
	for i, err := range w.store.Incidents(ctx, abusebox.Filter{}) {
		if err != nil || strings.Contains(strings.ToLower(fmt.Sprint(i)), "jane.doe") {
			t.Errorf("after the purge: %v %v", i, err)
		}
	}
}

// TestPurgeOfAContact forgets a person who was written to, but not that they want no mail.
func TestPurgeOfAContact(t *testing.T) {
	w := newWorld(t)
	w.put(arf("192.0.2.25", w.clock.now(), 1))
	w.settled()
	ctx, address := context.Background(), "noc@c1.example"
	_, err := w.store.Decide(ctx, abusebox.Ask{}, func(incident.Known) (incident.Decision, error) {
		return incident.Decision{Outcome: incident.Filed, Contacts: map[string]incident.ContactState{address: {Broken: true, Why: "gone", OptOut: []string{"spam"}}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dry, err := w.store.Purge(ctx, abusebox.Purge{Person: address, DryRun: true})
	if err != nil || dry.Tasks != 1 || dry.Contacts != 1 || dry.Notices != 1 {
		t.Errorf("it would erase %+v %v", dry, err)
	}
	if _, err := w.store.Purge(ctx, abusebox.Purge{Person: address}); err != nil {
		t.Fatal(err)
	}
	state, err := w.store.Contact(ctx, address)
	if err != nil || state.Broken || state.Why != "" || !slices.Equal(state.OptOut, []string{"spam"}) {
		t.Errorf("its state is %+v %v", state, err)
	}
	for task, err := range w.store.Tasks(ctx, 0) {
		if err != nil || strings.Contains(fmt.Sprint(task), address) {
			t.Errorf("the task still says %+v %v", task, err)
		}
	}
}
