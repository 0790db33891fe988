package report_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

// sumsFile holds what a clerk read out of each mail of the corpus, every address
// with its time and kind, as a hash: the corpus itself stays outside.
const sumsFile = "testdata/corpus.sums"

// Each mail of the corpus yields exactly what was read out of it by eye.
// UPDATE=1 writes the file anew; read each mail that changed before it is committed.
func TestCorpusSums(t *testing.T) {
	got := map[string]string{}
	for name, raw := range corpus(t) {
		got[name] = sumOf(report.Parse(context.Background(), message.Read(raw, message.Limits{}), report.Options{}))
	}
	if os.Getenv("UPDATE") != "" {
		writeSums(t, got)
	}
	b, err := os.ReadFile(sumsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for l := range strings.Lines(string(b)) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(l), "  "); ok {
			want[name] = sum
		}
	}
	for name, sum := range got {
		if want[name] != sum {
			t.Errorf("%s: other addresses, times or kinds than were read by eye", name)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s: no such mail in the corpus", name)
	}
}

// sumOf hashes the accused of a mail with their times, ports and kinds.
func sumOf(res report.Result) string {
	var lines []string
	for _, r := range res.Reports {
		lines = append(lines, fmt.Sprint(r.IP, r.Source, r.Prefix, r.Time.Unix(), r.TimeRaw != "", r.TimeZoneKnown, r.Port, r.Category, r.Type))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%.12x", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
}

func writeSums(t *testing.T, sums map[string]string) {
	t.Helper()
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s  %s\n", sums[name], name)
	}
	if err := os.WriteFile(sumsFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
