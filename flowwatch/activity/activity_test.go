package activity_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/netflow"
	"spoor/internal/costtest"
)

var (
	start = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	seed  = activity.Seed{11, 12}
	ours  = netip.MustParsePrefix("192.0.2.0/24")
	ours6 = netip.MustParsePrefix("2001:db8::/32")
)

func local(a netip.Addr) bool { return ours.Contains(a) || ours6.Contains(a) }

func setup() activity.Setup {
	return activity.Setup{Profiles: []activity.Profile{activity.SMTP()}, Local: local, Seed: seed, MaxPairs: 1000}
}

// session is a client's flow of a mail that was delivered; change alters it.
func session(src, dst string, change ...func(*netflow.Flow)) *netflow.Flow {
	f := &netflow.Flow{
		Exporter: netip.MustParseAddr("198.51.100.254"), Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst),
		SrcPort: 40000, DstPort: 25, Proto: netflow.ProtoTCP, Flags: 0x1b, Sees: netflow.SeesFlags,
		Packets: 20, Bytes: 9000, Sampling: 1, In: 1, Out: 2, Start: netflow.StampOf(start), End: netflow.StampOf(start.Add(time.Minute)),
	}
	for _, c := range change {
		c(f)
	}
	return f
}

// add counts one flow.
func add(c *activity.Counter, f *netflow.Flow) { c.Add([]netflow.Flow{*f}) }

func reply(f *netflow.Flow) *netflow.Flow {
	r := *f
	r.Src, r.Dst, r.SrcPort, r.DstPort = f.Dst, f.Src, f.DstPort, f.SrcPort
	r.Packets, r.Bytes = 15, 1200
	return &r
}

func refused(f *netflow.Flow)  { f.Flags, f.Packets, f.Bytes = netflow.FlagSYN, 3, 180 }
func rejected(f *netflow.Flow) { f.Packets, f.Bytes = 10, 600 }

func collect(c *activity.Counter) map[string]activity.Activity {
	list := map[string]activity.Activity{}
	c.Close(start.Add(5*time.Minute)).Each(0, func(a *activity.Activity) { list[activity.Name(a.Host)] = *a })
	return list
}

