package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"go.etcd.io/bbolt"

	"spoor/flowwatch/activity"
)

// Spans lists the stored spans of a profile that overlap a time, of one resolution, in order.
func (s *Store) Spans(r Resolution, profile string, from, to time.Time) (out []Span, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error { out, err = spansOf(tx, r, profile, from, to, nil); return err })
	return out, err
}

// spansOf is Spans, without those that begin within one of others: to know that costs nothing, and to read them much.
func spansOf(tx *bbolt.Tx, r Resolution, profile string, from, to time.Time, others []Span) (out []Span, err error) {
	b := tx.Bucket(spans).Bucket([]byte(r)).Bucket([]byte(profile))
	if b == nil {
		return nil, nil
	}
	c := b.Cursor()
	// A span that began before may reach into the time: a day by a day, all others by an hour at most.
	longest := time.Hour
	if r == Day {
		longest = 24 * time.Hour
	}
	k, v := c.Seek(startKey(from.Add(-longest)))
	for ; k != nil && bytes.Compare(k, startKey(to)) < 0; k, v = c.Next() {
		if begins(k, others) {
			continue
		}
		var span Span
		if err := json.Unmarshal(v, &span); err != nil {
			return nil, fmt.Errorf("read a span of %s: %w", profile, err)
		}
		if span.End().After(from) {
			out = append(out, span)
		}
	}
	return out, nil
}

// begins tells whether a span with a key begins within one of others.
func begins(key []byte, others []Span) bool {
	start := time.Unix(int64(binary.BigEndian.Uint32(key)), 0)
	for i := range others {
		if !start.Before(others[i].Start) && start.Before(others[i].End()) {
			return true
		}
	}
	return false
}

// plan chooses the coarsest spans that tell of a time: days and hours that lie wholly in it, and
// intervals at its edges; where those are pruned already, the hour or day that overlaps the edge.
func plan(tx *bbolt.Tx, profile string, from, to time.Time) ([]Span, error) {
	var chosen []Span
	covered := func(span Span) bool {
		for _, c := range chosen {
			if span.Start.Before(c.End()) && c.Start.Before(span.End()) {
				return true
			}
		}
		return false
	}
	var edges []Span // coarse spans that overlap an edge
	for _, r := range []Resolution{Day, Hour, Interval} {
		list, err := spansOf(tx, r, profile, from, to, chosen)
		if err != nil {
			return nil, err
		}
		for _, span := range list {
			inside := !span.Start.Before(from) && !span.End().After(to)
			switch {
			case covered(span):
			case inside || r == Interval:
				chosen = append(chosen, span)
			default:
				edges = append(edges, span)
			}
		}
	}
	for i := len(edges) - 1; i >= 0; i-- { // the finest first
		if !covered(edges[i]) {
			chosen = append(chosen, edges[i])
		}
	}
	return chosen, nil
}

// A Basis says what an answer rests on: which time it truly tells of, and the coverage then.
type Basis struct {
	From     time.Time         `json:"from"` // of the first span used; may lie before the time asked for
	To       time.Time         `json:"to"`
	Spans    int               `json:"spans"`
	LengthS  float64           `json:"length_s"` // of the shortest span used
	SeenS    float64           `json:"seen_s"`   // how much of the time the collector ran
	Coverage activity.Coverage `json:"coverage"`
}

// Length is the length of the shortest span used.
func (b Basis) Length() time.Duration { return time.Duration(b.LengthS * float64(time.Second)) }

// Seen is how much of the time the collector ran.
func (b Basis) Seen() time.Duration { return time.Duration(b.SeenS * float64(time.Second)) }

func basisOf(list []Span) (b Basis) {
	b.Coverage.Exporters, b.Coverage.Silent = []netip.Addr{}, []netip.Addr{} // lists in JSON, too, where there are none
	for i, s := range list {
		if i == 0 || s.Start.Before(b.From) {
			b.From = s.Start
		}
		if s.End().After(b.To) {
			b.To = s.End()
		}
		if i == 0 || s.Length.Seconds() < b.LengthS {
			b.LengthS = s.Length.Seconds()
		}
		b.Spans++
		b.SeenS += s.Seen.Seconds()
		mergeCoverage(&b.Coverage, s.Coverage)
	}
	return b
}

