package history_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
	"spoor/internal/bolt"
	"spoor/internal/costtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ctx      = context.Background()
	midnight = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	same     = cmp.Options{cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}), cmpopts.EquateEmpty()}
)

const five = 5 * time.Minute

func open(t testing.TB, path string) *history.Store {
	t.Helper()
	s, err := history.Open(path, history.DefaultKeep())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func host(n int) netip.Prefix {
	if n%3 == 0 {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 6: byte(n >> 8), 7: byte(n)})
		return netip.PrefixFrom(a, []int{64, 128}[n%2])
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}), 32)
}

// activities makes up an interval of some of so many hosts, in their order.
func activities(r *rand.Rand, start time.Time, hosts int) (list []activity.Activity) {
	for n := range hosts {
		if r.IntN(3) == 0 {
			continue
		}
		a := activity.Activity{Host: host(n), Profile: "smtp", Start: start, Length: five, Sampling: 1, Active: 1}
		a.First, a.Last = start.Add(time.Duration(r.IntN(100))*time.Second), start.Add(time.Duration(100+r.IntN(199))*time.Second)
		for d := range a.Series {
			if r.IntN(2) == 0 {
				flows := uint64(1 + r.IntN(1000))
				a.Series[d] = activity.Counts{Flows: flows, Packets: flows * 9, Bytes: flows * 70000}
			}
		}
		a.Relay, a.Failed, a.Tiny, a.SYNOnly = r.Uint64N(90), r.Uint64N(90), r.Uint64N(90), r.Uint64N(9)
		a.Established, a.Forged = r.Uint64N(90), r.Uint64N(2)
		for range r.IntN(40) {
			a.Peers.Add(r.Uint32())
			a.Clients.Add(r.Uint32())
		}
		list = append(list, a)
	}
	byHost(list)
	return list
}

func byHost(list []activity.Activity) {
	slices.SortFunc(list, func(a, b activity.Activity) int {
		x, y := a.Host.Addr().As16(), b.Host.Addr().As16()
		if c := bytes.Compare(x[:], y[:]); c != 0 {
			return c
		}
		return a.Host.Bits() - b.Host.Bits()
	})
}

func record(start time.Time, list []activity.Activity) history.Record {
	w := new(history.Writer)
	for i := range list {
		w.Add(&list[i])
	}
	return history.Record{Start: start, Length: five, Profiles: []history.Profile{{
		Name: "smtp", Hosts: w, Coverage: activity.Coverage{Exporters: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Out: 1},
	}}}
}

// fill stores so many intervals, rolling up after each as the Watcher does, and returns what was stored by host.
func fill(t testing.TB, s *history.Store, seed uint64, from time.Time, intervals, hosts int) []activity.Activity {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var all []activity.Activity
	for i := range intervals {
		start := from.Add(time.Duration(i) * five)
		list := activities(r, start, hosts)
		if err := s.Append(ctx, record(start, list)); err != nil {
			t.Fatal(err)
		}
		if err := s.RollUp(ctx, start.Add(five)); err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

// sum merges the plain way: the model that the store is held against.
func sum(all []activity.Activity, from, to time.Time) map[netip.Prefix]activity.Activity {
	out := map[netip.Prefix]activity.Activity{}
	for _, a := range all {
		if a.Start.Before(from) || !a.Start.Before(to) {
			continue
		}
		if have, ok := out[a.Host]; ok {
			have.Merge(&a)
			a = have
		}
		out[a.Host] = a
	}
	return out
}

// TestAgainstModel compares answers over days, hours and intervals with plain sums.
func TestAgainstModel(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "flows.db"))
	all := fill(t, s, 1, midnight, 30*12, 40) // thirty hours
	for name, span := range map[string][2]time.Duration{
		"all":             {0, 30 * time.Hour},
		"a day":           {0, 24 * time.Hour},
		"an hour":         {25 * time.Hour, 26 * time.Hour},
		"an interval":     {25 * time.Hour, 25*time.Hour + five},
		"odd ends":        {55 * time.Minute, 26*time.Hour + 35*time.Minute},
		"after the hours": {29*time.Hour + 30*time.Minute, 30 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := midnight.Add(span[0]), midnight.Add(span[1])
			want, seen := sum(all, from, to), 0
			basis, err := s.Each(ctx, "smtp", from, to, func(a *activity.Activity) error {
				seen++
				got, w := *a, want[a.Host]
				got.Start, got.Length, w.Start, w.Length = time.Time{}, 0, time.Time{}, 0
				if diff := cmp.Diff(w, got, same); diff != "" {
					t.Errorf("%v: model (-), store (+):\n%s", a.Host, diff)
				}
				return nil
			})
			if err != nil || seen != len(want) || !basis.From.Equal(from) || !basis.To.Equal(to) || basis.Seen() != to.Sub(from) {
				t.Errorf("%d hosts of %d, basis %+v, error %v", seen, len(want), basis, err)
			}
			for h, w := range want {
				got, ok, _, err := s.Sum("smtp", h, from, to)
				if err != nil || !ok || got.Series != w.Series || !got.Peers.Equal(w.Peers) {
					t.Fatalf("%v: sum %+v, want %+v, error %v", h, got, w, err)
				}
			}
		})
	}
	for r, want := range map[history.Resolution]int{history.Interval: 360, history.Hour: 30, history.Day: 1} {
		if spans, err := s.Spans(r, "smtp", midnight, midnight.Add(48*time.Hour)); err != nil || len(spans) != want {
			t.Errorf("%d spans of an %s, error %v; want %d", len(spans), r, err, want)
		}
	}
	if broken := s.Check(ctx); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
	if _, ok, _, _ := s.Sum("smtp", netip.MustParsePrefix("203.0.113.9/32"), midnight, midnight.Add(time.Hour)); ok {
		t.Error("a host that was never stored is found")
	}
}

