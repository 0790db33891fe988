// Package history keeps what the flow exports said: each host's Activity by interval, hour and
// day, the list of Anomalies, and what the Judge must remember, in one bbolt file.
package history

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/internal/bolt"
)

// A Resolution is the length of the spans in which Activity is kept.
type Resolution string

const (
	Interval Resolution = "interval" // as counted, five minutes by default
	Hour     Resolution = "hour"
	Day      Resolution = "day"
)

// Keep says how long each resolution, and ended entries of the list, are kept.
type Keep struct{ Intervals, Hours, Days, List time.Duration }

// DefaultKeep is three days of intervals, five weeks of hours, and two years of days and of the list.
func DefaultKeep() Keep {
	const day = 24 * time.Hour
	return Keep{Intervals: 3 * day, Hours: 35 * day, Days: 730 * day, List: 730 * day}
}

// A Store is the file. Its methods may be called by many goroutines.
type Store struct {
	db     *bolt.DB
	keep   Keep
	pruned atomic.Int64 // when it was last pruned, Unix seconds
}

var (
	bucketOf = map[Resolution][]byte{Interval: []byte("interval"), Hour: []byte("hour"), Day: []byte("day")}
	spans    = []byte("span")  // resolution / profile / start → Span
	list     = []byte("list")  // host, since, profile → Anomaly
	pasts    = []byte("judge") // the Judge's key → value
	settings = []byte("settings")
)

