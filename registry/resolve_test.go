package registry

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
