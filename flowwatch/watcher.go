// Package flowwatch hears the routers' flow exports and keeps the list of hosts that behave like
// spammers: sockets → netflow.Decoder → activity.Counter → anomaly.Judge → history.Store.
package flowwatch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow"
)

// Deps are what a Watcher works with.
type Deps struct {
	Config Config
	// Ours tells which addresses are ours, beside Config.Networks: the site's and the registry's. May be nil.
	Ours func(netip.Addr) bool
	// Around yields prefixes that hold all that Ours says yes to. It is asked when an interval begins, and saves Ours
	// most questions. Nil means that it may be anywhere.
	Around func() iter.Seq[netip.Prefix]
	// Routes names the interface of an exporter by which a host of ours is reached, "" where that is not known: its
	// name, or "#" and its ifIndex. May be nil.
	Routes func(exporter, host netip.Addr) string
	// Store keeps the history. With none, nothing is kept and a restart forgets.
	Store   *history.Store
	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
	Now     func() time.Time      // nil is time.Now
}

// A Watcher turns datagrams into the list of Anomalies. Its methods may be called by many goroutines.
type Watcher struct {
	*Archive
	config  Config
	log     *slog.Logger
	sockets []*socket

	mu      sync.Mutex // guards decoder and counter
	decoder *netflow.Decoder
	counter *activity.Counter
	add     func([]netflow.Flow)
	near    func() *activity.Near

	closing sync.Mutex // one interval is closed at a time; guards judge and what follows
	judge   *anomaly.Judge
	pending []history.Record // intervals that could not be stored yet
	lost    map[netip.Addr]uint64
	dropped uint64
	since   time.Time

	listed atomic.Pointer[listing]
	stats  stats
}

// New makes a Watcher that goes on where the Store's history ends. It opens no socket.
func New(ctx context.Context, d Deps) (*Watcher, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	profiles := d.Config.AllProfiles()
	w := &Watcher{
		config: d.Config, log: d.Log, decoder: netflow.NewDecoder(d.Config.decoder()),
		judge: anomaly.NewJudge(d.Config.judge(), profiles), lost: make(map[netip.Addr]uint64), since: d.Now().UTC(),
	}
	w.Archive = &Archive{store: d.Store, profiles: profiles, delegated: d.Config.Delegated, judge: d.Config.judge(), now: d.Now, live: w, ours: localTo(d)}
	seed := activity.Seed{0x5eed, 0x5eed}
	if d.Store != nil {
		var err error
		if seed, err = d.Store.Seed(ctx); err != nil {
			return nil, err
		}
		if err := d.Store.Pasts(w.judge.Load); err != nil {
			return nil, fmt.Errorf("take up the list where it was: %w", err)
		}
		var m netflow.Memory
		if err := d.Store.Get(settingMemory, &m); err != nil {
			return nil, fmt.Errorf("take up the exporters' templates: %w", err)
		}
		w.decoder.Restore(m, d.Now().UTC())
	}
	w.near = nearOf(d)
	w.counter = activity.NewCounter(activity.Setup{
		Profiles: profiles, Local: w.Archive.ours, Near: w.near(), Routes: w.routesOf(d), Observe: d.Config.points(),
		Delegated: uint8(d.Config.Delegated), MaxHosts: d.Config.MaxHosts, MaxPairs: d.Config.MaxPairs, Seed: seed,
	}, d.Now().UTC())
	w.add = w.counter.Add
	w.publish()
	if d.Metrics != nil {
		if err := d.Metrics.Register(w); err != nil {
			return nil, fmt.Errorf("register the metrics of flowwatch: %w", err)
		}
	}
	return w, nil
}

// nearOf maps where it is worth asking whether an address is ours.
func nearOf(d Deps) func() *activity.Near {
	return func() *activity.Near {
		if d.Ours != nil && d.Around == nil {
			return activity.Anywhere()
		}
		return activity.NearOf(func(yield func(netip.Prefix) bool) {
			for _, p := range d.Config.Networks {
				if !yield(p) {
					return
				}
			}
			if d.Ours != nil {
				d.Around()(yield)
			}
		})
	}
}

