package stats_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"spoor/abusebox/stats"
	"spoor/abusebox/stats/statstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files anew")

func TestMemory(t *testing.T) {
	statstest.Run(t, func(*testing.T) stats.Store { return stats.NewMemory() }, nil)
}

// random makes events as a desk would record them over some days.
func random(rng *rand.Rand, begin time.Time, days, n int) []stats.Event {
	types := []string{"spam", "syn-flood", "copyright", "login-attack"}
	kinds := []stats.Kind{stats.Complaint, stats.Complaint, stats.Complaint, stats.Opened, stats.Notified, stats.Acknowledged, stats.Quiet, stats.Judged, stats.Found, stats.Reopened}
	verdicts := []string{"confirmed", "false", "wrong-holder", "cannot-tell"}
	events := make([]stats.Event, n)
	for i := range events {
		host := netip.AddrFrom4([4]byte{198, 18, 0, byte(rng.IntN(200))})
		e := stats.Event{
			Kind: kinds[rng.IntN(len(kinds))], At: begin.Add(time.Duration(rng.IntN(days*86400)) * time.Second), Host: netip.PrefixFrom(host, 32),
			Type: types[rng.IntN(len(types))], Reporter: fmt.Sprintf("r%d.example", rng.IntN(20)), Format: "arf", Holder: fmt.Sprintf("holder-%d", rng.IntN(30)),
			Took: time.Duration(1+rng.IntN(100000)) * time.Second, Verdict: verdicts[rng.IntN(4)], Noticed: rng.IntN(2) == 0, Rules: []string{"structured"},
			Flows: int64(rng.IntN(2000)),
		}
		if rng.IntN(3) > 0 {
			e.Lists = []stats.Listing{{Profile: "smtp", Listed: rng.IntN(2) == 0, Lead: time.Duration(rng.IntN(5000)) * time.Second, Share: 0.02}}
		}
		events[i] = e
	}
	return events
}

