package trace

import (
	"net/netip"
	"testing"
)

// Each entry says how it is known, and its networks are written as networks.
func TestProviders(t *testing.T) {
	for _, p := range Providers {
		if p.Source == "" {
			t.Errorf("%s: how are its networks known?", p.Name)
		}
		for i, n := range p.Networks {
			if n != n.Masked() {
				t.Errorf("%s: %s has bits beyond its length", p.Name, n)
			}
			for _, other := range p.Networks[:i] {
				if n.Overlaps(other) {
					t.Errorf("%s: %s and %s overlap", p.Name, n, other)
				}
			}
		}
		for _, e := range p.Edges {
			if provider(e) == nil && e != "mx.microsoft" {
				t.Errorf("%s: %s is an edge below none of its domains", p.Name, e)
			}
		}
	}
}

// Machines that a provider lets to customers are not its mail hosts.
func TestProvidersCustomers(t *testing.T) {
	for _, s := range []string{"2603:1030:20e::1", "2603:1020:201::1", "157.55.184.7", "157.56.164.7", "207.46.131.7", "213.199.130.7", "34.90.1.1", "35.200.1.1", "2600:1900::1"} {
		for i := range Providers {
			if p := &Providers[i]; p.owns(netip.MustParseAddr(s)) {
				t.Errorf("%s counts as a mail host of %s", s, p.Name)
			}
		}
	}
}
