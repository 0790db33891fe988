package main

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"spoor/registry"
)

// flowRoutes tells the flow collector by which interface of an exporter a host of ours is reached: where the exporter
// is one of the registry's routers, the interface of its longest route to the host.
type flowRoutes struct {
	registry *registry.Registry
	routers  map[netip.Addr]string // the exporter's address → the router's name
	networks []netip.Prefix        // the site's
	built    *registry.Table
	around   atomic.Pointer[[]netip.Prefix]
	routes   atomic.Pointer[map[netip.Addr]*bart.Table[string]] // by exporter: prefix → interface, "" where it is not one
}

func newFlowRoutes(reg *registry.Registry, routers []registry.RouterConfig, networks []netip.Prefix) *flowRoutes {
	r := &flowRoutes{registry: reg, networks: networks, routers: make(map[netip.Addr]string)}
	for _, c := range routers {
		if addr, err := netip.ParseAddr(c.Address); err == nil {
			r.routers[addr.Unmap()] = c.Name
		}
	}
	r.rebuild()
	return r
}

// Interface implements flowwatch.Deps.Routes. It waits for nothing: flows are being counted.
func (r *flowRoutes) Interface(exporter, host netip.Addr) string {
	table := (*r.routes.Load())[exporter]
	if table == nil {
		return ""
	}
	name, _ := table.Lookup(host)
	return name
}

// flowRoutesEvery is how often it is looked whether the registry has changed.
const flowRoutesEvery = 20 * time.Second

// run keeps up with the registry until ctx ends; changed is told of each change.
func (r *flowRoutes) run(ctx context.Context, changed func()) error {
	return renew(ctx, flowRoutesEvery, func(context.Context) {
		if r.rebuild() {
			changed()
		}
	})
}

// Around implements flowwatch.Deps.Around.
func (r *flowRoutes) Around() iter.Seq[netip.Prefix] { return slices.Values(*r.around.Load()) }

// rebuild takes the registry's table up, if that is another one.
func (r *flowRoutes) rebuild() (changed bool) {
	table := r.registry.Table()
	if table == r.built {
		return false
	}
	around := slices.Clone(r.networks)
	for n := range table.AllNetworks(time.Time{}) {
		around = append(around, n.Prefix)
	}
	r.around.Store(&around)
	exporters := make(map[string]*bart.Table[string])
	routes := make(map[netip.Addr]*bart.Table[string])
	for addr, name := range r.routers {
		if exporters[name] == nil {
			exporters[name] = new(bart.Table[string])
		}
		routes[addr] = exporters[name]
	}
	for route := range table.Routes(time.Time{}) {
		if t := exporters[route.Router]; t != nil && route.VRF == "" {
			name := route.Interface
			if old, known := t.Get(route.Prefix); known && old != name || !route.Leads() {
				name = "" // several ways: by which the host sends is not known
			}
			t.Insert(route.Prefix, name)
		}
	}
	r.routes.Store(&routes)
	r.built = table
	return true
}
