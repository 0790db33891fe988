// Package statstest is the conformance suite of stats.Store: every engine passes it.
package statstest

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/stats"
)

// Run checks an engine. open returns an empty store; reopen closes it and opens what was stored, and is nil for engines
// that keep nothing.
func Run(t *testing.T, open func(t *testing.T) stats.Store, reopen func(t *testing.T, s stats.Store) stats.Store) {
	t.Run("counts each event once", func(t *testing.T) { countsOnce(t, open(t)) })
	t.Run("counts beside recording", func(t *testing.T) { beside(t, open(t)) })
	t.Run("keeps the order of periods", func(t *testing.T) { order(t, open(t)) })
	t.Run("forgets days and keeps months", func(t *testing.T) { forgets(t, open(t)) })
	if reopen != nil {
		t.Run("remembers what was acknowledged", func(t *testing.T) { remembers(t, open(t), reopen) })
	}
}

// Complaints makes n complaints about different hosts within a day.
func Complaints(day time.Time, n int) []stats.Event {
	events := make([]stats.Event, n)
	for i := range events {
		addr := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		events[i] = stats.Event{Kind: stats.Complaint, At: day.Add(time.Duration(i) * time.Second), Host: netip.PrefixFrom(addr, 32),
			Type: "spam", Reporter: fmt.Sprintf("r%d.example", i%7), Took: -1}
	}
	return events
}

var testDay = time.Date(2026, 10, 5, 8, 0, 0, 0, time.UTC)

// drain counts until nothing is left.
func drain(t *testing.T, s stats.Store, limit int) (total int) {
	t.Helper()
	for {
		n, err := s.Count(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if n > limit {
			t.Errorf("counted %d events, asked for %d", n, limit)
		}
		if total += n; n == 0 {
			return total
		}
	}
}

// numbers are the complaints and hosts of spam in a month.
func numbers(t *testing.T, s stats.Store, from, to stats.Period) (complaints, hosts int64) {
	t.Helper()
	r, err := stats.Read(t.Context(), s, stats.Query{From: from, To: to, Top: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Total.Rows {
		complaints, hosts = complaints+row.Complaints, hosts+row.Hosts
	}
	return complaints, hosts
}

func countsOnce(t *testing.T, s stats.Store) {
	events := Complaints(testDay, 100)
	for i := range events {
		if err := s.Record(t.Context(), events[i]); err != nil {
			t.Fatal(err)
		}
	}
	day := stats.DayOf(testDay)
	if c, _ := numbers(t, s, day, day); c != 0 {
		t.Errorf("%d complaints are in the tables before they were counted", c)
	}
	if n := drain(t, s, 7); n != 100 {
		t.Errorf("counted %d events, recorded 100", n)
	}
	if n := drain(t, s, 7); n != 0 {
		t.Errorf("counted %d events a second time", n)
	}
	if c, h := numbers(t, s, day, day); c != 100 || h != 100 {
		t.Errorf("the day has %d complaints about %d hosts, want 100 and 100", c, h)
	}
	first, _ := stats.ParsePeriod("2026-10-01")
	last, _ := stats.ParsePeriod("2026-10-31")
	if c, h := numbers(t, s, first, last); c != 100 || h != 100 {
		t.Errorf("the month has %d complaints about %d hosts, want 100 and 100", c, h)
	}
}

func beside(t *testing.T, s stats.Store) {
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for _, e := range Complaints(testDay.AddDate(0, 0, w), each) {
				if err := s.Record(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	counted := 0
	for range 2 {
		wg.Go(func() {
			for range 20 {
				n, err := s.Count(t.Context(), 13)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				counted += n
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	counted += drain(t, s, 100)
	if counted != writers*each {
		t.Errorf("counted %d events, recorded %d", counted, writers*each)
	}
	first, _ := stats.ParsePeriod("2026-10-01")
	last, _ := stats.ParsePeriod("2026-10-31")
	if c, h := numbers(t, s, first, last); c != writers*each || h != each {
		t.Errorf("%d complaints about %d hosts, want %d and %d", c, h, writers*each, each)
	}
}

func order(t *testing.T, s stats.Store) {
	for _, days := range []int{40, 0, 3} {
		if err := s.Record(t.Context(), Complaints(testDay.AddDate(0, 0, days), 1)...); err != nil {
			t.Fatal(err)
		}
	}
	drain(t, s, 10)
	day := stats.DayOf(testDay)
	tables, err := s.Tables(t.Context(), day, day.Next(), stats.DayOf(testDay.AddDate(0, 0, 3)), stats.Period{Year: 2026, Month: 11})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range tables {
		got = append(got, table.Period.String())
	}
	if diff := cmp.Diff([]string{"2026-10-05", "2026-10-08", "2026-11"}, got); diff != "" {
		t.Error(diff)
	}
}

func forgets(t *testing.T, s stats.Store) {
	for days := range 3 {
		if err := s.Record(t.Context(), Complaints(testDay.AddDate(0, 0, days), 1)...); err != nil {
			t.Fatal(err)
		}
	}
	drain(t, s, 10)
	n, err := s.Forget(t.Context(), stats.DayOf(testDay.AddDate(0, 0, 2)))
	if err != nil || n != 2 {
		t.Errorf("forgot %d tables (%v), want 2", n, err)
	}
	tables, err := s.Tables(t.Context(), stats.DayOf(testDay), stats.DayOf(testDay.AddDate(0, 0, 2)), stats.Period{Year: 2026, Month: 10})
	if err != nil || len(tables) != 2 {
		t.Errorf("%d tables (%v) are left, want the last day's and the month's", len(tables), err)
	}
}

func remembers(t *testing.T, s stats.Store, reopen func(*testing.T, stats.Store) stats.Store) {
	if err := s.Record(t.Context(), Complaints(testDay, 10)...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Count(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	if n := drain(t, s, 100); n != 6 {
		t.Errorf("after 4 of 10 events and a restart %d were left to count", n)
	}
	day := stats.DayOf(testDay)
	if c, _ := numbers(t, s, day, day); c != 10 {
		t.Errorf("%d complaints after a restart, want 10", c)
	}
}
