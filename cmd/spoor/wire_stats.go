package main

import (
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/stats"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/control"
)

// openStats keeps the monthly tables up to date, and the breaker that puts a bad rule back to hold.
func (d *daemon) openStats(store *bolt.Store) *stats.Keeper {
	statistics := store.Statistics()
	keeper := stats.NewKeeper(statistics, d.cfg.Stats, d.log, d.metrics, time.Now)
	control.Statistics(d.mux, statistics, keeper.Held)
	d.add("stats", keeper.Run)
	return keeper
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