func period(t testing.TB, s string) stats.Period {
	t.Helper()
	p, err := stats.ParsePeriod(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func storeOf(t testing.TB, events []stats.Event) stats.Store {
	t.Helper()
	s := stats.NewMemory()
	if err := s.Record(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := s.Count(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return s
		}
	}
}

func read(t testing.TB, s stats.Store, from, to string) stats.Report {
	t.Helper()
	r, err := stats.Read(t.Context(), s, stats.Query{From: period(t, from), To: period(t, to), Top: 10})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// naiveRow counts one type the slow way, from all events.
type naiveRow struct {
	hosts, covered, listed map[netip.Prefix]bool
	complaints, incidents  int64
	leads                  []time.Duration
}

func recount(events []stats.Event, from, to time.Time) map[string]*naiveRow {
	rows := map[string]*naiveRow{}
	for _, e := range events {
		if e.At.Before(from) || !e.At.Before(to) {
			continue
		}
		switch e.Kind {
		case stats.Complaint, stats.Opened, stats.Notified, stats.Found, stats.Reopened:
		default:
			continue
		}
		r := rows[e.Type]
		if r == nil {
			r = &naiveRow{hosts: map[netip.Prefix]bool{}, covered: map[netip.Prefix]bool{}, listed: map[netip.Prefix]bool{}}
			rows[e.Type] = r
		}
		switch e.Kind {
		case stats.Complaint:
			r.complaints++
			r.hosts[e.Host] = true
		case stats.Opened:
			r.incidents++
			r.hosts[e.Host] = true
			for _, l := range e.Lists {
				r.covered[e.Host] = true
				if l.Listed {
					r.listed[e.Host] = true
					r.leads = append(r.leads, l.Lead)
				}
			}
		}
	}
	return rows
}

// TestAgainstARecount holds reports of any range against counting all events anew.
func TestAgainstARecount(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	begin := period(t, "2026-08-20").Begin()
	const days = 100
	events := random(rng, begin, days, 20000)
	s := storeOf(t, events)
	for range 30 {
		first := rng.IntN(days)
		last := first + rng.IntN(days-first)
		from, to := begin.AddDate(0, 0, first), begin.AddDate(0, 0, last)
		r := read(t, s, from.Format(time.DateOnly), to.Format(time.DateOnly))
		want := recount(events, from, to.AddDate(0, 0, 1))
		if len(r.Total.Rows) != len(want) {
			t.Fatalf("%s to %s: %d types, want %d", r.From, r.To, len(r.Total.Rows), len(want))
		}
		for _, row := range r.Total.Rows {
			w := want[row.Type]
			got := []int64{row.Hosts, row.Complaints, row.Incidents, row.Lead.N}
			if diff := cmp.Diff([]int64{int64(len(w.hosts)), w.complaints, w.incidents, int64(len(w.leads))}, got); diff != "" {
				t.Errorf("%s to %s, %s: hosts, complaints, incidents, leads\n%s", r.From, r.To, row.Type, diff)
			}
			checkKnown(t, row, w)
			checkQuantile(t, row.Lead.P50, w.leads, 0.5)
		}
	}
}

func checkKnown(t *testing.T, row stats.Row, w *naiveRow) {
	t.Helper()
	if len(w.covered) == 0 {
		if len(row.Lists) != 0 {
			t.Errorf("lists out of nothing: %+v", row.Lists)
		}
		return
	}
	k := row.Lists[0]
	if k.Covered != int64(len(w.covered)) || k.Listed != int64(len(w.listed)) || k.Chance < 0.0199 || k.Chance > 0.0201 {
		t.Errorf("known %+v, want %d of %d and a chance of 0.02", k, len(w.listed), len(w.covered))
	}
}

// checkQuantile allows the 5 % that a histogram promises.
func checkQuantile(t *testing.T, got int64, all []time.Duration, q float64) {
	t.Helper()
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	want := max(all[int(float64(len(all))*q+0.999999)-1].Seconds(), 1)
	if off := (float64(got) - want) / want; (off < -0.055 || off > 0.055) && got > 20 {
		t.Errorf("quantile %d s, want %.0f s", got, want)
	}
}

// TestMonthsAreTheSumOfTheirDays: a month read as a month says what its days say together.
func TestMonthsAreTheSumOfTheirDays(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	s := storeOf(t, random(rng, period(t, "2026-10-01").Begin(), 31, 5000))
	whole := read(t, s, "2026-10-01", "2026-10-31")
	var days []stats.Period
	for d := period(t, "2026-10-01"); d.Month == 10; d = d.Next() {
		days = append(days, d)
	}
	tables, err := s.Tables(t.Context(), days...)
	if err != nil {
		t.Fatal(err)
	}
	sum := stats.NewTable(period(t, "2026-10"))
	for _, table := range tables {
		sum.Merge(table)
	}
	month, err := s.Tables(t.Context(), period(t, "2026-10"))
	if err != nil || len(month) != 1 {
		t.Fatalf("%d tables: %v", len(month), err)
	}
	a, _ := sum.MarshalBinary()
	b, _ := month[0].MarshalBinary()
	// The sums of shares are added in another order, which moves their last bits.
	if len(a) != len(b) || len(whole.Months) != 1 {
		t.Errorf("the days' sum has %d bytes, the month %d", len(a), len(b))
	}
	if _, err := stats.Read(t.Context(), s, stats.Query{From: period(t, "2026-10-02"), To: period(t, "2026-10-01")}); err == nil {
		t.Error("a range that ends before it begins is taken")
	}
	if _, err := stats.Read(t.Context(), s, stats.Query{From: period(t, "1970-01-01"), To: period(t, "2026-10-01")}); err == nil {
		t.Error("a range of 56 years is taken")
	}
}

func TestCover(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"2026-10-05", "2026-10-05", "2026-10-05"},
		{"2026-10-01", "2026-10-31", "2026-10"},
		{"2026-10-01", "2026-10-30", "2026-10-01 2026-10-02 … 2026-10-30"},
		{"2026-09-29", "2026-12-02", "2026-09-29 2026-09-30 2026-10 2026-11 2026-12-01 2026-12-02"},
		{"2024-02-01", "2024-02-29", "2024-02"},
		{"2025-01-01", "2025-12-31", "2025-01 2025-02 … 2025-12"},
	} {
		var got []string
		for _, p := range stats.Cover(period(t, test.from), period(t, test.to)) {
			got = append(got, p.String())
		}
		text := strings.Join(got, " ")
		if begin, end, long := strings.Cut(test.want, " … "); long {
			if !strings.HasPrefix(text, begin) || !strings.HasSuffix(text, end) {
				t.Errorf("%s to %s: %s", test.from, test.to, text)
			}
		} else if text != test.want {
			t.Errorf("%s to %s: %s, want %s", test.from, test.to, text, test.want)
		}
	}
}

// sample is a small report that touches every table.
func sample(t testing.TB) stats.Report {
	host := func(n byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 32) }
	day := period(t, "2026-09-10").Begin()
	var events []stats.Event
	add := func(e stats.Event) { events = append(events, e) }
	for i := range byte(5) {
		at := day.AddDate(0, int(i%2), int(i))
		listed := stats.Listing{Profile: "smtp", Listed: i < 3, Lead: time.Duration(i+1) * time.Hour, Share: 0.01}
		add(stats.Event{Kind: stats.Complaint, At: at, Host: host(i), Type: "spam", Reporter: "example.org", Format: "arf", Took: -1})
		add(stats.Event{Kind: stats.Opened, At: at, Host: host(i), Type: "spam", Holder: "campus", Lists: []stats.Listing{listed}, Flows: 40 * int64(i+1), Took: -1})
		add(stats.Event{Kind: stats.Notified, At: at, Host: host(i), Type: "spam", Took: time.Duration(i+1) * time.Second})
		add(stats.Event{Kind: stats.Acknowledged, At: at, Host: host(i), Type: "spam", Took: time.Duration(i+1) * time.Hour})
		add(stats.Event{Kind: stats.Quiet, At: at, Host: host(i), Type: "spam", Took: 26 * time.Hour, Stopped: stats.StoppedByAnswer})
		verdict := "confirmed"
		if i < 3 {
			verdict = "false"
		}
		add(stats.Event{Kind: stats.Judged, At: at, Host: host(i), Type: "spam", Reporter: "example.org", Format: "arf", Rules: []string{"structured"}, Verdict: verdict, Noticed: true})
	}
	add(stats.Event{Kind: stats.Complaint, At: day, Host: host(9), Type: "copyright", Reporter: "=cmd|x <b>example</b> (claimed)", Took: -1})
	add(stats.Event{Kind: stats.Opened, At: day, Host: host(9), Type: "copyright", Holder: "dorms", Took: -1})
	add(stats.Event{Kind: stats.Reopened, At: day.AddDate(0, 0, 3), Host: host(9), Type: "copyright", Took: -1})
	add(stats.Event{Kind: stats.Found, At: day, Host: host(8), Type: "syn-flood", Took: -1})
	add(stats.Event{Kind: stats.Broken, At: day, Contact: "noc@example.com", Took: -1})
	add(stats.Event{Kind: stats.Broken, At: day, Contact: "abuse@example.com", Took: -1})
	add(stats.Event{Kind: stats.Mended, At: day.AddDate(0, 0, 2), Contact: "abuse@example.com", Took: -1})
	add(stats.Event{Kind: stats.Census, At: day, Profile: "smtp", Band: 0, Hosts: 950, Sum: 4000, Bytes: 7000})
	add(stats.Event{Kind: stats.Census, At: day, Profile: "smtp", Band: 6, Hosts: 50, Sum: 90000, Bytes: 3000})
	return read(t, storeOf(t, events), "2026-09-01", "2026-10-31")
}

