package flowwatch_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
	"spoor/internal/peers"
)

// A tap stands between an exporter and nfcapd: it hands on every datagram, and keeps it for our decoder.
type tap struct {
	conn *net.UDPConn
	to   *net.UDPConn // nil: nobody else hears
	got  [][]byte
}

func newTap(t *testing.T, to netip.AddrPort) *tap {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(peers.Loopback(0)))
	if err != nil {
		t.Fatal(err)
	}
	x := &tap{conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	if to.IsValid() {
		if x.to, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = x.to.Close() })
	}
	return x
}

func (x *tap) addr() netip.AddrPort { return x.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// drain takes what came until nothing more does. The exporter has ended before it is called.
func (x *tap) drain(t *testing.T) [][]byte {
	t.Helper()
	b := make([]byte, 1<<16)
	for {
		_ = x.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := x.conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return x.got
		}
		if err != nil {
			t.Fatal(err)
		}
		x.got = append(x.got, append([]byte(nil), b[:n]...))
		if x.to != nil {
			if _, err := x.to.Write(b[:n]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // nfcapd's buffer is small
		}
	}
}

// sums are packets and bytes by conversation.
type sums map[string][2]uint64

func (s sums) add(key string, packets, bytes uint64) {
	v := s[key]
	s[key] = [2]uint64{v[0] + packets, v[1] + bytes}
}

func decoded(t *testing.T, datagrams [][]byte) (sums, netflow.Exporter) {
	t.Helper()
	s := sums{}
	d := netflow.NewDecoder(netflow.Config{AllowAny: true})
	for _, b := range datagrams {
		err := d.Decode(b, netip.MustParseAddr("127.0.0.1"), time.Now(), func(list []netflow.Flow) {
			for _, f := range list {
				s.add(fmt.Sprint(f.Src, f.SrcPort, f.Dst, f.DstPort, f.Proto), f.Packets, f.Bytes)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := d.Exporters()
	if len(list) != 1 {
		t.Fatalf("%d exporters were heard, want 1", len(list))
	}
	return s, list[0]
}

// nfdumped are the sums as nfdump tells them.
func nfdumped(t *testing.T, file string) sums {
	t.Helper()
	s := sums{}
	for _, line := range peers.Nfdump(t, file, "%sa|%sp|%da|%dp|%pr|%pkt|%byt") {
		f := strings.Split(strings.ReplaceAll(line, " ", ""), "|")
		if len(f) != 7 {
			t.Fatalf("nfdump wrote %q", line)
		}
		var packets, bytes uint64
		if _, err := fmt.Sscan(f[5]+" "+f[6], &packets, &bytes); err != nil {
			t.Fatalf("nfdump wrote %q: %v", line, err)
		}
		proto := map[string]string{"TCP": "6", "UDP": "17"}[f[4]]
		if proto == "" {
			proto = f[4]
		}
		s.add(fmt.Sprint(f[0], " ", f[1], " ", f[2], " ", f[3], " ", proto), packets, bytes)
	}
	return s
}

// generated is a capture of both IP versions, and its sums.
func generated(t *testing.T) (string, sums) {
	frames := packetFrames(40)
	for i := range 30 {
		r := netflowtest.Record{
			Src: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), Dst: netip.MustParseAddr("2001:db8:1::25"), SrcPort: uint16(3000 + i), DstPort: 25,
			Proto: 6, Flags: netflow.FlagACK, Packets: 5, Bytes: 5 * 80,
		}
		for k := range 5 {
			frames = append(frames, frame{noon.Add(time.Duration(60+i)*time.Second + time.Duration(k)*time.Millisecond), netflowtest.Frame(r)})
		}
	}
	truth := sums{}
	for _, f := range frames {
		p, ok := netflow.ParseHeader(netflow.LinkEthernet, f.data, len(f.data))
		if !ok {
			t.Fatal("a generated frame is no IP packet")
		}
		truth.add(fmt.Sprint(p.Src, p.SrcPort, p.Dst, p.DstPort, p.Proto), 1, uint64(p.Bytes))
	}
	normalise(truth)
	dir := peers.TempDir(t, "capture") // the probes give up root
	path := writeCapture(t, filepath.Join(dir, "x.pcap"), false, frames)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, truth
}

// exported plays an exporter into nfcapd and our decoder, and compares the two, conversation by conversation.
func exported(t *testing.T, least int, export func(to netip.AddrPort)) string {
	t.Helper()
	collector := peers.StartNfcapd(t, 0)
	x := newTap(t, collector.Addr)
	export(x.addr())
	datagrams := x.drain(t)
	peers.WaitFor(t, time.Minute, "nfcapd to read on", func() bool { return queued(t, collector.Addr.Port()) == 0 })
	file := collector.Stop(t)
	ours, health := decoded(t, datagrams)
	theirs := nfdumped(t, file)
	normalise(ours)
	normalise(theirs)
	if len(ours) < least {
		t.Errorf("%d conversations, want at least %d", len(ours), least)
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("nfdump (-), we (+):\n%s", diff)
	}
	if health.Lost+health.Malformed+health.NoTemplate+health.Unreadable != 0 {
		t.Errorf("health %+v", health)
	}
	return file
}

// normalise leaves out blanks, which the two print differently.
func normalise(s sums) {
	for key, v := range maps.Clone(s) {
		delete(s, key)
		s.add(strings.Join(strings.Fields(key), " "), v[0], v[1])
	}
}

// queued is how many bytes wait in the receive queue of a UDP port of this machine (proc(5), /proc/net/udp).
func queued(t *testing.T, port uint16) (n uint64) {
	t.Helper()
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			var tx, rx uint64
			if _, err := fmt.Sscanf(f[4], "%x:%x", &tx, &rx); err != nil {
				t.Fatal(err)
			}
			n += rx
		}
	}
	return n
}

// TestRealExporters hears softflowd, nfreplay and pmacctd, and counts what nfdump counts of the same datagrams.
func TestRealExporters(t *testing.T) {
	peers.NeedAll(t, "softflowd", "nfcapd", "nfdump", "nfreplay", "pmacctd")
	capture, _ := generated(t)
	dir, file := t.TempDir(), ""
	for _, version := range []int{5, 9, 10} {
		t.Run(fmt.Sprintf("softflowd v%d", version), func(t *testing.T) {
			least := 60
			if version > 5 {
				least = 90 // v5 has no IPv6
			}
			f := exported(t, least, func(to netip.AddrPort) { peers.Softflowd(t, capture, version, to) })
			if version == 9 {
				file = keep(t, f, dir)
			}
		})
	}
	for _, version := range []int{5, 9} {
		t.Run(fmt.Sprintf("nfreplay v%d", version), func(t *testing.T) {
			exported(t, 60, func(to netip.AddrPort) { peers.Nfreplay(t, file, version, to) })
		})
	}
	for _, version := range []int{5, 9, 10} {
		t.Run(fmt.Sprintf("pmacctd nfprobe v%d", version), func(t *testing.T) {
			exported(t, 60, func(to netip.AddrPort) {
				peers.Pmacctd(t, capture, "nfprobe", "nfprobe_receiver: "+to.String(), fmt.Sprintf("nfprobe_version: %d", version))
			})
		})
	}
}

// keep copies a file that goes away with its subtest into a folder of the whole test.
func keep(t *testing.T, file, dir string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "flows")
	if err := os.WriteFile(kept, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return kept
}

// TestRealSFlow hears pmacctd's sfprobe. Debian has no other collector of sFlow whose sums to compare with, so what
// comes out is held against the capture. The probe throws its last, unfilled datagram away when it ends.
func TestRealSFlow(t *testing.T) {
	peers.Need(t, "pmacctd")
	capture, truth := generated(t)
	x := newTap(t, netip.AddrPort{})
	peers.Pmacctd(t, capture, "sfprobe", "sfprobe_receiver: "+x.addr().String(), "sampling_rate: 1")
	got, health := decoded(t, x.drain(t))
	normalise(got)
	var packets, all uint64
	for key, want := range truth {
		all += want[0]
		packets += got[key][0]
		if v := got[key]; v[0] > want[0] || v[1]*want[0] != want[1]*v[0] {
			t.Errorf("%s: %d packets of %d bytes in all, the capture has %d of %d", key, v[0], v[1], want[0], want[1])
		}
		delete(got, key)
	}
	if len(got) > 0 || packets*10 < all*9 || health.Flows != packets || health.Malformed+health.Lost != 0 {
		t.Errorf("%d packets of %d; conversations that the capture lacks: %v; health %+v", packets, all, got, health)
	}
}
