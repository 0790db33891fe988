package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"spoor/registry"
)

var t0 = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func open(t testing.TB, keep time.Duration) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "registry.db"), keep, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func table(t testing.TB, s *Store, contacts []registry.Contact, now time.Time) *registry.Table {
	t.Helper()
	var built *registry.Table
	err := s.Load(context.Background(), func(in registry.Input) (err error) {
		in.Contacts = append(in.Contacts, contacts...)
		in.Now = func() time.Time { return now }
		built, err = registry.Build(in)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func hop(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

func hopContacts(n int) []registry.Contact {
	var all []registry.Contact
	for i := range n {
		all = append(all, registry.Contact{Key: registry.Key{Kind: registry.KeyNextHop, NextHop: hop(i)},
			Abuse: []registry.Mailbox{{Mail: fmt.Sprintf("hop%d@example.org", i)}}})
	}
	return all
}

// TestHistoryAgainstEverySnapshot keeps every snapshot as it was and compares the answers
// as of random times with those of the snapshots on both sides.
func TestHistoryAgainstEverySnapshot(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := open(t, 0)
		snaps := map[string][]registry.Snapshot{}
		current := map[string]map[netip.Prefix]netip.Addr{"a": {}, "b": {}}
		for step := range 40 {
			name := []string{"a", "b"}[rng.IntN(2)]
			change(rng, name, current[name])
			snap := snapshot(name, t0.Add(time.Duration(step)*time.Minute), current[name])
			if _, err := s.Record(context.Background(), snap); err != nil {
				t.Fatal(err)
			}
			snaps[name] = append(snaps[name], snap)
		}
		if broken := s.Check(context.Background()); broken != nil {
			t.Fatal(broken)
		}
		view := table(t, s, hopContacts(8), t0.Add(time.Hour))
		for range 1500 {
			compareAt(t, rng, view, snaps)
		}
	}
}

func change(rng *rand.Rand, name string, routes map[netip.Prefix]netip.Addr) {
	for range 1 + rng.IntN(8) {
		// Router a holds 10/8 and b 11/8, so that a merged view has one right answer.
		first := map[string]byte{"a": 10, "b": 11}[name]
		p, _ := netip.AddrFrom4([4]byte{first, byte(rng.IntN(3)), byte(rng.IntN(3)), 0}).Prefix(8 + rng.IntN(17))
		if rng.IntN(3) == 0 {
			delete(routes, p)
		} else {
			routes[p] = hop(rng.IntN(8))
		}
	}
}

func snapshot(router string, at time.Time, routes map[netip.Prefix]netip.Addr) registry.Snapshot {
	s := registry.Snapshot{Router: router, Taken: at}
	for p, h := range routes {
		s.Routes = append(s.Routes, registry.Route{Prefix: p, NextHop: h, Router: router})
	}
	return s
}

func longest(s registry.Snapshot, addr netip.Addr) string {
	best, id := -1, ""
	for _, r := range s.Routes {
		if r.Prefix.Contains(addr) && r.Prefix.Bits() > best {
			best, id = r.Prefix.Bits(), fmt.Sprintf("hop%d@example.org", r.NextHop.As4()[3])
		}
	}
	return id
}

func compareAt(t *testing.T, rng *rand.Rand, view *registry.Table, snaps map[string][]registry.Snapshot) {
	t.Helper()
	name := []string{"a", "b"}[rng.IntN(2)]
	first := map[string]byte{"a": 10, "b": 11}[name]
	addr := netip.AddrFrom4([4]byte{first, byte(rng.IntN(3)), byte(rng.IntN(3)), byte(rng.IntN(256))})
	at := t0.Add(time.Duration(rng.IntN(45*60)) * time.Second)
	before, after := -1, -1
	for i, s := range snaps[name] {
		if !s.Taken.After(at) {
			before = i
		} else if after < 0 {
			after = i
		}
	}
	a := view.Holder(registry.Query{Addr: addr, Time: at})
	got := ""
	if a.Holder != nil {
		got = a.Holder.ID
	}
	switch {
	case before >= 0 && snaps[name][before].Taken.Equal(at), before >= 0 && after < 0:
		if want := longest(snaps[name][before], addr); got != want {
			t.Fatalf("%s at %s: %q (%s), want %q", addr, at, got, a.Why, want)
		}
	case before >= 0:
		// Between two looks: the answer must be one that both give, or none.
		x, y := longest(snaps[name][before], addr), longest(snaps[name][after], addr)
		if x == y && got != x && a.Status == registry.StatusHeld || x != y && a.Status == registry.StatusHeld {
			t.Fatalf("%s at %s, between %q and %q: %q (%s)", addr, at, x, y, got, a.Why)
		}
	}
}

func TestRecordRefusesThePast(t *testing.T) {
	s := open(t, 0)
	snap := snapshot("r", t0, map[netip.Prefix]netip.Addr{netip.MustParsePrefix("10.0.0.0/8"): hop(1)})
	if done, err := s.Record(context.Background(), snap); err != nil || done.Added != 1 {
		t.Fatal(done, err)
	}
	if _, err := s.Record(context.Background(), snap); err == nil {
		t.Error("the same moment is recorded twice")
	}
	snap.Taken, snap.Routes[0].Router = t0.Add(time.Hour), "other"
	if _, err := s.Record(context.Background(), snap); err == nil {
		t.Error("another router's route is recorded")
	}
}

func TestForgetting(t *testing.T) {
	s := open(t, time.Hour)
	for i, at := range []time.Duration{0, time.Minute, 3 * time.Hour} {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i)}), 16)
		if _, err := s.Record(context.Background(), snapshot("r", t0.Add(at), map[netip.Prefix]netip.Addr{p: hop(i)})); err != nil {
			t.Fatal(err)
		}
	}
	if _, routes := table(t, s, nil, t0).Size(); routes != 2 { // the one of today, and the one that ended today
		t.Errorf("%d routes are kept", routes)
	}
}

