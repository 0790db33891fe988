package registry

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gaissmai/bart"
)

// manyRoutes makes a table in the shape of the Internet's: mostly /24, some wider ones
// that enclose them, some IPv6.
func manyRoutes(n int) []Route {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := make(map[netip.Prefix]bool, n)
	routes := make([]Route, 0, n)
	for len(routes) < n {
		bits := 24
		if rng.IntN(3) == 0 {
			bits = 12 + rng.IntN(12)
		}
		addr := netip.AddrFrom4([4]byte{byte(1 + rng.IntN(126)), byte(rng.IntN(256)), byte(rng.IntN(256)), 0})
		if rng.IntN(6) == 0 {
			bits = 32 + rng.IntN(17)
			addr = netip.AddrFrom16([16]byte{0x20, byte(rng.IntN(16)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))})
		}
		p, _ := addr.Prefix(bits)
		if seen[p] {
			continue
		}
		seen[p] = true
		routes = append(routes, Route{Prefix: p, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, byte(rng.IntN(200))}), Router: "r1",
			Interface: fmt.Sprintf("ge-%d", rng.IntN(10)), Protocol: "bgp", Type: TypeRemote, FirstSeen: time.Unix(1_700_000_000, 0)})
	}
	return routes
}

func manyContacts() []Contact {
	var contacts []Contact
	for i := range 200 {
		contacts = append(contacts, Contact{Key: Key{Kind: KeyNextHop, NextHop: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})},
			Org: fmt.Sprintf("Holder %d", i), Abuse: []Mailbox{{Mail: fmt.Sprintf("abuse%d@example.org", i)}}})
	}
	return contacts
}

// BenchmarkLookup compares a look-up that ends with a contact with the bare longest
// prefix match of bart over the same 1.2 million prefixes and the same cold addresses.
func BenchmarkLookup(b *testing.B) {
	routes := manyRoutes(1_200_000)
	bare := new(bart.Table[uint32])
	addrs := make([]netip.Addr, 1<<20)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range routes {
		bare.Insert(routes[i].Prefix, uint32(i))
	}
	for i := range addrs {
		addrs[i] = routes[rng.IntN(len(routes))].Prefix.Addr().Next()
	}
	table, err := Build(Input{Routes: RoutesOf(routes), Contacts: manyContacts()})
	if err != nil {
		b.Fatal(err)
	}
	routes = nil
	var ours, theirs []time.Duration // of each block: their medians say more than sums where others use the machine
	found, missed := 0, 0
	const block = 1 << 12
	n := 0
	for b.Loop() {
		part := addrs[n%len(addrs) : n%len(addrs)+block]
		n += block
		begin := time.Now()
		for _, a := range part {
			if _, ok := bare.Lookup(a); !ok {
				missed++
			}
		}
		theirs = append(theirs, time.Since(begin))
		part = addrs[(n+len(addrs)/2)%len(addrs) : (n+len(addrs)/2)%len(addrs)+block] // others, as cold
		begin = time.Now()
		for _, a := range part {
			if c, ok := table.Lookup(a); ok && c.Org != "" {
				found++
			}
		}
		ours = append(ours, time.Since(begin))
	}
	if found < n/2 || missed > 0 {
		b.Fatalf("%d of %d addresses have a contact, %d no route", found, n, missed)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	mine, bartAlone := ours[len(ours)/2], theirs[len(theirs)/2]
	b.ReportMetric(float64(mine.Nanoseconds())/block, "ns/lookup")
	b.ReportMetric(float64(bartAlone.Nanoseconds())/block, "ns/bart")
	fmt.Printf("ratio lookup-vs-bart %.2f\n", float64(bartAlone)/float64(mine))
}

// BenchmarkHolder is the whole answer with its chain of reasons.
func BenchmarkHolder(b *testing.B) {
	routes := manyRoutes(100_000)
	table, err := Build(Input{Routes: RoutesOf(routes), Contacts: manyContacts()})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	b.ReportAllocs()
	for b.Loop() {
		a := table.Holder(Query{Addr: routes[rng.IntN(len(routes))].Prefix.Addr()})
		if a.Status == StatusInvalid {
			b.Fatal(a.Why)
		}
	}
}

// BenchmarkBuild builds the table of 1.2 million routes and tells how much memory it keeps.
func BenchmarkBuild(b *testing.B) {
	routes := manyRoutes(1_200_000)
	seq := RoutesOf(routes)
	contacts := manyContacts()
	var before, after runtime.MemStats
	var table *Table
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin, rounds := cpuSeconds(b), 0
	for b.Loop() {
		rounds++
		var err error
		if table, err = Build(Input{Routes: seq, Contacts: contacts}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuSeconds(b)-begin)/float64(rounds), "cpu-s/op")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MB-kept")
	runtime.KeepAlive(table)
	runtime.KeepAlive(routes)
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
