package stats

import (
	"cmp"
	"slices"
	"strings"
)

// Tops counts names and keeps the most frequent ones: exactly as long as there are at most 2 × keepTops of them,
// and beyond that so that a count is too small by at most Missed (Misra and Gries, mergeable as Agarwal et al. show).
// Its zero value is empty.
type Tops struct {
	counts map[string]int64
	missed int64
}

const keepTops = 1000

// maxName bounds a name that is counted.
const maxName = 200

// Add counts a name n times.
func (t *Tops) Add(name string, n int64) {
	if name == "" {
		return
	}
	if t.counts == nil {
		t.counts = map[string]int64{}
	}
	t.counts[bounded(name)] += n
	if len(t.counts) > 2*keepTops {
		t.prune()
	}
}

// Erase forgets names; what they counted is missed from then on.
func (t *Tops) Erase(gone func(name string) bool) (found bool) {
	for name := range t.counts {
		if gone(name) {
			delete(t.counts, name)
			found = true
		}
	}
	return found
}

func bounded(name string) string {
	if len(name) > maxName {
		return strings.Clone(strings.ToValidUTF8(name[:maxName], ""))
	}
	return name
}

// prune takes the count of the first name that is not kept from all.
func (t *Tops) prune() {
	all := make([]int64, 0, len(t.counts))
	for _, n := range t.counts {
		all = append(all, n)
	}
	slices.Sort(all)
	floor := all[len(all)-keepTops-1]
	t.missed += floor
	for name, n := range t.counts {
		if n <= floor {
			delete(t.counts, name)
		} else {
			t.counts[name] = n - floor
		}
	}
}

// Merge adds all of o.
func (t *Tops) Merge(o *Tops) {
	if t.counts == nil && len(o.counts) > 0 {
		t.counts = make(map[string]int64, len(o.counts))
	}
	for name, n := range o.counts {
		t.counts[name] += n
	}
	t.missed += o.missed
	if len(t.counts) > 2*keepTops {
		t.prune()
	}
}

// A Named is a name with its count.
type Named struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Best lists the n most frequent names. A count may be too small by at most Missed.
func (t *Tops) Best(n int) []Named {
	all := make([]Named, 0, len(t.counts))
	for name, count := range t.counts {
		all = append(all, Named{name, count})
	}
	slices.SortFunc(all, func(a, b Named) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name)) })
	return all[:min(len(all), n)]
}

// Missed is by how much a count may be too small.
func (t *Tops) Missed() int64 { return t.missed }
