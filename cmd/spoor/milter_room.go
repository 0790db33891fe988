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
		Tracer: milter.NewTracer(cfg.Site.Hosts, cfg.Milter.Relays, ours),
	})
}

// milterHolders answers the milter's question who holds an address. It answers from memory.
type milterHolders struct {
	registry interface {
		Holder(q registry.Query) registry.Answer
	}
}

// Holder returns the holder's name and whether the address is ours.
func (m milterHolders) Holder(addr netip.Addr) (name string, ours bool) {
	answer := m.registry.Holder(registry.Query{Addr: addr})
	if answer.Holder != nil {
		name = answer.Holder.Contact.Org
	}
	return name, answer.Ours
}
