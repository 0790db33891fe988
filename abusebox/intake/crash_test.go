package intake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"spoor/abusebox/intake/collect"
	"spoor/internal/peers"
	"spoor/internal/unit"
)

// childDir names the folder in which a process of its own serves, to be killed, traced or starved.
const childDir = "SPOOR_INTAKE_CHILD"

// childWorkers is how many mails of an import that process has in flight: so many can come twice after a kill.
const childWorkers = 32

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serveChild is the other process: a Server on loopback that prints its address.
func serveChild(dir string) error {
	logger := slog.New(slog.DiscardHandler)
	spool, err := OpenSpool(SpoolConfig{Dir: dir, SegmentSize: 1 << 20}, SpoolDeps{Logger: logger})
	if err != nil {
		return err
	}
	cfg := testConfig()
	for _, name := range []string{"watched.mbox", "Maildir"} {
		if watched := filepath.Join(dir, name); exists(watched) {
			cfg.Watch = append(cfg.Watch, watched)
		}
	}
	if server, err := os.ReadFile(filepath.Join(dir, "imap")); err == nil {
		cfg.IMAP = []IMAPConfig{{Server: string(server), User: "abuse", PasswordFile: filepath.Join(dir, "password"), Plaintext: true}}
	}
	s, err := New(cfg, Deps{Spool: spool, Logger: logger, Dir: dir})
	if err != nil {
		return err
	}
	if err := s.Listen(context.Background()); err != nil {
		return err
	}
	fmt.Println(s.Addrs()[0])
	if backlog := filepath.Join(dir, "backlog.mbox"); exists(backlog) {
		i := Import{Ledger: filepath.Join(dir, "ledger"), Put: s.take, Workers: childWorkers}
		if _, err := i.Run(context.Background(), []string{backlog}); err != nil {
			return err
		}
	}
	return s.Run(context.Background())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// child starts a serving process, under a program if one is given, and returns its address.
func child(t *testing.T, dir string, under ...string) (addr string, cmd *exec.Cmd) {
	t.Helper()
	args := append(under, os.Args[0])
	cmd = exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child does not serve: %v", err)
	}
	return strings.TrimSpace(line), cmd
}

func kill(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait() // killed is how it ends
}

// sendOne sends a mail and returns the code of the answer.
func sendOne(k *talk, from, text string, chunked bool) (string, error) {
	cmds := []string{"MAIL FROM:<" + from + ">\r\n", "RCPT TO:<abuse@example.net>\r\n", "DATA\r\n", text + ".\r\n"}
	if chunked {
		half := len(text) / 2
		cmds = append(cmds[:2], fmt.Sprintf("BDAT %d\r\n%s", half, text[:half]), fmt.Sprintf("BDAT %d LAST\r\n%s", len(text)-half, text[half:]))
	}
	last := ""
	for _, c := range cmds {
		if _, err := k.Write([]byte(c)); err != nil {
			return "", err
		}
		reply, err := k.reply()
		if err != nil || len(reply) < 3 {
			return "", errors.Join(errors.New("no reply"), err)
		}
		last = reply[:3]
	}
	return last, nil
}

// dialTo connects to a child and says EHLO.
func dialTo(t testing.TB, addr string) (*talk, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	k := &talk{t, c, bufio.NewReader(c)}
	for _, cmd := range []string{"", "EHLO client.example.org\r\n"} {
		if _, err := k.Write([]byte(cmd)); err != nil {
			c.Close()
			return nil, err
		}
		if _, err := k.reply(); err != nil {
			c.Close()
			return nil, err
		}
	}
	return k, nil
}

// someAcked is how many mails a service acknowledges before it is killed: fewer would prove little.
const someAcked = 20

// storm sends from 32 clients until the service dies, and notes what is acknowledged. It returns once that is something.
func storm(t *testing.T, addr string, round int, acked map[string]bool) *sync.WaitGroup {
	var wg sync.WaitGroup
	var mu sync.Mutex
	before := len(acked)
	for client := range 32 {
		wg.Go(func() {
			k, err := dialTo(t, addr)
			if err != nil {
				return
			}
			defer k.Close()
			for n := 0; ; n++ {
				text := fmt.Sprintf("Subject: %d/%d/%d\r\n\r\n%s\r\n", round, client, n, strings.Repeat("body ", rand.IntN(2000)))
				code, err := sendOne(k, "a@example.org", text, n%2 == 1)
				if err != nil {
					return
				}
				if code == "250" {
					mu.Lock()
					acked[text] = true
					mu.Unlock()
				}
			}
		})
	}
	peers.WaitFor(t, waitMost, "mails to be acknowledged", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acked) >= before+someAcked
	})
	return &wg
}

