package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"spoor/registry"
)

// A route's key is its prefix, path and first seen; its value is not before, last seen
// and not after, the last two zero while it is there.
const routeValue = 12

func encodeTimes(notBefore, last, notAfter time.Time) []byte {
	v := binary.BigEndian.AppendUint32(make([]byte, 0, routeValue), seconds(notBefore))
	v = binary.BigEndian.AppendUint32(v, seconds(last))
	return binary.BigEndian.AppendUint32(v, seconds(notAfter))
}

// decodeRow reads one record, whose path is one of so many.
func decodeRow(k, v []byte, paths int) (registry.Row, error) {
	prefix, rest, err := prefixOf(k)
	if err != nil {
		return registry.Row{}, fmt.Errorf("route: %w", err)
	}
	if len(rest) != 8 || len(v) != routeValue {
		return registry.Row{}, fmt.Errorf("route %s: record of %d and %d bytes", prefix, len(rest), len(v))
	}
	path := binary.BigEndian.Uint32(rest)
	if path == 0 || path > uint32(paths) {
		return registry.Row{}, fmt.Errorf("route %s: path %d is not stored", prefix, path)
	}
	return registry.Row{Prefix: prefix, Way: path - 1, FirstSeen: binary.BigEndian.Uint32(rest[4:]), NotBefore: binary.BigEndian.Uint32(v),
		LastSeen: binary.BigEndian.Uint32(v[4:]), NotAfter: binary.BigEndian.Uint32(v[8:])}, nil
}

// Record implements registry.Store. A snapshot that is not newer than the last one of
// its source is an error: time does not run backwards.
func (s *Store) Record(ctx context.Context, snap registry.Snapshot) (done registry.Recorded, err error) {
	if err := snap.Validate(); err != nil {
		return done, fmt.Errorf("recording: %w", err)
	}
	err = s.db.Update(ctx, func(tx *bbolt.Tx) error {
		done, err = record(tx, snap, s.keep)
		return err
	})
	if err != nil {
		return registry.Recorded{}, fmt.Errorf("recording the table of %s: %w", snap.Router, err)
	}
	return done, nil
}

func record(tx *bbolt.Tx, snap registry.Snapshot, keep time.Duration) (done registry.Recorded, err error) {
	source, err := readSource(tx, snap)
	if err != nil {
		return done, err
	}
	paths, err := openPaths(tx)
	if err != nil {
		return done, err
	}
	bucket, err := tx.Bucket(bucketRoutes).CreateBucketIfNotExists(sourceName(snap.Router, snap.VRF))
	if err != nil {
		return done, err
	}
	bucket.FillPercent = 0.95 // a first snapshot comes in order; later ones change little
	w := recorder{bucket: bucket, taken: snap.Taken, last: source.LastGood, forget: snap.Taken.Add(-keep), keep: keep > 0}
	if err := w.wanted(paths, snap.Routes); err != nil {
		return done, err
	}
	if err := w.scan(); err != nil {
		return done, err
	}
	if err := w.add(); err != nil {
		return done, err
	}
	source.LastGood, source.Routes, source.Table, source.Verified = snap.Taken.UTC(), len(snap.Routes), snap.Table, snap.Verified
	w.done.Moved = !slices.Equal(source.Addresses, snap.Addresses)
	source.Addresses = snap.Addresses
	value, err := json.Marshal(source)
	if err != nil {
		return done, err
	}
	return w.done, tx.Bucket(bucketSources).Put(sourceName(snap.Router, snap.VRF), value)
}

func readSource(tx *bbolt.Tx, snap registry.Snapshot) (storedSource, error) {
	source := storedSource{Router: snap.Router, VRF: snap.VRF, Begins: snap.Taken.UTC()}
	if v := tx.Bucket(bucketSources).Get(sourceName(snap.Router, snap.VRF)); v != nil {
		if err := json.Unmarshal(v, &source); err != nil {
			return source, fmt.Errorf("source %s: %w", snap.Router, err)
		}
		if seconds(source.LastGood) >= seconds(snap.Taken) {
			return source, fmt.Errorf("a table of %s is stored already, this one is of %s",
				source.LastGood.Format(time.RFC3339), snap.Taken.UTC().Format(time.RFC3339))
		}
	}
	return source, nil
}

// recorder compares one source's stored routes with a snapshot.
type recorder struct {
	bucket *bbolt.Bucket
	taken  time.Time
	last   time.Time // the snapshot before; zero for the first
	forget time.Time
	keep   bool
	want   [][]byte // prefix and path of each route, sorted
	found  []bool
	done   registry.Recorded
}

func (w *recorder) wanted(paths *pathBook, routes []registry.Route) error {
	for _, r := range routes {
		id, err := paths.id(pathOf(r))
		if err != nil {
			return err
		}
		w.want = append(w.want, binary.BigEndian.AppendUint32(prefixKey(r.Prefix), id))
	}
	slices.SortFunc(w.want, bytes.Compare)
	w.want = slices.CompactFunc(w.want, bytes.Equal)
	w.found = make([]bool, len(w.want))
	return nil
}

// scan ends stored routes that the snapshot lacks and forgets those that ended long ago.
func (w *recorder) scan() error {
	var ended, forgotten [][]byte
	err := w.bucket.ForEach(func(k, v []byte) error {
		if len(k) < 8 || len(v) != routeValue {
			return fmt.Errorf("route record %x is broken", k)
		}
		if notAfter := binary.BigEndian.Uint32(v[8:]); notAfter != 0 {
			if w.keep && notAfter < seconds(w.forget) {
				forgotten = append(forgotten, bytes.Clone(k))
			}
			return nil
		}
		if i, ok := slices.BinarySearchFunc(w.want, k[:len(k)-4], bytes.Compare); ok {
			w.found[i] = true
			w.done.Kept++
			return nil
		}
		ended = append(ended, bytes.Clone(k))
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range forgotten {
		if err := w.bucket.Delete(k); err != nil {
			return err
		}
	}
	for _, k := range ended {
		v := bytes.Clone(w.bucket.Get(k))
		binary.BigEndian.PutUint32(v[4:], seconds(w.last))
		binary.BigEndian.PutUint32(v[8:], seconds(w.taken))
		if err := w.bucket.Put(k, v); err != nil {
			return err
		}
	}
	w.done.Removed = len(ended)
	return nil
}

func (w *recorder) add() error {
	value := encodeTimes(w.last, time.Time{}, time.Time{})
	for i, prefixAndPath := range w.want {
		if w.found[i] {
			continue
		}
		if err := w.bucket.Put(binary.BigEndian.AppendUint32(prefixAndPath, seconds(w.taken)), value); err != nil {
			return err
		}
		w.done.Added++
	}
	return nil
}
