package flowwatch

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
)

// A Visibility says what the absence of flows would mean.
type Visibility string

const (
	Seen       Visibility = "seen"        // traffic of the address was counted
	NotSeen    Visibility = "not-seen"    // exporters covered the time, and nothing of it was counted
	NotVisible Visibility = "not-visible" // coverage is not proven: no evidence either way
)

// Evidence is what the flows say about one address and time, and whether it stood on the list before.
type Evidence struct {
	Addr       netip.Addr        `json:"address"`
	Profile    string            `json:"profile"`
	From       time.Time         `json:"from"` // as asked
	To         time.Time         `json:"to"`
	Visibility Visibility        `json:"visibility"`
	Row        *Row              `json:"row"`    // null unless seen
	Proven     bool              `json:"proven"` // a two-way TCP exchange was among it
	Basis      history.Basis     `json:"basis"`
	Listed     bool              `json:"listed"` // at some moment of the time
	Before     bool              `json:"listed_before"`
	Since      time.Time         `json:"listed_since,omitzero"`
	LeadS      float64           `json:"lead_s"` // from Since to From
	Chance     float64           `json:"chance"` // that an active host picked at random was listed before: list ÷ active hosts
	Anomalies  []anomaly.Anomaly `json:"anomalies"`
	Limits     []string          `json:"limits"` // what the answer cannot rest on
	Text       string            `json:"text"`   // for people

	foreign bool // of none of our networks
}

// Evidence tells for an address and a time span what was seen of SMTP, how well that time was
// covered, and whether the address was listed before it began. Flows are told by the interval in
// which their export came, so the span is widened to whole intervals.
func (x *Archive) Evidence(ctx context.Context, addr netip.Addr, from, to time.Time) (Evidence, error) {
	addr = addr.Unmap().WithZone("")
	from, to = from.UTC(), to.UTC()
	if !to.After(from) {
		to = from.Add(time.Second)
	}
	e := Evidence{Addr: addr, Profile: "smtp", From: from, To: to, Anomalies: []anomaly.Anomaly{}, Limits: []string{}}
	if x.store == nil {
		e.Visibility = NotVisible
		e.Text = "not visible to us: no flow history is kept"
		return e, nil
	}
	host := netip.PrefixFrom(addr, addr.BitLen())
	sum, seen, basis, err := x.store.Sum(e.Profile, host, from, to)
	if err != nil {
		return e, fmt.Errorf("evidence on %s: %w", addr, err)
	}
	if x.live != nil && to.After(basis.To) {
		if a, ok := x.live.openHost(e.Profile, host); ok && a.Start.Before(to) {
			if seen {
				sum.Merge(&a)
			} else {
				sum, seen = a, true
			}
		}
	}
	e.Basis = basis
	e.judgeCoverage(seen, x.judge.Reach)
	if !seen && x.foreign(host) {
		e.Visibility, e.foreign = NotVisible, true
		e.Limits = append(e.Limits, notCounted)
	}
	if seen {
		row := RowOf(&sum, basis.Length())
		e.Row, e.Visibility = &row, Seen
		e.Proven = sum.Established > 0 && (sum.Series[activity.Replies].Flows > 0 || !basis.Coverage.BothWays())
		e.Limits = append(e.Limits, notes(&sum)...)
	}
	if err := x.listings(&e); err != nil {
		return e, fmt.Errorf("evidence on %s: %w", addr, err)
	}
	e.Text = e.words()
	return e, nil
}

// judgeCoverage says what of the time was covered at all.
func (e *Evidence) judgeCoverage(seen bool, reach func(sampling uint32) int) {
	c := e.Basis.Coverage
	limit := func(format string, args ...any) { e.Limits = append(e.Limits, fmt.Sprintf(format, args...)) }
	asked := e.To.Sub(e.From)
	e.Visibility = NotSeen
	if len(c.Exporters) == 0 || e.Basis.From.After(e.From.Add(asked/10)) || e.Basis.To.Before(e.To.Add(-asked/10)) || e.Basis.Seen() < asked*8/10 {
		e.Visibility = NotVisible
		limit("the time is not covered by exports from beginning to end")
	}
	if c.Out > 0 && !c.BothWays() {
		limit("only one direction of the traffic is seen")
	}
	if c.Sampling > 1 {
		limit("one packet in %d is sampled: up to about %d connections may go unseen, and a sender of fewer than about %d an hour is not listed",
			c.Sampling, anomaly.Unseen(c.Sampling), reach(c.Sampling))
		if !seen {
			e.Visibility = NotVisible
		}
	}
	if len(c.Silent) > 0 {
		limit("%d exporters were silent for some of the time", len(c.Silent))
		if !seen {
			e.Visibility = NotVisible // it may have been theirs to see
		}
	}
	if c.Lost+c.Dropped > 0 {
		limit("%d exports were lost on the way", c.Lost+c.Dropped)
	}
}

// listings finds out whether the host, or the prefix it is in, was listed before and during the time.
func (x *Archive) listings(e *Evidence) error {
	list, err := x.entries(e.Profile, e.Addr, e.From, e.To)
	if err != nil {
		return err
	}
	for _, a := range list {
		e.Anomalies = append(e.Anomalies, a)
		e.Listed = true
		if e.Since.IsZero() || a.Since.Before(e.Since) {
			e.Since = a.Since
		}
	}
	if e.Listed && !e.Since.After(e.From) {
		e.Before = true
		e.LeadS = e.From.Sub(e.Since).Seconds()
	}
	e.Chance, _, err = x.chance(e.Profile, e.From)
	return err
}

// words is the sentence that a notice states.
func (e *Evidence) words() string {
	var b strings.Builder
	switch {
	case e.Visibility == Seen && e.Row.Out.Flows > 0:
		about, what := "", "SMTP connections"
		if !e.Row.PeersExact {
			about = "about "
		}
		if e.Row.Packets {
			what = "packets of SMTP connections" // several may be of the same one
		}
		fmt.Fprintf(&b, "%s %s to %s%s hosts between %s and %s UTC", grouped(e.Row.Out.Flows), what, about,
			grouped(uint64(e.Row.Peers)), clock(e.Row.From), clock(e.Row.To))
		if e.Row.Sampling > 1 {
			fmt.Fprintf(&b, " (of the one packet in %d that was looked at)", e.Row.Sampling)
		}
	case e.Visibility == Seen:
		fmt.Fprintf(&b, "no SMTP connection from it between %s and %s UTC, though it was connected to", clock(e.Row.From), clock(e.Row.To))
	case e.Visibility == NotSeen:
		fmt.Fprintf(&b, "no SMTP traffic of it was seen between %s and %s UTC, which %d exporters covered", clock(e.Basis.From), clock(e.Basis.To), len(e.Basis.Coverage.Exporters))
	case e.foreign:
		b.WriteString("not visible to us: " + notCounted)
	default:
		b.WriteString("not visible to us: the time is not covered well enough to tell")
	}
	switch {
	case e.Before:
		fmt.Fprintf(&b, "; listed since %s UTC", clock(e.Since))
	case e.Listed:
		fmt.Fprintf(&b, "; listed from %s UTC on, after that time began", clock(e.Since))
	}
	return b.String()
}

// clock writes a time to the minute, or where that is not one, to the second.
func clock(t time.Time) string {
	if t.Second() != 0 {
		return t.UTC().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// grouped writes 4212 as "4,212".
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