// 32 senders, SIGKILL at a random time, five rounds: every mail that was answered 250 is stored, whole.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 5 {
		addr, cmd := child(t, dir)
		wg := storm(t, addr, round, acked)
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		kill(cmd)
		wg.Wait()
	}
	s := openSpool(t, dir)
	stored := map[string]int{}
	if _, err := s.Scan(t.Context(), 0, func(_ ID, m Mail) error { stored[string(m.Message())]++; return nil }); err != nil {
		t.Fatal(err)
	}
	for text := range acked {
		if stored[text] != 1 {
			t.Errorf("%.30q was acknowledged and is stored %d times", text, stored[text])
		}
	}
	if err := s.Check(t.Context(), func(where, problem, _ string) { t.Errorf("%s: %s", where, problem) }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d mails acknowledged, %d stored", len(acked), len(stored))
}

// The drop folder, an import, a watched mbox and Maildir, and an IMAP mailbox, killed at random: no mail is lost, and none is
// filed twice but those that were in flight at a kill.
func TestCrashOfReaders(t *testing.T) {
	const kills = 6
	for name, c := range map[string]struct {
		fill     func(t *testing.T, dir string, mails int)
		mails    int
		inFlight int
		within   int // milliseconds, of a kill
	}{
		"drop": {fillDrop, 300, 1, 60},
		"import": {func(t *testing.T, dir string, mails int) {
			rename(t, writeMbox(t, mails, ""), filepath.Join(dir, "backlog.mbox"))
		}, 3000, childWorkers, 60},
		"watch": {func(t *testing.T, dir string, mails int) {
			rename(t, writeMbox(t, mails, ""), filepath.Join(dir, "watched.mbox"))
		}, 3000, 1, 60},
		"maildir": {fillMaildir, 300, 1, 60},
		"imap":    {fillIMAP, 300, collect.Group, 400},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.fill(t, dir, c.mails)
			for range kills {
				_, cmd := child(t, dir)
				time.Sleep(time.Duration(5+rand.IntN(c.within)) * time.Millisecond)
				kill(cmd)
			}
			child(t, dir)
			stored := settled(t, dir, c.mails)
			repeats := 0
			for n := range c.mails {
				repeats += max(0, stored[fmt.Sprintf("Subject: %d", n)]-1)
			}
			if repeats > kills*c.inFlight {
				t.Errorf("%d repeats after %d kills with %d mails in flight each", repeats, kills, c.inFlight)
			}
		})
	}
}

func numbered(n int) string { return fmt.Sprintf("Subject: %d\n\nbody\n\n", n) }

func fillDrop(t *testing.T, dir string, mails int) {
	d := NewDrop(dir, 1<<20)
	for n := range mails {
		if err := d.Put(Mail{Raw: []byte(numbered(n))}); err != nil {
			t.Fatal(err)
		}
	}
}