func TestDirections(t *testing.T) {
	c := activity.NewCounter(setup(), start)
	out, in := session("192.0.2.1", "203.0.113.1"), session("203.0.113.9", "192.0.2.1")
	for _, f := range []*netflow.Flow{out, reply(out), in, reply(in), session("203.0.113.9", "203.0.113.1"),
		session("192.0.2.1", "203.0.113.2", refused), session("192.0.2.1", "203.0.113.3", rejected),
		session("192.0.2.1", "203.0.113.1", func(f *netflow.Flow) { f.DstPort = 80 })} {
		add(c, f)
	}
	list := collect(c)
	if len(list) != 1 {
		t.Fatalf("%d hosts, want the one of ours", len(list))
	}
	got := list["192.0.2.1"]
	want := activity.Activity{
		Host: netip.MustParsePrefix("192.0.2.1/32"), Profile: "smtp", Start: start, Length: 5 * time.Minute,
		First: start.Add(time.Minute), Last: start.Add(time.Minute),
		Series: [activity.Directions]activity.Counts{{3, 33, 9780}, {1, 15, 1200}, {1, 20, 9000}, {1, 15, 1200}},
		Relay:  3, Failed: 1, SYNOnly: 1, Tiny: 2, Established: 2, Sampling: 1, Active: 1,
	}
	ignore := cmpopts.IgnoreFields(activity.Activity{}, "Peers", "Replied", "Clients")
	if diff := cmp.Diff(want, got, ignore, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if p, r, cl := got.Peers.Count(), got.Replied.Count(), got.Clients.Count(); p != 3 || r != 1 || cl != 1 {
		t.Errorf("peers %d, replied %d, clients %d; want 3, 1, 1", p, r, cl)
	}
}

// TestDelegated checks that an IPv6 host counts under its address and its customer's prefix, and both ends when both are ours.
func TestDelegated(t *testing.T) {
	s := setup()
	s.Delegated = 56
	c := activity.NewCounter(s, start)
	add(c, session("2001:db8:0:1::5", "2001:db8:ff00::25"))
	add(c, session("2001:db8:0:2::6", "2001:db8:ff00::25"))
	list := collect(c)
	for name, want := range map[string]uint64{"2001:db8:0:1::5": 1, "2001:db8:0:2::6": 1, "2001:db8::/56": 2} {
		if a := list[name]; a.Series[activity.Out].Flows != want {
			t.Errorf("%s: %d flows out, want %d", name, a.Series[activity.Out].Flows, want)
		}
	}
	if a := list["2001:db8:ff00::25"]; a.Series[activity.In].Flows != 2 || a.Clients.Count() != 2 {
		t.Errorf("server: %d flows in from %d clients, want 2 and 2", a.Series[activity.In].Flows, a.Clients.Count())
	}
	if len(list) != 5 {
		t.Errorf("%d hosts, want 3 addresses and 2 prefixes", len(list))
	}
}

// TestOtherNumbering checks that where nearly no flow fits its route the routes are not believed, and believed again later.
func TestOtherNumbering(t *testing.T) {
	s := setup()
	s.Routes = func(exporter, host netip.Addr) (uint32, bool) { return 7, true }
	c := activity.NewCounter(s, start)
	for n, step := range []struct {
		in          uint32
		out, forged uint64
		disbelieved int
	}{{9, 0, 200, 1}, {9, 200, 0, 1}, {7, 200, 0, 0}, {9, 0, 200, 1}} {
		for range 200 {
			add(c, session("192.0.2.1", "203.0.113.1", func(f *netflow.Flow) { f.In = step.in }))
		}
		a := collect(c)["192.0.2.1"]
		if a.Forged != step.forged || a.Series[activity.Out].Flows != step.out || len(c.Disbelieved()) != step.disbelieved {
			t.Errorf("interval %d: forged %d, out %d, %d disbelieved; want %+v", n, a.Forged, a.Series[activity.Out].Flows, len(c.Disbelieved()), step)
		}
	}
}

// TestForged checks that a flow from our address through another interface than its route's counts apart.
func TestForged(t *testing.T) {
	s := setup()
	s.Routes = func(exporter, host netip.Addr) (uint32, bool) { return 7, host == netip.MustParseAddr("192.0.2.1") }
	c := activity.NewCounter(s, start)
	via := func(n uint32) func(*netflow.Flow) { return func(f *netflow.Flow) { f.In = n } }
	for range 3 {
		add(c, session("192.0.2.1", "203.0.113.1", via(9)))
	}
	add(c, session("192.0.2.1", "203.0.113.1", via(7)))
	add(c, session("192.0.2.1", "203.0.113.1", via(0))) // not known: counts
	add(c, session("192.0.2.2", "203.0.113.1", via(9))) // no route known: counts
	list := collect(c)
	if a := list["192.0.2.1"]; a.Forged != 3 || a.Series[activity.Out].Flows != 2 || a.Peers.Count() != 1 {
		t.Errorf("forged %d, out %d; want 3, 2", a.Forged, a.Series[activity.Out].Flows)
	}
	if a := list["192.0.2.2"]; a.Forged != 0 || a.Series[activity.Out].Flows != 1 {
		t.Errorf("without a route: forged %d, out %d; want 0, 1", a.Forged, a.Series[activity.Out].Flows)
	}
}

func TestObservationPoints(t *testing.T) {
	s := setup()
	s.Observe = func(_ netip.Addr, in uint32) bool { return in == 1 }
	c := activity.NewCounter(s, start)
	add(c, session("192.0.2.1", "203.0.113.1"))
	add(c, session("192.0.2.1", "203.0.113.1", func(f *netflow.Flow) { f.In = 2 }))
	if a := collect(c)["192.0.2.1"]; a.Series[activity.Out].Flows != 1 || c.Unobserved() != 1 {
		t.Errorf("out %d, unobserved %d; want 1, 1", a.Series[activity.Out].Flows, c.Unobserved())
	}
}

// TestFirewallEvents checks that one conversation told three times counts once.
func TestFirewallEvents(t *testing.T) {
	c := activity.NewCounter(setup(), start)
	for _, e := range []netflow.Event{netflow.EventCreated, netflow.EventUpdate, netflow.EventDeleted, netflow.EventDenied} {
		add(c, session("192.0.2.1", "203.0.113.1", func(f *netflow.Flow) { f.Event = e }))
	}
	if a := collect(c)["192.0.2.1"]; a.Series[activity.Out].Flows != 2 || a.Failed != 1 {
		t.Errorf("out %d, failed %d; want 2 (one ended, one denied), 1", a.Series[activity.Out].Flows, a.Failed)
	}
}

// TestProfiles checks that each profile of the known ones counts its own kind of flow.
func TestProfiles(t *testing.T) {
	s := setup()
	s.Profiles = activity.Known()
	c := activity.NewCounter(s, start)
	add := func(port uint16, proto, flags uint8) {
		add(c, session("192.0.2.1", "203.0.113.1", func(f *netflow.Flow) { f.DstPort, f.Proto, f.Flags = port, proto, flags }))
	}
	add(25, 6, netflow.FlagSYN)  // smtp, syn-any
	add(445, 6, netflow.FlagSYN) // syn, syn-any
	add(445, 6, 0x1b)            // a session: neither
	add(8<<8, 1, 0)              // icmp: echo request
	add(3<<8|3, 1, 0)            // unreachable: backscatter, in none
	add(53, 17, 0)               // udp-amplification
	want := map[string]uint64{"smtp": 1, "syn": 1, "syn-any": 2, "icmp": 1, "udp-amplification": 1}
	iv := c.Close(start.Add(time.Minute))
	for i, p := range s.Profiles {
		var flows uint64
		iv.Each(i, func(a *activity.Activity) { flows += a.Series[activity.Out].Flows })
		if flows != want[p.Name] {
			t.Errorf("%s: %d flows out, want %d", p.Name, flows, want[p.Name])
		}
	}
}

// TestAgainstMap compares the counters with plain maps over random traffic, through several intervals.
func TestAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := activity.NewCounter(setup(), start)
	for interval := range 4 {
		type plain struct {
			flows uint64
			peers map[netip.Addr]bool
		}
		want := map[string]*plain{}
		for range 20000 {
			host := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(256))})
			if r.IntN(2) == 0 {
				host = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(r.IntN(256)), 14: byte(r.IntN(8))})
			}
			peer := netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(1 + int(host.AsSlice()[len(host.AsSlice())-1])))})
			p := want[host.String()]
			if p == nil {
				p = &plain{peers: map[netip.Addr]bool{}}
				want[host.String()] = p
			}
			p.flows++
			p.peers[peer] = true
			add(c, session(host.String(), peer.String()))
		}
		iv := c.Close(start.Add(time.Duration(interval+1) * 5 * time.Minute))
		seen := 0
		last := netip.Prefix{}
		iv.Each(0, func(a *activity.Activity) {
			if last.IsValid() && a.Addr().Compare(last.Addr()) < 0 && last.Addr().Is4() == a.Addr().Is4() {
				t.Fatalf("%v after %v", a.Host, last)
			}
			last = a.Host
			if !a.Single() {
				return
			}
			seen++
			w := want[activity.Name(a.Host)]
			if w == nil || a.Series[activity.Out].Flows != w.flows {
				t.Fatalf("%v: %d flows, want %+v", a.Host, a.Series[activity.Out].Flows, w)
			}
			n := len(w.peers)
			if got := a.Peers.Count(); got != n || !a.Peers.Exact() {
				t.Errorf("%v: %d peers, want %d", a.Host, got, n)
			}
		})
		if seen != len(want) {
			t.Errorf("%d hosts, want %d", seen, len(want))
		}
		iv.Clear()
		c.Recycle(iv)
	}
}

