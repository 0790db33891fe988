package segment

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	groupRecords = 1024     // at most so many records share one sync
	groupBytes   = 16 << 20 // and about so many bytes
	writeBuffer  = 256 << 10
)

// A request is an encoded record that waits for its place and its sync.
type request struct {
	head, body []byte
	answer     chan answer
}

func (r request) size() int64 { return recordHeader + int64(len(r.head)+len(r.body)) }

type answer struct {
	id  ID
	err error
}

// Append keeps a record and returns when it is on disk. Any error but ctx's means that it is not kept;
// when ctx ends while the record waits for its sync, it may be.
func (l *Log) Append(ctx context.Context, head, body []byte) (ID, error) {
	if len(head) > maxHead || len(body) > maxBody {
		return 0, fmt.Errorf("append record: %d and %d bytes are more than a record holds", len(head), len(body))
	}
	r := request{head: head, body: body, answer: make(chan answer, 1)}
	select {
	case l.requests <- r:
	case <-l.quit:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-r.answer:
		return a.id, a.err
	case <-l.done:
		return l.lateAnswer(r)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// lateAnswer serves a request that met the end of the committer.
func (l *Log) lateAnswer(r request) (ID, error) {
	select {
	case a := <-r.answer:
		return a.id, a.err
	default:
		return 0, ErrClosed
	}
}

// commitLoop is the one goroutine that writes. What arrives while it syncs makes the next group.
func (l *Log) commitLoop() {
	defer close(l.done)
	defer l.retire()
	defer takeShortTurns()()
	for {
		select {
		case r := <-l.requests:
			l.commit(l.gather(r))
		case <-l.quit:
			for {
				select {
				case r := <-l.requests:
					l.commit(l.gather(r))
				default:
					return
				}
			}
		}
	}
}

func (l *Log) gather(first request) []request {
	group, size := []request{first}, first.size()
	for len(group) < groupRecords && size < groupBytes {
		select {
		case r := <-l.requests:
			group, size = append(group, r), size+r.size()
		default:
			return group
		}
	}
	return group
}

// commit keeps a group and answers it.
func (l *Log) commit(group []request) {
	start := time.Now()
	ids, err := l.write(group)
	l.opt.Group(len(group), time.Since(start))
	for i, r := range group {
		a := answer{err: err}
		if err == nil {
			a.id = ids[i]
		}
		r.answer <- a
	}
}

// write puts a group on disk. After an error the segment is never written to again: the kernel reports a failed sync
// once, and then believes its pages clean.
func (l *Log) write(group []request) ([]ID, error) {
	var size int64
	for _, r := range group {
		size += r.size()
	}
	if err := l.roomFor(size); err != nil {
		return nil, err
	}
	f, err := l.segmentFor(size)
	if err != nil {
		return nil, fmt.Errorf("begin segment: %w", err)
	}
	ids, end, err := l.put(f, group)
	if err == nil {
		err = l.sync(l.active)
	}
	if err != nil {
		l.abandon(f, err)
		return nil, fmt.Errorf("write segment: %w", err)
	}
	l.publish(f, end)
	return ids, nil
}

func (l *Log) roomFor(size int64) error {
	free, err := l.free()
	if err != nil {
		return fmt.Errorf("look at free space: %w", err)
	}
	if free-size < l.opt.MinFree {
		return ErrFull
	}
	return nil
}

// segmentFor returns the active segment, or a new one when that is full or of another day.
func (l *Log) segmentFor(size int64) (*file, error) {
	now := l.opt.Now().UTC()
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	if l.active != nil {
		f := l.current
		if f.day.Equal(day) && f.number >= l.floor.Load() && (f.end == headerSize || f.end+size <= l.opt.SegmentSize) {
			return f, nil
		}
		l.retire()
	}
	l.next = max(l.next, l.floor.Load())
	if l.next >= 1<<24 {
		return nil, fmt.Errorf("all segment numbers are used up")
	}
	f := newFile(l.dir, l.next, day)
	l.next++
	active, err := f.create()
	if err != nil {
		return nil, err
	}
	l.active, l.current = active, &f
	l.mu.Lock()
	l.files = append(l.files, &f)
	l.mu.Unlock()
	return &f, nil
}

// put writes a group's records behind those that are kept.
func (l *Log) put(f *file, group []request) ([]ID, int64, error) {
	end := f.end
	w := l.buffer
	w.Reset(offsetWriter(l.active, end))
	ids := make([]ID, len(group))
	var fixed [recordHeader]byte
	for i, r := range group {
		f.key.frameFor(fixed[:], r.head, r.body)
		w.Write(fixed[:]) // a bufio.Writer keeps its first error for Flush
		w.Write(r.head)
		w.Write(r.body)
		ids[i] = newID(f.number, end)
		end += r.size()
	}
	return ids, end, w.Flush()
}

// publish lets readers see what is on disk now.
func (l *Log) publish(f *file, end int64) {
	l.mu.Lock()
	f.end = end
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
}

// abandon leaves a segment whose disk has failed, without what was not acknowledged.
func (l *Log) abandon(f *file, cause error) {
	l.opt.Event("left a segment after a write error", f.path, f.end, cause)
	if f.end > headerSize {
		if err := l.active.Truncate(f.end); err != nil {
			l.opt.Event("could not cut off what was not acknowledged", f.path, f.end, err)
		}
		l.retire()
		return
	}
	l.retire()
	if err := os.Remove(f.path); err != nil {
		l.opt.Event("could not remove an empty segment", f.path, f.end, err)
	}
	l.mu.Lock()
	l.files = l.files[:len(l.files)-1]
	l.mu.Unlock()
}

// retire closes the active segment.
func (l *Log) retire() {
	if l.active != nil {
		l.active.Close()
		l.active, l.current = nil, nil
	}
}
