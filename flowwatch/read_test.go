package flowwatch_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"spoor/flowwatch"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow"
	"spoor/flowwatch/netflow/netflowtest"
)

var makeCaptures = flag.String("make-captures", "", "write the captures of cmd/spoor's scripts into this folder")

// TestMakeCaptures writes the samples that the scripts of `spoor flows read` hold, where it is told to.
func TestMakeCaptures(t *testing.T) {
	if *makeCaptures == "" {
		t.Skip("run with -make-captures DIR to make them anew")
	}
	writeCapture(t, filepath.Join(*makeCaptures, "exports.pcap"), false, exportFrames(t, 60))
	writeCapture(t, filepath.Join(*makeCaptures, "packets.pcapng"), true, packetFrames(12))
}

// A frame is one captured packet.
type frame struct {
	at   time.Time
	data []byte
}

// exportFrames are a bot's flows as IPFIX over UDP.
func exportFrames(t testing.TB, n int) (frames []frame) {
	x := netflowtest.Exporter{Format: netflowtest.IPFIX}
	at := noon.Add(4 * time.Minute)
	records := bot("192.0.2.7", n)
	for i := range records {
		records[i].Start, records[i].End = at.Add(-time.Minute), at
	}
	for _, payload := range x.Encode(records, at) {
		frames = append(frames, frame{at, udp(t, payload)})
	}
	return frames
}

// packetFrames are a few packets of each of n conversations.
func packetFrames(n int) (frames []frame) {
	for i, r := range bot("192.0.2.7", n) {
		for k := range r.Packets {
			r.Flags = netflow.FlagACK
			if k == 0 {
				r.Flags = netflow.FlagSYN
			}
			frames = append(frames, frame{noon.Add(time.Duration(i)*time.Second + time.Duration(k)*time.Millisecond), netflowtest.Frame(r)})
		}
	}
	return frames
}

func udp(t testing.TB, payload []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: router.AsSlice(), DstIP: []byte{192, 0, 2, 253}}
	transport := &layers.UDP{SrcPort: 2055, DstPort: 4739}
	if err := transport.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	ether := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ether, ip, transport, gopacket.Payload(payload))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeCapture(t testing.TB, path string, ng bool, frames []frame) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write, done := pcapWriter(t, f, ng)
	for _, fr := range frames {
		if err := write(gopacket.CaptureInfo{Timestamp: fr.at, CaptureLength: len(fr.data), Length: len(fr.data)}, fr.data); err != nil {
			t.Fatal(err)
		}
	}
	done()
	return path
}

func pcapWriter(t testing.TB, f io.Writer, ng bool) (write func(gopacket.CaptureInfo, []byte) error, done func()) {
	if ng {
		w, err := pcapgo.NewNgWriter(f, layers.LinkTypeEthernet)
		if err != nil {
			t.Fatal(err)
		}
		return w.WritePacket, func() { _ = w.Flush() }
	}
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	return w.WritePacket, func() {}
}

func readFiles(t *testing.T, files ...string) (*flowwatch.Watcher, flowwatch.Reading) {
	t.Helper()
	store, err := history.Open(filepath.Join(t.TempDir(), "flows.db"), history.Keep{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w, reading, err := flowwatch.Read(context.Background(), flowwatch.Capture{Config: config(), Store: store}, files)
	if err != nil {
		t.Fatal(err)
	}
	return w, reading
}

// TestRead reads a bot out of exports and out of packets, of both kinds of file.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		frames  []frame
		ng      bool
		flows   uint64
		exports uint64
	}{
		"exports pcap":   {exportFrames(t, 60), false, 60, 5},
		"exports pcapng": {exportFrames(t, 60), true, 60, 5},
		"packets pcap":   {packetFrames(60), false, 60, 0},
		"packets pcapng": {packetFrames(60), true, 60, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, reading := readFiles(t, writeCapture(t, filepath.Join(t.TempDir(), "x"), c.ng, c.frames))
			if reading.Exports != c.exports || reading.Unread != 0 || reading.Packets != uint64(len(c.frames)) {
				t.Errorf("reading %+v", reading)
			}
			top, err := w.Top(context.Background(), flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp", From: noon, To: noon.Add(5 * time.Minute)}, By: "flows"})
			if err != nil || len(top.Rows) != 1 || top.Rows[0].Out.Flows != c.flows || top.Rows[0].Failed != 20 {
				t.Errorf("top %+v, error %v", top, err)
			}
			if list, err := w.Anomalies(noon, noon.Add(time.Hour), ""); err != nil || len(list) != 1 || !list[0].Proven {
				t.Errorf("anomalies %+v, error %v", list, err)
			}
		})
	}
}