// TestShortWay counts the same random flows twice, of all kinds and profiles: as flows of IPv4, many at once, and one by
// one by their addresses in IPv6's form (RFC 4291 §2.5.5.2), which do not take the shorter way.
func TestShortWay(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	s := setup()
	s.Profiles = activity.Known()
	s.Local = func(a netip.Addr) bool { return local(a.Unmap()) }
	s.Near = activity.NearOf(slices.Values([]netip.Prefix{ours, ours6}))
	s.Routes = func(_, host netip.Addr) (uint32, bool) { return 1, host.Unmap().As4()[3]%2 == 0 }
	long, short := activity.NewCounter(s, start), activity.NewCounter(s, start)
	ports, protocols := []uint16{0, 25, 53, 80, 587, 8 << 8, 40000}, []uint8{1, 6, 6, 6, 17, 58, 47}
	networks := [][4]byte{{192, 0, 2}, {192, 0, 3}, {203, 0, 113}, {198, 51, 100}} // ours, one near it, and others
	addr := func() netip.Addr {
		a := networks[r.IntN(len(networks))]
		a[3] = byte(r.IntN(40))
		return netip.AddrFrom4(a)
	}
	list := make([]netflow.Flow, 20_000)
	for i := range list {
		f := session("192.0.2.1", "203.0.113.1")
		f.Src, f.Dst, f.SrcPort, f.DstPort = addr(), addr(), ports[r.IntN(len(ports))], ports[r.IntN(len(ports))]
		f.Proto, f.Flags, f.Event = protocols[r.IntN(len(protocols))], uint8(r.IntN(32)), netflow.Event(max(0, r.IntN(20)-14))
		f.Packets, f.Bytes, f.In = uint64(r.IntN(12)), uint64(r.IntN(2000)), uint32(r.IntN(3))
		list[i] = *f
		f.Src, f.Dst = netip.AddrFrom16(f.Src.As16()), netip.AddrFrom16(f.Dst.As16())
		add(long, f)
	}
	for chunk := range slices.Chunk(list, 64) {
		short.Add(chunk)
	}
	want, got := long.Close(start.Add(time.Minute)), short.Close(start.Add(time.Minute))
	for i, p := range s.Profiles {
		hosts := map[netip.Prefix]activity.Activity{}
		want.Each(i, func(a *activity.Activity) { hosts[a.Host] = a.Clone() })
		if len(hosts) < 30 {
			t.Errorf("%s: only %d hosts", p.Name, len(hosts))
		}
		got.Each(i, func(a *activity.Activity) {
			if diff := cmp.Diff(hosts[a.Host], *a, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("%s: one by one (-), and the short way (+):\n%s", p.Name, diff)
			}
			delete(hosts, a.Host)
		})
		if len(hosts) > 0 {
			t.Errorf("%s: %d hosts are missing", p.Name, len(hosts))
		}
	}
	want.Finish()
	got.Finish()
	if diff := cmp.Diff(want.Pairs, got.Pairs); diff != "" {
		t.Errorf("pairs, one by one (-), and the short way (+):\n%s", diff)
	}
}

