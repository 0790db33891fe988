package milter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"spoor/internal/unit"
)

func testLedger(d Desk, change func(*Config)) *ledger {
	cfg := testConfig()
	cfg.Interval = unit.Duration(time.Minute)
	if change != nil {
		change(&cfg)
	}
	return newLedger(d, cfg, time.Now, slog.New(slog.DiscardHandler), newCounters(prometheus.NewRegistry()))
}

// sameHost lets cmp compare addresses.
var sameHost = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestSightingsOfOneInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		l := testLedger(d, nil)
		ctx, stop := context.WithCancel(t.Context())
		go l.run(ctx)
		for i := range 100 {
			l.sight(addr("192.0.2.7"), Sighting{Messages: 1, Recipients: 2}, fmt.Sprintf("s%d@example.org", i%3), true)
		}
		l.sight(addr("192.0.2.7"), Sighting{Rejected: 5}, "S1@EXAMPLE.org", true)
		for i := range MaxSenders + 10 {
			l.sight(addr("192.0.2.8"), Sighting{Messages: 1}, fmt.Sprint(i), true)
		}
		l.sight(netip.Addr{}, Sighting{Messages: 1}, "", true) // mail from the machine itself
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		want := []Sighting{
			{Host: addr("192.0.2.7"), Messages: 100, Recipients: 200, Rejected: 5, Senders: 3},
			{Host: addr("192.0.2.8"), Messages: MaxSenders + 10, Senders: MaxSenders},
		}
		if diff := cmp.Diff(want, d.sightings, sameHost); diff != "" {
			t.Error(diff)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if d.calls != 1 {
			t.Errorf("%d intervals handed over, want 1: empty ones are no news", d.calls)
		}
		stop()
	})
}

// A desk that is away gets everything later, up to an hour of it, once.
func TestSightingsWaitForTheDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{fail: errors.New("away")}
		l := testLedger(d, nil)
		ctx, stop := context.WithCancel(t.Context())
		go l.run(ctx)
		for i := range maxBacklog + 5 {
			l.sight(addr(fmt.Sprintf("192.0.2.%d", i)), Sighting{Messages: 1}, "", false)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		d.mu.Lock()
		d.fail = nil
		d.mu.Unlock()
		stop()
		synctest.Wait()
		l.finish(t.Context())
		if len(d.sightings) != maxBacklog {
			t.Errorf("%d intervals came, want the last %d", len(d.sightings), maxBacklog)
		}
		if first := d.sightings[0].Host; first != addr("192.0.2.5") {
			t.Errorf("the first is %s", first)
		}
		if n := testutil.ToFloat64(l.counters.sightings.WithLabelValues("dropped")); n != 5 {
			t.Errorf("%v dropped are counted, want 5", n)
		}
	})
}

func TestSightingsAreBounded(t *testing.T) {
	l := testLedger(&desk{}, func(c *Config) { c.MaxHosts = 10 })
	for i := range 30 {
		l.sight(addr(fmt.Sprintf("192.0.2.%d", i)), Sighting{Messages: 1}, "", false)
	}
	if len(l.hosts) != 10 {
		t.Errorf("%d hosts kept", len(l.hosts))
	}
	if n := testutil.ToFloat64(l.counters.sightings.WithLabelValues("dropped")); n != 20 {
		t.Errorf("%v dropped are counted, want 20", n)
	}
	for i := range 10 {
		for range maxAlike + 3 {
			l.report(Report{IP: addr(fmt.Sprintf("192.0.2.%d", i))})
		}
	}
	l.report(Report{IP: addr("192.0.2.77")}) // a host too many
	if n := testutil.ToFloat64(l.counters.sightings.WithLabelValues("report_alike")); n != 31 || len(l.reports) != 10*maxAlike {
		t.Errorf("%v reports are held back and %d are queued, want 31 and %d", n, len(l.reports), 10*maxAlike)
	}
}

// Reports are queued without waiting, and no more than there is room for. In the next interval a host is reported again.
func TestReportsAreQueued(t *testing.T) {
	d := &desk{}
	l := testLedger(d, nil)
	for i := range maxReports + 7 {
		l.report(Report{IP: netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})})
	}
	if n := testutil.ToFloat64(l.counters.sightings.WithLabelValues("report_dropped")); n != 7 {
		t.Errorf("%v dropped reports are counted, want 7", n)
	}
	for range 2 * maxAlike {
		l.report(Report{IP: addr("192.0.2.7")})
	}
	l.finish(t.Context())
	for range 2 * maxAlike {
		l.report(Report{IP: addr("192.0.2.7")})
	}
	l.finish(t.Context())
	if got, want := len(d.reports), maxReports+maxAlike; got != want {
		t.Errorf("%d reports came, want %d", got, want)
	}
}

// A failingDesk takes a report at the nth attempt.
type failingDesk struct {
	desk
	attempts, after int
}

func (d *failingDesk) Report(ctx context.Context, r Report) error {
	if d.attempts++; d.attempts < d.after {
		return errors.New("away")
	}
	return d.desk.Report(ctx, r)
}

func TestReportsAreTriedAgain(t *testing.T) {
	for _, tt := range []struct{ after, want int }{{1, 1}, {3, 1}, {maxRetries + 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			d := &failingDesk{after: tt.after}
			l := testLedger(d, nil)
			ctx, stop := context.WithCancel(t.Context())
			go l.run(ctx)
			l.report(Report{IP: addr("192.0.2.7")})
			time.Sleep(time.Minute)
			synctest.Wait()
			stop()
			if len(d.reports) != tt.want {
				t.Errorf("%d reports arrived after %d attempts, want %d", len(d.reports), d.attempts, tt.want)
			}
		})
	}
}
