package maillog

import (
	"hash/maphash"
	"slices"
	"time"
)

// Counts are what one relay or account did. A refusal is a command that we refused; deferred and bounced are
// what others said to its messages.
type Counts struct {
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Rejected   int64 `json:"rejected"`   // 5xx at our door
	Tempfailed int64 `json:"tempfailed"` // 4xx at our door
	Deferred   int64 `json:"deferred"`   // attempts to deliver that are to be repeated
	Bounced    int64 `json:"bounced"`    // recipients that could not be reached
	BadLogins  int64 `json:"bad_logins"`
	Viruses    int64 `json:"viruses"` // messages, not lines
	Bytes      int64 `json:"bytes"`
	MaxSize    int64 `json:"max_size"`
}

// Suspicion is the order in which relays and accounts are listed: what we or others refused, ten for each
// virus, and a hundredth for each message.
func (c Counts) Suspicion() float64 {
	return float64(c.Rejected+c.Tempfailed+c.Deferred+c.Bounced+c.BadLogins) + 10*float64(c.Viruses) + float64(c.Messages)/100
}

func (c *Counts) add(f *fact) {
	n := int64(f.count)
	switch f.kind {
	case aMessage:
		c.Messages++
		c.Recipients += n
		c.Bytes += f.size
		c.MaxSize = max(c.MaxSize, f.size)
	case aRefusal, aDelivery:
		switch f.outcome {
		case rejected:
			c.Rejected += n
		case tempfailed:
			c.Tempfailed += n
		case deferred:
			c.Deferred += n
		case bounced:
			c.Bounced += n
		}
	case aVirus:
		c.Viruses += n
	case aBadLogin:
		c.BadLogins += n
	}
}

// A row is what a board keeps of one relay or account.
type row struct {
	Counts
	first, last int64
	forged      bool
	missed      uint64 // weight that was dropped earlier, at most
	names       shortList
	senders     shortList
	viruses     shortList
	relays      shortList // of an account
	lines       evidence
}

// A shortList holds the first few different texts, and says whether there were more.
type shortList struct {
	items []string
	more  bool
}

const maxShort, maxShortText = 5, 128

func (l *shortList) add(text []byte, texts interner) {
	if len(text) == 0 || l.more {
		return
	}
	text = text[:min(len(text), maxShortText)]
	for _, item := range l.items {
		if item == string(text) {
			return
		}
	}
	if len(l.items) == maxShort {
		l.more = true
		return
	}
	l.items = append(l.items, texts.text(text))
}

// evidence keeps a few lines: the first and the latest message, the first two refusals, the first two viruses.
type evidence struct {
	messages [2][]byte
	refusals [2][]byte
	viruses  [2][]byte
}

// maxEvidence bounds a line kept as evidence.
const maxEvidence = 512

func keepLine(buffer, raw []byte) []byte {
	if len(raw) > maxEvidence {
		return append(append(buffer[:0], raw[:maxEvidence]...), "…"...)
	}
	return append(buffer[:0], raw...)
}

func (v *evidence) add(f *fact) {
	slot := &v.refusals
	switch f.kind {
	case aMessage:
		if v.messages[0] != nil {
			v.messages[1] = keepLine(v.messages[1], f.raw)
			return
		}
		slot = &v.messages
	case aVirus:
		slot = &v.viruses
	}
	for i := range slot {
		if slot[i] == nil {
			slot[i] = keepLine(nil, f.raw)
			return
		}
	}
}

func (v *evidence) list() (lines []string) {
	for _, slot := range [][2][]byte{v.viruses, v.refusals, v.messages} {
		for _, line := range slot {
			if line != nil {
				lines = append(lines, printable(line))
			}
		}
	}
	return lines
}

// A board counts per key, keeps at most max of them, and drops the less suspicious half when it is full.
type board[K comparable] struct {
	rows    map[K]*row
	max     int
	seed    maphash.Seed
	dropped dropSketch
	pruned  int64 // how often rows were dropped
	texts   interner
}

func newBoard[K comparable](limit int) *board[K] {
	return &board[K]{rows: map[K]*row{}, max: max(limit, 2), seed: maphash.MakeSeed(), texts: interner{}}
}

func (b *board[K]) add(key K, f *fact) *row {
	r := b.rows[key]
	if r == nil {
		if len(b.rows) >= b.max {
			b.prune()
		}
		r = &row{first: f.at, last: f.at, missed: b.dropped.weight(maphash.Comparable(b.seed, key))}
		b.rows[key] = r
	}
	r.Counts.add(f)
	r.first, r.last = min(r.first, f.at), max(r.last, f.at)
	r.forged = r.forged || f.forged
	r.lines.add(f)
	if f.kind == aVirus {
		r.viruses.add(f.detail, b.texts)
	}
	return r
}

func (r *row) weight() uint64 { return uint64(r.Suspicion()*100) + r.missed }

func (b *board[K]) prune() {
	b.pruned++
	weights := make([]uint64, 0, len(b.rows))
	for _, r := range b.rows {
		weights = append(weights, r.weight())
	}
	slices.Sort(weights)
	median, quota := weights[len(weights)/2], len(weights)/2
	for _, atMost := range []uint64{median - min(median, 1), median} {
		for key, r := range b.rows {
			if quota == 0 {
				return
			}
			if w := r.weight(); w <= atMost {
				b.dropped.add(maphash.Comparable(b.seed, key), w)
				delete(b.rows, key)
				quota--
			}
		}
	}
}

func unix(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