// TestSketchMerge checks that the merge of two halves counts as the whole, and survives writing.
func TestSketchMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 15, 16, 17, 40, 384, 385, 1000, 20000} {
		var whole, a, b activity.Sketch
		for i := range n {
			h := r.Uint32()
			whole.Add(h)
			if i%2 == 0 {
				a.Add(h)
			} else {
				b.Add(h)
			}
		}
		before := b.Clone()
		a.Merge(&b)
		if !b.Equal(before) {
			t.Errorf("%d: what was merged is no longer what it was", n)
		}
		if !a.Equal(whole) || a.Exact() != (n <= 384) {
			t.Errorf("%d: the halves count %d, the whole %d; exact: %v", n, a.Count(), whole.Count(), a.Exact())
		}
		if got := whole.Count(); n <= 384 && got != n || got < n*90/100 || got > n*110/100 {
			t.Errorf("%d peers count as %d", n, got)
		}
		var back activity.Sketch
		if rest := back.Read(append(a.Append(nil), 1, 2)); len(rest) != 2 || !back.Equal(a) {
			t.Errorf("%d: reading what was written gives another sketch", n)
		}
		coarse := whole.Clone()
		if coarse.Coarsen(); n > 16 && (coarse.Exact() || coarse.Count() < n/2 || coarse.Count() > 2*n) {
			t.Errorf("%d peers count as %d where room is short", n, coarse.Count())
		}
		other := a.Clone()
		if other.Merge(&coarse); !other.Equal(coarse) {
			t.Errorf("%d: merged with what it was made of, a coarse sketch changes", n)
		}
	}
}

// TestMerger checks that sums whose peers are merged late are those of Activity.Merge.
func TestMerger(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var merger activity.Merger
	for _, most := range []int{3, 30, 300, 3000} {
		var want, got activity.Activity
		for i := range 12 {
			var a activity.Activity
			a.Series[activity.Out].Flows = 5
			for range r.IntN(most) {
				a.Peers.Add(r.Uint32N(uint32(2 * most)))
				a.Clients.Add(r.Uint32())
			}
			if want.Merge(&a); i == 0 {
				merger.Begin(&got, &a)
			} else {
				merger.Merge(&got, &a)
			}
		}
		if !got.Peers.Equal(want.Peers) || !got.Clients.Equal(want.Clients) || got.Series != want.Series {
			t.Errorf("up to %d peers: %d and %d, want %d and %d", most, got.Peers.Count(), got.Clients.Count(), want.Peers.Count(), want.Clients.Count())
		}
	}
}

