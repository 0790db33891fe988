package registry

import (
	"net/netip"
	"testing"
)

// TestMergedView: several routers, equal paths, black holes and instances.
func TestMergedView(t *testing.T) {
	contacts := mustContacts(t, `
[[contact]]
Next-Hop = "192.0.2.10"
Abuse-Contact = "ten@example.org"
[[contact]]
Next-Hop = "192.0.2.11"
Abuse-Contact = "eleven@example.org"
[[contact]]
Next-Hop = "192.0.2.12"
Abuse-Contact = "ten@example.org"
`)
	route := func(prefix, hop, router string) Route {
		return Route{Prefix: pfx(prefix), NextHop: ip(hop), Router: router, Type: TypeRemote}
	}
	hole := Route{Prefix: pfx("10.1.0.9/32"), Router: "core", Type: TypeBlackhole}
	vrf := route("10.9.0.0/16", "192.0.2.11", "core")
	vrf.VRF = "blue"
	tests := []struct {
		name   string
		routes []Route
		prefer map[string]int
		addr   string
		want   string
	}{
		{"the way to our next router is only on its way", []Route{route("10.1.0.0/16", "192.0.2.2", "core"), route("10.1.0.0/16", "192.0.2.10", "access")}, nil, "10.1.0.1", "ten@example.org"},
		{"preferred router", []Route{route("10.1.0.0/16", "192.0.2.10", "core"), route("10.1.0.0/16", "192.0.2.11", "access")}, map[string]int{"access": 1}, "10.1.0.1", "eleven@example.org"},
		{"two holders", []Route{route("10.1.0.0/16", "192.0.2.10", "core"), route("10.1.0.0/16", "192.0.2.11", "access")}, nil, "10.1.0.1", "several"},
		{"equal paths to one holder", []Route{route("10.1.0.0/16", "192.0.2.10", "core"), route("10.1.0.0/16", "192.0.2.12", "core")}, nil, "10.1.0.1", "ten@example.org"},
		{"two holders of the enclosing prefix", []Route{route("10.1.0.0/16", "192.0.2.10", "core"), route("10.1.0.0/16", "192.0.2.11", "core"), route("10.1.2.0/24", "192.0.2.13", "core")},
			nil, "10.1.2.1", "several"},
		{"two holders around one of its own", []Route{route("10.1.0.0/16", "192.0.2.10", "core"), route("10.1.0.0/16", "192.0.2.11", "core"), route("10.1.2.0/24", "192.0.2.12", "core")},
			nil, "10.1.2.1", "ten@example.org"},
		{"a customer's path and one that leads out", []Route{route("0.0.0.0/0", "192.0.2.99", "core"), route("10.1.0.0/16", "192.0.2.99", "core"), route("10.1.0.0/16", "192.0.2.10", "core")},
			nil, "10.1.0.1", "several"},
		{"black hole", []Route{route("10.1.0.0/16", "192.0.2.10", "core"), hole}, nil, "10.1.0.9", "ten@example.org"},
		{"black hole alone", []Route{hole}, nil, "10.1.0.9", "foreign"},
		{"two instances", []Route{route("10.9.0.0/16", "192.0.2.10", "core"), vrf}, nil, "10.9.0.1", "several"},
		{"the other customer's default leads out", []Route{route("0.0.0.0/0", "192.0.2.11", "access"), route("10.1.0.0/16", "192.0.2.11", "access"), route("10.1.0.0/16", "192.0.2.11", "core")},
			map[string]int{"core": 1}, "10.1.0.1", "eleven@example.org"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := mustBuild(t, Input{Routes: RoutesOf(tt.routes), Contacts: contacts, Prefer: tt.prefer, Routers: []netip.Addr{ip("192.0.2.1"), ip("192.0.2.2")}})
			a := table.Holder(Query{Addr: ip(tt.addr)})
			got := string(a.Status)
			if a.Holder != nil {
				got = a.Holder.ID
			}
			if got != tt.want {
				t.Errorf("%s, want %s: %s %+v", got, tt.want, a.Why, a.Chain)
			}
			c, ok := table.Lookup(ip(tt.addr))
			if ok != (a.Holder != nil) || ok && c.ID() != a.Holder.ID {
				t.Errorf("Lookup gives %v, %v", c, ok)
			}
		})
	}
}
