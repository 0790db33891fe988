package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/intake"
)

// pipedShape is a mail as a program may write it to a pipe: with any line ends, none at the end, any bytes, nothing but a header.
func pipedShape(rng *rand.Rand, n int) string {
	noise := make([]byte, rng.IntN(3000))
	for i := range noise {
		noise[i] = byte(rng.IntN(256))
	}
	header := fmt.Sprintf("Subject: %d\n", n)
	return []string{
		header, header + "\n", header + "\nFrom here on\n.\n..\n>From there\n", strings.ReplaceAll(header+"\nbody\n", "\n", "\r\n"),
		header + "\n" + string(noise), header + "\n\r\r\n\x00\r", header + "X-Long: " + strings.Repeat("x", rng.IntN(100_000)) + "\n\nend",
	}[rng.IntN(7)]
}

// TestRoundTripByPipe hands mails of every shape in by `spoor file`, a process for each, some while no daemon runs: the spool has
// them byte for byte. make soak sends ten thousand.
func TestRoundTripByPipe(t *testing.T) {
	mails := 40
	if os.Getenv("SPOOR_SOAK") != "" {
		mails = 10_000
	}
	dir := storeDir(t)
	want := map[string]int{}
	pass := func(from, to int) {
		var wg sync.WaitGroup
		queue := make(chan string)
		for range 4 {
			wg.Go(func() {
				for text := range queue {
					if out, code := command(t, dir, text, "file"); code != 0 {
						t.Errorf("spoor file ends with %d: %s", code, out)
					}
				}
			})
		}
		rng := rand.New(rand.NewPCG(uint64(from), uint64(to)))
		for n := from; n < to; n++ {
			text := pipedShape(rng, n)
			want[text]++
			queue <- text
		}
		close(queue)
		wg.Wait()
	}
	daemon := startServe(t, dir)
	pass(0, mails/2)
	if err := daemon.stop(); err != nil {
		t.Fatal(err)
	}
	pass(mails/2, mails)
	daemon = startServe(t, dir)
	daemon.until("the drop folder is empty", func() bool {
		waiting, _, err := intake.NewDrop(filepath.Join(dir, "store"), 1<<20).Count()
		return err == nil && waiting == 0
	})
	if err := daemon.stop(); err != nil {
		t.Fatal(err)
	}
	cfg := intake.DefaultSpoolConfig()
	cfg.Dir = filepath.Join(dir, "store")
	spool, err := intake.OpenSpool(cfg, intake.SpoolDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	got := map[string]int{}
	if _, err := spool.Scan(context.Background(), 0, func(_ intake.ID, m intake.Mail) error { got[string(m.Raw)]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%.2000s", d)
	}
}
