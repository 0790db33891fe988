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
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/stats"
	"spoor/abusebox/stats/statstest"
	"spoor/abusebox/store/bolt"
	"spoor/flowwatch"
)

// statistics writes a configuration and a store with 30 complaints in October and 5 false notices in November 2025.
func statistics(t *testing.T) (configPath string) {
	t.Helper()
	dir := t.TempDir()
	configPath = filepath.Join(dir, "spoor.toml")
	if err := os.WriteFile(configPath, fmt.Appendf(nil, "[store]\ndir = %q\n[stats]\nwindow = \"400d\"\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(filepath.Join(dir, "mail.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	events := statstest.Complaints(time.Date(2025, 10, 5, 8, 0, 0, 0, time.UTC), 30)
	events = append(events, statstest.Complaints(time.Date(2025, 11, 5, 8, 0, 0, 0, time.UTC), 7)...)
	for range 5 {
		events = append(events, stats.Event{Kind: stats.Judged, At: time.Now(), Format: "arf", Verdict: "false", Noticed: true})
	}
	if err := store.Statistics().Record(context.Background(), events...); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return configPath
}

func TestStatsCommand(t *testing.T) {
	config := statistics(t)
	spoor := func(args ...string) string {
		t.Helper()
		var out, errw bytes.Buffer
		if code := run(context.Background(), append([]string{"stats", "-c", config}, args...), strings.NewReader(""), &out, &errw); code != exitDone {
			t.Fatalf("%v: exit code %d: %s", args, code, errw.String())
		}
		return out.String()
	}
	has := func(text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	has(spoor("--month", "2025-10"), "Complaints from 2025-10-01 to 2025-10-31 (UTC)", "2025-10  30", "r0.example  5")
	has(spoor("--from", "2025-10-05", "--to", "2025-11"), "Complaints from 2025-10-05 to 2025-11-30", "total    30    37")
	has(spoor("--month", "2025-10", "--csv"), "hosts,2025-10,spam,hosts,30\n")
	has(spoor("--month", "2025-10", "--html", "-"), "<!doctype html>", "<td>30</td>")
	has(spoor("--held"), "format arf is held: 5 of 5 judged notices were false")
	var report stats.Report
	if err := json.Unmarshal([]byte(spoor("--json", "--month", "2025-11")), &report); err != nil || report.Total.Rows[0].Hosts != 7 {
		t.Errorf("%v: %+v", err, report)
	}
	page := filepath.Join(t.TempDir(), "year.html")
	if out := spoor("--from", "2025-01", "--to", "2025-12", "--html", page); out != "" {
		t.Errorf("with --html it prints %q", out)
	}
	if data, err := os.ReadFile(page); err != nil || !bytes.Contains(data, []byte("<svg")) {
		t.Errorf("page: %v", err)
	}
}

// TestStatsOfDecisions: what the desk decides is counted without anybody's help.
func TestStatsOfDecisions(t *testing.T) {
	var out, errw bytes.Buffer
	args := []string{"stats", "-c", seeded(t), "--json", "--month", "2026-09"}
	if code := run(context.Background(), args, strings.NewReader(""), &out, &errw); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errw.String())
	}
	var report stats.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, row := range report.Total.Rows {
		got[row.Type] = row.Hosts
	}
	if got["spam"] != 2 || got["bulk-messaging"] != 1 {
		t.Errorf("hosts %v, want 2 of spam and 1 of bulk-messaging", got)
	}
	if len(report.Reporters.Names) != 1 || report.Reporters.Names[0] != (stats.Named{Name: "reporter.example", Count: 3}) {
		t.Errorf("reporters %+v", report.Reporters)
	}
}

// aCensus tells of days as the flows counted them.
type aCensus []flowwatch.Census

func (c aCensus) Census(time.Time) ([]flowwatch.Census, error) { return c, nil }

// TestCensusIsCountedOnce adds the same days again and again, as each hour and each start does.
func TestCensusIsCountedOnce(t *testing.T) {
	ctx, store := context.Background(), stats.NewMemory()
	day := time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC)
	one := flowwatch.Census{Profile: "smtp", Day: day}
	one.Bars[3].Entries, one.Bars[3].Flows, one.Bars[3].Bytes = 5, 400, 9000
	other := one
	other.Profile, other.Day = "syn", day.AddDate(0, 0, 1)
	for range 3 {
		if err := countFlows(ctx, aCensus{one, other}, store, day.AddDate(0, 0, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Count(ctx, 1000); err != nil {
		t.Fatal(err)
	}
	report, err := stats.Read(ctx, store, stats.Query{From: stats.DayOf(day), To: stats.DayOf(day.AddDate(0, 0, 1))})
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]int64{}
	for _, f := range report.Census {
		for _, b := range f.Bands {
			hosts[f.Profile] += b.Hosts
		}
	}
	if diff := cmp.Diff(map[string]int64{"smtp": 5, "syn": 5}, hosts); diff != "" {
		t.Error(diff)
	}
}
