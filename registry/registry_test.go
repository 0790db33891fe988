package registry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// failing is a Store that fails as long as err says so.
type failing struct {
	Store
	err error
}

func (f *failing) RecordContacts(ctx context.Context, origin string, contacts []Contact, now time.Time) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.RecordContacts(ctx, origin, contacts, now)
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
	f := &files{t, t.TempDir(), at0}
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
