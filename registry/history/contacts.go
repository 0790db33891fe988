package history

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"spoor/registry"
)

// storedContact is one record of one origin.
type storedContact struct {
	Origin  string
	Contact registry.Contact
}

func contactKey(origin string, c registry.Contact) []byte {
	key := []byte(origin + "\x00" + c.Key.String() + "\x00")
	return binary.BigEndian.AppendUint64(key, uint64(max(c.Since.Unix(), 0)))
}

func loadContacts(tx *bbolt.Tx) ([]storedContact, error) {
	var all []storedContact
	err := tx.Bucket(bucketContacts).ForEach(func(k, v []byte) error {
		var c storedContact
		if err := json.Unmarshal(v, &c); err != nil {
			return fmt.Errorf("contact %q: %w", k, err)
		}
		all = append(all, c)
		return nil
	})
	return all, err
}

// RecordContacts implements registry.Store. Of a record whose holder changed both are
// kept, each for its time; a record whose holder stayed is replaced, so that notices
// about the past go to the addresses of today; one that is gone ends now. A record under
// a new key holds from ever, unless it says since when.
func (s *Store) RecordContacts(ctx context.Context, origin string, contacts []registry.Contact, now time.Time) error {
	if strings.Contains(origin, "\x00") {
		return fmt.Errorf("recording contacts: origin %q", origin)
	}
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error {
		stored, err := loadContacts(tx)
		if err != nil {
			return err
		}
		bucket := tx.Bucket(bucketContacts)
		current := map[registry.Key]registry.Contact{}
		for _, c := range stored {
			if c.Origin == origin && c.Contact.Until.IsZero() {
				current[c.Contact.Key] = c.Contact
			}
		}
		return mergeContacts(bucket, origin, current, contacts, now.UTC().Truncate(time.Second))
	})
	if err != nil {
		return fmt.Errorf("recording contacts: %w", err)
	}
	return nil
}

func mergeContacts(bucket *bbolt.Bucket, origin string, current map[registry.Key]registry.Contact, given []registry.Contact, now time.Time) error {
	end := func(c registry.Contact) error {
		c.Until = now
		return putContact(bucket, origin, c)
	}
	for _, c := range given {
		before, had := current[c.Key]
		delete(current, c.Key)
		switch {
		case had && c.Since.IsZero() && before.ID() != c.ID():
			if err := end(before); err != nil {
				return err
			}
			c.Since = now
		case had && c.Since.IsZero():
			c.Since = before.Since
		case had && !c.Since.Equal(before.Since):
			if err := bucket.Delete(contactKey(origin, before)); err != nil {
				return err
			}
		}
		if had && registry.EqualContacts(before, c) && before.Source == c.Source && before.Since.Equal(c.Since) && c.Until.IsZero() {
			continue
		}
		if err := putContact(bucket, origin, c); err != nil {
			return err
		}
	}
	for _, c := range current {
		if err := end(c); err != nil {
			return err
		}
	}
	return nil
}

func putContact(bucket *bbolt.Bucket, origin string, c registry.Contact) error {
	value, err := json.Marshal(storedContact{origin, c})
	if err != nil {
		return err
	}
	return bucket.Put(contactKey(origin, c), value)
}
