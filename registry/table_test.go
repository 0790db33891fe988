package registry

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var at0 = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

func mustRoutes(t testing.TB, text string) []Route {
	t.Helper()
	routes, err := ReadRoutes("routes", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

func mustContacts(t testing.TB, text string) []Contact {
	t.Helper()
	contacts, err := ReadContacts("contacts.toml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return contacts
}

func mustBuild(t testing.TB, in Input) *Table {
	t.Helper()
	if in.Now == nil {
		in.Now = func() time.Time { return at0 }
	}
	table, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

const sampleRoutes = `prefix,next_hop,router,interface
0.0.0.0/0,192.0.2.254,r1,up0
140.115.0.0/16,203.72.244.226,r1,ge-0
140.115.17.0/24,203.72.244.230,r1,ge-0
192.192.40.0/22,203.71.2.209,r1,ge-1
198.51.100.0/24,,r1,ge-2
203.0.113.0/24,192.0.2.254,r1,up0
`

const sampleContacts = `
[[contact]]
Next-Hop = "203.72.244.226"
Org-Name = "First University"
Admin-Contact = "Admin <admin@first.example.edu>"
Tel = "+886 3 000"
[[contact]]
Organisation = "First University"
Abuse-Contact = "abuse@first.example.edu"
Language = "zh-TW"
[[contact]]
IP-Network = "140.115.17.0/24"
Org-Name = "Physics"
Abuse-Contact = "abuse@physics.example.edu"
[[contact]]
Interface = "r1/ge-2"
Org-Name = "Lab"
Abuse-Contact = "lab@example.org"
[[contact]]
IP-Network = "192.192.40.0/24"
Assignment = "dynamic"
Org-Name = "Dorms"
Abuse-Contact = "dorms@example.org"
[[contact]]
IP-Network = "192.192.41.0/24"
Assignment = "shared"
Org-Name = "Nat"
Abuse-Contact = "nat@example.org"
`

func TestNoNetworkAtAllIsTold(t *testing.T) {
	for want, table := range map[bool]*Table{true: mustBuild(t, Input{}), false: mustBuild(t, Input{Networks: []netip.Prefix{pfx("192.0.2.0/24")}})} {
		a := table.Holder(Query{Addr: ip("198.51.100.7")})
		if a.Status != StatusForeign || strings.Contains(a.Why, "none is known") != want {
			t.Errorf("%s: %s, want the advice: %v", a.Status, a.Why, want)
		}
	}
}

func TestHolder(t *testing.T) {
	table := mustBuild(t, Input{
		Routes:   RoutesOf(mustRoutes(t, sampleRoutes)),
		Contacts: mustContacts(t, sampleContacts),
		Networks: []netip.Prefix{pfx("192.0.2.0/24")},
	})
	tests := []struct {
		addr   string
		status Status
		id     string
		mail   string
		ours   bool
	}{
		{"140.115.1.1", StatusHeld, "first university", "abuse@first.example.edu", true},
		{"140.115.17.89", StatusHeld, "physics", "abuse@physics.example.edu", true},
		{"198.51.100.7", StatusHeld, "lab", "lab@example.org", true},
		{"192.192.40.9", StatusNeedLease, "", "", true},
		{"192.192.41.9", StatusNeedPort, "", "", true},
		{"192.192.43.9", StatusUnassigned, "", "", true},
		{"192.0.2.77", StatusUnassigned, "", "", true},
		{"203.0.113.9", StatusForeign, "", "", false},
		{"8.8.8.8", StatusForeign, "", "", false},
		{"::ffff:140.115.1.1", StatusHeld, "first university", "abuse@first.example.edu", true},
		{"127.0.0.1", StatusInvalid, "", "", false},
		{"224.0.0.1", StatusInvalid, "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			a := table.Holder(Query{Addr: ip(tt.addr)})
			if a.Status != tt.status || a.Ours != tt.ours {
				t.Errorf("status %s ours %v, want %s %v\n%+v", a.Status, a.Ours, tt.status, tt.ours, a)
			}
			if ours := table.IsOurs(ip(tt.addr)); ours != tt.ours {
				t.Errorf("IsOurs says %v", ours)
			}
			if (a.Holder != nil) != (tt.status == StatusHeld) {
				t.Fatalf("holder %v with status %s", a.Holder, a.Status)
			}
			c, ok := table.Lookup(ip(tt.addr).Unmap())
			if a.Holder == nil {
				if ok {
					t.Errorf("Lookup gives %v where nobody is certain", c)
				}
				return
			}
			if a.Holder.ID != tt.id || a.Holder.Contact.Mails()[0] != tt.mail {
				t.Errorf("holder %s <%s>, want %s <%s>", a.Holder.ID, a.Holder.Contact.Mails(), tt.id, tt.mail)
			}
			if diff := cmp.Diff(a.Holder.Contact, *c, cmpopts.EquateComparable(Key{})); !ok || diff != "" {
				t.Errorf("Lookup differs from Holder: %s", diff)
			}
		})
	}
}

func TestInheritance(t *testing.T) {
	table := mustBuild(t, Input{Contacts: mustContacts(t, `
[[contact]]
IP-Network = "192.0.0.0/8"
Org-Name = "Provider"
Abuse-Contact = "abuse@provider.example.net"
Tel = "1"
Language = "en"
Time-Zone = "Europe/Vienna"
[[contact]]
IP-Network = "192.0.2.0/24"
Org-Name = "Customer"
Admin-Contact = "boss@customer.example.com"
[[contact]]
IP-Network = "192.0.2.128/25"
Org-Name = "Tenant"
`)})
	customer := table.Holder(Query{Addr: ip("192.0.2.1")}).Holder.Contact
	if m := customer.Mails(); len(m) != 1 || m[0] != "boss@customer.example.com" {
		t.Errorf("a customer's notices go to %v", m)
	}
	if customer.Tel != "" || customer.Language != "en" || customer.Zone != "Europe/Vienna" {
		t.Errorf("telephone %q of another holder, language %q, zone %q", customer.Tel, customer.Language, customer.Zone)
	}
	tenant := table.Holder(Query{Addr: ip("192.0.2.200")}).Holder.Contact
	if m := tenant.Mails(); tenant.Org != "Tenant" || m[0] != "boss@customer.example.com" {
		t.Errorf("tenant %s has %v", tenant.Org, m)
	}
}

func TestAsOf(t *testing.T) {
	day := func(h, m int) time.Time { return time.Date(2026, 10, 1, h, m, 0, 0, time.UTC) }
	p := pfx("198.51.100.0/24")
	routes := []Route{
		{Prefix: p, NextHop: ip("192.0.2.1"), Router: "r1", FirstSeen: day(1, 0), LastSeen: day(6, 0), NotAfter: day(6, 15)},
		{Prefix: p, NextHop: ip("192.0.2.2"), Router: "r1", NotBefore: day(6, 0), FirstSeen: day(6, 15)},
	}
	contacts := mustContacts(t, `
[[contact]]
Next-Hop = "192.0.2.1"
Abuse-Contact = "one@example.org"
[[contact]]
Next-Hop = "192.0.2.2"
Abuse-Contact = "two@example.org"
`)
	table := mustBuild(t, Input{Routes: RoutesOf(routes), Contacts: contacts,
		Sources: []Source{{Router: "r1", Begins: day(1, 0), LastGood: day(8, 0)}}})
	tests := []struct {
		at        time.Time
		give      time.Duration
		status    Status
		id        string
		certainty Certainty
	}{
		{day(5, 0), 0, StatusHeld, "one@example.org", Certain},
		{day(6, 0), 0, StatusHeld, "one@example.org", Certain},
		{day(6, 7), 0, StatusSeveral, "", ""},
		{day(6, 15), 0, StatusHeld, "two@example.org", Certain},
		{day(7, 0), 0, StatusHeld, "two@example.org", Certain},
		{day(7, 0), 50 * time.Minute, StatusSeveral, "", ""},
		{day(5, 0), 2 * time.Hour, StatusSeveral, "", ""},
		{day(0, 30), 0, StatusHeld, "one@example.org", Likely},
		{time.Time{}, 0, StatusHeld, "two@example.org", Certain},
	}
	for _, tt := range tests {
		a := table.Holder(Query{Addr: ip("198.51.100.1"), Time: tt.at, Uncertainty: tt.give})
		if a.Status != tt.status || tt.status == StatusHeld && (a.Holder.ID != tt.id || a.Holder.Certainty != tt.certainty) {
			t.Errorf("%v ± %v: %s %+v, want %s %s %s", tt.at, tt.give, a.Status, a.Holder, tt.status, tt.id, tt.certainty)
		}
	}
}

func TestLeases(t *testing.T) {
	lease := func(low, high uint16, from, to int, who string) Lease {
		l := Lease{Prefix: pfx("192.192.41.9/32"), PortLow: low, PortHigh: high, From: at0.Add(time.Duration(from) * time.Minute), Subscriber: who}
		if to != 0 {
			l.To = at0.Add(time.Duration(to) * time.Minute)
		}
		return l
	}
	book := leaseList([]Lease{
		lease(1024, 2047, -60, 60, "alice"),
		lease(2048, 3071, -60, -10, "bob"),
		lease(2048, 3071, -9, 60, "carol"),
		{Prefix: pfx("192.192.40.5/32"), PortHigh: 65535, From: at0.Add(-time.Hour), Known: at0, Subscriber: "dora"},
		{Prefix: pfx("192.192.40.7/32"), PortHigh: 65535, From: at0.Add(-time.Hour), To: at0, Subscriber: "erin"},
		{Prefix: pfx("192.192.40.7/32"), PortHigh: 65535, From: at0.Add(time.Minute), To: at0.Add(time.Hour), Subscriber: "erin"},
		{Prefix: pfx("192.192.40.7/32"), PortHigh: 65535, From: at0.Add(time.Minute), Known: at0.Add(time.Minute), Subscriber: "erin"},
		{Prefix: pfx("192.192.40.8/32"), PortHigh: 65535, From: at0.Add(-time.Hour), Known: at0.Add(-time.Hour), Subscriber: "frank"},
		{Prefix: pfx("192.192.40.8/32"), PortHigh: 65535, From: at0.Add(-time.Minute), Known: at0.Add(time.Hour), Subscriber: "grace"},
		{Prefix: pfx("192.192.40.12/32"), PortHigh: 65535, From: at0.Add(-2 * time.Hour), Known: at0.Add(-time.Hour), Subscriber: "ivan"},
		{Prefix: pfx("192.192.40.12/32"), PortHigh: 65535, From: at0.Add(time.Hour), Known: at0.Add(2 * time.Hour), Subscriber: "ivan"},
		{Prefix: pfx("192.192.40.11/32"), PortHigh: 65535, From: at0.Add(-time.Hour), Known: at0.Add(-time.Hour), Subscriber: "heidi", Broken: "cut off"},
	})
	table := mustBuild(t, Input{Routes: RoutesOf(mustRoutes(t, sampleRoutes)), Contacts: mustContacts(t, sampleContacts), Leases: book})
	tests := []struct {
		name   string
		q      Query
		status Status
		who    []string
	}{
		{"port decides", Query{Addr: ip("192.192.41.9"), Port: 1500, Time: at0}, StatusHeld, []string{"alice"}},
		{"no port", Query{Addr: ip("192.192.41.9"), Time: at0}, StatusNeedPort, []string{"alice", "carol"}},
		{"port without log", Query{Addr: ip("192.192.41.9"), Port: 9, Time: at0}, StatusNeedPort, []string{""}},
		{"two in the window", Query{Addr: ip("192.192.41.9"), Port: 2100, Time: at0.Add(-10 * time.Minute), Uncertainty: 2 * time.Minute}, StatusSeveral, []string{"bob", "carol"}},
		{"between two", Query{Addr: ip("192.192.41.9"), Port: 2100, Time: at0.Add(-9*time.Minute - 30*time.Second)}, StatusNeedPort, []string{""}},
		{"open lease, log reaches", Query{Addr: ip("192.192.40.5"), Time: at0}, StatusHeld, []string{"dora"}},
		{"open lease, log ends before", Query{Addr: ip("192.192.40.5"), Time: at0.Add(time.Hour)}, StatusNeedLease, []string{"dora"}},
		{"no lease", Query{Addr: ip("192.192.40.6"), Time: at0}, StatusNeedLease, []string{""}},
		{"likely: in another log again", Query{Addr: ip("192.192.40.12"), Time: at0, Uncertainty: 90 * time.Minute}, StatusHeld, []string{"ivan"}},
		{"before it is in another log again", Query{Addr: ip("192.192.40.12"), Time: at0.Add(30 * time.Minute), Uncertainty: time.Hour}, StatusNeedLease, []string{"ivan"}},
		{"likely: reconnected", Query{Addr: ip("192.192.40.7"), Time: at0, Uncertainty: 5 * time.Minute}, StatusHeld, []string{"erin"}},
		{"reconnected, and left", Query{Addr: ip("192.192.40.7"), Time: at0, Uncertainty: 2 * time.Hour}, StatusNeedLease, []string{"erin"}},
		{"ended by the next lease", Query{Addr: ip("192.192.40.8"), Time: at0}, StatusHeld, []string{"grace"}},
		{"damaged record", Query{Addr: ip("192.192.40.11"), Time: at0}, StatusNeedLease, []string{"heidi"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := table.Holder(tt.q)
			var who []string
			if a.Holder != nil {
				who = append(who, a.Holder.Subscriber)
			}
			for _, h := range a.Candidates {
				who = append(who, h.Subscriber)
			}
			if a.Status != tt.status || !cmp.Equal(who, tt.who) {
				t.Errorf("%s %q, want %s %q (%s)", a.Status, who, tt.status, tt.who, a.Why)
			}
			if likely := a.Holder != nil && a.Holder.Certainty == Likely; likely != strings.HasPrefix(tt.name, "likely") {
				t.Errorf("certainty of %+v", a.Holder)
			}
		})
	}
}

// TestSlowGold compares the table with a linear scan over random routes with history.
func TestSlowGold(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 7))
		routes, contacts := randomRegistry(rng)
		table := mustBuild(t, Input{Routes: RoutesOf(routes), Contacts: contacts})
		for range 800 {
			addr := randomAddr(rng)
			when := at0.Add(-time.Duration(rng.IntN(100)) * time.Minute)
			want := slowHop(routes, addr, when)
			a := table.Holder(Query{Addr: addr, Time: when})
			got := ""
			if a.Holder != nil {
				got = a.Holder.ID
			}
			if got != want {
				t.Fatalf("seed %d: %s at %s: %q (%s), want %q", seed, addr, when, got, a.Why, want)
			}
			current := slowHop(routes, addr, time.Time{})
			c, ok := table.Lookup(addr)
			if now := table.Holder(Query{Addr: addr}); table.IsOurs(addr) != now.Ours {
				t.Fatalf("seed %d: IsOurs(%s) is not %v", seed, addr, now.Ours)
			}
			if ok != (current != "") || ok && c.ID() != current {
				t.Fatalf("seed %d: Lookup(%s) = %v %v, want %q", seed, addr, c, ok, current)
			}
		}
	}
}

