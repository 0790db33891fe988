package activity

import (
	"net/netip"
	"slices"
)

// An exporter is what the Counter knows of one: how its flows fit the routes. Routes and flows may name the same
// interface differently (a bundle and its members, a VLAN and its port), and then nearly nothing would fit: such an
// exporter's flows all count, or a difference in numbering would hide every bot behind it.
type exporter struct {
	number        uint16 // from 1
	fits, misfits uint64 // since this interval began
	disbelieved   bool   // by the interval before
}

// enough flows must be held against routes before these are disbelieved: when fewer than one in five fits.
const (
	enoughFits = 100
	leastFits  = 5
)

// misfit notes whether a flow came in elsewhere than its route says, and tells whether that counts.
func (e *exporter) misfit(elsewhere bool) bool {
	if elsewhere {
		e.misfits++
	} else {
		e.fits++
	}
	return elsewhere && !e.disbelieved
}

// settle decides, when an interval closes, whether the routes are believed in the next.
func (e *exporter) settle() {
	if all := e.fits + e.misfits; all >= enoughFits {
		e.disbelieved = e.fits*leastFits < all
		e.fits, e.misfits = 0, 0
	}
}

// maxExporters bounds the exporters told apart; those past it share a number.
const maxExporters = 1 << 15

func (c *Counter) exporter(a netip.Addr) *exporter {
	if c.last != nil && c.lastAddr == a {
		return c.last
	}
	e := c.exporters[a]
	if e == nil {
		e = &exporter{number: uint16(min(len(c.exporters)+1, maxExporters))}
		if len(c.exporters) < maxExporters {
			c.exporters[a] = e
		}
	}
	c.last, c.lastAddr = e, a
	return e
}

// Disbelieved are the exporters whose flows come in by other interfaces than the routes say so often that the
// numbering must differ: their flows all count, whatever interface they came by.
func (c *Counter) Disbelieved() (list []netip.Addr) {
	for a, e := range c.exporters {
		if e.disbelieved {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
