package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/abusebox/incident"
)

// Check reports every broken invariant: of the file, of the indexes, and of the history's chain.
func (s *Store) Check(ctx context.Context, bad func(where, problem, mend string)) error {
	s.mu.RLock()
	db := s.db
	s.mu.RUnlock()
	if db == nil {
		return abusebox.ErrUncertain
	}
	for _, err := range db.Check(ctx) {
		bad("mail.db", err.Error(), "restore a backup")
	}
	return s.view(func(tx *bbolt.Tx) error {
		checkHistory(tx, bad)
		checkIncidents(tx, bad)
		checkTasks(tx, bad)
		checkLeads(tx, bad)
		checkHangers(tx, bad)
		s.checkComposed(tx, bad)
		return ctx.Err()
	})
}

// remake is how an index is mended, which holds nothing that its records do not.
const remake = "stop the daemon and run: spoor check --repair"

func checkHistory(tx *bbolt.Tx, bad func(where, problem, mend string)) {
	var prev *incident.Sealed
	_ = tx.Bucket(bucketHistory).ForEach(func(k, v []byte) error {
		var entry incident.Sealed
		err := json.Unmarshal(v, &entry)
		if err == nil {
			err = entry.Follows(prev)
		}
		where := fmt.Sprintf("history entry %d", fromNumber[uint64](k))
		if err != nil {
			bad(where, err.Error(), "somebody changed the file: compare with a backup")
		}
		if e, ok := entry.Entry(); ok && !has(tx, bucketHistoryOf, append(number(e.Incident), k...)) {
			bad(where, "it is not found by its incident "+e.Incident.String(), remake)
		}
		prev = &entry
		return nil
	})
}

func checkIncidents(tx *bbolt.Tx, bad func(where, problem, mend string)) {
	_ = tx.Bucket(bucketIncidents).ForEach(func(k, v []byte) error {
		var i incident.Incident
		if err := json.Unmarshal(v, &i); err != nil {
			bad(fmt.Sprintf("incident %d", fromNumber[uint64](k)), err.Error(), "restore a backup")
			return nil
		}
		for _, key := range keysOf(i) {
			if !has(tx, bucketByKey, append(keyHash(key), k...)) {
				bad("incident "+i.ID.String(), "it is not found by its key", remake)
			}
		}
		if key := addrKey(i); key != nil && !has(tx, bucketByAddr, key) {
			bad("incident "+i.ID.String(), "it is not found by its address", remake)
		}
		if key := nextKey(i); key != nil && !has(tx, bucketNext, key) {
			bad("incident "+i.ID.String(), "nobody will look at it again by itself", remake)
		}
		return nil
	})
}

func checkTasks(tx *bbolt.Tx, bad func(where, problem, mend string)) {
	queued := uint64(0)
	defer func() {
		if n := fromNumber[uint64](tx.Bucket(bucketState).Get(queuedKey)); n != queued {
			bad("outbox", fmt.Sprintf("%d tasks are queued, and %d are counted", queued, n), remake)
		}
	}()
	_ = tx.Bucket(bucketTasks).ForEach(func(k, v []byte) error {
		var t incident.Task
		if err := json.Unmarshal(v, &t); err != nil {
			bad(fmt.Sprintf("task %d", fromNumber[uint64](k)), err.Error(), "restore a backup")
			return nil
		}
		if !t.Over() {
			queued++
		}
		if !t.Over() && !has(tx, bucketDue, timed(wakes(t), t.ID)) {
			bad(fmt.Sprintf("task %d", t.ID), "it is queued, but nobody will do it", remake)
		}
		for _, id := range t.Incidents {
			if tx.Bucket(bucketIncidents).Get(number(id)) == nil {
				bad(fmt.Sprintf("task %d", t.ID), "its incident "+id.String()+" is gone", "restore a backup")
			}
			if !has(tx, bucketTasksOf, append(number(id), k...)) {
				bad(fmt.Sprintf("task %d", t.ID), "it is not found by its incident "+id.String(), remake)
			}
		}
		return nil
	})
}

// pruneBatch bounds what one transaction of a purge removes, so that decisions never wait long for it.
const pruneBatch = 500

// A visitor says what becomes of a record: nil erases it, changed data replaces it, the same data leaves it.
type visitor func(tx *bbolt.Tx, k, v []byte) ([]byte, error)

// sweep walks a bucket in batches and counts what changes. Each batch is looked at first: most hold nothing to
// change, and then need no commit.
func (s *Store) sweep(ctx context.Context, bucket []byte, dry bool, visit visitor) (n int, err error) {
	for next := []byte{}; next != nil; {
		var b batch
		look := func(tx *bbolt.Tx) (err error) {
			b, err = visitBatch(tx.Bucket(bucket), tx, next, visit)
			return err
		}
		if err = s.view(look); err == nil && len(b.edits) > 0 && !dry {
			err = s.update(ctx, func(tx *bbolt.Tx) error {
				if err := look(tx); err != nil { // again: it may have changed since
					return err
				}
				return b.apply(tx.Bucket(bucket))
			})
		}
		if err != nil {
			return n, err
		}
		n += len(b.edits)
		next = b.next
		if err := ctx.Err(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// An edit is what becomes of one record; nil data erases it.
type edit struct{ key, data []byte }

// A batch is what a stretch of a bucket needs.
type batch struct {
	edits []edit
	next  []byte // where the next batch begins; nil at the end
}

func visitBatch(b *bbolt.Bucket, tx *bbolt.Tx, from []byte, visit visitor) (batch, error) {
	var out batch
	if b == nil { // made with its first record
		return out, nil
	}
	seen := 0
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if seen++; seen > 4*pruneBatch || len(out.edits) >= pruneBatch {
			out.next = bytes.Clone(k)
			break
		}
		changed, err := visit(tx, k, v)
		if err != nil {
			return out, err
		}
		if changed == nil || !bytes.Equal(changed, v) {
			out.edits = append(out.edits, edit{bytes.Clone(k), bytes.Clone(changed)})
		}
	}
	return out, nil
}

func (b batch) apply(bucket *bbolt.Bucket) error {
	for _, e := range b.edits {
		var err error
		if e.data == nil {
			err = bucket.Delete(e.key)
		} else {
			err = bucket.Put(e.key, e.data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
