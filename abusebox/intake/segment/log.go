// Package segment keeps records in append-only, dated files: a record is acknowledged only when it is on disk, a crash
// loses none that was, and age deletes whole files, so that nothing ever has to shrink.
package segment

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Errors of a Log. All but ErrNotFound pass by themselves when the cause does: they are temporary.
var (
	ErrNotFound = errors.New("segment: no such record")
	ErrClosed   = errors.New("segment: the log is closed")
	ErrFull     = errors.New("segment: the disk has less than the free space to be kept")
	ErrInUse    = errors.New("segment: another process has it open")
)

// Options say how a Log keeps its records. The zero value is usable.
type Options struct {
	SegmentSize int64            // bytes after which a new file is begun; 64 MiB if zero
	MinFree     int64            // bytes that must stay free on the disk
	Now         func() time.Time // time.Now if nil
	// Event is told what an operator should know: a torn tail, damage, a failed sync. May be nil.
	Event func(what, path string, bytes int64, err error)
	// Group is told of each group of records: how many, and how long their sync took. May be nil.
	Group func(records int, took time.Duration)
}

// A Log is an append-only sequence of records in numbered files of one folder.
type Log struct {
	dir      string
	opt      Options
	lock     *os.File
	requests chan request
	quit     chan struct{}
	done     chan struct{}
	once     sync.Once

	floor atomic.Uint32 // no new segment's number is lower

	mu      sync.Mutex
	files   []*file // in order; the last may be the active one
	changed chan struct{}

	// The committer's own:
	active  *os.File
	current *file // of active
	next    uint32
	buffer  *bufio.Writer
	sync    func(*os.File) error // fdatasync; tests put faults here
	free    func() (int64, error)
}

// Open opens the log in dir, which it makes if need be, and cuts off the tail that a crash may have torn.
func Open(dir string, opt Options) (*Log, error) {
	if opt.SegmentSize <= 0 {
		opt.SegmentSize = 64 << 20
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Event == nil {
		opt.Event = func(string, string, int64, error) {}
	}
	if opt.Group == nil {
		opt.Group = func(int, time.Duration) {}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	lock, err := acquire(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	l := &Log{
		dir: dir, opt: opt, lock: lock, sync: fdatasync, buffer: bufio.NewWriterSize(nil, writeBuffer),
		requests: make(chan request, 256), quit: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
	}
	l.free = l.freeBytes
	if err := l.load(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	go l.commitLoop()
	return l, nil
}

// acquire takes the lock that keeps a second process out. It ends with the process.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, ErrInUse
		}
		return nil, os.NewSyscallError("flock", err)
	}
	return f, nil
}

// load finds the segments. Only the last can be torn; none is ever appended to again, since nobody knows what of an
// earlier process's last writes the disk has.
func (l *Log) load() error {
	files, err := list(l.dir)
	if err != nil {
		return err
	}
	for i, f := range files {
		st, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		f.end = st.Size()
		if i == len(files)-1 {
			if err := l.mend(f); err != nil {
				return err
			}
		}
		l.next = max(l.next, f.number)
	}
	l.files = files
	l.next++
	return nil
}

// mend cuts a torn tail off the last segment.
func (l *Log) mend(f *file) error {
	torn, err := f.measure()
	if err != nil || torn == 0 {
		return err
	}
	err = f.truncate()
	l.opt.Event("cut off a torn tail", f.path, torn, err)
	return nil
}

// Close ends the log. Records that wait are kept first.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.quit) })
	<-l.done
	return l.lock.Close()
}

// Changed returns a channel that is closed when the next records are kept.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *Log) freeBytes() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(l.dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
