package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"spoor/cmd/spoor/control"
)

// A storeDir is a folder with a configuration whose daemon takes mail by `spoor file`, and listens nowhere.
func storeDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("[site]\nnetworks = [\"192.0.2.0/24\"]\n[store]\ndir = %q\nmin_free = \"1MB\"\n[abusebox]\nhostname = \"mx.example.net\"\n[notify]\nfrom = \"abuse@example.net\"\n",
		filepath.Join(dir, "store"))
	if err := os.WriteFile(filepath.Join(dir, "spoor.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command runs spoor in dir and returns what it prints; how it ends is its exit code.
func command(t *testing.T, dir, stdin string, args ...string) (out string, code int) {
	t.Helper()
	cmd := spoorCommand(t.Context(), dir, args...)
	cmd.Stdin = strings.NewReader(stdin)
	data, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(data) + string(exit.Stderr), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data), 0
}

func storeStats(t *testing.T, dir string) (s control.StoreStats) {
	t.Helper()
	out, code := command(t, dir, "", "store", "stats", "--json")
	if code != 0 {
		t.Fatalf("spoor store stats ends with %d: %s", code, out)
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	s.Free = 0 // others use the disk as well
	return s
}

func importMails(t *testing.T, dir string, texts ...string) {
	t.Helper()
	for n, text := range texts {
		path := filepath.Join(dir, fmt.Sprintf("%d-%d.eml", time.Now().UnixNano(), n))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := command(t, dir, "", "import", path); code != 0 {
			t.Fatalf("spoor import ends with %d: %s", code, out)
		}
	}
}

const plainComplaint = "From: reporter@example.org\nSubject: spam from 192.0.2.%d\n\n192.0.2.%d sent spam at 2026-10-01 08:14:00 +0000\n"

// What the daemon tells of its store is what the command reads from it when the daemon is gone.
func TestStoreStats(t *testing.T) {
	dir := storeDir(t)
	if out, code := command(t, dir, "", "store", "stats"); code != exitFailed || !strings.Contains(out, "there is no store yet") || !strings.Contains(out, "hint: ") {
		t.Errorf("without a store it ends with %d and %q", code, out)
	}
	daemon := startServe(t, dir)
	importMails(t, dir, fmt.Sprintf(plainComplaint, 1, 1), fmt.Sprintf(plainComplaint, 2, 2), "Subject: nothing\n\nnothing at all\n")
	daemon.settle(3)
	asked := storeStats(t, dir)
	if err := daemon.stop(); err != nil {
		t.Fatal(err)
	}
	read := storeStats(t, dir)
	for _, s := range []*control.StoreStats{&read, &asked} {
		// The daemon's file grows in steps, and it closes others; statistics are counted at leisure.
		s.Files = nil
		s.Buckets = slices.DeleteFunc(s.Buckets, func(b control.StoreBucket) bool { return strings.HasPrefix(b.Name, "stats") })
	}
	if d := cmp.Diff(asked, read); d != "" {
		t.Errorf("the daemon's answer and the command's own (-daemon +own):\n%s", d)
	}
	if read.Spool.Mails != 3 || read.Spool.Segments != 1 || read.Spool.Undecided != 0 || read.Spool.Oldest.IsZero() || read.Spool.Newest != read.Spool.Oldest {
		t.Errorf("spool: %+v", read.Spool)
	}
	records := map[string]int{}
	for _, b := range read.Buckets {
		records[b.Name] = b.Records
		if b.Records > 0 && b.Bytes == 0 {
			t.Errorf("bucket %s has %d records in no bytes", b.Name, b.Records)
		}
	}
	if records["mails"] != 3 || records["incidents"] != 3 {
		t.Errorf("buckets: %v", records)
	}
	var keys []string
	for _, k := range read.Keep {
		keys = append(keys, fmt.Sprintf("%s %d %d", k.Key, k.AgeS/86400, k.Due))
	}
	want := []string{"store.keep_mail 90 0", "desk.keep_evidence 90 0", "desk.keep_personal 90 0", "desk.keep_closed 730 0", "desk.keep_history 730 0"}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("keep (-want +got):\n%s", d)
	}
	out, _ := command(t, dir, "", "store", "stats")
	for _, text := range []string{"3 mails in 1 segments", "undecided    0 mails", "set aside    0 unreadable, 0 poison", "incidents ", "store.keep_mail"} {
		if !strings.Contains(out, text) {
			t.Errorf("the text does not say %q:\n%s", text, out)
		}
	}
}

// Mails that nobody has decided about yet are counted, and so is what waits in the drop folder and what is no mail there.
func TestStoreStatsOfWhatWaits(t *testing.T) {
	dir := storeDir(t)
	if err := startServe(t, dir).stop(); err != nil {
		t.Fatal(err)
	}
	importMails(t, dir, fmt.Sprintf(plainComplaint, 1, 1), fmt.Sprintf(plainComplaint, 2, 2))
	if out, code := command(t, dir, "Subject: dropped\n\n", "file"); code != 0 {
		t.Fatalf("spoor file ends with %d: %s", code, out)
	}
	bad := filepath.Join(dir, "store", "drop", "bad")
	if err := os.MkdirAll(bad, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(bad, "1.a")); err != nil {
		t.Fatal(err)
	}
	s := storeStats(t, dir)
	if s.Spool.Undecided != 2 || s.Spool.Mails != 2 || s.Spool.Drop != 1 || s.SetAside.Drop != 1 || time.Since(s.Spool.UndecidedSince) > time.Hour {
		t.Errorf("%+v %+v", s.Spool, s.SetAside)
	}
	if out, code := command(t, dir, "", "check"); code != exitFailed || !strings.Contains(out, "drop folder: 1 files were set aside") {
		t.Errorf("spoor check ends with %d and %q", code, out)
	}
}

// A mail that was taken in and cannot be read back is a case for a person, is counted, and named by spoor check.
func TestUnreadableMailIsShown(t *testing.T) {
	dir := storeDir(t)
	if err := startServe(t, dir).stop(); err != nil {
		t.Fatal(err)
	}
	importMails(t, dir, fmt.Sprintf(plainComplaint, 1, 1), fmt.Sprintf(plainComplaint, 2, 2))
	segments, err := filepath.Glob(filepath.Join(dir, "store", "spool", "*.seg"))
	if err != nil || len(segments) != 2 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-3] ^= 1
	if err := os.WriteFile(segments[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := startServe(t, dir)
	daemon.settle(2)
	out, err := daemon.spoor(nil, "incidents", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(out, "\n") != 2 {
		t.Errorf("incidents:\n%s", out)
	}
	if s := storeStats(t, dir); s.SetAside.Unreadable != 1 || s.Spool.Undecided != 0 {
		t.Errorf("%+v %+v", s.SetAside, s.Spool)
	}
	out, code := command(t, dir, "", "check")
	if code != exitFailed || !strings.Contains(out, "bytes are damaged") || !strings.Contains(out, "restore segment") {
		t.Errorf("spoor check ends with %d and %q", code, out)
	}
}

// The spool's folder is gone, the index is not: new mails must not be taken for those that were decided.
func TestLostSpool(t *testing.T) {
	dir := storeDir(t)
	daemon := startServe(t, dir)
	importMails(t, dir, fmt.Sprintf(plainComplaint, 1, 1), fmt.Sprintf(plainComplaint, 2, 2))
	daemon.settle(2)
	if err := daemon.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "store", "spool")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "store", "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, code := command(t, dir, "", "check"); code != exitFailed || !strings.Contains(out, "which the spool has not reached yet") {
		t.Errorf("spoor check ends with %d and %q", code, out)
	}
	daemon = startServe(t, dir)
	importMails(t, dir, fmt.Sprintf(plainComplaint, 3, 3))
	daemon.settle(1)
	out, err := daemon.spoor(nil, "incidents", "list", "--net", "192.0.2.3/32", "--json")
	if err != nil || strings.Count(out, "\n") != 1 {
		t.Errorf("the mail after the loss made %q, %v", out, err)
	}
	if out, code := command(t, dir, "", "check"); code != 0 {
		t.Errorf("spoor check ends with %d and %q", code, out)
	}
}

// A damaged index is told, and made anew once the daemon is stopped.
func TestCheckRepairs(t *testing.T) {
	dir := storeDir(t)
	daemon := startServe(t, dir)
	importMails(t, dir, fmt.Sprintf(plainComplaint, 1, 1), fmt.Sprintf(plainComplaint, 2, 2))
	daemon.settle(2)
	if out, code := command(t, dir, "", "check", "--repair"); code != exitFailed || !strings.Contains(out, "hint: stop the daemon first") {
		t.Errorf("beside a daemon it ends with %d and %q", code, out)
	}
	if err := daemon.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, "store", "mail.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket([]byte("bykey")).Cursor().First()
		return tx.Bucket([]byte("bykey")).Delete(slices.Clone(k))
	}), db.Close()); err != nil {
		t.Fatal(err)
	}
	if out, code := command(t, dir, "", "check"); code != exitFailed || !strings.Contains(out, "to mend it: stop the daemon and run: spoor check --repair") {
		t.Errorf("spoor check ends with %d and %q", code, out)
	}
	if out, code := command(t, dir, "", "check", "--repair"); code != 0 || !strings.Contains(out, "made anew") {
		t.Errorf("spoor check --repair ends with %d and %q", code, out)
	}
}
