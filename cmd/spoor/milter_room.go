package main

import (
	"log/slog"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/cmd/spoor/config"
	"spoor/milter"
	"spoor/registry"
)

// newMilter puts the milter together: it trusts the site's mail hosts, and knows of addresses what lookups knows.
func newMilter(cfg config.Config, log *slog.Logger, metrics prometheus.Registerer, lookups milter.Lookups, desk milter.Desk) *milter.Server {
	var ours func(netip.Addr) bool
	if lookups.Holders != nil {
		ours = func(a netip.Addr) bool {
			_, is := lookups.Holders.Holder(a)
			return is
		}
	}
	return milter.New(cfg.Milter, milter.Deps{
		Log: log, Metrics: metrics, Lookups: lookups, Desk: desk,
		Tracer: milter.NewTracer(cfg.Site.Hosts, cfg.Milter.Believed(), ours),
	})
}

// milterHolders answers the milter's question who holds an address. It answers from memory and by the address alone:
// whose a shared or dynamic one is only logs tell, for which mail does not wait.
type milterHolders struct {
	registry interface{ Table() *registry.Table }
}

// Holder returns the holder's name, empty where the address alone does not decide, and whether the address is ours.
func (m milterHolders) Holder(addr netip.Addr) (name string, ours bool) {
	table, addr := m.registry.Table(), addr.Unmap().WithZone("")
	if contact, ok := table.Lookup(addr); ok {
		name = contact.Org
	}
	return name, table.IsOurs(addr)
}
