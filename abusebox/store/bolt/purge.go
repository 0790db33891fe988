package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/stats"
)

// Purge erases what the ages no longer allow, in small transactions.
func (s *Store) Purge(ctx context.Context, p abusebox.Purge) (abusebox.Purged, error) {
	var out abusebox.Purged
	steps := []struct {
		bucket []byte
		n      *int
		visit  visitor
	}{
		{bucketEvidence, &out.Evidence, purgeEvidence(p)},
		{bucketComposed, &out.Notices, s.purgeComposed(p)},
		{bucketMails, &out.Mails, purgeMail(p)},
		{bucketIncidents, &out.Reporters, purgePersons(p)},
		{bucketHistory, &out.History, purgeHistory(p)},
		{bucketTasks, &out.Tasks, purgeTaskPersons(p)},
		{bucketContacts, &out.Contacts, purgeContacts(p)},
		{bucketStatsEvents, &out.Tables, purgeEvents(p)},
		{bucketStats, &out.Tables, purgeTables(p)},
	}
	for _, step := range steps {
		n, err := s.sweep(ctx, step.bucket, p.DryRun, step.visit)
		*step.n += n
		if err != nil {
			return out, err
		}
	}
	n, err := s.purgeIncidents(ctx, p)
	out.Incidents = n
	if err == nil && !p.DryRun && !p.Closed.IsZero() {
		_, err = s.sweep(ctx, bucketTasks, false, purgeTasks(p))
	}
	if err == nil && !p.DryRun && !p.Counters.IsZero() {
		_, err = s.sweep(ctx, bucketCounts, false, purgeCounts(p))
	}
	return out, err
}

// purgeTaskPersons takes a person's addresses out of what is over; what is still to be done needs them.
func purgeTaskPersons(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, _, v []byte) ([]byte, error) {
		if !names(v, p.Person) {
			return v, nil
		}
		var t incident.Task
		if err := json.Unmarshal(v, &t); err != nil || !t.Over() {
			return v, err
		}
		t.Contact, t.Reply, t.Why, t.Last = incident.Contact{}, incident.ReplyTo{}, "", ""
		return json.Marshal(t)
	}
}

// purgeContacts forgets what follow-up taught us of a person. That it wants no mail stays.
func purgeContacts(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, k, v []byte) ([]byte, error) {
		if !names(k, p.Person) {
			return v, nil
		}
		var s incident.ContactState
		if err := json.Unmarshal(v, &s); err != nil || len(s.OptOut) == 0 {
			return nil, err
		}
		return json.Marshal(incident.ContactState{OptOut: s.OptOut, Changed: s.Changed})
	}
}

func purgeEvents(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, _, v []byte) ([]byte, error) {
		if !names(v, p.Person) {
			return v, nil
		}
		var e stats.Event
		if err := json.Unmarshal(v, &e); err != nil {
			return v, err
		}
		return json.Marshal(e.Without(p.Person))
	}
}

func purgeTables(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, _, v []byte) ([]byte, error) {
		if p.Person == "" {
			return v, nil
		}
		t := new(stats.Table)
		if err := t.UnmarshalBinary(v); err != nil {
			return v, err
		}
		if !t.Erase(p.Person) {
			return v, nil
		}
		return t.MarshalBinary()
	}
}

func older(t, limit time.Time) bool { return !limit.IsZero() && !t.IsZero() && t.Before(limit) }

// names reports whether data names the person, as a whole address or domain.
func names(data []byte, person string) bool {
	if person == "" {
		return false
	}
	return bytes.Contains(bytes.ToLower(data), []byte(strings.ToLower(person)))
}

func purgeEvidence(p abusebox.Purge) visitor {
	return func(tx *bbolt.Tx, k, v []byte) ([]byte, error) {
		var e incident.Evidence
		if err := json.Unmarshal(v, &e); err != nil {
			return v, err
		}
		switch {
		case older(e.Received, p.Evidence), names(v, p.Person):
			return nil, nil
		case p.Holder != "" && holderOf(tx, fromNumber[incident.ID](k)) == p.Holder:
			return nil, nil
		case older(e.Received, p.Personal) && e.Reporter != (incident.Reporter{}):
			e.Reporter = incident.Reporter{Authenticated: e.Reporter.Authenticated}
			return json.Marshal(e)
		}
		return v, nil
	}
}

func holderOf(tx *bbolt.Tx, id incident.ID) string {
	i, _, _ := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
	return i.Key.Holder
}

func (s *Store) purgeComposed(p abusebox.Purge) visitor {
	return func(tx *bbolt.Tx, k, v []byte) ([]byte, error) {
		t, err := getTask(tx, fromNumber[uint64](k))
		if err != nil || older(t.Created, p.Evidence) && t.Over() {
			return nil, nil
		}
		if p.Person != "" && t.Over() {
			if mail, err := s.packer.unpack(v); err != nil || names(mail, p.Person) {
				return nil, nil
			}
		}
		if p.Holder != "" && t.Over() && len(t.Incidents) > 0 && holderOf(tx, t.Incidents[0]) == p.Holder {
			return nil, nil
		}
		return v, nil
	}
}

