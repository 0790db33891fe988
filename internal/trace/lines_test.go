package trace

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata/trace.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "trace", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// sampleLines returns the lines of testdata/trace/lines.txt.
func sampleLines(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "trace", "lines.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for s := range strings.Lines(string(b)) {
		if s = strings.TrimSpace(s); s != "" && s[0] != '#' {
			out = append(out, s)
		}
	}
	return out
}

// describe writes the fields of a hop that hold something.
func describe(h *Hop) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", h.Dialect)
	text, _ := h.Time.MarshalText()
	for _, f := range [][2]string{
		{"skip", string(h.Skip)}, {"ip", addrText(h.IP)}, {"bad", h.badIP}, {"helo", h.HELO}, {"rdns", h.RDNS}, {"state", string(h.RDNSState)}, {"ident", h.Ident},
		{"by", h.By}, {"by_ip", addrText(h.ByIP)}, {"with", h.With}, {"tls", h.TLS}, {"auth", h.Auth}, {"id", h.ID}, {"for", h.For},
		{"from", h.EnvelopeFrom}, {"time", string(text)}, {"zones", strings.Join(h.Zones, " ")},
	} {
		if f[1] != "" && f[1] != "unknown" {
			fmt.Fprintf(&b, " %s=%s", f[0], f[1])
		}
	}
	if h.Port > 0 {
		fmt.Fprintf(&b, " port=%d", h.Port)
	}
	if h.authenticated {
		b.WriteString(" authenticated")
	}
	if h.unverified {
		b.WriteString(" unverified")
	}
	return b.String()
}

func TestLines(t *testing.T) {
	var b strings.Builder
	for _, s := range sampleLines(t) {
		h := ParseReceived([]byte("Received: " + s))
		fmt.Fprintf(&b, "%s\n  %s\n", s, describe(&h))
	}
	golden(t, "lines.golden", b.String())
}
