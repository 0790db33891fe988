package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

var cursorKey = []byte("cursor")

// Cursor is the first mail that may not be done.
func (s *Store) Cursor(_ context.Context) (id intake.ID, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		id = fromNumber[intake.ID](tx.Bucket(bucketState).Get(cursorKey))
		return nil
	})
	return id, err
}

// Begin counts the first attempt at each of the mails that are not done.
func (s *Store) Begin(ctx context.Context, mails []intake.ID, low intake.ID) ([]abusebox.Attempt, error) {
	var attempts []abusebox.Attempt
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		attempts = make([]abusebox.Attempt, 0, len(mails))
		for _, id := range mails {
			a, err := attempt(tx, id, 0)
			if err != nil {
				return err
			}
			attempts = append(attempts, a)
		}
		return raiseCursor(tx, low)
	})
	return attempts, err
}

// Again counts the attempt after the given one.
func (s *Store) Again(ctx context.Context, mail intake.ID, after int) (a abusebox.Attempt, err error) {
	err = s.update(ctx, func(tx *bbolt.Tx) (err error) {
		a, err = attempt(tx, mail, after)
		return err
	})
	return a, err
}

// attempt counts the attempt after the given one, unless a commit of unknown outcome counted it already.
func attempt(tx *bbolt.Tx, id intake.ID, after int) (abusebox.Attempt, error) {
	b := tx.Bucket(bucketMails)
	r, _, err := get[abusebox.MailRecord](b, number(id))
	a := abusebox.Attempt{Mail: id, Number: r.Attempts, Before: r.Attempts > 0, Done: r.Done()}
	if err != nil || a.Done || r.Attempts > after {
		return a, err
	}
	r.Mail = id
	r.Attempts++
	a.Number = r.Attempts
	return a, put(b, number(id), r)
}

func raiseCursor(tx *bbolt.Tx, low intake.ID) error {
	b := tx.Bucket(bucketState)
	if low <= fromNumber[intake.ID](b.Get(cursorKey)) {
		return nil
	}
	return b.Put(cursorKey, number(low))
}

// Decide marks the mail done and writes what decide says.
func (s *Store) Decide(ctx context.Context, ask abusebox.Ask, decide func(incident.Known) (incident.Decision, error)) (incident.Decision, error) {
	var d incident.Decision
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		record, _, err := get[abusebox.MailRecord](tx.Bucket(bucketMails), number(ask.Mail))
		if err != nil {
			return err
		}
		if ask.Mail != 0 && record.Done() {
			return abusebox.ErrMailDone
		}
		known, err := know(tx, ask)
		if err != nil {
			return err
		}
		if d, err = decide(known); err != nil {
			return err
		}
		at := ask.Record.Decided
		if err := write(tx, &d, known.Incidents, at); err != nil || ask.Mail == 0 {
			return err
		}
		if known.Repeat == "" {
			if err := remember(tx, ask, at); err != nil {
				return err
			}
		} else if err := countRepeat(tx, ask.Fingerprint); err != nil {
			return err
		}
		return putMail(tx, ask, record.Attempts, d)
	})
	return d, err
}

func putMail(tx *bbolt.Tx, ask abusebox.Ask, attempts int, d incident.Decision) error {
	r := ask.Record
	r.Mail, r.Attempts, r.Outcome = ask.Mail, attempts, d.Outcome
	if d.Why != "" {
		r.Why = d.Why
	}
	for _, c := range d.Changes {
		if len(c.Evidence) > 0 && !slices.Contains(r.Incidents, c.Incident.ID) {
			r.Incidents = append(r.Incidents, c.Incident.ID)
		}
	}
	return put(tx.Bucket(bucketMails), number(ask.Mail), r)
}

// maxPerKey bounds how many incidents of one key are looked at: the latest.
const maxPerKey = 16

func know(tx *bbolt.Tx, ask abusebox.Ask) (incident.Known, error) {
	known := incident.Known{Counts: map[string]int{}, Contacts: map[string]incident.ContactState{}}
	seen := map[incident.ID]bool{}
	for _, key := range ask.Keys {
		if err := loadKey(tx, key, seen, &known.Incidents); err != nil {
			return known, err
		}
	}
	for _, name := range ask.Counters {
		known.Counts[name] = count(tx, name)
	}
	for _, key := range ask.Contacts {
		state, ok, err := get[incident.ContactState](tx.Bucket(bucketContacts), []byte(key))
		if err != nil {
			return known, err
		}
		if ok {
			known.Contacts[key] = state
		}
	}
	known.Repeat = repeatOf(tx, ask)
	return known, nil
}

