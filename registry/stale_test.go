package registry

import (
	"testing"
	"time"
)

// TestStale: what a router said is used on when it does not answer, and the answer says so.
func TestStale(t *testing.T) {
	routes := []Route{{Prefix: pfx("198.51.100.0/24"), NextHop: ip("192.0.2.1"), Router: "r1", FirstSeen: at0.Add(-48 * time.Hour)}}
	contacts := mustContacts(t, "[[contact]]\nNext-Hop = \"192.0.2.1\"\nAbuse-Contact = \"abuse@example.org\"\n")
	tests := []struct {
		name      string
		source    Source
		at        time.Time
		stale     bool
		certainty Certainty
	}{
		{"fresh", Source{LastGood: at0.Add(-time.Minute)}, at0, false, Certain},
		{"failed", Source{LastGood: at0.Add(-time.Minute), Stale: true, Problem: "no answer"}, at0, true, Likely},
		{"failed, but asked about before", Source{LastGood: at0.Add(-time.Minute), Stale: true}, at0.Add(-time.Hour), true, Certain},
		{"late", Source{LastGood: at0.Add(-3 * time.Hour)}, at0, true, Likely},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.source.Router = "r1"
			table := mustBuild(t, Input{Routes: RoutesOf(routes), Contacts: contacts, Sources: []Source{tt.source}, Stale: 2 * time.Hour})
			a := table.Holder(Query{Addr: ip("198.51.100.1"), Time: tt.at})
			if a.Status != StatusHeld || a.Stale != tt.stale || a.Holder.Certainty != tt.certainty {
				t.Errorf("%s, stale %v, %+v", a.Status, a.Stale, a.Holder)
			}
		})
	}
}
