package abusebox_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"spoor/internal/peers"
)

// TestDiskFaults lets fdatasync fail under a running desk, once the desk has started: nothing that was
// acknowledged is lost, nothing is decided twice, the store opens itself again, and the work goes on.
func TestDiskFaults(t *testing.T) {
	strace := peers.Need(t, "strace")
	for _, when := range []string{"12", "31..33", "40..90+7"} {
		t.Run(when, func(t *testing.T) {
			dir, mails := t.TempDir(), newSink(t)
			hooked := filepath.Join(dir, "hooked")
			hook := script(t, `printf '%s\n' "$(sed -e 's/.*"task":\([0-9]*\),.*/\1/')" >> `+hooked)
			first := startChild(t, dir, mails.addr, hook, "0")
			acked := map[string]int{}
			first.read(t, acked, 50*time.Millisecond) // so that the files exist
			first.kill()
			c := startWith(t, exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fdatasync",
				"-e", "inject=fdatasync:error=EIO:when="+when, os.Args[0], "-test.run=^$"), dir, mails.addr, hook, "1000000")
			c.readSome(t, acked, 300)
			c.end(t)
			last := startChild(t, dir, mails.addr, hook, "")
			last.untilIdle(t)
			last.end(t)
			checkAfterCrash(t, dir, mails, acked, hooked, 10)
		})
	}
}

// readSome collects acknowledgements until there are n more: service returned after the fault.
func (c *deskChild) readSome(t *testing.T, acked map[string]int, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for want := len(acked) + n; len(acked) < want; {
		select {
		case line, ok := <-c.lines:
			if !ok {
				t.Fatal("the desk ended by itself")
			}
			note(acked, line)
		case <-ctx.Done():
			t.Fatalf("service did not return: %d mails acknowledged", len(acked))
		}
	}
}
