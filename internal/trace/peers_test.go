package trace

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// headerLines returns the lines of testdata/trace/headers.txt, in which the
// dialects stand in the shares that they have in mail.
func headerLines(tb testing.TB) []string {
	var out []string
	for _, s := range readLines(tb, "headers.txt") {
		out = append(out, "Received: "+s)
	}
	return out
}

// leastPerLine returns the least ns of processor time per line that f took, over
// as many spans, each about as long, as a peer's script looks at: both have the
// same chance of a quiet moment.
func leastPerLine(lines int, f func()) float64 {
	const spans, runs = 300, 12
	best := time.Duration(1 << 62)
	for range spans {
		start := processorTime()
		for range runs {
			f()
		}
		best = min(best, processorTime()-start)
	}
	return float64(best.Nanoseconds()) / float64(lines*runs)
}

// costs are what one line costs, in ns of processor time: in the parser alone,
// and from the bytes of a header to the fields of its lines.
type costs struct{ parser, header float64 }

// oursPerLine measures our parser by the same rules as the peers' scripts.
func oursPerLine(lines []string) costs {
	var reader lineReader
	hops := make([]Hop, len(lines))
	parser := leastPerLine(len(lines), func() {
		clear(hops)
		for i, s := range lines {
			reader.read(&hops[i], s)
		}
	})
	raw := []byte(strings.Join(lines, "\r\n") + "\r\nFrom: anna@example.com\r\nSubject: x\r\n\r\n")
	header := leastPerLine(len(lines), func() {
		h, _, _ := message.ReadHeader(raw, message.DefaultLimits())
		var r Result
		r.read(h, nil)
		if len(r.Hops) != len(lines) {
			panic("lines were lost")
		}
	})
	return costs{parser, header}
}

// peerPerLine runs a script of testdata/peers over the same lines.
func peerPerLine(b *testing.B, command []string) costs {
	b.Helper()
	lines, err := filepath.Abs(filepath.Join("..", "..", "testdata", "trace", "headers.txt"))
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = filepath.Join("..", "..", "testdata", "peers")
	cmd.Env = append(os.Environ(), "LINES_FILE="+lines)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", cmd.Path, err, out)
	}
	measure := func(name string) float64 {
		for l := range strings.Lines(string(out)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(l), name+" ns/line "); ok {
				if ns, err := strconv.ParseFloat(v, 64); err == nil && ns > 0 {
					return ns
				}
			}
		}
		return 0
	}
	c := costs{measure("parser"), measure("header")}
	if c.parser == 0 {
		b.Fatalf("%s printed no measure:\n%s", cmd.Path, out)
	}
	return c
}

// middle returns the median.
func middle(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// BenchmarkAgainstPeers compares the cost of a Received line with that of
// rspamd's and SpamAssassin's parsers over the same lines in the same run. Others
// use the processors too and their speed changes, so both sides are measured in
// turn, each time the two that stand side by side are compared, and the median
// counts.
func BenchmarkAgainstPeers(b *testing.B) {
	lines := headerLines(b)
	for _, peer := range []struct {
		name, program string
		command       []string
	}{
		{"trace-vs-rspamd", "rspamd", []string{"rspamadm", "lua", "-b", "-s", "received.lua"}},
		{"trace-vs-spamassassin", "spamassassin", []string{"perl", "received.pl"}},
	} {
		b.Run(peer.name, func(b *testing.B) {
			peers.Need(b, peer.program)
			var ours, theirs, parser, header []float64
			for range 7 {
				our, their := oursPerLine(lines), peerPerLine(b, peer.command)
				ours, theirs = append(ours, our.parser), append(theirs, their.parser)
				parser, header = append(parser, their.parser/our.parser), append(header, their.header/our.header)
			}
			b.ReportMetric(middle(ours), "ours-ns/line")
			b.ReportMetric(middle(theirs), "peer-ns/line")
			fmt.Printf("ratio %s %.2f\n", peer.name, middle(parser))
			if h := middle(header); h > 0 {
				fmt.Printf("ratio %s-header %.2f\n", peer.name, h)
			}
		})
	}
}
