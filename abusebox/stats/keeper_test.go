package stats_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/abusebox/stats"
	"spoor/abusebox/stats/statstest"
	"spoor/internal/unit"
)

// A flaky store fails while it is told to.
type flaky struct {
	stats.Store
	broken atomic.Bool
}

func (f *flaky) Count(ctx context.Context, limit int) (int, error) {
	if f.broken.Load() {
		return 0, errors.New("disk full")
	}
	return f.Store.Count(ctx, limit)
}

// TestKeeper: what is recorded is counted soon, also after a fault and at the end; old days go; the breaker is asked.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Store: stats.NewMemory()}
		reg := prometheus.NewRegistry()
		config := stats.DefaultConfig()
		config.KeepDays, config.Window = unit.Duration(40*24*time.Hour), unit.Duration(20*24*time.Hour)
		keeper := stats.NewKeeper(store, config, slog.New(slog.DiscardHandler), reg, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- keeper.Run(ctx) }()
		day := func() stats.Period { return stats.DayOf(time.Now()) }
		complaints := func() (n int64) {
			r, err := stats.Read(context.Background(), store, stats.Query{From: day(), To: day(), Top: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range r.Total.Rows {
				n += row.Complaints
			}
			return n
		}
		record := func(n int) {
			if err := store.Record(context.Background(), statstest.Complaints(time.Now(), n)...); err != nil {
				t.Fatal(err)
			}
		}
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		record(5000)
		wait(11 * time.Second)
		if n := complaints(); n != 5000 {
			t.Errorf("%d complaints counted, want 5000", n)
		}
		store.broken.Store(true)
		record(10)
		wait(time.Minute)
		if n := complaints(); n != 5000 {
			t.Errorf("%d complaints counted while the store fails", n)
		}
		store.broken.Store(false)
		for range 5 {
			if err := store.Record(context.Background(), stats.Event{Kind: stats.Judged, At: time.Now(), Format: "arf", Verdict: "false", Noticed: true}); err != nil {
				t.Fatal(err)
			}
		}
		wait(11 * time.Minute)
		if n := complaints(); n != 5010 {
			t.Errorf("%d complaints counted after the fault, want 5010", n)
		}
		if held := keeper.Held(); len(held) != 1 || held[0].Name != "arf" {
			t.Errorf("held: %+v, want the format arf", held)
		}
		first := day()
		wait(42 * 24 * time.Hour)
		if tables, err := store.Tables(context.Background(), first, first.Whole()); err != nil || len(tables) != 1 || tables[0].Period != first.Whole() {
			t.Errorf("after 42 days %d tables are left (%v), want the month", len(tables), err)
		}
		if held := keeper.Held(); len(held) != 0 {
			t.Errorf("still held: %+v", held)
		}
		record(3)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := complaints(); n != 3 {
			t.Errorf("%d complaints counted at the end, want 3", n)
		}
	})
}
