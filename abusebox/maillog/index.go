package maillog

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Span is a stretch of time; both ends belong to it.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// A Sighting is what the mail logs say that one address did within about ten minutes.
type Sighting struct {
	Span
	Counts
	Forged     bool     `json:"forged"`             // its name does not lead back to it
	Accounts   []string `json:"accounts,omitempty"` // who had logged in
	Senders    []string `json:"sender_domains,omitempty"`
	VirusNames []string `json:"virus_names,omitempty"`
	Lines      []string `json:"lines"` // the log lines that say it, a few
}

// An Answer is what the mail logs say of one address in one stretch of time. Silence is no evidence: an address
// that sends past our mail servers never stands in their logs.
type Answer struct {
	Sightings []Sighting `json:"sightings,omitempty"` // oldest first
	Read      []Span     `json:"read,omitempty"`      // which part of the time the logs were read for
	Note      string     `json:"note,omitempty"`      // what is missing
}

// slotSeconds is how finely an Index tells times apart.
const slotSeconds = 600

// A cell is what is kept of one address in one slot.
type cell struct {
	first, last int64
	counts      Counts
	forged      bool
	accounts    shortList
	senders     shortList
	viruses     shortList
	lines       evidence
}

// An Index remembers what mail logs say of addresses, for as long as it is told and within a bound. It may be
// used by many goroutines.
type Index struct {
	keep     int64
	max      int
	wanted   func(netip.Addr) bool
	mu       sync.Mutex
	slots    map[int64]map[netip.Addr]*cell
	cells    int
	floor    int64 // what was before has been dropped
	newest   int64
	sources  []*source
	texts    interner
	overflow int64 // cells dropped before their time, for want of room
}

// NewIndex keeps at most limit entries for keep; wanted chooses the addresses, nil for all.
func NewIndex(keep time.Duration, limit int, wanted func(netip.Addr) bool) *Index {
	return &Index{keep: int64(keep / time.Second), max: max(limit, 1), wanted: wanted, slots: map[int64]map[netip.Addr]*cell{}, texts: interner{}}
}

// A source is one log that an Index is fed from, with the stretch of time that was read of it.
type source struct {
	index       *Index
	since, last int64
}

// source adds a log: from now on the index covers only what was read of this one, too.
func (x *Index) source() *source {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &source{index: x}
	x.sources = append(x.sources, s)
	return s
}

// add takes one fact of the log.
func (s *source) add(f *fact) {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	s.read(f.at)
	s.index.add(f)
}

// caughtUp says that everything up to an instant has been read: a log in which nothing happens is read as well.
func (s *source) caughtUp(at time.Time) {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	s.read(at.Unix())
	s.index.expire()
}

func (s *source) read(at int64) {
	if s.last == 0 {
		s.since = at
	}
	s.last = max(s.last, at)
	s.index.newest = max(s.index.newest, at)
}

func (x *Index) add(f *fact) {
	if !f.addr.IsValid() || f.at < x.floor || x.wanted != nil && !x.wanted(f.addr) {
		return
	}
	slot := f.at / slotSeconds
	cells := x.slots[slot]
	if cells == nil {
		cells = map[netip.Addr]*cell{}
		x.slots[slot] = cells
		x.expire()
	}
	c := cells[f.addr]
	if c == nil {
		for x.cells >= x.max && len(x.slots) > 1 {
			x.overflow += int64(x.drop(x.oldest()))
		}
		if x.cells >= x.max { // one slot fills it all
			x.overflow++
			return
		}
		c = &cell{first: f.at, last: f.at}
		cells[f.addr] = c
		x.cells++
	}
	c.add(f, x.texts)
}

func (c *cell) add(f *fact, texts interner) {
	c.first, c.last = min(c.first, f.at), max(c.last, f.at)
	c.counts.add(f)
	c.forged = c.forged || f.forged
	c.accounts.add([]byte(f.account), texts)
	c.senders.add(f.domain(), texts)
	if f.kind == aVirus {
		c.viruses.add(f.detail, texts)
	}
	c.lines.add(f)
}

// expire drops the slots that are older than what is kept.
func (x *Index) expire() {
	limit := x.newest - x.keep
	if limit < x.floor+slotSeconds {
		return
	}
	for slot := range x.slots {
		if (slot+1)*slotSeconds <= limit {
			x.drop(slot)
		}
	}
	x.floor = limit / slotSeconds * slotSeconds
}

func (x *Index) oldest() int64 {
	least := int64(1 << 62)
	for slot := range x.slots {
		least = min(least, slot)
	}
	return least
}

// drop forgets a slot and says how many cells it had.
func (x *Index) drop(slot int64) int {
	n := len(x.slots[slot])
	delete(x.slots, slot)
	x.cells -= n
	x.floor = max(x.floor, (slot+1)*slotSeconds)
	return n
}

// Entries is how many pairs of address and ten minutes are kept.
func (x *Index) Entries() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cells
}

// Ask says what the mail logs tell of addr between two instants, both included.
func (x *Index) Ask(ctx context.Context, addr netip.Addr, from, to time.Time) (Answer, error) {
	addr = addr.Unmap().WithZone("")
	x.mu.Lock()
	defer x.mu.Unlock()
	var answer Answer
	answer.Read, answer.Note = x.covered(from, to)
	if x.wanted != nil && !x.wanted(addr) {
		answer.Note = "the mail logs are indexed for our own networks only"
		return answer, ctx.Err()
	}
	begin, end := max(from.Unix(), x.floor), min(to.Unix(), x.newest)
	for slot := begin / slotSeconds; slot <= end/slotSeconds; slot++ {
		if c := x.slots[slot][addr]; c != nil && c.first <= end && c.last >= begin {
			answer.Sightings = append(answer.Sightings, c.sighting())
		}
	}
	return answer, ctx.Err()
}

// covered is the part of a stretch of time that was read, and what is to be said about the rest.
func (x *Index) covered(from, to time.Time) ([]Span, string) {
	if len(x.sources) == 0 {
		return nil, "no mail log is read"
	}
	begin, end := x.floor, x.newest
	for _, s := range x.sources {
		if s.last == 0 {
			return nil, "not all mail logs could be read yet"
		}
		begin, end = max(begin, s.since), min(end, s.last)
	}
	since, until := unix(begin), unix(end)
	span := Span{later(from.UTC(), since), earlier(to.UTC(), until)}
	if span.From.After(span.To) {
		return nil, fmt.Sprintf("the mail logs were read from %s to %s only", since.Format(time.DateTime), until.Format(time.DateTime))
	}
	if span.From.After(from) || span.To.Before(to) {
		return []Span{span}, fmt.Sprintf("the mail logs were read from %s to %s only", since.Format(time.DateTime), until.Format(time.DateTime))
	}
	return []Span{span}, ""
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c *cell) sighting() Sighting {
	return Sighting{
		Span: Span{unix(c.first), unix(c.last)}, Counts: c.counts, Forged: c.forged,
		Accounts: cleaned(slices.Clone(c.accounts.items)), Senders: cleaned(c.senders.items), VirusNames: cleaned(c.viruses.items), Lines: c.lines.list(),
	}
}
