package registry

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
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
}

// WholeAddress reports whether the lease is of all ports.
func (l Lease) WholeAddress() bool { return l.PortLow == 0 && l.PortHigh == 65535 }

// fits reports whether the lease touches the window and, where they are known, the port
// and protocol asked for.
func (l Lease) fits(q Query, from, to time.Time) bool {
	if !l.Prefix.Contains(q.Addr) || l.From.After(to) || !l.To.IsZero() && l.To.Before(from) {
		return false
	}
	if q.Port != 0 && (q.Port < l.PortLow || q.Port > l.PortHigh) {
		return false
	}
	return q.Proto == "" || l.Protocol == "" || l.Protocol == q.Proto
}

// covers reports whether the lease held during the whole window.
func (l Lease) covers(from, to time.Time) bool {
	end := l.To
	if end.IsZero() {
		end = l.Known
	}
	return !l.From.After(from) && (end.IsZero() || !end.Before(to))
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

// A LeaseBook is a fixed set of leases in memory. Its zero value is empty.
type LeaseBook struct {
	leases []Lease // sorted by prefix and start
	bits   []int   // the prefix lengths that occur, as lengthKey has them
}

// NewLeaseBook makes a book of leases. A lease without an end is ended by the next lease
// of the same prefix, ports and protocol.
func NewLeaseBook(leases []Lease) *LeaseBook {
	b := &LeaseBook{leases: slices.Clone(leases)}
	CloseLeases(b.leases)
	lengths := map[int]bool{}
	for _, l := range b.leases {
		lengths[lengthKey(l.Prefix)] = true
	}
	for k := range lengths {
		b.bits = append(b.bits, k)
	}
	slices.SortFunc(b.bits, func(x, y int) int { return cmp.Compare(y, x) })
	return b
}

// CloseLeases sorts leases and ends each open one where the next lease of the same
// prefix, ports and protocol begins: an address has one holder at a time.
func CloseLeases(leases []Lease) {
	slices.SortFunc(leases, CompareLeases)
	type block struct {
		prefix    netip.Prefix
		low, high uint16
		protocol  string
	}
	open := map[block]int{}
	for i, l := range leases {
		k := block{l.Prefix, l.PortLow, l.PortHigh, l.Protocol}
		if before, ok := open[k]; ok && leases[before].To.IsZero() {
			leases[before].To = l.From
		}
		open[k] = i
	}
}

func lengthKey(p netip.Prefix) int {
	if p.Addr().Is4() {
		return p.Bits() + 1000
	}
	return p.Bits()
}

// Len returns the number of leases.
func (b *LeaseBook) Len() int { return len(b.leases) }

// LeasesOf implements Leases; it never fails.
func (b *LeaseBook) LeasesOf(addr netip.Addr, from, to time.Time) ([]Lease, error) {
	var found []Lease
	for _, k := range b.bits {
		bits := k
		if k >= 1000 {
			bits -= 1000
		}
		if addr.Is4() != (k >= 1000) {
			continue
		}
		p := netip.PrefixFrom(addr, bits).Masked()
		lo := sort.Search(len(b.leases), func(i int) bool { return ComparePrefixes(b.leases[i].Prefix, p) >= 0 })
		for i := lo; i < len(b.leases) && b.leases[i].Prefix == p; i++ {
			l := b.leases[i]
			if !l.From.After(to) && (l.To.IsZero() || !l.To.Before(from)) {
				found = append(found, l)
			}
		}
	}
	slices.SortFunc(found, CompareLeases)
	return found, nil
}
