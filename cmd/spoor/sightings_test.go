package main

import (
	"net/netip"
	"testing"
	"time"

	"spoor/abusebox/incident"
	"spoor/milter"
)

// TestOrdinaryMailIsNoEvidence asks about two hosts that sent mail through our servers: one an ordinary amount, one a
// flood. Only the flood speaks for a complaint.
func TestOrdinaryMailIsNoEvidence(t *testing.T) {
	now := time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC)
	s := &sightings{now: func() time.Time { return now }}
	quiet, loud := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	s.add(now.Add(-5*time.Minute), now, []milter.Sighting{{Host: quiet, Messages: 3}, {Host: loud, Messages: 4000, Recipients: 9000}})
	for host, want := range map[netip.Addr]int{quiet: 0, loud: 1} {
		got, err := s.Testify(t.Context(), incident.Question{Addr: host, Category: "messaging", Type: "spam", Window: incident.Span{From: now.Add(-time.Hour), To: now}})
		if err != nil || len(got.Seen) != want {
			t.Errorf("%s: %d sightings, %v; want %d", host, len(got.Seen), err, want)
		}
	}
}

// TestSightingsAreBounded adds more than is kept: the oldest goes.
func TestSightingsAreBounded(t *testing.T) {
	now := time.Date(2026, 9, 14, 8, 0, 0, 0, time.UTC)
	s := &sightings{now: func() time.Time { return now }}
	for n := range 100 {
		start := now.Add(time.Duration(n-99) * time.Hour)
		s.add(start, start.Add(time.Hour), []milter.Sighting{{Host: netip.MustParseAddr("192.0.2.1"), Messages: 1}})
	}
	if got := len(s.intervals); got > int(sightingsKept/time.Hour)+2 || s.rows != got {
		t.Errorf("%d intervals and %d rows are kept", got, s.rows)
	}
}
