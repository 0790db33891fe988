// Package bolt is the embedded engine of the Desk's store: one bbolt file, one process.
package bolt

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/internal/bolt"
)

// The buckets of mail.db.
var (
	bucketMails     = []byte("mails")     // mail ID → MailRecord
	bucketState     = []byte("desk")      // "cursor"
	bucketRepeats   = []byte("repeats")   // fingerprint → mail ID, time
	bucketRepeatAge = []byte("repeatage") // time, fingerprint →
	bucketIncidents = []byte("incidents") // incident ID → Incident
	bucketByKey     = []byte("bykey")     // hash of the key, incident ID →
	bucketByAddr    = []byte("byaddr")    // address, incident ID →
	bucketNext      = []byte("next")      // time, incident ID →
	bucketEvidence  = []byte("evidence")  // incident ID, number → Evidence
	bucketHistory   = []byte("history")   // sequence → Sealed
	bucketHistoryOf = []byte("historyof") // incident ID, sequence →
	bucketTasks     = []byte("tasks")     // task ID → Task
	bucketTasksOf   = []byte("tasksof")   // incident ID, task ID →
	bucketDue       = []byte("due")       // time, task ID → ; queued tasks
	bucketComposed  = []byte("composed")  // task ID → mail
	bucketCounts    = []byte("counts")    // counter → number
	bucketContacts  = []byte("contacts")  // Contact.Key → ContactState
)

func buckets() [][]byte {
	return [][]byte{bucketMails, bucketState, bucketRepeats, bucketRepeatAge, bucketIncidents, bucketByKey, bucketByAddr, bucketNext,
		bucketEvidence, bucketHistory, bucketHistoryOf, bucketTasks, bucketTasksOf, bucketDue, bucketComposed, bucketCounts, bucketContacts}
}

// rising are the buckets whose keys begin with a number or a time that grows.
func rising() [][]byte {
	return [][]byte{bucketMails, bucketRepeatAge, bucketIncidents, bucketNext, bucketEvidence, bucketHistory, bucketHistoryOf, bucketTasks,
		bucketTasksOf, bucketDue, bucketComposed}
}

func migrations() []bolt.Migration {
	return []bolt.Migration{makeBuckets, allowPacked}
}

// allowPacked changes nothing but the version: a program that knows version 1 alone would send packed mails as they lie there.
func allowPacked(*bbolt.Tx) error { return nil }

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	return nil
}

// Options are what a Store needs of others; all may be left out.
type Options struct {
	Logger   *slog.Logger
	OnCommit func(changes int, took time.Duration)
	ReadOnly bool
}

// A Store is one mail.db. It opens itself again after a commit whose outcome is unknown.
type Store struct {
	path    string
	packer  *packer
	options bolt.Options
	log     *slog.Logger

	mu     sync.RWMutex // held for reading during each use of db
	db     *bolt.DB
	closed bool
}

var _ abusebox.Store = (*Store)(nil)

// Open opens or makes the file, and frees the leases that a crashed process held: one process owns the store.
func Open(path string, o Options) (*Store, error) {
	s := &Store{path: path, log: o.Logger, options: bolt.Options{Migrations: migrations(), Rising: rising(), ReadOnly: o.ReadOnly, OnCommit: o.OnCommit}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.packer, err = newPacker(); err != nil {
		return nil, err
	}
	if s.db, err = bolt.Open(path, s.options); err != nil {
		s.packer.close()
		return nil, err
	}
	if !o.ReadOnly {
		if err := s.update(context.Background(), freeLeases); err != nil {
			return nil, errors.Join(fmt.Errorf("free leases: %w", err), s.Close())
		}
	}
	return s, nil
}

// Close ends the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.db == nil {
		return nil
	}
	s.closed = true
	s.packer.close()
	return s.db.Close()
}

// Backup writes a consistent copy of the store.
func (s *Store) Backup(w io.Writer) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return bolt.ErrClosed
	}
	return s.db.Backup(w)
}

func (s *Store) view(fn func(tx *bbolt.Tx) error) error {
	s.mu.RLock()
	if s.db == nil { // it could not be opened again after a failed commit: the disk may be back by now
		s.mu.RUnlock()
		if err := s.reopen(nil, bolt.ErrClosed); !errors.Is(err, abusebox.ErrUncertain) {
			return err
		}
		s.mu.RLock()
	}
	defer s.mu.RUnlock()
	if s.db == nil {
		return bolt.ErrClosed
	}
	return s.db.View(fn)
}

// update commits fn together with others' changes. After a failed commit nobody knows what is on disk: the file
// is opened again, and the caller asks again.
func (s *Store) update(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	s.mu.RLock()
	db := s.db
	if db == nil {
		s.mu.RUnlock()
		return s.reopen(nil, bolt.ErrClosed)
	}
	err := db.Update(ctx, fn)
	s.mu.RUnlock()
	if errors.Is(err, bolt.ErrUnknownOutcome) || errors.Is(err, bolt.ErrClosed) {
		return s.reopen(db, err)
	}
	if errors.Is(err, bolt.ErrPanicked) {
		return fmt.Errorf("%w: %w", abusebox.ErrPanicked, err)
	}
	return err
}

// reopen puts a fresh handle in the place of failed, once for all callers that met the same failure.
func (s *Store) reopen(failed *bolt.DB, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return bolt.ErrClosed
	}
	if s.db == failed {
		s.log.Error("store: commit failed, opening the file again", "file", s.path, "err", cause)
		if failed != nil {
			if err := failed.Close(); err != nil {
				s.log.Error("store: close", "file", s.path, "err", err)
			}
		}
		s.db = nil
		db, err := bolt.Open(s.path, s.options)
		if err != nil {
			return fmt.Errorf("%w: %w: %w", abusebox.ErrUncertain, cause, err)
		}
		s.db = db
	}
	return fmt.Errorf("%w: %w", abusebox.ErrUncertain, cause)
}

// number is a big-endian key, so that keys sort as numbers do.
func number[N ~uint64](n N) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func fromNumber[N ~uint64](key []byte) N {
	if len(key) < 8 {
		return 0
	}
	return N(binary.BigEndian.Uint64(key))
}

// timed is a key that sorts by time, then by number.
func timed[N ~uint64](t time.Time, n N) []byte {
	return append(stamp(t), number(n)...)
}

// stamp is a time as eight sortable bytes; times before 1970 are as 1970.
func stamp(t time.Time) []byte { return number(uint64(max(t.UnixNano(), 0))) }

func fromStamp(key []byte) time.Time {
	return time.Unix(0, int64(fromNumber[uint64](key))).UTC()
}

func get[T any](b *bbolt.Bucket, key []byte) (v T, ok bool, err error) {
	data := b.Get(key)
	if data == nil {
		return v, false, nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, true, fmt.Errorf("record %x: %w", key, err)
	}
	return v, true, nil
}

func put(b *bbolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, data)
}

func newSalt(size int) []byte {
	salt := make([]byte, size)
	_, _ = rand.Read(salt) // crypto/rand.Read never fails
	return salt
}
