package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// A Record is what a Scan finds.
type Record struct {
	ID         ID
	Head, Body []byte
}

// Read returns the record id. ErrNotFound says that it never was or has been deleted by age.
func (l *Log) Read(id ID) (head, body []byte, err error) {
	f, ok := l.fileOf(id.Segment())
	if !ok || id.Offset() >= f.end {
		return nil, nil, ErrNotFound
	}
	r, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read record %s: %w", id, err)
	}
	defer r.Close()
	head, body, _, err = f.key.readRecord(r, id.Offset(), f.end)
	if err != nil {
		return nil, nil, fmt.Errorf("read record %s: %w", id, err)
	}
	return head, body, nil
}

// fileOf returns a copy of a segment as it is now.
func (l *Log) fileOf(number uint32) (file, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := slices.BinarySearchFunc(l.files, number, func(f *file, n uint32) int { return int(f.number) - int(n) })
	if !ok {
		return file{}, false
	}
	return *l.files[i], true
}

// snapshot returns copies of the segments from a number on, in order.
func (l *Log) snapshot(from uint32) []file {
	l.mu.Lock()
	defer l.mu.Unlock()
	var files []file
	for _, f := range l.files {
		if f.number >= from {
			files = append(files, *f)
		}
	}
	return files
}

// Scan calls fn for every record from the ID on, in order. It ends at what was kept when it began, or with fn's error.
// Damaged stretches are skipped and reported as events. It returns the ID at which a later Scan goes on.
func (l *Log) Scan(ctx context.Context, from ID, fn func(Record) error) (ID, error) {
	return l.walk(ctx, from, func(f file, r *os.File, off int64) (int64, error) {
		head, body, next, err := f.key.readRecord(r, off, f.end)
		if err == nil {
			err = fn(Record{newID(f.number, off), head, body})
		}
		return next, err
	})
}

// IDs calls fn for every record's ID from one on, in order, reading their frames only: checksums are not proven.
func (l *Log) IDs(ctx context.Context, from ID, fn func(ID) error) (ID, error) {
	return l.walk(ctx, from, func(f file, r *os.File, off int64) (int64, error) {
		fr, err := f.key.readFrame(r, off, f.end)
		if err == nil {
			err = fn(newID(f.number, off))
		}
		return off + fr.size(), err
	})
}

// A visit handles the record at off and returns where the next begins. After errDamaged the walk looks for it.
type visit func(f file, r *os.File, off int64) (next int64, err error)

func (l *Log) walk(ctx context.Context, from ID, do visit) (ID, error) {
	at := from
	for _, f := range l.snapshot(from.Segment()) {
		begin := int64(headerSize)
		if f.number == from.Segment() {
			begin = max(begin, from.Offset())
		}
		end, err := l.walkFile(ctx, f, begin, do)
		at = max(at, newID(f.number, end))
		if err != nil {
			return at, err
		}
	}
	return at, nil
}

// walkFile returns the place it has come to.
func (l *Log) walkFile(ctx context.Context, f file, off int64, do visit) (int64, error) {
	if off >= f.end {
		return off, nil
	}
	r, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) { // deleted by age meanwhile
		return f.end, nil
	}
	if err != nil {
		return off, fmt.Errorf("scan segment: %w", err)
	}
	defer r.Close()
	if off, err = f.align(r, off); err != nil {
		return off, fmt.Errorf("scan segment: %w", err)
	}
	for off < f.end {
		if err := ctx.Err(); err != nil {
			return off, err
		}
		next, err := do(f, r, off)
		if errors.Is(err, errDamaged) {
			next, err = f.key.nextRecord(r, off+1, f.end)
			l.opt.Event("skipped damaged bytes", f.path, next-off, err)
		}
		if err != nil {
			return off, err
		}
		off = next
	}
	return off, nil
}

// align returns the first record at or after off, which need not be a record's place (an ID plus one, say).
func (f *file) align(r *os.File, off int64) (int64, error) {
	if off <= headerSize {
		return headerSize, nil
	}
	if _, err := f.key.readFrame(r, off, f.end); err == nil {
		return off, nil
	}
	return f.key.nextRecord(r, off, f.end)
}

// Follow calls fn for every record from the ID on, in order, and waits for more until ctx ends.
func (l *Log) Follow(ctx context.Context, from ID, fn func(Record) error) error {
	for {
		changed := l.Changed()
		at, err := l.Scan(ctx, from, fn)
		if err != nil {
			return err
		}
		from = at
		select {
		case <-changed:
		case <-l.done:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Info describes one segment.
type Info struct {
	Number uint32
	Path   string
	Day    time.Time // midnight UTC of the day on which its records were kept
	Bytes  int64
}

// Segments lists the segments in order.
func (l *Log) Segments() []Info {
	var infos []Info
	for _, f := range l.snapshot(0) {
		infos = append(infos, Info{f.number, f.path, f.day, f.end})
	}
	return infos
}

// Expire deletes the segments whose day ended before a time and whose records are all older than keep
// (the oldest that is still needed). One with records stays always: from it a later process learns the next number.
func (l *Log) Expire(before time.Time, keep ID) (deleted int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.files) > 1 && l.files[1].end > headerSize {
		f := l.files[0]
		if f.day.AddDate(0, 0, 1).After(before) || f.number >= keep.Segment() {
			break
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return deleted, fmt.Errorf("delete segment: %w", err)
		}
		l.files = l.files[1:]
		deleted++
	}
	return deleted, nil
}