// TestPrunedEdges checks that where the intervals are gone the hour that overlaps answers, and says so.
func TestPrunedEdges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	s := open(t, path)
	fill(t, s, 2, midnight, 24, 10)
	if err := s.RollUp(ctx, midnight.Add(10*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	spans, err := s.Spans(history.Interval, "smtp", midnight, midnight.Add(24*time.Hour))
	if err != nil || len(spans) != 0 {
		t.Fatalf("%d intervals are left after ten days, error %v", len(spans), err)
	}
	basis, err := s.Each(ctx, "smtp", midnight.Add(20*time.Minute), midnight.Add(30*time.Minute), func(*activity.Activity) error { return nil })
	if err != nil || !basis.From.Equal(midnight) || !basis.To.Equal(midnight.Add(time.Hour)) {
		t.Errorf("basis %+v, error %v; want the first hour", basis, err)
	}
}

func TestAnomalies(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "flows.db"))
	entry := anomaly.Anomaly{Host: host(1), Name: "192.0.0.1", Profile: "smtp", Kind: anomaly.Intensive, Since: midnight, Seen: midnight,
		Score: 9.5, Reasons: []anomaly.Reason{{Code: "fan-out", Value: 70, Weight: 7, Text: "sent to 70 hosts"}}}
	put := func(a anomaly.Anomaly) {
		if err := s.Append(ctx, history.Record{Start: a.Seen, Length: five, Changes: []anomaly.Change{{Anomaly: a}}}); err != nil {
			t.Fatal(err)
		}
	}
	put(entry)
	entry.Seen, entry.Score = midnight.Add(time.Hour), 12
	put(entry)
	other := entry
	other.Host = host(2)
	other.Since, other.Until = midnight.Add(time.Hour), midnight.Add(2*time.Hour)
	put(other)
	got, err := s.AnomaliesOf(host(1), midnight.Add(time.Hour), midnight.Add(2*time.Hour))
	if diff := cmp.Diff([]anomaly.Anomaly{entry}, got, same); err != nil || diff != "" {
		t.Errorf("error %v, want (-), got (+):\n%s", err, diff)
	}
	for from, want := range map[time.Duration]int{0: 1, 90 * time.Minute: 2, 3 * time.Hour: 1, -time.Hour: 0} {
		n := 0
		err := s.Anomalies(midnight.Add(from), midnight.Add(from+time.Hour), func(anomaly.Anomaly) error { n++; return nil })
		if err != nil || n != want {
			t.Errorf("from %v: %d entries, error %v; want %d", from, n, err, want)
		}
	}
}

