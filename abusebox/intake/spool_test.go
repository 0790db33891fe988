package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
)

var discard = slog.New(slog.DiscardHandler)

func openSpool(t testing.TB, dir string) *Spool {
	t.Helper()
	s, err := OpenSpool(SpoolConfig{Dir: dir, SegmentSize: 1 << 20}, SpoolDeps{Logger: discard, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var addrEqual = cmpopts.EquateComparable(netip.Addr{})

func TestSpoolKeepsMailAndEnvelope(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir)
	arrived := time.Date(2026, 10, 1, 8, 0, 0, 0, time.FixedZone("", 3600))
	stamp := "Received: from x by y; date\r\n"
	want := Mail{
		Envelope: Envelope{
			Source: SourceSMTP, Arrived: arrived, Peer: netip.MustParseAddr("2001:db8::1"), Helo: "mail.example.org", From: "a@example.org",
			Recipients: []string{"abuse@example.net", "postmaster"}, TLS: "TLS1.3", User: "tool", Loop: "own mark", Stamp: len(stamp),
		},
		Raw: []byte(stamp + "Subject: x\r\n\r\nbody\x00\xff\rbare\nlf"),
	}
	id, err := s.Put(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	want.Arrived = arrived.UTC()
	want.SHA256 = sha256.Sum256(want.Raw[len(stamp):])
	for range 2 {
		got, err := s.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, addrEqual); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		s.Close()
		s = openSpool(t, dir)
	}
	if _, err := s.Get(id + 1); err == nil {
		t.Error("an ID between mails gives a mail")
	}
	if _, err := s.Get(id | 1<<60); !errors.Is(err, ErrNotFound) {
		t.Errorf("an ID of a segment that is not there: %v", err)
	}
}

// A record of each packing is read back, whatever packs those of today: what an earlier version kept stays readable.
func TestPackings(t *testing.T) {
	c, err := newCodec(maxKept)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, text := range []string{"", "x", "Subject: short\r\n\r\nbody\r\n", strings.Repeat("A line of an ordinary complaint.\r\n", 5000)} {
		want := Mail{Envelope: Envelope{Source: SourceFile, Arrived: time.Date(2026, 10, 1, 8, 14, 0, 0, time.UTC)}, Raw: []byte(text)}
		for _, p := range []packing{packedZstd, packedS2} {
			before := []byte("before")
			rec, head, err := c.encode(before, want, p)
			if err != nil || string(rec[:len(before)]) != "before" {
				t.Fatalf("packing %d: %q, %v", p, rec, err)
			}
			rec = rec[len(before):]
			got, err := c.decode(rec[:head], rec[head:])
			if err != nil || string(got.Raw) != text || !got.Arrived.Equal(want.Arrived) {
				t.Errorf("packing %d of %d bytes: %+v, %v", p, len(text), got.Envelope, err)
			}
			if len(text) > 1000 && len(rec) > len(text)/4 {
				t.Errorf("packing %d makes %d bytes of %d", p, len(rec), len(text))
			}
			for cut := head; cut < len(rec); cut += 1 + len(rec)/50 {
				if m, err := c.decode(rec[:head], rec[head:cut]); err == nil && string(m.Raw) == text && text != "" {
					t.Errorf("packing %d of %d bytes is whole without its end", p, len(text))
				}
			}
			rec[0] = 3
			if _, err := c.decode(rec[:head], rec[head:]); !errors.Is(err, errVersion) {
				t.Errorf("a record of a later version: %v", err)
			}
		}
	}
	if _, err := c.unpack(packedS2, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}); err == nil {
		t.Error("a record that says it has 4 GB is unpacked")
	}
}

// As spoor of 2026 wrote it before there was another packing than zstd.
func TestRecordOfBefore(t *testing.T) {
	c, err := newCodec(maxKept)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	head := "\x01" + `{"source":"file","arrived":"2026-10-01T08:14:00Z","from":"a@example.org","sha256":"HASH"}`
	head = strings.ReplaceAll(head, "HASH", fmt.Sprintf("%x", sha256.Sum256([]byte("old mail"))))
	body := "\x28\xb5\x2f\xfd\x20\x08\x41\x00\x00old mail" // a frame of one raw block, RFC 8878 §3.1.1
	got, err := c.decode([]byte(head), []byte(body))
	if err != nil || string(got.Raw) != "old mail" || got.From != "a@example.org" || got.SHA256 != sha256.Sum256(got.Raw) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Mails that come in a crowd are packed the quick way, others the small way.
func TestPackingOfACrowd(t *testing.T) {
	s := openSpool(t, t.TempDir())
	packed := func(id ID, err error) packing {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		head, _, err := s.log.Read(id)
		if err != nil {
			t.Fatal(err)
		}
		return packing(head[0])
	}
	if p := packed(s.Put(t.Context(), Mail{Raw: []byte("alone")})); p != packedZstd {
		t.Errorf("a mail that comes alone has packing %d", p)
	}
	s.putting.Add(crowd)
	if p := packed(s.Put(t.Context(), Mail{Raw: []byte("one of many")})); p != packedS2 {
		t.Errorf("a mail that comes in a crowd has packing %d", p)
	}
	s.putting.Add(-crowd)
	if n := s.putting.Load(); n != 0 {
		t.Errorf("%d mails are being put, when none is", n)
	}
}

// Ten thousand mails of every shape come out byte for byte, in order.
func TestSpoolRoundTrip(t *testing.T) {
	s := openSpool(t, t.TempDir())
	rng := rand.New(rand.NewPCG(3, 4))
	var mails [][]byte
	for i := range 10000 {
		raw := make([]byte, rng.IntN(3000)*rng.IntN(2)*(1+rng.IntN(2)*rng.IntN(30)))
		switch i % 3 {
		case 0:
			for j := range raw {
				raw[j] = byte(rng.Uint32())
			}
		case 1:
			copy(raw, strings.Repeat("Received: from a by b\r\n", len(raw)/20))
		}
		mails = append(mails, raw)
	}
	for group := range slices.Chunk(mails, 100) {
		errs := make(chan error, len(group))
		for _, raw := range group {
			go func() { _, err := s.Put(context.Background(), Mail{Raw: raw}); errs <- err }()
		}
		for range group {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	}
	left := map[[32]byte]int{}
	for _, raw := range mails {
		left[sha256.Sum256(raw)]++
	}
	var last ID
	if _, err := s.Scan(t.Context(), 0, func(id ID, m Mail) error {
		if id <= last {
			t.Errorf("mail %s comes after %s", id, last)
		}
		last = id
		left[sha256.Sum256(m.Raw)]--
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for sum, n := range left {
		if n != 0 {
			t.Fatalf("mail %x is there %d times too few", sum[:4], n)
		}
	}
	if err := s.Check(t.Context(), func(where, problem, _ string) { t.Errorf("%s: %s", where, problem) }); err != nil {
		t.Fatal(err)
	}
}

func TestSpoolCheckReportsDamage(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir)
	if _, err := s.log.Append(t.Context(), []byte("\x09{}"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.log.Append(t.Context(), []byte("\x01{\"sha256\":\"00\"}"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), Mail{Raw: []byte("good")}); err != nil {
		t.Fatal(err)
	}
	var problems []string
	check := func(want ...string) {
		t.Helper()
		problems = nil
		if err := s.Check(t.Context(), func(where, problem, mend string) { problems = append(problems, where+": "+problem) }); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, problems); d != "" {
			t.Errorf("Check (-want +got):\n%s", d)
		}
	}
	version, hash := "mail 000001-0000000010: "+errVersion.Error(), `mail 000001-0000000023: decode envelope: "00" is no SHA-256`
	check(version, hash)
	var got []string
	scan := func() {
		t.Helper()
		got = nil
		if _, err := s.Scan(t.Context(), 0, func(id ID, m Mail) error {
			got = append(got, fmt.Sprintf("%s %s", m.Source, m.Raw[:min(len(m.Raw), 46)]))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	scan()
	told := []string{"spool Subject: mail 000001-0000000010 cannot be read", "spool Subject: mail 000001-0000000023 cannot be read"}
	if d := cmp.Diff(append(told, " good"), got); d != "" {
		t.Errorf("Scan (-want +got):\n%s", d)
	}
	info := s.log.Segments()[0]
	data, err := os.ReadFile(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1 // the good one's last byte
	if err := os.WriteFile(info.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := fmt.Sprintf("mail 000001-0000000044: %d bytes are damaged, and with them every mail that lay there", len(data)-0x44)
	check(version, hash, damaged)
	scan()
	if d := cmp.Diff(append(told, "spool Subject: mail 000001-0000000044 cannot be read"), got); d != "" {
		t.Errorf("Scan (-want +got):\n%s", d)
	}
}

// 100,000 kept mails cost no memory to have, and their IDs no reading of the mails.
func TestSpoolOfManyMailsIsLight(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 mails")
	}
	dir := t.TempDir()
	s := openSpool(t, dir)
	body := bytes.Repeat([]byte("An ordinary line of an ordinary complaint.\r\n"), 50)
	const total, workers = 100_000, 256
	rec, head, err := s.codec.encode(nil, Mail{Raw: body}, packedZstd)
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, workers)
	for w := range workers {
		go func() {
			var err error
			for i := w; i < total && err == nil; i += workers {
				_, err = s.log.Append(context.Background(), rec[:head], rec[head:])
			}
			errs <- err
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = openSpool(t, dir)
	n := 0
	if _, err := s.IDs(t.Context(), 0, func(ID) error { n++; return nil }); err != nil || n != total {
		t.Fatalf("IDs gives %d, %v", n, err)
	}
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	if ms.HeapInuse > 64<<20 {
		t.Errorf("with %d kept mails the heap is %d MB", total, ms.HeapInuse>>20)
	}
}

func TestSpoolSurvivesAForeignFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "spool", "notes.txt"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, dir)
	if _, err := s.Put(t.Context(), Mail{Raw: []byte("x")}); err != nil {
		t.Fatal(err)
	}
}
