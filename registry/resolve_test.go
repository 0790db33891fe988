package registry

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLookupAgreesWithHolder holds the answers that Build prepares against those that
// Holder works out from the chain, over registries with every kind of claim.
func TestLookupAgreesWithHolder(t *testing.T) {
	held := 0
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 11))
		in := mixedRegistry(rng)
		table := mustBuild(t, in)
		for range 150 {
			addr := randomAddr(rng)
			a := table.Holder(Query{Addr: addr})
			want, got := "nobody alone", "nobody alone"
			if a.Status == StatusHeld {
				held++
				want = a.Holder.ID + " " + strings.Join(a.Holder.Contact.Mails(), " ")
			}
			if c, ok := table.Lookup(addr); ok {
				got = c.ID() + " " + strings.Join(c.Mails(), " ")
			}
			if got != want {
				t.Fatalf("seed %d: Lookup(%s) finds %s, Holder %s: %s", seed, addr, got, want, a.Why)
			}
			if table.IsOurs(addr) != a.Ours {
				t.Fatalf("seed %d: IsOurs(%s) is not %v", seed, addr, a.Ours)
			}
		}
	}
	if held < 700 {
		t.Errorf("of 4500 addresses only %d are held: the test looks at too little", held)
	}
}

func mixedRegistry(rng *rand.Rand) Input {
	in := Input{Prefer: map[string]int{"b": rng.IntN(2)}}
	var routes []Route
	for range 150 {
		p, _ := randomAddr(rng).Prefix(rng.IntN(25) + 8)
		if rng.IntN(40) == 0 {
			p = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		if routes != nil && rng.IntN(4) == 0 {
			p = routes[rng.IntN(len(routes))].Prefix
		}
		r := Route{Prefix: p, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, byte(rng.IntN(12))}), Router: string("ab"[rng.IntN(2)]),
			Interface: fmt.Sprintf("ge-%d", rng.IntN(6)), FirstSeen: at0.Add(-time.Hour)}
		switch rng.IntN(8) {
		case 0:
			r.NextHop = netip.Addr{}
		case 1:
			r.LastSeen, r.NotAfter = at0.Add(-time.Minute), at0.Add(-30*time.Second)
		case 2:
			r.Type = TypeBlackhole
		}
		routes = append(routes, r)
	}
	in.Routes = RoutesOf(routes)
	for range 25 {
		in.Contacts = append(in.Contacts, mixedContact(rng, len(in.Contacts)))
	}
	for range rng.IntN(3) {
		p, _ := randomAddr(rng).Prefix(16)
		in.Networks = append(in.Networks, p)
	}
	if rng.IntN(2) == 0 {
		in.Upstreams = append(in.Upstreams, netip.AddrFrom4([4]byte{192, 0, 2, 3}))
	}
	return in
}

func mixedContact(rng *rand.Rand, n int) Contact {
	c := Contact{Org: []string{"", "One", "Two", "Three"}[rng.IntN(4)]}
	switch rng.IntN(4) {
	case 0:
		bits := rng.IntN(17) + 8
		if rng.IntN(10) == 0 {
			bits = 0 // a record for all that nobody else answers for
		}
		p, _ := randomAddr(rng).Prefix(bits)
		c.Key = Key{Kind: KeyPrefix, Prefix: p}
	case 1:
		c.Key = Key{Kind: KeyNextHop, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}
	case 2:
		c.Key = Key{Kind: KeyInterface, Router: []string{"", "a", "b"}[rng.IntN(3)], Interface: fmt.Sprintf("ge-%d", rng.IntN(6))}
	case 3:
		c.Key = Key{Kind: KeyOrganisation, Org: []string{"one", "two", "three"}[rng.IntN(3)]}
	}
	mail := []Mailbox{{Mail: fmt.Sprintf("c%d@example.org", n)}}
	switch rng.IntN(4) {
	case 0, 1:
		c.Abuse = mail
	case 2:
		c.Admin = mail
	}
	switch rng.IntN(12) {
	case 0:
		c.Assignment = AssignShared
	case 1:
		c.Assignment = AssignDynamic
	case 2:
		c.Assignment = AssignStatic
	}
	if rng.IntN(8) == 0 {
		c.Until = at0.Add(-time.Hour)
	}
	return c
}

