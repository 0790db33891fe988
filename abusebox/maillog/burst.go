package maillog

import (
	"bytes"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"
)

// A run is messages of one sender's domain from one network that follow each other closely.
type run struct {
	net         netip.Prefix
	domain      []byte
	first, last int64
	messages    int64
	recipients  int64
	forged      int64
	minSize     int64
	maxSize     int64
	relays      []netip.Addr // at most maxRunRelays
	senders     []uint64     // hashes, at most maxRunSenders
	lines       [][]byte     // at most maxRunLines
}

const (
	maxRunRelays  = 32
	maxRunSenders = 64
	maxRunLines   = 4
	maxRuns       = 1 << 16
)

// bursts groups messages by relay network and sender's domain and keeps the runs that stand out most.
type bursts struct {
	open    map[uint64]*run
	best    []*run // most suspicious first, at most keep
	least   int64  // messages that make a burst
	gap     int64  // seconds without a message that end one
	keep    int
	seed    maphash.Seed
	lower   []byte
	dropped int64 // runs let go because too many were open
	alert   func(*run)
	spare   []*run // to be used again, with their buffers
}

func newBursts(least int, gap int64, keep int, alert func(*run)) *bursts {
	return &bursts{open: map[uint64]*run{}, least: int64(least), gap: gap, keep: keep, seed: maphash.MakeSeed(), alert: alert}
}

// networkOf is the /24 of an IPv4 relay and the /64 of an IPv6 one: what one customer usually has.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (b *bursts) add(f *fact) {
	if f.kind != aMessage || !f.addr.IsValid() || f.addr.IsLoopback() {
		return
	}
	net := networkOf(f.addr)
	b.lower = append(b.lower[:0], f.domain()...)
	for i, c := range b.lower {
		if c-'A' <= 25 {
			b.lower[i] = c | 0x20
		}
	}
	if f.null {
		b.lower = append(b.lower, "<>"...)
	}
	key := maphash.Comparable(b.seed, net) ^ maphash.Bytes(b.seed, b.lower)
	r := b.open[key]
	if r != nil && f.at-r.last > b.gap {
		b.close(r)
		r = nil
	}
	if r == nil {
		if len(b.open) >= maxRuns {
			b.prune(f.at)
		}
		r = b.begin(net, f.at)
		b.open[key] = r
	}
	r.add(f, b.seed)
	if r.messages == b.least && b.alert != nil {
		b.alert(r)
	}
}

// begin takes a spare run, or makes one.
func (b *bursts) begin(net netip.Prefix, at int64) *run {
	r := &run{}
	if n := len(b.spare); n > 0 {
		r, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	*r = run{
		net: net, domain: append(r.domain[:0], b.lower[:min(len(b.lower), maxShortText)]...), first: at, minSize: math.MaxInt64,
		relays: r.relays[:0], senders: r.senders[:0], lines: r.lines[:0],
	}
	return r
}

func (r *run) add(f *fact, seed maphash.Seed) {
	r.first, r.last = min(r.first, f.at), max(r.last, f.at)
	r.messages++
	r.recipients += int64(f.count)
	r.minSize, r.maxSize = min(r.minSize, f.size), max(r.maxSize, f.size)
	if f.forged {
		r.forged++
	}
	if len(r.relays) < maxRunRelays && !slices.Contains(r.relays, f.addr) {
		r.relays = append(r.relays, f.addr)
	}
	if len(r.senders) < maxRunSenders {
		if h := maphash.Bytes(seed, f.sender); !slices.Contains(r.senders, h) {
			r.senders = append(r.senders, h)
		}
	}
	if len(r.lines) < maxRunLines {
		r.keep(f.raw)
	}
}

// keep copies a line into the next buffer, which an earlier use of the run may have left.
func (r *run) keep(raw []byte) {
	n := len(r.lines)
	if n == cap(r.lines) {
		r.lines = append(r.lines, nil)
	}
	r.lines = r.lines[:n+1]
	r.lines[n] = keepLine(r.lines[n], raw)
}

// prune ends the runs that are over, and where that is not enough those with the fewest messages.
func (b *bursts) prune(now int64) {
	for key, r := range b.open {
		if now-r.last > b.gap {
			b.close(r)
			delete(b.open, key)
		}
	}
	for fewest := int64(1); len(b.open) > maxRuns/2; fewest *= 2 {
		for key, r := range b.open {
			if r.messages <= fewest {
				b.close(r)
				delete(b.open, key)
				b.dropped++
			}
		}
	}
}

// close puts a run among the best if it is a burst and stands out enough, and else spares it.
func (b *bursts) close(r *run) {
	if r.messages >= b.least {
		b.best = rank(b.best, r, b.keep)
		return
	}
	b.spare = append(b.spare, r)
}

func rank(best []*run, r *run, keep int) []*run {
	score := r.score()
	if len(best) == keep && best[keep-1].score() >= score {
		return best
	}
	at, _ := slices.BinarySearchFunc(best, score, func(have *run, score float64) int {
		if have.score() >= score {
			return -1
		}
		return 1
	})
	best = slices.Insert(best, at, r)
	return best[:min(len(best), keep)]
}

// list is the best of all, those under way among them.
func (b *bursts) list() []*run {
	best := slices.Clone(b.best)
	for _, r := range b.open {
		if r.messages >= b.least {
			best = rank(best, r, b.keep)
		}
	}
	return best
}

// score orders bursts: twice as many messages add one, and so does each doubling of the relays; up to three for
// names that may be forged, two for a new sender with every message, one for sizes that hardly differ.
func (r *run) score() float64 {
	n := float64(r.messages)
	score := math.Log2(n) + math.Log2(float64(len(r.relays))) + 3*float64(r.forged)/n
	if r.manySenders() {
		score += 2
	}
	if r.alike() {
		score++
	}
	return score
}

// manySenders: at least three of four messages (as far as they are told apart) bear a sender of their own.
func (r *run) manySenders() bool {
	return r.messages >= 4 && int64(len(r.senders))*4 >= min(r.messages, maxRunSenders)*3
}

// alike: the sizes lie within five parts of a hundred, as when one text goes to many.
func (r *run) alike() bool {
	return r.messages >= 4 && r.minSize > 0 && (r.maxSize-r.minSize)*20 <= r.maxSize
}

// printable makes a log line safe to show: no control characters, valid UTF-8.
func printable(line []byte) string {
	line = bytes.ToValidUTF8(line, []byte("\ufffd"))
	return string(bytes.Map(func(c rune) rune {
		if c < 0x20 || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			return '\ufffd'
		}
		return c
	}, line))
}
