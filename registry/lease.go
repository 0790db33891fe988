package registry

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// A Lease says who had a dynamic address, or a block of ports on a shared one, from when
// to when: one line of a DHCP, RADIUS accounting or NAT log.
type Lease struct {
	Prefix     netip.Prefix // one address, or a delegated prefix
	PortLow    uint16       // 0 to 65535 when the whole address was theirs
	PortHigh   uint16
	Protocol   string // "tcp", "udp" …; "" for all
	From       time.Time
	To         time.Time // zero: no end seen yet
	Known      time.Time // how far the log reaches: an open lease is proven until then only
	Subscriber string    // account, user name, MAC or inner address, as the log has it
	Source     string    // which log: "radius.log:118"
	Broken     string    `json:"-"` // why no more is known than that it began: its record is damaged
}

// WholeAddress reports whether the lease is of all ports.
func (l Lease) WholeAddress() bool { return l.PortLow == 0 && l.PortHigh == 65535 }

// fits reports whether the lease touches the window and, where they are known, the port
// and protocol asked for.
func (l Lease) fits(q Query, from, to time.Time) bool {
	if !l.Prefix.Contains(q.Addr) || !l.touches(from, to) {
		return false
	}
	if q.Port != 0 && (q.Port < l.PortLow || q.Port > l.PortHigh) {
		return false
	}
	return q.Proto == "" || l.Protocol == "" || l.Protocol == q.Proto
}

func (l Lease) touches(from, to time.Time) bool {
	return !l.From.After(to) && (l.To.IsZero() || !l.To.Before(from))
}

// proven returns until when the lease is proven to have lasted; zero is for ever.
func (l Lease) proven() time.Time {
	if l.To.IsZero() {
		return l.Known
	}
	return l.To
}

// covered reports whether leases of one holder are proven for both ends of a window, and
// for all that lies between.
func covered(leases []Lease, from, to time.Time) (ends, whole bool) {
	byStart := slices.SortedFunc(slices.Values(leases), func(a, b Lease) int { return a.From.Compare(b.From) })
	reached, begun, whole := from, false, true
	for _, l := range byStart {
		end := l.proven()
		if end.IsZero() {
			end = to
		}
		if end.Before(reached) {
			continue
		}
		begun = begun || !l.From.After(from)
		whole = whole && !l.From.After(reached)
		reached = end
	}
	ends = begun && !reached.Before(to)
	return ends, ends && whole
}

// CompareLeases orders leases by prefix, start, ports and subscriber.
func CompareLeases(a, b Lease) int {
	return cmp.Or(
		ComparePrefixes(a.Prefix, b.Prefix),
		a.From.Compare(b.From),
		cmp.Compare(a.PortLow, b.PortLow),
		cmp.Compare(a.PortHigh, b.PortHigh),
		cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.Subscriber, b.Subscriber),
	)
}

// Leases finds who had an address in a window of time.
type Leases interface {
	// LeasesOf returns the leases of prefixes that contain addr and that touch the
	// window, in the order of CompareLeases.
	LeasesOf(addr netip.Addr, from, to time.Time) ([]Lease, error)
}

func (l Lease) block() leaseBlock { return leaseBlock{l.Prefix, l.PortLow, l.PortHigh, l.Protocol} }

// mergeRenewals sorts leases, joins those that follow or overlap one another with the same
// subscriber on the same block, and ends each open one where the next of its block begins:
// a block has one holder at a time.
func mergeRenewals(leases []Lease) []Lease {
	slices.SortStableFunc(leases, func(a, b Lease) int {
		return cmp.Or(ComparePrefixes(a.Prefix, b.Prefix), cmp.Compare(a.PortLow, b.PortLow),
			cmp.Compare(a.PortHigh, b.PortHigh), cmp.Compare(a.Protocol, b.Protocol), a.From.Compare(b.From))
	})
	out := leases[:0]
	for _, l := range leases {
		n := len(out) - 1
		switch {
		case n >= 0 && out[n].renewedBy(l):
			out[n].join(l)
			continue
		case n >= 0 && out[n].To.IsZero() && out[n].block() == l.block():
			out[n].To = out[n].endBefore(l)
		}
		out = append(out, l)
	}
	slices.SortFunc(out, CompareLeases)
	return out
}

func (l Lease) renewedBy(next Lease) bool {
	return l.Broken == "" && next.Broken == "" && l.block() == next.block() && l.Subscriber == next.Subscriber &&
		(l.proven().IsZero() || !next.From.After(l.proven()))
}

// endBefore returns when a lease without an end is taken to have ended, where another of its
// block begins. What its own log does not reach, nobody saw: the same holder may have left
// and come again.
func (l Lease) endBefore(next Lease) time.Time {
	if l.Broken == "" && l.Subscriber == next.Subscriber && !l.Known.IsZero() && l.Known.Before(next.From) {
		return l.Known
	}
	return next.From
}

// join takes over a renewal, which begins no earlier. Where the first has no end the
// renewal's is it; two that begin at once are one lease, read twice, and one of them may
// have been read before its end.
func (l *Lease) join(next Lease) {
	same := l.From.Equal(next.From)
	switch {
	case l.To.IsZero():
		l.To = next.To
	case next.To.IsZero() && !same:
		l.To = time.Time{}
	case next.To.After(l.To):
		l.To = next.To
	}
	if next.Known.After(l.Known) {
		l.Known = next.Known
	}
}
