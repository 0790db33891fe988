package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Poller walks the routing tables of one router.
type Poller interface {
	// Poll returns a snapshot for each instance whose table was read and verified whole.
	// The error joins what went wrong with the others; each is a *PollError.
	Poll(ctx context.Context, r RouterConfig) ([]Snapshot, error)
}

// A PollError is a walk that gave no verified table.
type PollError struct {
	Router string
	VRF    string
	Err    error
}

// Error names the router and instance.
func (e *PollError) Error() string {
	if e.VRF == "" {
		return fmt.Sprintf("polling %s: %v", e.Router, e.Err)
	}
	return fmt.Sprintf("polling %s, instance %s: %v", e.Router, e.VRF, e.Err)
}

// Unwrap returns the cause.
func (e *PollError) Unwrap() error { return e.Err }

// Deps are what a Registry is made of.
type Deps struct {
	Config   Config
	Dir      string                // of the configuration: relative file names begin here
	Networks []netip.Prefix        // of the site
	Store    Store                 // nil: NewMemory()
	Poller   Poller                // nil: no router is polled
	Log      *slog.Logger          // nil: discarded
	Metrics  prometheus.Registerer // may be nil
	Now      func() time.Time      // nil: time.Now
}

// A Registry keeps a Table current. Its methods may be called by many goroutines; Table
// never blocks.
type Registry struct {
	deps     Deps
	table    atomic.Pointer[Table]
	metrics  *metrics
	mu       sync.Mutex // one rebuild, reload or poll result at a time
	files    fileSet
	stored   Leases               // of the store
	problems map[sourceKey]string // of routers whose last walk was not accepted
	polling  sync.Mutex           // one round of polls at a time
}

// New reads the configured files and the store and builds the first table. Mistakes in
// files are returned together with a Registry that works without what they spoil.
func New(ctx context.Context, deps Deps) (*Registry, error) {
	if deps.Store == nil {
		deps.Store = NewMemory()
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	r := &Registry{deps: deps, problems: map[sourceKey]string{}, metrics: newMetrics(deps.Metrics)}
	r.files = newFileSet(deps.Config, deps.Dir)
	mistakes := r.files.read(deps.Now())
	if err := r.showFiles(ctx); err != nil {
		return nil, err
	}
	return r, mistakes
}

// Table returns the newest view. It is never nil.
func (r *Registry) Table() *Table { return r.table.Load() }

// Holder asks the newest view.
func (r *Registry) Holder(q Query) Answer {
	a := r.Table().Holder(q)
	r.metrics.lookups.WithLabelValues(string(a.Status)).Inc()
	return a
}

// Run polls the routers and reloads changed files until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	poll := time.NewTicker(r.deps.Config.PollEvery.Std())
	defer poll.Stop()
	reload := time.NewTicker(r.deps.Config.ReloadEvery.Std())
	defer reload.Stop()
	polled := make(chan struct{}, 1)
	var wait sync.WaitGroup
	defer wait.Wait()
	start := func() {
		select {
		case polled <- struct{}{}:
			wait.Go(func() {
				defer func() { <-polled }()
				_, _ = r.Poll(ctx) // what went wrong was logged and counted router by router
			})
		default: // the last round still runs
		}
	}
	start()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			start()
		case <-reload.C:
			if _, err := r.Reload(ctx); err != nil {
				r.deps.Log.Warn("registry files not reloaded", "error", err)
			}
		}
	}
}

// Reload reads the files that changed since they were last read, and builds a new table too
// where other records hold by now. Contacts and routes of a file with mistakes stay as they
// were; of a lease log the other lines are used. The mistakes are returned.
func (r *Registry) Reload(ctx context.Context) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.files.changed(r.deps.Now()) && !r.files.unbuilt {
		if r.Table().outdated(r.deps.Now()) {
			return true, r.rebuild(ctx)
		}
		return false, nil
	}
	before := r.files.indexes()
	mistakes := r.files.read(r.deps.Now())
	if mistakes != nil {
		r.metrics.fileErrors.Inc()
	}
	if !r.files.unbuilt && !r.Table().outdated(r.deps.Now()) { // lease logs grow all day: they alone do not cost a new table of a million routes
		if !slices.Equal(before, r.files.indexes()) {
			r.table.Store(r.Table().withLeases(r.files.leases(r.stored)))
		}
		return true, mistakes
	}
	return true, errors.Join(mistakes, r.showFiles(ctx))
}

// showFiles stores the contacts of the files and builds a table. Where it fails, the next
// Reload tries again.
func (r *Registry) showFiles(ctx context.Context) error {
	r.files.unbuilt = true
	if err := r.recordContacts(ctx); err != nil {
		return err
	}
	if err := r.rebuild(ctx); err != nil {
		return err
	}
	r.files.unbuilt = false
	return nil
}

// recordContacts stores the contacts of the files. As long as one of the files was never
// read whole, a store on disk keeps what it holds: a mistake must not end a contact.
func (r *Registry) recordContacts(ctx context.Context) error {
	_, fresh := r.deps.Store.(*memory)
	if len(r.deps.Config.Contacts) == 0 || !fresh && !r.files.contactsWhole() {
		return nil
	}
	if err := r.deps.Store.RecordContacts(ctx, "files", r.files.contacts(), r.deps.Now()); err != nil {
		return fmt.Errorf("storing contacts: %w", err)
	}
	return nil
}

// Rebuild makes a new view of what the store and the files hold now.
func (r *Registry) Rebuild(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rebuild(ctx)
}

func (r *Registry) rebuild(ctx context.Context) error {
	begin := time.Now()
	err := r.deps.Store.Load(ctx, func(in Input) error {
		r.complete(&in)
		t, err := Build(in)
		if err != nil {
			return err
		}
		r.table.Store(t)
		r.metrics.built(t, time.Since(begin))
		return nil
	})
	if err != nil {
		r.files.unbuilt = true // the next Reload tries again
		return fmt.Errorf("building the registry's table: %w", err)
	}
	return nil
}

// renew takes over how fresh each router's routes are, where nothing else changed: a table
// of a million routes is not built anew for it.
func (r *Registry) renew(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.deps.Store.Load(ctx, func(in Input) error {
		r.noteProblems(in.Sources)
		t := r.Table().withSources(in.Sources)
		r.table.Store(t)
		r.metrics.renewed(t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading when routers were last walked: %w", err)
	}
	return nil
}

func (r *Registry) noteProblems(sources []Source) {
	for i := range sources {
		s := &sources[i]
		s.Problem = r.problems[sourceKey{s.Router, s.VRF}]
		s.Stale = s.Problem != ""
	}
}

// complete adds to what the store holds what the configuration and the files say.
func (r *Registry) complete(in *Input) {
	in.Networks, in.Upstreams, in.Prefer = r.deps.Networks, r.deps.Config.Upstreams, map[string]int{}
	in.Stale, in.Now = r.deps.Config.StaleAfter.Std(), r.deps.Now
	for _, c := range r.deps.Config.Routers {
		c = c.WithDefaults()
		in.Prefer[c.Name] = c.Prefer
		if a, err := netip.ParseAddr(c.Address); err == nil {
			in.Routers = append(in.Routers, a.Unmap())
		}
	}
	in.Routes = MergeRoutes(in.Routes, RoutesOf(r.files.routes()))
	r.stored = in.Leases
	in.Leases = r.files.leases(r.stored)
	r.noteProblems(in.Sources)
}
