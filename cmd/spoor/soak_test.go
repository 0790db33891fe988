package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestSoak runs for as long as SPOOR_SOAK says (`make soak`: an hour): complaints from a few senders, a kill now and
// then. Nothing may be lost, and memory and open files must stay what they were.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SPOOR_SOAK"))
	if err != nil {
		t.Skip("it runs by make soak, for as long as SPOOR_SOAK says")
	}
	const senders, between = 4, 20 * time.Second
	dir, out := crashSetup(t)
	daemon := startServe(t, dir)
	l := startLoad(t, senders, 20*time.Millisecond, daemon.smtp())
	kills, firstKB, firstFiles, firstRoutines := 0, 0, 0, 0.0
	for begin := time.Now(); time.Since(begin) < length; {
		time.Sleep(between/2 + rand.N(between))
		kb, files := anonymousKB(t, daemon.cmd.Process.Pid), openFiles(t, daemon.cmd.Process.Pid)
		routines := daemon.metric("go_goroutines", "")
		t.Logf("%s: %d KiB of anonymous memory, %d files, %.0f goroutines, %d mails", time.Since(begin).Round(time.Second), kb, files, routines, l.next.Load())
		if firstKB == 0 {
			firstKB, firstFiles, firstRoutines = kb, files, routines
		}
		if routines > 2*firstRoutines+64 {
			t.Errorf("goroutines leak: %.0f at first, %.0f now", firstRoutines, routines)
		}
		if kb > 3*firstKB+(32<<10) || files > 2*firstFiles+64 {
			t.Errorf("it grows: %d KiB and %d files at first, %d and %d now", firstKB, firstFiles, kb, files)
		}
		daemon.kill()
		kills++
		daemon = startServe(t, dir)
		addr := daemon.smtp()
		l.addr.Store(&addr)
	}
	acked := l.stop()
	incidents := waitForAll(t, daemon, acked)
	for ip := range acked {
		if incidents[ip] != 1 {
			t.Errorf("%s: %d incidents, want 1", ip, incidents[ip])
		}
	}
	notices, repeats := countNotices(t, out)
	if len(notices) != len(incidents) || repeats > kills*8 {
		t.Errorf("%d notices about %d incidents, %d repeated in %d kills", len(notices), len(incidents), repeats, kills)
	}
}

// openFiles counts the file descriptors of a process.
func openFiles(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
