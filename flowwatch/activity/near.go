package activity

import (
	"iter"
	"net/netip"
)

// A Near is a coarse map of where our addresses lie: it says of most strangers at a glance that they are none of
// ours, and of all that is ours that it may be. It knows IPv4 by /16 and IPv6 by a sum of its first 32 bits.
type Near struct {
	v4, v6 [1 << 16 / 64]uint64
}

// NearOf makes the map of prefixes that hold all that is ours.
func NearOf(prefixes iter.Seq[netip.Prefix]) *Near {
	n := new(Near)
	for p := range prefixes {
		n.mark(p.Masked())
	}
	return n
}

// Anywhere is the map that rules nothing out.
func Anywhere() *Near {
	n := new(Near)
	for i := range n.v4 {
		n.v4[i], n.v6[i] = ^uint64(0), ^uint64(0)
	}
	return n
}

func (n *Near) mark(p netip.Prefix) {
	set, k, bits, unit := &n.v4, keyOf(p.Addr()), p.Bits(), 16
	first := uint32(k.lo >> 16 & 0xffff)
	if !k.is4() {
		set, unit = &n.v6, 32
		first = uint32(k.hi >> 32)
	}
	count := uint32(1) << min(max(unit-bits, 0), 16) // more make no difference: they are all there is
	for i := range count {
		at := first + i
		at16 := uint16(at)
		if unit == 32 {
			at16 = uint16(at) ^ uint16(at>>16)
		}
		set[at16/64] |= 1 << (at16 % 64)
	}
}

// has tells whether an address may be ours.
func (n *Near) has(k key) bool {
	if k.is4() {
		return n.has4(k)
	}
	at := uint16(k.hi>>32) ^ uint16(k.hi>>48)
	return n.v6[at/64]>>(at%64)&1 != 0
}

// has4 is has for an IPv4 address.
func (n *Near) has4(k key) bool {
	at := uint16(k.lo >> 16)
	return n.v4[at/64]>>(at%64)&1 != 0
}
