package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A long table is printed whole as JSON and in part for a person.
func TestParseLongTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: a@reporter.example\nDate: Thu, 01 Oct 2026 12:00:00 +0000\nSubject: scan\nContent-Type: text/csv; name=r.csv\n\nip,timestamp\n")
	const rows = 2500
	for i := range rows {
		fmt.Fprintf(&b, "198.18.%d.%d,2026-10-01 08:14:00\n", i>>8, i&255)
	}
	path := filepath.Join(t.TempDir(), "long.eml")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SPOOR_CONFIG", "")
	var out, errw bytes.Buffer
	if code := run(context.Background(), []string{"parse", "--json", path}, strings.NewReader(""), &out, &errw); code != 0 {
		t.Fatalf("exit %d: %s", code, errw.String())
	}
	var res struct {
		Source  string `json:"source"`
		Format  string `json:"format"`
		Reports []struct {
			IP string `json:"ip"`
		} `json:"reports"`
	}
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range res.Reports {
		seen[r.IP] = true
	}
	if len(res.Reports) != rows || len(seen) != rows || res.Source != path || res.Format != "csv" {
		t.Errorf("%d reports, %d addresses, source %q, format %q", len(res.Reports), len(seen), res.Source, res.Format)
	}
	out.Reset()
	run(context.Background(), []string{"parse", path}, strings.NewReader(""), &out, &errw)
	if !strings.Contains(out.String(), "2500 reports, format csv") || !strings.Contains(out.String(), "and 2400 more") {
		t.Errorf("the person's view:\n%s", out.String()[:400])
	}
}

func TestCleanKeepsTheTerminalSafe(t *testing.T) {
	if got := clean("a\x1b[31mb\u202ec\td\x07"); strings.ContainsAny(got, "\x1b\u202e\x07") {
		t.Errorf("%q", got)
	}
}
