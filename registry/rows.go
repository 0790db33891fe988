package registry

import (
	"iter"
	"net/netip"
	"slices"
)

// Rows are routes in the form in which a store hands them to Build: what a million of
// them share is said once.
type Rows struct {
	Ways []Route               // prefix and times are not set
	Size int                   // about how many rows there are; 0 if unknown
	All  iter.Seq2[Row, error] // in order of ComparePrefixes; nil: none
}

// A Row is one Route: its way by number, its times in Unix seconds, 0 for the zero time.
type Row struct {
	Prefix    netip.Prefix // masked
	Way       uint32       // into Rows.Ways
	NotBefore uint32
	FirstSeen uint32
	LastSeen  uint32
	NotAfter  uint32
}

// RoutesOf yields a slice in the order that Build wants. It sorts the slice in place.
func RoutesOf(routes []Route) Rows {
	if len(routes) == 0 {
		return Rows{}
	}
	slices.SortFunc(routes, CompareRoutes)
	ways, numbers := waysOf(routes)
	return Rows{Ways: ways, Size: len(routes), All: func(yield func(Row, error) bool) {
		for i := range routes {
			r := &routes[i]
			row := Row{r.Prefix, numbers[i], toSeconds(r.NotBefore), toSeconds(r.FirstSeen), toSeconds(r.LastSeen), toSeconds(r.NotAfter)}
			if !yield(row, nil) {
				return
			}
		}
	}}
}

// waysOf returns the distinct ways of routes, and which of them each route has.
func waysOf(routes []Route) (ways []Route, numbers []uint32) {
	known := map[path]uint32{}
	numbers = make([]uint32, len(routes))
	for i := range routes {
		p := routes[i].path()
		n, ok := known[p]
		if !ok {
			n = uint32(len(ways))
			known[p] = n
			ways = append(ways, p.route())
		}
		numbers[i] = n
	}
	return ways, numbers
}

// MergeRoutes yields two sorted sequences as one.
func MergeRoutes(a, b Rows) Rows {
	switch {
	case b.All == nil:
		return a
	case a.All == nil:
		return b
	}
	return Rows{Ways: slices.Concat(a.Ways, b.Ways), Size: a.Size + b.Size,
		All: mergeRows(a.All, b.All, uint32(len(a.Ways)))}
}

// mergeRows adds shift to the ways of b, which come after those of a.
func mergeRows(a, b iter.Seq2[Row, error], shift uint32) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		pull, stop := iter.Pull2(b)
		defer stop()
		next := func() (Row, error, bool) {
			r, err, more := pull()
			r.Way += shift
			return r, err, more
		}
		r, err, more := next()
		for x, xerr := range a {
			for more && (err != nil || xerr == nil && ComparePrefixes(r.Prefix, x.Prefix) < 0) {
				if !yield(r, err) {
					return
				}
				r, err, more = next()
			}
			if !yield(x, xerr) {
				return
			}
		}
		for more {
			if !yield(r, err) {
				return
			}
			r, err, more = next()
		}
	}
}