// Locate asks anew where our addresses lie: what Deps.Around yields has changed.
func (w *Watcher) Locate() {
	near := w.near()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counter.Near(near)
}

// routesOf turns the names of interfaces into the numbers that flows bear. Names are told by the configuration or by the
// exporter's own options; where neither knows one, the route is not known. The Counter asks while the Decoder is locked.
func (w *Watcher) routesOf(d Deps) activity.Routes {
	if d.Routes == nil {
		return nil
	}
	named := d.Config.interfaces()
	return func(exporter, host netip.Addr) (uint32, bool) {
		name := d.Routes(exporter, host)
		if number, found := strings.CutPrefix(name, "#"); found {
			n, err := strconv.ParseUint(number, 10, 32)
			return uint32(n), err == nil
		}
		if n, ok := named[namedInterface{exporter, name}]; ok {
			return n, true
		}
		return w.decoder.Interface(exporter, name)
	}
}

func localTo(d Deps) func(netip.Addr) bool {
	networks := new(bart.Lite)
	for _, p := range d.Config.Networks {
		networks.Insert(p)
	}
	if d.Ours == nil {
		return networks.Lookup
	}
	return func(a netip.Addr) bool { return networks.Lookup(a) || d.Ours(a) }
}

// Run hears datagrams and closes intervals until ctx ends, then closes the open interval and
// returns once it is stored.
func (w *Watcher) Run(ctx context.Context) error {
	if err := w.Bind(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range w.sockets {
		group.Go(func() error { return s.receive(ctx, w) })
	}
	group.Go(func() error { return w.intervals(ctx) })
	err := group.Wait()
	w.unbind()
	last := w.CloseInterval(context.WithoutCancel(ctx), w.now().UTC())
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, last)
}

