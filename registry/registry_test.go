package registry

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// failing is a Store that fails as long as its errors say so.
type failing struct {
	Store
	err  error // of RecordContacts
	load error
}

func (f *failing) RecordContacts(ctx context.Context, origin string, contacts []Contact, now time.Time) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.RecordContacts(ctx, origin, contacts, now)
}

func (f *failing) Load(ctx context.Context, use func(Input) error) error {
	if f.load != nil {
		return f.load
	}
	return f.Store.Load(ctx, use)
}

// files are a registry's, changed by a test.
type files struct {
	t        *testing.T
	dir      string
	modified time.Time
}

// write makes a file newer than it was, however fast the test runs.
func (f *files) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	f.modified = f.modified.Add(time.Second)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, f.modified, f.modified)); err != nil {
		f.t.Fatal(err)
	}
}

func reloadable(t *testing.T) (*Registry, *files, *failing) {
	t.Helper()
	f := &files{t, t.TempDir(), at0.Add(-time.Hour)}
	f.write("contacts.toml", contactOf("one@example.org"))
	f.write("routes.csv", "prefix,next_hop\n198.51.100.0/24,192.0.2.1\n203.0.113.0/24,192.0.2.1\n")
	f.write("leases.csv", "ip,from,to,who\n203.0.113.9,2026-10-01T07:00:00Z,2026-10-01T09:00:00Z,alice\n")
	c := DefaultConfig()
	c.Contacts, c.Routes, c.Leases = []string{"contacts.toml"}, []string{"routes.csv"}, []LeaseConfig{{Format: "csv", Files: []string{"leases.csv"}}}
	store := &failing{Store: NewMemory()}
	r, err := New(context.Background(), Deps{Config: c, Dir: f.dir, Store: store, Now: func() time.Time { return at0 }})
	if err != nil {
		t.Fatal(err)
	}
	return r, f, store
}

func contactOf(mail string) string {
	return "[[contact]]\nNext-Hop = \"192.0.2.1\"\nAbuse-Contact = \"" + mail + "\"\n"
}

func answerer(r *Registry, addr string) string {
	a := r.Holder(Query{Addr: ip(addr)})
	if a.Holder == nil {
		return string(a.Status)
	}
	return strings.TrimSpace(a.Holder.Subscriber + " " + a.Holder.Contact.Mails()[0])
}

func reload(t *testing.T, r *Registry, wantChanged bool, wantErr string) {
	t.Helper()
	changed, err := r.Reload(context.Background())
	if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
		t.Fatalf("reload: changed %v, error %v; want %v, %q", changed, err, wantChanged, wantErr)
	}
}

func expect(t *testing.T, r *Registry, addr, want string) {
	t.Helper()
	if got := answerer(r, addr); got != want {
		t.Fatalf("%s is of %s, want %s", addr, got, want)
	}
}

func TestReloadTakesWhatChanged(t *testing.T) {
	r, f, _ := reloadable(t)
	reload(t, r, false, "")
	before := r.Table()
	f.write("contacts.toml", contactOf("two@example.org"))
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "two@example.org")
	if c, ok := before.Lookup(ip("198.51.100.1")); !ok || c.Abuse[0].Mail != "one@example.org" {
		t.Errorf("a view that a reader holds changed to %v", c)
	}
	f.write("contacts.toml", "[[contact]]\nNext-Hop = nonsense\n")
	reload(t, r, true, "contacts.toml")
	expect(t, r, "198.51.100.1", "two@example.org")
	reload(t, r, false, "")
}

// TestReloadOfLeasesKeepsTheTable: a lease log grows all day, and the routes are not built anew for it.
func TestReloadOfLeasesKeepsTheTable(t *testing.T) {
	r, f, _ := reloadable(t)
	expect(t, r, "203.0.113.9", "alice one@example.org")
	before := r.Table()
	f.write("leases.csv", "ip,from,to,who\n203.0.113.9,2026-10-01T07:00:00Z,2026-10-01T09:00:00Z,bob\n")
	reload(t, r, true, "")
	expect(t, r, "203.0.113.9", "bob one@example.org")
	if r.Table() == before || r.Table().lpm != before.lpm {
		t.Error("the table was built anew, or changed under its readers")
	}
	if a := before.Holder(Query{Addr: ip("203.0.113.9")}); a.Holder == nil || a.Holder.Subscriber != "alice" {
		t.Error("a view that a reader holds changed")
	}
}

