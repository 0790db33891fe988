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
	head, packed, err := s.codec.encode(Mail{Raw: body})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, workers)
	for w := range workers {
		go func() {
			var err error
			for i := w; i < total && err == nil; i += workers {
				_, err = s.log.Append(context.Background(), head, packed)
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
