package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/abusebox/incident"
)

func newTask(tx *bbolt.Tx, t *incident.Task) error {
	tasks := tx.Bucket(bucketTasks)
	id, err := tasks.NextSequence()
	if err != nil {
		return err
	}
	t.ID = id
	for _, i := range t.Incidents {
		if err := tx.Bucket(bucketTasksOf).Put(append(number(i), number(id)...), nil); err != nil {
			return err
		}
	}
	return putTask(tx, incident.Task{}, *t)
}

// putTask stores t in the place of old and keeps the order of what is due: a leased task is due when its lease ends.
func putTask(tx *bbolt.Tx, old, t incident.Task) error {
	due := tx.Bucket(bucketDue)
	if old.ID != 0 && !old.Over() {
		if err := due.Delete(timed(wakes(old), old.ID)); err != nil {
			return err
		}
	}
	if !t.Over() {
		if err := due.Put(timed(wakes(t), t.ID), nil); err != nil {
			return err
		}
	}
	if err := countQueued(tx, old.ID != 0 && !old.Over(), !t.Over()); err != nil {
		return err
	}
	return put(tx.Bucket(bucketTasks), number(t.ID), t)
}

var queuedKey = []byte("queued")

// countQueued keeps the number of queued tasks, since to count a bucket means to walk it.
func countQueued(tx *bbolt.Tx, before, after bool) error {
	if before == after {
		return nil
	}
	b := tx.Bucket(bucketState)
	n := fromNumber[uint64](b.Get(queuedKey))
	if after {
		return b.Put(queuedKey, number(n+1))
	}
	return b.Put(queuedKey, number(n-1))
}

func wakes(t incident.Task) time.Time {
	if t.Leased.After(t.Due) {
		return t.Leased
	}
	return t.Due
}

func getTask(tx *bbolt.Tx, id uint64) (incident.Task, error) {
	t, ok, err := get[incident.Task](tx.Bucket(bucketTasks), number(id))
	if err == nil && !ok {
		err = fmt.Errorf("task %d: %w", id, abusebox.ErrNotFound)
	}
	return t, err
}

func cancelTask(tx *bbolt.Tx, id uint64, at time.Time, why string) error {
	t, err := getTask(tx, id)
	if err != nil || t.Over() {
		return err
	}
	old := t
	t.State, t.Done, t.Last, t.Leased = incident.Cancelled, at, why, time.Time{}
	return putTask(tx, old, t)
}

// freeLeases ends every lease: whoever held one is gone with its process.
func freeLeases(tx *bbolt.Tx) error {
	var held []uint64
	c := tx.Bucket(bucketDue).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		held = append(held, fromNumber[uint64](k[8:]))
	}
	for _, id := range held {
		t, err := getTask(tx, id)
		if errors.Is(err, abusebox.ErrNotFound) { // the index is damaged: Check tells, and must be able to
			continue
		}
		if err != nil {
			return err
		}
		if t.Leased.IsZero() {
			continue
		}
		old := t
		t.Leased = time.Time{}
		if err := putTask(tx, old, t); err != nil {
			return err
		}
	}
	return nil
}

// maxShared bounds how many incidents share one mail.
const maxShared = 100

// Lease takes tasks that are due. What a cap holds back waits for the next hour, and then shares a mail with what
// waits for the same contact; what is meant for the desk shares a mail at once.
func (s *Store) Lease(ctx context.Context, want abusebox.LeaseRequest) ([]incident.Task, error) {
	var leased []incident.Task
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		l := leasing{tx: tx, want: want, first: map[string]int{}}
		for _, id := range dueTasks(tx, want.Now, 4*want.Limit+maxShared) {
			if len(l.out) >= want.Limit {
				break
			}
			if err := l.take(id); err != nil {
				return err
			}
		}
		leased = l.out
		return l.store()
	})
	return leased, err
}

func dueTasks(tx *bbolt.Tx, now time.Time, limit int) (ids []uint64) {
	c, end := tx.Bucket(bucketDue).Cursor(), stamp(now)
	for k, _ := c.First(); k != nil && bytes.Compare(k[:8], end) <= 0 && len(ids) < limit; k, _ = c.Next() {
		ids = append(ids, fromNumber[uint64](k[8:]))
	}
	return ids
}

// A leasing collects what one call of Lease takes.
type leasing struct {
	tx    *bbolt.Tx
	want  abusebox.LeaseRequest
	olds  []incident.Task
	out   []incident.Task
	first map[string]int // tasks that others may share, by kind and contact
}

func (l *leasing) take(id uint64) error {
	t, err := getTask(l.tx, id)
	if err != nil {
		return err
	}
	group := string(t.Kind) + "|" + t.Contact.Key()
	if at, ok := l.first[group]; ok && l.mayShare(t) && len(l.out[at].Incidents)+len(t.Incidents) <= maxShared {
		return l.share(at, t)
	}
	if t.IsMail() && t.Attempts == 0 {
		wait, err := l.overCap(t)
		if err != nil || wait {
			return err
		}
	}
	if l.mayShare(t) {
		l.first[group] = len(l.out)
	}
	l.olds = append(l.olds, t)
	t.Leased = l.want.Until
	t.Attempts++
	l.out = append(l.out, t)
	return nil
}

