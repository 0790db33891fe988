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
)

// A satellite is a `serve --only …` process beside the daemon that owns the stores: it opens none of the daemon's
// files, knows the registry from its files, and asks the daemon for the list of hosts that misbehave.

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

// listedEvery is how often a satellite renews its copy of the daemon's list.
const listedEvery = 30 * time.Second

// remoteListed answers the milter from a copy of the daemon's list; mail never waits for the daemon.
type remoteListed struct {
	main  *control.Client
	hosts atomic.Pointer[bart.Table[string]] // an entry of IPv6 is the customer's whole prefix
}

// Listed implements milter.Listed.
func (r *remoteListed) Listed(addr netip.Addr) (why string, listed bool) {
	hosts := r.hosts.Load()
	if hosts == nil {
		return "", false
	}
	return hosts.Lookup(addr.Unmap().WithZone(""))
}

// run renews the copy until ctx ends. While the daemon is away the last copy stands.
func (r *remoteListed) run(ctx context.Context) error {
	return renew(ctx, listedEvery, func(ctx context.Context) {
		if hosts, err := r.fetch(ctx); err == nil {
			r.hosts.Store(hosts)
		}
	})
}

func (r *remoteListed) fetch(ctx context.Context) (*bart.Table[string], error) {
	ctx, cancel := context.WithTimeout(ctx, listedEvery)
	defer cancel()
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
