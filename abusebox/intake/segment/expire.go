package segment

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Expire deletes the segments whose day ended before a time and whose records are all older than keep
// (the oldest that is still needed). One with records stays always: from it a later process learns the next number.
func (l *Log) Expire(before time.Time, keep ID) (deleted int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.due(before, keep)
	l.files = slices.DeleteFunc(l.files, func(f *file) bool {
		if err != nil || !slices.Contains(due, f) {
			return false
		}
		if rmErr := os.Remove(f.path); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
			err = fmt.Errorf("delete segment: %w", rmErr)
			return false
		}
		deleted++
		return true
	})
	return deleted, err
}

// Due returns how many segments Expire would delete, and their bytes.
func (l *Log) Due(before time.Time, keep ID) (segments int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.due(before, keep) {
		segments, bytes = segments+1, bytes+f.end
	}
	return segments, bytes
}

// due lists the segments that may go. l.mu is held. A clock that was wrong must neither keep others' segments nor delete
// its own too late: a day that has not come yet counts as the day of the segment that was begun after it.
func (l *Log) due(before time.Time, keep ID) (due []*file) {
	last := len(l.files) - 1
	for last > 0 && l.files[last].end <= headerSize {
		last--
	}
	now, after := l.opt.Now(), time.Time{}
	for i := len(l.files) - 1; i >= 0; i-- {
		f, day := l.files[i], l.files[i].day
		if day.After(now) && !after.IsZero() {
			day = after
		}
		after = day
		if i < last && f.number < keep.Segment() && !day.AddDate(0, 0, 1).After(before) {
			due = append(due, f)
		}
	}
	return due
}

// Beyond has new records numbered beyond id. It is for a log whose folder was lost or put back from a backup while others
// still know IDs of before: those must not name new records.
func (l *Log) Beyond(id ID) {
	if n := id.Segment() + 1; n > l.floor.Load() {
		l.floor.Store(n)
	}
}

// Next is the lowest segment number that a new record can get after the segments that are there.
func (l *Log) Next() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.floor.Load()
	for _, f := range l.files {
		next = max(next, f.number+1)
	}
	return next
}