// TestALeaseLogGoesOnBehindABrokenLine: one bad line does not hide all that follow it; a log
// of which nothing can be read keeps what it said before.
func TestALeaseLogGoesOnBehindABrokenLine(t *testing.T) {
	r, f, _ := reloadable(t)
	const log = "ip,from,to,who\n203.0.113.9,2026-10-01T07:00:00Z,2026-10-01T07:30:00Z,alice\nnonsense,2026-10-01T07:00:00Z,,x\n"
	f.write("leases.csv", log+"203.0.113.9,2026-10-01T07:45:00Z,2026-10-01T09:00:00Z,bob\n")
	reload(t, r, true, "leases.csv:3")
	expect(t, r, "203.0.113.9", "bob one@example.org")
	f.write("leases.csv", "who was it?\n")
	reload(t, r, true, "leases.csv:1")
	expect(t, r, "203.0.113.9", "bob one@example.org")
}

// TestAFileThatVanishedIsToldOnce: what it said before stays until it is back.
func TestAFileThatVanishedIsToldOnce(t *testing.T) {
	r, f, _ := reloadable(t)
	if err := os.Remove(filepath.Join(f.dir, "contacts.toml")); err != nil {
		t.Fatal(err)
	}
	reload(t, r, true, "contacts.toml")
	expect(t, r, "198.51.100.1", "one@example.org")
	reload(t, r, false, "")
	f.write("contacts.toml", contactOf("two@example.org"))
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "two@example.org")
}

// TestReloadIsTriedAgainWhenTheStoreFailed: contacts that were read but not stored are not forgotten.
func TestReloadIsTriedAgainWhenTheStoreFailed(t *testing.T) {
	r, f, store := reloadable(t)
	store.err = errors.New("disk full")
	f.write("contacts.toml", contactOf("two@example.org"))
	reload(t, r, true, "disk full")
	expect(t, r, "198.51.100.1", "one@example.org")
	reload(t, r, true, "disk full")
	store.err = nil
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "two@example.org")
	reload(t, r, false, "")
}

// TestAMistakeAtTheStartEndsNoContact: what the store holds stays until the file of contacts
// is read whole, whatever else changes; mistakes elsewhere keep no contact out.
func TestAMistakeAtTheStartEndsNoContact(t *testing.T) {
	r, f, _ := reloadable(t)
	restart := func(wantErr string) {
		t.Helper()
		var err error
		if r, err = New(context.Background(), r.deps); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Fatalf("started with %v, want %s", err, wantErr)
		}
	}
	f.write("contacts.toml", "[[contact]]\nNext-Hop = nonsense\n")
	restart("contacts.toml")
	expect(t, r, "198.51.100.1", "one@example.org")
	f.write("routes.csv", "prefix,next_hop\n198.51.100.0/25,192.0.2.1\n")
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "one@example.org")

	f.write("contacts.toml", contactOf("two@example.org"))
	f.write("leases.csv", "ip,from,to,who\nnonsense,2026-10-01T07:00:00Z,2026-10-01T09:00:00Z,alice\n")
	restart("leases.csv")
	expect(t, r, "198.51.100.1", "two@example.org")

	if err := os.Remove(filepath.Join(f.dir, "contacts.toml")); err != nil {
		t.Fatal(err)
	}
	restart("contacts.toml")
	f.write("routes.csv", "prefix,next_hop\n198.51.100.0/24,192.0.2.1\n")
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "two@example.org")
}

// TestALookupFollowsTheClock: when a record ends to hold, the fast look-up says so too with the next Reload.
func TestALookupFollowsTheClock(t *testing.T) {
	r, f, _ := reloadable(t)
	now := at0
	r.deps.Now = func() time.Time { return now }
	until := at0.Add(48 * time.Hour).Truncate(24 * time.Hour)
	f.write("contacts.toml", contactOf("one@example.org")+"Until = "+until.Format(time.DateOnly)+"\n"+
		contactOf("two@example.org")+"Since = "+until.Format(time.DateOnly)+"\n")
	lookup := func(want string) {
		t.Helper()
		expect(t, r, "198.51.100.1", want)
		if c, ok := r.Table().Lookup(ip("198.51.100.1")); !ok || c.Abuse[0].Mail != want {
			t.Errorf("Lookup says %v, Holder %s", c, want)
		}
	}
	reload(t, r, true, "")
	lookup("one@example.org")
	now = until.Add(-time.Second)
	reload(t, r, false, "")
	now = until
	reload(t, r, true, "")
	lookup("two@example.org")
	reload(t, r, false, "")
	now = at0 // the clock is set right
	reload(t, r, true, "")
	lookup("one@example.org")
}

