package registry

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Of a log that is followed.
const (
	printSize = 256              // bytes at its begin, and before the place reached, that tell it from another
	restAfter = 10 * time.Second // a line without an end is not taken while it may still be written
)

// leaseTail follows one lease log. It reads what was added since it last looked; a log that
// is another file by now, was shortened or was written over is read anew, so that what is
// known is always what one reading of the whole log would give.
type leaseTail struct {
	path     string
	name     string
	config   int         // in Config.Leases
	info     fs.FileInfo // as it was when last read; nil before
	still    standstill
	offset   int64  // of the first byte that was not taken
	head     []byte // of the log
	last     []byte // before offset
	parser   *leaseParser
	shown    *leaseIndex // of this reading, or while it gave nothing but mistakes of the one before
	pending  bool        // something at its end has no end yet
	finished bool        // that was taken as it was
	missing  bool        // told as such
}

// same reports whether nothing is to be read: the log is as it was.
func (t *leaseTail) same(info fs.FileInfo, now time.Time) bool {
	return t.info != nil && os.SameFile(t.info, info) && t.info.Size() == info.Size() && t.info.ModTime().Equal(info.ModTime()) &&
		!(t.pending && t.rests(info, now))
}

// rests reports whether nobody has written for a while.
func (t *leaseTail) rests(info fs.FileInfo, now time.Time) bool {
	return t.still.length(fileState{info.Size(), info.ModTime()}, now) >= restAfter
}

// rename notes where the log is by now: it is rotated while it is followed.
func (t *leaseTail) rename(path, name string) {
	if t.path == path && t.name == name {
		return
	}
	t.path, t.name = path, name
	if t.parser != nil {
		t.parser.file = name
		t.parser.index.rename(name)
	}
}

// look reads what is new, and returns the mistakes in it.
func (t *leaseTail) look(c LeaseConfig, limit int, now time.Time) error {
	if err := t.readNew(c, limit, now); err != nil {
		return fmt.Errorf("reading the registry's files: %w", err)
	}
	wrong := t.parser.err()
	if t.shown == nil || wrong == nil || t.parser.index.size() > 0 {
		t.shown = t.parser.index
	}
	return wrong
}

func (t *leaseTail) readNew(c LeaseConfig, limit int, now time.Time) error {
	file, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !t.goesOn(file, info) {
		if t.parser, err = newLeaseParser(c, newLeaseIndex(t.name, limit), t.name); err != nil {
			return err
		}
		t.offset, t.finished = 0, false
	}
	t.parser.now, t.parser.all = now, nil
	return t.read(file, info, now)
}

// goesOn reports whether the log is the one that was read before, with something added.
func (t *leaseTail) goesOn(file *os.File, info fs.FileInfo) bool {
	switch {
	case t.parser == nil || t.finished || !os.SameFile(t.info, info) || info.Size() < t.offset || info.Size() < t.info.Size():
		return false
	case info.Size() == t.info.Size() && !info.ModTime().Equal(t.info.ModTime()):
		return false // written over in place
	}
	head, last := make([]byte, len(t.head)), make([]byte, len(t.last))
	if _, err := file.ReadAt(head, 0); err != nil || !bytes.Equal(head, t.head) {
		return false
	}
	_, err := file.ReadAt(last, t.offset-int64(len(last)))
	return err == nil && bytes.Equal(last, t.last)
}

func (t *leaseTail) read(file *os.File, info fs.FileInfo, now time.Time) error {
	if _, err := file.Seek(t.offset, io.SeekStart); err != nil {
		return err
	}
	taken, rest, err := t.parser.read(file)
	if err != nil {
		t.parser = nil // what was taken of it is not known: the next look begins anew
		return err
	}
	t.info = info
	t.offset += taken
	t.pending = rest != "" || t.parser.unfinished()
	if t.pending && t.rests(info, now) {
		t.parser.finish(rest)
		t.pending, t.finished = false, true
	}
	t.head, t.last = make([]byte, min(t.offset, printSize)), make([]byte, min(t.offset, printSize))
	if _, err := file.ReadAt(t.head, 0); err != nil {
		return err
	}
	_, err = file.ReadAt(t.last, t.offset-int64(len(t.last)))
	return err
}