func loadKey(tx *bbolt.Tx, key incident.Key, seen map[incident.ID]bool, into *[]incident.Incident) error {
	prefix := keyHash(key)
	cursor := tx.Bucket(bucketByKey).Cursor()
	n := 0
	for k := seekLast(cursor, prefix); k != nil && bytes.HasPrefix(k, prefix) && n < maxPerKey; k, _ = cursor.Prev() {
		n++
		if err := load(tx, fromNumber[incident.ID](k[len(prefix):]), seen, into); err != nil {
			return err
		}
	}
	return nil
}

// load adds an incident, and the one it was merged into.
func load(tx *bbolt.Tx, id incident.ID, seen map[incident.ID]bool, into *[]incident.Incident) error {
	for id != 0 && !seen[id] {
		seen[id] = true
		i, ok, err := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
		if err != nil || !ok {
			return err
		}
		*into = append(*into, i)
		id = i.Into
	}
	return nil
}

// seekLast puts the cursor on the last key that begins with prefix, or before it.
func seekLast(c *bbolt.Cursor, prefix []byte) []byte {
	end := slices.Concat(prefix, bytes.Repeat([]byte{0xff}, 9))
	if k, _ := c.Seek(end); k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ := c.Prev()
	return k
}

// repeatOf returns the earlier mail with the same fingerprint, if it came within the window.
func repeatOf(tx *bbolt.Tx, ask abusebox.Ask) string {
	value := tx.Bucket(bucketRepeats).Get([]byte(ask.Fingerprint))
	if ask.Fingerprint == "" || len(value) != 16 {
		return ""
	}
	earlier := fromNumber[intake.ID](value)
	if earlier == ask.Mail || ask.Record.Decided.Sub(fromStamp(value[8:])) > abusebox.RepeatWindow {
		return ""
	}
	return earlier.String()
}

// maxForgotten bounds how many old fingerprints one decision removes.
const maxForgotten = 4

func remember(tx *bbolt.Tx, ask abusebox.Ask, at time.Time) error {
	if ask.Fingerprint == "" {
		return nil
	}
	value := append(number(ask.Mail), stamp(at)...)
	if err := tx.Bucket(bucketRepeats).Put([]byte(ask.Fingerprint), value); err != nil {
		return err
	}
	ages := tx.Bucket(bucketRepeatAge)
	if err := ages.Put(append(stamp(at), ask.Fingerprint...), nil); err != nil {
		return err
	}
	old := stamp(at.Add(-abusebox.RepeatWindow))
	var gone [][]byte
	c := ages.Cursor()
	for k, _ := c.First(); k != nil && bytes.Compare(k[:8], old) < 0 && len(gone) < maxForgotten; k, _ = c.Next() {
		gone = append(gone, bytes.Clone(k))
	}
	for _, k := range gone {
		if err := forget(tx, k); err != nil {
			return err
		}
	}
	return nil
}

func forget(tx *bbolt.Tx, age []byte) error {
	repeats := tx.Bucket(bucketRepeats)
	if v := repeats.Get(age[8:]); len(v) == 16 && bytes.Equal(v[8:], age[:8]) { // not renewed since
		if err := repeats.Delete(age[8:]); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketRepeatAge).Delete(age)
}

// countRepeat notes with the first mail that it came again.
func countRepeat(tx *bbolt.Tx, fingerprint string) error {
	first := tx.Bucket(bucketRepeats).Get([]byte(fingerprint))
	r, ok, err := get[abusebox.MailRecord](tx.Bucket(bucketMails), first[:8])
	if err != nil || !ok {
		return err
	}
	r.Repeats++
	return put(tx.Bucket(bucketMails), number(r.Mail), r)
}

