package maillog

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

// chunkSize is how much of a log one parser takes at a time: it stays in a core's cache.
const chunkSize = 256 << 10

// A chunk is some whole lines on their way through a parser.
type chunk struct {
	text   []byte
	events []event
	facts  []fact // what the events turned out to say
	counts lineCounts
	said   bool // the line before said something
	done   chan struct{}
}

// lineCounts say what became of the lines.
type lineCounts struct {
	lines, bytes, understood, malformed, overlong int64
}

func (c *lineCounts) add(o lineCounts) {
	c.lines += o.lines
	c.bytes += o.bytes
	c.understood += o.understood
	c.malformed += o.malformed
	c.overlong += o.overlong
}

// ReadFiles reads logs, the oldest first whatever their order here. "-" is not a file: use Read.
func (t *Tally) ReadFiles(ctx context.Context, paths ...string) error {
	logs := make([]logFile, len(paths))
	for i, path := range paths {
		var err error
		if logs[i], err = t.peek(path); err != nil {
			return err
		}
	}
	slices.SortStableFunc(logs, func(a, b logFile) int { return cmp.Compare(a.first, b.first) })
	for _, log := range logs {
		if err := t.readFile(ctx, log); err != nil {
			return err
		}
	}
	return nil
}

// A logFile is a file to be read, with the time of its first line for the order of rotated ones.
type logFile struct {
	path     string
	first    int64
	modified time.Time
}

// peek finds the time of a file's first line.
func (t *Tally) peek(path string) (logFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return logFile{}, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return logFile{}, fmt.Errorf("read log: %w", err)
	}
	if info.IsDir() {
		return logFile{}, fmt.Errorf("read log: %s is a folder", path)
	}
	log := logFile{path, info.ModTime().Unix(), info.ModTime()}
	if !info.Mode().IsRegular() {
		return log, nil
	}
	plain, err := decompress(f)
	if err != nil {
		return logFile{}, fmt.Errorf("read log %s: %w", path, err)
	}
	head := make([]byte, 64<<10)
	n, _ := io.ReadFull(plain, head)
	for raw := range bytes.Lines(head[:n]) {
		if l, ok := split(raw); ok {
			log.first = t.join.clock.next(t.opts.Year, log.modified).utc(l.stamp)
			break
		}
	}
	return log, nil
}

