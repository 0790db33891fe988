package main

import (
	"context"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/stats"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
)

// openStats keeps the monthly tables up to date, and the breaker that puts a bad rule back to hold.
func (d *daemon) openStats(store *bolt.Store) *stats.Keeper {
	statistics := store.Statistics()
	keeper := stats.NewKeeper(statistics, d.cfg.Stats, d.log, d.metrics, time.Now)
	control.Statistics(d.mux, statistics, keeper.Held)
	d.add("stats", keeper.Run)
	if d.flows != nil {
		d.add("census", func(ctx context.Context) error {
			return renew(ctx, censusEvery, func(ctx context.Context) {
				if err := countFlows(ctx, d.flows, statistics, time.Now()); err != nil && ctx.Err() == nil {
					d.log.Warn("the census of the flows is not counted yet", "err", err)
				}
			})
		})
	}
	return keeper
}

// How often a census is looked for, and how far back.
const (
	censusEvery = time.Hour
	censusBack  = 31 * 24 * time.Hour
)

// A censusSource tells how the hosts of finished days were spread over the flow bands; *flowwatch.Watcher is one.
type censusSource interface {
	Census(after time.Time) ([]flowwatch.Census, error)
}

// countFlows adds the census of each finished day to the tables, once. It runs alone, and counts what it recorded
// before it looks at the tables, so that a day that a crash left recorded is not recorded again.
func countFlows(ctx context.Context, source censusSource, store stats.Store, now time.Time) error {
	found, err := source.Census(now.Add(-censusBack))
	if err != nil {
		return err
	}
	for n := 1; n > 0; {
		if n, err = store.Count(ctx, 2000); err != nil {
			return err
		}
	}
	for _, c := range found {
		tables, err := store.Tables(ctx, stats.DayOf(c.Day))
		if err != nil {
			return err
		}
		if len(tables) > 0 && tables[0].Counts(c.Profile) {
			continue
		}
		if err := store.Record(ctx, censusEvents(c)...); err != nil {
			return err
		}
	}
	return nil
}

// censusEvents are a day's bands; both sides know the same ones.
func censusEvents(c flowwatch.Census) (events []stats.Event) {
	for band, bar := range c.Bars {
		events = append(events, stats.Event{Kind: stats.Census, At: c.Day, Profile: c.Profile, Band: band,
			Hosts: int64(bar.Entries), Sum: int64(bar.Flows), Bytes: int64(bar.Bytes), Took: -1})
	}
	return events
}

// brakes tells the desk what the breaker holds: rules that hold reporters and formats, and grounds that no longer do.
type brakes struct{ keeper *stats.Keeper }

// Brakes implements abusebox.Brakes.
func (b brakes) Brakes() (hold []incident.Rule, grounds []incident.Ground) {
	for _, trip := range b.keeper.Held() {
		if rule, ok := trip.Rule(); ok {
			hold = append(hold, rule)
		}
		if ground, ok := trip.Ground(); ok {
			grounds = append(grounds, ground)
		}
	}
	return hold, grounds
}
