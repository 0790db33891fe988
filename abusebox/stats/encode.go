package stats

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
)

// ErrTable means that stored bytes are no table.
var ErrTable = errors.New("stats: no table")

// tableVersion is the first byte of an encoded table.
const tableVersion = 1

// MarshalBinary writes t for a store; equal tables give equal bytes.
func (t *Table) MarshalBinary() ([]byte, error) {
	w := writer{tableVersion}
	w.int(int64(t.Period.Year))
	w.int(int64(t.Period.Month))
	w.int(int64(t.Period.Day))
	each(&w, t.types, func(c *typeCounts) {
		for _, n := range []int64{c.complaints, c.opened, c.found, c.reopened, c.notices} {
			w.int(n)
		}
		w.set(&c.hosts)
		each(&w, c.lists, func(l *listCounts) {
			w.set(&l.covered)
			w.set(&l.listed)
			w.int(l.n)
			w.float(l.share)
		})
		w.histogram(&c.leads)
		w.tops(&c.stopped)
		for _, n := range c.bands {
			w.int(n)
		}
	})
	each(&w, t.census, func(bands *[bandCount]bandSum) {
		for _, b := range bands {
			w.int(b.hosts)
			w.int(b.flows)
			w.int(b.bytes)
		}
	})
	each(&w, t.times, w.histogram)
	each(&w, t.tops, w.tops)
	w.judged(t.judged)
	each(&w, t.broken, func(b brokenState) {
		w.int(b.at)
		w.bool(b.broken)
	})
	return w, nil
}

// A writer appends numbers in few bytes.
type writer []byte

func (w *writer) int(n int64)     { *w = binary.AppendVarint(*w, n) }
func (w *writer) float(f float64) { *w = binary.LittleEndian.AppendUint64(*w, math.Float64bits(f)) }

func (w *writer) text(s string) {
	w.int(int64(len(s)))
	*w = append(*w, s...)
}

func (w *writer) bool(b bool) {
	if b {
		w.int(1)
	} else {
		w.int(0)
	}
}

// each writes a map in the order of its names.
func each[V any](w *writer, m map[string]V, value func(V)) {
	w.int(int64(len(m)))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		w.text(name)
		value(m[name])
	}
}

func (w *writer) set(s *Set) {
	if s.ranks != nil {
		w.int(-1)
		*w = append(*w, s.ranks...)
		return
	}
	w.int(int64(len(s.hashes)))
	for _, h := range s.hashes {
		*w = binary.LittleEndian.AppendUint64(*w, h)
	}
}

func (w *writer) tops(t *Tops) {
	w.int(t.missed)
	each(w, t.counts, w.int)
}

func (w *writer) histogram(h *Histogram) {
	buckets := h.buckets()
	w.int(int64(len(buckets)))
	for _, b := range buckets {
		w.int(int64(b))
		w.int(h.counts[b])
	}
}

func (w *writer) judged(m map[judgedKey]judged) {
	byName := make(map[string]judged, len(m))
	for key, j := range m {
		byName[key.kind+"\x00"+key.name] = j
	}
	each(w, byName, func(j judged) {
		w.int(j.all)
		w.int(j.wrong)
	})
}
