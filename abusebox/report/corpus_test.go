package report_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

// corpus returns the mails of the development corpus, or skips.
func corpus(tb testing.TB) map[string][]byte {
	tb.Helper()
	out := map[string][]byte{}
	for _, dir := range []string{"abuseio", "arf"} {
		names, _ := filepath.Glob(filepath.Join("../../../shared/corpus/complaints", dir, "*.eml"))
		for _, n := range names {
			b, err := os.ReadFile(n)
			if err != nil {
				tb.Fatal(err)
			}
			out[filepath.Base(n)] = b
		}
	}
	if len(out) == 0 {
		tb.Skip("the corpus ../shared/corpus/complaints is absent")
	}
	return out
}

// Every mail of the corpus but the one that is no complaint yields reports, each
// with an address or site, a reason, a kind and evidence.
func TestCorpus(t *testing.T) {
	none := map[string]bool{"arf-26.eml": true}
	for name, raw := range corpus(t) {
		res := report.Parse(context.Background(), message.Read(raw, message.Limits{}), report.Options{})
		if none[name] {
			if len(res.Reports) > 0 {
				t.Errorf("%s: %d reports, want none", name, len(res.Reports))
			}
			continue
		}
		if len(res.Reports) == 0 {
			t.Errorf("%s: no report", name)
		}
		for _, r := range res.Reports {
			if !r.IP.IsValid() && r.Source == "" || r.Why == "" || r.Category == "" || r.Step == "" || r.Time.IsZero() {
				t.Errorf("%s: incomplete: %+v", name, r)
			}
			if len(r.Evidence) == 0 && r.Step == report.Structure {
				t.Errorf("%s: %s without evidence", name, r.IP)
			}
		}
	}
}

// BenchmarkCorpus reads the corpus over and over; it reports the median and the
// 99th percentile of one mail, and mails a second on one core.
func BenchmarkCorpus(b *testing.B) {
	readOverAndOver(b, slices.Collect(maps.Values(corpus(b))))
}
