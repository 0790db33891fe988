package history

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"spoor/flowwatch/activity"
)

// Check returns every broken invariant: of the file's pages, of blocks that cannot be read or are
// out of order, of blocks without a span, and of entries of the list.
func (s *Store) Check(ctx context.Context) []error {
	broken := s.db.Check(ctx)
	add := func(format string, args ...any) { broken = append(broken, fmt.Errorf(format, args...)) }
	err := s.db.View(func(tx *bbolt.Tx) error {
		for r, name := range bucketOf {
			err := tx.Bucket(name).ForEachBucket(func(profile []byte) error {
				checkBlocks(tx, r, profile, add)
				return ctx.Err()
			})
			if err != nil {
				return err
			}
		}
		return tx.Bucket(list).ForEach(func(k, v []byte) error {
			if a, err := readAnomaly(k, v); err != nil {
				add("list: %w", err)
			} else if !a.Until.IsZero() && a.Until.Before(a.Since) {
				add("list: %s left before it came", a.Name)
			}
			return nil
		})
	})
	if err != nil {
		broken = append(broken, err)
	}
	return broken
}

func checkBlocks(tx *bbolt.Tx, r Resolution, profile []byte, add func(string, ...any)) {
	meta := tx.Bucket(spans).Bucket([]byte(r)).Bucket(profile)
	c := tx.Bucket(bucketOf[r]).Bucket(profile).Cursor()
	var last hostKey
	var start []byte
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if !bytes.Equal(k[:4], start) {
			start, last = bytes.Clone(k[:4]), hostKey{}
		}
		if meta == nil || meta.Get(start) == nil {
			add("%s %s: a block at %x belongs to no span", r, profile, start)
		}
		rd := reader{b: v}
		var a activity.Activity
		for rd.next(&a) {
			key := keyOf(a.Host)
			if bytes.Compare(key[:], last[:]) <= 0 {
				add("%s %s: %v stands out of order at %x", r, profile, a.Host, start)
			}
			last = key
		}
		if rd.err != nil {
			add("%s %s: block at %x: %w", r, profile, start, rd.err)
		}
	}
}