func randomRegistry(rng *rand.Rand) ([]Route, []Contact) {
	var routes []Route
	for range 300 {
		p, _ := randomAddr(rng).Prefix(rng.IntN(25) + 8)
		if routes != nil && rng.IntN(3) == 0 {
			p = routes[rng.IntN(len(routes))].Prefix
		}
		used := false
		start := at0.Add(-time.Duration(rng.IntN(100)) * time.Minute)
		r := Route{Prefix: p, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, byte(rng.IntN(20))}), Router: "r", FirstSeen: start, NotBefore: start.Add(-time.Second)}
		if rng.IntN(2) == 0 {
			r.LastSeen = start.Add(time.Duration(rng.IntN(50)) * time.Minute)
			r.NotAfter = r.LastSeen.Add(time.Second)
		}
		for _, o := range routes { // one route of a prefix at a time, so that one answer is right
			used = used || o.Prefix == p && (o.NotAfter.IsZero() || !o.NotAfter.Before(r.NotBefore)) && (r.NotAfter.IsZero() || !r.NotAfter.Before(o.NotBefore))
		}
		if !used {
			routes = append(routes, r)
		}
	}
	var contacts []Contact
	for i := range 20 {
		hop := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		contacts = append(contacts, Contact{Key: Key{Kind: KeyNextHop, NextHop: hop}, Abuse: []Mailbox{{Mail: hop.String() + "@example.org"}}})
	}
	return routes, contacts
}

// randomAddr draws from few networks, so that prefixes nest and queries hit.
func randomAddr(rng *rand.Rand) netip.Addr {
	if rng.IntN(2) == 0 {
		b := [16]byte{0x20, 0x01, byte(rng.IntN(4)), byte(rng.IntN(4))}
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte{10 + byte(rng.IntN(2)), byte(rng.IntN(4)), byte(rng.IntN(8)), byte(rng.IntN(256))})
}

func slowHop(routes []Route, addr netip.Addr, at time.Time) string {
	best, id := -1, ""
	for _, r := range routes {
		if r.Prefix.Contains(addr) && r.heldAt(at) && r.Prefix.Bits() > best {
			best, id = r.Prefix.Bits(), r.NextHop.String()+"@example.org"
		}
	}
	return id
}
