package registry

import (
	"fmt"
	"time"
)

// choice is one route that an address may have been on.
type choice struct {
	at    int // index in the chain; -1 for no route
	group int32
	bits  uint8
	rec   rec
	way   *way
}

// routesAt returns the routes that an address may have been on at a moment: the
// preferred ones of the longest prefix that was surely there, of longer ones that may
// have been, and none where nothing was surely there.
func (f *finding) routesAt(at time.Time) []choice {
	var found []choice
	for i, g := range f.chain {
		seen, maybe := f.validRecs(g, at)
		for _, r := range f.preferred(append(seen, maybe...)) {
			found = append(found, choice{i, g, f.t.groups[g].bits, r, &f.t.paths[r.way]})
			f.routeStep(g, r)
		}
		if len(f.preferred(seen)) > 0 {
			return found
		}
	}
	return append(found, choice{at: -1})
}

func (f *finding) routeStep(g int32, r rec) {
	w := &f.t.paths[r.way]
	p := f.t.groups[g].prefix()
	text := "routed " + f.t.route(p, r).Via()
	if w.nextHop.IsValid() {
		text = "routed to next hop " + w.nextHop.String()
		if w.iface != "" {
			text += " on " + w.iface
		}
	}
	if w.outward {
		text += ", which leads out of our networks"
	}
	if w.vrf != "" {
		text += ", in instance " + w.vrf
	}
	route := f.t.route(p, r)
	if !route.FirstSeen.IsZero() {
		text += ", since " + route.FirstSeen.Format(time.RFC3339)
	}
	if !route.NotAfter.IsZero() {
		text += " until " + route.LastSeen.Format(time.RFC3339)
	}
	f.step(Step{Kind: StepRoute, Prefix: p, Text: text, Source: w.router})
}

// validRecs returns the records of a group that were seen to hold at a moment, and those
// that may have held: between two looks, or before the first look of their source.
func (f *finding) validRecs(g int32, at time.Time) (seen, maybe []rec) {
	for _, r := range f.t.recsOf(g) {
		if !(Route{Type: f.t.paths[r.way].routeType}).Leads() {
			continue
		}
		first, last := fromSeconds(r.first), fromSeconds(r.last)
		notBefore, notAfter := fromSeconds(r.notBefore), fromSeconds(r.notAfter)
		begun, early := !at.Before(first), r.first != 0 && r.notBefore == 0 && at.Before(first)
		// Times are kept in whole seconds, so that a moment within the last second counts as seen.
		open := r.notAfter == 0
		switch {
		case begun && (open || at.Before(last.Add(time.Second))):
			seen = append(seen, r)
		case early:
			f.likely = fmt.Sprintf("what is known of %s begins at %s; it is taken to have been the same before",
				f.t.paths[r.way].router, first.Format(time.RFC3339))
			seen = append(seen, r)
		case at.After(notBefore) && (open || at.Before(notAfter)):
			maybe = append(maybe, r)
		}
	}
	return seen, maybe
}

// preferred returns the records whose ways have the highest rank.
func (f *finding) preferred(recs []rec) []rec {
	var best []rec
	for _, r := range recs {
		rank := f.t.paths[r.way].rank
		if len(best) > 0 && rank > f.t.paths[best[0].way].rank {
			best = best[:0]
		}
		if len(best) == 0 || rank == f.t.paths[best[0].way].rank {
			best = append(best, r)
		}
	}
	return best
}