func (t *Tally) readFile(ctx context.Context, log logFile) error {
	f, err := os.Open(log.path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	if err := t.Read(ctx, f, log.modified); err != nil {
		return fmt.Errorf("read log %s: %w", log.path, err)
	}
	return nil
}

// decompress returns what r holds, unpacked where it is gzip (RFC 1952).
func decompress(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

// Read reads one log, plain or gzip. modified is when it was last written: it bounds the year of lines without one.
func (t *Tally) Read(ctx context.Context, r io.Reader, modified time.Time) error {
	t.zone = t.zone.with(t.join.clock)
	t.join.clock = t.join.clock.next(t.opts.Year, modified)
	t.join.primed = false
	plain, err := decompress(t.counting(r))
	if err != nil {
		return err
	}
	return parallel(ctx, plain, t.workers(), t.join.collect, func(c *chunk) {
		t.lines.add(c.counts)
		for i := range c.facts {
			t.add(&c.facts[i])
		}
	})
}

func (t *Tally) workers() int {
	if t.opts.Workers > 0 {
		return t.opts.Workers
	}
	return min(runtime.GOMAXPROCS(0), 4)
}

// counting tells the caller's progress of what was read from r.
func (t *Tally) counting(r io.Reader) io.Reader {
	if t.opts.Read == nil {
		return r
	}
	return progressReader{r, t.opts.Read}
}

type progressReader struct {
	r    io.Reader
	told func(int64)
}

func (p progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.told(int64(n))
	return n, err
}

// parallel cuts r into chunks of whole lines and parses several at once. Joining what belongs together and counting it
// want the lines in their order: they are one goroutine each, so that neither waits for the other's memory.
func parallel(ctx context.Context, r io.Reader, workers int, join, count func(*chunk)) error {
	group, ctx := errgroup.WithContext(ctx)
	work, order, joined := make(chan *chunk, workers), make(chan *chunk, workers), make(chan *chunk, 1)
	free := make(chan *chunk, 2*workers+4)
	for range cap(free) {
		free <- &chunk{text: make([]byte, 0, chunkSize), done: make(chan struct{}, 1)}
	}
	group.Go(func() error {
		defer close(work)
		defer close(order)
		return cut(ctx, r, free, work, order)
	})
	for range workers {
		group.Go(func() error {
			for c := range work {
				c.parse()
				c.done <- struct{}{}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(joined)
		for c := range order {
			<-c.done
			join(c)
			joined <- c
		}
		return nil
	})
	for c := range joined {
		count(c)
		free <- c
	}
	return group.Wait()
}

// cut fills chunks from r; what follows the last line end of one begins the next. A line longer than a chunk is
// skipped and counted.
func cut(ctx context.Context, r io.Reader, free, work, order chan *chunk) error {
	var rest []byte
	skipping := false
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c := <-free
		c.reset()
		c.text = append(c.text, rest...)
		n, err := io.ReadFull(r, c.text[len(c.text):cap(c.text)])
		c.text, c.counts.bytes = c.text[:len(c.text)+n], int64(n)
		last := err != nil
		if skipping {
			skipping = !c.dropFirst()
		}
		rest = rest[:0]
		if !last {
			rest = append(rest, c.keepWhole()...)
			if len(c.text) == 0 && len(rest) == cap(c.text) {
				rest, skipping = rest[:0], true
				c.counts.overlong++
			}
		}
		work <- c
		order <- c
		if last && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if last {
			return truncated(r, err)
		}
	}
}

// truncated tells a packed file that breaks off, which io.ReadFull cannot tell from an end.
func truncated(r io.Reader, err error) error {
	if _, packed := r.(*gzip.Reader); packed && errors.Is(err, io.ErrUnexpectedEOF) {
		if _, again := r.Read(make([]byte, 1)); again != nil && !errors.Is(again, io.EOF) {
			return fmt.Errorf("the packed file breaks off: %w", again)
		}
	}
	return nil
}

func (c *chunk) reset() {
	c.text, c.events, c.facts, c.counts, c.said = c.text[:0], c.events[:0], c.facts[:0], lineCounts{}, false
}

// dropFirst drops the rest of an overlong line and says whether its end was there.
func (c *chunk) dropFirst() bool {
	end := bytes.IndexByte(c.text, '\n')
	if end < 0 {
		c.text = c.text[:0]
		return false
	}
	c.text = c.text[:copy(c.text, c.text[end+1:])]
	return true
}

// keepWhole cuts the chunk behind its last line end and returns what follows.
func (c *chunk) keepWhole() []byte {
	end := bytes.LastIndexByte(c.text, '\n')
	tail := c.text[end+1:]
	c.text = c.text[:end+1]
	return tail
}

// parse reads the chunk's lines and keeps those that say something.
func (c *chunk) parse() {
	text := c.text
	for len(text) > 0 {
		raw := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			raw, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		c.parseLine(bytes.TrimSuffix(raw, []byte("\r")))
	}
}

func (c *chunk) parseLine(raw []byte) {
	if len(raw) == 0 {
		return
	}
	c.counts.lines++
	if len(c.events) < cap(c.events) {
		c.events = c.events[:len(c.events)+1]
	} else {
		c.events = append(c.events, event{})
	}
	e := &c.events[len(c.events)-1]
	if !parse(raw, e) {
		c.counts.malformed++
		e.kind = noEvent
	}
	repeats := e.kind == ofRepeat && !c.said // of a line that said nothing
	c.said = e.kind != noEvent
	if !c.said || repeats {
		c.events = c.events[:len(c.events)-1]
		return
	}
	c.counts.understood++
}