// intervals closes each interval at its end by the clock.
func (w *Watcher) intervals(ctx context.Context) error {
	length := w.config.Interval.Std()
	for {
		now := w.now()
		timer := time.NewTimer(now.Truncate(length).Add(length).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		// What could not be stored is kept and tried again, so the error ends nothing.
		if err := w.CloseInterval(ctx, w.now().UTC()); err != nil && ctx.Err() == nil {
			w.log.Error("interval not stored", "err", err)
		}
	}
}

// Receive takes one datagram that came from an exporter at a time.
func (w *Watcher) Receive(datagram []byte, from netip.Addr, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.decoder.Decode(datagram, from, at, w.add)
}

// What is kept in the store beside the history.
const (
	settingExporters = "exporters" // []netflow.Exporter, for commands that find no daemon
	settingMemory    = "memory"    // netflow.Memory
)

// maxPending is how many intervals wait in memory for a store that takes none.
const maxPending = 12

// CloseInterval ends the open interval at a time, judges it, and returns when it is on disk.
func (w *Watcher) CloseInterval(ctx context.Context, end time.Time) error {
	w.closing.Lock()
	defer w.closing.Unlock()
	near := w.near()
	w.mu.Lock()
	if !end.After(w.counter.Start()) { // the clock was set back
		end = w.counter.Start().Add(time.Second)
	}
	iv := w.counter.Close(end)
	w.counter.Near(near)
	disbelieved := w.counter.Disbelieved()
	w.decoder.Expire(end)
	exporters, memory := w.decoder.Exporters(), w.decoder.Remember()
	w.mu.Unlock()

	if len(disbelieved) > 0 {
		w.log.Warn("flows come in by other interfaces than the routes say, nearly all of them: the numbers must differ, and forged sources of these exporters are not told apart",
			"exporters", disbelieved, "hint", "name their interfaces in flowwatch.interfaces")
	}
	begun := time.Now()
	iv.Finish()
	r := w.record(iv, exporters)
	r.Values = map[string]any{settingExporters: exporters, settingMemory: memory}
	iv.Clear()
	w.mu.Lock()
	w.counter.Recycle(iv)
	w.mu.Unlock()
	w.publish()
	err := w.keep(ctx, r)
	w.stats.closed(time.Since(begun))
	w.announce(r)
	return err
}

// record judges an interval and gathers what of it is to be stored.
func (w *Watcher) record(iv *activity.Interval, exporters []netflow.Exporter) history.Record {
	covers := w.coverage(iv, exporters)
	r := history.Record{Start: iv.Start, Length: iv.Length}
	w.judge.Begin(iv.Start, iv.Length, covers)
	for i, p := range iv.Profiles {
		hosts := new(history.Writer)
		iv.Each(i, func(a *activity.Activity) {
			w.judge.Host(a)
			hosts.Add(a)
		})
		r.Profiles = append(r.Profiles, history.Profile{Name: p.Name, Hosts: hosts, Pairs: iv.Pairs[i], Coverage: covers[p.Name]})
	}
	r.Changes = w.judge.End()
	forgotten, err := w.judge.Remember(func(key string, value []byte) {
		r.Past = append(r.Past, history.Past{Key: key, Value: value})
	})
	if err != nil {
		w.log.Error("a host's past is not kept", "err", err)
	}
	r.Forgotten = forgotten
	return r
}

// missedFor is how long an exporter that fell silent counts as missing; after that it is taken to be gone for good.
const missedFor = 24 * time.Hour

// coverage says what each profile's counts of an interval rest on.
func (w *Watcher) coverage(iv *activity.Interval, exporters []netflow.Exporter) map[string]activity.Coverage {
	var heard, silent []netip.Addr
	var missing uint64
	for _, e := range exporters {
		switch {
		case !e.LastSeen.Before(iv.Start):
			heard = append(heard, e.Addr)
		case iv.Start.Sub(e.LastSeen) < missedFor:
			silent = append(silent, e.Addr)
		}
		if e.Lost > w.lost[e.Addr] {
			missing += e.Lost - w.lost[e.Addr]
		}
		w.lost[e.Addr] = e.Lost
	}
	dropped := w.kernelDrops()
	covers := make(map[string]activity.Coverage)
	for i, p := range iv.Profiles {
		c := iv.Coverage[i]
		c.Exporters, c.Silent, c.Lost, c.Dropped = heard, silent, missing, dropped-w.dropped
		c.Partial = iv.Length < w.config.Interval.Std()*9/10
		covers[p.Name] = c
	}
	w.dropped = dropped
	return covers
}

// keep stores a record, and those before it that could not be stored in their time.
func (w *Watcher) keep(ctx context.Context, r history.Record) error {
	if w.store == nil {
		return nil
	}
	w.pending = append(w.pending, r)
	if len(w.pending) > maxPending {
		w.pending = w.pending[1:]
		w.stats.unstored.Add(1)
	}
	for len(w.pending) > 0 {
		if err := w.store.Append(ctx, w.pending[0]); err != nil {
			w.stats.storeErrors.Add(1)
			return err
		}
		w.pending = w.pending[1:]
	}
	return w.store.RollUp(ctx, r.Start.Add(r.Length))
}

// announce logs who entered and left the list.
func (w *Watcher) announce(r history.Record) {
	for _, c := range r.Changes {
		a := c.Anomaly
		switch {
		case c.Entered:
			w.stats.entered.Add(1)
			w.log.Info("host listed", "host", a.Name, "profile", a.Profile, "kind", a.Kind, "score", a.Score, "proven", a.Proven, "why", why(a))
		case c.Left:
			w.stats.left.Add(1)
			w.log.Info("host left the list", "host", a.Name, "profile", a.Profile, "since", a.Since, "flows", a.Flows)
		}
	}
}
