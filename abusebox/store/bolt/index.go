package bolt

import (
	"bytes"
	"crypto/sha256"

	"go.etcd.io/bbolt"

	"spoor/abusebox/incident"
)

// keyHash is a key in 16 bytes: subjects come from outside and may be long.
func keyHash(k incident.Key) []byte {
	sum := sha256.Sum256([]byte(k.String()))
	return sum[:16]
}

func addrKey(i incident.Incident) []byte {
	if !i.Key.Net.IsValid() {
		return nil
	}
	as16 := i.Key.Net.Addr().As16()
	return append(as16[:], number(i.ID)...)
}

// index enters an incident where it is looked up by key, address and time.
func index(tx *bbolt.Tx, i incident.Incident) error {
	for _, key := range keysOf(i) {
		if err := tx.Bucket(bucketByKey).Put(append(keyHash(key), number(i.ID)...), nil); err != nil {
			return err
		}
	}
	if key := addrKey(i); key != nil {
		if err := tx.Bucket(bucketByAddr).Put(key, nil); err != nil {
			return err
		}
	}
	if due := nextKey(i); due != nil {
		return tx.Bucket(bucketNext).Put(due, nil)
	}
	return nil
}

// keysOf are the keys that lead to an incident: its own, and the one it had before a person named its holder.
func keysOf(i incident.Incident) []incident.Key {
	if i.Was == (incident.Key{}) {
		return []incident.Key{i.Key}
	}
	return []incident.Key{i.Key, i.Was}
}

// nextKey is where an incident waits for its time; nil if it waits for none.
func nextKey(i incident.Incident) []byte {
	if i.Next.IsZero() || i.State.Closed() {
		return nil
	}
	return timed(i.Next, i.ID)
}

// reindex moves an incident from what its old version is found under; most times nothing of that changed.
func reindex(tx *bbolt.Tx, old, i incident.Incident) error {
	if old.Key == i.Key && old.Was == i.Was && bytes.Equal(nextKey(old), nextKey(i)) {
		return nil
	}
	if err := unindex(tx, old); err != nil {
		return err
	}
	return index(tx, i)
}

// unindex takes out what an incident is found under.
func unindex(tx *bbolt.Tx, old incident.Incident) error {
	for _, key := range keysOf(old) {
		if err := tx.Bucket(bucketByKey).Delete(append(keyHash(key), number(old.ID)...)); err != nil {
			return err
		}
	}
	if key := addrKey(old); key != nil {
		if err := tx.Bucket(bucketByAddr).Delete(key); err != nil {
			return err
		}
	}
	if due := nextKey(old); due != nil {
		return tx.Bucket(bucketNext).Delete(due)
	}
	return nil
}

// stored returns an incident as it is stored: the version that was read in this transaction, or else from the bucket.
func stored(tx *bbolt.Tx, read []incident.Incident, id incident.ID) (incident.Incident, error) {
	for _, i := range read {
		if i.ID == id {
			return i, nil
		}
	}
	i, _, err := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
	return i, err
}
