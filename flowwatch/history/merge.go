package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"spoor/flowwatch/activity"
)

// A stream reads one span's hosts in order.
type stream struct {
	cursor  *bbolt.Cursor
	prefix  []byte
	reader  reader
	key     sortKey
	current activity.Activity
}

// A sortKey is a hostKey in words, which are compared faster.
type sortKey struct {
	hi, lo uint64
	bits   byte
}

func (k hostKey) sort() sortKey {
	return sortKey{binary.BigEndian.Uint64(k[:8]), binary.BigEndian.Uint64(k[8:16]), k[16]}
}

func (k sortKey) less(o sortKey) bool {
	if k.hi != o.hi {
		return k.hi < o.hi
	}
	if k.lo != o.lo {
		return k.lo < o.lo
	}
	return k.bits < o.bits
}

func newStream(tx *bbolt.Tx, span Span) (*stream, bool, error) {
	b := tx.Bucket(bucketOf[span.Resolution]).Bucket([]byte(span.Profile))
	if b == nil {
		return nil, false, nil
	}
	s := &stream{cursor: b.Cursor(), prefix: startKey(span.Start)}
	s.current = activity.Activity{Profile: span.Profile, Start: span.Start, Length: span.Length}
	s.reader.start = span.Start
	k, v := s.cursor.Seek(s.prefix)
	if !bytes.HasPrefix(k, s.prefix) {
		return nil, false, nil
	}
	s.reader.b = v
	ok, err := s.next()
	return s, ok, err
}

func (s *stream) next() (bool, error) {
	if len(s.reader.b) == 0 {
		k, v := s.cursor.Next()
		if !bytes.HasPrefix(k, s.prefix) {
			return false, s.reader.err
		}
		s.reader.b = v
	}
	if len(s.reader.b) >= len(hostKey{}) {
		s.key = hostKey(s.reader.b[:len(hostKey{})]).sort()
	}
	return s.reader.next(&s.current), s.reader.err
}

// merge calls fn with each host's Activity over all spans. The streams stand in a heap by host.
func merge(ctx context.Context, tx *bbolt.Tx, list []Span, fn func(*activity.Activity) error) error {
	var heap []*stream
	for _, span := range list {
		s, ok, err := newStream(tx, span)
		if err != nil {
			return err
		}
		if ok {
			heap = append(heap, s)
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	var sum activity.Activity
	var merger activity.Merger
	for n := 0; len(heap) > 0; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		key, first := heap[0].key, true
		for len(heap) > 0 && heap[0].key == key {
			if first {
				merger.Begin(&sum, &heap[0].current)
				first = false
			} else {
				merger.Merge(&sum, &heap[0].current)
			}
			var err error
			if heap, err = advance(heap); err != nil {
				return err
			}
		}
		if err := fn(&sum); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the first stream on and restores the heap.
func advance(heap []*stream) ([]*stream, error) {
	ok, err := heap[0].next()
	if err != nil {
		return heap, err
	}
	if !ok {
		heap[0] = heap[len(heap)-1]
		heap = heap[:len(heap)-1]
	}
	sink(heap, 0)
	return heap, nil
}

func sink(heap []*stream, i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child].key.less(heap[least].key) {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// RollUp makes the hours and days that are over by now and not made yet, and prunes what is too old.
// It may be called again at any time: what is made twice is the same.
func (s *Store) RollUp(ctx context.Context, now time.Time) error {
	profiles, err := s.Profiles()
	if err != nil {
		return err
	}
	for _, p := range profiles {
		if err := s.rollUp(ctx, p, Interval, Hour, time.Hour, now); err != nil {
			return err
		}
		if err := s.rollUp(ctx, p, Hour, Day, 24*time.Hour, now); err != nil {
			return err
		}
	}
	return s.prune(ctx, now)
}

// Profiles lists the profiles of which something is stored.
func (s *Store) Profiles() (names []string, err error) {
	seen := map[string]bool{}
	err = s.db.View(func(tx *bbolt.Tx) error {
		for _, r := range []Resolution{Interval, Hour, Day} {
			err := tx.Bucket(spans).Bucket([]byte(r)).ForEachBucket(func(k []byte) error {
				if !seen[string(k)] {
					names = append(names, string(k))
				}
				seen[string(k)] = true
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return names, err
}

func (s *Store) rollUp(ctx context.Context, profile string, from, to Resolution, length time.Duration, now time.Time) error {
	since, err := s.lastSpan(to, profile)
	if err != nil {
		return err
	}
	fine, err := s.Spans(from, profile, since, now)
	if err != nil {
		return err
	}
	groups := map[int64][]Span{}
	for _, f := range fine {
		if start := f.Start.Truncate(length); !start.Before(since) && !start.Add(length).After(now) {
			groups[start.Unix()] = append(groups[start.Unix()], f)
		}
	}
	// In their order, so that after a crash all that is missing lies behind the last one made.
	for _, start := range slices.Sorted(maps.Keys(groups)) {
		if err := s.makeSpan(ctx, profile, to, time.Unix(start, 0).UTC(), length, groups[start]); err != nil {
			return err
		}
	}
	return nil
}

// lastSpan is when the last span of a resolution ends, 1970 where there is none.
func (s *Store) lastSpan(r Resolution, profile string) (end time.Time, err error) {
	end = time.Unix(0, 0).UTC()
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(spans).Bucket([]byte(r)).Bucket([]byte(profile))
		if b == nil {
			return nil
		}
		if _, v := b.Cursor().Last(); v != nil {
			var span Span
			if err := json.Unmarshal(v, &span); err != nil {
				return fmt.Errorf("read a span of %s: %w", profile, err)
			}
			end = span.End()
		}
		return nil
	})
	return end, err
}

func (s *Store) makeSpan(ctx context.Context, profile string, to Resolution, start time.Time, length time.Duration, group []Span) error {
	span := Span{Resolution: to, Profile: profile, Start: start, Length: length}
	w := new(Writer)
	err := s.db.View(func(tx *bbolt.Tx) error {
		return merge(ctx, tx, group, func(a *activity.Activity) error {
			a.Start, a.Length = start, length
			w.Add(a)
			return nil
		})
	})
	if err != nil {
		return err
	}
	w.flush()
	for _, g := range group {
		span.Pairs.Merge(&g.Pairs)
	}
	basis := basisOf(group)
	span.Coverage, span.Hosts, span.Bars, span.Seen = basis.Coverage, w.hosts, w.bars, basis.Seen()
	span.Coverage.Partial = span.Coverage.Partial || basis.Seen() < length
	return s.db.Update(ctx, func(tx *bbolt.Tx) error { return putSpan(tx, span, w.blocks) })
}
