package bolt

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// filled is a store with two incidents of one holder, their notices and a history.
func filled(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "mail.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	policy, at := incident.DefaultPolicy(), time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	for n := range 2 {
		c := incident.Case{Ours: true,
			Holders: []incident.Holder{{ID: "c1", Certain: true, Contact: incident.Contact{Addresses: []string{"noc@c1.example"}}}},
			Evidence: incident.Evidence{Kind: incident.FromReport, Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), From: at, Received: at,
				ZoneKnown: true, Category: "messaging", Type: "spam", Step: "structure", Level: incident.High, Lines: []string{fmt.Sprint("line ", n)},
				Reporter: incident.Reporter{Address: "fbl@reporter.example", Domain: "reporter.example", Authenticated: "dkim"}}}
		ask := abusebox.Ask{Mail: intake.ID(n + 1), Keys: []incident.Key{incident.KeyOf(c, policy.V6Bits)}, Fingerprint: fmt.Sprint("mail ", n),
			Record: abusebox.MailRecord{Decided: at, Arrived: at}}
		if _, err := s.Decide(t.Context(), ask, func(k incident.Known) (incident.Decision, error) {
			return policy.Decide(k, []incident.Case{c}, at), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// problems is what Check tells, without its mends.
func problems(t *testing.T, s *Store) (all []string) {
	t.Helper()
	if err := s.Check(t.Context(), func(where, problem, mend string) {
		if mend == "" {
			t.Errorf("%s: %s: nothing is said of how to mend it", where, problem)
		}
		all = append(all, where+": "+problem)
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// drop removes the first entry of a bucket.
func drop(bucket []byte) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(bucket).Cursor().First()
		return tx.Bucket(bucket).Delete(bytes.Clone(k))
	}
}

// enter puts an entry into a bucket.
func enter(bucket, k, v []byte) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(k, v) }
}

// TestCheckFindsDamage damages each invariant of the index and the outbox: Check names it, Repair mends what can be made anew.
func TestCheckFindsDamage(t *testing.T) {
	nobody := number(uint64(99))
	for name, c := range map[string]struct {
		damage  func(*bbolt.Tx) error
		want    string
		forGood bool // Repair cannot bring it back
	}{
		"no way by key":                {drop(bucketByKey), "it is not found by its key", false},
		"no way by address":            {drop(bucketByAddr), "it is not found by its address", false},
		"nobody looks again":           {drop(bucketNext), "nobody will look at it again", false},
		"a key of nobody":              {enter(bucketByKey, append(make([]byte, 16), nobody...), nil), "index of keys: an entry", false},
		"an address of nobody":         {enter(bucketByAddr, append(make([]byte, 16), nobody...), nil), "index of addresses: an entry", false},
		"a time of nobody":             {enter(bucketNext, append(number(uint64(7)), nobody...), nil), "index of what is looked at again: an entry", false},
		"a second time":                {enter(bucketNext, append(number(uint64(7)), number(uint64(1))...), nil), "index of what is looked at again: an entry", false},
		"a task that nobody does":      {drop(bucketDue), "it is queued, but nobody will do it", false},
		"a due task that is not":       {enter(bucketDue, append(number(uint64(7)), nobody...), nil), "index of what is due: an entry", false},
		"a task of no incident":        {drop(bucketTasksOf), "task 1: it is not found by its incident", false},
		"the count of the queue":       {enter(bucketState, queuedKey, number(uint64(7))), "outbox: 2 tasks are queued, and 7 are counted", false},
		"history without its case":     {drop(bucketHistoryOf), "history entry 1: it is not found by its incident", false},
		"a fingerprint for ever":       {drop(bucketRepeatAge), "it is never forgotten", false},
		"a fingerprint of no mail":     {enter(bucketRepeats, []byte("mail 0"), []byte("x")), "fingerprint mail 0", false},
		"an incident that is gone":     {drop(bucketIncidents), "its incident S-1 is gone", true},
		"an incident that is noise":    {enter(bucketIncidents, number(uint64(1)), []byte("{")), "incident 1: ", true},
		"a task that is noise":         {enter(bucketTasks, number(uint64(1)), []byte("{")), "task 1: ", true},
		"evidence that is noise":       {enter(bucketEvidence, append(number(uint64(1)), number(uint64(1))...), []byte("{")), "evidence 1 of incident S-1", true},
		"evidence of nobody":           {enter(bucketEvidence, append(nobody, number(uint64(1))...), []byte("{}")), "its incident is gone", true},
		"a mail's record is noise":     {enter(bucketMails, number(uint64(1)), []byte("{")), "record of mail", true},
		"a mail's record is another's": {enter(bucketMails, number(uint64(1)), []byte("{}")), "is another mail's", true},
		"a mail that is noise":         {enter(bucketComposed, number(uint64(1)), []byte("\x00noise")), "mail of task 1: unpack: ", true},
		"history that was taken out":   {drop(bucketHistory), "history entry 2: ", true},
		"history that was rewritten": {func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketHistory)
			k, v := b.Cursor().First()
			return b.Put(bytes.Clone(k), bytes.Replace(v, []byte(`"seq":1`), []byte(`"seq":9`), 1))
		}, "history entry 1: ", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t)
			if found := problems(t, s); len(found) > 0 {
				t.Fatalf("before any damage: %q", found)
			}
			if err := s.update(t.Context(), c.damage); err != nil {
				t.Fatal(err)
			}
			if found := problems(t, s); !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("Check says %q, and not %q", found, c.want)
			}
			if err := s.Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
			if found := problems(t, s); (len(found) > 0) != c.forGood {
				t.Errorf("after Repair: %q", found)
			}
		})
	}
}

// TestRepairChangesNothingSound makes the indexes of a sound store anew: they are what they were.
func TestRepairChangesNothingSound(t *testing.T) {
	s := filled(t)
	content := func() map[string]string {
		all := map[string]string{}
		if err := s.view(func(tx *bbolt.Tx) error {
			for _, name := range buckets() {
				_ = tx.Bucket(name).ForEach(func(k, v []byte) error { all[string(name)+fmt.Sprintf(" %x", k)] = string(v); return nil })
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := content()
	if err := s.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, content()); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
}

// TestOpensWithADamagedOutbox: what leads nowhere must not keep the store shut, or nobody could check and repair it.
func TestOpensWithADamagedOutbox(t *testing.T) {
	s := filled(t)
	if err := s.update(t.Context(), enter(bucketDue, append(number(uint64(7)), number(uint64(99))...), nil)); err != nil {
		t.Fatal(err)
	}
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Repair(t.Context()); err != nil {
		t.Error(err)
	}
	if found := problems(t, again); len(found) > 0 {
		t.Errorf("after Repair: %q", found)
	}
}
