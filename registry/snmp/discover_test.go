package snmp

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"spoor/internal/peers"
	"spoor/registry"
	"spoor/registry/snmp/snmptest"
)

// routerRecords makes the walk of a small router: its name, own addresses and routes
// "prefix nexthop" of ipCidrRouteTable.
func routerRecords(t *testing.T, name string, own []string, routes ...string) []snmptest.Record {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "1.3.6.1.2.1.1.3.0|67|1000\n1.3.6.1.2.1.1.5.0|4|%s\n1.3.6.1.2.1.31.1.1.1.1.2|4|ge-0\n", name)
	for _, a := range own {
		fmt.Fprintf(&b, "1.3.6.1.2.1.4.20.1.1.%s|64|%s\n", a, a)
	}
	for _, r := range routes {
		prefix, hop, _ := strings.Cut(r, " ")
		p := netip.MustParsePrefix(prefix)
		index := fmt.Sprintf("%s.%s.0.%s", p.Addr(), registry.Netmask(p), hop)
		fmt.Fprintf(&b, "1.3.6.1.2.1.4.24.4.1.5.%s|2|2\n1.3.6.1.2.1.4.24.4.1.6.%s|2|4\n1.3.6.1.2.1.4.24.4.1.7.%s|2|3\n", index, index, index)
	}
	records, err := snmptest.ReadRecords(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// TestDiscover builds four routers in a namespace: r1 leads to r2 and r3, both to r4 (by
// two of its addresses), r4 back to r1; one next hop is silent, one not allowed.
func TestDiscover(t *testing.T) {
	ns := peers.NewNamespace(t)
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.14", "192.0.2.9", "198.51.100.254"} {
		ns.IP(t, "addr", "add", a+"/32", "dev", "lo")
	}
	routers := map[string][]snmptest.Record{
		"192.0.2.1": routerRecords(t, "core", []string{"192.0.2.1"}, "0.0.0.0/0 198.51.100.254", "10.2.0.0/16 192.0.2.2", "10.3.0.0/16 192.0.2.3", "10.3.1.0/24 192.0.2.3", "10.9.0.0/16 192.0.2.9"),
		"192.0.2.2": routerRecords(t, "east", []string{"192.0.2.2"}, "0.0.0.0/0 192.0.2.1", "10.2.4.0/24 192.0.2.4"),
		"192.0.2.3": routerRecords(t, "west", []string{"192.0.2.3"}, "0.0.0.0/0 192.0.2.1", "10.3.4.0/24 192.0.2.14"),
		"192.0.2.4": routerRecords(t, "far", []string{"192.0.2.4", "192.0.2.14"}, "0.0.0.0/0 192.0.2.2", "10.2.4.0/25 203.0.113.1"),
	}
	routers["192.0.2.14"] = routers["192.0.2.4"]
	ns.Do(t, func() {
		for addr, records := range routers {
			start(t, snmptest.Options{Records: records, Address: addr + ":161"})
		}
	})
	seed := registry.RouterConfig{Name: "r1", Address: "192.0.2.1", CommunityEnv: "COMMUNITY", RequestTimeout: registry.Duration(5 * time.Second)}
	poller := testPoller()
	poller.connect = func(g *gosnmp.GoSNMP) (err error) {
		ns.Do(t, func() { err = g.Connect() })
		return err
	}
	discover := func(d registry.DiscoverConfig) registry.Topology {
		topo, err := poller.Discover(context.Background(), []registry.RouterConfig{seed}, d)
		if err != nil {
			t.Fatal(err)
		}
		return topo
	}
	topo := discover(registry.DiscoverConfig{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Depth: 3, MaxRouters: 20})
	var got strings.Builder
	if err := topo.WriteText(&got); err != nil {
		t.Fatal(err)
	}
	want := `r1 (core)  5 routes
  ge-0            -> 192.0.2.2 (east)  1 prefixes, such as 10.2.0.0/16, a router
  ge-0            -> 192.0.2.3 (west)  2 prefixes, such as 10.3.0.0/16, a router
  ge-0            -> 192.0.2.9  1 prefixes, such as 10.9.0.0/16, no answer
  ge-0            -> 198.51.100.254  1 prefixes, such as 0.0.0.0/0, the way out
192.0.2.2 (east)  2 routes
  ge-0            -> r1 (core)  1 prefixes, such as 0.0.0.0/0, the way out, a router
  ge-0            -> FAR (far)  1 prefixes, such as 10.2.4.0/24, a router
192.0.2.3 (west)  2 routes
  ge-0            -> r1 (core)  1 prefixes, such as 0.0.0.0/0, the way out, a router
  ge-0            -> FAR (far)  1 prefixes, such as 10.3.4.0/24, a router
FAR (far)  2 routes
  ge-0            -> 192.0.2.2 (east)  1 prefixes, such as 0.0.0.0/0, the way out, a router
  ge-0            -> 203.0.113.1  1 prefixes, such as 10.2.4.0/25
`
	// Which of its two addresses the fourth router is found by first is open.
	text := strings.NewReplacer("192.0.2.14 (far)", "FAR (far)", "192.0.2.4 (far)", "FAR (far)").Replace(got.String())
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	if n := len(discover(registry.DiscoverConfig{Depth: 3, MaxRouters: 20}).Nodes); n != 5 {
		t.Errorf("without allowed networks %d nodes are drawn, want the seed and its four next hops", n)
	}
	limited := discover(registry.DiscoverConfig{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Depth: 1, MaxRouters: 20})
	for _, n := range limited.Nodes {
		if n.Depth > 2 || n.Name == "far" {
			t.Errorf("beyond the depth: %+v", n)
		}
	}
	var dot strings.Builder
	if err := topo.WriteDot(&dot); err != nil || !strings.Contains(dot.String(), `"r1" -> "192.0.2.2" [label="ge-0\n1"];`) {
		t.Errorf("%v\n%s", err, dot.String())
	}
}
