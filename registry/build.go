package registry

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

// An Input is what a Table is built from.
type Input struct {
	Routes    Rows
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

// builder holds what is needed only while a Table is built.
type builder struct {
	t           *Table
	ways        map[path]uint32
	upstreams   map[netip.Addr]bool
	defaults    map[hop]bool // next hops of default routes
	routers     map[netip.Addr]bool
	prefer      map[string]int
	byHop       map[netip.Addr][]*Contact
	byIface     map[sourceKey][]*Contact // router and interface
	byPrefix    map[netip.Prefix][]*Contact
	extra       []group // of networks and claimed prefixes: they have a group even where no route has them
	stack       []int32
	wayOf       []uint32   // by number in Input.Routes: one more than in Table.paths, 0 where not met yet
	claimed     []claimant // by way
	claims      map[[2]*Contact]uint32
	mergedWays  [][]int32 // by contact above, then by claim
	mergedCells int
	best        []uint32
	merged      map[mergeKey]int32
	interned    map[sameContact]int32
	facts       []contactFacts // by contact in Table.resolved
	contact     []int32        // by group: into Table.resolved, 0 none, undecided several
	answer      []int32        // by group: what a look-up of an address gives
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

// claimant is a way as resolve sees it: who claims its interface and its next hop now, and
// a number for the pair, 0 for nobody.
type claimant struct {
	iface, hop     *Contact
	id             uint32
	rank           int32
	assign         assignCode // as the records of the interface or next hop say
	leads, outward bool
}

func (b *builder) claimantOf(w *way) claimant {
	c := claimant{rank: int32(w.rank), outward: w.outward, leads: (Route{Type: w.routeType}).Leads()}
	if w.outward {
		return c
	}
	var l level
	l.addWay(w, b.t.built)
	c.iface, c.hop, c.assign = l.iface, l.hop, w.mark(b.t.built).mark()
	if pair := [2]*Contact{l.iface, l.hop}; pair != [2]*Contact{} {
		if b.claims[pair] == 0 {
			b.claims[pair] = uint32(len(b.claims)) + 1
		}
		c.id = b.claims[pair]
	}
	return c
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
		networks: new(bart.Lite), leases: leasesOf(in.Leases), now: in.Now, stale: in.Stale,
		groups: make([]group, 0, in.Routes.Size), recs: make([]rec, 0, in.Routes.Size),
	}
	if t.now == nil {
		t.now = time.Now
	}
	t.built = t.now().Round(0) // without the monotonic clock, which is never set back
	b := &builder{t: t, ways: map[path]uint32{}, upstreams: map[netip.Addr]bool{}, defaults: map[hop]bool{}, routers: map[netip.Addr]bool{},
		prefer: in.Prefer, byHop: map[netip.Addr][]*Contact{}, byIface: map[sourceKey][]*Contact{},
		byPrefix: map[netip.Prefix][]*Contact{}, merged: map[mergeKey]int32{}, interned: map[sameContact]int32{},
		claims: map[[2]*Contact]uint32{}, facts: make([]contactFacts, 1)}
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
		b.extra = append(b.extra, groupOf(n.Masked()))
	}
	b.addContacts()
	slices.SortFunc(b.extra, func(x, y group) int { return compareGroups(&x, &y) })
	b.extra = slices.Compact(b.extra)
	return b
}

func (b *builder) addContacts() {
	slices.SortFunc(b.t.contacts, CompareContacts)
	for i := range b.t.contacts {
		c := &b.t.contacts[i]
		b.until(c.Since)
		b.until(c.Until)
		switch c.Key.Kind {
		case KeyPrefix:
			b.byPrefix[c.Key.Prefix] = append(b.byPrefix[c.Key.Prefix], c)
			b.extra = append(b.extra, groupOf(c.Key.Prefix))
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

// until notes a moment at which a record begins or ends to hold.
func (b *builder) until(at time.Time) {
	if at.After(b.t.built) && (b.t.until.IsZero() || at.Before(b.t.until)) {
		b.t.until = at
	}
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
		b.claimed = append(b.claimed, b.claimantOf(w))
	}
}
