package stats_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/stats"
)

// complaintsPerDay is the size to design for: a national carrier.
const complaintsPerDay = 65_000

// carrier makes the events of one complaint at such a carrier: one in three opens an incident, which has a notice,
// and in the end an answer, quiet, or a verdict.
func carrier(rng *rand.Rand, at time.Time, add func(stats.Event)) {
	host := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(rng.IntN(40)), byte(rng.IntN(256)), byte(rng.IntN(256))}), 32)
	types := [...]string{"spam", "spam", "spam", "spam", "login-attack", "copyright", "port-scan", "syn-flood", "malware", "phishing"}
	e := stats.Event{
		Kind: stats.Complaint, At: at, Host: host, Type: types[rng.IntN(len(types))], Format: "arf",
		Reporter: reporters[int(rng.ExpFloat64()*50)%len(reporters)], Holder: holders[int(rng.ExpFloat64()*100)%len(holders)],
		Took: time.Duration(rng.ExpFloat64()*3600) * time.Second, Rules: grounds, Noticed: true,
	}
	add(e)
	if rng.IntN(3) > 0 {
		return
	}
	e.Kind, e.Flows = stats.Opened, int64(rng.ExpFloat64()*100)
	e.Lists = []stats.Listing{{Profile: "smtp", Listed: rng.IntN(2) == 0, Lead: time.Duration(rng.ExpFloat64()*10) * time.Hour, Share: 0.01}}
	add(e)
	for _, kind := range [...]stats.Kind{stats.Notified, stats.Acknowledged, stats.Quiet, stats.Judged} {
		if e.Kind, e.Verdict = kind, "confirmed"; rng.IntN(2) == 0 {
			add(e)
		}
	}
}

var grounds = []string{"structured"}

func names(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

var reporters, holders = names(3000, "reporter%d.example"), names(5000, "holder-%d")

// yearStore holds the tables of a year, all days counted in full; its months are counted beside each other.
var yearStore = sync.OnceValue(func() *yearTables {
	y := &yearTables{tables: map[stats.Period][]byte{}}
	var wg sync.WaitGroup
	for _, months := range [][]time.Month{{1, 3, 5, 7, 9, 11}, {2, 4, 6, 8, 10, 12}} {
		wg.Go(func() {
			for _, m := range months {
				y.count(m)
			}
		})
	}
	wg.Wait()
	return y
})

// yearTables is a store of finished tables, encoded as an engine keeps them.
type yearTables struct {
	stats.Store
	mu     sync.Mutex
	tables map[stats.Period][]byte
	events int
}

func (y *yearTables) count(m time.Month) {
	rng := rand.New(rand.NewPCG(uint64(m), 1))
	month := stats.NewTable(stats.Period{Year: 2025, Month: m})
	for day := (stats.Period{Year: 2025, Month: m, Day: 1}); day.Month == m; day = day.Next() {
		table := stats.NewTable(day)
		events := 0
		for i := range complaintsPerDay {
			carrier(rng, day.Begin().Add(time.Duration(i)*time.Second), func(e stats.Event) {
				table.Add(e)
				events++
			})
		}
		y.put(table, events)
		month.Merge(table)
	}
	y.put(month, 0)
}

func (y *yearTables) put(t *stats.Table, events int) {
	data, err := t.MarshalBinary()
	if err != nil {
		panic(err)
	}
	y.mu.Lock()
	y.tables[t.Period] = data
	y.events += events
	y.mu.Unlock()
}

func (y *yearTables) Tables(_ context.Context, periods ...stats.Period) (tables []*stats.Table, err error) {
	for _, p := range periods {
		if data, ok := y.tables[p]; ok {
			t := new(stats.Table)
			if err := t.UnmarshalBinary(data); err != nil {
				return nil, err
			}
			tables = append(tables, t)
		}
	}
	return tables, nil
}

// BenchmarkYear answers `spoor stats` about a year of 65,000 complaints a day, text included; once from its months,
// and once from a range that cuts two months into 59 days.
func BenchmarkYear(b *testing.B) {
	y := yearStore()
	for name, days := range map[string][2]string{"Months": {"2025-01-01", "2025-12-31"}, "CutMonths": {"2025-01-02", "2025-12-30"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := read(b, y, days[0], days[1])
				var out bytes.Buffer
				if err := stats.WriteText(&out, r); err != nil || r.Total.Rows[0].Complaints < 1_000_000 {
					b.Fatalf("%d complaints: %v", r.Total.Rows[0].Complaints, err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/query")
		})
	}
	size := 0
	for _, data := range y.tables {
		size += len(data)
	}
	b.Logf("%d events of a year in %d tables of %.1f MB", y.events, len(y.tables), float64(size)/1e6)
}

// BenchmarkAgainstRecompute asks for one month, from its table and by reading all incidents of the month as a store
// keeps them. The peer only counts hosts by type and the listed ones, which flatters it.
func BenchmarkAgainstRecompute(b *testing.B) {
	y := yearStore()
	stored := month(b)
	var ours, theirs time.Duration
	for b.Loop() {
		begin := time.Now()
		read(b, y, "2025-10-01", "2025-10-31")
		ours += time.Since(begin)
		begin = time.Now()
		hosts, listed := map[string]map[netip.Prefix]bool{}, map[string]int{}
		for _, data := range stored {
			var i incident.Incident
			if err := json.Unmarshal(data, &i); err != nil {
				b.Fatal(err)
			}
			if hosts[i.Key.Type] == nil {
				hosts[i.Key.Type] = map[netip.Prefix]bool{}
			}
			if hosts[i.Key.Type][i.Key.Net] = true; i.Lead.Listed {
				listed[i.Key.Type]++
			}
		}
		theirs += time.Since(begin) * recomputeOf
	}
	ratio := theirs.Seconds() / ours.Seconds()
	b.ReportMetric(ratio, "ratio")
	fmt.Printf("ratio stats-vs-recompute %.0f\n", ratio)
}

// recomputeOf: the peer reads one part of so many of the month's 670,000 incidents, and its time is taken that often;
// a recount is linear.
const recomputeOf = 20

// month is that part of a month's incidents, stored as the desk stores them.
func month(b *testing.B) (stored [][]byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 31 * complaintsPerDay / recomputeOf {
		carrier(rng, time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), func(e stats.Event) {
			if e.Kind != stats.Opened {
				return
			}
			data, err := json.Marshal(incident.Incident{
				ID: 1, Key: incident.Key{Net: e.Host, Type: e.Type, Holder: e.Holder}, State: incident.Notified, Holder: incident.Holder{ID: e.Holder},
				Opened: e.At, Lead: incident.Lead{Listed: e.Lists[0].Listed, By: e.Lists[0].Lead, Chance: 0.01}, Reports: 1,
			})
			if err != nil {
				b.Fatal(err)
			}
			stored = append(stored, data)
		})
	}
	return stored
}

// BenchmarkCount counts events as an engine does, a thousand in a batch, writing their tables each time.
func BenchmarkCount(b *testing.B) {
	s := stats.NewMemory()
	rng := rand.New(rand.NewPCG(1, 1))
	const batch = 1000
	for b.Loop() {
		b.StopTimer()
		n := 0
		for n < batch {
			carrier(rng, time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), func(e stats.Event) {
				n++
				if err := s.Record(b.Context(), e); err != nil {
					b.Fatal(err)
				}
			})
		}
		b.StartTimer()
		for {
			if n, err := s.Count(b.Context(), batch); err != nil || n == 0 {
				break
			}
		}
	}
	b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
