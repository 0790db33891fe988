package stats

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func hashes(from, to int) []uint64 {
	out := make([]uint64, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, hashOf(binary.BigEndian.AppendUint64(nil, uint64(i))))
	}
	return out
}

func setOf(hashes []uint64) *Set {
	s := new(Set)
	for _, h := range hashes {
		s.Add(h)
	}
	return s
}

// TestSets: exact up to the limit, within four standard errors beyond it, and a merged set is the set of all.
func TestSets(t *testing.T) {
	for _, n := range []int{0, 1, 1000, exactMax, exactMax + 1, 5000, 30000, 500000} {
		all := hashes(0, n)
		s := setOf(all)
		for _, h := range all[:min(n, 1000)] {
			s.Add(h) // again
		}
		got, about := s.Len()
		if about != (n > exactMax) {
			t.Errorf("%d things: estimate %v", n, about)
		}
		if off := math.Abs(float64(got)-float64(n)) / max(float64(n), 1); off > 0.046 || !about && off != 0 {
			t.Errorf("%d things are counted as %d", n, got)
		}
		merged := setOf(all[:n/3])
		merged.Merge(setOf(all[n/4:]))
		if diff := cmp.Diff(s, merged, cmp.AllowUnexported(Set{})); diff != "" && (len(s.hashes) > 0 || s.ranks != nil) {
			t.Errorf("%d things: the merged set is another", n)
		}
	}
	var none *Set
	if n, about := none.Len(); n != 0 || about {
		t.Errorf("no set has %d things", n)
	}
}

func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h, a, b Histogram
	var all []float64
	for range 20000 {
		seconds := math.Exp(rng.Float64() * 15) // a second to five weeks
		d := time.Duration(seconds * float64(time.Second))
		all = append(all, seconds)
		h.Add(d)
		if rng.IntN(2) == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(b)
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		got := h.Quantile(q).Seconds()
		if want > 20 && math.Abs(got-want)/want > 0.06 || a.Quantile(q) != h.Quantile(q) {
			t.Errorf("quantile %v is %v s (merged %v), want %v s", q, got, a.Quantile(q), want)
		}
	}
	var none Histogram
	if none.Quantile(0.5) != 0 || none.N() != 0 {
		t.Error("nothing has a quantile")
	}
	h.Add(-time.Hour)
	h.Add(200 * 365 * 24 * time.Hour)
	if len(h.counts) > maxBucket+1 {
		t.Errorf("%d buckets", len(h.counts))
	}
}

// TestTops: the names that matter survive any number of others, and Missed bounds the error.
func TestTops(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	truth := map[string]int64{}
	var one, two Tops
	for i := range 200000 {
		name := fmt.Sprintf("once-%d", i)
		if rng.IntN(4) == 0 {
			name = fmt.Sprintf("often-%d", int(math.Sqrt(float64(rng.IntN(100)))))
		}
		truth[name]++
		if i%2 == 0 {
			one.Add(name, 1)
		} else {
			two.Add(name, 1)
		}
	}
	one.Merge(&two)
	if len(one.counts) > 2*keepTops {
		t.Errorf("%d names kept", len(one.counts))
	}
	best := one.Best(10)
	for _, n := range best {
		if n.Count > truth[n.Name] || n.Count+one.Missed() < truth[n.Name] {
			t.Errorf("%s: %d with at most %d missed, want %d", n.Name, n.Count, one.Missed(), truth[n.Name])
		}
	}
	if best[0].Name != "often-9" || len(best) != 10 {
		t.Errorf("best %v", best)
	}
}

func TestBands(t *testing.T) {
	for flows, want := range map[int64]string{1: "1-10", 10: "1-10", 11: "11-30", 70: "31-70", 71: "71-100", 200: "101-200", 1000: "201-1000", 1001: ">1000", 1 << 40: ">1000"} {
		if got := Bands()[BandOf(flows)].String(); got != want {
			t.Errorf("%d flows are in %s, want %s", flows, got, want)
		}
	}
	if BandOf(0) != -1 || BandOf(-5) != -1 {
		t.Error("unknown flows are in a band")
	}
}

func TestSpans(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0s", 59: "59s", 60: "1m", 61: "1m 1s", 3600: "1h", 7380: "2h 3m", 90000: "1d 1h", 86401: "1d"} {
		if got := span(seconds); got != want {
			t.Errorf("%d seconds are %q, want %q", seconds, got, want)
		}
	}
}
