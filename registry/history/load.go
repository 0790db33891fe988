package history

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"spoor/registry"
)

// Load implements registry.Store: it reads the routes of all sources merged in order of
// their prefixes.
func (s *Store) Load(ctx context.Context, use func(registry.Input) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		in := registry.Input{Leases: s}
		if err := loadSources(tx, &in); err != nil {
			return err
		}
		contacts, err := loadContacts(tx)
		if err != nil {
			return err
		}
		for _, c := range contacts {
			in.Contacts = append(in.Contacts, c.Contact)
		}
		if in.Routes, err = openRows(ctx, tx); err != nil {
			return err
		}
		return use(in)
	})
}

func loadSources(tx *bbolt.Tx, in *registry.Input) error {
	return tx.Bucket(bucketSources).ForEach(func(k, v []byte) error {
		var s storedSource
		if err := json.Unmarshal(v, &s); err != nil {
			return fmt.Errorf("source %q: %w", k, err)
		}
		in.Sources = append(in.Sources, registry.Source{Router: s.Router, VRF: s.VRF, LastGood: s.LastGood, Begins: s.Begins, Routes: s.Routes})
		in.Routers = append(in.Routers, s.Addresses...)
		return nil
	})
}

func openRows(ctx context.Context, tx *bbolt.Tx) (rows registry.Rows, err error) {
	paths, err := readPaths(tx)
	if err != nil {
		return rows, err
	}
	for _, p := range paths {
		rows.Ways = append(rows.Ways, p.way())
	}
	var all cursors
	all, rows.Size = openCursors(tx)
	rows.All = rowsOf(ctx, len(paths), all)
	return rows, nil
}

// cursor stands on one route of a source's bucket.
type cursor struct {
	c    *bbolt.Cursor
	k, v []byte
}

// cursors is a heap: each stands on a route no later than those of its children 2i+1 and 2i+2.
type cursors []cursor

func openCursors(tx *bbolt.Tx) (all cursors, size int) {
	routes := tx.Bucket(bucketRoutes)
	_ = routes.ForEachBucket(func(name []byte) error {
		b := routes.Bucket(name)
		c := cursor{c: b.Cursor()}
		if c.k, c.v = c.c.First(); c.k != nil {
			all = append(all, c)
			size += b.Stats().KeyN
		}
		return nil
	})
	for i := len(all)/2 - 1; i >= 0; i-- {
		all.sink(i)
	}
	return all, size
}

// next moves the first cursor on, and another to the front if its route comes earlier.
func (h *cursors) next() {
	all := *h
	first := &all[0]
	if first.k, first.v = first.c.Next(); first.k == nil {
		all[0] = all[len(all)-1]
		all = all[:len(all)-1]
		*h = all
	}
	all.sink(0)
}

func (h cursors) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child < min(2*i+3, len(h)); child++ {
			if bytes.Compare(h[child].k, h[least].k) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func rowsOf(ctx context.Context, paths int, all cursors) iter.Seq2[registry.Row, error] {
	return func(yield func(registry.Row, error) bool) {
		for n := 0; len(all) > 0; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				yield(registry.Row{}, ctx.Err())
				return
			}
			if !yield(decodeRow(all[0].k, all[0].v, paths)) {
				return
			}
			all.next()
		}
	}
}
