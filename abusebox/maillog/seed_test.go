package maillog

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func tallyOf(t testing.TB, opts Options, paths ...string) Report {
	t.Helper()
	tally := NewTally(opts)
	if err := tally.ReadFiles(context.Background(), paths...); err != nil {
		t.Fatal(err)
	}
	return tally.Report()
}

// TestSeedLines reads the log lines that the project began with. They tell neither year nor zone; the queue ids do.
func TestSeedLines(t *testing.T) {
	report := tallyOf(t, Options{}, "testdata/seed.log")
	if report.Total.Zone != "+0800" || report.Total.ZoneWhy != "queue ids" {
		t.Errorf("zone %s by %s, want +0800 by queue ids", report.Total.Zone, report.Total.ZoneWhy)
	}
	first, last := time.Date(2003, 10, 26, 0, 24, 25, 0, time.UTC), time.Date(2003, 11, 3, 12, 26, 45, 0, time.UTC)
	if !report.Total.First.Equal(first) || !report.Total.Last.Equal(last) {
		t.Errorf("from %s to %s, want %s to %s", report.Total.First, report.Total.Last, first, last)
	}
	infected := report.Relays[0]
	infected.Evidence = nil
	want := Relay{
		Addr: netip.MustParseAddr("163.25.154.253"), Senders: []string{"disney.biz"},
		Summary: Summary{
			Counts: Counts{Messages: 1, Recipients: 1, Viruses: 1, Bytes: 64607, MaxSize: 64607},
			First:  time.Date(2003, 11, 3, 12, 25, 58, 0, time.UTC), Last: last, VirusNames: []string{"W32/Yaha-P"},
		},
	}
	if diff := cmp.Diff(want, infected, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Virus{{"W32/Yaha-P", 1}}, report.Viruses); diff != "" {
		t.Errorf("a virus that was logged twice:\n%s", diff)
	}
}

func TestSeedBurst(t *testing.T) {
	report := tallyOf(t, Options{}, "testdata/seed.log")
	if len(report.Bursts) != 1 {
		t.Fatalf("%d bursts, want 1", len(report.Bursts))
	}
	b := report.Bursts[0]
	if b.Net != netip.MustParsePrefix("216.22.24.0/24") || b.Domain != "miltyblinks.net" {
		t.Errorf("burst of %s from %s", b.Domain, b.Net)
	}
	want := []string{
		"4 messages in 1 s", "from 3 addresses of 216.22.24.0/24", "names of 4 may be forged",
		"a new sender with nearly every message", "sizes hardly differ",
	}
	if diff := cmp.Diff(want, b.Why); diff != "" {
		t.Error(diff)
	}
	if len(b.Evidence) != 4 || b.MinSize != 6971 || b.MaxSize != 6998 {
		t.Errorf("%d lines of evidence, sizes %d to %d", len(b.Evidence), b.MinSize, b.MaxSize)
	}
}
