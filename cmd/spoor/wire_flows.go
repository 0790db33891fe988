package main

import (
	"context"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"spoor/abusebox/incident"
	"spoor/abusebox/notify"
	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
)

// openFlows opens the watcher over the routers' flow exports.
func (d *daemon) openFlows(ctx context.Context, only services) error {
	if !d.cfg.Has("flowwatch") || !only.has("flowwatch") {
		return nil
	}
	store, err := history.Open(filepath.Join(d.cfg.Store.Dir, "flows.db"), d.cfg.Flowwatch.Keep())
	if err != nil {
		return err
	}
	d.flowStore = store
	d.onClose(store.Close)
	routes := newFlowRoutes(d.registry.Registry, d.cfg.Registry.Routers, d.cfg.Site.Networks)
	d.flows, err = flowwatch.New(ctx, flowwatch.Deps{Config: d.cfg.Flowwatch, Ours: d.ours, Around: routes.Around, Routes: routes.Interface,
		Store: store, Log: d.log, Metrics: d.metrics})
	if err != nil {
		return err
	}
	control.Flows(d.mux, d.flows)
	if err := d.flows.Bind(); err != nil {
		return err
	}
	d.add("flowwatch", d.flows.Run)
	d.add("flowroutes", func(ctx context.Context) error { return routes.run(ctx, d.flows.Locate) })
	return nil
}

// flowWitness tells the desk what the flows saw of an address.
type flowWitness struct{ watcher *flowwatch.Watcher }

// Testify implements abusebox.Witness. Only mail traffic is counted closely enough to speak for or against a complaint.
func (w flowWitness) Testify(ctx context.Context, q incident.Question) (incident.Testimony, error) {
	t := incident.Testimony{Source: incident.FromFlows, Standings: w.standings(q)}
	if q.Category != "messaging" {
		t.Note = "our flow records are kept for mail traffic only"
		return t, nil
	}
	e, err := w.watcher.Evidence(ctx, q.Addr, q.Window.From, q.Window.To)
	if err != nil {
		return t, err
	}
	t.Share = e.Chance
	for _, a := range e.Anomalies {
		t.Listed = append(t.Listed, incident.Span{From: a.Since, To: untilOrNow(a, q.Window.To)})
	}
	if e.Visibility == flowwatch.NotVisible {
		t.Note = e.Text
		return t, nil
	}
	t.Covered = []incident.Span{{From: e.Basis.From, To: e.Basis.To}}
	if e.Row != nil && e.Row.Out.Flows > 0 {
		t.Seen = []incident.Sighting{{Span: incident.Span{From: e.Row.First, To: e.Row.Last}, Count: int(e.Row.Out.Flows), What: e.Text}}
	}
	return t, nil
}

// standings are what each of our lists said when the complaint came in; one that cannot be told is left out.
func (w flowWitness) standings(q incident.Question) (all []incident.Standing) {
	if q.Arrived.IsZero() {
		return nil
	}
	found, err := w.watcher.Standings(q.Addr, q.Arrived)
	if err != nil {
		return nil
	}
	for _, s := range found {
		if s.Covered {
			all = append(all, incident.Standing{List: s.Profile, Listed: s.Listed, Since: s.Since, Share: s.Share})
		}
	}
	return all
}

// untilOrNow is the end of an entry of the list; one that lasts reaches to the end of what is asked.
func untilOrNow(a anomaly.Anomaly, end time.Time) time.Time {
	if a.Until.IsZero() {
		return end
	}
	return a.Until
}

// activity gives a notice the hours of its host as the flows counted them; nil where there are no flows.
func (d *daemon) activity() notify.Activity {
	if d.flows == nil {
		return nil
	}
	return func(ctx context.Context, addr netip.Addr, typ string, from, to time.Time) (points []notify.Point) {
		if typ != "spam" && typ != "phishing" {
			return nil
		}
		addr = addr.Unmap()
		show, err := d.flows.Show(ctx, netip.PrefixFrom(addr, addr.BitLen()), flowwatch.Scope{Profile: "smtp", From: from, To: to})
		if err != nil {
			d.log.Warn("a notice goes without a chart of its flows", "addr", addr, "err", err)
			return nil
		}
		for _, hour := range show.Hours {
			points = append(points, notify.Point{At: hour.From, Count: int(hour.Out.Flows)})
		}
		return points
	}
}

// flowListings hands the desk our own list, for notices before anybody complains.
type flowListings struct{ watcher *flowwatch.Watcher }

// Listings implements abusebox.Listings. An entry without a proven two-way exchange may have a forged source, and
// one that the operator tolerates is no news: neither leads to a notice by itself.
func (l flowListings) Listings(_ context.Context, _ time.Time) ([]incident.Listing, error) {
	var out []incident.Listing
	for _, a := range l.watcher.List() {
		if a.Allowed != "" || !a.Host.IsSingleIP() {
			continue
		}
		listing := incident.Listing{Addr: a.Host.Addr(), Profile: a.Profile, Since: a.Since, Until: a.Seen, Count: int(a.Flows), Sure: a.Proven}
		for _, r := range a.Reasons {
			listing.Reasons = append(listing.Reasons, r.Text)
		}
		out = append(out, listing)
	}
	return out, nil
}

// mailServersEvery is how often the milter's copy of the list of mail servers is renewed.
const mailServersEvery = 30 * time.Second

// flowMailServers answers the milter from a copy of the watcher's list, since the list itself waits for the close of
// an interval and mail must not.
type flowMailServers struct {
	watcher *flowwatch.Watcher
	hosts   atomic.Pointer[bart.Lite]
}

// MailServer implements milter.MailServers.
func (m *flowMailServers) MailServer(addr netip.Addr) bool {
	hosts := m.hosts.Load()
	return hosts != nil && hosts.Contains(addr.Unmap())
}

// run renews the copy until ctx ends.
func (m *flowMailServers) run(ctx context.Context) error {
	return renew(ctx, mailServersEvery, func(context.Context) {
		hosts := new(bart.Lite)
		for _, s := range m.watcher.MailServers() {
			hosts.Insert(s.Host)
		}
		m.hosts.Store(hosts)
	})
}