func fillMaildir(t *testing.T, dir string, mails int) {
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, "Maildir", sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for n := range mails {
		if err := os.WriteFile(filepath.Join(dir, "Maildir", "new", fmt.Sprintf("%d.x", n)), []byte(numbered(n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func fillIMAP(t *testing.T, dir string, mails int) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	for n := range mails {
		d.Deliver(t, fmt.Sprintf("%d.x", n), numbered(n))
	}
	for name, text := range map[string]string{"imap": d.Addr.String(), "password": d.Password} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// settled waits until want different mails are in the spool of a running child, and returns how often each is, by its first line.
func settled(t *testing.T, dir string, want int) map[string]int {
	t.Helper()
	var stored map[string]int
	peers.WaitFor(t, waitMost, "all mails to be filed", func() bool {
		stored = map[string]int{}
		if err := readBeside(dir, func(m Mail) { stored[strings.TrimRight(strings.SplitAfter(string(m.Raw), "\n")[0], "\r\n")]++ }); err != nil {
			t.Fatal(err)
		}
		return len(stored) >= want
	})
	return stored
}

// readBeside reads a spool whose process runs: from copies of its segments, since the folder is locked.
func readBeside(dir string, fn func(Mail)) error {
	beside, err := os.MkdirTemp(dir, "beside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(beside)
	if err := os.Mkdir(filepath.Join(beside, "spool"), 0o700); err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(dir, "spool", "*.seg"))
	if err != nil {
		return err
	}
	for _, s := range segments {
		data, err := os.ReadFile(s)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(beside, "spool", filepath.Base(s)), data, 0o600); err != nil {
			return err
		}
	}
	s, err := OpenSpool(SpoolConfig{Dir: beside}, SpoolDeps{Logger: discard})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Scan(context.Background(), 0, func(_ ID, m Mail) error { fn(m); return nil })
	return err
}

// faulty runs a child whose fdatasync fails as strace is told, and sends n mails one after the other.
func faulty(t *testing.T, when string, n int) (codes []string, stored []string) {
	t.Helper()
	strace := peers.Need(t, "strace")
	dir := t.TempDir()
	addr, cmd := child(t, dir, strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when="+when)
	k, err := dialTo(t, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for i := range n {
		code, err := sendOne(k, "a@example.org", fmt.Sprintf("Subject: %d\r\n", i), i%2 == 1)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	kill(cmd) // strace, which takes a moment to take its child along
	var s *Spool
	peers.WaitFor(t, waitMost, "the traced process to end", func() bool {
		s, err = OpenSpool(SpoolConfig{Dir: dir}, SpoolDeps{Logger: discard})
		return err == nil
	})
	defer s.Close()
	if _, err := s.Scan(t.Context(), 0, func(_ ID, m Mail) error { stored = append(stored, string(m.Message())); return nil }); err != nil {
		t.Fatal(err)
	}
	return codes, stored
}

// With fdatasync failing from the first call on, from the second, once, or for a while (of each thread: that is how strace
// counts): what fails is answered 451, what is answered 250 is stored, nothing else is, and service returns.
func TestSyncFaults(t *testing.T) {
	const kept, failed = "250", "451"
	for when, c := range map[string]struct {
		some []string
		last string
	}{
		"1+":   {[]string{failed}, failed},
		"2+":   {[]string{kept, failed}, ""},
		"2":    {[]string{kept, failed}, ""},
		"1..2": {[]string{kept, failed}, kept},
	} {
		t.Run(when, func(t *testing.T) {
			codes, stored := faulty(t, when, 60)
			var acked []string
			got := map[string]bool{}
			for i, code := range codes {
				got[code] = true
				if code == kept {
					acked = append(acked, fmt.Sprintf("Subject: %d\r\n", i))
				}
			}
			want := map[string]bool{}
			for _, code := range c.some {
				want[code] = true
			}
			if d := cmp.Diff(want, got); d != "" || c.last != "" && codes[len(codes)-1] != c.last {
				t.Errorf("answers %v (-want +got):\n%s", codes, d)
			}
			if fmt.Sprint(stored) != fmt.Sprint(acked) {
				t.Errorf("stored %q, acknowledged %q", stored, acked)
			}
		})
	}
}

// On a full disk mails are answered 452, those acknowledged are stored, and service returns with the space.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	for _, minFree := range []int64{0, 512 << 10} {
		t.Run(fmt.Sprint("min_free ", minFree), func(t *testing.T) { fillDisk(t, filepath.Join(dir, fmt.Sprint(minFree)), minFree) })
	}
}

func fillDisk(t *testing.T, dir string, minFree int64) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 700<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSpool(SpoolConfig{Dir: dir, SegmentSize: 1 << 20, MinFree: unit.Size(minFree)}, SpoolDeps{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	i := startWith(t, testConfig(), func(d *Deps) { d.Spool = s })
	k := i.greet(t, false)
	var acked []string
	rng := rand.NewChaCha8([32]byte{})
	full := 0
	for n := 0; full < 5 && n < 1000; n++ {
		noise := make([]byte, 20<<10) // does not compress
		rng.Read(noise)
		text := fmt.Sprintf("Subject: %d\r\n\r\n%x\r\n", n, noise)
		code, err := sendOne(k, "a@example.org", text, false)
		switch {
		case err != nil:
			t.Fatal(err)
		case code == "250":
			acked = append(acked, text)
		case code == "452":
			full++
		default:
			t.Fatalf("answer %s", code)
		}
	}
	if full < 5 || len(acked) < 10 {
		t.Fatalf("%d mails are taken and %d answered 452", len(acked), full)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	text := "Subject: there is room again\r\n"
	if code, err := sendOne(k, "a@example.org", text, false); code != "250" {
		t.Errorf("with room again the answer is %s, %v", code, err)
	}
	acked = append(acked, text)
	var stored []string
	if _, err := s.Scan(t.Context(), 0, func(_ ID, m Mail) error { stored = append(stored, string(m.Message())); return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(stored) != fmt.Sprint(acked) {
		t.Errorf("%d mails are stored, %d were acknowledged", len(stored), len(acked))
	}
	k.Close()
	i.stop()
	if err := os.RemoveAll(filepath.Join(dir, "spool")); err != nil {
		t.Error(err)
	}
}
