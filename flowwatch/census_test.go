package flowwatch_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"spoor/flowwatch"
)

// skipTo closes hour after hour in which nothing comes in.
func (f *feed) skipTo(t time.Time) {
	f.t.Helper()
	for now := f.c.Now(); now.Before(t); {
		now = now.Truncate(time.Hour).Add(time.Hour)
		f.c.set(now)
		if err := f.w.CloseInterval(context.Background(), now); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestCensus checks that a day is told once it is over, with each host in the band of its whole day, and never again.
func TestCensus(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	f.interval(bot("192.0.2.7", 60))
	f.interval(append(bot("192.0.2.7", 60), bot("192.0.2.8", 5)...))
	list, err := f.w.Census(time.Time{})
	if err != nil || len(list) != 0 {
		t.Errorf("a day that is not over: %+v, error %v", list, err)
	}
	midnight := noon.Truncate(24 * time.Hour).Add(24 * time.Hour)
	f.skipTo(midnight)
	list, err = f.w.Census(time.Time{})
	if err != nil || len(list) != 1 {
		t.Fatalf("one day is over: %+v, error %v", list, err)
	}
	day := list[0]
	if !day.Day.Equal(midnight.Add(-24*time.Hour)) || day.Profile != "smtp" || day.SeenS != (12*time.Hour).Seconds() {
		t.Errorf("census %+v", day)
	}
	if got := [2]uint64{day.Bars[0].Entries, day.Bars[4].Entries}; got != [2]uint64{1, 1} || day.Bars[4].Flows != 120 {
		t.Errorf("bands %+v; want the host of 5 flows in the first, the one of 120 in the fifth", day.Bars)
	}
	f.interval(bot("192.0.2.7", 60))
	f.skipTo(midnight.Add(24 * time.Hour))
	if list, err = f.w.Census(day.Day); err != nil || len(list) != 1 || !list[0].Day.Equal(midnight) {
		t.Errorf("after the first day: %+v, error %v", list, err)
	}
	if list, err = f.w.Census(midnight); err != nil || len(list) != 0 {
		t.Errorf("after the last day: %+v, error %v", list, err)
	}
}

func TestStandings(t *testing.T) {
	f := newFeed(t, openStore(t, filepath.Join(t.TempDir(), "flows.db")))
	f.interval(append(bot("192.0.2.7", 60), bot("192.0.2.8", 3)...))
	f.interval(bot("192.0.2.7", 60))
	for _, c := range []struct {
		addr string
		at   time.Time
		want flowwatch.Standing
	}{
		{"192.0.2.7", noon.Add(6 * time.Minute), flowwatch.Standing{Profile: "smtp", Covered: true, Listed: true, Since: noon.Add(5 * time.Minute), Share: 0.5}},
		{"192.0.2.8", noon.Add(6 * time.Minute), flowwatch.Standing{Profile: "smtp", Covered: true, Share: 0.5}},
		{"192.0.2.7", noon.Add(-time.Hour), flowwatch.Standing{Profile: "smtp"}},
	} {
		got, err := f.w.Standings(netip.MustParseAddr(c.addr), c.at)
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s at %s: %+v, error %v; want %+v", c.addr, c.at, got, err, c.want)
		}
	}
}
