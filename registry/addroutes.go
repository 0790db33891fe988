package registry

import (
	"fmt"
	"math"
)

// addRoutes makes the groups and their recs, in order, and those of the extra prefixes.
func (b *builder) addRoutes(rows Rows) error {
	b.wayOf = make([]uint32, len(rows.Ways))
	if rows.All != nil {
		if err := b.addRows(rows); err != nil {
			return fmt.Errorf("reading routes: %w", err)
		}
	}
	for _, g := range b.extra {
		b.open(g, true)
	}
	b.extra = nil
	return nil
}

func (b *builder) addRows(rows Rows) error {
	var last group
	for r, err := range rows.All {
		if err != nil {
			return err
		}
		g := groupOf(r.Prefix)
		switch {
		case !r.Prefix.IsValid() || !g.masked():
			return fmt.Errorf("%s is no network address", r.Prefix)
		case int(r.Way) >= len(rows.Ways):
			return fmt.Errorf("%s has way %d of %d", r.Prefix, r.Way, len(rows.Ways))
		case len(b.t.recs) == math.MaxInt32:
			return fmt.Errorf("more than %d routes", math.MaxInt32)
		}
		if g != last || len(b.t.groups) == 0 {
			if len(b.t.recs) > 0 && compareGroups(&g, &last) < 0 {
				return fmt.Errorf("%s comes after %s", r.Prefix, last.prefix())
			}
			b.open(g, b.addExtraUpTo(&g))
			last = g
		}
		b.t.recs = append(b.t.recs, rec{b.wayAt(rows.Ways, &r), r.NotBefore, r.FirstSeen, r.LastSeen, r.NotAfter})
	}
	return nil
}

// addExtraUpTo opens the groups of prefixes without a route that come before g, and
// reports whether g itself is one of the extra prefixes.
func (b *builder) addExtraUpTo(g *group) (itself bool) {
	for len(b.extra) > 0 {
		c := compareGroups(&b.extra[0], g)
		if c > 0 {
			return false
		}
		next := b.extra[0]
		b.extra = b.extra[1:]
		if c == 0 {
			return true
		}
		b.open(next, true)
	}
	return false
}

// open begins the next group. special says that a contact claims its prefix or that it is
// a configured network.
func (b *builder) open(g group, special bool) {
	for len(b.stack) > 0 && !b.t.groups[b.stack[len(b.stack)-1]].encloses(&g) {
		b.stack = b.stack[:len(b.stack)-1]
	}
	g.parent = -1
	if n := len(b.stack); n > 0 {
		g.parent = b.stack[n-1]
	}
	g.first = int32(len(b.t.recs))
	i := int32(len(b.t.groups))
	if special {
		p := g.prefix()
		g.ours = b.t.networks.Get(p)
		if claims := b.byPrefix[p]; claims != nil {
			b.t.claims[i], g.claimed = claims, true
		}
	}
	b.t.groups = append(b.t.groups, g)
	b.stack = append(b.stack, i)
}

// wayAt returns the way of a row, and notes where default routes lead.
func (b *builder) wayAt(ways []Route, r *Row) uint32 {
	if b.wayOf[r.Way] == 0 {
		b.wayOf[r.Way] = b.addWay(ways[r.Way].path()) + 1
	}
	i := b.wayOf[r.Way] - 1
	if r.Prefix.Bits() == 0 {
		p := b.t.paths[i].path
		if (Route{Type: p.routeType}).Leads() && p.nextHop.IsValid() && !b.routers[p.nextHop] {
			b.defaults[hopOf(p)] = true
		}
	}
	return i
}

func (b *builder) addWay(p path) uint32 {
	i, ok := b.ways[p]
	if !ok {
		i = uint32(len(b.t.paths))
		b.ways[p] = i
		b.t.paths = append(b.t.paths, way{path: p})
	}
	return i
}