// TestSketchError measures the estimate's error over many sets: 2.3 % is what 2,048 registers give, from the first
// number that is not exact on.
func TestSketchError(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const runs = 100
	for _, n := range []int{400, 1500, 5000, 20000} {
		sum, bias := 0.0, 0.0
		for range runs {
			var s activity.Sketch
			for range n {
				s.Add(r.Uint32())
			}
			e := float64(s.Count()-n) / float64(n)
			sum, bias = sum+e*e, bias+e
		}
		if e := math.Sqrt(sum / runs); e > 0.03 || math.Abs(bias/runs) > 0.01 {
			t.Errorf("%d peers: standard error %.4f, want at most 0.03; mean error %.4f", n, e, bias/runs)
		}
	}
}

// TestPeersOfOneHost counts more and more peers of one host, as it grows from one form of set to the next: never more
// than its flows, and never far off.
func TestPeersOfOneHost(t *testing.T) {
	c := activity.NewCounter(setup(), start)
	host := netip.MustParsePrefix("192.0.2.1/32")
	for n := 1; n <= 6000; n++ {
		peer := netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)})
		add(c, session("192.0.2.1", peer.String()))
		a, ok := c.Host(0, host, start)
		if got := a.PeersMet(); !ok || n <= 384 && (got != n || !a.Peers.Exact()) || uint64(got) > a.Series[activity.Out].Flows || got < n*92/100 {
			t.Fatalf("%d peers count as %d, exact: %v", n, got, a.Peers.Exact())
		}
		if n%100 == 0 { // the same again changes nothing
			before := a.Clone()
			add(c, session("192.0.2.1", peer.String()))
			if after, _ := c.Host(0, host, start); !after.Peers.Equal(before.Peers) {
				t.Fatalf("%d peers, met again, count as %d", n, after.PeersMet())
			}
		}
	}
}

// TestShortOfRoom checks that sets of peers stay within their room however many hosts have many, that those past it still
// count about, and that the next interval has room again.
func TestShortOfRoom(t *testing.T) {
	s := setup()
	s.MaxHosts = 8192
	c := activity.NewCounter(s, start)
	for interval := range 2 {
		f := session("2001:db8::1", "2001:db9::1")
		for host := range 3500 {
			src := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: 1, 14: byte(host >> 8), 15: byte(host)})
			for peer := range 60 {
				f.Src, f.Dst = src, netip.AddrFrom16([16]byte{0x24, 14: byte(peer), 15: 1})
				add(c, f)
			}
		}
		iv := c.Close(start.Add(time.Duration(interval+1) * 5 * time.Minute))
		exact, about := 0, 0
		iv.Each(0, func(a *activity.Activity) {
			n := a.PeersMet()
			switch {
			case a.Peers.Exact() && n == 60:
				exact++
			case !a.Peers.Exact() && n >= 30 && n <= 120:
				about++
			default:
				t.Errorf("%v: %d peers, exact: %v", a.Host, n, a.Peers.Exact())
			}
		})
		if exact < 1000 || about < 1000 {
			t.Errorf("interval %d: %d hosts' peers are exact, %d are not; want some of both", interval, exact, about)
		}
		iv.Clear()
		c.Recycle(iv)
	}
}

