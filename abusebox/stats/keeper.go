package stats

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Keeper counts what the desk records, removes old days, and asks the breaker, for as long as the daemon runs.
type Keeper struct {
	store    Store
	config   Config
	log      *slog.Logger
	now      func() time.Time
	counted  prometheus.Counter
	failures prometheus.Counter
	mu       sync.Mutex
	trips    []Trip
	checked  time.Time
	forgot   Period
}

// How often a Keeper looks, how many events it takes at once, and how often it asks the breaker. A batch writes the
// tables of its days and months, so that larger ones cost less.
const (
	countEvery = 10 * time.Second
	checkEvery = 10 * time.Minute
	batch      = 2000
)

// NewKeeper prepares to keep the tables of store; reg may be nil.
func NewKeeper(store Store, config Config, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *Keeper {
	k := &Keeper{
		store: store, config: config, log: log, now: now,
		counted:  prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_stats_events_total", Help: "Events counted into the monthly tables."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_stats_errors_total", Help: "Attempts to count that did not succeed; they are made again."}),
	}
	if reg != nil {
		reg.MustRegister(k.counted, k.failures, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "spoor_stats_held", Help: "Rules, reporters and formats that the breaker holds.",
		}, func() float64 { return float64(len(k.Held())) }))
	}
	return k
}

// Run counts until ctx ends, and then once more.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	for {
		if err := k.Step(ctx); err != nil && ctx.Err() == nil {
			k.failures.Inc()
			k.log.Warn("statistics are behind", "error", err)
		}
		select {
		case <-ctx.Done():
			return k.Catch(context.WithoutCancel(ctx))
		case <-ticker.C:
		}
	}
}

// Step counts what there is, and does what is due besides.
func (k *Keeper) Step(ctx context.Context) error {
	if err := k.Catch(ctx); err != nil {
		return err
	}
	return errors.Join(k.forget(ctx), k.check(ctx))
}

// Catch counts all that was recorded.
func (k *Keeper) Catch(ctx context.Context) error {
	for {
		n, err := k.store.Count(ctx, batch)
		k.counted.Add(float64(n))
		if err != nil || n == 0 {
			return err
		}
	}
}

func (k *Keeper) forget(ctx context.Context) error {
	before := DayOf(k.now().Add(-k.config.KeepDays.Std()))
	if before == k.forgot {
		return nil
	}
	_, err := k.store.Forget(ctx, before)
	if err == nil {
		k.forgot = before
	}
	return err
}

func (k *Keeper) check(ctx context.Context) error {
	now := k.now()
	if !k.checked.IsZero() && now.Sub(k.checked) < checkEvery {
		return nil
	}
	trips, err := k.config.Breaker().Check(ctx, k.store, k.config.Window.Std(), now)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range trips {
		if !holds(k.trips, t) {
			k.log.Warn("the breaker puts back to hold what accused wrongly", "what", t.Kind, "name", t.Name, "why", t.Why)
		}
	}
	k.trips, k.checked = trips, now
	return nil
}

func holds(trips []Trip, t Trip) bool {
	for _, old := range trips {
		if old.Kind == t.Kind && old.Name == t.Name {
			return true
		}
	}
	return false
}

// Held is what the breaker holds at present, the worst first.
func (k *Keeper) Held() []Trip {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Trip(nil), k.trips...)
}
