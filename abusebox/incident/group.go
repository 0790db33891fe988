package incident

import (
	"fmt"
	"slices"
	"time"
)

// Window is how long after its last event an incident still takes in new ones, by event time.
const Window = 24 * time.Hour

// KeyOf is the key under which c is filed.
func KeyOf(c Case, v6Bits int) Key {
	c.Evidence = c.Evidence.Bounded()
	key := Key{Net: NetOf(c.Evidence.Addr, v6Bits), Type: short(c.Evidence.Type), Subject: c.Evidence.Subject.Key()}
	if len(c.Holders) == 1 {
		key.Holder = c.Holders[0].ID
	}
	if !key.Net.IsValid() && key.Subject == "" { // a complaint that names only a URL or a domain
		key.Subject = short(firstOf([]string{c.Evidence.Source}, c.Evidence.URLs, c.Evidence.Domains))
	}
	return key
}

func firstOf(lists ...[]string) string {
	for _, list := range lists {
		if len(list) > 0 && list[0] != "" {
			return list[0]
		}
	}
	return ""
}

// find returns which incident an event belongs to: of those with its key whose window it falls into, one that
// is not closed before one that is, and the nearest first. It returns -1 where a new incident is due.
func find(all []Incident, key Key, event Span, window time.Duration) int {
	best := -1
	for n, i := range all {
		if i.Key != key && (i.Was != key || i.Was == Key{}) || !(Span{i.First, i.Last}).widen(window).Overlaps(event) {
			continue
		}
		if best < 0 || nearer(i, all[best], event) {
			best = n
		}
	}
	if best >= 0 && all[best].State == Merged {
		into := all[best].Into
		return slices.IndexFunc(all, func(i Incident) bool { return i.ID == into && i.State != Merged })
	}
	return best
}

func nearer(a, b Incident, event Span) bool {
	if a.State.Closed() != b.State.Closed() {
		return !a.State.Closed()
	}
	da, db := (Span{a.First, a.Last}).distance(event).Abs(), (Span{b.First, b.Last}).distance(event).Abs()
	return da < db || da == db && a.ID > b.ID
}

// previous returns the latest incident with the same key: the one that a new one follows on.
func previous(all []Incident, key Key) (id ID) {
	for _, i := range all {
		if i.Key == key && i.ID > id {
			id = i.ID
		}
	}
	return id
}

// join adds one piece of evidence to an incident.
func (i *Incident) join(e Evidence, now time.Time) {
	when, until := e.When(), e.Until()
	if i.First.IsZero() || when.Before(i.First) {
		i.First = when
	}
	if until.After(i.Last) {
		i.Last = until
	}
	if e.Addr.IsValid() && !slices.Contains(i.Addrs, e.Addr) && len(i.Addrs) < maxAddrs {
		i.Addrs = append(slices.Clip(i.Addrs), e.Addr)
	}
	if e.Kind == FromReport {
		i.Reports++
		i.Events += max(e.Count, 1)
		i.countReporter(e.Reporter, 1)
	}
	i.Samples = keepSample(i.Samples, e)
	i.Evidence++
	i.Changed = now
}

func (i *Incident) countReporter(r Reporter, n int) {
	if r.Address == "" && r.Domain == "" {
		return
	}
	at := slices.IndexFunc(i.Reporters, func(c ReporterCount) bool { return c.Reporter.Name() == r.Name() })
	if at < 0 {
		i.Reporters = append(slices.Clip(i.Reporters), ReporterCount{Reporter: r, Count: n})
		if len(i.Reporters) > maxReporters {
			i.Reporters = slices.Delete(slices.Clone(i.Reporters), 0, 1)
		}
		return
	}
	i.Reporters = slices.Clone(i.Reporters)
	i.Reporters[at].Count += n
}

// Limits on the time that a reporter may claim.
const (
	maxFuture = 24 * time.Hour
)

// sane replaces an event time that lies in the future by the arrival, and says so; a wrong clock must not keep
// an incident's window open for years.
func sane(e Evidence, now time.Time) (Evidence, string) {
	received := e.Received
	if received.IsZero() {
		received = now
		e.Received = now
	}
	limit := received.Add(maxFuture + e.Uncertainty)
	if e.From.After(limit) {
		claimed := e.From
		e.From, e.To, e.ZoneKnown = received, time.Time{}, false
		return e, fmt.Sprintf("the reported time %s lies in the future; the arrival is used instead", claimed.UTC().Format(time.DateTime))
	}
	if e.To.After(limit) {
		e.To = limit
	}
	return e, ""
}
