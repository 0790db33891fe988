package registry

import (
	"net/netip"
	"strings"
	"testing"
)

// TestAssignmentByNextHop marks what lies behind a next hop as shared: each address routed there needs a port, but
// for a prefix whose own record says otherwise.
func TestAssignmentByNextHop(t *testing.T) {
	contacts, err := ReadContacts("contacts.toml", strings.NewReader(`
[[contact]]
nexthop = "192.0.2.1"
Org-Name = "Dormitory"
Abuse-Contact = "dorm@university.example"
Assignment = "shared"

[[contact]]
IP-Network = "198.51.100.128/25"
Org-Name = "Dormitory servers"
Abuse-Contact = "servers@university.example"
Assignment = "static"
`))
	if err != nil {
		t.Fatal(err)
	}
	routes := []Route{
		{Prefix: netip.MustParsePrefix("198.51.100.0/24"), NextHop: netip.MustParseAddr("192.0.2.1"), Router: "r"},
	}
	table, err := Build(Input{Routes: RoutesOf(routes), Contacts: contacts})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]Status{"198.51.100.7": StatusNeedPort, "198.51.100.200": StatusHeld} {
		if got := table.Holder(Query{Addr: netip.MustParseAddr(addr)}); got.Status != want {
			t.Errorf("%s is %s (%s), want %s", addr, got.Status, got.Why, want)
		}
	}
	if c, ok := table.Lookup(netip.MustParseAddr("198.51.100.7")); ok {
		t.Errorf("the fast look-up names %s for a shared address", c.Org)
	}
}
