package stats

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// UnmarshalBinary reads what MarshalBinary wrote. Bytes that are no table give ErrTable.
func (t *Table) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != tableVersion {
		return fmt.Errorf("%w: version", ErrTable)
	}
	r := &reader{rest: data[1:]}
	*t = *NewTable(Period{int(r.int()), time.Month(r.int()), int(r.int())})
	readMap(r, maxTypes+1, func(name string) { t.types[name] = r.typeCounts() })
	readMap(r, maxProfiles+1, func(name string) {
		bands := new([bandCount]bandSum)
		for i := range bands {
			bands[i] = bandSum{r.int(), r.int(), r.int()}
		}
		t.census[name] = bands
	})
	readMap(r, 9, func(name string) { h := r.histogram(); t.times[name] = &h })
	readMap(r, 9, func(name string) {
		tops := r.tops()
		t.tops[name] = &tops
	})
	readMap(r, maxJudged, func(name string) {
		kind, what, _ := strings.Cut(name, "\x00")
		t.judged[judgedKey{kind, what}] = judged{r.int(), r.int()}
	})
	readMap(r, maxBroken, func(name string) {
		at := r.int()
		t.broken[name] = brokenState{at: at, broken: r.int() != 0}
	})
	if r.failed || len(r.rest) > 0 {
		return fmt.Errorf("%w: it breaks off or goes on after its end", ErrTable)
	}
	return nil
}

// A reader takes numbers off bytes; after the first that is missing all are zero.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) fail() { r.failed, r.rest = true, nil }

func (r *reader) int() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// readMap reads at most limit names; one reads the value of each.
func readMap(r *reader, limit int64, one func(name string)) {
	n := r.int()
	if n < 0 || n > limit {
		r.fail()
		return
	}
	for i := int64(0); i < n && !r.failed; i++ {
		one(string(r.take(r.int())))
	}
}

func (r *reader) typeCounts() *typeCounts {
	c := &typeCounts{complaints: r.int(), opened: r.int(), found: r.int(), reopened: r.int(), notices: r.int()}
	c.hosts = r.set()
	readMap(r, maxProfiles+1, func(name string) {
		if c.lists == nil {
			c.lists = map[string]*listCounts{}
		}
		l := &listCounts{covered: r.set(), listed: r.set(), n: r.int()}
		if b := r.take(8); b != nil {
			l.share = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
		c.lists[name] = l
	})
	c.leads = r.histogram()
	c.stopped = r.tops()
	for i := range c.bands {
		c.bands[i] = r.int()
	}
	return c
}

func (r *reader) set() (s Set) {
	n := r.int()
	if n == -1 {
		s.ranks = slices.Clone(r.take(setCells))
		if r.failed {
			s.ranks = nil
		}
		for _, rank := range s.ranks {
			if rank > 64 {
				r.fail()
			}
		}
		return s
	}
	if n < 0 || n > exactMax {
		r.fail()
		return s
	}
	b := r.take(8 * n)
	if n == 0 || b == nil {
		return s
	}
	s.hashes = make([]uint64, n)
	for i := range s.hashes {
		s.hashes[i] = binary.LittleEndian.Uint64(b[8*i:])
		if i > 0 && s.hashes[i] <= s.hashes[i-1] {
			r.fail()
		}
	}
	return s
}

func (r *reader) tops() Tops {
	t := Tops{missed: r.int()}
	readMap(r, 2*keepTops, func(name string) {
		if t.counts == nil {
			t.counts = map[string]int64{}
		}
		t.counts[name] = r.int()
	})
	return t
}

func (r *reader) histogram() (h Histogram) {
	n := r.int()
	if n < 0 || n > maxBucket+1 {
		r.fail()
		return h
	}
	for range n {
		bucket, count := int(r.int()), r.int()
		if bucket < 0 || bucket > maxBucket || count < 0 {
			r.fail()
			return h
		}
		if h.counts == nil {
			h.counts = make(map[int]int64, n)
		}
		h.counts[bucket] += count
		h.n += count
	}
	return h
}
