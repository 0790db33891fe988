package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// A Record is what a Scan finds: a record, or a damaged stretch in the place of one or more.
type Record struct {
	ID         ID
	Head, Body []byte
	Damaged    int64 // bytes that are no records any more; Head and Body are nil then
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
// A damaged stretch is handed to fn as well, and reported as an event. It returns the ID at which a later Scan goes on.
func (l *Log) Scan(ctx context.Context, from ID, fn func(Record) error) (ID, error) {
	return l.walk(ctx, from, func(f file, r *os.File, off int64) (int64, error) {
		head, body, next, err := f.key.readRecord(r, off, f.end)
		if err == nil {
			err = fn(Record{ID: newID(f.number, off), Head: head, Body: body})
		}
		return next, err
	}, fn)
}

// IDs calls fn for every record's ID from one on, in order, reading their frames only: checksums are not proven. Where
// not even a frame can be read, the damaged stretch counts as one.
func (l *Log) IDs(ctx context.Context, from ID, fn func(ID) error) (ID, error) {
	return l.walk(ctx, from, func(f file, r *os.File, off int64) (int64, error) {
		fr, err := f.key.readFrame(r, off, f.end)
		if err == nil {
			err = fn(newID(f.number, off))
		}
		return off + fr.size(), err
	}, func(r Record) error { return fn(r.ID) })
}

// A visit handles the record at off and returns where the next begins. After errDamaged the walk looks for it.
type visit func(f file, r *os.File, off int64) (next int64, err error)

func (l *Log) walk(ctx context.Context, from ID, do visit, damaged func(Record) error) (ID, error) {
	at := from
	for _, f := range l.snapshot(from.Segment()) {
		begin := int64(headerSize)
		if f.number == from.Segment() {
			begin = max(begin, from.Offset())
		}
		end, err := l.walkFile(ctx, f, begin, do, damaged)
		at = max(at, newID(f.number, end))
		if err != nil {
			return at, err
		}
	}
	return at, nil
}

// walkFile returns the place it has come to.
func (l *Log) walkFile(ctx context.Context, f file, off int64, do visit, damaged func(Record) error) (int64, error) {
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
			if err == nil {
				err = damaged(Record{ID: newID(f.number, off), Damaged: next - off})
			}
		}
		if err != nil {
			return off, err
		}
		off = next
	}
	return off, nil
}

// align returns the place at or after off at which a record or a damaged stretch begins: off itself most times, but not
// for an ID plus one, say. Damage is told from the midst of a record by reading the segment from its start.
func (f *file) align(r *os.File, off int64) (int64, error) {
	if off <= headerSize {
		return headerSize, nil
	}
	if _, err := f.key.readFrame(r, off, f.end); err == nil {
		return off, nil
	}
	for at := int64(headerSize); ; {
		_, _, next, err := f.key.readRecord(r, at, f.end)
		if errors.Is(err, errDamaged) {
			next, err = f.key.nextRecord(r, at+1, f.end)
		}
		if at >= off || err != nil {
			return at, err
		}
		at = next
	}
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
