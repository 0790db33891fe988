package main

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"spoor/abusebox/incident"
	"spoor/milter"
)

// Bounds on what is remembered of the milter's sightings.
const (
	sightingsKept  = 48 * time.Hour
	maxSightedRows = 500_000
)

// sightings are what our own mail servers saw hosts send, interval by interval, for two days and since the start of
// this process: before that it says "not visible to us".
type sightings struct {
	mu        sync.Mutex
	intervals []sightedInterval // oldest first
	rows      int
	now       func() time.Time
}

// A sightedInterval is one interval of the milter.
type sightedInterval struct {
	incident.Span
	hosts map[netip.Addr]milter.Sighting
}

// add takes the counts of one interval; one that comes again replaces what it was.
func (s *sightings) add(start, end time.Time, hosts []milter.Sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	interval := sightedInterval{incident.Span{From: start, To: end}, make(map[netip.Addr]milter.Sighting, len(hosts))}
	for _, h := range hosts {
		interval.hosts[h.Host.Unmap()] = h
	}
	for i := range s.intervals {
		if s.intervals[i].From.Equal(start) {
			s.rows += len(interval.hosts) - len(s.intervals[i].hosts)
			s.intervals[i] = interval
			return
		}
	}
	s.intervals = append(s.intervals, interval)
	s.rows += len(interval.hosts)
	for len(s.intervals) > 0 && (s.rows > maxSightedRows || s.now().Sub(s.intervals[0].To) > sightingsKept) {
		s.rows -= len(s.intervals[0].hosts)
		s.intervals = s.intervals[1:]
	}
}

// Testify implements abusebox.Witness. The milter sees what passes our servers only, so that its silence speaks
// against nothing: it gives no coverage, just sightings, and only of what stands out, since every host that hands its
// ordinary mail to our servers is seen there.
func (s *sightings) Testify(_ context.Context, q incident.Question) (incident.Testimony, error) {
	t := incident.Testimony{Source: incident.FromTrace, Note: "our mail servers see only what passes them"}
	if q.Category != "messaging" {
		return t, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, interval := range s.intervals {
		if seen, ok := interval.hosts[q.Addr.Unmap()]; ok && interval.Overlaps(q.Window) && (seen.Messages >= outMessages || seen.Rejected >= outRefused) {
			t.Covered = append(t.Covered, interval.Span)
			t.Seen = append(t.Seen, incident.Sighting{Span: interval.Span, Count: seen.Messages,
				What: fmt.Sprintf("%d messages to %d recipients through our mail servers, %d refused", seen.Messages, seen.Recipients, seen.Rejected)})
		}
	}
	return t, nil
}