// Change decides about incidents by their IDs.
func (s *Store) Change(ctx context.Context, ids []incident.ID, decide func([]incident.Incident, incident.Known) (incident.Decision, error)) (incident.Decision, error) {
	var d incident.Decision
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		incidents := make([]incident.Incident, 0, len(ids))
		known := incident.Known{Contacts: map[string]incident.ContactState{}}
		for _, id := range ids {
			i, ok, err := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("incident %s: %w", id, abusebox.ErrNotFound)
			}
			incidents = append(incidents, i)
			key := i.Holder.Contact.Key()
			if state, ok, err := get[incident.ContactState](tx.Bucket(bucketContacts), []byte(key)); key != "" && err != nil {
				return err
			} else if key != "" && ok {
				known.Contacts[key] = state
			}
		}
		var err error
		if d, err = decide(incidents, known); err != nil {
			return err
		}
		return write(tx, &d, incidents, time.Time{})
	})
	return d, err
}

// Due lists incidents whose Next time has come.
func (s *Store) Due(_ context.Context, now time.Time, limit int) (ids []incident.ID, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		c, end := tx.Bucket(bucketNext).Cursor(), stamp(now)
		for k, _ := c.First(); k != nil && bytes.Compare(k[:8], end) <= 0 && len(ids) < limit; k, _ = c.Next() {
			ids = append(ids, fromNumber[incident.ID](k[8:]))
		}
		return nil
	})
	return ids, err
}

func count(tx *bbolt.Tx, name string) int {
	n, _ := strconv.Atoi(string(tx.Bucket(bucketCounts).Get([]byte(name))))
	return n
}

func raise(tx *bbolt.Tx, name string) error {
	return tx.Bucket(bucketCounts).Put([]byte(name), strconv.AppendInt(nil, int64(count(tx, name)+1), 10))
}

// write puts everything a decision says into the buckets and fills in its IDs.
func write(tx *bbolt.Tx, d *incident.Decision, read []incident.Incident, at time.Time) error {
	d.Changes = slices.Clone(d.Changes)
	for n := range d.Changes {
		if err := recordChange(tx, d.Changes[n], read); err != nil {
			return err
		}
		if err := writeChange(tx, &d.Changes[n], read); err != nil {
			return err
		}
	}
	for _, e := range d.Entries {
		if err := seal(tx, e); err != nil {
			return err
		}
	}
	d.Tasks = slices.Clone(d.Tasks)
	for n := range d.Tasks {
		t := &d.Tasks[n]
		for _, of := range t.Of {
			t.Incidents = append(slices.Clip(t.Incidents), d.Changes[of].Incident.ID)
		}
		t.Of = nil
		if err := newTask(tx, t); err != nil {
			return err
		}
	}
	for _, id := range d.Cancel {
		if err := cancelTask(tx, id, at, "no longer wanted"); err != nil {
			return err
		}
	}
	for _, name := range d.Counts {
		if err := raise(tx, name); err != nil {
			return err
		}
	}
	for key, state := range d.Contacts {
		if err := recordContact(tx, key, state); err != nil {
			return err
		}
		if err := put(tx.Bucket(bucketContacts), []byte(key), state); err != nil {
			return err
		}
	}
	return nil
}

func writeChange(tx *bbolt.Tx, c *incident.Change, read []incident.Incident) error {
	i := &c.Incident
	if err := writeIncident(tx, i, read); err != nil {
		return err
	}
	for _, e := range c.Evidence {
		if err := addEvidence(tx, i.ID, e); err != nil {
			return err
		}
	}
	for _, from := range c.Take {
		if err := takeEvidence(tx, i.ID, from); err != nil {
			return err
		}
	}
	for n := range c.Entries {
		e := c.Entries[n]
		e.Incident = i.ID
		if err := seal(tx, e); err != nil {
			return err
		}
	}
	return nil
}

func writeIncident(tx *bbolt.Tx, i *incident.Incident, read []incident.Incident) error {
	incidents := tx.Bucket(bucketIncidents)
	if i.ID == 0 {
		id, err := incidents.NextSequence()
		if err != nil {
			return err
		}
		i.ID = incident.ID(id)
		if err := index(tx, *i); err != nil {
			return err
		}
		return put(incidents, number(i.ID), i)
	}
	old, err := stored(tx, read, i.ID)
	if err != nil {
		return err
	}
	if err := reindex(tx, old, *i); err != nil {
		return err
	}
	return put(incidents, number(i.ID), i)
}
