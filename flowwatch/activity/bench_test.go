package activity_test

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"github.com/gaissmai/bart"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/netflow"
)

// flows of an SMTP client each, among so many hosts of a /8.
func flows(hosts, n int) []netflow.Flow {
	r := rand.New(rand.NewPCG(1, 1))
	list := make([]netflow.Flow, n)
	for i := range list {
		list[i] = *session("192.0.2.1", "203.0.113.1")
		h := r.IntN(hosts)
		list[i].Src = netip.AddrFrom4([4]byte{10, byte(h >> 16), byte(h >> 8), byte(h)})
		list[i].Dst = netip.AddrFrom4([4]byte{203, byte(r.IntN(256)), byte(r.IntN(256)), 1})
	}
	return list
}

func counter(hosts int) *activity.Counter {
	networks := new(bart.Lite)
	networks.Insert(netip.MustParsePrefix("10.0.0.0/8"))
	networks.Insert(netip.MustParsePrefix("2001:db8::/32"))
	s := setup()
	s.MaxPairs, s.MaxHosts, s.Local, s.Near = 0, hosts, networks.Lookup, activity.NearOf(networks.All())
	return activity.NewCounter(s, start)
}

func benchmarkAdd(b *testing.B, hosts int) {
	list := flows(hosts, 1<<15)
	c := counter(hosts)
	c.Add(list) // every host has its place
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i * 32 & (1<<15 - 1)
		c.Add(list[at : at+32])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*32), "ns/flow")
}

func BenchmarkAdd10kHosts(b *testing.B) { benchmarkAdd(b, 10_000) }
func BenchmarkAdd1MHosts(b *testing.B)  { benchmarkAdd(b, 1_000_000) }

// BenchmarkMillionHosts measures the memory of a million tracked hosts of the SMTP profile.
func BenchmarkMillionHosts(b *testing.B) {
	const hosts = 1_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c := counter(hosts)
		f := session("192.0.2.1", "203.0.113.1")
		for _, i := range rand.Perm(hosts) {
			f.Src = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			add(c, f)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		runtime.KeepAlive(c)
	}
}
