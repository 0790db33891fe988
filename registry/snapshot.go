package registry

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Snapshot is one router's whole routing table in one instance, verified complete.
type Snapshot struct {
	Router    string
	VRF       string
	Taken     time.Time
	Table     string       // which table it was read from, or "import"
	Routes    []Route      // times are not set
	Addresses []netip.Addr // the router's own
	Verified  string       // how its completeness was checked, in words
}

// Validate reports a snapshot that no router can have given: a route that is not of its
// router, or no network address.
func (s Snapshot) Validate() error {
	for _, r := range s.Routes {
		if !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() || r.Router != s.Router || r.VRF != s.VRF {
			return fmt.Errorf("snapshot of %s: route %v of router %q is not of it", s.Router, r.Prefix, r.Router)
		}
	}
	return nil
}

// Recorded says what a snapshot changed.
type Recorded struct {
	Added   int
	Removed int
	Kept    int
	Moved   bool // the router has other addresses of its own
}

// Any reports whether a table of the routes would be another.
func (r Recorded) Any() bool { return r.Added > 0 || r.Removed > 0 || r.Moved }

// A Store keeps routes, contacts and leases over time. registry/history keeps them on
// disk; NewMemory keeps the newest only.
type Store interface {
	// Record takes one verified snapshot as the new state of its router and instance, in
	// one transaction: routes that it lacks end, routes that it adds begin.
	Record(ctx context.Context, s Snapshot) (Recorded, error)
	// RecordContacts takes the records of one origin as they stand now.
	RecordContacts(ctx context.Context, origin string, contacts []Contact, now time.Time) error
	// Load calls use once, with Routes, Contacts, Sources, Routers and Leases
	// set. Routes must not be used after use returned.
	Load(ctx context.Context, use func(Input) error) error
}

// memory is a Store without history.
type memory struct {
	mu        sync.Mutex
	snapshots map[sourceKey]Snapshot
	begins    map[sourceKey]time.Time
	contacts  map[string][]Contact
}

// NewMemory returns a Store that keeps the newest snapshots and contacts, in memory.
func NewMemory() Store {
	return &memory{snapshots: map[sourceKey]Snapshot{}, begins: map[sourceKey]time.Time{}, contacts: map[string][]Contact{}}
}

func (m *memory) Record(_ context.Context, s Snapshot) (Recorded, error) {
	if err := s.Validate(); err != nil {
		return Recorded{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := sourceKey{s.Router, s.VRF}
	s.Routes = slices.Clone(s.Routes)
	slices.SortFunc(s.Routes, CompareRoutes)
	before := m.snapshots[key].Routes
	done := Recorded{Removed: len(before), Added: len(s.Routes)}
	for i := range s.Routes {
		s.Routes[i].FirstSeen = s.Taken
		if len(before) > 0 {
			s.Routes[i].NotBefore = m.snapshots[key].Taken
		}
		if j, ok := slices.BinarySearchFunc(before, s.Routes[i], compareWays); ok {
			s.Routes[i].FirstSeen, s.Routes[i].NotBefore = before[j].FirstSeen, before[j].NotBefore
			done.Removed, done.Added, done.Kept = done.Removed-1, done.Added-1, done.Kept+1
		}
	}
	done.Moved = !slices.Equal(m.snapshots[key].Addresses, s.Addresses)
	m.snapshots[key] = s
	if m.begins[key].IsZero() {
		m.begins[key] = s.Taken
	}
	return done, nil
}

func compareWays(a, b Route) int {
	a.FirstSeen, b.FirstSeen = time.Time{}, time.Time{}
	return CompareRoutes(a, b)
}

func (m *memory) RecordContacts(_ context.Context, origin string, contacts []Contact, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contacts[origin] = slices.Clone(contacts)
	return nil
}

func (m *memory) Load(_ context.Context, use func(Input) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var in Input
	var routes []Route
	for key, s := range m.snapshots {
		routes = append(routes, s.Routes...)
		in.Routers = append(in.Routers, s.Addresses...)
		in.Sources = append(in.Sources, Source{Router: key.router, VRF: key.vrf, LastGood: s.Taken, Begins: m.begins[key], Routes: len(s.Routes)})
	}
	for _, c := range m.contacts {
		in.Contacts = append(in.Contacts, c...)
	}
	in.Routes = RoutesOf(routes)
	return use(in)
}
