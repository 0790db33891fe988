package intake

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestDropRoundTrip(t *testing.T) {
	d := NewDrop(t.TempDir(), 1000)
	arrived := time.Date(2026, 10, 1, 8, 14, 0, 0, time.UTC)
	want := []Mail{
		{Envelope: Envelope{Source: SourceDrop, From: "a@example.org", Recipients: []string{"abuse"}, Arrived: arrived}, Raw: []byte("Subject: 1\n\n\x00\xff\r")},
		{Envelope: Envelope{Source: SourceDrop, Arrived: arrived}, Raw: []byte{}},
	}
	for _, m := range want {
		if err := d.Put(m); err != nil {
			t.Fatal(err)
		}
	}
	var got []Mail
	collect := func(_ context.Context, m Mail) error { got = append(got, m); return nil }
	if n, err := d.Empty(t.Context(), func(context.Context, Mail) error { return errors.New("disk") }); n != 0 || err == nil {
		t.Errorf("with a failing disk %d are taken, %v", n, err)
	}
	if n, err := d.Empty(t.Context(), collect); n != 2 || err != nil {
		t.Errorf("%d are taken, %v", n, err)
	}
	if diff := cmp.Diff(want, got, addrEqual); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n, err := d.Empty(t.Context(), collect); n != 0 || err != nil {
		t.Errorf("an empty folder gives %d, %v", n, err)
	}
}

func TestDropForgetsWhatKilledWritersLeft(t *testing.T) {
	d := NewDrop(t.TempDir(), 1000)
	if err := d.Put(Mail{Raw: []byte("Subject: 1\n\n")}); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(d.dir, "tmp", "1.old"), filepath.Join(d.dir, "tmp", "2.young")
	for path, age := range map[string]time.Duration{old: leftover + time.Hour, young: leftover - time.Hour} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.Empty(t.Context(), func(context.Context, Mail) error { return nil }); n != 1 || err != nil {
		t.Errorf("%d are taken, %v", n, err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a writer left two days ago is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what may still be being written is gone: %v", err)
	}
}

// Whoever can write into the folder can neither make us read other files nor wait nor claim a peer.
func TestDropOfHostileFiles(t *testing.T) {
	dir := t.TempDir()
	d := NewDrop(dir, 1000)
	if err := d.Put(Mail{Raw: []byte("good")}); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret")
	files := map[string]string{
		filepath.Join(dir, "drop/new/1.forged"): dropVersion + `{"source":"lmtp","peer":"192.0.2.1","user":"root","from":"x"}` + "\nforged",
		filepath.Join(dir, "drop/new/1.plain"):  "no envelope at all",
		filepath.Join(dir, "drop/new/1.large"):  strings.Repeat("x", 1<<20),
		secret:                                  "secret",
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "drop/new/1.link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "drop/new/1.fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	if _, err := d.Empty(t.Context(), func(_ context.Context, m Mail) error {
		got = append(got, string(m.Raw))
		if m.Peer.IsValid() || m.User != "" || m.Source != SourceDrop {
			t.Errorf("a dropped file claims %+v", m.Envelope)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"forged", "no envelope at all", "good"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if bad, err := os.ReadDir(filepath.Join(dir, "drop/bad")); err != nil || len(bad) != 3 {
		t.Errorf("%d files are set aside for a person, %v; want 3", len(bad), err)
	}
}

func TestServerEmptiesDropFolder(t *testing.T) {
	i := start(t, testConfig())
	never := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)) // in UTC the year 10000, which JSON does not know
	if err := os.MkdirAll(filepath.Join(i.dir, "drop", "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := dropVersion + `{"arrived":"` + never.Format(time.RFC3339) + `"}` + "\nno time keeps the others waiting"
	if err := os.WriteFile(filepath.Join(i.dir, "drop", "new", "0.never"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	i.await(t, 1)
	if err := NewDrop(i.dir, 1000).Put(Mail{Raw: []byte("X-Spoor-Instance: desk.example.net\n\ndropped")}); err != nil {
		t.Fatal(err)
	}
	i.await(t, 2)
	if m := i.mails(t)[1]; m.Loop == "" || m.Source != SourceDrop {
		t.Errorf("took %+v", m.Envelope)
	}
}

func TestFromPipe(t *testing.T) {
	for name, c := range map[string]struct {
		raw, flag  string
		text, from string
	}{
		"plain":        {"Subject: x\n\n", "", "Subject: x\n\n", ""},
		"From_ line":   {"From a@example.org Thu Oct  1 08:14:00 2026\nSubject: x\n", "", "Subject: x\n", "a@example.org"},
		"null sender":  {"From MAILER-DAEMON Thu Oct  1 08:14:00 2026\nSubject: x\n", "", "Subject: x\n", ""},
		"by flag":      {"From a@example.org Thu Oct  1 08:14:00 2026\nSubject: x\n", "<b@example.org>", "Subject: x\n", "b@example.org"},
		"pipe(8)'s":    {"Subject: x\n", "MAILER-DAEMON", "Subject: x\n", ""},
		"a From field": {"From: a@example.org\n", "", "From: a@example.org\n", ""},
	} {
		m := FromPipe([]byte(c.raw), c.flag, nil)
		if string(m.Raw) != c.text || m.From != c.from {
			t.Errorf("%s: %q from %q, want %q from %q", name, m.Raw, m.From, c.text, c.from)
		}
	}
}

// TestDropUnderATightUmask hands a mail in as an MTA with umask 077 would: the daemon's group can read it nevertheless.
func TestDropUnderATightUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := t.TempDir()
	if err := NewDrop(dir, 1000).Put(Mail{Raw: []byte("Subject: x\n\ny")}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "drop", "new", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