// polled is a router whose table a test sets.
type polled struct{ snapshot Snapshot }

func (p *polled) Poll(context.Context, RouterConfig) ([]Snapshot, error) {
	return []Snapshot{p.snapshot}, nil
}

// TestAPollThatChangesNothingKeepsTheTable, but for how fresh it is; one that changes a route or the router's own
// addresses gives a new one, and so does the next Reload where that failed.
func TestAPollThatChangesNothingKeepsTheTable(t *testing.T) {
	router := &polled{Snapshot{Router: "r1", Taken: at0, Addresses: []netip.Addr{ip("192.0.2.254")},
		Routes: []Route{{Prefix: pfx("198.51.100.0/24"), NextHop: ip("192.0.2.1"), Router: "r1"}}}}
	c := DefaultConfig()
	c.Routers = []RouterConfig{{Name: "r1", Address: "192.0.2.254"}}
	store := &failing{Store: NewMemory()}
	r, err := New(context.Background(), Deps{Config: c, Poller: router, Store: store, Now: func() time.Time { return at0 }})
	if err != nil {
		t.Fatal(err)
	}
	poll := func(wantErr string) (anew bool) {
		t.Helper()
		before := r.Table()
		router.snapshot.Taken = router.snapshot.Taken.Add(time.Minute)
		if _, err := r.Poll(context.Background()); (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Fatalf("poll: %v, want %q", err, wantErr)
		}
		if s := r.Table().Sources(); wantErr == "" && (len(s) != 1 || !s[0].LastGood.Equal(router.snapshot.Taken) || s[0].Stale) {
			t.Errorf("sources %+v", s)
		}
		return before.lpm != r.Table().lpm
	}
	if !poll("") || poll("") {
		t.Error("the first walk must give a table, and the same again must not")
	}
	router.snapshot.Routes = append(slices.Clone(router.snapshot.Routes), Route{Prefix: pfx("203.0.113.0/24"), NextHop: ip("192.0.2.1"), Router: "r1"})
	if !poll("") || poll("") {
		t.Error("another route must give a new table, once")
	}
	router.snapshot.Addresses = []netip.Addr{ip("192.0.2.1")}
	if !poll("") || poll("") {
		t.Error("another address of the router must give a new table, once")
	}
	router.snapshot.Routes = router.snapshot.Routes[:1]
	store.load = errors.New("disk on fire")
	poll("disk on fire")
	store.load = nil
	reload(t, r, true, "")
	if prefixes, _ := r.Table().Size(); prefixes != 1 {
		t.Errorf("%d prefixes", prefixes)
	}
}

// TestAFileThatIsWrittenIsNotReadHalf: one that is written over in place ends no contact while it is short.
func TestAFileThatIsWrittenIsNotReadHalf(t *testing.T) {
	r, f, _ := reloadable(t)
	now := f.modified.Add(time.Hour)
	r.deps.Now = func() time.Time { return now }
	f.modified = now.Add(-time.Second)
	f.write("contacts.toml", "")
	reload(t, r, false, "")
	expect(t, r, "198.51.100.1", "one@example.org")
	now = now.Add(time.Second)
	f.write("contacts.toml", contactOf("two@example.org"))
	reload(t, r, false, "")
	f.write("routes.csv", "prefix,next_hop\n198.51.100.0/25,192.0.2.1\n")
	now = now.Add(settleFor)
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "two@example.org")
}

// TestAFileOfAnotherClock is read when it was seen unchanged for two seconds, though its time is in the future.
func TestAFileOfAnotherClock(t *testing.T) {
	r, f, _ := reloadable(t)
	now := at0
	r.deps.Now = func() time.Time { return now }
	f.modified = now.Add(time.Hour)
	f.write("contacts.toml", "")
	reload(t, r, false, "")
	now = now.Add(settleFor)
	f.write("contacts.toml", contactOf("two@example.org"))
	reload(t, r, false, "")
	expect(t, r, "198.51.100.1", "one@example.org")
	now = now.Add(settleFor)
	reload(t, r, true, "")
	expect(t, r, "198.51.100.1", "two@example.org")
}

// TestATableKnowsWhenTheClockIsSetBack: the system's monotonic clock, which never is, must not tell it.
func TestATableKnowsWhenTheClockIsSetBack(t *testing.T) {
	built := mustBuild(t, Input{Now: time.Now}).built
	if built != built.Round(0) {
		t.Errorf("%v is not by the clock alone", built)
	}
}
