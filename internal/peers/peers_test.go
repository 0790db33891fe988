package peers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A recorder stands for the test that calls Need: it notes how that test would end.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()                       {}
func (r *recorder) Name() string                  { return "TestOuter/inner" }
func (r *recorder) Skipf(format string, a ...any) { r.skipped = format; panic(r) }
func (r *recorder) Fatalf(format string, a ...any) {
	r.failed = format
	panic(r)
}
func (r *recorder) Fatal(a ...any) { r.failed = "fatal"; panic(r) }

func (r *recorder) call(name string) {
	defer func() {
		if v := recover(); v != nil && v != any(r) {
			panic(v)
		}
	}()
	Need(r, name)
}

func TestAbsentPeerSkipsAndIsRecorded(t *testing.T) {
	log := filepath.Join(t.TempDir(), "skipped")
	t.Setenv(EnvLog, log)
	t.Setenv(EnvMode, "")
	t.Setenv(EnvDir, t.TempDir())

	r := &recorder{TB: t}
	r.call("sendmail")
	if r.skipped == "" || r.failed != "" {
		t.Errorf("skipped %q, failed %q; want a skip", r.skipped, r.failed)
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := "TestOuter/inner\tsendmail\tgo run ./internal/peers/install sendmail\n"
	if string(got) != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestAbsentPeerFailsWhereRequired(t *testing.T) {
	t.Setenv(EnvMode, "require")
	t.Setenv(EnvDir, t.TempDir())
	r := &recorder{TB: t}
	r.call("sendmail")
	if r.failed == "" || r.skipped != "" {
		t.Errorf("skipped %q, failed %q; want a failure", r.skipped, r.failed)
	}
}

func TestUnknownPeerFails(t *testing.T) {
	t.Setenv(EnvMode, "")
	r := &recorder{TB: t}
	r.call("no-such-program")
	if r.failed == "" {
		t.Error("a name outside the table passed")
	}
}

func TestLookupWantsAnExecutable(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(EnvDir, dir)
	path := filepath.Join(dir, "sendmail", "usr/libexec/sendmail/sendmail")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Lookup("sendmail"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that cannot be run: %v", err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Lookup("sendmail"); err != nil || got != path {
		t.Errorf("Lookup = %q, %v", got, err)
	}
}

func TestProgramsAreUniqueAndComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Programs() {
		if seen[p.Name] {
			t.Errorf("%s is listed twice", p.Name)
		}
		seen[p.Name] = true
		if len(p.Packages) == 0 {
			t.Errorf("%s has no package", p.Name)
		}
		if (len(p.Beside) > 0) != (p.Unpacked != "") {
			t.Errorf("%s: Beside and Unpacked go together", p.Name)
		}
		if strings.ContainsAny(p.Name, "/ ") {
			t.Errorf("%q is no program's name", p.Name)
		}
	}
}
