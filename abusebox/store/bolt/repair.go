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

// has says whether an index has a key; its values are empty.
func has(tx *bbolt.Tx, bucket, key []byte) bool {
	found, _ := tx.Bucket(bucket).Cursor().Seek(key)
	return bytes.Equal(found, key)
}

// checkLeads follows each entry of an index to what it leads to.
func checkLeads(tx *bbolt.Tx, bad func(where, problem, mend string)) {
	for _, x := range []struct {
		name   string
		bucket []byte
		id     int // where the ID stands in a key
		keys   func(id []byte) [][]byte
	}{
		{"keys", bucketByKey, 16, func(id []byte) (keys [][]byte) {
			i, ok := incidentOf(tx, id)
			if !ok {
				return nil
			}
			for _, key := range keysOf(i) {
				keys = append(keys, append(keyHash(key), id...))
			}
			return keys
		}},
		{"addresses", bucketByAddr, 16, func(id []byte) [][]byte { i, _ := incidentOf(tx, id); return [][]byte{addrKey(i)} }},
		{"what is looked at again", bucketNext, 8, func(id []byte) [][]byte { i, _ := incidentOf(tx, id); return [][]byte{nextKey(i)} }},
		{"what is due", bucketDue, 8, func(id []byte) [][]byte {
			t, ok, err := get[incident.Task](tx.Bucket(bucketTasks), id)
			if !ok || err != nil || t.Over() {
				return nil
			}
			return [][]byte{timed(wakes(t), t.ID)}
		}},
	} {
		_ = tx.Bucket(x.bucket).ForEach(func(k, _ []byte) error {
			for _, key := range x.keys(k[min(x.id, len(k)):]) {
				if bytes.Equal(key, k) {
					return nil
				}
			}
			bad("index of "+x.name, fmt.Sprintf("an entry %x leads nowhere", k), remake)
			return nil
		})
	}
}

func incidentOf(tx *bbolt.Tx, id []byte) (incident.Incident, bool) {
	i, ok, err := get[incident.Incident](tx.Bucket(bucketIncidents), id)
	return i, ok && err == nil
}

// checkHangers looks at what hangs on other records: evidence on incidents, fingerprints on the mails that they know.
func checkHangers(tx *bbolt.Tx, bad func(where, problem, mend string)) {
	_ = tx.Bucket(bucketMails).ForEach(func(k, v []byte) error {
		var r abusebox.MailRecord
		if err := json.Unmarshal(v, &r); err != nil || !bytes.Equal(number(r.Mail), k) {
			bad(fmt.Sprintf("record of mail %x", k), fmt.Sprintf("it cannot be read (%v), or is another mail's", err), "restore a backup")
		}
		return nil
	})
	_ = tx.Bucket(bucketEvidence).ForEach(func(k, v []byte) error {
		where := fmt.Sprintf("evidence %d of incident %s", fromNumber[uint64](k[min(8, len(k)):]), fromNumber[incident.ID](k))
		var e incident.Evidence
		if err := json.Unmarshal(v, &e); err != nil {
			bad(where, err.Error(), "restore a backup")
		}
		if len(k) != 16 || tx.Bucket(bucketIncidents).Get(k[:8]) == nil {
			bad(where, "its incident is gone", "restore a backup")
		}
		return nil
	})
	_ = tx.Bucket(bucketRepeats).ForEach(func(k, v []byte) error {
		if len(v) != 16 || !has(tx, bucketRepeatAge, append(bytes.Clone(v[8:]), k...)) {
			bad("fingerprint "+string(k), "it is never forgotten, or says no mail", remake)
		}
		return nil
	})
}

// checkComposed unpacks every composed mail: its checksum tells one that was damaged.
func (s *Store) checkComposed(tx *bbolt.Tx, bad func(where, problem, mend string)) {
	_ = tx.Bucket(bucketComposed).ForEach(func(k, v []byte) error {
		if _, err := s.packer.unpack(v); err != nil {
			bad(fmt.Sprintf("mail of task %d", fromNumber[uint64](k)), err.Error(), "restore a backup")
		}
		return nil
	})
}

// Repair makes the indexes anew of the records, in one commit. What is lost with a record itself stays lost.
func (s *Store) Repair(ctx context.Context) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketByKey, bucketByAddr, bucketNext, bucketTasksOf, bucketDue, bucketRepeatAge} {
			if err := tx.DeleteBucket(name); err != nil {
				return fmt.Errorf("repair index %s: %w", name, err)
			}
			if _, err := tx.CreateBucket(name); err != nil {
				return fmt.Errorf("repair index %s: %w", name, err)
			}
		}
		for _, step := range []func(*bbolt.Tx) error{repairIncidents, repairTasks, repairHistory, repairRepeats} {
			if err := step(tx); err != nil {
				return fmt.Errorf("repair: %w", err)
			}
		}
		return nil
	})
}

func repairIncidents(tx *bbolt.Tx) error {
	return tx.Bucket(bucketIncidents).ForEach(func(k, _ []byte) error {
		if i, ok := incidentOf(tx, k); ok {
			return index(tx, i)
		}
		return nil
	})
}

func repairTasks(tx *bbolt.Tx) error {
	queued := uint64(0)
	err := tx.Bucket(bucketTasks).ForEach(func(k, v []byte) error {
		var t incident.Task
		if json.Unmarshal(v, &t) != nil {
			return nil
		}
		for _, i := range t.Incidents {
			if err := tx.Bucket(bucketTasksOf).Put(append(number(i), k...), nil); err != nil {
				return err
			}
		}
		if t.Over() {
			return nil
		}
		queued++
		return tx.Bucket(bucketDue).Put(timed(wakes(t), t.ID), nil)
	})
	if err != nil {
		return err
	}
	return tx.Bucket(bucketState).Put(queuedKey, number(queued))
}

// repairHistory adds what is missing, and leaves what is there: of an entry that was erased nobody can tell any more whose it is.
func repairHistory(tx *bbolt.Tx) error {
	return tx.Bucket(bucketHistory).ForEach(func(k, v []byte) error {
		var sealed incident.Sealed
		if json.Unmarshal(v, &sealed) != nil {
			return nil
		}
		e, ok := sealed.Entry()
		if !ok {
			return nil
		}
		return tx.Bucket(bucketHistoryOf).Put(append(number(e.Incident), k...), nil)
	})
}

// repairRepeats drops a fingerprint that says no mail: its mail may be decided a second time, if it comes again.
func repairRepeats(tx *bbolt.Tx) error {
	var broken [][]byte
	repeats := tx.Bucket(bucketRepeats)
	err := repeats.ForEach(func(k, v []byte) error {
		if len(v) != 16 {
			broken = append(broken, bytes.Clone(k))
			return nil
		}
		return tx.Bucket(bucketRepeatAge).Put(append(bytes.Clone(v[8:]), k...), nil)
	})
	for _, k := range broken {
		if err := repeats.Delete(k); err != nil {
			return err
		}
	}
	return err
}
