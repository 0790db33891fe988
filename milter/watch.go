package milter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A watch ends what lasts too long: judgements past their deadline, and MTAs
// that keep us waiting. It looks every now and then, because a timer for each
// wait, started and stopped, wakes a thread, which costs more than a judgement.
type watch struct {
	now      func() time.Time
	deadline time.Duration // of a judgement
	idle     time.Duration // for an MTA's next packet
	patience time.Duration // for the rest of a packet, and for a write

	mu         sync.Mutex
	judgements map[*judgement]struct{}
	links      map[*link]struct{}
	begun      bool          // a judgement, since the last look
	rests      bool          // nobody looks at the judgements, until wake
	wake       chan struct{} // has room for one
}

// A judgement is one that is under way.
type judgement struct {
	began time.Time
	// over is set by who goes on with the message: the judgement when it has a verdict, or the watch.
	over atomic.Bool
	late func()
}

func newWatch(cfg Config, now func() time.Time) *watch {
	return &watch{
		now: now, deadline: cfg.Deadline.Std(), idle: cfg.IdleTimeout.Std(), patience: cfg.PacketTimeout.Std(),
		judgements: map[*judgement]struct{}{}, links: map[*link]struct{}{}, wake: make(chan struct{}, 1),
	}
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) {
	judgements := time.NewTicker(w.step())
	defer judgements.Stop()
	links := time.NewTicker(min(max(min(w.patience, w.idle)/4, 10*time.Millisecond), time.Second))
	defer links.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-judgements.C:
			w.endJudgements()
			if w.rest() {
				judgements.Stop()
			}
		case <-w.wake:
			judgements.Reset(w.step())
		case <-links.C:
			w.endWaits()
		}
	}
}

// rest says whether there is nothing to look at: a machine without mail is not to be woken.
func (w *watch) rest() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rests = len(w.judgements) == 0 && !w.begun
	w.begun = false
	return w.rests
}

// step is the time between two looks at the judgements; they end that much
// early rather than late.
func (w *watch) step() time.Duration { return max(w.deadline/4, time.Millisecond) }

func (w *watch) endJudgements() {
	limit := w.now().Add(w.step() - w.deadline)
	w.mu.Lock()
	defer w.mu.Unlock()
	for j := range w.judgements {
		if j.began.After(limit) {
			continue
		}
		delete(w.judgements, j)
		if j.over.CompareAndSwap(false, true) {
			go j.late()
		}
	}
}

func (w *watch) endWaits() {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		since, what := l.wait.get()
		limit := w.patience
		if what == waitPacket {
			limit = w.idle
		}
		if what != waitNothing && now.Sub(since) > limit {
			l.timedOut.Store(true)
			_ = l.conn.Close() // whoever waits gets the error
		}
	}
}

// begin has the watch call late unless end comes in time.
func (w *watch) begin(j *judgement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judgements[j] = struct{}{}
	w.begun = true
	if w.rests {
		w.rests = false
		select {
		case w.wake <- struct{}{}:
		default: // it is on its way
		}
	}
}

// end says whether the judgement came in time.
func (w *watch) end(j *judgement) bool {
	w.mu.Lock()
	delete(w.judgements, j)
	w.mu.Unlock()
	return j.over.CompareAndSwap(false, true)
}

func (w *watch) add(l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links[l] = struct{}{}
}

func (w *watch) remove(l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.links, l)
}

// A waiting is what a link waits for.
type waiting int64

const (
	waitNothing waiting = iota
	waitPacket          // the next one
	waitRest            // of a packet, or room for our replies
)

// A wait is what a link waits for, and since when, in one word.
type wait struct{ word atomic.Int64 }

func (w *wait) begin(what waiting, at time.Time) { w.word.Store(at.UnixNano()<<2 | int64(what)) }
func (w *wait) end()                             { w.word.Store(0) }

func (w *wait) get() (since time.Time, what waiting) {
	word := w.word.Load()
	return time.Unix(0, word>>2), waiting(word & 3)
}
