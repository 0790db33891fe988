package anomaly

import (
	"net/netip"
	"testing"
	"time"

	"spoor/flowwatch/activity"
)

// TestWideIsBounded checks that the peers of hosts past a bound are remembered in little room, also after a restart, and
// that who is forgotten makes room.
func TestWideIsBounded(t *testing.T) {
	const hosts = maxWide + 50
	c := DefaultConfig()
	j := NewJudge(c, []activity.Profile{activity.SMTP()})
	start := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	j.Begin(start, 5*time.Minute, nil)
	a := activity.Activity{Profile: "smtp", Start: start, Length: 5 * time.Minute}
	for n := range uint32(20) {
		a.Peers.Add(n << 20)
	}
	a.Series[activity.Out] = activity.Counts{Flows: 20, Packets: 200, Bytes: 90000}
	for n := range hosts {
		a.Host = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
		j.Host(&a)
	}
	j.End()
	wide := func(j *Judge) (n int) {
		for _, s := range j.states {
			if !s.small() {
				n++
			}
		}
		return n
	}
	if n := wide(j); n != maxWide || j.wide != n {
		t.Errorf("%d wide pasts of %d, %d are counted; want %d", n, len(j.states), j.wide, maxWide)
	}
	again := NewJudge(c, []activity.Profile{activity.SMTP()})
	if _, err := j.Remember(func(key string, value []byte) {
		if err := again.Load(key, value); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n := wide(again); n != maxWide || again.wide != n {
		t.Errorf("after a restart %d pasts are wide, %d are counted; want %d", n, again.wide, maxWide)
	}
	j.Begin(start.Add(2*keepServer), 5*time.Minute, nil)
	j.End()
	if j.wide != 0 || len(j.states) != 0 {
		t.Errorf("%d wide pasts and %d in all after all are forgotten", j.wide, len(j.states))
	}
}
