package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"spoor/registry"
)

// TestRoutersAreMergedInOrder reads the tables of many routers, of different lengths and
// with prefixes in common, as one.
func TestRoutersAreMergedInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for routers := range 12 {
		s := open(t, 0)
		var want []registry.Route
		for r := range routers {
			snap := registry.Snapshot{Router: fmt.Sprintf("r%02d", r), Taken: t0.Add(time.Duration(r) * time.Minute)}
			seen := map[netip.Prefix]bool{}
			for range rng.IntN(120) {
				p, _ := netip.AddrFrom4([4]byte{10, byte(rng.IntN(8)), byte(rng.IntN(4))}).Prefix(8 + rng.IntN(17))
				if rng.IntN(3) == 0 {
					p, _ = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(rng.IntN(8))}).Prefix(32 + rng.IntN(17))
				}
				if !seen[p] {
					seen[p] = true
					snap.Routes = append(snap.Routes, registry.Route{Prefix: p, NextHop: hop(rng.IntN(3)), Router: snap.Router})
				}
			}
			if _, err := s.Record(context.Background(), snap); err != nil {
				t.Fatal(err)
			}
			for _, route := range snap.Routes {
				route.FirstSeen, route.LastSeen = snap.Taken, snap.Taken
				want = append(want, route)
			}
		}
		slices.SortFunc(want, registry.CompareRoutes)
		got := slices.SortedFunc(table(t, s, nil, t0).Routes(time.Time{}), registry.CompareRoutes)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("%d routers: %s", routers, diff)
		}
	}
}

// TestBrokenRecords: a record that cannot be read stops the load with its name, and Check
// lists it; nothing is left out in silence.
func TestBrokenRecords(t *testing.T) {
	key := func(rest ...byte) []byte {
		return append(prefixKey(netip.MustParsePrefix("192.0.2.0/24")), rest...)
	}
	value := make([]byte, routeValue)
	tests := []struct {
		name       string
		bucket     []byte
		key, value []byte
		want       string
	}{
		{"path that is not stored", bucketRoutes, key(0, 0, 0, 9, 0, 0, 0, 1), value, "route 192.0.2.0/24: path 9 is not stored"},
		{"path without number", bucketRoutes, key(0, 0, 0, 0, 0, 0, 0, 1), value, "route 192.0.2.0/24: path 0 is not stored"},
		{"short value", bucketRoutes, key(0, 0, 0, 1, 0, 0, 0, 1), value[:8], "route 192.0.2.0/24: record of 8 and 8 bytes"},
		{"short key", bucketRoutes, []byte{4, 192, 0}, value, "key 04c000 is too short"},
		{"unknown family", bucketRoutes, append([]byte{5}, key(0, 0, 0, 1, 0, 0, 0, 1)[1:]...), value, "is of no family"},
		{"impossible length", bucketRoutes, []byte{4, 192, 0, 2, 0, 33, 0, 0, 0, 1, 0, 0, 0, 1}, value, "is no prefix"},
		{"path out of sequence", bucketPaths, pathKey(7), []byte(`{"router":"r"}`), "path 00000007 is stored where number 2 is due"},
		{"unreadable path", bucketPaths, pathKey(2), []byte(`{`), "path 00000002: unexpected end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, 0)
			snap := snapshot("r", t0, map[netip.Prefix]netip.Addr{netip.MustParsePrefix("198.51.100.0/24"): hop(1)})
			if _, err := s.Record(context.Background(), snap); err != nil {
				t.Fatal(err)
			}
			err := s.db.Update(context.Background(), func(tx *bbolt.Tx) error {
				b := tx.Bucket(tt.bucket)
				if source := b.Bucket(sourceName("r", "")); source != nil {
					b = source
				}
				return b.Put(tt.key, tt.value)
			})
			if err != nil {
				t.Fatal(err)
			}
			err = s.Load(context.Background(), func(in registry.Input) error { _, err := registry.Build(in); return err })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load: %v, want %s", err, tt.want)
			}
			if broken := errors.Join(s.Check(context.Background())...); broken == nil || !strings.Contains(broken.Error(), tt.want) {
				t.Errorf("Check: %v, want %s", broken, tt.want)
			}
		})
	}
}

// TestLoadEndsWithItsContext: a load that nobody waits for any more stops.
func TestLoadEndsWithItsContext(t *testing.T) {
	s := open(t, 0)
	snap := snapshot("r", t0, map[netip.Prefix]netip.Addr{netip.MustParsePrefix("198.51.100.0/24"): hop(1)})
	if _, err := s.Record(context.Background(), snap); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Load(ctx, func(in registry.Input) error { _, err := registry.Build(in); return err })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want a cancelled load", err)
	}
}
