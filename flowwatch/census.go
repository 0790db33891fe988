package flowwatch

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
)

// A Census is how one day's hosts were spread over the bands of outgoing flows, in one profile.
type Census struct {
	Profile string             `json:"profile"`
	Day     time.Time          `json:"day"`    // when it began, UTC
	SeenS   float64            `json:"seen_s"` // how much of the day the collector ran, in seconds
	Bars    activity.Histogram `json:"bars"`   // by host, its flows of the whole day
}

// Census lists the days that began after a time and are summed up, each profile's by itself, oldest first. What is
// listed once is complete and stays as it is, so that a caller that keeps the day it came to counts each but once.
// A day that is not summed up yet holds back those after it.
func (x *Archive) Census(after time.Time) ([]Census, error) {
	if x.store == nil {
		return nil, ErrNoHistory
	}
	var list []Census
	limit := time.Unix(1<<32-1, 0) // the first day of which some profile's sum is still to come
	for _, p := range x.profiles {
		days, open, err := x.days(p.Name, after)
		if err != nil {
			return nil, fmt.Errorf("count the hosts of %s by bands: %w", p.Name, err)
		}
		if open.Before(limit) {
			limit = open
		}
		for _, s := range days {
			list = append(list, Census{Profile: p.Name, Day: s.Start, SeenS: s.Seen.Seconds(), Bars: s.Bars})
		}
	}
	list = slices.DeleteFunc(list, func(c Census) bool { return !c.Day.Before(limit) })
	slices.SortStableFunc(list, func(a, b Census) int { return a.Day.Compare(b.Day) })
	return list, nil
}

// days are a profile's days after a time, and when the first hour began that no day holds yet.
func (x *Archive) days(profile string, after time.Time) (days []history.Span, open time.Time, err error) {
	end := x.now().UTC()
	open = end.Truncate(24 * time.Hour)
	all, err := x.store.Spans(history.Day, profile, after, end)
	if err != nil {
		return nil, open, err
	}
	since := after
	for _, d := range all {
		since = d.End()
		if d.Start.After(after) {
			days = append(days, d)
		}
	}
	hours, err := x.store.Spans(history.Hour, profile, since, end)
	if len(hours) > 0 {
		open = hours[0].Start.Truncate(24 * time.Hour)
	}
	return days, open, err
}

// A Standing is what the list of one profile said of a host at a moment.
type Standing struct {
	Profile string    `json:"profile"`
	Covered bool      `json:"covered"` // exports were counted in the hour before: otherwise the rest means nothing
	Listed  bool      `json:"listed"`
	Since   time.Time `json:"since,omitzero"` // where listed
	Share   float64   `json:"share"`          // of the active hosts that were listed then: what chance alone would hit
}

// Standings tells for each profile whether an address, or the delegated prefix it is in, stood on the list at a time.
func (x *Archive) Standings(addr netip.Addr, at time.Time) ([]Standing, error) {
	if x.store == nil {
		return nil, ErrNoHistory
	}
	var list []Standing
	for _, p := range x.profiles {
		s, err := x.standing(p.Name, addr.Unmap().WithZone(""), at.UTC())
		if err != nil {
			return nil, fmt.Errorf("look %s up in the list of %s: %w", addr, p.Name, err)
		}
		list = append(list, s)
	}
	return list, nil
}

func (x *Archive) standing(profile string, addr netip.Addr, at time.Time) (s Standing, err error) {
	s.Profile = profile
	if s.Share, s.Covered, err = x.chance(profile, at); err != nil {
		return s, err
	}
	entries, err := x.entries(profile, addr, at, at.Add(time.Second))
	for _, a := range entries {
		if !a.Since.After(at) && (!s.Listed || a.Since.Before(s.Since)) {
			s.Listed, s.Since = true, a.Since
		}
	}
	return s, err
}

// entries are a host's on a profile's list in a time, and those of the delegated prefix that it is in.
func (x *Archive) entries(profile string, addr netip.Addr, from, to time.Time) (list []anomaly.Anomaly, err error) {
	hosts := []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}
	if p, err := addr.Prefix(x.delegated); err == nil && addr.Is6() {
		hosts = append(hosts, p)
	}
	for _, h := range hosts {
		found, err := x.store.AnomaliesOf(h, from, to)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			if a.Profile == profile {
				list = append(list, a)
			}
		}
	}
	return list, nil
}

// chance is the share of the hosts active before a time that stood on the list then; known is false where nothing
// was counted in the hour before.
func (x *Archive) chance(profile string, at time.Time) (share float64, known bool, err error) {
	spans, err := x.store.Spans(history.Interval, profile, at.Add(-time.Hour), at)
	if err == nil && len(spans) == 0 { // pruned by now
		spans, err = x.store.Spans(history.Hour, profile, at.Add(-time.Hour), at)
	}
	if err != nil || len(spans) == 0 {
		return 0, false, err
	}
	active, listed := spans[0].Hosts, 0
	for _, span := range spans {
		if !span.End().After(at) {
			active = span.Hosts // the last that was over by then
		}
	}
	err = x.store.Anomalies(at, at.Add(time.Second), func(a anomaly.Anomaly) error {
		if a.Profile == profile && !a.Since.After(at) {
			listed++
		}
		return nil
	})
	if active == 0 {
		return 0, true, err
	}
	return min(1, float64(listed)/float64(active)), true, err
}
