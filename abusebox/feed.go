package abusebox

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"spoor/abusebox/intake"
)

// maxBatch bounds how many mails are taken up in one transaction.
const maxBatch = 64

// A feeder takes mails from the spool to the workers, with a bound on the bytes in memory.
type feeder struct {
	desk    *Desk
	weight  *semaphore.Weighted
	budget  int64
	work    chan taken
	mu      sync.Mutex
	pending map[intake.ID]bool // taken up, not done
	batch   []taken
}

// A taken mail is one that a worker is to process.
type taken struct {
	id      intake.ID
	mail    intake.Mail
	weight  int64
	attempt int
	done    bool
}

// feed reads the spool from the first mail that may not be done, and waits for more.
func (d *Desk) feed(ctx context.Context) error {
	// One batch waits while the one before is decided: so the begin of the next shares their commit.
	f := &feeder{desk: d, budget: d.d.Config.MaxInflight.Bytes(), work: make(chan taken, maxBatch), pending: map[intake.ID]bool{}}
	f.weight = semaphore.NewWeighted(f.budget)
	group, ctx := errgroup.WithContext(ctx)
	for range d.d.Config.Workers {
		group.Go(func() error { return f.worker(ctx) })
	}
	group.Go(func() error {
		defer close(f.work)
		return f.read(ctx)
	})
	return group.Wait()
}

