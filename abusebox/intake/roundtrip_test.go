package intake

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// roundTrips is how many mails of every shape go through one way. Ways that cost a sync each, alone on the disk, take fewer
// in an ordinary run, and all ten thousand in make soak.
func roundTrips(costly bool) int {
	switch {
	case testing.Short():
		return 300
	case costly && os.Getenv("SPOOR_SOAK") == "":
		return 1500
	}
	return 10_000
}

// came compares what a way brought with what went in, in the same order.
func came(t *testing.T, i *instance, want []string) {
	t.Helper()
	i.awaitLast(t, len(want))
	if d := cmp.Diff(want, i.texts(t)); d != "" {
		t.Errorf("(-want +got):\n%.2000s", d)
	}
}

// awaitLast waits until the spool holds n mails, counting IDs only.
func (i *instance) awaitLast(t *testing.T, n int) {
	t.Helper()
	for got, from := 0, ID(0); ; {
		changed := i.spool.Changed()
		next, err := i.spool.IDs(t.Context(), from, func(ID) error { got++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if from = next; got >= n {
			return
		}
		<-changed // the test's own timeout ends a wait in vain
	}
}

// sameMails compares what a way brought with what went in, whatever the order.
func sameMails(t *testing.T, i *instance, want map[string]int) {
	t.Helper()
	total := 0
	for _, n := range want {
		total += n
	}
	i.awaitLast(t, total)
	got := map[string]int{}
	for _, text := range i.texts(t) {
		got[text]++
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%.2000s", d)
	}
}

// By LMTP, over TCP and a Unix socket, from several MTA processes at a time, which share their syncs.
func TestRoundTripOverLMTP(t *testing.T) {
	const clients = 16
	for name, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "lmtp.sock")} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.SMTP, cfg.LMTP = nil, []string{address}
			i := start(t, cfg)
			want := map[string]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for client := range clients {
				k := i.greet(t, false)
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(11, uint64(client)))
					for range roundTrips(false) / clients {
						text := shape(rng)
						if !strings.HasSuffix(text, "\r\n") {
							text += "\r\n" // DATA has no other end
						}
						if err := k.pass([]byte(stuffed(text) + ".\r\n")); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						want[text]++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			sameMails(t, i, want)
		})
	}
}

// By the drop folder of `spoor file`: each mail is synced, and its folder as well.
func TestRoundTripByDrop(t *testing.T) {
	i := start(t, testConfig())
	drop := NewDrop(i.dir, 1<<20)
	rng := rand.New(rand.NewPCG(13, 14))
	want := map[string]int{}
	for range roundTrips(true) {
		text := shape(rng)
		want[text]++
		if err := drop.Put(Mail{Raw: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	sameMails(t, i, want) // two of the same microsecond may change places
}

// By an mbox and a Maildir that are watched while an MTA delivers to them.
func TestRoundTripByWatch(t *testing.T) {
	t.Run("mbox", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mbox")
		rng := rand.New(rand.NewPCG(15, 16))
		var want []string
		var b strings.Builder
		for n := range roundTrips(false) {
			text := fmt.Sprintf("Subject: %d\n\n%s\n", n, shape(rng))
			want = append(want, text)
			b.WriteString("From a@example.org Thu Oct  1 08:14:00 2026\n" + strings.ReplaceAll(text, "\nFrom ", "\n>From ") + "\n")
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := testConfig()
		cfg.Watch = []string{path}
		came(t, start(t, cfg), want)
	})
	t.Run("maildir", func(t *testing.T) {
		dir := t.TempDir()
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		rng := rand.New(rand.NewPCG(17, 18))
		var want []string
		for n := range roundTrips(true) {
			text := fmt.Sprintf("Subject: %d\n\n%s\n", n, shape(rng))
			want = append(want, text)
			if err := os.WriteFile(filepath.Join(dir, "new", fmt.Sprintf("%010d.a", n)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg := testConfig()
		cfg.Watch = []string{dir}
		came(t, start(t, cfg), want)
	})
}

// By the reader of pipes: a From_ line before the mail is no part of it, and nothing else is touched.
func TestRoundTripOfPipes(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	s := openSpool(t, t.TempDir())
	var want []string
	for n := range roundTrips(false) {
		text, before := shape(rng), ""
		if n%2 == 0 {
			before = "From a@example.org Thu Oct  1 08:14:00 2026\n"
		} else {
			text = "Subject: x\n" + text
		}
		want = append(want, text)
		if n%100 != 0 { // each costs a sync of its own; what differs is the reading
			if got := string(FromPipe([]byte(before+text), "", nil).Raw); got != text {
				t.Fatalf("%q became %q", before+text, got)
			}
			want = want[:len(want)-1]
			continue
		}
		if _, err := s.Put(context.Background(), FromPipe([]byte(before+text), "", nil)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	if _, err := s.Scan(t.Context(), 0, func(_ ID, m Mail) error { got = append(got, string(m.Raw)); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%.2000s", d)
	}
}