func (l *leasing) mayShare(t incident.Task) bool {
	return t.Attempts == 0 && len(t.Incidents) > 0 && (t.Deferred && t.Kind == incident.Notice || t.Kind == incident.ToDesk || t.Kind == incident.Digest)
}

// share lets t go out with the task at index at.
func (l *leasing) share(at int, t incident.Task) error {
	l.out[at].Incidents = append(l.out[at].Incidents, t.Incidents...)
	for _, i := range t.Incidents {
		if err := l.tx.Bucket(bucketTasksOf).Put(append(number(i), number(l.out[at].ID)...), nil); err != nil {
			return err
		}
	}
	return cancelTask(l.tx, t.ID, l.want.Now, fmt.Sprintf("went out with task %d", l.out[at].ID))
}

// overCap counts a mail before it is sent, or puts it off to the next hour.
func (l *leasing) overCap(t incident.Task) (bool, error) {
	hour := l.want.Now.UTC().Format("2006010215")
	all, one := "sent/"+hour, "sent/"+hour+"/"+t.Contact.Key()
	if l.want.PerHour > 0 && count(l.tx, all) >= l.want.PerHour || l.want.PerContact > 0 && count(l.tx, one) >= l.want.PerContact {
		old := t
		t.Deferred, t.Leased = true, time.Time{}
		t.Due = l.want.Now.UTC().Truncate(time.Hour).Add(time.Hour)
		if t.Expires.Before(t.Due.Add(time.Hour)) {
			t.Expires = t.Due.Add(time.Hour) // our own cap must not let it expire
		}
		return true, putTask(l.tx, old, t)
	}
	if err := raise(l.tx, all); err != nil {
		return false, err
	}
	return false, raise(l.tx, one)
}

func (l *leasing) store() error {
	for n := range l.out {
		if err := putTask(l.tx, l.olds[n], l.out[n]); err != nil {
			return err
		}
	}
	return nil
}

// Composed keeps the mail of a task.
func (s *Store) Composed(ctx context.Context, task uint64, messageID string, mail []byte) error {
	packed := s.packer.pack(mail)
	return s.update(ctx, func(tx *bbolt.Tx) error {
		t, err := getTask(tx, task)
		if err != nil {
			return err
		}
		old := t
		t.MessageID, t.Size = messageID, len(mail)
		if err := putTask(tx, old, t); err != nil {
			return err
		}
		return tx.Bucket(bucketComposed).Put(number(task), packed)
	})
}

// Mail returns the composed mail of a task.
func (s *Store) Mail(_ context.Context, task uint64) (mail []byte, err error) {
	err = s.view(func(tx *bbolt.Tx) (err error) {
		kept := tx.Bucket(bucketComposed).Get(number(task))
		if kept == nil {
			return fmt.Errorf("mail of task %d: %w", task, abusebox.ErrNotFound)
		}
		if mail, err = s.packer.unpack(kept); err != nil {
			return fmt.Errorf("mail of task %d: %w", task, err)
		}
		return nil
	})
	return mail, err
}

// Settle ends a lease.
func (s *Store) Settle(ctx context.Context, task uint64, r abusebox.Result) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		t, err := getTask(tx, task)
		if err != nil {
			return err
		}
		if t.Over() {
			return nil // settled before a commit whose outcome was unknown
		}
		old := t
		t.State, t.Last, t.Leased = r.State, r.Last, time.Time{}
		if r.MessageID != "" {
			t.MessageID = r.MessageID
		}
		if r.State == incident.Queued {
			t.Due = r.Due
		} else {
			t.Done = r.At
		}
		if err := putTask(tx, old, t); err != nil {
			return err
		}
		if r.Broken {
			return markBroken(tx, t.Contact.Key(), r)
		}
		return nil
	})
}

func markBroken(tx *bbolt.Tx, key string, r abusebox.Result) error {
	if key == "" {
		return nil
	}
	b := tx.Bucket(bucketContacts)
	state, _, err := get[incident.ContactState](b, []byte(key))
	if err != nil {
		return err
	}
	state.Broken, state.Why, state.Changed = true, r.Last, r.At
	state.Failures++
	if err := recordContact(tx, key, state); err != nil {
		return err
	}
	return put(b, []byte(key), state)
}

// Backlog counts queued tasks and says when the next one is due.
func (s *Store) Backlog(_ context.Context) (n int, next time.Time, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		n = int(fromNumber[uint64](tx.Bucket(bucketState).Get(queuedKey)))
		if k, _ := tx.Bucket(bucketDue).Cursor().First(); k != nil {
			next = fromStamp(k[:8])
		}
		return nil
	})
	return n, next, err
}