func (f *feeder) read(ctx context.Context) error {
	from, err := retry(ctx, func() (intake.ID, error) { return f.desk.d.Store.Cursor(ctx) })
	if err != nil {
		return err
	}
	for {
		changed := f.desk.d.Spool.Changed()
		next, err := f.desk.d.Spool.Scan(ctx, from, func(id intake.ID, m intake.Mail) error { return f.add(ctx, id, m) })
		if err == nil {
			err = f.flush(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // what was flushed is known to the store, and is skipped when it is read again
			f.desk.metrics.failures.WithLabelValues("spool").Inc()
			f.desk.log.Error("desk: read the spool", "err", err)
			f.drop()
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
			continue
		}
		from = next
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add puts a mail into the batch, waiting until there is room for its bytes. A mail larger than the budget has it alone.
func (f *feeder) add(ctx context.Context, id intake.ID, m intake.Mail) error {
	f.mu.Lock()
	known := f.pending[id]
	f.mu.Unlock()
	if known {
		return nil
	}
	weight := min(int64(len(m.Raw))+4096, f.budget)
	if !f.weight.TryAcquire(weight) {
		if err := f.flush(ctx); err != nil { // what waits here must not hold what is needed
			return err
		}
		if err := f.weight.Acquire(ctx, weight); err != nil {
			return err
		}
	}
	f.batch = append(f.batch, taken{id: id, mail: m, weight: weight})
	if len(f.batch) >= maxBatch {
		return f.flush(ctx)
	}
	return nil
}

func (f *feeder) drop() {
	for _, t := range f.batch {
		f.weight.Release(t.weight)
	}
	f.batch = nil
}

// flush begins the mails of the batch, in one transaction, and hands them out. One that was begun
// before and never ended may be what brought the process down: it is processed alone, so that it harms no other.
func (f *feeder) flush(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	ids := make([]intake.ID, len(f.batch))
	for n, t := range f.batch {
		ids[n] = t.id
	}
	attempts, err := f.begin(ctx, ids)
	if err != nil {
		return err
	}
	batch, suspects := f.batch, []taken(nil)
	f.batch = nil
	for n := range batch {
		batch[n].attempt, batch[n].done = attempts[n].Number, attempts[n].Done
		if attempts[n].Before && !attempts[n].Done {
			suspects = append(suspects, batch[n])
			batch[n].done = true
			batch[n].weight = 0 // the suspect holds it now
		}
	}
	// Who was blamed least comes first, so that no innocent is met by one crash after another.
	slices.SortStableFunc(suspects, func(a, b taken) int { return a.attempt - b.attempt })
	for _, t := range suspects {
		if err := f.alone(ctx, t); err != nil {
			return err
		}
	}
	for _, t := range batch {
		if t.done {
			f.weight.Release(t.weight)
		} else if err := f.hand(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// begin counts the first attempt at each mail. What the store found when it was asked first stands: if that commit is
// uncertain, the next try may find the mails begun by itself.
func (f *feeder) begin(ctx context.Context, ids []intake.ID) (first []Attempt, err error) {
	return retry(ctx, func() ([]Attempt, error) {
		found, err := f.desk.d.Store.Begin(ctx, ids, f.low())
		if first == nil && len(found) == len(ids) {
			first = found
		}
		return first, err
	})
}

// low is the first mail that is not done: a later start begins there.
func (f *feeder) low() intake.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	low := f.batch[0].id
	for id := range f.pending {
		low = min(low, id)
	}
	return low
}

func (f *feeder) hand(ctx context.Context, t taken) error {
	f.mu.Lock()
	f.pending[t.id] = true
	f.mu.Unlock()
	select {
	case f.work <- t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *feeder) alone(ctx context.Context, t taken) error {
	defer f.weight.Release(t.weight)
	a, err := retry(ctx, func() (Attempt, error) { return f.desk.d.Store.Again(ctx, t.id, t.attempt) })
	if err != nil || a.Done {
		return err
	}
	t.attempt = a.Number
	return f.desk.process(ctx, t)
}

func (f *feeder) worker(ctx context.Context) error {
	for t := range f.work {
		f.desk.metrics.inflight.Inc()
		err := f.desk.process(ctx, t)
		f.desk.metrics.inflight.Dec()
		f.weight.Release(t.weight)
		if err != nil {
			return err
		}
		f.mu.Lock()
		delete(f.pending, t.id)
		f.mu.Unlock()
	}
	return nil
}

// process takes one mail to its decision. It returns only when the mail is decided, or when the Desk ends.
func (d *Desk) process(ctx context.Context, t taken) error {
	attempt, cause := t.attempt, error(nil)
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		begin := d.now()
		poison := attempt > d.d.Config.Attempts
		err := guard(func() error {
			if poison {
				return d.giveUp(ctx, t, cause)
			}
			return d.decide(ctx, t.id, t.mail)
		})
		switch {
		case err == nil, errors.Is(err, ErrMailDone):
			d.metrics.took.Observe(d.now().Sub(begin).Seconds())
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case poison: // even setting it aside fails: that is the store's fault, and nothing is lost by waiting
			d.log.Error("desk: set aside", "mail", t.id, "err", err)
		default:
			d.note(t.id, attempt, err)
			if isStoreFault(err) {
				break
			}
			again, againErr := retry(ctx, func() (Attempt, error) { return d.d.Store.Again(ctx, t.id, attempt) })
			if againErr != nil {
				return againErr
			}
			attempt, cause = again.Number, err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (d *Desk) note(id intake.ID, attempt int, err error) {
	kind := "process"
	var p *panicked
	if errors.As(err, &p) {
		kind = "panic"
		d.log.Error("desk: a mail made us stumble", "mail", id, "attempt", attempt, "err", err, "stack", string(p.stack))
	} else {
		d.log.Warn("desk: a mail could not be processed", "mail", id, "attempt", attempt, "err", err)
	}
	d.metrics.failures.WithLabelValues(kind).Inc()
}

// A storeFault is an error of the store: not the mail's fault, so it counts for nothing. A decision that panics within the
// store's transaction is the mail's.
type storeFault struct{ error }

func (s storeFault) Unwrap() error { return s.error }

func isStoreFault(err error) bool {
	var fault storeFault
	return errors.As(err, &fault) && !errors.Is(err, ErrPanicked)
}

// guard turns a panic into an error.
func guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return do()
}

// retry asks the store again until it answers: a full disk or a lost commit passes.
func retry[T any](ctx context.Context, do func() (T, error)) (T, error) {
	wait := 50 * time.Millisecond
	for {
		v, err := do()
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrMailDone) || errors.Is(err, ErrNotFound) {
			return v, err
		}
		if sleepErr := sleep(ctx, wait); sleepErr != nil {
			return v, sleepErr
		}
		wait = min(2*wait, 5*time.Second)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
