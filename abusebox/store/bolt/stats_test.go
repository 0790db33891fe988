package bolt

import (
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox/incident"
	"spoor/abusebox/stats"
	"spoor/abusebox/stats/statstest"
)

func openStatistics(t *testing.T, path string) stats.Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.Statistics()
}

func TestStatistics(t *testing.T) {
	statstest.Run(t,
		func(t *testing.T) stats.Store { return openStatistics(t, filepath.Join(t.TempDir(), "mail.db")) },
		func(t *testing.T, s stats.Store) stats.Store {
			old := s.(Statistics).store
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			return openStatistics(t, old.path)
		})
}

// TestStatisticsShareTheTransaction: events are there if and only if the change that they tell of is.
func TestStatisticsShareTheTransaction(t *testing.T) {
	s := openStatistics(t, filepath.Join(t.TempDir(), "mail.db")).(Statistics)
	now := time.Date(2026, 10, 5, 8, 0, 0, 0, time.UTC)
	report := incident.Evidence{Kind: incident.FromReport, Format: "arf", Reporter: incident.Reporter{Domain: "example.org", Authenticated: "dkim"}}
	change := incident.Change{
		Incident: incident.Incident{Key: incident.Key{Net: netip.MustParsePrefix("192.0.2.7/32"), Type: "spam"}, Reports: 1, Changed: now, Opened: now},
		Evidence: []incident.Evidence{report},
	}
	write := func(c incident.Change, fail error) {
		t.Helper()
		err := s.store.update(t.Context(), func(tx *bbolt.Tx) error {
			if err := recordChange(tx, c, nil); err != nil {
				return err
			}
			if err := writeChange(tx, &c, nil); err != nil {
				return err
			}
			if err := recordContact(tx, "noc@example.com", incident.ContactState{Broken: true, Changed: now}); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	write(change, errors.New("undone"))
	if n, err := s.Count(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("%d events of a change that was undone (%v)", n, err)
	}
	write(change, nil)
	change.Incident.ID, change.Incident.Reports = 1, 2
	write(change, nil)
	if n, err := s.Count(t.Context(), 10); n != 5 || err != nil { // two complaints, one opening, twice a broken contact
		t.Errorf("%d events (%v), want 5", n, err)
	}
	day := stats.DayOf(now)
	r, err := stats.Read(t.Context(), s, stats.Query{From: day, To: day, Top: 5})
	if err != nil {
		t.Fatal(err)
	}
	if row := r.Total.Rows[0]; row.Complaints != 2 || row.Incidents != 1 || row.Hosts != 1 || len(r.Broken) != 1 {
		t.Errorf("%+v, broken %v", row, r.Broken)
	}
}
