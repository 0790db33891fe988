package intake

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

var (
	errTooLarge = errors.New("intake: the mail is larger than max_size")
	errNoRoom   = errors.New("intake: max_inflight_bytes are being received already")
)

// A budget bounds the memory of the mails that are being received.
type budget struct {
	max  int64
	used atomic.Int64
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

// read reads a mail of at most limit bytes behind the bytes of before. It returns the bytes' cost, to be given back.
func (b *budget) read(r io.Reader, before []byte, limit int64) (raw []byte, cost int64, err error) {
	cost = firstBuffer + int64(len(before))
	if !b.take(cost) {
		return nil, 0, errNoRoom
	}
	raw = append(make([]byte, 0, cost), before...)
	for {
		if len(raw) == cap(raw) {
			grown := 2 * int64(cap(raw))
			if !b.take(grown) { // both exist while one is copied to the other
				return nil, cost, errNoRoom
			}
			raw = append(make([]byte, 0, grown), raw...)
			b.give(cost)
			cost = grown
		}
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if int64(len(raw)-len(before)) > limit {
			return nil, cost, errTooLarge
		}
		if err == io.EOF {
			return raw, cost, nil
		}
		if err != nil {
			return nil, cost, err
		}
	}
}
