package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"spoor/registry"
)

// longestKey holds, in the bucket of leases, how long the longest lease is, so that a
// search knows where to begin. It sorts before every prefix.
var longestKey = []byte{0}

func leaseKey(l registry.Lease) []byte {
	key := binary.BigEndian.AppendUint32(prefixKey(l.Prefix), seconds(l.From))
	key = binary.BigEndian.AppendUint16(key, l.PortLow)
	key = binary.BigEndian.AppendUint16(key, l.PortHigh)
	return append(key, l.Protocol+"\x00"+l.Subscriber...)
}

// decodeLease reads one record. Of a damaged one the key still says whose the lease was and
// when it began, but not how long it lasted.
func decodeLease(k, v []byte) (l registry.Lease) {
	err := json.Unmarshal(v, &l)
	switch {
	case err == nil && bytes.Equal(leaseKey(l), k):
		return l
	case err == nil:
		err = errors.New("it says another lease than its key does")
	}
	prefix, rest, keyErr := prefixOf(k)
	if keyErr != nil || len(rest) < 8 {
		return registry.Lease{Prefix: prefix, PortHigh: 65535, Broken: fmt.Sprintf("key %x: %v", k, err)}
	}
	l = registry.Lease{Prefix: prefix, From: time.Unix(int64(binary.BigEndian.Uint32(rest)), 0).UTC(),
		PortLow: binary.BigEndian.Uint16(rest[4:]), PortHigh: binary.BigEndian.Uint16(rest[6:]), Broken: err.Error()}
	l.Known = l.From
	protocol, subscriber, _ := bytes.Cut(rest[8:], []byte{0})
	l.Protocol, l.Subscriber = string(protocol), string(subscriber)
	return l
}

// AddLeases keeps leases, and forgets those that ended longer before the newest one than
// history is kept. A lease that is stored already, from an earlier import of the same
// log, is replaced: its end may be known by now.
func (s *Store) AddLeases(ctx context.Context, leases []registry.Lease) error {
	leases = slices.Clone(leases)
	slices.SortFunc(leases, registry.CompareLeases)
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketLeases)
		longest := longestLease(bucket)
		for _, l := range leases {
			if len(l.Subscriber) > 1024 {
				return fmt.Errorf("lease of %s: subscriber of %d bytes", l.Prefix, len(l.Subscriber))
			}
			longest = max(longest, leaseLength(l))
			value, err := json.Marshal(l)
			if err != nil {
				return err
			}
			if err := bucket.Put(leaseKey(l), value); err != nil {
				return err
			}
		}
		if err := s.forgetLeases(bucket, leases); err != nil {
			return err
		}
		return bucket.Put(longestKey, binary.BigEndian.AppendUint64(nil, uint64(longest)))
	})
	if err != nil {
		return fmt.Errorf("storing leases: %w", err)
	}
	return nil
}

func (s *Store) forgetLeases(bucket *bbolt.Bucket, added []registry.Lease) error {
	var newest time.Time
	for _, l := range added {
		if l.From.After(newest) {
			newest = l.From
		}
	}
	if s.keep <= 0 || newest.IsZero() {
		return nil
	}
	limit := newest.Add(-s.keep)
	var old [][]byte
	err := bucket.ForEach(func(k, v []byte) error {
		if bytes.Equal(k, longestKey) {
			return nil
		}
		l := decodeLease(k, v)
		if l.From.Add(leaseLength(l)).Before(limit) {
			old = append(old, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range old {
		err = errors.Join(err, bucket.Delete(k))
	}
	return err
}

func leaseLength(l registry.Lease) time.Duration {
	end := l.To
	if end.IsZero() {
		end = l.Known
	}
	return max(end.Sub(l.From), 0)
}

func longestLease(bucket *bbolt.Bucket) time.Duration {
	if v := bucket.Get(longestKey); len(v) == 8 {
		return time.Duration(binary.BigEndian.Uint64(v))
	}
	return 0
}

// LeasesOf implements registry.Leases. A lease without an end is looked for as long back
// as the longest known one reaches before the window.
func (s *Store) LeasesOf(addr netip.Addr, from, to time.Time) ([]registry.Lease, error) {
	var found []registry.Lease
	err := s.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketLeases)
		longest := longestLease(bucket)
		c := bucket.Cursor()
		for bits := addr.BitLen(); bits > 0; bits-- {
			p := netip.PrefixFrom(addr, bits).Masked()
			key := prefixKey(p)
			start := binary.BigEndian.AppendUint32(bytes.Clone(key), seconds(from.Add(-longest)))
			for k, v := c.Seek(start); bytes.HasPrefix(k, key); k, v = c.Next() {
				l := decodeLease(k, v)
				if l.From.After(to) {
					break
				}
				if l.To.IsZero() || !l.To.Before(from) {
					found = append(found, l)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking up leases: %w", err)
	}
	slices.SortFunc(found, registry.CompareLeases)
	return found, nil
}
