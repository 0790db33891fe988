package registry

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

// A Table is one immutable view of routes and contacts, and of leases as their logs stand
// when it is asked. Any number of readers may use it at once.
type Table struct {
	lpm      *bart.Table[int32] // to the contact that answers at this moment, in resolved; 0 if the address alone does not decide
	groups   []group            // sorted by prefix, each before the prefixes that it encloses
	recs     []rec              // of the groups, in order
	paths    []way              // what recs point to
	claims   map[int32][]*Contact
	orgs     map[string][]*Contact
	resolved []*Contact // the merged contacts of this moment; 0 is none
	contacts []Contact
	sources  map[sourceKey]Source
	networks *bart.Lite
	leases   manyLeases
	now      func() time.Time
	stale    time.Duration
	built    time.Time // the moment that lpm, assign, ours and inward are of
	until    time.Time // when a record begins or ends to hold next; zero: never
}

// group is all that is known of one prefix.
type group struct {
	hi, lo  uint64
	parent  int32 // the group that encloses it most closely; -1 for none
	first   int32 // its recs are recs[first:next.first]
	bits    uint8
	is4     bool
	assign  assignCode // of this prefix or the nearest enclosing one, at this moment
	ours    bool       // configured, or claimed by a contact, here or above
	inward  bool       // routed so that somebody of ours stands behind it, here or, where there is no route, above
	claimed bool       // by a contact, now or once: Table.claims has it
}

type assignCode uint8

func (c assignCode) assignment() Assignment {
	return [...]Assignment{AssignUnknown, AssignStatic, AssignDynamic, AssignShared}[c]
}

func codeOf(a Assignment) assignCode {
	switch a {
	case AssignStatic:
		return 1
	case AssignDynamic:
		return 2
	case AssignShared:
		return 3
	}
	return 0
}

// rec is one Route of a group: a way and its times in Unix seconds, 0 for none.
type rec struct {
	way                              uint32
	notBefore, first, last, notAfter uint32
}

// way is a path with what the contacts and the configuration say of it.
type way struct {
	path
	outward    bool // leads to an upstream: nobody of ours stands behind it
	rank       int  // the higher is preferred
	interfaces []*Contact
	nextHops   []*Contact
}

type sourceKey struct{ router, vrf string }

// A Source is how fresh the routes of one router and instance are.
type Source struct {
	Router   string
	VRF      string
	LastGood time.Time // the last verified complete walk; zero for a file
	Begins   time.Time // the first one
	Stale    bool      // a later walk was tried and not accepted
	Problem  string    // why
	Routes   int
}

func (g *group) prefix() netip.Prefix {
	var b [16]byte
	if g.is4 {
		binary.BigEndian.PutUint32(b[:4], uint32(g.hi>>32))
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), int(g.bits))
	}
	binary.BigEndian.PutUint64(b[:8], g.hi)
	binary.BigEndian.PutUint64(b[8:], g.lo)
	return netip.PrefixFrom(netip.AddrFrom16(b), int(g.bits))
}

func groupOf(p netip.Prefix) group {
	g := group{bits: uint8(p.Bits()), is4: p.Addr().Is4()}
	if g.is4 {
		b := p.Addr().As4()
		g.hi = uint64(binary.BigEndian.Uint32(b[:])) << 32
		return g
	}
	b := p.Addr().As16()
	g.hi, g.lo = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return g
}

func (g *group) encloses(o *group) bool {
	if g.is4 != o.is4 || g.bits > o.bits {
		return false
	}
	switch {
	case g.bits == 0:
		return true
	case g.bits <= 64:
		return (g.hi^o.hi)>>(64-g.bits) == 0
	}
	return g.hi == o.hi && (g.lo^o.lo)>>(128-g.bits) == 0
}

// compareGroups orders groups as ComparePrefixes does their prefixes.
func compareGroups(a, b *group) int {
	if a.is4 != b.is4 {
		if a.is4 {
			return -1
		}
		return 1
	}
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.bits, b.bits))
}

