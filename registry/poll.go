package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxPolls bounds how many routers are walked at the same time.
const maxPolls = 4

// A Polled is what one router's round gave.
type Polled struct {
	Router   string
	VRF      string
	Routes   int
	Table    string
	Verified string
	Took     time.Duration
	Changed  Recorded
	Err      error // the walk was not accepted, the last good table stays
}

// Poll walks the named routers, or all, some at a time, records what was verified whole
// and builds a new view. The error joins what went wrong; the results tell it by router.
func (r *Registry) Poll(ctx context.Context, names ...string) ([]Polled, error) {
	if r.deps.Poller == nil {
		return nil, nil
	}
	r.polling.Lock()
	defer r.polling.Unlock()
	var mu sync.Mutex
	var all []Polled
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxPolls)
	for _, c := range r.deps.Config.Routers {
		c = c.WithDefaults()
		if len(names) > 0 && !slices.Contains(names, c.Name) {
			continue
		}
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			polled := r.pollOne(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, polled...)
		})
	}
	wait.Wait()
	slices.SortFunc(all, func(a, b Polled) int {
		return compareSources(Source{Router: a.Router, VRF: a.VRF}, Source{Router: b.Router, VRF: b.VRF})
	})
	var errs []error
	changed := false
	for _, p := range all {
		errs = append(errs, p.Err)
		changed = changed || p.Changed.Any()
	}
	show := r.renew
	if changed {
		show = r.Rebuild
	}
	return all, errors.Join(append(errs, show(ctx))...)
}

func (r *Registry) pollOne(ctx context.Context, c RouterConfig) []Polled {
	begin := time.Now()
	snapshots, err := r.deps.Poller.Poll(ctx, c)
	took := time.Since(begin)
	var all []Polled
	for _, s := range snapshots {
		p := Polled{Router: s.Router, VRF: s.VRF, Routes: len(s.Routes), Table: s.Table, Verified: s.Verified, Took: took}
		if p.Err = r.accept(s); p.Err == nil {
			p.Changed, p.Err = r.deps.Store.Record(ctx, s)
		}
		all = append(all, p)
	}
	for _, e := range pollErrors(c.Name, err) {
		all = append(all, Polled{Router: e.Router, VRF: e.VRF, Took: took, Err: e})
	}
	for _, p := range all {
		r.noteProblem(p)
	}
	return all
}

// accept refuses a table that shrank to under half of the last good one where no row
// count vouches for it: a filter or a restart shows just that. Twice the same is a fact.
func (r *Registry) accept(s Snapshot) error {
	if s.Verified == VerifiedByCount {
		return nil
	}
	before := r.Table().sources[sourceKey{s.Router, s.VRF}].Routes
	if before < 10 || len(s.Routes)*2 >= before {
		return nil
	}
	text := fmt.Sprintf("only %d routes after %d, and the router gives no count to check them by", len(s.Routes), before)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problems[sourceKey{s.Router, s.VRF}] == text {
		return nil
	}
	return &PollError{s.Router, s.VRF, errors.New(text)}
}

// VerifiedByCount is the Snapshot.Verified of a walk whose rows agree with the router's
// own count before and after it.
const VerifiedByCount = "row count before and after"

func pollErrors(router string, err error) []*PollError {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*PollError
		for _, e := range joined.Unwrap() {
			all = append(all, pollErrors(router, e)...)
		}
		return all
	}
	if e, ok := errors.AsType[*PollError](err); ok {
		return []*PollError{e}
	}
	return []*PollError{{Router: router, Err: err}}
}

func (r *Registry) noteProblem(p Polled) {
	key := sourceKey{p.Router, p.VRF}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Err == nil {
		delete(r.problems, key)
		r.metrics.polls.WithLabelValues(p.Router, "ok").Inc()
		r.deps.Log.Info("routing table read", "router", p.Router, "vrf", p.VRF, "routes", p.Routes, "added", p.Changed.Added,
			"removed", p.Changed.Removed, "took", p.Took)
		return
	}
	text := p.Err.Error()
	if e, ok := errors.AsType[*PollError](p.Err); ok {
		text = e.Err.Error()
	}
	r.problems[key] = text
	r.metrics.polls.WithLabelValues(p.Router, "failed").Inc()
	r.deps.Log.Warn("routing table not accepted, the last good one stays", "router", p.Router, "vrf", p.VRF, "error", text)
}
