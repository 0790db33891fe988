package stats

import (
	"context"
	"fmt"
	"sync"
)

// A Store keeps events until they are counted, and the tables they are counted into. Every engine passes statstest.
type Store interface {
	// Record keeps events. An engine of the desk's store records them in the transaction that they tell of.
	Record(ctx context.Context, events ...Event) error
	// Count takes the oldest events that are not counted, at most limit of them, adds them to their tables and
	// forgets them, in one transaction: no event counts twice or not at all. It says how many there were.
	Count(ctx context.Context, limit int) (int, error)
	// Tables returns the tables of the periods that have one, in their order.
	Tables(ctx context.Context, periods ...Period) ([]*Table, error)
	// Forget removes the tables of days before a day; those of months stay.
	Forget(ctx context.Context, before Period) (int, error)
}

// Fold adds events to the tables of their days and months; load gives the table of a period, nil where there is
// none. It returns the tables that changed: what an engine's Count has to do between reading and writing.
func Fold(events []Event, load func(Period) (*Table, error)) (map[Period]*Table, error) {
	changed := map[Period]*Table{}
	for _, e := range events {
		day := DayOf(e.At)
		for _, p := range []Period{day, day.Whole()} {
			t := changed[p]
			if t == nil {
				var err error
				if t, err = load(p); err != nil {
					return nil, fmt.Errorf("load table %s: %w", p, err)
				}
				if t == nil {
					t = NewTable(p)
				}
				changed[p] = t
			}
			t.Add(e)
		}
	}
	return changed, nil
}

// A Memory is a Store that lives as long as its process.
type Memory struct {
	mu     sync.Mutex
	events []Event
	tables map[Period][]byte
}

// NewMemory is an empty store in memory.
func NewMemory() *Memory { return &Memory{tables: map[Period][]byte{}} }

// Record keeps events.
func (m *Memory) Record(ctx context.Context, events ...Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, events...)
	return ctx.Err()
}

// Count adds the oldest events to their tables.
func (m *Memory) Count(ctx context.Context, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := min(limit, len(m.events))
	changed, err := Fold(m.events[:n], m.load)
	if err != nil {
		return 0, err
	}
	for p, t := range changed {
		if m.tables[p], err = t.MarshalBinary(); err != nil {
			return 0, err
		}
	}
	m.events = m.events[n:]
	return n, nil
}

func (m *Memory) load(p Period) (*Table, error) {
	data, ok := m.tables[p]
	if !ok {
		return nil, nil
	}
	t := new(Table)
	return t, t.UnmarshalBinary(data)
}

// Tables returns the tables of periods.
func (m *Memory) Tables(ctx context.Context, periods ...Period) (tables []*Table, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range periods {
		t, err := m.load(p)
		if err != nil {
			return nil, err
		}
		if t != nil {
			tables = append(tables, t)
		}
	}
	return tables, ctx.Err()
}

// Forget removes the tables of days before a day.
func (m *Memory) Forget(ctx context.Context, before Period) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.tables {
		if p.Day != 0 && p.Begin().Before(before.Begin()) {
			delete(m.tables, p)
			n++
		}
	}
	return n, ctx.Err()
}
