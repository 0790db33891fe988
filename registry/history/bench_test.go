package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"spoor/registry"
)

// BenchmarkReload reads 1.2 million routes from the file into a table, as after a
// restart, and tells the memory that stays and its peak.
func BenchmarkReload(b *testing.B) {
	path := filepath.Join(b.TempDir(), "registry.db")
	s, err := Open(path, 0, false)
	if err != nil {
		b.Fatal(err)
	}
	const n = 1_200_000
	begin := time.Now()
	if _, err := s.Record(context.Background(), manyRoutes(n)); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(begin).Seconds(), "s/record")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if s, err = Open(path, 0, false); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	contacts := hopContacts(200)
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var table *registry.Table
	started, rounds := cpuSeconds(b), 0
	for b.Loop() {
		rounds++
		table = nil
		err := s.Load(context.Background(), func(in registry.Input) (err error) {
			in.Contacts = contacts
			table, err = registry.Build(in)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		if _, routes := table.Size(); routes != n {
			b.Fatalf("%d routes", routes)
		}
	}
	b.ReportMetric((cpuSeconds(b)-started)/float64(rounds), "cpu-s/op")
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapSys-after.HeapReleased)/(1<<20), "MB-heap")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MB-kept")
	runtime.KeepAlive(table)
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
