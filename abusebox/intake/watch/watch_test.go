package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"spoor/abusebox/intake/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A scene is a watched mailbox whose looks the test takes itself.
type scene struct {
	t     *testing.T
	w     Watcher
	l     look
	got   []string
	fault error
}

func newScene(t *testing.T, path string) *scene {
	s := &scene{t: t}
	s.w = Watcher{Path: path, State: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Put: func(_ context.Context, m mailbox.Message) error {
		if s.fault != nil {
			return s.fault
		}
		s.got = append(s.got, strings.TrimSpace(string(m.Raw)))
		return nil
	}}
	t.Cleanup(s.restart)
	return s
}

// restart is what a new process sees.
func (s *scene) restart() {
	if s.l != nil {
		s.l.close()
		s.l = nil
	}
}

// want looks once and compares what came.
func (s *scene) want(want ...string) {
	s.t.Helper()
	s.got = nil
	if s.l == nil {
		var err error
		if s.l, err = s.w.begin(); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.l != nil {
		if _, err := s.l.look(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, s.got); d != "" {
		s.t.Errorf("(-want +got):\n%s", d)
	}
}

func mail(n int) string {
	return fmt.Sprintf("From a@example.org Thu Oct  1 08:14:00 2026\nSubject: %d\n\nbody\n\n", n)
}

func text(n int) string { return fmt.Sprintf("Subject: %d\n\nbody", n) }

func add(t *testing.T, path, s string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, s string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMboxGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	s := newScene(t, path)
	s.want()
	add(t, path, mail(1)+mail(2))
	s.want(text(1), text(2))
	s.want()
	add(t, path, mail(3))
	s.want(text(3))
	s.restart()
	s.want()
	add(t, path, mail(4))
	s.restart()
	s.want(text(4))
}

// Renamed and made anew: what came into the old file after the last look is not lost, with us running or not.
func TestMboxRotation(t *testing.T) {
	for _, restart := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "abuse")
		s := newScene(t, path)
		add(t, path, mail(1))
		s.want(text(1))
		add(t, path, mail(2))
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		if restart {
			s.restart()
		}
		add(t, path, mail(3))
		s.want(text(2), text(3))
		s.want()
		add(t, path, mail(1)) // the same again in a new file is new to us
		s.want(text(1))
	}
}

// A file is rotated away while its last mail is being written: it is not left before that is whole, or old.
func TestMboxRotatedHalfWritten(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, goesOn := range []bool{true, false} {
			path := filepath.Join(t.TempDir(), "abuse")
			s := newScene(t, path)
			add(t, path, mail(1))
			s.want(text(1))
			add(t, path, strings.TrimSuffix(mail(2), "dy\n\n"))
			touch(t, path, time.Hour) // as if written just now, however slow the test is
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			add(t, path, mail(3))
			s.want()
			if restart {
				s.restart()
			}
			if goesOn {
				add(t, path+".1", "dy\n\n")
				s.want(text(2), text(3))
				continue
			}
			touch(t, path+".1", -time.Hour)
			s.want(strings.TrimSuffix(text(2), "dy"), text(3))
		}
	}
}

// The clock was set back after the last mail came: a file of the future is not waited for until then.
func TestMboxOfTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		path := filepath.Join(t.TempDir(), "abuse")
		s := newScene(t, path)
		add(t, path, strings.TrimSuffix(mail(1), "\n"))
		s.want()
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		add(t, path, mail(2))
		time.Sleep(settle / 2)
		s.want()
		time.Sleep(settle)
		s.want(text(1), text(2))
	})
}