func TestGolden(t *testing.T) {
	r := sample(t)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"report.txt":  func(b *bytes.Buffer) error { return stats.WriteText(b, r) },
		"report.csv":  func(b *bytes.Buffer) error { return stats.WriteCSV(b, r) },
		"report.html": func(b *bytes.Buffer) error { return stats.WriteHTML(b, r) },
		"report.json": func(b *bytes.Buffer) error {
			enc := json.NewEncoder(b)
			enc.SetIndent("", " ")
			enc.SetEscapeHTML(false)
			return enc.Encode(r)
		},
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// TestStrangersTextStaysText: names come from complaints, and neither a browser nor a spreadsheet may run them.
func TestStrangersTextStaysText(t *testing.T) {
	r := sample(t)
	var page, table bytes.Buffer
	if err := stats.WriteHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<b>example") || strings.Contains(page.String(), "http") || strings.Contains(page.String(), "<script") {
		t.Error("the page holds markup of a stranger, or fetches something")
	}
	if err := stats.WriteCSV(&table, r); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.HasPrefix(cell, "=") {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
}

// TestTablesAreBounded: names without end make no table without end.
func TestTablesAreBounded(t *testing.T) {
	table := stats.NewTable(period(t, "2026-10"))
	long := strings.Repeat("x", 5000)
	for i := range 30000 {
		name := fmt.Sprintf("%d.%s", i, long)
		host := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		at := period(t, "2026-10-01").Begin()
		table.Add(stats.Event{Kind: stats.Complaint, At: at, Host: host, Type: name, Reporter: name})
		table.Add(stats.Event{Kind: stats.Opened, At: at, Host: host, Type: name, Holder: name, Lists: []stats.Listing{{Profile: name, Listed: true}}})
		table.Add(stats.Event{Kind: stats.Judged, At: at, Reporter: name, Format: name, Rules: []string{name}, Verdict: "false", Noticed: true})
		table.Add(stats.Event{Kind: stats.Broken, At: at, Contact: name})
		table.Add(stats.Event{Kind: stats.Census, At: at, Profile: name, Hosts: 1})
	}
	data, err := table.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 8<<20 {
		t.Errorf("a table of %d bytes", len(data))
	}
	back := new(stats.Table)
	if err := back.UnmarshalBinary(data); err != nil {
		t.Error(err)
	}
}

func FuzzTable(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	events := random(rng, time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), 1, 50)
	table := stats.NewTable(stats.Period{Year: 2026, Month: 10})
	for _, e := range events {
		table.Add(e)
	}
	data, err := table.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		table := new(stats.Table)
		if table.UnmarshalBinary(data) != nil {
			return
		}
		again, err := table.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back := new(stats.Table)
		if err := back.UnmarshalBinary(again); err != nil {
			t.Fatalf("what was read once cannot be read again: %v", err)
		}
		once, err := back.MarshalBinary()
		if err != nil || !bytes.Equal(once, again) {
			t.Errorf("written again it differs: %v", err)
		}
		table.Merge(back)
	})
}

// TestPatternsNameNobody: what goes to all contacts has no names and no small numbers.
func TestPatternsNameNobody(t *testing.T) {
	got := sample(t).Patterns()
	want := []stats.Pattern{{Type: "spam", Hosts: 5, Incidents: 5, Stopped: []stats.PatternPart{{Measure: stats.StoppedByAnswer, Share: 1}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
