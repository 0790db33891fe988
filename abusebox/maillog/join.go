package maillog

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"net/netip"
)

// A message is what is known of one queue id until the rest of its lines have come.
type message struct {
	key     uint64
	addr    netip.Addr
	account string
	name    string
	forged  bool
	known   bool // where it came from is known
	queued  bool // it has been told
	virus   bool // a virus in it has been told: scanners log twice
	again   bool // a content filter handed it back
	waiting *waiting
}

// A waiting is what was said of a message before it was known where it came from.
type waiting struct {
	rejected, tempfailed int
	virus                bool
	detail, line         string
}

// A login is who logged in on one connection of sendmail, which only its process names.
type login struct {
	addr    netip.Addr
	account string
	at      int64
}

// Bounds of what is remembered between lines. The oldest goes first.
const (
	maxMessages = 1 << 18
	maxLogins   = 1 << 14
	maxForged   = 1 << 14
	loginAge    = 3600 // seconds after which a process id may be another process
)

// A joiner turns events, in the order of their lines, into facts: it finds the relay and the account of a
// message by its queue id, and counts a virus once however often scanners log it.
type joiner struct {
	clock   *clock
	emit    func(*fact)
	seed    maphash.Seed
	at      map[uint64]uint32 // place in ring
	ring    [][]message       // in blocks, so that it grows without being copied
	used    uint32
	next    uint32
	texts   interner // accounts and names
	logins  map[uint64]login
	forged  map[netip.Addr]struct{}
	last    event // the event before, for repetitions
	fact    fact
	counts  JoinCounts
	primed  bool
	maxRing int
}

// JoinCounts say what could not be put together.
type JoinCounts struct {
	Unjoined  int64 `json:"unjoined"`  // lines about a message whose first line was not there
	Forgotten int64 `json:"forgotten"` // queue ids dropped because too many were open
	Returned  int64 `json:"returned"`  // messages that a content filter handed back, counted once
	Scanned   int64 `json:"scanned"`   // viruses in messages whose relay never came to light
}

func newJoiner(c *clock, emit func(*fact)) *joiner {
	return &joiner{
		clock: c, emit: emit, seed: maphash.MakeSeed(), maxRing: maxMessages,
		at: map[uint64]uint32{}, texts: interner{}, logins: map[uint64]login{}, forged: map[netip.Addr]struct{}{},
	}
}

// prime looks through the first events for what their queue ids tell of year and zone, before any is dated.
func (j *joiner) prime(events []event) {
	if j.primed || len(events) == 0 {
		return
	}
	j.primed = true
	for i := range events {
		j.learn(&events[i])
	}
}

// feed takes the events of a chunk.
func (j *joiner) feed(c *chunk) {
	j.prime(c.events)
	for i := range c.events {
		j.add(&c.events[i])
	}
}

// collect is feed for a chunk that is counted later: the facts stay in it.
func (j *joiner) collect(c *chunk) {
	emit := j.emit
	defer func() { j.emit = emit }()
	j.emit = func(f *fact) { c.facts = append(c.facts, *f) }
	j.feed(c)
}

func (j *joiner) learn(e *event) {
	if !e.stamp.zoned && len(e.id) >= 12 && (e.kind == ofOrigin || e.kind == ofEnvelope && e.addr.IsValid()) {
		j.clock.learn(e.stamp, queueTime(e.id))
	}
}

// add takes the next event.
func (j *joiner) add(e *event) {
	if e.kind == noEvent {
		j.last.kind = noEvent
		return
	}
	j.learn(e)
	at := j.clock.utc(e.stamp)
	if e.kind == ofRepeat {
		j.repeat(e)
		return
	}
	j.dispatch(e, at)
	if e.kind == ofRefusal || e.kind == ofBadLogin {
		j.keepLast(e)
	} else {
		j.last.kind = noEvent
	}
}

// keepLast keeps what a repetition of the line would need, in buffers of its own.
func (j *joiner) keepLast(e *event) {
	raw, host := append(j.last.raw[:0], e.raw...), append(j.last.host[:0], e.host...)
	j.last = event{kind: e.kind, outcome: e.outcome, addr: e.addr, raw: raw, host: host}
}

