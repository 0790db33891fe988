package intake

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errTooLarge = errors.New("intake: the mail is larger than max_size")
	errNoRoom   = errors.New("intake: max_inflight_bytes are being received already")
)

// A budget bounds the memory of the mails that are being received.
type budget struct {
	max   int64
	used  atomic.Int64
	spare sync.Pool // of buffers in which a mail begins, *[firstBuffer]byte
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return false
	}
	return true
}

// roomEvery is how often one that waits for room looks for it.
const roomEvery = 50 * time.Millisecond

// wait takes n bytes as soon as there is room. What it returns gives them back.
func (b *budget) wait(ctx context.Context, n int64) (give func(), err error) {
	for !b.take(n) {
		select {
		case <-time.After(roomEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() { b.give(n) }, nil
}

func (b *budget) give(n int64) { b.used.Add(-n) }

const firstBuffer = 16 << 10 // bytes

// first returns the buffer in which a mail begins.
func (b *budget) first() []byte {
	if spare, ok := b.spare.Get().(*[firstBuffer]byte); ok {
		return spare[:0]
	}
	return make([]byte, 0, firstBuffer)
}

// done gives back a mail that read has returned, and its cost. Nobody may hold on to raw.
func (b *budget) done(raw []byte, cost int64) {
	b.give(cost)
	if cap(raw) == firstBuffer {
		b.spare.Put((*[firstBuffer]byte)(raw[:firstBuffer]))
	}
}

// read reads a mail of at most limit bytes behind the bytes of before. What it returns is given back to done.
func (b *budget) read(r io.Reader, before []byte, limit int64) (raw []byte, cost int64, err error) {
	cost = firstBuffer
	if !b.take(cost) {
		return nil, 0, errNoRoom
	}
	raw = append(b.first(), before...)
	for {
		if len(raw) == cap(raw) {
			grown := 2 * int64(cap(raw))
			if !b.take(grown) { // both exist while one is copied to the other
				return raw, cost, errNoRoom
			}
			old := raw
			raw = append(make([]byte, 0, grown), raw...)
			b.done(old, cost)
			cost = grown
		}
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if int64(len(raw)-len(before)) > limit {
			return raw, cost, errTooLarge
		}
		if err == io.EOF {
			return raw, cost, nil
		}
		if err != nil {
			return raw, cost, err
		}
	}
}
