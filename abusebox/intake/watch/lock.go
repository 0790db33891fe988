package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockWait  = 10 * time.Second       // then the mailbox is left until the next look
	lockRetry = 100 * time.Millisecond // between two attempts
	lockStale = 10 * time.Minute       // age of a dot lock whose owner must have crashed (Postfix: 500 s)
)

// ErrLocked means that somebody holds the mailbox's lock for longer than we wait.
var ErrLocked = errors.New("watch: the mailbox is locked")

// lock takes the two locks that MTAs take: the file path.lock, where we may make one, and fcntl's.
func lock(ctx context.Context, path string, f *os.File) (unlock func(), err error) {
	deadline := time.Now().Add(lockWait)
	undot, err := retry(ctx, deadline, func() (func(), error) { return dotLock(path + ".lock") })
	if err != nil {
		return nil, fmt.Errorf("%s.lock: %w", path, err)
	}
	unfcntl, err := retry(ctx, deadline, func() (func(), error) { return fcntlLock(f) })
	if err != nil {
		undot()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { unfcntl(); undot() }, nil
}

// retry tries to lock until the deadline.
func retry(ctx context.Context, deadline time.Time, try func() (func(), error)) (func(), error) {
	for {
		unlock, err := try()
		if !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return unlock, err
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dotLock makes the lock file. Where we may not write into the folder the fcntl lock must do, as for other readers.
func dotLock(path string) (func(), error) {
	err := makeLock(path)
	switch {
	case err == nil:
		return func() { os.Remove(path) }, nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return func() {}, nil
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	if abandoned(path) {
		os.Remove(path) // the next attempt says whether that helped
	}
	return nil, ErrLocked
}

// makeLock makes the lock file and its text in one step: a crash between two would leave a file whose owner nobody knows,
// and keep everybody out until it is old.
func makeLock(path string) error {
	f, err := os.OpenFile(filepath.Dir(path), os.O_WRONLY|unix.O_TMPFILE, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		return makeNamedLock(path) // NFS, say, has no files without a name
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(lockText(os.Getpid())); err != nil {
		return err
	}
	err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return makeNamedLock(path) // no /proc
	}
	return os.NewSyscallError("linkat", err)
}

// makeNamedLock makes the lock file first and writes its text then.
func makeNamedLock(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(lockText(os.Getpid()))
	if err = errors.Join(err, f.Close()); err != nil { // a full disk, say: a lock file left there would keep the MTA out
		os.Remove(path)
	}
	return err
}

// lockText is what we write into a lock file: the process id, as others do, and that it is ours and of this machine.
func lockText(pid int) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d\nspoor on %s\n", pid, host)
}

// abandoned says whether a lock file's owner has left it: it is old, or was a spoor of this machine that runs no more.
func abandoned(path string) bool {
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	if time.Since(st.ModTime()) > lockStale {
		return true
	}
	if st.Size() > 1<<10 {
		return false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	return err == nil && pid > 0 && string(text) == lockText(pid) && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

func fcntlLock(f *os.File) (func(), error) {
	set := func(kind int16) error {
		return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: kind, Whence: unix.SEEK_SET})
	}
	err := set(unix.F_RDLCK)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EAGAIN) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return func() { _ = set(unix.F_UNLCK) }, nil // closing the file unlocks it as well
}
