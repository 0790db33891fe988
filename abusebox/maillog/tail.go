package maillog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// A tail reads a log that is still written to, across rotation by renaming and by truncation.
type tail struct {
	path    string
	poll    time.Duration
	feed    func(*chunk) // gets whole lines, parsed
	now     func() time.Time
	idle    func(at time.Time) // told when all has been read up to an instant
	rotated func()
	failed  func(error)
	file    *os.File
	offset  int64
	chunk   chunk
	rest    []byte
	skip    bool // the end of an overlong line has not come
}

func newTail(path string, poll time.Duration, feed func(*chunk)) *tail {
	return &tail{
		path: path, poll: poll, feed: feed, chunk: chunk{text: make([]byte, 0, chunkSize)},
		now: time.Now, idle: func(time.Time) {}, rotated: func() {}, failed: func(error) {},
	}
}

// run follows the file until ctx ends.
func (t *tail) run(ctx context.Context) error {
	defer t.close()
	ticker := time.NewTicker(t.poll)
	defer ticker.Stop()
	for {
		if err := t.step(ctx); err != nil && ctx.Err() == nil {
			t.failed(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// step reads what there is, and goes on to the next file when this one was put aside.
func (t *tail) step(ctx context.Context) error {
	for {
		if t.file == nil {
			if err := t.open(); err != nil {
				return err
			}
		}
		begun := t.now()
		if err := t.drain(ctx); err != nil {
			return err
		}
		aside, err := t.putAside()
		if err != nil {
			return err
		}
		if !aside {
			t.idle(begun)
			return nil
		}
		if err := t.drain(ctx); err != nil { // what was written between the last read and the renaming
			return err
		}
		t.flush()
		t.close()
		t.rotated()
	}
}

func (t *tail) open() (err error) {
	t.file, err = os.Open(t.path)
	t.offset, t.rest, t.skip = 0, t.rest[:0], false
	return err
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

// putAside says whether the path is another file by now, or the same one cut short. While there is no file at all
// the old one may still be written to.
func (t *tail) putAside() (bool, error) {
	have, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	if have.Size() < t.offset {
		return true, nil
	}
	now, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return !os.SameFile(have, now), nil
}

// drain reads to the end of the file.
func (t *tail) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		c := &t.chunk
		c.reset()
		c.text = append(c.text, t.rest...)
		n, err := t.file.Read(c.text[len(c.text):cap(c.text)])
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		t.offset += int64(n)
		c.text, c.counts.bytes = c.text[:len(c.text)+n], int64(n)
		t.whole()
	}
	return ctx.Err()
}

// whole hands on the whole lines of the chunk and keeps the rest for the next.
func (t *tail) whole() {
	c := &t.chunk
	if t.skip {
		t.skip = !c.dropFirst()
	}
	t.rest = append(t.rest[:0], c.keepWhole()...)
	if len(c.text) == 0 && len(t.rest) == cap(c.text) {
		t.rest, t.skip = t.rest[:0], true
		c.counts.overlong++
	}
	c.parse()
	t.feed(c)
}

// flush hands on a last line without an end.
func (t *tail) flush() {
	if len(t.rest) == 0 {
		return
	}
	c := &t.chunk
	c.reset()
	c.text = append(c.text, t.rest...)
	t.rest = t.rest[:0]
	c.parse()
	t.feed(c)
}

// Follow reads a log and what is written to it from then on, until ctx ends; Alert tells what is found.
func (t *Tally) Follow(ctx context.Context, path string, poll time.Duration) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	t.join.clock = t.join.clock.next(t.opts.Year, t.opts.Now())
	t.join.primed = false
	follow := newTail(path, poll, func(c *chunk) {
		t.lines.add(c.counts)
		t.join.clock.limit = t.opts.Now().Add(24 * time.Hour).Unix()
		t.join.feed(c)
	})
	if err := follow.run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
