package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"

	"spoor/registry"
)

// BenchmarkReload reads 1.2 million routes from the file into a table, each time as after a
// restart, and tells the memory that stays and what the heap had to take for it.
func BenchmarkReload(b *testing.B) {
	const n = 1_200_000
	s := recorded(b, manyRoutes(n))
	contacts := hopContacts(200)
	var table *registry.Table
	var walls, cpu, heap, kept []float64
	for b.Loop() {
		b.StopTimer()
		table = nil
		before := emptied()
		begin, started := time.Now(), cpuSeconds(b)
		b.StartTimer()
		err := s.Load(context.Background(), func(in registry.Input) (err error) {
			in.Contacts = contacts
			table, err = registry.Build(in)
			return err
		})
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		walls, cpu = append(walls, time.Since(begin).Seconds()), append(cpu, cpuSeconds(b)-started)
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		heap = append(heap, float64(after.HeapSys-after.HeapReleased)/(1<<20))
		kept = append(kept, float64(emptied().HeapAlloc-before.HeapAlloc)/(1<<20))
		if _, routes := table.Size(); routes != n {
			b.Fatalf("%d routes", routes)
		}
		b.StartTimer()
	}
	slices.Sort(walls)
	slices.Sort(cpu)
	b.ReportMetric(walls[len(walls)/2], "s/median")
	b.ReportMetric(walls[len(walls)-1], "s/worst")
	b.ReportMetric(cpu[len(cpu)/2], "cpu-s/median")
	b.ReportMetric(slices.Max(heap), "MB-heap")
	b.ReportMetric(slices.Max(kept), "MB-kept")
	runtime.KeepAlive(table)
}

// recorded makes a store that holds a snapshot, and opens it anew.
func recorded(b *testing.B, snap registry.Snapshot) *Store {
	path := filepath.Join(b.TempDir(), "registry.db")
	s, err := Open(path, 0, false)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if _, err := s.Record(context.Background(), snap); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(begin).Seconds(), "s/record")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if s, err = Open(path, 0, false); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// emptied gives all free memory back to the system, twice because a collection under way
// may keep what has become free since it began, and returns what is left.
func emptied() (m runtime.MemStats) {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	return m
}

func manyRoutes(n int) registry.Snapshot {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := make(map[netip.Prefix]bool, n)
	snap := registry.Snapshot{Router: "r1", Taken: t0}
	for len(snap.Routes) < n {
		bits := 24
		if rng.IntN(3) == 0 {
			bits = 12 + rng.IntN(12)
		}
		addr := netip.AddrFrom4([4]byte{byte(1 + rng.IntN(126)), byte(rng.IntN(256)), byte(rng.IntN(256))})
		if rng.IntN(6) == 0 {
			bits = 32 + rng.IntN(17)
			addr = netip.AddrFrom16([16]byte{0x20, byte(rng.IntN(16)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))})
		}
		p, _ := addr.Prefix(bits)
		if seen[p] {
			continue
		}
		seen[p] = true
		snap.Routes = append(snap.Routes, registry.Route{Prefix: p, NextHop: hop(rng.IntN(200)), Router: "r1", Interface: fmt.Sprintf("ge-%d", rng.IntN(10)), Type: registry.TypeRemote})
	}
	return snap
}

// cpuSeconds is the processor time of this process: on a machine that others use too it
// says more than the clock.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