// TestReadGaps checks that a day between two packets makes two intervals, not one of a day.
func TestReadGaps(t *testing.T) {
	frames := packetFrames(10)
	for _, fr := range packetFrames(10) {
		frames = append(frames, frame{fr.at.Add(24 * time.Hour), fr.data})
	}
	w, _ := readFiles(t, writeCapture(t, filepath.Join(t.TempDir(), "x"), false, frames))
	top, err := w.Top(context.Background(), flowwatch.Ranking{Scope: flowwatch.Scope{Profile: "smtp", From: noon.Add(-time.Hour), To: noon.Add(25 * time.Hour)}, By: "flows"})
	if err != nil || top.Basis.Seen() != 10*time.Minute || top.Rows[0].Out.Flows != 20 {
		t.Errorf("top %+v, error %v", top, err)
	}
}

// TestReadDamaged checks that a file that was cut off is read up to there, and what is no capture is refused.
func TestReadDamaged(t *testing.T) {
	path := writeCapture(t, filepath.Join(t.TempDir(), "x"), false, packetFrames(10))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, reading := readFiles(t, path); !reading.Truncated || reading.Packets == 0 {
		t.Errorf("reading %+v, want the packets before the cut", reading)
	}
	store := openStore(t, filepath.Join(t.TempDir(), "flows.db"))
	for name, content := range map[string][]byte{"empty": nil, "text": []byte("no capture at all"), "zeros": make([]byte, 100)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := flowwatch.Read(context.Background(), flowwatch.Capture{Config: config(), Store: store}, []string{path}); err == nil {
			t.Errorf("%s is taken for a capture", name)
		}
	}
}

// captureSeeds are small captures of every kind: both file formats, each link layer, either byte order, packets and exports of
// each format. A large one would leave little that a change of a few bytes could reach.
func captureSeeds(t testing.TB) (seeds [][]byte) {
	capture := func(link layers.LinkType, packets ...[]byte) []byte {
		var b bytes.Buffer
		w := pcapgo.NewWriter(&b)
		_ = w.WriteFileHeader(65536, link) // a Buffer takes everything
		for _, data := range packets {
			_ = w.WritePacket(gopacket.CaptureInfo{Timestamp: noon, CaptureLength: len(data), Length: len(data)}, data)
		}
		return b.Bytes()
	}
	ethernet := packetFrames(1)[0].data
	ip := ethernet[14:]
	for link, head := range map[layers.LinkType]int{layers.LinkTypeRaw: 0, layers.LinkTypeNull: 4, layers.LinkTypeLinuxSLL: 16, layers.LinkTypeLinuxSLL2: 20} {
		seeds = append(seeds, capture(link, append(make([]byte, head), ip...)))
	}
	seeds = append(seeds, capture(layers.LinkTypePPP, append([]byte{0, 0x21}, ip...)), capture(layers.LinkTypeEthernet, ethernet, ethernet))
	for _, format := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX, netflowtest.SFlow} {
		x := netflowtest.Exporter{Format: format, Boot: noon.Add(-time.Hour), Sampling: 10}
		record := bot("192.0.2.7", 2)[1:2]
		record[0].Start, record[0].End = noon, noon
		seeds = append(seeds, capture(layers.LinkTypeEthernet, udp(t, x.Encode(record, noon)[0])))
	}
	swapped := slices.Clone(seeds[0]) // the file's header and the packet's, in the other byte order
	for _, field := range [][2]int{{0, 4}, {4, 6}, {6, 8}, {16, 20}, {20, 24}, {24, 28}, {28, 32}, {32, 36}, {36, 40}} {
		slices.Reverse(swapped[field[0]:field[1]])
	}
	var ng bytes.Buffer
	write, done := pcapWriter(t, &ng, true)
	_ = write(gopacket.CaptureInfo{Timestamp: noon, CaptureLength: len(ethernet), Length: len(ethernet)}, ethernet)
	done()
	return append(seeds, swapped, ng.Bytes(), ng.Bytes()[:ng.Len()-9])
}

// TestCaptureSeeds checks that each seed is read to its packets: one that is refused at its first byte finds nothing.
func TestCaptureSeeds(t *testing.T) {
	for i, b := range captureSeeds(t) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, reading, err := flowwatch.Read(context.Background(), flowwatch.Capture{Config: config()}, []string{path})
		if err != nil || reading.Packets == 0 && !reading.Truncated || reading.Unread > 0 {
			t.Errorf("seed %d: %+v, error %v", i, reading, err)
		}
	}
}

// FuzzCapture reads files whose every length may lie.
func FuzzCapture(f *testing.F) {
	for _, b := range captureSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		flows := 0
		_, reading, err := flowwatch.Read(context.Background(), flowwatch.Capture{Config: config(), Ours: func(netip.Addr) bool { return true },
			Each: func(list []netflow.Flow) { flows += len(list) }}, []string{path})
		if err == nil && flows > len(b) {
			t.Fatalf("%d flows and %d packets out of %d bytes", flows, reading.Packets, len(b))
		}
	})
}
