package registry

import (
	"slices"
	"time"
)

// maxFolded bounds how many holders the routes of one length are followed to.
const maxFolded = 8

// byLength parts choices of routes where their lengths differ.
func byLength(routed []choice) (parts [][]choice) {
	for i, c := range routed {
		if i == 0 || c.at != routed[i-1].at {
			parts = append(parts, nil)
		}
		last := &parts[len(parts)-1]
		*last = append(*last, c)
	}
	return parts
}

// fold merges the claims of the chain from the widest prefix down, as Build does, along
// routes of one length. It returns more than one result where routes of the same prefix,
// this one or a wider one, lead to several holders and no narrower record has a mail
// address of its own.
func (f *finding) fold(alts []choice, at time.Time) []*merger {
	first := f.t.newMerger(at)
	first.via = alts[0]
	folded := []*merger{first}
	for i, g := range slices.Backward(f.chain) {
		l := level{prefix: f.t.groups[g].prefix(), own: validAt(f.t.claims[g], at)}
		above := folded
		folded = nil
		var done []level
		for _, c := range f.choicesAt(i, g, alts, at) {
			l.iface, l.hop = nil, nil
			if c.way != nil && c.bits > 0 && !c.way.outward {
				l.addWay(c.way, at)
			}
			if slices.Contains(done, l) {
				continue
			}
			done = append(done, l)
			below := f.foldLevel(above, l)
			for _, m := range below {
				if i == alts[0].at {
					routed := *m
					routed.via = c
					m = &routed
				}
				folded = addFolded(folded, m, len(below) > 1)
			}
		}
	}
	return folded
}

// foldLevel puts one level below what the wider ones gave.
func (f *finding) foldLevel(above []*merger, l level) []*merger {
	if l.own == nil && l.iface == nil && l.hop == nil {
		return above
	}
	var all []*merger
	for _, a := range above {
		m := f.t.newMerger(a.at)
		m.via = a.via
		m.add(l)
		if len(above) > 1 && m.contact.hasMail() {
			return []*merger{m}
		}
		if a.found {
			m.inherit(&a.contact, a.prefix)
		}
		all = append(all, m)
	}
	return all
}

// addFolded keeps each holder once, but for torn ones: that their records say the same does
// not make them one.
func addFolded(all []*merger, m *merger, torn bool) []*merger {
	same := func(o *merger) bool { return o.found == m.found && o.contact.ID() == m.contact.ID() }
	if len(all) == maxFolded || !torn && slices.ContainsFunc(all, same) {
		return all
	}
	return append(all, m)
}

// choicesAt returns the routes to follow at one length of the chain: the chosen ones at
// their own, the preferred ones above it, and always one, which may have no way.
func (f *finding) choicesAt(i int, g int32, alts []choice, at time.Time) (all []choice) {
	switch {
	case i == alts[0].at:
		return alts
	case alts[0].at >= 0 && i > alts[0].at:
		seen, maybe := f.validRecs(g, at)
		for _, r := range f.preferred(append(seen, maybe...)) {
			all = append(all, choice{i, g, f.t.groups[g].bits, r, &f.t.paths[r.way]})
		}
	}
	if all == nil {
		all = []choice{{at: -1}}
	}
	return all
}