// TestForgedFlood sends from far more IPv6 prefixes than are tracked, and one host that keeps sending among them.
func TestForgedFlood(t *testing.T) {
	s := setup()
	s.MaxHosts = 1000
	c := activity.NewCounter(s, start)
	r := rand.New(rand.NewPCG(7, 8))
	flood := func(n int) {
		for range n {
			var b [16]byte
			copy(b[:], []byte{0x20, 1, 0xd, 0xb8})
			for i := 4; i < 16; i++ {
				b[i] = byte(r.Uint32())
			}
			add(c, session(netip.AddrFrom16(b).String(), "203.0.113.1", refused))
		}
	}
	flood(10000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	flood(50000)
	for i := range 200 {
		add(c, session("192.0.2.77", fmt.Sprintf("203.0.113.%d", i)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("50,000 more forged hosts took %d bytes", grown)
	}
	if n := c.Hosts(); n > 1000 {
		t.Errorf("%d hosts are tracked, the limit is 1000", n)
	}
	iv := c.Close(start.Add(5 * time.Minute))
	iv.Finish()
	o := iv.Coverage[0].Overflow
	if o.Flows < 100000 || o.Hosts < 60000 {
		t.Errorf("overflow of %d flows and %d hosts, want about 119,000 of each", o.Flows, o.Hosts)
	}
	var real activity.Activity
	iv.Each(0, func(a *activity.Activity) {
		if a.Addr() == netip.MustParseAddr("192.0.2.77") {
			real = *a
		}
	})
	if real.Series[activity.Out].Flows < 150 {
		t.Errorf("the host that really sends shows %d flows, want nearly all 200", real.Series[activity.Out].Flows)
	}
}

func TestPairs(t *testing.T) {
	c := activity.NewCounter(setup(), start)
	for i := range 60 {
		add(c, session("192.0.2.1", "203.0.113.1"))
		add(c, session("192.0.2.1", fmt.Sprintf("203.0.113.%d", 10+i)))
	}
	iv := c.Close(start.Add(time.Minute))
	iv.Finish()
	h := iv.Pairs[0]
	if h[0].Entries != 60 || h[2].Entries != 1 || h[2].Flows != 60 || h.Total().Flows != 120 {
		t.Errorf("pairs %+v", h)
	}
}

// TestManyPairs checks that past the limit the histogram is an estimate of the whole, and the table stays small.
func TestManyPairs(t *testing.T) {
	c := activity.NewCounter(setup(), start) // follows 1000 pairs
	const n = 40000
	for i := range n {
		f := session("192.0.2.1", "203.0.113.1")
		f.Dst = netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		add(c, f)
		if i%100 == 0 {
			for range 49 {
				add(c, f)
			}
		}
	}
	iv := c.Close(start.Add(time.Minute))
	iv.Finish()
	h := iv.Pairs[0]
	if few, many := h[0].Entries, h[2].Entries; few < n*8/10 || few > n*12/10 || many > 1200 || h.Total().Flows < n {
		t.Errorf("%d pairs of few flows and %d of many, want about 39,600 and 400", few, many)
	}
}

func TestNoAllocation(t *testing.T) {
	s := setup()
	s.MaxPairs = 0
	c := activity.NewCounter(s, start)
	list := []netflow.Flow{*session("192.0.2.1", "203.0.113.1"), *session("2001:db8::1", "2001:db8:ff00::25")}
	c.Add(list)
	if n := testing.AllocsPerRun(100, func() { c.Add(list) }); n != 0 {
		t.Errorf("%v allocations a flow, want 0", n)
	}
}

// TestGrowth checks that counting among many hosts costs no more a flow than memory's distance explains.
func TestGrowth(t *testing.T) {
	cost := func(hosts int) time.Duration {
		s := setup()
		s.MaxPairs, s.Local = 0, func(netip.Addr) bool { return true }
		c := activity.NewCounter(s, start)
		f := session("192.0.2.1", "203.0.113.1")
		run := func() {
			for i := range hosts {
				f.Src = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				add(c, f)
			}
		}
		run()
		begin := costtest.Thread()
		for range 400000 / hosts {
			run()
		}
		return costtest.Thread() - begin
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	small, large := cost(1000), cost(200000)
	if large > 60*small {
		t.Errorf("with 200 times the hosts a flow costs %v times as much", large/small)
	}
}

// TestProfileDefaults checks that a profile's name is enough for the known ones.
func TestProfileDefaults(t *testing.T) {
	bad := 0
	for _, k := range activity.Known() {
		if got := (activity.Profile{Name: k.Name}).Fill(); !cmp.Equal(got, k.Fill()) {
			t.Errorf("%s: %+v, want %+v", k.Name, got, k)
		}
		k.Fill().Validate(func(key, problem, write string) { bad++; t.Error(k.Name, key, problem) })
	}
	activity.Profile{Name: "x y", Proto: "sctp", Judge: "?", Only: "syn"}.Validate(func(string, string, string) { bad++ })
	if bad != 5 {
		t.Errorf("%d errors in a profile with five", bad)
	}
}