// touch sets when a file was last changed, from now.
func touch(t *testing.T, path string, from time.Duration) {
	t.Helper()
	at := time.Now().Add(from)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// An MTA holds the lock and has the file open when that is rotated away: what it then writes there is not lost.
func TestMboxRotatedUnderAnMTA(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	s := newScene(t, path)
	add(t, path, mail(1))
	s.want(text(1))
	replace(t, path+".lock", "1\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add(t, path, mail(3))
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // one look, which does not wait for the lock
	if _, err := s.l.look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a look while the old file is locked: %v", err)
	}
	add(t, path+".1", mail(2))
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	s.want(text(2), text(3))
}

// Emptied in place, and longer or shorter than before when we look next.
func TestMboxTruncation(t *testing.T) {
	for _, again := range []string{mail(2), mail(2) + mail(3) + mail(4)} {
		path := filepath.Join(t.TempDir(), "abuse")
		s := newScene(t, path)
		add(t, path, mail(1)+mail(9))
		s.want(text(1), text(9))
		replace(t, path, again)
		var want []string
		for n := range strings.Count(again, "Subject") {
			want = append(want, text(n+2))
		}
		s.want(want...)
		replace(t, path, "")
		s.want()
		add(t, path, mail(1))
		s.want(text(1))
	}
}

// A mail reader marks the mails as read and deletes some: none is taken again.
func TestMboxRewrittenByAReader(t *testing.T) {
	for _, restart := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "abuse")
		s := newScene(t, path)
		add(t, path, mail(1)+mail(2)+mail(3))
		s.want(text(1), text(2), text(3))
		if restart {
			s.restart()
		}
		read := func(n int) string {
			return strings.Replace(mail(n), "\n\n", "\nStatus: RO\nX-UID: 7\n\tfolded\nContent-Length: 5\n\n", 1)
		}
		replace(t, path, read(1)+read(3)+mail(4))
		s.want(text(4))
	}
}

// A crash of the machine may leave nothing of the place, or noise: the mailbox is read on nevertheless, and no mail twice.
func TestMboxPlaceIsLost(t *testing.T) {
	for _, left := range []string{"", "\x00\x00\x00", `{"inode":"x"}`} {
		path := filepath.Join(t.TempDir(), "abuse")
		s := newScene(t, path)
		add(t, path, mail(1)+mail(2))
		s.want(text(1), text(2))
		s.restart()
		replace(t, s.w.statePath(), left)
		add(t, path, mail(3))
		s.want(text(3))
		s.want()
	}
}

// A writer who takes no lock may be in the midst of a mail: its rest must not be lost.
func TestMboxHalfWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	s := newScene(t, path)
	whole := mail(2)
	add(t, path, mail(1)+whole[:60])
	s.want(text(1))
	add(t, path, whole[60:])
	s.want(text(2))
	add(t, path, strings.TrimSuffix(mail(3), "\n"))
	s.want()
	old := time.Now().Add(-2 * settle)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	s.want(text(3))
}

// What could not be kept is taken again at the next look, and only that.
func TestMboxFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	s := newScene(t, path)
	add(t, path, mail(1))
	s.l = &mbox{Watcher: s.w}
	s.fault = errors.New("disk full")
	if _, err := s.l.look(t.Context()); !errors.Is(err, s.fault) {
		t.Errorf("look returns %v", err)
	}
	s.fault = nil
	s.want(text(1))
}

// More than one group, under one lock each.
func TestMboxOfManyMails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	s := newScene(t, path)
	var want []string
	var all strings.Builder
	for n := range 3 * groupMails {
		all.WriteString(mail(n))
		want = append(want, text(n))
	}
	add(t, path, all.String())
	s.want(want...)
}

// While an MTA holds either lock the mailbox is left alone; fcntl's is asked for from another process.
func TestMboxLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	add(t, path, mail(1))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	soon, cancel := context.WithTimeout(t.Context(), 3*lockRetry)
	defer cancel()

	replace(t, path+".lock", "1\n")
	if _, err := lock(soon, path, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a dot lock of another: %v", err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		lockText(dead.Process.Pid): true, lockText(os.Getpid()): false, fmt.Sprintf("%d\n", dead.Process.Pid): false,
		fmt.Sprintf("%d\nspoor on another.example.org\n", dead.Process.Pid): false,
	} {
		replace(t, path+".lock", text)
		if got := abandoned(path + ".lock"); got != want {
			t.Errorf("a lock file with %q is taken for abandoned: %v", text, got)
		}
	}
	old := time.Now().Add(-2 * lockStale)
	if err := os.Chtimes(path+".lock", old, old); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), path, f)
	if err != nil {
		t.Fatalf("with a dot lock that its owner left: %v", err)
	}
	if _, err := os.Stat(path + ".lock"); err != nil {
		t.Errorf("we hold the lock without its file: %v", err)
	}
	unlock()
	if _, err := os.Stat(path + ".lock"); err == nil {
		t.Error("the lock file stays")
	}

	holder := exec.Command(os.Args[0], "-test.run=^TestHoldLock$")
	holder.Env = append(os.Environ(), "SPOOR_HOLD_LOCK="+path)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	soon, cancel = context.WithTimeout(t.Context(), 3*lockRetry)
	defer cancel()
	if _, err := lock(soon, path, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with another process's fcntl lock: %v", err)
	}
	in.Close()
	holder.Wait()
	unlock, err = lock(t.Context(), path, f)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// On a full disk no lock file may stay behind, which would keep the MTA out.
func TestLockOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	_ = os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 1<<20), 0o600) // as much as there is room for
	lockFile := filepath.Join(dir, "abuse.lock")
	if _, err := dotLock(lockFile); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	if _, err := os.Stat(lockFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file stays: %v", err)
	}
}

// TestHoldLock is the other process of TestMboxLocks.
func TestHoldLock(t *testing.T) {
	path := os.Getenv("SPOOR_HOLD_LOCK")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	fmt.Print("x")
	os.Stdin.Read(make([]byte, 1))
	f.Close()
}

func TestMaildir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Maildir")
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := newScene(t, dir)
	s.w.Options.MaxSize = 100
	replace(t, filepath.Join(dir, "new", "2.b"), "second")
	replace(t, filepath.Join(dir, "new", "1.a"), "first")
	replace(t, filepath.Join(dir, "tmp", "3.c"), "half")
	replace(t, filepath.Join(dir, "new", "4.large"), strings.Repeat("x", 200))
	s.want("first", "second")
	s.want()
	replace(t, filepath.Join(dir, "new", "5.d"), "third")
	s.fault = errors.New("disk full")
	if _, err := s.l.look(t.Context()); !errors.Is(err, s.fault) {
		t.Errorf("look returns %v", err)
	}
	s.fault = nil
	s.want("third")
	names, err := mailbox.Names(filepath.Join(dir, "cur"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"1.a:2,S", "2.b:2,S", "5.d:2,S"}, names); d != "" {
		t.Errorf("cur (-want +got):\n%s", d)
	}
	s.restart()
	s.want()
}

// What will never be a mailbox, or cannot be looked at, is told; what is only not there yet is not.
func TestNoMailbox(t *testing.T) {
	dir := t.TempDir()
	s := newScene(t, filepath.Join(dir, "later"))
	s.want()
	s.w.Path = dir
	l, err := s.w.begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.look(t.Context()); err == nil || !strings.Contains(err.Error(), "no Maildir") {
		t.Errorf("a folder that is no Maildir: %v", err)
	}
	add(t, filepath.Join(dir, "file"), "x")
	s.w.Path = filepath.Join(dir, "file", "abuse")
	if _, err := s.w.begin(); err == nil {
		t.Error("a path below a file is no error")
	}
}

// follow runs a Watcher of path, and says what it takes until it is ended.
func follow(t *testing.T, path string) (got <-chan string, end func()) {
	t.Helper()
	taken := make(chan string)
	w := Watcher{Path: path, State: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Put: func(_ context.Context, m mailbox.Message) error {
		taken <- strings.TrimSpace(string(m.Raw))
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return taken, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Run waits for a mailbox that is not there yet, and ends with its context.
func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abuse")
	got, end := follow(t, path)
	add(t, path, mail(1))
	if s := <-got; s != text(1) {
		t.Errorf("got %q", s)
	}
	end()
}

// An mbox becomes a Maildir, and a Maildir an mbox, while Run follows them.
func TestRunFollowsAnotherKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "abuse")
		got, end := follow(t, path)
		want := func(n int) {
			t.Helper()
			select {
			case s := <-got:
				if s != text(n) {
					t.Errorf("got %q, want mail %d", s, n)
				}
			case <-time.After(time.Minute):
				t.Errorf("mail %d is not taken", n)
			}
			synctest.Wait()
		}
		add(t, path, mail(1))
		want(1)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for _, sub := range []string{"cur", "new"} {
			if err := os.MkdirAll(filepath.Join(path, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		add(t, filepath.Join(path, "new", "1.a"), text(2))
		want(2)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		add(t, path, mail(3))
		want(3)
		end()
	})
}

// TestLockFileIsNeverEmpty looks at the lock file while it comes and goes: whoever sees it can tell whose it is, so that one
// whose owner was killed at any moment keeps nobody out for long.
func TestLockFileIsNeverEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mbox.lock")
	stop, seen := make(chan struct{}), make(chan string, 1)
	go func() {
		for {
			text, err := os.ReadFile(path)
			if err == nil && string(text) != lockText(os.Getpid()) {
				seen <- string(text)
				return
			}
			select {
			case <-stop:
				close(seen)
				return
			default:
			}
		}
	}()
	for range 5000 {
		unlock, err := dotLock(path)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	}
	close(stop)
	if text, bad := <-seen; bad {
		t.Errorf("a lock file held %q", text)
	}
}