// TestAppendTwice checks that an interval that is stored again, after an unknown outcome, counts once.
func TestAppendTwice(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "flows.db"))
	list := activities(rand.New(rand.NewPCG(1, 1)), midnight, 900)
	for range 2 {
		if err := s.Append(ctx, record(midnight, list)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if _, err := s.Each(ctx, "smtp", midnight, midnight.Add(five), func(*activity.Activity) error { n++; return nil }); err != nil || n != len(list) {
		t.Errorf("%d hosts, error %v; want %d", n, err, len(list))
	}
}

// TestSeedStays checks that sketches of before a restart merge with those after.
func TestSeedStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	s := open(t, path)
	first, err := s.Seed(ctx)
	if err != nil || first == (activity.Seed{}) {
		t.Fatalf("seed %v, error %v", first, err)
	}
	_ = s.Close()
	if again, err := open(t, path).Seed(ctx); err != nil || again != first {
		t.Errorf("seed %v, then %v, error %v", first, again, err)
	}
}

// TestDamage checks that Check finds blocks that cannot be read, and that questions fail rather than lie.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	s := open(t, path)
	fill(t, s, 3, midnight, 1, 50)
	_ = s.Close()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("interval")).Bucket([]byte("smtp"))
		k, v := b.Cursor().First()
		return b.Put(k, bytes.Clone(v[:len(v)-7]))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if broken := s.Check(ctx); len(broken) == 0 {
		t.Error("a cut block is not found")
	}
	if _, err := s.Each(ctx, "smtp", midnight, midnight.Add(five), func(*activity.Activity) error { return nil }); err == nil {
		t.Error("a cut block is read without an error")
	}
}

// TestNewer checks that a file of a later version is refused, not misread.
func TestNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows.db")
	two := func(*bbolt.Tx) error { return nil }
	db, err := bolt.Open(path, bolt.Options{Migrations: []bolt.Migration{two, two}})
	if err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if _, err := history.Open(path, history.DefaultKeep()); !errors.Is(err, bolt.ErrNewer) {
		t.Errorf("error %v, want ErrNewer", err)
	}
}

// TestValues checks what is kept beside the history.
func TestValues(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "flows.db"))
	got := []string{"as it was"}
	if err := s.Get("x", &got); err != nil || got[0] != "as it was" {
		t.Errorf("nothing kept: %v, error %v", got, err)
	}
	if err := s.Append(ctx, history.Record{Start: midnight, Values: map[string]any{"x": []string{"a"}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Get("x", &got); err != nil || got[0] != "a" {
		t.Errorf("got %v, error %v", got, err)
	}
	var wrong int
	if err := s.Get("x", &wrong); err == nil {
		t.Error("a list is read as a number")
	}
	if _, err := json.Marshal(history.Span{}); err != nil {
		t.Error(err)
	}
}

// BenchmarkTopOverADay reads a day of twenty thousand hosts, as `flows top` does.
func BenchmarkTopOverADay(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "flows.db"))
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 288 {
		start := midnight.Add(time.Duration(i) * five)
		w := new(history.Writer)
		for n := range 20000 {
			if r.IntN(4) > 0 {
				continue
			}
			a := activity.Activity{Host: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32), Profile: "smtp", Start: start, Length: five, First: start, Last: start}
			a.Series[activity.Out] = activity.Counts{Flows: 3, Packets: 30, Bytes: 9000}
			a.Peers.Add(r.Uint32())
			a.Peers.Add(r.Uint32())
			w.Add(&a)
		}
		err := s.Append(ctx, history.Record{Start: start, Length: five, Profiles: []history.Profile{{Name: "smtp", Hosts: w}}})
		if err == nil {
			err = s.RollUp(ctx, start.Add(five))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for name, to := range map[string]time.Duration{"calendar day": 24 * time.Hour, "hours and intervals": 23*time.Hour + 55*time.Minute} {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			begun := costtest.Thread()
			for b.Loop() {
				hosts := 0
				if _, err := s.Each(ctx, "smtp", midnight, midnight.Add(to), func(*activity.Activity) error { hosts++; return nil }); err != nil || hosts != 20000 {
					b.Fatal(hosts, err)
				}
			}
			b.ReportMetric(float64((costtest.Thread()-begun).Microseconds())/1000/float64(b.N), "cpu-ms/answer")
		})
	}
	if size, err := s.Size(); err == nil {
		fmt.Printf("a day of 20,000 hosts: %d MB on disk\n", size>>20)
	}
}