func purgeMail(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, _, v []byte) ([]byte, error) {
		var r abusebox.MailRecord
		if err := json.Unmarshal(v, &r); err != nil {
			return v, err
		}
		if r.Done() && older(r.Decided, p.Closed) {
			return nil, nil
		}
		named := r.Subject != "" || r.Reporter.Address != "" || r.Reporter.Domain != ""
		if r.Done() && named && (older(r.Decided, p.Personal) || names(v, p.Person)) {
			r.Subject, r.Reporter = "", incident.Reporter{Authenticated: r.Reporter.Authenticated}
			return json.Marshal(r)
		}
		return v, nil
	}
}

// purgePersons takes reporters and old samples out of incidents; what they are counted as stays.
func purgePersons(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, _, v []byte) ([]byte, error) {
		var i incident.Incident
		if err := json.Unmarshal(v, &i); err != nil {
			return v, err
		}
		wanted := older(i.Last, p.Personal) || names(v, p.Person)
		if !wanted && !older(i.Last, p.Evidence) || len(i.Reporters) == 0 && len(i.Samples) == 0 {
			return v, nil
		}
		i.Samples = nil
		if wanted {
			i.Reporters = nil
		}
		return json.Marshal(i)
	}
}

func purgeHistory(p abusebox.Purge) visitor {
	return func(tx *bbolt.Tx, _, v []byte) ([]byte, error) {
		var sealed incident.Sealed
		if err := json.Unmarshal(v, &sealed); err != nil {
			return v, err
		}
		e, ok := sealed.Entry()
		if !ok {
			return v, nil
		}
		if older(e.At, p.History) || names(sealed.Payload, p.Person) || p.Holder != "" && holderOf(tx, e.Incident) == p.Holder {
			return json.Marshal(sealed.Erase())
		}
		return v, nil
	}
}

// purgeCounts forgets counters of days gone by; their names have the day behind the first slash.
func purgeCounts(p abusebox.Purge) visitor {
	day := p.Counters.UTC().Format("20060102")
	return func(_ *bbolt.Tx, k, v []byte) ([]byte, error) {
		_, rest, _ := strings.Cut(string(k), "/")
		if len(rest) >= 8 && rest[:8] < day {
			return nil, nil
		}
		return v, nil
	}
}

// purgeTasks removes what was done about no incident, such as the month's mails.
func purgeTasks(p abusebox.Purge) visitor {
	return func(_ *bbolt.Tx, _, v []byte) ([]byte, error) {
		var t incident.Task
		if err := json.Unmarshal(v, &t); err != nil {
			return v, err
		}
		if t.Over() && len(t.Incidents) == 0 && older(t.Created, p.Closed) {
			return nil, nil
		}
		return v, nil
	}
}

// purgeIncidents removes closed incidents with everything that hangs on them, one at a time.
func (s *Store) purgeIncidents(ctx context.Context, p abusebox.Purge) (n int, err error) {
	for i, err := range s.Incidents(ctx, abusebox.Filter{}) {
		if err != nil {
			return n, err
		}
		gone := i.State.Closed() && older(i.Closed, p.Closed) || p.Holder != "" && i.Key.Holder == p.Holder
		if !gone {
			continue
		}
		n++
		if p.DryRun {
			continue
		}
		if err := s.update(ctx, func(tx *bbolt.Tx) error { return removeIncident(tx, i.ID) }); err != nil {
			return n, err
		}
	}
	return n, nil
}

func removeIncident(tx *bbolt.Tx, id incident.ID) error {
	old, ok, err := get[incident.Incident](tx.Bucket(bucketIncidents), number(id))
	if err != nil || !ok {
		return err
	}
	if err := unindex(tx, old); err != nil {
		return err
	}
	if err := removeTasks(tx, id); err != nil {
		return err
	}
	for _, bucket := range [][]byte{bucketEvidence, bucketTasksOf} {
		if err := removePrefix(tx.Bucket(bucket), number(id)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketIncidents).Delete(number(id))
}

// removeTasks removes an incident's tasks, and takes the incident out of those that others share.
func removeTasks(tx *bbolt.Tx, id incident.ID) error {
	prefix := number(id)
	c := tx.Bucket(bucketTasksOf).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		t, ok, err := get[incident.Task](tx.Bucket(bucketTasks), k[8:])
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		old := t
		var rest []incident.ID
		for _, other := range t.Incidents {
			if other != id {
				rest = append(rest, other)
			}
		}
		t.Incidents = rest
		if len(rest) == 0 && !t.Over() {
			t.State = incident.Cancelled
		}
		if err := putTask(tx, old, t); err != nil {
			return err
		}
		if len(rest) == 0 {
			if err := tx.Bucket(bucketTasks).Delete(number(t.ID)); err != nil {
				return err
			}
			if err := tx.Bucket(bucketComposed).Delete(number(t.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

func removePrefix(b *bbolt.Bucket, prefix []byte) error {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
