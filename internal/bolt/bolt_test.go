package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bucket = []byte("things")

func makeBucket(tx *bbolt.Tx) error { _, err := tx.CreateBucketIfNotExists(bucket); return err }

func open(t testing.TB, path string, options Options) *DB {
	t.Helper()
	db, err := Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func put(key string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(key), []byte{1}) }
}

func count(db *DB) (n int) {
	_ = db.View(func(tx *bbolt.Tx) error { n = tx.Bucket(bucket).Stats().KeyN; return nil })
	return n
}

func TestManyWritersShareCommits(t *testing.T) {
	var mu sync.Mutex
	groups, changes := 0, 0
	db := open(t, filepath.Join(t.TempDir(), "x.db"), Options{Migrations: []Migration{makeBucket}, OnCommit: func(n int, _ time.Duration) {
		mu.Lock()
		groups, changes = groups+1, changes+n
		mu.Unlock()
	}})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := db.Update(context.Background(), put(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := count(db); got != 200 {
		t.Errorf("%d keys are stored, want 200", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if changes != 200 || groups >= 200 {
		t.Errorf("%d changes in %d groups: nothing was shared", changes, groups)
	}
}

func TestAFailingChangeFailsAlone(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), Options{Migrations: []Migration{makeBucket}})
	broken := errors.New("broken")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			fn, want := put(fmt.Sprint(i)), error(nil)
			switch i % 3 {
			case 1:
				fn, want = func(tx *bbolt.Tx) error { _ = put(fmt.Sprint(i))(tx); return broken }, broken
			case 2:
				fn = func(*bbolt.Tx) error { panic("oops") }
			}
			err := db.Update(context.Background(), fn)
			if i%3 == 2 && err == nil || i%3 != 2 && !errors.Is(err, want) {
				t.Errorf("change %d: error %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := count(db); got != 20 {
		t.Errorf("%d keys are stored, want the 20 of changes that did not err", got)
	}
}

// Records that come in rising order, some of which grow a little later, take little more room than they need.
func TestRisingBucketsAreFilled(t *testing.T) {
	pages := func(rising [][]byte) int {
		db := open(t, filepath.Join(t.TempDir(), "x.db"), Options{Migrations: []Migration{makeBucket}, Rising: append(rising, []byte("not there"))})
		for n := range 200 {
			if err := db.Update(context.Background(), func(tx *bbolt.Tx) error {
				for i := range 10 {
					if err := tx.Bucket(bucket).Put(fmt.Appendf(nil, "%08d", 10*n+i), make([]byte, 200)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		sum := 0
		_ = db.View(func(tx *bbolt.Tx) error { sum = tx.Bucket(bucket).Stats().LeafPageN; return nil })
		return sum
	}
	if as, rising := pages(nil), pages([][]byte{bucket}); 3*rising > 2*as {
		t.Errorf("%d pages where the bucket is known to rise, %d where not", rising, as)
	}
}

func TestMigrationsRunOnceAndInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	var ran []int
	step := func(n int) Migration {
		return func(tx *bbolt.Tx) error { ran = append(ran, n); return makeBucket(tx) }
	}
	if err := open(t, path, Options{Migrations: []Migration{step(1)}}).Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, Options{Migrations: []Migration{step(1), step(2), step(3)}})
	if fmt.Sprint(ran) != "[1 2 3]" || db.Version() != 3 {
		t.Errorf("ran %v to version %d, want [1 2 3] and 3", ran, db.Version())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Migrations: []Migration{step(1)}}); !errors.Is(err, ErrNewer) {
		t.Errorf("an older program opens a newer store: %v", err)
	}
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if _, err := Open(path, Options{Migrations: []Migration{makeBucket, func(*bbolt.Tx) error { return errors.New("no") }}}); err == nil {
		t.Fatal("a failing migration is taken as done")
	}
	if v := open(t, path, Options{Migrations: nil}).Version(); v != 0 {
		t.Errorf("version %d after a failed migration, want 0", v)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open(t, path, Options{})
	if _, err := Open(path, Options{LockWait: time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
}

func TestCloseKeepsWhatWasAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, Options{Migrations: []Migration{makeBucket}})
	var wg sync.WaitGroup
	kept := make(chan int, 100)
	for i := range 100 {
		wg.Go(func() {
			if err := db.Update(context.Background(), put(fmt.Sprint(i))); err == nil {
				kept <- i
			} else if !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	db = open(t, path, Options{Migrations: []Migration{makeBucket}})
	if got := count(db); got < len(kept) {
		t.Errorf("%d stored, but %d were acknowledged", got, len(kept))
	}
}

func TestCancelledChangeIsNotMade(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), Options{Migrations: []Migration{makeBucket}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Update(ctx, put("a")); !errors.Is(err, context.Canceled) || count(db) != 0 {
		t.Errorf("error %v and %d keys, want a cancelled change", err, count(db))
	}
}

func TestBackupIsAStore(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), Options{Migrations: []Migration{makeBucket}})
	if err := db.Update(context.Background(), put("a")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := db.Backup(&out); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	backup := open(t, path, Options{Migrations: []Migration{makeBucket}})
	if n := count(backup); n != 1 {
		t.Errorf("the backup holds %d keys, want 1", n)
	}
	if broken := backup.Check(context.Background()); broken != nil {
		t.Errorf("the backup is broken: %v", broken)
	}
}
