package snmp

import (
	"errors"
	"fmt"
	"net/netip"

	"spoor/registry"
)

// key is what the index of a routing table's row says.
type key struct {
	prefix  netip.Prefix
	nextHop netip.Addr // invalid where the row has none
}

var (
	errIndex   = errors.New("index of a routing row")
	errNoRoute = errors.New("a row that is no unicast route") // of an address family that is not ours
)

// inetKey reads the index of inetCidrRouteTable (RFC 4292 §6): type, length and octets of
// the destination, prefix length, policy with its length, type, length and octets of the
// next hop.
func inetKey(index oid) (key, error) {
	dest, rest, err := inetAddress(index)
	if err != nil {
		return key{}, err
	}
	if len(rest) < 2 {
		return key{}, fmt.Errorf("%w: ends after the destination", errIndex)
	}
	bits, policy := rest[0], rest[1]
	if uint64(policy) > uint64(len(rest)-2) {
		return key{}, fmt.Errorf("%w: policy of %d parts, %d are left", errIndex, policy, len(rest)-2)
	}
	hop, rest, err := inetAddress(rest[2+policy:])
	if err != nil && !errors.Is(err, errNoRoute) {
		return key{}, err
	}
	if len(rest) != 0 {
		return key{}, fmt.Errorf("%w: %d parts too many", errIndex, len(rest))
	}
	if !dest.IsValid() {
		return key{}, errNoRoute
	}
	if bits > uint32(dest.BitLen()) {
		return key{}, fmt.Errorf("%w: prefix length %d of %s", errIndex, bits, dest)
	}
	return key{netip.PrefixFrom(dest, int(bits)).Masked(), given(hop)}, nil
}

// inetAddress reads type, length and octets of an InetAddress (RFC 4001). A zone index is
// left out. The unknown type 0 has no octets and gives an invalid address.
func inetAddress(index oid) (a netip.Addr, rest oid, err error) {
	if len(index) < 2 {
		return a, nil, fmt.Errorf("%w: ends before an address", errIndex)
	}
	kind, size := index[0], index[1]
	if uint64(size) > uint64(len(index)-2) {
		return a, nil, fmt.Errorf("%w: address of %d octets, %d parts are left", errIndex, size, len(index)-2)
	}
	octets, rest := index[2:2+size], index[2+size:]
	want, addrLen := map[uint32]uint32{0: 0, 1: 4, 2: 16, 3: 8, 4: 20}[kind], uint32(4)
	switch kind {
	case 0, 1, 2, 3, 4:
		if size != want {
			return a, nil, fmt.Errorf("%w: address type %d with %d octets", errIndex, kind, size)
		}
	default: // dns(16) and whatever comes later
		return a, rest, errNoRoute
	}
	if kind == 0 {
		return a, rest, nil
	}
	if kind == 2 || kind == 4 {
		addrLen = 16
	}
	raw := make([]byte, addrLen)
	for i := range raw {
		if octets[i] > 255 {
			return a, nil, fmt.Errorf("%w: octet %d", errIndex, octets[i])
		}
		raw[i] = byte(octets[i])
	}
	a, _ = netip.AddrFromSlice(raw)
	return a, rest, nil
}

// cidrKey reads the index of ipCidrRouteTable (RFC 2096): destination, mask, type of
// service and next hop.
func cidrKey(index oid) (key, error) {
	if len(index) != 13 {
		return key{}, fmt.Errorf("%w: %d parts, ipCidrRouteTable has 13", errIndex, len(index))
	}
	dest, err := ipv4(index[:4])
	if err != nil {
		return key{}, err
	}
	mask, err := ipv4(index[4:8])
	if err != nil {
		return key{}, err
	}
	hop, err := ipv4(index[9:])
	if err != nil {
		return key{}, err
	}
	p, err := registry.PrefixFromMask(dest, mask)
	if err != nil {
		return key{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	return key{p, given(hop)}, nil
}

// forwardKey reads the index of ipForwardTable (RFC 1354): destination, protocol, policy and next hop. The mask is a column.
func forwardKey(index oid) (key, error) {
	if len(index) != 10 {
		return key{}, fmt.Errorf("%w: %d parts, ipForwardTable has 10", errIndex, len(index))
	}
	dest, err := ipv4(index[:4])
	if err != nil {
		return key{}, err
	}
	hop, err := ipv4(index[6:])
	if err != nil {
		return key{}, err
	}
	return key{netip.PrefixFrom(dest, 32), given(hop)}, nil
}

// routeKey reads the index of ipRouteTable (RFC 1213), which is the destination. Mask and next hop are columns.
func routeKey(index oid) (key, error) {
	dest, err := ipv4(index)
	if err != nil {
		return key{}, err
	}
	return key{prefix: netip.PrefixFrom(dest, 32)}, nil
}

func ipv4(index oid) (netip.Addr, error) {
	if len(index) != 4 {
		return netip.Addr{}, fmt.Errorf("%w: %d parts for an IPv4 address", errIndex, len(index))
	}
	var b [4]byte
	for i, n := range index {
		if n > 255 {
			return netip.Addr{}, fmt.Errorf("%w: octet %d", errIndex, n)
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), nil
}

// given drops the all-zero next hop of rows that have none.
func given(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap()
}
