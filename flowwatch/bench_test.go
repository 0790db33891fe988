package flowwatch_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goflow "github.com/netsampler/goflow2/v2/decoders/netflow"
	legacy "github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"spoor/flowwatch"
	"spoor/flowwatch/netflow/netflowtest"
	"spoor/internal/costtest"
	"spoor/internal/peers"
)

// exports are exportsAt noon.
func exports(format netflowtest.Format, hosts, n int) [][]byte {
	return exportsAt(noon, format, hosts, n)
}

// exportsAt are datagrams of SMTP flows from so many hosts of ours, in random order, the templates in the first of them. Of
// a million hosts a quarter speaks IPv6, where the format does.
func exportsAt(at time.Time, format netflowtest.Format, hosts, n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	x := netflowtest.Exporter{Format: format, Boot: at.Add(-time.Hour), TemplateEvery: 1 << 30}
	records := make([]netflowtest.Record, 24*n)
	for i := range records {
		h := r.IntN(hosts)
		if format != netflowtest.V5 && hosts >= 1_000_000 && h%4 == 0 {
			records[i] = sixth(at, h, r)
			continue
		}
		records[i] = netflowtest.Record{
			Src: netip.AddrFrom4([4]byte{10, byte(h >> 16), byte(h >> 8), byte(h)}),
			Dst: netip.AddrFrom4([4]byte{198, 18, byte(r.IntN(256)), byte(r.IntN(256))}), SrcPort: 40000, DstPort: 25, Proto: 6,
			Flags: 0x1b, Packets: 12, Bytes: 5000, In: 1, Out: 2, Start: at.Add(-time.Minute), End: at,
		}
	}
	return x.Encode(records, at)
}

// sixth is a flow between IPv6 hosts, the client in a /64 of its own.
func sixth(at time.Time, h int, r *rand.Rand) netflowtest.Record {
	src, dst := netip.MustParseAddr("2001:db8:1::5").As16(), netip.MustParseAddr("2001:db8:ffff::25").As16()
	src[5], src[6], src[7], dst[7] = byte(h>>16), byte(h>>8), byte(h), byte(r.IntN(256))
	dst[0] = 0x24
	return netflowtest.Record{
		Src: netip.AddrFrom16(src), Dst: netip.AddrFrom16(dst), SrcPort: 40000, DstPort: 25, Proto: 6,
		Flags: 0x1b, Packets: 12, Bytes: 5000, In: 1, Out: 2, Start: at.Add(-time.Minute), End: at,
	}
}

func benchWatcher(b *testing.B, pairs int) *flowwatch.Watcher {
	c := config()
	c.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	c.MaxPairs = pairs
	c.MaxHosts = 2_000_000
	return newWatcher(b, c, nil, func() time.Time { return noon })
}

// BenchmarkCount measures decoding and counting, a record at a time, beside goflow2's decoding alone.
func BenchmarkCount(b *testing.B) {
	cost := map[string]float64{}
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX} {
		for _, hosts := range []int{10_000, 1_000_000} {
			name := fmt.Sprintf("%s/spoor, %d hosts", format, hosts)
			b.Run(name, func(b *testing.B) {
				cost[name] = benchTake(b, benchWatcher(b, 0), exports(format, hosts, max(4096, hosts/12)))
			})
		}
		b.Run(string(format)+"/spoor, 10000 hosts and their pairs", func(b *testing.B) {
			benchTake(b, benchWatcher(b, flowwatch.DefaultConfig().MaxPairs), exports(format, 10_000, 4096))
		})
		b.Run(string(format)+"/goflow2", func(b *testing.B) {
			cost[string(format)+"/goflow2"] = benchGoflow(b, exports(format, 10_000, 4096))
		})
	}
	for _, format := range []string{"v5", "v9", "ipfix"} {
		if ours, theirs := cost[format+"/spoor, 10000 hosts"], cost[format+"/goflow2"]; ours > 0 && theirs > 0 {
			fmt.Printf("ratio %s-vs-goflow2 %.2f\n", format, theirs/ours)
		}
	}
}

func benchTake(b *testing.B, w *flowwatch.Watcher, list [][]byte) float64 {
	for _, d := range list { // every host has its place, and the template is known
		if err := w.Receive(d, router, noon); err != nil {
			b.Fatal(err)
		}
	}
	return perRecord(b, list, func(d []byte) error { return w.Receive(d, router, noon) })
}