func TestContactsOverTime(t *testing.T) {
	s := open(t, 0)
	key := registry.Key{Kind: registry.KeyPrefix, Prefix: netip.MustParsePrefix("198.51.100.0/24")}
	record := func(org, mail string, now time.Time) {
		c := registry.Contact{Key: key, Org: org, Abuse: []registry.Mailbox{{Mail: mail}}}
		if err := s.RecordContacts(context.Background(), "files", []registry.Contact{c}, now); err != nil {
			t.Fatal(err)
		}
	}
	record("One", "old@one.example.com", t0)
	record("One", "new@one.example.com", t0.Add(time.Hour))
	record("Two", "abuse@two.example.com", t0.Add(2*time.Hour))
	record("Two", "abuse@two.example.com", t0.Add(3*time.Hour))
	view := table(t, s, nil, t0.Add(5*time.Hour))
	ask := func(at time.Time) string {
		a := view.Holder(registry.Query{Addr: netip.MustParseAddr("198.51.100.1"), Time: at})
		if a.Holder == nil {
			return string(a.Status)
		}
		return a.Holder.Contact.Mails()[0]
	}
	if got := ask(t0.Add(-time.Hour)); got != "new@one.example.com" {
		t.Errorf("the holder of the past is reached at %s", got)
	}
	if got := ask(t0.Add(150 * time.Minute)); got != "abuse@two.example.com" {
		t.Errorf("the holder of today is %s", got)
	}
	if err := s.RecordContacts(context.Background(), "files", nil, t0.Add(4*time.Hour)); err != nil {
		t.Fatal(err)
	}
	view = table(t, s, nil, t0.Add(5*time.Hour))
	if got := ask(t0.Add(270 * time.Minute)); got != "foreign" {
		t.Errorf("a record that is gone still answers: %s", got)
	}
	if got := ask(t0.Add(210 * time.Minute)); got != "abuse@two.example.com" {
		t.Errorf("a record that is gone does not answer for its time: %s", got)
	}
}

func TestLeases(t *testing.T) {
	s := open(t, 0)
	var leases []registry.Lease
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 500 {
		from := t0.Add(time.Duration(rng.IntN(5000)) * time.Minute)
		bits := 24 + rng.IntN(9)
		p, _ := netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(4))}).Prefix(bits)
		leases = append(leases, registry.Lease{Prefix: p, PortHigh: 65535, From: from, To: from.Add(time.Duration(rng.IntN(500)) * time.Minute), Subscriber: fmt.Sprint(i)})
	}
	if err := s.AddLeases(context.Background(), leases); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(4))})
		at := t0.Add(time.Duration(rng.IntN(5500)) * time.Minute)
		got, err := s.LeasesOf(addr, at, at.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		slow := map[string]bool{}
		for _, l := range leases {
			if l.Prefix.Contains(addr) && !l.From.After(at.Add(time.Minute)) && !l.To.Before(at) {
				slow[l.Subscriber] = true
			}
		}
		if len(got) != len(slow) {
			t.Fatalf("%s at %s: %d leases, a linear scan finds %d", addr, at, len(got), len(slow))
		}
		for _, l := range got {
			if !slow[l.Subscriber] {
				t.Fatalf("%s at %s: lease of %s does not fit", addr, at, l.Subscriber)
			}
		}
	}
}

