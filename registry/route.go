package registry

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// A Route is which next hop a prefix was routed to, by which router, from when to when.
//
// The four times frame what is known. The route was seen from FirstSeen to LastSeen; it
// may have existed already since NotBefore, the last look that did not show it, and may
// have lasted until NotAfter, the first look that no longer showed it. A zero FirstSeen
// means that the route is timeless (it comes from a file), a zero NotAfter that it is
// still there.
type Route struct {
	Prefix    netip.Prefix // masked
	NextHop   netip.Addr   // invalid when the prefix lies directly on an interface
	Router    string       // the router's name in the configuration, or the file's
	VRF       string       // "" is the default instance
	Interface string       // interface name, or "#58" where only its index is known
	Protocol  string       // how the router learned it: static, ospf, bgp …; "" if unknown
	Type      RouteType
	NotBefore time.Time
	FirstSeen time.Time
	LastSeen  time.Time
	NotAfter  time.Time
}

// A RouteType says what a router does with packets for a prefix.
type RouteType string

// The types of RFC 4292 §5, inetCidrRouteType.
const (
	TypeUnknown   RouteType = ""
	TypeLocal     RouteType = "local"     // delivered on an interface of the router
	TypeRemote    RouteType = "remote"    // handed to a next hop
	TypeReject    RouteType = "reject"    // discarded with a message
	TypeBlackhole RouteType = "blackhole" // discarded silently
)

// Leads reports whether the route hands packets on, so that somebody can stand behind it.
func (r Route) Leads() bool { return r.Type != TypeReject && r.Type != TypeBlackhole }

// Via names the way out in words: the next hop, or the interface, or what is done instead.
func (r Route) Via() string {
	switch {
	case !r.Leads():
		return string(r.Type)
	case r.NextHop.IsValid():
		return r.NextHop.String()
	case r.Interface != "":
		return "direct on " + r.Interface
	}
	return "direct"
}

// path is everything of a Route but its prefix and its times: few distinct values serve
// a million routes.
type path struct {
	nextHop   netip.Addr
	router    string
	vrf       string
	iface     string
	protocol  string
	routeType RouteType
}

func (r Route) path() path {
	return path{r.NextHop, r.Router, r.VRF, r.Interface, r.Protocol, r.Type}
}

func (p path) route() Route {
	return Route{NextHop: p.nextHop, Router: p.router, VRF: p.vrf, Interface: p.iface, Protocol: p.protocol, Type: p.routeType}
}

// SameWay reports whether two routes differ in nothing but their times.
func (r Route) SameWay(o Route) bool { return r.Prefix == o.Prefix && r.path() == o.path() }

// ComparePrefixes orders prefixes so that IPv4 precedes IPv6 and each prefix precedes
// the prefixes that it encloses.
func ComparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return cmp.Compare(a.Bits(), b.Bits())
}

// CompareRoutes orders routes by prefix, then by router, instance, way out and time.
func CompareRoutes(a, b Route) int {
	return cmp.Or(
		ComparePrefixes(a.Prefix, b.Prefix),
		cmp.Compare(a.Router, b.Router),
		cmp.Compare(a.VRF, b.VRF),
		a.NextHop.Compare(b.NextHop),
		cmp.Compare(a.Interface, b.Interface),
		cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.Type, b.Type),
		a.FirstSeen.Compare(b.FirstSeen),
	)
}

// Segments counts the /24 networks that an IPv4 prefix covers, as the listing of 2003
// does: 256 for a /16, 4 for a /22, 1 for a /24 and for anything smaller. For IPv6 it
// counts /48 networks. The count of a very short IPv6 prefix is cut off at 2^48.
func Segments(p netip.Prefix) uint64 {
	unit := 24
	if p.Addr().Is6() {
		unit = 48
	}
	return 1 << max(unit-p.Bits(), 0)
}

// Netmask writes the mask of an IPv4 prefix as an address and that of IPv6 as "/len".
func Netmask(p netip.Prefix) string {
	if !p.Addr().Is4() {
		return fmt.Sprintf("/%d", p.Bits())
	}
	mask := ^uint32(0) << (32 - p.Bits())
	if p.Bits() == 0 {
		mask = 0
	}
	return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

// PrefixFromMask joins a destination and an IPv4 netmask. Host bits of the destination
// are dropped, as routers do; a mask with holes is an error.
func PrefixFromMask(dest, mask netip.Addr) (netip.Prefix, error) {
	if !dest.Is4() || !mask.Is4() {
		return netip.Prefix{}, fmt.Errorf("netmask %s of %s: both must be IPv4 addresses", mask, dest)
	}
	m := mask.As4()
	v := uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8 | uint32(m[3])
	bits := 0
	for v<<bits != 0 {
		bits++
	}
	if bits > 0 && v != ^uint32(0)<<(32-bits) {
		return netip.Prefix{}, fmt.Errorf("netmask %s has holes", mask)
	}
	return netip.PrefixFrom(dest, bits).Masked(), nil
}

// LastAddr returns the last address of a prefix.
func LastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
