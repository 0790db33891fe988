package watch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"spoor/abusebox/intake/mailbox"
)

const (
	groupMails = 256     // taken under one lock, so that the MTA need not wait for our disk
	groupBytes = 8 << 20 // or so many bytes
	printBytes = 4 << 10 // of the file before our place: whether it is still what we read
)

// A place is how far an mbox is read. Device and inode find it again after a rotation.
type place struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
	Print  string `json:"print"` // of the bytes before Offset
}

// An mbox is read from its place on, under the locks that MTAs take.
type mbox struct {
	Watcher
	file   *os.File // kept open, so that its end can be read after it was rotated away
	at     place
	seen   *seen // mails of this file, for when a mail reader rewrites it
	loaded bool

	size  int64     // of the file when a look last found it new,
	since time.Time // and when that was
}

func (b *mbox) close() {
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

func (b *mbox) look(ctx context.Context) (taken int, err error) {
	if err := b.load(); err != nil {
		return 0, err
	}
	for {
		n, more, err := b.group(ctx)
		taken += n
		if err != nil || !more {
			return taken, err
		}
	}
}

// group takes some mails under one lock.
func (b *mbox) group(ctx context.Context) (taken int, more bool, err error) {
	rotated, err := b.attach()
	if err != nil || b.file == nil {
		return 0, false, err
	}
	r, err := b.readLocked(ctx, rotated)
	if err != nil {
		return 0, false, err
	}
	for _, m := range r.mails {
		ok, err := b.take(ctx, m)
		if err != nil {
			return taken, false, err
		}
		if ok {
			taken++
		}
	}
	if r.next != b.at.Offset {
		if err := b.advance(r.next); err != nil {
			return taken, false, err
		}
		return taken, true, nil
	}
	if rotated && !r.held { // the old file is read to its end: on to the new one
		b.close()
		b.at = place{}
		return taken, true, errors.Join(b.seen.reset(), b.save())
	}
	return taken, false, nil
}

// attach makes b.file the file at our place. rotated says that another has taken its path.
func (b *mbox) attach() (rotated bool, err error) {
	current, err := os.Stat(b.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id := idOf(current)
	if b.file == nil {
		if err := b.open(id); err != nil {
			return false, err
		}
	}
	return id.Inode != b.at.Inode || id.Device != b.at.Device, b.checkPlace()
}

// open opens the file that was read last, under whatever name a rotation gave it, or else the current one from its start.
func (b *mbox) open(current place) error {
	path := b.Path
	if b.at.Inode != 0 && (b.at.Inode != current.Inode || b.at.Device != current.Device) {
		if path = b.findRotated(); path == "" {
			b.Logger.Warn("the file that was read last is gone from beside a watched mailbox: mail that came into it since is not seen", "path", b.Path)
			b.at, path = place{}, b.Path
			if err := b.seen.reset(); err != nil {
				return err
			}
		}
	}
	f, err := mailbox.Open(path)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	id := idOf(st)
	b.at.Device, b.at.Inode = id.Device, id.Inode
	b.file = f
	return nil
}

// findRotated looks beside the mailbox for the file with our place's inode.
func (b *mbox) findRotated() string {
	entries, err := os.ReadDir(filepath.Dir(b.Path))
	if err != nil {
		return ""
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && idOf(info).Inode == b.at.Inode && idOf(info).Device == b.at.Device {
			return filepath.Join(filepath.Dir(b.Path), e.Name())
		}
	}
	return ""
}

// checkPlace goes back to the start of a file that is not what it was: emptied, or rewritten by a mail reader. In the
// latter case the mails that we have seen are passed over.
func (b *mbox) checkPlace() error {
	st, err := b.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() < b.at.Offset && st.Size() == 0 {
		b.at.Offset, b.at.Print = 0, ""
		return b.seen.reset()
	}
	if st.Size() >= b.at.Offset {
		print, err := b.print(b.at.Offset)
		if err != nil || print == b.at.Print {
			return err
		}
	}
	b.at.Offset, b.at.Print = 0, ""
	return nil
}

// print is a hash of the bytes before an offset.
func (b *mbox) print(offset int64) (string, error) {
	if offset == 0 {
		return "", nil
	}
	buf := make([]byte, min(offset, printBytes))
	if _, err := b.file.ReadAt(buf, offset-int64(len(buf))); err != nil && err != io.EOF {
		return "", err
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16]), nil
}

// A reading is what was read under one lock.
type reading struct {
	mails []mailbox.Message
	next  int64 // where the next begins
	held  bool  // behind next there is a mail that may still be being written
}

// readLocked reads a group of mails, while nobody writes. Before a rotated file is left its lock is waited for even where
// there is no news: an MTA that opened it by its old name may be about to write.
func (b *mbox) readLocked(ctx context.Context, rotated bool) (r reading, err error) {
	r.next = b.at.Offset
	st, err := b.file.Stat()
	if err != nil || st.Size() == r.next && !rotated {
		return r, err
	}
	unlock, err := lock(ctx, b.Path, b.file)
	if err != nil {
		return r, err
	}
	defer unlock()
	if st, err = b.file.Stat(); err != nil {
		return r, err
	}
	size := int64(0)
	stop := errors.New("enough")
	err = mailbox.ReadMbox(ctx, b.file, b.Path, r.next, b.Options, func(m mailbox.Message) error {
		r.mails = append(r.mails, m)
		r.next = m.End
		if size += int64(len(m.Raw)); len(r.mails) >= groupMails || size >= groupBytes {
			return stop
		}
		return nil
	})
	if errors.Is(err, stop) {
		err = nil
	}
	if n := len(r.mails); n > 0 && r.next == st.Size() && !b.settled(st) && !b.endsWhole(r.next) {
		r.mails, r.next, r.held = r.mails[:n-1], r.mails[n-1].Offset, true
	}
	return r, err
}

// settle is how long a last mail without the empty line behind it may still be being written, by one who takes no lock.
const settle = 30 * time.Second

// settled says whether a file was left alone for long enough: by its own time or, since clocks are set back, while we looked.
func (b *mbox) settled(st fs.FileInfo) bool {
	if st.Size() != b.size || b.since.IsZero() {
		b.size, b.since = st.Size(), time.Now()
	}
	return time.Since(st.ModTime()) >= settle || time.Since(b.since) >= settle
}

// endsWhole says whether there is an empty line before an offset.
func (b *mbox) endsWhole(offset int64) bool {
	var end [4]byte
	if _, err := b.file.ReadAt(end[:], max(0, offset-int64(len(end)))); err != nil {
		return false
	}
	return bytes.HasSuffix(end[:], []byte("\n\n")) || string(end[:]) == "\r\n\r\n"
}

// take keeps one mail, unless it was seen in this file before.
func (b *mbox) take(ctx context.Context, m mailbox.Message) (bool, error) {
	if m.Err != nil {
		b.tooLarge(m)
		return false, nil
	}
	if len(m.Raw) == 0 || b.seen.has(m.Raw) {
		return false, nil
	}
	if err := b.Put(ctx, m); err != nil {
		return false, err
	}
	return true, b.seen.add(m.Raw)
}

func (b *mbox) advance(offset int64) error {
	print, err := b.print(offset)
	if err != nil {
		return err
	}
	b.at.Offset, b.at.Print = offset, print
	return b.save()
}

// load reads the place that an earlier process came to.
func (b *mbox) load() error {
	if b.loaded {
		return nil
	}
	if err := os.MkdirAll(b.State, 0o700); err != nil {
		return err
	}
	s, err := openSeen(b.statePath() + ".seen")
	if err != nil {
		return err
	}
	b.seen = s
	data, err := os.ReadFile(b.statePath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the place in a mailbox: %w", err)
	}
	if err == nil && json.Unmarshal(data, &b.at) != nil { // what a crash of the machine may leave
		b.at = place{}
		b.Logger.Warn("the place in a watched mailbox is lost: it is read from its start, past the mails that are known", "path", b.Path)
	}
	b.loaded = true
	return nil
}

// save writes the place, whole or not at all.
func (b *mbox) save() error {
	data, err := json.Marshal(b.at)
	if err != nil {
		return err
	}
	tmp := b.statePath() + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, b.statePath())
}

func idOf(st fs.FileInfo) place {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return place{}
	}
	return place{Device: sys.Dev, Inode: sys.Ino}
}