// TestADamagedLease names whose it was as a candidate, with the reason, and is mended by importing the log again; Check
// finds it, and no other look-up or import fails for it.
func TestADamagedLease(t *testing.T) {
	s := open(t, 24*time.Hour)
	p := netip.MustParsePrefix("192.0.2.9/32")
	leases := []registry.Lease{
		{Prefix: p, PortHigh: 65535, From: t0, To: t0.Add(time.Hour), Subscriber: "alice"},
		{Prefix: netip.MustParsePrefix("192.0.2.10/32"), PortHigh: 65535, From: t0, To: t0.Add(time.Hour), Subscriber: "bob"},
	}
	add := func(leases ...registry.Lease) {
		t.Helper()
		if err := s.AddLeases(context.Background(), leases); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(addr netip.Addr) registry.Answer {
		t.Helper()
		table, err := registry.Build(registry.Input{Leases: s, Contacts: []registry.Contact{{Key: registry.Key{Kind: registry.KeyPrefix, Prefix: netip.MustParsePrefix("192.0.2.0/24")},
			Org: "One", Abuse: []registry.Mailbox{{Mail: "abuse@example.org"}}, Assignment: registry.AssignDynamic}}})
		if err != nil {
			t.Fatal(err)
		}
		return table.Holder(registry.Query{Addr: addr, Time: t0.Add(time.Minute)})
	}
	add(leases...)
	for _, value := range []string{`{"Prefix":"192.0.2.9/32","From":"2026-`, `{"Prefix":"192.0.2.10/32","PortHigh":65535,"Subscriber":"carol"}`, ""} {
		err := s.db.Update(context.Background(), func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketLeases).Put(leaseKey(leases[0]), []byte(value))
		})
		if err != nil {
			t.Fatal(err)
		}
		a := answer(p.Addr())
		if a.Status != registry.StatusNeedLease || len(a.Candidates) != 1 || a.Candidates[0].Subscriber != "alice" || !strings.Contains(a.Why, t0.Format(time.RFC3339)) {
			t.Errorf("%q: %s, %+v: %s", value, a.Status, a.Candidates, a.Why)
		}
		if a := answer(leases[1].Prefix.Addr()); a.Status != registry.StatusHeld {
			t.Errorf("%q: the lease beside is %s: %s", value, a.Status, a.Why)
		}
		if broken := s.Check(context.Background()); len(broken) != 1 || !strings.Contains(broken[0].Error(), "192.0.2.9") {
			t.Errorf("%q: the check finds %v", value, broken)
		}
		add(leases...)
		if a := answer(p.Addr()); a.Status != registry.StatusHeld || len(s.Check(context.Background())) != 0 {
			t.Errorf("%q: importing again does not mend it: %s", value, a.Why)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if a := answer(p.Addr()); a.Status != registry.StatusUnreadable || len(a.Candidates) != 1 || a.Holder != nil {
		t.Errorf("a closed store gives %s, %v: %s", a.Status, a.Candidates, a.Why)
	}
}

func TestLeasesAreForgotten(t *testing.T) {
	s := open(t, 24*time.Hour)
	lease := func(n byte, from time.Time) registry.Lease {
		return registry.Lease{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 32), PortHigh: 65535, From: from, To: from.Add(time.Hour), Subscriber: "x"}
	}
	for n, from := range []time.Time{t0, t0.Add(20 * time.Hour), t0.Add(30 * time.Hour)} {
		if err := s.AddLeases(context.Background(), []registry.Lease{lease(byte(n), from)}); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []int{0, 1, 1} {
		got, err := s.LeasesOf(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), t0, t0.Add(48*time.Hour))
		if err != nil || len(got) != want {
			t.Errorf("lease %d: %d are kept, want %d, %v", n, len(got), want, err)
		}
	}
}