func mergeCoverage(c *activity.Coverage, o activity.Coverage) {
	c.Exporters = union(c.Exporters, o.Exporters)
	c.Silent = union(c.Silent, o.Silent)
	c.Sampling = max(c.Sampling, o.Sampling)
	c.Lost, c.Dropped = c.Lost+o.Lost, c.Dropped+o.Dropped
	c.Out, c.Replies = c.Out+o.Out, c.Replies+o.Replies
	c.Overflow.Add(o.Overflow.Counts)
	c.Overflow.Hosts = max(c.Overflow.Hosts, o.Overflow.Hosts)
	c.Partial = c.Partial || o.Partial
}

func union(a, b []netip.Addr) []netip.Addr {
next:
	for _, x := range b {
		for _, y := range a {
			if x == y {
				continue next
			}
		}
		a = append(a, x)
	}
	return a
}

// Each calls fn with the merged Activity of each host of a profile in a time, in the order of their
// addresses. The pointer is good until fn returns; Clone what is to stay.
func (s *Store) Each(ctx context.Context, profile string, from, to time.Time, fn func(*activity.Activity) error) (b Basis, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		list, err := plan(tx, profile, from, to)
		if err != nil {
			return err
		}
		b = basisOf(list)
		return merge(ctx, tx, list, fn)
	})
	if err != nil {
		return b, fmt.Errorf("read the history of %s: %w", profile, err)
	}
	return b, nil
}

// Host returns what one host did in a time, span by span at one resolution.
func (s *Store) Host(profile string, host netip.Prefix, r Resolution, from, to time.Time) (out []activity.Activity, b Basis, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		list, err := spansOf(tx, r, profile, from, to, nil)
		if err != nil {
			return err
		}
		b = basisOf(list)
		out, err = hostIn(tx, list, host)
		return err
	})
	return out, b, err
}

// Sum returns what one host did in a time altogether; seen is false where it did nothing that was counted.
func (s *Store) Sum(profile string, host netip.Prefix, from, to time.Time) (sum activity.Activity, seen bool, b Basis, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		list, err := plan(tx, profile, from, to)
		if err != nil {
			return err
		}
		b = basisOf(list)
		found, err := hostIn(tx, list, host)
		for i := range found {
			if i == 0 {
				sum, seen = found[0], true
				continue
			}
			sum.Merge(&found[i])
		}
		return err
	})
	return sum, seen, b, err
}

func hostIn(tx *bbolt.Tx, list []Span, host netip.Prefix) (out []activity.Activity, err error) {
	key := keyOf(host)
	for _, span := range list {
		data := blockFor(tx, span, key)
		r := reader{b: data, start: span.Start}
		a := activity.Activity{Profile: span.Profile, Start: span.Start, Length: span.Length}
		for r.next(&a) {
			if a.Host == host {
				out = append(out, a.Clone())
				break
			}
		}
		if r.err != nil {
			return out, r.err
		}
	}
	return out, nil
}

// blockFor is the block of a span in which a host would stand: the last that begins at or before it.
func blockFor(tx *bbolt.Tx, span Span, key hostKey) []byte {
	b := tx.Bucket(bucketOf[span.Resolution]).Bucket([]byte(span.Profile))
	if b == nil {
		return nil
	}
	c := b.Cursor()
	prefix := startKey(span.Start)
	want := append(startKey(span.Start), key[:]...)
	k, v := c.Seek(want)
	if !bytes.Equal(k, want) {
		if k == nil {
			k, v = c.Last()
		} else {
			k, v = c.Prev()
		}
	}
	if !bytes.HasPrefix(k, prefix) {
		return nil
	}
	return v
}

// Pairs sums up the histograms by pair of the intervals of a time. A pair counts within each interval.
func (s *Store) Pairs(profile string, from, to time.Time) (h activity.Histogram, b Basis, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		list, err := plan(tx, profile, from, to)
		b = basisOf(list)
		for _, span := range list {
			h.Merge(&span.Pairs)
		}
		return err
	})
	return h, b, err
}
