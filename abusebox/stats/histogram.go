package stats

import (
	"math"
	"slices"
	"time"
)

// A Histogram holds lengths of time in buckets that grow by a tenth, so that a quantile is right within 5 %.
// Its zero value is empty.
type Histogram struct {
	counts map[int]int64
	n      int64
}

const growth = 1.1

// maxBucket bounds the buckets: the last one holds all beyond some 30 years.
const maxBucket = 218

// Add puts one length in; less than a second counts as one.
func (h *Histogram) Add(d time.Duration) {
	if h.counts == nil {
		h.counts = map[int]int64{}
	}
	h.counts[bucketOf(d)]++
	h.n++
}

func bucketOf(d time.Duration) int {
	return min(int(math.Ceil(math.Log(max(d.Seconds(), 1))/math.Log(growth)-1e-9)), maxBucket)
}

// Merge adds all of o.
func (h *Histogram) Merge(o Histogram) {
	if h.counts == nil && o.n > 0 {
		h.counts = map[int]int64{}
	}
	for bucket, n := range o.counts {
		h.counts[bucket] += n
	}
	h.n += o.n
}

// N is how many lengths were put in.
func (h Histogram) N() int64 { return h.n }

// Quantile is the length below which the part q of all lie, within 5 %; 0 where there is none.
func (h Histogram) Quantile(q float64) time.Duration {
	buckets := h.buckets()
	rank := int64(math.Ceil(q * float64(h.n)))
	for _, b := range buckets {
		if rank -= h.counts[b]; rank <= 0 {
			middle := 2 * math.Pow(growth, float64(b)) / (1 + growth)
			if b == 0 {
				middle = 1
			}
			return time.Duration(middle * float64(time.Second)).Round(time.Second)
		}
	}
	return 0
}

func (h Histogram) buckets() []int {
	buckets := make([]int, 0, len(h.counts))
	for b := range h.counts {
		buckets = append(buckets, b)
	}
	slices.Sort(buckets)
	return buckets
}