func migrations() []bolt.Migration {
	return []bolt.Migration{func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketOf[Interval], bucketOf[Hour], bucketOf[Day], spans, list, pasts, settings} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		for r := range bucketOf {
			if _, err := tx.Bucket(spans).CreateBucketIfNotExists([]byte(r)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Open opens or makes the file at path.
func Open(path string, keep Keep) (*Store, error) {
	db, err := bolt.Open(path, bolt.Options{Migrations: migrations()})
	if err != nil {
		return nil, fmt.Errorf("open the flow history: %w", err)
	}
	return &Store{db: db, keep: keep}, nil
}

// OpenReadOnly opens an existing file for questions alone.
func OpenReadOnly(path string) (*Store, error) {
	db, err := bolt.Open(path, bolt.Options{Migrations: migrations(), ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open the flow history: %w", err)
	}
	return &Store{db: db, keep: DefaultKeep()}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Backup writes a consistent copy of the file.
func (s *Store) Backup(w io.Writer) error { return s.db.Backup(w) }

// Size is the length of the file in bytes.
func (s *Store) Size() (int64, error) { return s.db.Size() }

// Seed is the key of the sketches' hashing, made once and kept: sketches merge only under one Seed.
func (s *Store) Seed(ctx context.Context) (seed activity.Seed, err error) {
	var fresh [16]byte
	if _, err := rand.Read(fresh[:]); err != nil {
		return seed, fmt.Errorf("make the key of the sketches: %w", err)
	}
	key := []byte("seed")
	err = s.db.Update(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket(settings)
		v := b.Get(key)
		if len(v) != 16 {
			v = fresh[:]
			if err := b.Put(key, v); err != nil {
				return err
			}
		}
		seed = activity.Seed{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}
		return nil
	})
	if err != nil {
		return seed, fmt.Errorf("keep the key of the sketches: %w", err)
	}
	return seed, nil
}

// A Span says what one stored interval, hour or day rests on.
type Span struct {
	Resolution Resolution         `json:"resolution"`
	Profile    string             `json:"profile"`
	Start      time.Time          `json:"start"`
	Length     time.Duration      `json:"length"`
	Seen       time.Duration      `json:"seen"` // of Length, while the collector ran
	Hosts      int                `json:"hosts"`
	Bars       activity.Histogram `json:"bars"`  // by host
	Pairs      activity.Histogram `json:"pairs"` // by pair of host and peer within each interval
	Coverage   activity.Coverage  `json:"coverage"`
}

// End is when the span ended.
func (s Span) End() time.Time { return s.Start.Add(s.Length) }

// A Profile is one profile's part of a Record.
type Profile struct {
	Name     string
	Hosts    *Writer
	Pairs    activity.Histogram
	Coverage activity.Coverage
}

// A Record is everything that an interval leaves behind. It is stored in one transaction.
type Record struct {
	Start     time.Time
	Length    time.Duration
	Profiles  []Profile
	Changes   []anomaly.Change
	Past      []Past         // what the Judge remembers
	Forgotten []string       // keys of pasts that it no longer does
	Values    map[string]any // kept as JSON under their names, for Store.Get
}

// A Past is what the Judge remembers of one host, in its own form.
type Past struct {
	Key   string
	Value []byte
}

// Append stores a closed interval. When it returns nil, the interval is on disk.
func (s *Store) Append(ctx context.Context, r Record) error {
	for _, p := range r.Profiles {
		p.Hosts.flush()
	}
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error { return appendRecord(tx, r) })
	if err != nil {
		return fmt.Errorf("store the interval of %s: %w", r.Start.Format(time.RFC3339), err)
	}
	return nil
}

func appendRecord(tx *bbolt.Tx, r Record) error {
	for _, p := range r.Profiles {
		span := Span{
			Resolution: Interval, Profile: p.Name, Start: r.Start, Length: r.Length, Seen: r.Length,
			Hosts: p.Hosts.hosts, Bars: p.Hosts.bars, Pairs: p.Pairs, Coverage: p.Coverage,
		}
		if err := putSpan(tx, span, p.Hosts.blocks); err != nil {
			return err
		}
	}
	for _, c := range r.Changes {
		if err := putAnomaly(tx, c.Anomaly); err != nil {
			return err
		}
	}
	b := tx.Bucket(pasts)
	for _, p := range r.Past {
		if err := b.Put([]byte(p.Key), p.Value); err != nil {
			return err
		}
	}
	for name, v := range r.Values {
		if err := putValue(tx, name, v); err != nil {
			return err
		}
	}
	for _, key := range r.Forgotten {
		if err := b.Delete([]byte(key)); err != nil {
			return err
		}
	}
	return nil
}

// putSpan replaces a span and its blocks.
func putSpan(tx *bbolt.Tx, span Span, blocks []block) error {
	value, err := json.Marshal(span)
	if err != nil {
		return fmt.Errorf("encode a span: %w", err)
	}
	meta, err := tx.Bucket(spans).Bucket([]byte(span.Resolution)).CreateBucketIfNotExists([]byte(span.Profile))
	if err != nil {
		return err
	}
	if err := meta.Put(startKey(span.Start), value); err != nil {
		return err
	}
	b, err := tx.Bucket(bucketOf[span.Resolution]).CreateBucketIfNotExists([]byte(span.Profile))
	if err != nil {
		return err
	}
	b.FillPercent = 0.9
	if err := deleteBlocks(b, span.Start); err != nil {
		return err
	}
	for _, bl := range blocks {
		if err := b.Put(append(startKey(span.Start), bl.first[:]...), bl.data); err != nil {
			return err
		}
	}
	return nil
}

// startKey orders spans by their start, from 1970 to 2106.
func startKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(min(max(t.Unix(), 0), 1<<32-1)))
}

func deleteBlocks(b *bbolt.Bucket, start time.Time) error {
	prefix := startKey(start)
	c := b.Cursor()
	var old [][]byte
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// Pasts calls fn with each past that the Judge stored.
func (s *Store) Pasts(fn func(key string, value []byte) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(pasts).ForEach(func(k, v []byte) error { return fn(string(k), v) })
	})
}

func putValue(tx *bbolt.Tx, name string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return tx.Bucket(settings).Put([]byte("value-"+name), value)
}

// Get reads one of a Record's Values into v, a pointer; v stays as it is where nothing was kept.
func (s *Store) Get(name string, v any) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(settings).Get([]byte("value-" + name))
		if value == nil {
			return nil
		}
		if err := json.Unmarshal(value, v); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		return nil
	})
}
