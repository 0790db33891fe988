// Package bolt is one bbolt file with what every store of Spoor needs around it: a committer that turns many
// small changes into one synced transaction, versions with migrations, a check, and a backup.
package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// ErrClosed is returned for a change that came after Close.
var ErrClosed = errors.New("bolt: store is closed")

// ErrLocked means that another process has the file open.
var ErrLocked = errors.New("bolt: another process has the store open")

// ErrNewer means that the file was written by a newer version of Spoor.
var ErrNewer = errors.New("bolt: store was written by a newer version")

// A Migration lifts a file from one version to the next, inside the transaction that records the new version.
type Migration func(tx *bbolt.Tx) error

// Options say how a file is opened.
type Options struct {
	// Migrations[i] lifts version i to i+1; a new file begins at version 0, so the first one makes the buckets.
	Migrations []Migration
	// LockWait is how long to wait for another process to let go of the file; zero means one second.
	LockWait time.Duration
	// ReadOnly opens the file for reading beside other readers, runs no migration and takes no changes.
	ReadOnly bool
	// Rising names the buckets whose keys mostly come in rising order: their pages are filled, where bbolt would leave each
	// half empty for keys in between.
	Rising [][]byte
	// OnCommit, if set, is told after each group how many changes it held and how long it took to sync.
	OnCommit func(changes int, took time.Duration)
}

// A DB is one open bbolt file. Its methods may be called by many goroutines.
type DB struct {
	file    *bbolt.DB
	commits chan *change
	quit    chan struct{}
	done    chan struct{}
	options Options
	closing sync.Once
}

var metaBucket, versionKey = []byte("meta"), []byte("version")

// Open opens or makes the file at path, brings it to the newest version, and starts its committer.
func Open(path string, options Options) (*DB, error) {
	wait := options.LockWait
	if wait == 0 {
		wait = time.Second
	}
	file, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: wait, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, ReadOnly: options.ReadOnly,
	})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := migrate(file, options); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), file.Close())
	}
	db := &DB{file: file, commits: make(chan *change, maxGroup), quit: make(chan struct{}), done: make(chan struct{}), options: options}
	go db.commitLoop()
	return db, nil
}

func migrate(file *bbolt.DB, options Options) error {
	if options.ReadOnly {
		return file.View(func(tx *bbolt.Tx) error { return checkVersion(tx, len(options.Migrations)) })
	}
	return file.Update(func(tx *bbolt.Tx) error {
		if err := checkVersion(tx, len(options.Migrations)); err != nil {
			return err
		}
		from := versionOf(tx)
		for v := from; v < uint64(len(options.Migrations)); v++ {
			if err := options.Migrations[v](tx); err != nil {
				return fmt.Errorf("migrate from version %d: %w", v, err)
			}
		}
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		return meta.Put(versionKey, binary.BigEndian.AppendUint64(nil, uint64(len(options.Migrations))))
	})
}

func checkVersion(tx *bbolt.Tx, newest int) error {
	if v := versionOf(tx); v > uint64(newest) {
		return fmt.Errorf("%w: it has version %d, this program knows %d; run the spoor that wrote it, or a later one", ErrNewer, v, newest)
	}
	return nil
}

func versionOf(tx *bbolt.Tx) uint64 {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return 0
	}
	value := meta.Get(versionKey)
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

// Version is the version that the file has now.
func (db *DB) Version() (version uint64) {
	_ = db.View(func(tx *bbolt.Tx) error { version = versionOf(tx); return nil })
	return version
}

// View runs fn in a read transaction, beside writers.
func (db *DB) View(fn func(tx *bbolt.Tx) error) error { return db.file.View(fn) }

// Close lets the group under way finish, refuses later changes with ErrClosed, and closes the file.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() {
		close(db.quit)
		<-db.done
		err = db.file.Close()
	})
	return err
}

// Check returns every broken invariant of the file's pages.
func (db *DB) Check(ctx context.Context) (broken []error) {
	err := db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			broken = append(broken, err)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		broken = append(broken, err)
	}
	return broken
}

// Backup writes a consistent copy of the file to w while the store stays in use.
func (db *DB) Backup(w io.Writer) error {
	return db.View(func(tx *bbolt.Tx) error { _, err := tx.WriteTo(w); return err })
}

// Size is the length of the file in bytes.
func (db *DB) Size() (int64, error) {
	info, err := os.Stat(db.file.Path())
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
