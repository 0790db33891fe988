package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

// maxGroup bounds how many changes share one sync: more gains nothing and delays the first of them.
const maxGroup = 64

// ErrUnknownOutcome wraps a failed commit: bbolt may have made the change durable all the same, so whoever
// needs to know must close the store, open it again and look.
var ErrUnknownOutcome = errors.New("bolt: commit failed, its outcome is unknown")

// ErrPanicked wraps what a change panicked with: it was undone, as for any error of its own.
var ErrPanicked = errors.New("bolt: change panicked")

// A change is one function that waits to be committed with others.
type change struct {
	fn   func(tx *bbolt.Tx) error
	done chan error
}

// Update runs fn in a write transaction that other callers' changes may share, and returns after the sync.
// An error of fn undoes fn alone: the group is run again without it, so fn must be pure and may run more than once.
// A context that ends before the group begins cancels the change; afterwards Update waits for the outcome.
func (db *DB) Update(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{fn: fn, done: make(chan error, 1)}
	select {
	case <-db.quit:
		return ErrClosed
	default:
	}
	select {
	case db.commits <- c:
	case <-db.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-db.done:
	}
	select { // the committer may have answered just before it ended
	case err := <-c.done:
		return err
	default:
		return ErrClosed
	}
}

func (db *DB) commitLoop() {
	defer close(db.done)
	for {
		select {
		case c := <-db.commits:
			db.commit(db.gather(c))
		case <-db.quit:
			for { // what was accepted before Close is still committed
				select {
				case c := <-db.commits:
					db.commit(db.gather(c))
				default:
					return
				}
			}
		}
	}
}

// gather takes what waits, without a timer: while one group syncs, the next one collects by itself. Whoever was answered
// by the last group may be about to bring a change and not yet have had the processor, so gather lets the others run once
// before it closes a group: a sync costs more than that.
func (db *DB) gather(first *change) []*change {
	group := []*change{first}
	for waited := false; len(group) < maxGroup; {
		select {
		case c := <-db.commits:
			group, waited = append(group, c), false
		default:
			if waited {
				return group
			}
			runtime.Gosched()
			waited = true
		}
	}
	return group
}

// commit runs a group in one transaction; a change that errs is answered and the rest run again without it.
func (db *DB) commit(group []*change) {
	for len(group) > 0 {
		begin := time.Now()
		failed := -1
		var cause error
		err := db.file.Update(func(tx *bbolt.Tx) error {
			db.fill(tx)
			for i, c := range group {
				if cause = run(c.fn, tx); cause != nil {
					failed = i
					return cause
				}
			}
			return nil
		})
		if failed >= 0 {
			group[failed].done <- cause
			group = append(group[:failed:failed], group[failed+1:]...)
			continue
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		} else if db.options.OnCommit != nil {
			db.options.OnCommit(len(group), time.Since(begin))
		}
		for _, c := range group {
			c.done <- err
		}
		return
	}
}

// risingFill is how full the pages of a Rising bucket are made: some records still grow.
const risingFill = 0.9

func (db *DB) fill(tx *bbolt.Tx) {
	for _, name := range db.options.Rising {
		if b := tx.Bucket(name); b != nil {
			b.FillPercent = risingFill
		}
	}
}

// run keeps a panicking change from taking the committer, and every other caller, with it.
func run(fn func(tx *bbolt.Tx) error, tx *bbolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrPanicked, p, debug.Stack())
		}
	}()
	return fn(tx)
}