// round is how many datagrams are measured together.
const round = 256

// perRecord is the processor time that a record of the datagrams takes: the lower quartile over rounds of 6,144 records,
// since whoever else runs on the machine empties the caches now and then, and never fills them.
func perRecord(b *testing.B, list [][]byte, take func([]byte) error) float64 {
	runtime.GC() // of what made the datagrams
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	var rounds []float64
	for i := 0; b.Loop(); i++ {
		begun := costtest.Thread()
		for j := range round {
			if err := take(list[(i*round+j)%len(list)]); err != nil {
				b.Fatal(err)
			}
		}
		rounds = append(rounds, float64((costtest.Thread()-begun).Nanoseconds())/(round*24))
	}
	slices.Sort(rounds)
	ns := rounds[len(rounds)/4]
	b.ReportMetric(ns, "cpu-ns/record")
	b.ReportMetric(rounds[len(rounds)/2], "median-cpu-ns/record")
	b.ReportMetric(rounds[0], "least-cpu-ns/record")
	return ns
}

func benchGoflow(b *testing.B, list [][]byte) float64 {
	templates := goflow.CreateTemplateSystem()
	return perRecord(b, list, func(d []byte) error {
		if d[1] == 5 {
			return legacy.DecodeMessageVersion(bytes.NewBuffer(d), &legacy.PacketNetFlowV5{})
		}
		return goflow.DecodeMessageVersion(bytes.NewBuffer(d), templates, &goflow.NFv9Packet{}, &goflow.IPFIXPacket{})
	})
}

// A load is so many records that are sent to a collector, and how many in a second; 0 is as fast as the socket takes them.
type load struct {
	records   int
	perSecond float64
}

func (l load) String() string {
	text := fmt.Sprintf("%dM", (l.records+500_000)/1_000_000)
	if l.perSecond > 0 {
		text += fmt.Sprintf("-at-%gM/s", l.perSecond/1e6)
	}
	return text
}

// BenchmarkSocket sends v5 over loopback to nfcapd and to a Watcher's socket, as fast and as much to each: what of it
// each takes in, and the processor time that a record costs it. nfcapd writes the records to disk, and nfdump counts them by host
// and peer later; the Watcher counts them at once. Loss depends on how the kernel shares two processors out, so several loads are tried.
func BenchmarkSocket(b *testing.B) {
	peers.NeedAll(b, "nfcapd", "nfdump")
	list := exportsAt(time.Now(), netflowtest.V5, 10_000, 4096)
	const million = 10 * 4096 * 24 // or nearly
	var ours, theirs, counted float64
	for b.Loop() {
		for _, l := range []load{{million, 0}, {3 * million, 0}, {10 * million, 0}, {10 * million, 3e6}, {10 * million, 6e6}} {
			o, t, plain := socketRun(b, list, l), nfcapdRun(b, list, l, 16<<20), nfcapdRun(b, list, l, 0)
			b.Logf("%v records: spoor took %.1f %%, %.0f ns of processor a record; nfcapd took %.1f %% (%.1f %% with the buffer that it has by default), %.0f ns, %.0f with nfdump's counting",
				l, 100*o.share, o.cpu, 100*t.share, 100*plain.share, t.cpu, t.counted)
			ours, theirs, counted = o.cpu, t.cpu, t.counted
			b.ReportMetric(100*(1-o.share), fmt.Sprintf("%%lost-of-%v", l))
			b.ReportMetric(100*(1-t.share), fmt.Sprintf("%%lost-by-nfcapd-of-%v", l))
			b.ReportMetric(100*(1-plain.share), fmt.Sprintf("%%lost-by-nfcapd-by-default-of-%v", l))
		}
	}
	fmt.Printf("ratio v5-vs-nfcapd %.2f\nratio v5-vs-nfcapd-and-nfdump %.2f\n", theirs/ours, counted/ours)
}

// A took is how a collector fared: the share of records that it took in, nanoseconds of processor for each of these,
// and of nfcapd the same with nfdump's counting, which the Watcher has done by then.
type took struct{ share, cpu, counted float64 }

