package bolt

import (
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
	if err := tx.Bucket(bucketByKey).Put(append(keyHash(i.Key), number(i.ID)...), nil); err != nil {
		return err
	}
	if key := addrKey(i); key != nil {
		if err := tx.Bucket(bucketByAddr).Put(key, nil); err != nil {
			return err
		}
	}
	if i.Next.IsZero() || i.State.Closed() {
		return nil
	}
	return tx.Bucket(bucketNext).Put(timed(i.Next, i.ID), nil)
}

// unindex takes out what the stored version of an incident is found under.
func unindex(tx *bbolt.Tx, id incident.ID) error {
	old, ok, err := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
	if err != nil || !ok {
		return err
	}
	if err := tx.Bucket(bucketByKey).Delete(append(keyHash(old.Key), number(id)...)); err != nil {
		return err
	}
	if key := addrKey(old); key != nil {
		if err := tx.Bucket(bucketByAddr).Delete(key); err != nil {
			return err
		}
	}
	if old.Next.IsZero() {
		return nil
	}
	return tx.Bucket(bucketNext).Delete(timed(old.Next, id))
}