// masked reports whether no bit is set beyond the prefix's length.
func (g *group) masked() bool {
	if g.bits >= 64 {
		return g.lo<<(g.bits-64) == 0
	}
	return g.hi<<g.bits == 0 && g.lo == 0
}

func (t *Table) recsOf(i int32) []rec {
	end := len(t.recs)
	if int(i)+1 < len(t.groups) {
		end = int(t.groups[i+1].first)
	}
	return t.recs[t.groups[i].first:end]
}

// chain returns the groups that enclose an address, the most specific first.
func (t *Table) chain(addr netip.Addr) []int32 {
	return t.enclosing(netip.PrefixFrom(addr, addr.BitLen()))
}

// enclosing returns the groups that contain a whole prefix, the most specific first.
func (t *Table) enclosing(p netip.Prefix) []int32 {
	longest, _, ok := t.lpm.LookupPrefixLPM(p)
	if !ok {
		return nil
	}
	var c []int32
	for g := t.find(longest); g >= 0; g = t.groups[g].parent {
		c = append(c, g)
	}
	return c
}

// find returns the group of a prefix that has one. The longest-prefix table leads to the
// contact alone, which most look-ups want, and so is as small as it can be.
func (t *Table) find(p netip.Prefix) int32 {
	want := groupOf(p)
	i, ok := slices.BinarySearchFunc(t.groups, want, func(a, b group) int { return compareGroups(&a, &b) })
	if !ok {
		return -1
	}
	return int32(i)
}

func (t *Table) route(p netip.Prefix, r rec) Route {
	w := t.paths[r.way]
	route := Route{Prefix: p, NextHop: w.nextHop, Router: w.router, VRF: w.vrf, Interface: w.iface,
		Protocol: w.protocol, Type: w.routeType,
		NotBefore: fromSeconds(r.notBefore), FirstSeen: fromSeconds(r.first),
		LastSeen: fromSeconds(r.last), NotAfter: fromSeconds(r.notAfter)}
	if r.notAfter == 0 && r.first != 0 {
		route.LastSeen = t.sources[sourceKey{w.router, w.vrf}].LastGood
	}
	return route
}

func fromSeconds(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}

func toSeconds(t time.Time) uint32 {
	if t.IsZero() || t.Unix() < 1 {
		return 0
	}
	return uint32(min(t.Unix(), 1<<32-1))
}

// Lookup returns the contact that answers for an address as of when the table was built.
// ok is false when the address alone does not decide (it is shared or dynamic, or several
// holders fit) and when nobody answers: then ask Holder. It costs little more than the
// bare longest-prefix match. A Registry builds a new table when a record begins or ends to
// hold, so that its look-ups are behind Holder by Config.ReloadEvery at most.
func (t *Table) Lookup(addr netip.Addr) (c *Contact, ok bool) {
	id, ok := t.lpm.Lookup(addr)
	if !ok || id == 0 {
		return nil, false
	}
	return t.resolved[id], true
}

// withLeases returns a table that differs in its leases alone.
func (t *Table) withLeases(l manyLeases) *Table {
	same := *t
	same.leases = l
	return &same
}

// withSources returns a table that differs in how fresh its routes are alone.
func (t *Table) withSources(sources []Source) *Table {
	same := *t
	same.sources = make(map[sourceKey]Source, len(sources))
	for _, s := range sources {
		same.sources[sourceKey{s.Router, s.VRF}] = s
	}
	return &same
}

// outdated reports whether other records hold now than when the table was built, or the
// clock was set back.
func (t *Table) outdated(now time.Time) bool {
	return now.Before(t.built) || !t.until.IsZero() && !now.Before(t.until)
}

// Size returns how many prefixes and how many routes, past ones included, the table has.
func (t *Table) Size() (prefixes, routes int) { return len(t.groups), len(t.recs) }
