package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox/incident"
	"spoor/abusebox/stats"
)

// The buckets of the statistics, made when the first event is recorded.
var (
	bucketStats       = []byte("stats")       // period → Table
	bucketStatsEvents = []byte("statsevents") // sequence → Event that is not counted yet
)

// Statistics is the part of a Store that keeps the monthly tables.
type Statistics struct{ store *Store }

var _ stats.Store = Statistics{}

// Statistics returns the monthly tables of this store.
func (s *Store) Statistics() Statistics { return Statistics{s} }

// Record keeps events until they are counted.
func (s Statistics) Record(ctx context.Context, events ...stats.Event) error {
	return s.store.update(ctx, func(tx *bbolt.Tx) error { return recordEvents(tx, events) })
}

// recordEvents keeps events in a transaction that tells of more: they are there if and only if the rest is.
func recordEvents(tx *bbolt.Tx, events []stats.Event) error {
	if len(events) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketStatsEvents)
	if err != nil {
		return err
	}
	for _, e := range events {
		seq, err := b.NextSequence()
		if err != nil {
			return err
		}
		if err := put(b, number(seq), e); err != nil {
			return err
		}
	}
	return nil
}

// recordChange records what a change means for the tables; it is called before the change is written, while the
// incident is stored as it was.
func recordChange(tx *bbolt.Tx, c incident.Change, read []incident.Incident) error {
	var before *incident.Incident
	if c.Incident.ID != 0 {
		old, err := stored(tx, read, c.Incident.ID)
		if err != nil {
			return err
		}
		if old.ID != 0 {
			before = &old
		}
	}
	return recordEvents(tx, stats.Of(before, c, c.Incident.Changed))
}

// recordContact records what a contact's new state means for the tables, before it is written.
func recordContact(tx *bbolt.Tx, key string, state incident.ContactState) error {
	old, _, err := get[incident.ContactState](tx.Bucket(bucketContacts), []byte(key))
	if err != nil {
		return err
	}
	return recordEvents(tx, stats.OfContact(key, old, state, state.Changed))
}

// Count adds the oldest events to their tables and forgets them.
func (s Statistics) Count(ctx context.Context, limit int) (n int, err error) {
	if err := s.store.view(func(tx *bbolt.Tx) error { n = waiting(tx, 1); return nil }); err != nil || n == 0 {
		return 0, err
	}
	err = s.store.update(ctx, func(tx *bbolt.Tx) (err error) {
		n, err = countEvents(tx, limit)
		return err
	})
	return n, err
}

// waiting is how many events are not counted, at most limit.
func waiting(tx *bbolt.Tx, limit int) (n int) {
	b := tx.Bucket(bucketStatsEvents)
	if b == nil {
		return 0
	}
	c := b.Cursor()
	for k, _ := c.First(); k != nil && n < limit; k, _ = c.Next() {
		n++
	}
	return n
}

func countEvents(tx *bbolt.Tx, limit int) (int, error) {
	tables, err := tx.CreateBucketIfNotExists(bucketStats)
	if err != nil {
		return 0, err
	}
	queue, err := tx.CreateBucketIfNotExists(bucketStatsEvents)
	if err != nil {
		return 0, err
	}
	keys, events, err := oldest(queue, limit)
	if err != nil {
		return 0, err
	}
	changed, err := stats.Fold(events, func(p stats.Period) (*stats.Table, error) { return loadTable(tables, p) })
	if err != nil {
		return 0, err
	}
	for p, table := range changed {
		data, err := table.MarshalBinary()
		if err != nil {
			return 0, err
		}
		if err := tables.Put([]byte(p.String()), data); err != nil {
			return 0, err
		}
	}
	for _, k := range keys {
		if err := queue.Delete(k); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

func oldest(queue *bbolt.Bucket, limit int) (keys [][]byte, events []stats.Event, err error) {
	c := queue.Cursor()
	for k, v := c.First(); k != nil && len(keys) < limit; k, v = c.Next() {
		var e stats.Event
		if err := json.Unmarshal(v, &e); err != nil {
			return nil, nil, fmt.Errorf("event %x: %w", k, err)
		}
		keys, events = append(keys, bytes.Clone(k)), append(events, e)
	}
	return keys, events, nil
}

func loadTable(tables *bbolt.Bucket, p stats.Period) (*stats.Table, error) {
	data := tables.Get([]byte(p.String()))
	if data == nil {
		return nil, nil
	}
	t := new(stats.Table)
	return t, t.UnmarshalBinary(data)
}

// Tables returns the tables of the periods that have one.
func (s Statistics) Tables(ctx context.Context, periods ...stats.Period) (tables []*stats.Table, err error) {
	err = s.store.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketStats)
		if b == nil {
			return nil
		}
		for _, p := range periods {
			t, err := loadTable(b, p)
			if err != nil {
				return fmt.Errorf("table %s: %w", p, err)
			}
			if t != nil {
				tables = append(tables, t)
			}
		}
		return ctx.Err()
	})
	return tables, err
}

// Forget removes the tables of days before a day.
func (s Statistics) Forget(ctx context.Context, before stats.Period) (n int, err error) {
	end := []byte(stats.DayOf(before.Begin()).String())
	err = s.store.update(ctx, func(tx *bbolt.Tx) error {
		n = 0
		b := tx.Bucket(bucketStats)
		if b == nil {
			return nil
		}
		var gone [][]byte
		c := b.Cursor()
		for k, _ := c.First(); k != nil && bytes.Compare(k, end) < 0; k, _ = c.Next() {
			if len(k) == len(time.DateOnly) {
				gone = append(gone, bytes.Clone(k))
			}
		}
		for _, k := range gone {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		n = len(gone)
		return nil
	})
	return n, err
}