// TestMoreClaimsThanRemembered merges more pairs of claims than a build remembers at once.
func TestMoreClaimsThanRemembered(t *testing.T) {
	const n = 2200 // n*n > maxMergedCells
	var routes []Route
	var contacts []Contact
	hop := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}) }
	inner := func(i, k int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10 + byte(i>>8), byte(i), byte(k), 0}), 24)
	}
	for i := range n {
		contacts = append(contacts, Contact{Key: Key{Kind: KeyNextHop, NextHop: hop(i)}, Abuse: []Mailbox{{Mail: fmt.Sprintf("c%d@example.org", i)}}})
		routes = append(routes, Route{Prefix: netip.PrefixFrom(inner(i, 0).Addr(), 16), NextHop: hop(i), Router: "r"})
		for k := range 2 {
			routes = append(routes, Route{Prefix: inner(i, k), NextHop: hop((i + k + 1) % n), Router: "r"})
		}
	}
	table := mustBuild(t, Input{Routes: RoutesOf(routes), Contacts: contacts})
	for _, i := range []int{0, 1, 1900, 1901, 1906, 1907, 1908, n - 2, n - 1} {
		for k, want := range []int{(i + 1) % n, (i + 2) % n, i} {
			c, ok := table.Lookup(inner(i, k).Addr().Next())
			if !ok || c.Abuse[0].Mail != fmt.Sprintf("c%d@example.org", want) {
				t.Fatalf("network %d.%d: %v %v, want that of next hop %d", i, k, c, ok, want)
			}
		}
	}
}

func TestMergeRoutes(t *testing.T) {
	routes := func(router string, prefixes ...string) (all []Route) {
		for _, p := range prefixes {
			all = append(all, Route{Prefix: pfx(p), NextHop: ip("192.0.2.1"), Router: router})
		}
		return all
	}
	tests := []struct {
		name string
		a, b []Route
		want []string
	}{
		{"none", nil, nil, nil},
		{"one side", nil, routes("b", "10.0.0.0/8"), []string{"10.0.0.0/8 b"}},
		{"other side", routes("a", "10.0.0.0/8"), nil, []string{"10.0.0.0/8 a"}},
		{"mixed", routes("a", "10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32"), routes("b", "0.0.0.0/0", "10.0.0.0/16", "2001:db8::/48"),
			[]string{"0.0.0.0/0 b", "10.0.0.0/8 a", "10.0.0.0/16 a", "10.0.0.0/16 b", "2001:db8::/32 a", "2001:db8::/48 b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			merged := MergeRoutes(RoutesOf(tt.a), RoutesOf(tt.b))
			var got []string
			for r := range mustBuild(t, Input{Routes: merged}).Routes(time.Time{}) {
				got = append(got, r.Prefix.String()+" "+r.Router)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if merged.Size != len(tt.want) {
				t.Errorf("size %d of %d rows", merged.Size, len(tt.want))
			}
		})
	}
}

func TestBuildRefusesBrokenRows(t *testing.T) {
	broken := fmt.Errorf("broken disk")
	tests := []struct {
		name string
		rows []Row
		err  error
		want string
	}{
		{"out of order", []Row{{Prefix: pfx("10.1.0.0/16")}, {Prefix: pfx("10.0.0.0/16")}}, nil, "10.0.0.0/16 comes after 10.1.0.0/16"},
		{"wider after narrower", []Row{{Prefix: pfx("10.0.0.0/16")}, {Prefix: pfx("10.0.0.0/8")}}, nil, "10.0.0.0/8 comes after 10.0.0.0/16"},
		{"family", []Row{{Prefix: pfx("::/0")}, {Prefix: pfx("10.0.0.0/8")}}, nil, "10.0.0.0/8 comes after ::/0"},
		{"host bits", []Row{{Prefix: netip.PrefixFrom(ip("10.0.0.1"), 8)}}, nil, "10.0.0.1/8 is no network address"},
		{"host bits far out", []Row{{Prefix: netip.PrefixFrom(ip("2001:db8::1"), 127)}}, nil, "2001:db8::1/127 is no network address"},
		{"host bits beyond the middle", []Row{{Prefix: netip.PrefixFrom(ip("2001:db8::1"), 48)}}, nil, "2001:db8::1/48 is no network address"},
		{"no prefix", []Row{{}}, nil, "invalid Prefix is no network address"},
		{"unknown way", []Row{{Prefix: pfx("10.0.0.0/8"), Way: 1}}, nil, "10.0.0.0/8 has way 1 of 1"},
		{"error", []Row{{Prefix: pfx("10.0.0.0/8")}}, broken, "broken disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Build(Input{Routes: Rows{Ways: []Route{{Router: "r"}}, All: func(yield func(Row, error) bool) {
				for _, r := range tt.rows {
					if !yield(r, nil) {
						return
					}
				}
				if tt.err != nil {
					yield(Row{}, tt.err)
				}
			}}})
			if err == nil || err.Error() != "reading routes: "+tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	good := []Row{{Prefix: pfx("0.0.0.0/0")}, {Prefix: pfx("10.0.0.0/32")}, {Prefix: pfx("::/0")}, {Prefix: pfx("2001:db8::/64")}, {Prefix: pfx("2001:db8::1/128")}}
	table := mustBuild(t, Input{Routes: Rows{Ways: []Route{{Router: "r"}}, All: func(yield func(Row, error) bool) {
		for _, r := range good {
			if !yield(r, nil) {
				return
			}
		}
	}}})
	if prefixes, _ := table.Size(); prefixes != len(good) {
		t.Errorf("%d prefixes", prefixes)
	}
}
