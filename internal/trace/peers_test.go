package trace

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoor/internal/message"
	"spoor/internal/peers"
)

// processorTime is what this process has used; where others use the processors
// too, a clock would measure them.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// oursPerLine returns the ns that one line costs us from the bytes of the header
// to its fields, by the same measure as the peers' scripts: the best of several
// runs over one header that holds all sample lines.
func oursPerLine(lines []string) float64 {
	raw := []byte(strings.Join(lines, "\r\n") + "\r\nFrom: anna@example.com\r\nSubject: x\r\n\r\n")
	best := time.Duration(1 << 62)
	for range 300 {
		start := processorTime()
		h, _, _ := message.ReadHeader(raw, message.DefaultLimits())
		var r Result
		r.read(h, nil)
		best = min(best, processorTime()-start)
		if len(r.Hops) != len(lines) {
			panic("lines were lost")
		}
	}
	return float64(best.Nanoseconds()) / float64(len(lines))
}

// peerPerLine runs a script of testdata/peers over the sample lines.
func peerPerLine(b *testing.B, cmd *exec.Cmd) float64 {
	b.Helper()
	lines, err := filepath.Abs(filepath.Join("..", "..", "testdata", "trace", "lines.txt"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Dir = filepath.Join("..", "..", "testdata", "peers")
	cmd.Env = append(os.Environ(), "LINES_FILE="+lines)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", cmd.Path, err, out)
	}
	for l := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(l), "ns/line "); ok {
			ns, err := strconv.ParseFloat(v, 64)
			if err != nil || ns <= 0 {
				b.Fatalf("%s measured %q", cmd.Path, v)
			}
			return ns
		}
	}
	b.Fatalf("%s printed no measure:\n%s", cmd.Path, out)
	return 0
}

// BenchmarkAgainstPeers compares the cost of a Received line with that of
// rspamd's and SpamAssassin's parsers over the same lines in the same run.
func BenchmarkAgainstPeers(b *testing.B) {
	lines := benchLines(b)
	for _, peer := range []struct {
		name, program string
		command       []string
	}{
		{"trace-vs-rspamd", "rspamd", []string{"rspamadm", "lua", "-b", "-s", "received.lua"}},
		{"trace-vs-spamassassin", "spamassassin", []string{"perl", "received.pl"}},
	} {
		b.Run(peer.name, func(b *testing.B) {
			peers.Need(b, peer.program)
			for range min(b.N, 1) {
				before := oursPerLine(lines)
				theirs := peerPerLine(b, exec.Command(peer.command[0], peer.command[1:]...))
				ours := min(before, oursPerLine(lines))
				b.ReportMetric(ours, "ours-ns/line")
				b.ReportMetric(theirs, "peer-ns/line")
				fmt.Printf("ratio %s %.2f\n", peer.name, theirs/ours)
			}
		})
	}
}