// blast sends the datagrams, of 24 records each, again and again. It waits busily where a rate is asked for: what came in bursts
// would be another load.
func blast(b *testing.B, to netip.AddrPort, list [][]byte, l load) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	begun := time.Now()
	for sent := 0; sent < l.records; sent += 24 {
		for l.perSecond > 0 && float64(sent) > l.perSecond*time.Since(begun).Seconds() {
		}
		_, _ = conn.Write(list[sent/24%len(list)]) // what the kernel refuses is lost, as on a wire
	}
}

// socketRun measures a Watcher in a process of its own: this test binary, started again.
func socketRun(b *testing.B, list [][]byte, l load) took {
	port := peers.FreePort(b)
	p := peers.Start(b, selfAsCollector(port))
	peers.WaitFor(b, time.Minute, "the collector", func() bool { return strings.Contains(p.Output(), "ready") })
	before := cpuOf(b, p.Pid())
	blast(b, peers.Loopback(port), list, l)
	flows := settle(b, func() uint64 { return lastNumber(p.Output()) })
	cpu := cpuOf(b, p.Pid()) - before
	p.Stop()
	return took{share: float64(flows) / float64(l.records), cpu: float64(cpu.Nanoseconds()) / float64(max(flows, 1))}
}

// envCollector makes this test binary a collector on the port that it holds.
const envCollector = "SPOOR_TEST_COLLECTOR"

func selfAsCollector(port uint16) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", envCollector, port))
	return cmd
}

// collect is the collector's process: it prints how many flows it has taken in, ten times a second, until it is ended.
func collect(port string) {
	c := config()
	c.Networks, c.Listen = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []string{"127.0.0.1:" + port}
	w, err := flowwatch.New(context.Background(), flowwatch.Deps{Config: c})
	if err == nil {
		err = w.Bind()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() { fmt.Println(w.Run(context.Background())) }()
	fmt.Println("ready")
	for {
		time.Sleep(100 * time.Millisecond)
		n := uint64(0)
		if list, _ := w.Exporters(); len(list) > 0 {
			n = list[0].Flows
		}
		fmt.Println(n)
	}
}

// nfcapdRun measures nfcapd with a receive buffer; 0 is the one that it has by default.
func nfcapdRun(b *testing.B, list [][]byte, l load, buffer int) took {
	n := peers.StartNfcapd(b, buffer)
	before := cpuOf(b, n.Process().Pid())
	blast(b, n.Addr, list, l)
	settle(b, func() uint64 { return uint64(cpuOf(b, n.Process().Pid())) })
	cpu := cpuOf(b, n.Process().Pid()) - before
	file := n.Stop(b)
	flows := float64(max(identFlows(n.Process().Output()), 1))
	t := took{share: flows / float64(l.records), cpu: float64(cpu.Nanoseconds()) / flows}
	t.counted = t.cpu + float64(aggregated(b, file).Nanoseconds())/flows
	return t
}

// aggregated is the processor time in which nfdump counts by host and peer what nfcapd took in.
func aggregated(b *testing.B, file string) time.Duration {
	cmd := exec.Command(peers.Need(b, "nfdump"), "-r", file, "-q", "-N", "-A", "srcip,dstip", "-o", "fmt:%sa %da %fl %pkt %byt")
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// settle waits until a figure stands still for half a second.
func settle(b *testing.B, figure func() uint64) uint64 {
	last, still := figure(), 0
	for range 600 {
		time.Sleep(50 * time.Millisecond)
		now := figure()
		if still++; now != last {
			last, still = now, 0
		}
		if still >= 10 {
			return last
		}
	}
	b.Fatal("the collector does not come to rest")
	return 0
}

// cpuOf is the processor time of a process so far (proc(5), fields 14 and 15 in hundredths of a second).
func cpuOf(b *testing.B, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// lastNumber is the number in the last whole line of an output.
func lastNumber(output string) (n uint64) {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	_, _ = fmt.Sscanf(lines[len(lines)-1], "%d", &n)
	return n
}

// identFlows is what nfcapd says of itself when it ends: "Ident: 'none' Flows: 20, …".
func identFlows(output string) (n uint64) {
	if i := strings.LastIndex(output, "Flows: "); i >= 0 {
		_, _ = fmt.Sscanf(output[i:], "Flows: %d", &n)
	}
	return n
}
