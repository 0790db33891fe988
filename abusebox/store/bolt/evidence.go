package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"spoor/abusebox/incident"
)

// maxEvidence bounds the evidence kept about one incident; what is over is only counted. Half of it is kept whole.
const maxEvidence = 4000

func addEvidence(tx *bbolt.Tx, id incident.ID, e incident.Evidence) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return putEvidence(tx, id, data)
}

func putEvidence(tx *bbolt.Tx, id incident.ID, data []byte) error {
	b := tx.Bucket(bucketEvidence)
	next := uint64(1)
	if k := seekLast(b.Cursor(), number(id)); bytes.HasPrefix(k, number(id)) {
		next = fromNumber[uint64](k[8:]) + 1
	}
	if next > maxEvidence {
		return nil
	}
	return b.Put(append(number(id), number(next)...), data)
}

// takeEvidence moves the evidence of a merged incident.
func takeEvidence(tx *bbolt.Tx, into, from incident.ID) error {
	b, prefix := tx.Bucket(bucketEvidence), number(from)
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := putEvidence(tx, into, bytes.Clone(b.Get(k))); err != nil {
			return err
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func seal(tx *bbolt.Tx, e incident.Entry) error {
	b := tx.Bucket(bucketHistory)
	var prev *incident.Sealed
	if k, v := b.Cursor().Last(); k != nil {
		prev = new(incident.Sealed)
		if err := json.Unmarshal(v, prev); err != nil {
			return fmt.Errorf("history %x: %w", k, err)
		}
	}
	sealed, err := incident.Seal(prev, e, newSalt(incident.SaltSize))
	if err != nil {
		return err
	}
	if err := put(b, number(sealed.Seq), sealed); err != nil {
		return err
	}
	return tx.Bucket(bucketHistoryOf).Put(append(number(e.Incident), number(sealed.Seq)...), nil)
}