// repeat counts a refusal as often as the log daemon says that it came again.
func (j *joiner) repeat(e *event) {
	if j.last.kind == noEvent || !j.last.addr.IsValid() || !bytes.Equal(j.last.host, e.host) {
		return
	}
	again := j.last
	again.count, again.stamp, again.raw = e.count, e.stamp, bytes.Clone(again.raw) // its buffer is used again
	j.dispatch(&again, j.clock.utc(e.stamp))
	j.last.kind = noEvent
}

func (j *joiner) dispatch(e *event, at int64) {
	switch e.kind {
	case ofOrigin, ofLocal:
		j.origin(e, at)
	case ofEnvelope:
		j.envelope(e, at)
	case ofDelivery:
		j.delivery(e, at)
	case ofRefusal:
		j.refusal(e, at)
	case ofVirus:
		j.virus(e, at)
	case ofForged:
		if len(j.forged) >= maxForged {
			clear(j.forged)
		}
		j.forged[e.addr] = struct{}{}
	case ofBadLogin:
		j.tell(fact{kind: aBadLogin, at: at, addr: e.addr, name: e.name, account: j.texts.text(e.account), count: e.count, raw: e.raw})
	case ofLogin:
		if len(j.logins) >= maxLogins {
			clear(j.logins)
		}
		j.logins[j.session(e)] = login{e.addr, j.texts.text(e.account), at}
	}
}

func (j *joiner) tell(f fact) {
	j.fact = f
	j.emit(&j.fact)
}

// key names a queue id of one host.
func (j *joiner) key(host, id []byte) uint64 {
	return bits.RotateLeft64(maphash.Bytes(j.seed, host), 17) ^ maphash.Bytes(j.seed, id)
}

func (j *joiner) session(e *event) uint64 {
	pid := e.pid
	return j.key(e.host, []byte{1, byte(pid), byte(pid >> 8), byte(pid >> 16), byte(pid >> 24)})
}

// find returns the message of an event's queue id, nil where it is not known.
func (j *joiner) find(e *event) *message {
	if e.id == nil {
		return nil
	}
	if at, ok := j.at[j.key(e.host, e.id)]; ok {
		return j.place(at)
	}
	return nil
}

// open is find, or a new message in place of the oldest.
func (j *joiner) open(e *event) *message {
	key := j.key(e.host, e.id)
	if at, ok := j.at[key]; ok {
		return j.place(at)
	}
	if j.used < uint32(j.maxRing) {
		if j.used%ringBlock == 0 {
			j.ring = append(j.ring, make([]message, ringBlock))
		}
		j.next, j.used = j.used, j.used+1
	} else {
		j.next = (j.next + 1) % uint32(j.maxRing)
	}
	m := j.place(j.next)
	if m.key != 0 {
		delete(j.at, m.key)
		if !m.queued {
			j.counts.Forgotten++
		}
	}
	*m = message{key: key}
	j.at[key] = j.next
	return m
}

// ringBlock is how many messages the ring grows by.
const ringBlock = 1 << 12

func (j *joiner) place(at uint32) *message { return &j.ring[at/ringBlock][at%ringBlock] }

// origin begins a message; Postfix uses short queue ids again, so one that was known begins anew.
func (j *joiner) origin(e *event, at int64) {
	m := j.open(e)
	if m.known {
		*m = message{key: m.key}
	}
	_, forged := j.forged[e.addr]
	m.addr, m.account, m.name, m.known, m.again = e.addr, j.texts.text(e.account), j.texts.text(e.name), true, e.again
	m.forged = forged && string(e.name) == "unknown"
	j.settle(m, at)
}

