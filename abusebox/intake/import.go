package intake

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"spoor/abusebox/intake/mailbox"
)

// An Import files whole mailboxes. It can be broken off at any point and begun again: a ledger beside the store says which
// mails are filed, by what they contain.
type Import struct {
	Put     func(context.Context, Mail) error // keeps one mail; called from several goroutines
	Ledger  string                            // file; made if need be
	Options mailbox.Options
	Workers int                            // how many mails wait for their sync at a time; 256 if zero
	Skipped func(m mailbox.Message)        // told of mails that are too large; may be nil
	Read    func(bytes int64, mails int64) // told of progress; may be nil
}

// Imported counts what an Import did.
type Imported struct {
	Filed    int64 `json:"filed"`     // mails that are new
	Known    int64 `json:"known"`     // mails that were filed before
	TooLarge int64 `json:"too_large"` // mails over max_size, which are not filed
}

// Run files what lies at the paths, in their order.
func (i Import) Run(ctx context.Context, paths []string) (Imported, error) {
	ledger, err := openLedger(i.Ledger)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	run := &importRun{Import: i, ledger: ledger}
	err = run.all(ctx, paths)
	if closeErr := ledger.close(); err == nil && closeErr != nil {
		err = fmt.Errorf("import: write ledger: %w", closeErr)
	}
	return Imported{run.filed.Load(), run.known.Load(), run.tooLarge.Load()}, err
}

// importBytes bounds the mails that wait for their sync, in memory. A larger mail has it alone.
const importBytes = 64 << 20

func weight(m mailbox.Message) int64 { return min(int64(len(m.Raw)), importBytes) }

type importRun struct {
	Import
	room                   *semaphore.Weighted
	ledger                 *ledger
	filed, known, tooLarge atomic.Int64
	bytes, mails           int64
}

// all reads in one goroutine and keeps in many, since those share their syncs.
func (r *importRun) all(ctx context.Context, paths []string) error {
	workers := r.Workers
	if workers <= 0 {
		workers = 256
	}
	r.room = semaphore.NewWeighted(importBytes)
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan mailbox.Message)
	for range workers {
		g.Go(func() error {
			for m := range queue {
				err := r.file(ctx, m)
				r.room.Release(weight(m))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(queue)
		for _, path := range paths {
			if err := mailbox.Walk(ctx, path, r.Options, func(m mailbox.Message) error { return r.take(ctx, queue, m) }); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// take passes a mail on, unless it is known.
func (r *importRun) take(ctx context.Context, queue chan<- mailbox.Message, m mailbox.Message) error {
	r.bytes += m.End - m.Offset
	r.mails++
	if r.Read != nil {
		r.Read(r.bytes, r.mails)
	}
	if m.Err != nil {
		r.tooLarge.Add(1)
		if r.Skipped != nil {
			r.Skipped(m)
		}
		return nil
	}
	if len(m.Raw) == 0 { // a From_ line and nothing else, as some servers leave in a folder's first place
		return nil
	}
	if err := r.room.Acquire(ctx, weight(m)); err != nil {
		return err
	}
	select {
	case queue <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *importRun) file(ctx context.Context, m mailbox.Message) error {
	sum := sha256.Sum256(m.Raw)
	if !r.ledger.claim(sum) {
		r.known.Add(1)
		return nil
	}
	env := Envelope{Source: SourceImport, From: m.From, Mailbox: m.Path, Delivered: delivered(m.Raw, m.Time)}
	if err := r.Put(ctx, Mail{Envelope: env, Raw: m.Raw}); err != nil {
		return fmt.Errorf("import %s: %w", m.Path, err)
	}
	r.filed.Add(1)
	return r.ledger.note(sum)
}

const ledgerEntry = 16 // bytes of a mail's SHA-256

type ledgerKey [ledgerEntry]byte

// A ledger is the set of mails that were imported: a file of their hashes. An entry is written when the mail is on disk.
// After a crash the last entries may be missing; their mails are filed again, and the desk recognises them.
type ledger struct {
	file *os.File

	mu   sync.Mutex
	seen map[ledgerKey]struct{}
}

func openLedger(path string) (*ledger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &ledger{file: f, seen: map[ledgerKey]struct{}{}}
	in := bufio.NewReader(f)
	end := int64(0)
	for {
		var k ledgerKey
		if _, err = io.ReadFull(in, k[:]); err != nil {
			break
		}
		l.seen[k] = struct{}{}
		end += ledgerEntry
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) { // a crash may have cut the last entry
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return l, nil
}

// claim says whether a mail is new, once.
func (l *ledger) claim(sum [32]byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := ledgerKey(sum[:ledgerEntry])
	if _, known := l.seen[k]; known {
		return false
	}
	l.seen[k] = struct{}{}
	return true
}

func (l *ledger) note(sum [32]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.file.Write(sum[:ledgerEntry]) // at once: a killed process leaves what it has written
	return err
}

func (l *ledger) close() error {
	return errors.Join(l.file.Sync(), l.file.Close())
}
