package main

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/report"
)

// TestGolden reads every sample complaint and wants exactly what stands beside it.
func TestGolden(t *testing.T) {
	var s score
	if err := s.dir(context.Background(), "../../../testdata/reports"); err != nil {
		t.Fatal(err)
	}
	if len(s.verdicts) < 100 {
		t.Fatalf("only %d samples", len(s.verdicts))
	}
	for _, v := range s.verdicts {
		t.Run(v.name, func(t *testing.T) {
			if !v.exact() || len(v.wrong) > 0 {
				t.Errorf("format %s\nmissing %q\nextra   %q\ndiffers %q", v.format, v.missing, v.extra, v.wrong)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	res := report.Result{Format: "arf", Reports: []report.Report{{Source: "a", Count: 1}, {Source: "b", Count: 2}}}
	want, err := readExpectation(strings.NewReader("# a comment\nsource=a count=3\nsource=c\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := verdictOf(want, res)
	expect := verdict{format: "arf", lacks: 1, missing: []string{"c"}, surplus: 1, extra: []string{"b"}, wrong: []string{"a count=1, want 3"}}
	if d := cmp.Diff(expect, got, cmp.AllowUnexported(verdict{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	rejected, _ := readExpectation(strings.NewReader("rejected: newsletter\n"))
	if v := verdictOf(rejected, res); len(v.wrong) != 1 || v.surplus != 2 {
		t.Errorf("a wrong rejection passes: %+v", v)
	}
	for _, bad := range []string{"nonsense", "203.0.113.7 colour=red", "port=3"} {
		if _, err := readExpectation(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// verdictOf compares reports that came at once.
func verdictOf(want expectation, res report.Result) verdict {
	t := newTally(want)
	t.add(res.Reports)
	return t.verdict(res)
}

func TestPrint(t *testing.T) {
	s := score{verdicts: []verdict{{name: "a", format: "arf"}, {name: "b", format: "csv", lacks: 3, missing: []string{"203.0.113.7"}}}}
	var b strings.Builder
	s.print(&b, false)
	for _, want := range []string{"b (csv)", "missing  203.0.113.7", "missing  and 2 more", "50.0 % exact"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "a (arf)") {
		t.Error("an exact mail is named without -v")
	}
}

// A table's reports come in batches, and only those with expected details are kept.
func TestTallyStreams(t *testing.T) {
	want, err := readExpectation(strings.NewReader("source=a\nsource=b count=2\n"))
	if err != nil {
		t.Fatal(err)
	}
	ta := newTally(want)
	ta.add([]report.Report{{Source: "a"}, {Source: "b", Count: 2}})
	ta.add([]report.Report{{Source: "c"}})
	if len(ta.kept) != 1 {
		t.Errorf("kept %d reports, want 1", len(ta.kept))
	}
	v := ta.verdict(report.Result{})
	if d := cmp.Diff([]string{"c"}, v.extra); d != "" || v.lacks+len(v.wrong) > 0 {
		t.Errorf("missing %q wrong %q (-want +got extra):\n%s", v.missing, v.wrong, d)
	}
}

func TestNetworks(t *testing.T) {
	ours, err := oursOf("192.0.2.0/24, 2001:db8::/32")
	if err != nil || !ours(netip.MustParseAddr("192.0.2.7")) || ours(netip.MustParseAddr("203.0.113.7")) {
		t.Errorf("the networks are not read: %v", err)
	}
	if ours, err := oursOf(""); ours != nil || err != nil {
		t.Errorf("no networks give %v", err)
	}
	if _, err := oursOf("192.0.2.0"); err == nil {
		t.Error("an address passes for a network")
	}
}
