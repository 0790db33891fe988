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

	"spoor/flowwatch/anomaly"
)

func anomalyKey(host netip.Prefix, since time.Time, profile string) []byte {
	k := keyOf(host)
	return append(binary.BigEndian.AppendUint32(k[:], uint32(since.Unix())), profile...)
}

func putAnomaly(tx *bbolt.Tx, a anomaly.Anomaly) error {
	value, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode an anomaly: %w", err)
	}
	return tx.Bucket(list).Put(anomalyKey(a.Host, a.Since, a.Profile), value)
}

func readAnomaly(k, v []byte) (a anomaly.Anomaly, err error) {
	if len(k) < len(hostKey{}) {
		return a, errBlock
	}
	if err := json.Unmarshal(v, &a); err != nil {
		return a, fmt.Errorf("read an anomaly: %w", err)
	}
	a.Host = hostKey(k[:17]).prefix()
	return a, nil
}

// overlaps tells whether an entry stood on the list at some moment of a time.
func overlaps(a anomaly.Anomaly, from, to time.Time) bool {
	return a.Since.Before(to) && (a.Until.IsZero() || a.Until.After(from))
}

// Anomalies calls fn with each entry that stood on the list at some moment of a time, by host.
func (s *Store) Anomalies(from, to time.Time, fn func(anomaly.Anomaly) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(list).ForEach(func(k, v []byte) error {
			a, err := readAnomaly(k, v)
			if err == nil && overlaps(a, from, to) {
				err = fn(a)
			}
			return err
		})
	})
}

// AnomaliesOf lists the entries of one host, oldest first.
func (s *Store) AnomaliesOf(host netip.Prefix, from, to time.Time) (out []anomaly.Anomaly, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		key := keyOf(host)
		c := tx.Bucket(list).Cursor()
		for k, v := c.Seek(key[:]); bytes.HasPrefix(k, key[:]); k, v = c.Next() {
			a, err := readAnomaly(k, v)
			if err != nil {
				return err
			}
			if overlaps(a, from, to) {
				out = append(out, a)
			}
		}
		return nil
	})
	return out, err
}

// pruneEvery is how often it is looked for what is too old: by the clock of the intervals, once in an hour.
const pruneEvery = time.Hour

// prune deletes what is older than is to be kept.
func (s *Store) prune(ctx context.Context, now time.Time) error {
	if last := s.pruned.Load(); now.Sub(time.Unix(last, 0)) < pruneEvery && last <= now.Unix() {
		return nil
	}
	s.pruned.Store(now.Unix())
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error {
		for r, keep := range map[Resolution]time.Duration{Interval: s.keep.Intervals, Hour: s.keep.Hours, Day: s.keep.Days} {
			if keep <= 0 {
				continue
			}
			for _, b := range []*bbolt.Bucket{tx.Bucket(bucketOf[r]), tx.Bucket(spans).Bucket([]byte(r))} {
				if err := pruneProfiles(b, startKey(now.Add(-keep))); err != nil {
					return err
				}
			}
		}
		if s.keep.List <= 0 {
			return nil
		}
		return pruneList(tx.Bucket(list), now.Add(-s.keep.List))
	})
	if err != nil {
		return fmt.Errorf("prune the flow history: %w", err)
	}
	return nil
}

// pruneBatch bounds one transaction; what is left over goes at the next interval.
const pruneBatch = 20000

func pruneProfiles(b *bbolt.Bucket, before []byte) error {
	return b.ForEachBucket(func(name []byte) error {
		inner := b.Bucket(name)
		var old [][]byte
		c := inner.Cursor()
		for k, _ := c.First(); k != nil && bytes.Compare(k, before) < 0 && len(old) < pruneBatch; k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
		for _, k := range old {
			if err := inner.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

func pruneList(b *bbolt.Bucket, before time.Time) error {
	var old [][]byte
	err := b.ForEach(func(k, v []byte) error {
		a, err := readAnomaly(k, v)
		if err == nil && !a.Until.IsZero() && a.Until.Before(before) && len(old) < pruneBatch {
			old = append(old, bytes.Clone(k))
		}
		return err
	})
	for _, k := range old {
		if err == nil {
			err = b.Delete(k)
		}
	}
	return err
}