// envelope tells of a message, once: Postfix logs the line again at each run of the queue.
func (j *joiner) envelope(e *event, at int64) {
	m := j.find(e)
	sendmail := e.addr.IsValid() || e.account != nil
	switch {
	case m == nil && !sendmail:
		if !e.null { // our own delivery reports begin without a line of their own
			j.counts.Unjoined++
		}
		return
	case m == nil:
		m = j.open(e)
	case m.queued && sendmail && !m.again:
		*m = message{key: m.key} // another message under an old id
	}
	if sendmail {
		m.addr, m.account, m.known, m.forged = e.addr, j.texts.text(e.account), true, e.forged
		j.loggedIn(m, e, at)
	}
	if m.queued || !m.known {
		return
	}
	m.queued = true
	if m.again {
		j.counts.Returned++
		return
	}
	if e.count > 0 || e.size > 0 {
		name := e.name
		if name == nil && m.name != "" {
			name = []byte(m.name)
		}
		j.tell(fact{
			kind: aMessage, at: at, addr: m.addr, name: name, account: m.account, forged: m.forged,
			sender: e.sender, null: e.null, size: e.size, count: e.count, raw: e.raw,
		})
	}
	j.settle(m, at)
}

// loggedIn gives a message of sendmail the account that logged in on its connection.
func (j *joiner) loggedIn(m *message, e *event, at int64) {
	if l, ok := j.logins[j.session(e)]; ok && l.addr == e.addr && at-l.at < loginAge {
		m.account = l.account
	}
}

// settle tells what waited for the message's origin.
func (j *joiner) settle(m *message, at int64) {
	w := m.waiting
	if w == nil || !m.known {
		return
	}
	m.waiting = nil
	f := fact{kind: aRefusal, at: at, addr: m.addr, account: m.account, detail: []byte(w.detail), raw: []byte(w.line)}
	for _, part := range []struct {
		outcome outcome
		count   int
	}{{rejected, w.rejected}, {tempfailed, w.tempfailed}} {
		if f.outcome, f.count = part.outcome, part.count; f.count > 0 {
			j.tell(f)
		}
	}
	if w.virus && !m.virus {
		m.virus = true
		j.counts.Scanned--
		f.kind, f.count = aVirus, 1
		j.tell(f)
	}
}

func (j *joiner) delivery(e *event, at int64) {
	if e.outcome == sent {
		return
	}
	m := j.find(e)
	switch {
	case m == nil || !m.known:
		j.counts.Unjoined++
	case !m.again:
		j.tell(fact{kind: aDelivery, outcome: e.outcome, at: at, addr: m.addr, account: m.account, detail: e.detail, count: 1, raw: e.raw})
	}
}

func (j *joiner) refusal(e *event, at int64) {
	f := fact{kind: aRefusal, outcome: e.outcome, at: at, addr: e.addr, name: e.name, sender: e.sender, detail: e.detail, count: e.count, raw: e.raw}
	if m := j.find(e); m != nil && m.known {
		f.addr, f.account = m.addr, m.account
	}
	if f.addr.IsValid() || f.account != "" {
		j.tell(f)
		return
	}
	if e.id == nil {
		j.counts.Unjoined++
		return
	}
	w := j.wait(e)
	if e.outcome == tempfailed {
		w.tempfailed += f.count
	} else {
		w.rejected += f.count
	}
}

// maxWaitingText bounds what is copied of a line that waits.
const maxWaitingText = 512

// wait opens what is kept until the message's origin is known.
func (j *joiner) wait(e *event) *waiting {
	m := j.open(e)
	if m.waiting == nil {
		m.waiting = &waiting{}
	}
	if m.waiting.line == "" {
		m.waiting.line = string(e.raw[:min(len(e.raw), maxWaitingText)])
		m.waiting.detail = string(e.detail[:min(len(e.detail), maxWaitingText)])
	}
	return m.waiting
}

func (j *joiner) virus(e *event, at int64) {
	m := j.find(e)
	f := fact{kind: aVirus, at: at, addr: e.addr, detail: e.detail, count: 1, raw: e.raw}
	switch {
	case m != nil && m.virus:
		return
	case m != nil && m.known && !(m.addr.IsLoopback() && e.addr.IsValid()):
		f.addr, f.account = m.addr, m.account
	case !e.addr.IsValid():
		w := j.wait(e)
		if !w.virus {
			j.counts.Scanned++
		}
		w.virus = true
		w.detail, w.line = string(e.detail[:min(len(e.detail), maxWaitingText)]), string(e.raw[:min(len(e.raw), maxWaitingText)])
		return
	}
	if e.id != nil {
		m = j.open(e)
		m.virus = true
	}
	j.tell(f)
}
