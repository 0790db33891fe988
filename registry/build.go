package registry

import (
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

// An Input is what a Table is built from.
type Input struct {
	Routes    iter.Seq2[Route, error] // in order of ComparePrefixes; may be nil
	SizeHint  int                     // about how many routes there are, if known
	Contacts  []Contact
	Networks  []netip.Prefix // configured networks of ours
	Upstreams []netip.Addr   // next hops that lead out; those of default routes are added
	Routers   []netip.Addr   // addresses of our own routers: a route that leads to one is only on its way
	Prefer    map[string]int // preference of routers by name, the higher wins; 0 where absent
	Sources   []Source
	Leases    Leases           // may be nil
	Stale     time.Duration    // a source older than this makes answers stale; 0: never
	Now       func() time.Time // nil: time.Now
}

// RoutesOf yields a slice in the order that Build wants. It sorts the slice in place.
func RoutesOf(routes []Route) iter.Seq2[Route, error] {
	slices.SortFunc(routes, CompareRoutes)
	return func(yield func(Route, error) bool) {
		for _, r := range routes {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// builder holds what is needed only while a Table is built.
type builder struct {
	t          *Table
	ways       map[path]uint32
	upstreams  map[netip.Addr]bool
	defaults   map[hop]bool // next hops of default routes
	routers    map[netip.Addr]bool
	prefer     map[string]int
	byHop      map[netip.Addr][]*Contact
	byIface    map[sourceKey][]*Contact // router and interface
	byPrefix   map[netip.Prefix][]*Contact
	extra      []netip.Prefix // prefixes that must have a group though no route has them
	stack      []int32
	claimed    []claim // by way
	claims     map[[2]*Contact]uint32
	mergedWays map[uint64]int32 // by contact above and claim
	best       []uint32
	lastPath   path
	lastWay    uint32
	merged     map[mergeKey]int32
	interned   map[sameContact]int32
	contact    []int32 // by group: into Table.resolved, 0 none, undecided several
}

// hop is a next hop as one router sees it: link-local addresses mean something on one
// interface only.
type hop struct {
	router, iface string
	addr          netip.Addr
}

func hopOf(p path) hop {
	if p.nextHop.IsLinkLocalUnicast() {
		return hop{p.router, p.iface, p.nextHop}
	}
	return hop{p.router, "", p.nextHop}
}

// claim is who claims the interface and the next hop of a way now, and a number for the
// pair: 0 for nobody.
type claim struct {
	iface, hop *Contact
	id         uint32
}

func (b *builder) claimOf(w *way) claim {
	var l level
	l.addWay(w, b.t.now())
	if l.iface == nil && l.hop == nil {
		return claim{}
	}
	pair := [2]*Contact{l.iface, l.hop}
	if b.claims[pair] == 0 {
		b.claims[pair] = uint32(len(b.claims)) + 1
	}
	return claim{l.iface, l.hop, b.claims[pair]}
}

// mergeKey is what a group's contact is merged from.
type mergeKey struct {
	above           int32 // the contact of the enclosing prefix
	own, iface, hop *Contact
}

// Build makes a Table. It fails when reading the routes fails, when they are out of
// order, or when there are more than 2^31 of them.
func Build(in Input) (*Table, error) {
	b := newBuilder(in)
	if err := b.addRoutes(in.Routes); err != nil {
		return nil, err
	}
	b.finishWays()
	b.resolve()
	return b.t, nil
}

func newBuilder(in Input) *builder {
	t := &Table{
		lpm: new(bart.Table[int32]), claims: map[int32][]*Contact{}, orgs: map[string][]*Contact{},
		resolved: []*Contact{nil}, contacts: slices.Clone(in.Contacts), sources: map[sourceKey]Source{},
		networks: new(bart.Lite), leases: in.Leases, now: in.Now, stale: in.Stale,
		groups: make([]group, 0, in.SizeHint), recs: make([]rec, 0, in.SizeHint),
	}
	if t.now == nil {
		t.now = time.Now
	}
	b := &builder{t: t, ways: map[path]uint32{}, upstreams: map[netip.Addr]bool{}, defaults: map[hop]bool{}, routers: map[netip.Addr]bool{},
		prefer: in.Prefer, byHop: map[netip.Addr][]*Contact{}, byIface: map[sourceKey][]*Contact{},
		byPrefix: map[netip.Prefix][]*Contact{}, merged: map[mergeKey]int32{}, interned: map[sameContact]int32{},
		claims: map[[2]*Contact]uint32{}, mergedWays: map[uint64]int32{}}
	for _, a := range in.Upstreams {
		b.upstreams[a] = true
	}
	for _, a := range in.Routers {
		b.routers[a] = true
	}
	for _, s := range in.Sources {
		t.sources[sourceKey{s.Router, s.VRF}] = s
	}
	for _, n := range in.Networks {
		t.networks.Insert(n.Masked())
		b.extra = append(b.extra, n.Masked())
	}
	b.addContacts()
	slices.SortFunc(b.extra, ComparePrefixes)
	b.extra = slices.Compact(b.extra)
	return b
}

func (b *builder) addContacts() {
	slices.SortFunc(b.t.contacts, CompareContacts)
	for i := range b.t.contacts {
		c := &b.t.contacts[i]
		switch c.Key.Kind {
		case KeyPrefix:
			b.byPrefix[c.Key.Prefix] = append(b.byPrefix[c.Key.Prefix], c)
			b.extra = append(b.extra, c.Key.Prefix)
		case KeyNextHop:
			b.byHop[c.Key.NextHop] = append(b.byHop[c.Key.NextHop], c)
		case KeyInterface:
			k := sourceKey{c.Key.Router, c.Key.Interface}
			b.byIface[k] = append(b.byIface[k], c)
		case KeyOrganisation:
			b.t.orgs[c.Key.Org] = append(b.t.orgs[c.Key.Org], c)
		}
	}
}

func (b *builder) addRoutes(routes iter.Seq2[Route, error]) error {
	if routes == nil {
		routes = func(func(Route, error) bool) {}
	}
	var last netip.Prefix
	for r, err := range routes {
		switch {
		case err != nil:
			return fmt.Errorf("reading routes: %w", err)
		case !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked():
			return fmt.Errorf("reading routes: %s is no network address", r.Prefix)
		case len(b.t.recs) == math.MaxInt32:
			return fmt.Errorf("reading routes: more than %d routes", math.MaxInt32)
		}
		if r.Prefix != last {
			if last.IsValid() && ComparePrefixes(r.Prefix, last) < 0 {
				return fmt.Errorf("reading routes: %s comes after %s", r.Prefix, last)
			}
			b.addExtraUpTo(r.Prefix)
			b.open(r.Prefix)
			last = r.Prefix
		}
		b.t.recs = append(b.t.recs, rec{b.wayOf(r), toSeconds(r.NotBefore), toSeconds(r.FirstSeen),
			toSeconds(r.LastSeen), toSeconds(r.NotAfter)})
	}
	for _, p := range b.extra {
		b.open(p)
	}
	b.extra = nil
	return nil
}

// addExtraUpTo opens the groups of prefixes without a route that come before p.
func (b *builder) addExtraUpTo(p netip.Prefix) {
	for len(b.extra) > 0 {
		c := ComparePrefixes(b.extra[0], p)
		if c > 0 {
			return
		}
		if c < 0 {
			b.open(b.extra[0])
		}
		b.extra = b.extra[1:]
	}
}

func (b *builder) open(p netip.Prefix) {
	g := groupOf(p)
	for len(b.stack) > 0 && !b.t.groups[b.stack[len(b.stack)-1]].encloses(&g) {
		b.stack = b.stack[:len(b.stack)-1]
	}
	g.parent = -1
	if n := len(b.stack); n > 0 {
		g.parent = b.stack[n-1]
	}
	g.first = int32(len(b.t.recs))
	i := int32(len(b.t.groups))
	b.t.groups = append(b.t.groups, g)
	b.stack = append(b.stack, i)
	if claims := b.byPrefix[p]; claims != nil {
		b.t.claims[i] = claims
	}
}

func (b *builder) wayOf(r Route) uint32 {
	p := r.path()
	if r.Prefix.Bits() == 0 && r.Leads() && r.NextHop.IsValid() && !b.routers[r.NextHop] {
		b.defaults[hopOf(p)] = true
	}
	if len(b.t.paths) > 0 && p == b.lastPath { // neighbours often go the same way
		return b.lastWay
	}
	i, ok := b.ways[p]
	if !ok {
		i = uint32(len(b.t.paths))
		b.ways[p] = i
		b.t.paths = append(b.t.paths, way{path: p})
	}
	b.lastPath, b.lastWay = p, i
	return i
}

func (b *builder) finishWays() {
	for i := range b.t.paths {
		w := &b.t.paths[i]
		w.outward = w.nextHop.IsValid() && (b.upstreams[w.nextHop] || b.defaults[hopOf(w.path)])
		w.rank = 2 * b.prefer[w.router]
		if !w.nextHop.IsValid() || !b.routers[w.nextHop] {
			w.rank++ // nearer to the holder than a route that only leads to our next router
		}
		w.interfaces = slices.Concat(b.byIface[sourceKey{w.router, w.iface}], b.byIface[sourceKey{"", w.iface}])
		if w.iface == "" {
			w.interfaces = nil
		}
		w.nextHops = b.byHop[w.nextHop]
		b.claimed = append(b.claimed, b.claimOf(w))
	}
}
