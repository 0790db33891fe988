package trace

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoor/internal/message"
)

// readSample reads a message of testdata/trace.
func readSample(t testing.TB, name string) *message.Message {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "trace", name))
	if err != nil {
		t.Fatal(err)
	}
	return message.Read(b, message.DefaultLimits())
}

// indented writes a Result as JSON for a person to compare.
func indented(t *testing.T, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The samples that the two founding documents print, traced as their authors
// trace them. Where we differ docs/findings.md says why.
func TestSeeds(t *testing.T) {
	for _, name := range []string{"seed-normal", "seed-commercial", "seed-forged", "seed-virus", "seed-coremail-bare", "seed-coremail-elided"} {
		t.Run(name, func(t *testing.T) {
			o := Options{Hosts: []string{"xfocus.org", "bjmx1", "bjmx5"}}
			if name == "seed-forged" {
				o.For = "refdom@xfocus.org" // the author's own mailbox
			}
			r := NewTracer(o).TraceMessage(readSample(t, name+".eml"))
			r.Source = name + ".eml"
			golden(t, name+".golden", indented(t, &r))
		})
	}
}

// finding returns the first finding of a code, or fails.
func finding(t *testing.T, r *Result, code string) Finding {
	t.Helper()
	var have []string
	for _, f := range r.Findings {
		if f.Code == code {
			return f
		}
		have = append(have, f.Code)
	}
	t.Fatalf("no finding %s; there are %s", code, strings.Join(have, " "))
	return Finding{}
}

func TestSeedForgedAsItsAuthor(t *testing.T) {
	r := NewTracer(Options{Hosts: []string{"bjmx1"}, For: "refdom@xfocus.org"}).TraceMessage(readSample(t, "seed-forged.eml"))
	if r.Origin == nil || r.Origin.IP.String() != "221.192.19.3" {
		t.Fatalf("origin %+v", r.Origin)
	}
	f := finding(t, &r, "zone-fits-none")
	for _, want := range []string{"-0800 would be 15:55:59Z", "-0700 would be 14:55:59Z"} {
		if !strings.Contains(f.Explain, want) {
			t.Errorf("%q lacks %q", f.Explain, want)
		}
	}
	if f := finding(t, &r, "message-id-impossible"); !strings.Contains(f.Explain, "17:93:43") {
		t.Error(f.Explain)
	}
}

func TestSeedNormalDelay(t *testing.T) {
	r := NewTracer(Options{}).TraceMessage(readSample(t, "seed-normal.eml"))
	f := finding(t, &r, "date-long-before-receipt")
	if !strings.Contains(f.Explain, "26 h 10 min") {
		t.Error(f.Explain)
	}
	if r.TotalDelay == nil || *r.TotalDelay != 100 {
		t.Errorf("total delay %v", r.TotalDelay)
	}
}
