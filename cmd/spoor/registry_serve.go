package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"spoor/registry"
	"spoor/registry/rdap"
	"spoor/registry/rwhois"
	"spoor/registry/whois"
)

// registryVersion is what the banners of the registry's servers say.
const registryVersion = "1"

// Run keeps the registry current and answers RWhois, whois and RDAP clients until ctx ends.
func (r *registryRoom) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.Registry.Run(ctx) })
	s := r.cfg.Registry.Serve
	if s.RWhois != "" {
		server := rwhois.NewServer(rwhois.Deps{Config: s, Table: r.Table, Version: registryVersion, Log: r.log, Count: r.counter("rwhois")})
		group.Go(func() error { return server.Serve(ctx, s.RWhois) })
	}
	if s.Whois != "" {
		server := whois.NewServer(whois.Deps{Config: s, Table: r.Table, Count: r.counter("whois")})
		group.Go(func() error { return server.Serve(ctx, s.Whois) })
	}
	if s.RDAP != "" {
		server := rdap.NewServer(rdap.Deps{Config: s, Table: r.Table, Log: r.log, Count: r.counter("rdap")})
		group.Go(func() error { return server.Serve(ctx, s.RDAP) })
	}
	return group.Wait()
}

// counter counts what one server did, by result.
func (r *registryRoom) counter(server string) func(result string) {
	return func(result string) { r.served.WithLabelValues(server, result).Inc() }
}

func newServedMetric(reg prometheus.Registerer) *prometheus.CounterVec {
	m := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_registry_served_total",
		Help: "Questions of RWhois, whois and RDAP clients by server and result."}, []string{"server", "result"})
	if reg != nil {
		reg.MustRegister(m)
	}
	return m
}

// Topology implements control.RegistryRoom.
func (r *registryRoom) Topology(ctx context.Context) (registry.Topology, error) {
	return r.poller.Discover(ctx, r.cfg.Registry.Routers, r.cfg.Registry.Discover)
}

// Serving implements control.RegistryRoom.
func (r *registryRoom) Serving() registry.ServeConfig { return r.cfg.Registry.Serve }
