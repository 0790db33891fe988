package intake

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rssAnon returns a process's anonymous memory in bytes.
func rssAnon(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no RssAnon")
	return 0
}

func openFiles(t testing.TB, pid int) int {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// An idle service is small, and it stays so after some thousands of mails.
func TestMemory(t *testing.T) {
	addr, cmd := child(t, t.TempDir())
	if n := rssAnon(t, cmd.Process.Pid); n > 40<<20 {
		t.Errorf("idle, it has %d MB", n>>20)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k, err := dialTo(t, addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer k.Close()
			for n := range 150 {
				if code, err := sendOne(k, "a@example.org", strings.Repeat("A line of an ordinary complaint.\r\n", 500), n%2 == 0); code != "250" {
					t.Errorf("%s, %v", code, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := rssAnon(t, cmd.Process.Pid); n > 100<<20 {
		t.Errorf("after 2,400 mails of 17 KB it has %d MB", n>>20)
	}
	t.Logf("after 2,400 mails of 17 KB it has %d MB of anonymous memory", rssAnon(t, cmd.Process.Pid)>>20)
}

// TestSoak is for `make soak`: mixed mail at about half of the rate that the first seconds reach, with kills now and then.
// Nothing that was acknowledged is lost, and neither memory nor files grow.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SPOOR_SOAK"))
	if err != nil {
		t.Skip("only with SPOOR_SOAK=1h, say")
	}
	s := &soak{t: t, dir: t.TempDir()}
	s.round(5*time.Second, 0)
	s.verify()
	pause := 2 * 5 * time.Second * soakSenders / time.Duration(max(1, s.acked.Load()))
	for end := time.Now().Add(length); time.Now().Before(end); {
		s.round(time.Duration(10+rand.IntN(30))*time.Second, pause)
		s.verify()
	}
	first := s.memory[0]
	for _, m := range s.memory {
		if m > 2*first+32<<20 {
			t.Errorf("anonymous memory at the ends of the rounds: %d", s.memory)
			break
		}
	}
	t.Logf("%d mails acknowledged and found, %d rounds, memory %d MB at the end of the first and %d MB of the last",
		s.total, len(s.memory), first>>20, s.memory[len(s.memory)-1]>>20)
}

const soakSenders = 16

// A soak is the state between two kills.
type soak struct {
	t      *testing.T
	dir    string
	rounds int
	acked  atomic.Int64
	total  int64
	memory []int64
	from   ID

	mu    sync.Mutex
	texts map[string]bool // acknowledged in this round
}

// round serves and sends for a while, and ends with a kill in the midst.
func (s *soak) round(length, pause time.Duration) {
	s.rounds++
	s.texts = map[string]bool{}
	s.acked.Store(0)
	addr, cmd := child(s.t, s.dir)
	before := openFiles(s.t, cmd.Process.Pid)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n := range soakSenders {
		wg.Go(func() { s.send(addr, n, pause, stop) })
	}
	time.Sleep(length)
	s.memory = append(s.memory, rssAnon(s.t, cmd.Process.Pid))
	if after := openFiles(s.t, cmd.Process.Pid); after > before+2*soakSenders+8 {
		s.t.Errorf("%d files are open, %d were at first", after, before)
	}
	kill(cmd)
	close(stop)
	wg.Wait()
}

// send sends mails of several sizes, some cut off, over connections of several lengths.
func (s *soak) send(addr string, sender int, pause time.Duration, stop <-chan struct{}) {
	for n := 0; ; {
		select {
		case <-stop:
			return
		default:
		}
		k, err := dialTo(s.t, addr)
		if err != nil {
			return // killed
		}
		for range 1 + rand.IntN(200) {
			n++
			text := fmt.Sprintf("Subject: %d/%d/%d\r\n\r\n%s\r\n", s.rounds, sender, n, strings.Repeat("body ", rand.IntN(1<<rand.IntN(14))))
			code, err := sendOne(k, "a@example.org", text, n%3 == 0)
			if err != nil {
				break
			}
			if code == "250" {
				s.acked.Add(1)
				s.mu.Lock()
				s.texts[text] = true
				s.mu.Unlock()
			}
			time.Sleep(pause)
		}
		if rand.IntN(4) == 0 { // leave in the midst of a body
			fmt.Fprint(k, "MAIL FROM:<a@example.org>\r\nRCPT TO:<abuse@example.net>\r\nDATA\r\nhalf")
		}
		k.Close()
	}
}

// verify finds what was acknowledged, and makes room.
func (s *soak) verify() {
	s.t.Helper()
	spool, err := OpenSpool(SpoolConfig{Dir: s.dir}, SpoolDeps{Logger: discard})
	if err != nil {
		s.t.Fatal(err)
	}
	defer spool.Close()
	next, err := spool.Scan(s.t.Context(), s.from, func(_ ID, m Mail) error {
		delete(s.texts, string(m.Message()))
		return nil
	})
	if err != nil || len(s.texts) > 0 {
		s.t.Fatalf("in round %d %d acknowledged mails are lost, %v", s.rounds, len(s.texts), err)
	}
	s.total += s.acked.Load()
	s.from = next
	old, err := filepath.Glob(filepath.Join(s.dir, "spool", "*.seg"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range old[:max(0, len(old)-2)] {
		if err := os.Remove(path); err != nil {
			s.t.Error(err)
		}
	}
}
