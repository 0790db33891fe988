package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch/anomaly"
	"spoor/milter"
)

// A satellite is a `serve --only …` process beside the daemon that owns the stores: it opens none of the daemon's
// files, knows the registry from its files, asks the daemon for its lists of hosts, and hands its desk what it sees.

// joinDaemon finds out whether this process is a satellite.
func (d *daemon) joinDaemon() {
	if len(d.only) == 0 {
		return
	}
	if client, err := control.Dial(d.cfg.ControlPath()); err == nil {
		d.main = client
	}
}

// alone refuses to be a second daemon on one store.
func (d *daemon) alone() error {
	if d.main != nil {
		return nil
	}
	if _, err := control.Dial(d.cfg.ControlPath()); err == nil {
		return hint(fmt.Errorf("another daemon already serves %s", d.cfg.ControlPath()), "stop it first, or give this one a store of its own")
	}
	return nil
}

// controlPath is where this process answers: a satellite beside the daemon's own socket.
func (d *daemon) controlPath() string {
	path := d.cfg.ControlPath()
	if d.main == nil {
		return path
	}
	return filepath.Join(filepath.Dir(path), "control-"+strings.Join(d.only, "-")+".sock")
}

// listsEvery is how often a satellite renews its copies of the daemon's lists.
const listsEvery = 30 * time.Second

// remoteLists answers the milter from copies of the daemon's lists of hosts that misbehave and of mail servers; mail never
// waits for the daemon.
type remoteLists struct {
	main    *control.Client
	hosts   atomic.Pointer[bart.Table[string]] // an entry of IPv6 is the customer's whole prefix
	servers atomic.Pointer[bart.Lite]
}

// Listed implements milter.Listed.
func (r *remoteLists) Listed(addr netip.Addr) (why string, listed bool) {
	hosts := r.hosts.Load()
	if hosts == nil {
		return "", false
	}
	return hosts.Lookup(addr.Unmap().WithZone(""))
}

// MailServer implements milter.MailServers.
func (r *remoteLists) MailServer(addr netip.Addr) bool {
	servers := r.servers.Load()
	return servers != nil && servers.Contains(addr.Unmap().WithZone(""))
}

// run renews the copies until ctx ends. While the daemon is away the last ones stand.
func (r *remoteLists) run(ctx context.Context) error {
	return renew(ctx, listsEvery, r.fetch)
}

func (r *remoteLists) fetch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, listsEvery)
	defer cancel()
	if servers, err := r.fetchServers(ctx); err == nil { // before the hosts: of those it makes exceptions
		r.servers.Store(servers)
	}
	if hosts, err := r.fetchHosts(ctx); err == nil {
		r.hosts.Store(hosts)
	}
}

func (r *remoteLists) fetchServers(ctx context.Context) (*bart.Lite, error) {
	servers := new(bart.Lite)
	err := r.main.Get(ctx, "/flows/servers", nil, func(line json.RawMessage) error {
		var s anomaly.MailServer
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		servers.Insert(s.Host)
		return nil
	})
	return servers, err
}

func (r *remoteLists) fetchHosts(ctx context.Context) (*bart.Table[string], error) {
	hosts := new(bart.Table[string])
	err := r.main.Get(ctx, "/flows/anomalies", nil, func(line json.RawMessage) error {
		var a anomaly.Anomaly
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		host, err := parseHost(a.Name)
		if err != nil || a.Allowed != "" || !a.Until.IsZero() || len(a.Reasons) == 0 {
			return err
		}
		hosts.Insert(host, a.Reasons[0].Text)
		return nil
	})
	return hosts, err
}

// remoteDesk hands the daemon's desk what a satellite's milter saw. What the daemon does not take now the milter keeps.
type remoteDesk struct{ main *control.Client }

// Sightings implements milter.Desk.
func (r remoteDesk) Sightings(ctx context.Context, start, end time.Time, hosts []milter.Sighting) error {
	return r.main.Post(ctx, "/milter/sightings", control.MilterSightings{Start: start, End: end, Hosts: hosts}, nil)
}

// Report implements milter.Desk.
func (r remoteDesk) Report(ctx context.Context, report milter.Report) error {
	return r.main.Post(ctx, "/milter/report", report, nil)
}

// parseHost reads an address or a prefix.
func parseHost(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
