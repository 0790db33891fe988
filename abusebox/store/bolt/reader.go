package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// Incident returns one incident.
func (s *Store) Incident(_ context.Context, id incident.ID) (i incident.Incident, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		var ok bool
		if i, ok, err = get[incident.Incident](tx.Bucket(bucketIncidents), number(id)); err == nil && !ok {
			err = fmt.Errorf("incident %s: %w", id, abusebox.ErrNotFound)
		}
		return err
	})
	return i, err
}

// page bounds what is read in one transaction, so that a slow reader never keeps one open.
const page = 256

// Incidents lists newest first.
func (s *Store) Incidents(ctx context.Context, f abusebox.Filter) iter.Seq2[incident.Incident, error] {
	return func(yield func(incident.Incident, error) bool) {
		before, sent := f.Before, 0
		for {
			found, last, err := s.incidentPage(f, before)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(incident.Incident{}, err)
				return
			}
			for _, i := range found {
				if !yield(i, nil) {
					return
				}
				if sent++; f.Limit > 0 && sent >= f.Limit {
					return
				}
			}
			if last == 0 {
				return
			}
			before = last
		}
	}
}

// incidentPage reads up to a page of records below before, and returns where the next page begins, 0 at the end.
func (s *Store) incidentPage(f abusebox.Filter, before incident.ID) (found []incident.Incident, last incident.ID, err error) {
	if f.Net.IsValid() && f.Net.IsSingleIP() {
		found, err = s.byAddr(f, before)
		return found, 0, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketIncidents).Cursor()
		k, v := c.Last()
		if before != 0 {
			if k, _ = c.Seek(number(before)); k == nil {
				k, v = c.Last()
			} else {
				k, v = c.Prev()
			}
		}
		for n := 0; k != nil; k, v = c.Prev() {
			if n++; n > page {
				return nil
			}
			last = fromNumber[incident.ID](k)
			var i incident.Incident
			if err := json.Unmarshal(v, &i); err != nil {
				return fmt.Errorf("incident %s: %w", last, err)
			}
			if f.Matches(i) {
				found = append(found, i)
			}
		}
		last = 0
		return nil
	})
	return found, last, err
}

func (s *Store) byAddr(f abusebox.Filter, before incident.ID) (found []incident.Incident, err error) {
	as16 := f.Net.Addr().As16()
	err = s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketByAddr).Cursor()
		for k := seekLast(c, as16[:]); k != nil && bytes.HasPrefix(k, as16[:]); k, _ = c.Prev() {
			id := fromNumber[incident.ID](k[16:])
			if before != 0 && id >= before {
				continue
			}
			i, ok, err := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
			if err != nil {
				return err
			}
			if ok && f.Matches(i) {
				found = append(found, i)
			}
			if f.Limit > 0 && len(found) >= f.Limit {
				return nil
			}
		}
		return nil
	})
	return found, err
}

// Evidence lists everything kept about one incident.
func (s *Store) Evidence(ctx context.Context, id incident.ID) iter.Seq2[incident.Evidence, error] {
	return pages[incident.Evidence](ctx, s, bucketEvidence, number(id), nil)
}

// Mails lists what is remembered of mails.
func (s *Store) Mails(ctx context.Context, from intake.ID) iter.Seq2[abusebox.MailRecord, error] {
	return pages[abusebox.MailRecord](ctx, s, bucketMails, nil, number(from))
}

// pages yields the records whose keys have the prefix, from the key start on.
func pages[T any](ctx context.Context, s *Store, bucket, prefix, start []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		next := start
		if next == nil {
			next = prefix
		}
		for next != nil {
			var found []T
			err := s.view(func(tx *bbolt.Tx) error {
				c, from := tx.Bucket(bucket).Cursor(), next
				next = nil
				for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
					if len(found) == page {
						next = bytes.Clone(k)
						return nil
					}
					var one T
					if err := json.Unmarshal(v, &one); err != nil {
						return fmt.Errorf("%s %x: %w", bucket, k, err)
					}
					found = append(found, one)
				}
				return nil
			})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, one := range found {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

// History lists the entries of one incident, or all.
func (s *Store) History(ctx context.Context, id incident.ID) iter.Seq2[incident.Sealed, error] {
	if id == 0 {
		return pages[incident.Sealed](ctx, s, bucketHistory, nil, number(uint64(0)))
	}
	return indexed[incident.Sealed](ctx, s, bucketHistoryOf, bucketHistory, number(id))
}

// Tasks lists the tasks about one incident, or all.
func (s *Store) Tasks(ctx context.Context, id incident.ID) iter.Seq2[incident.Task, error] {
	if id == 0 {
		return pages[incident.Task](ctx, s, bucketTasks, nil, number(uint64(0)))
	}
	return indexed[incident.Task](ctx, s, bucketTasksOf, bucketTasks, number(id))
}

// maxIndexed bounds what is listed about one incident.
const maxIndexed = 10_000

// indexed yields the records of a bucket that an index names below a prefix.
func indexed[T any](ctx context.Context, s *Store, index, bucket, prefix []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var found []T
		err := s.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket(index).Cursor()
			for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(found) < maxIndexed; k, _ = c.Next() {
				one, ok, err := get[T](tx.Bucket(bucket), k[len(prefix):])
				if err != nil {
					return err
				}
				if ok {
					found = append(found, one)
				}
			}
			return ctx.Err()
		})
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, one := range found {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// Task returns one task.
func (s *Store) Task(_ context.Context, id uint64) (t incident.Task, err error) {
	err = s.view(func(tx *bbolt.Tx) error { t, err = getTask(tx, id); return err })
	return t, err
}

// Contact returns what is known of a contact.
func (s *Store) Contact(_ context.Context, key string) (state incident.ContactState, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		if key == "" {
			return nil
		}
		state, _, err = get[incident.ContactState](tx.Bucket(bucketContacts), []byte(key))
		return err
	})
	return state, err
}
