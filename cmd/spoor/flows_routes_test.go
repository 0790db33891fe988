package main

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"spoor/flowwatch"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow/netflowtest"
	"spoor/registry"
)

var (
	flowsAt   = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	edge      = netip.MustParseAddr("192.0.2.254")
	customers = netip.MustParsePrefix("198.51.100.0/24")
)

// routed is a registry with the routes of one router: a customer on interface 7, a part of whose network is on an
// interface that is known by name alone, and one with two ways to it.
func routed(t *testing.T) (*registry.Registry, registry.Store) {
	t.Helper()
	ctx := context.Background()
	route := func(prefix, iface string) registry.Route {
		return registry.Route{Prefix: netip.MustParsePrefix(prefix), Router: "edge", Interface: iface, Type: registry.TypeLocal, Protocol: "static"}
	}
	store := registry.NewMemory()
	_, err := store.Record(ctx, registry.Snapshot{Router: "edge", Taken: flowsAt, Table: "import", Verified: "by hand", Routes: []registry.Route{
		route("198.51.100.0/26", "#7"), route("198.51.100.32/27", "ge-0/0/1"), route("198.51.100.64/26", "#8"), route("198.51.100.64/26", "#9"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(ctx, registry.Deps{Config: registry.DefaultConfig(), Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return reg, store
}

// TestFlowsFitTheirRoutes counts flows over a small registry: those of a host that come in by another interface than its
// route's are forged; where the route's interface is not known for certain, all count.
func TestFlowsFitTheirRoutes(t *testing.T) {
	ctx := context.Background()
	reg, _ := routed(t)
	routes := newFlowRoutes(reg, []registry.RouterConfig{{Name: "edge", Address: edge.String()}}, nil)
	store, err := history.Open(filepath.Join(t.TempDir(), "flows.db"), history.DefaultKeep())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c := flowwatch.DefaultConfig()
	c.Exporters, c.Interfaces = []string{edge.String()}, []string{edge.String() + "#12=ge-0/0/1"}
	w, err := flowwatch.New(ctx, flowwatch.Deps{Config: c, Ours: func(a netip.Addr) bool { return reg.Table().IsOurs(a) },
		Around: routes.Around, Routes: routes.Interface, Store: store, Now: func() time.Time { return flowsAt }})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		host        string
		in          uint32
		out, forged uint64
	}{
		{"198.51.100.1", 7, 1, 0},
		{"198.51.100.2", 9, 0, 1},
		{"198.51.100.33", 12, 1, 0},
		{"198.51.100.34", 7, 0, 1},
		{"198.51.100.65", 8, 1, 0},
		{"198.51.100.66", 5, 1, 0},
	}
	var records []netflowtest.Record
	for _, c := range cases {
		records = append(records, netflowtest.Record{
			Src: netip.MustParseAddr(c.host), Dst: netip.MustParseAddr("203.0.113.25"), SrcPort: 40000, DstPort: 25, Proto: 6, Flags: 0x1b,
			Packets: 20, Bytes: 9000, In: c.in, Out: 1, Start: flowsAt.Add(-time.Minute), End: flowsAt,
		})
	}
	x := netflowtest.Exporter{Format: netflowtest.V9, Boot: flowsAt.Add(-time.Hour)}
	for _, b := range x.Encode(records, flowsAt) {
		if err := w.Receive(b, edge, flowsAt); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.CloseInterval(ctx, flowsAt.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		host := netip.MustParseAddr(c.host)
		show, err := w.Show(ctx, netip.PrefixFrom(host, 32), flowwatch.Scope{Profile: "smtp", From: flowsAt, To: flowsAt.Add(time.Hour)})
		if err != nil || show.Sum == nil || show.Sum.Out.Flows != c.out || show.Sum.Forged != c.forged {
			t.Errorf("%s by interface %d: %+v, error %v; want %d out, %d forged", c.host, c.in, show.Sum, err, c.out, c.forged)
		}
	}
}

// TestFlowRoutesFollow checks that the map of our networks and the routes follow the registry.
func TestFlowRoutesFollow(t *testing.T) {
	ctx := context.Background()
	reg, store := routed(t)
	routes := newFlowRoutes(reg, []registry.RouterConfig{{Name: "edge", Address: edge.String()}}, []netip.Prefix{customers})
	if routes.rebuild() {
		t.Error("rebuilt, though nothing changed")
	}
	_, err := store.Record(ctx, registry.Snapshot{Router: "edge", Taken: flowsAt.Add(time.Hour), Table: "import", Verified: "by hand", Routes: []registry.Route{
		{Prefix: netip.MustParsePrefix("203.0.113.0/28"), Router: "edge", Interface: "#3", Type: registry.TypeLocal},
	}})
	if err == nil {
		err = reg.Rebuild(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !routes.rebuild() {
		t.Fatal("not rebuilt, though the registry changed")
	}
	if got := routes.Interface(edge, netip.MustParseAddr("203.0.113.5")); got != "#3" {
		t.Errorf("interface %q, want #3", got)
	}
	if got := routes.Interface(edge, netip.MustParseAddr("198.51.100.1")); got != "" {
		t.Errorf("interface %q of a route that is gone", got)
	}
	found := map[netip.Prefix]bool{}
	for p := range routes.Around() {
		found[p] = true
	}
	if !found[customers] || !found[netip.MustParsePrefix("203.0.113.0/28")] {
		t.Errorf("around %v; want the site's network and the new route", found)
	}
}
