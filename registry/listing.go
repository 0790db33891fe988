package registry

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"time"
)

func compareSources(a, b Source) int {
	return cmp.Or(cmp.Compare(a.Router, b.Router), cmp.Compare(a.VRF, b.VRF))
}

// SortByNextHop collects routes and orders them by next hop, then by prefix: the listing
// of 2003. Routes without a next hop come last.
func SortByNextHop(routes iter.Seq[Route]) []Route {
	all := slices.Collect(routes)
	slices.SortStableFunc(all, func(a, b Route) int {
		if a.NextHop.IsValid() != b.NextHop.IsValid() {
			if a.NextHop.IsValid() {
				return -1
			}
			return 1
		}
		return cmp.Or(a.NextHop.Compare(b.NextHop), ComparePrefixes(a.Prefix, b.Prefix))
	})
	return all
}

// WriteListing writes routes as the listing of 2003: next hop, destination, netmask and
// the number of /24 networks (for IPv6 of /48 networks), separated by commas.
func WriteListing(w io.Writer, routes []Route) error {
	bw := bufio.NewWriter(w)
	for _, r := range routes {
		hop := r.Via()
		if r.NextHop.IsValid() {
			hop = r.NextHop.String()
		}
		fmt.Fprintf(bw, "%s, %s, %s, %d\n", hop, r.Prefix.Addr(), Netmask(r.Prefix), Segments(r.Prefix))
	}
	return bw.Flush()
}

// A Change is one difference between the routes of two moments.
type Change struct {
	Prefix netip.Prefix
	Kind   ChangeKind
	Before []Route // of the prefix; empty when it was added
	After  []Route // empty when it was removed
}

// A ChangeKind says how a prefix's routes differ.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Moved   ChangeKind = "moved" // the prefix stayed, its way changed
)

// Diff yields what changed between two moments, prefix by prefix. A zero time means now.
func (t *Table) Diff(from, to time.Time) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for i := range t.groups {
			p := t.groups[i].prefix()
			c := Change{Prefix: p}
			for _, r := range t.recsOf(int32(i)) {
				route := t.route(p, r)
				if route.heldAt(from) {
					c.Before = append(c.Before, route)
				}
				if route.heldAt(to) {
					c.After = append(c.After, route)
				}
			}
			if c.Kind = kindOf(c.Before, c.After); c.Kind != "" && !yield(c) {
				return
			}
		}
	}
}

func kindOf(before, after []Route) ChangeKind {
	switch {
	case len(before) == 0 && len(after) == 0:
		return ""
	case len(before) == 0:
		return Added
	case len(after) == 0:
		return Removed
	case slices.EqualFunc(before, after, Route.SameWay):
		return ""
	}
	return Moved
}
