package history

import (
	"bytes"
	"container/heap"
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
		paths, err := openPaths(tx)
		if err != nil {
			return err
		}
		cursors := openCursors(tx)
		for _, c := range cursors {
			in.SizeHint += c.size
		}
		in.Routes = routesOf(ctx, paths, cursors)
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

// cursor stands on one route of a source's bucket.
type cursor struct {
	c    *bbolt.Cursor
	k, v []byte
	size int
}

type cursors []*cursor

func (h cursors) Len() int           { return len(h) }
func (h cursors) Less(i, j int) bool { return bytes.Compare(h[i].k, h[j].k) < 0 }
func (h cursors) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func openCursors(tx *bbolt.Tx) cursors {
	var all cursors
	routes := tx.Bucket(bucketRoutes)
	_ = routes.ForEachBucket(func(name []byte) error {
		b := routes.Bucket(name)
		c := &cursor{c: b.Cursor(), size: b.Inspect().KeyN}
		if c.k, c.v = c.c.First(); c.k != nil {
			all = append(all, c)
		}
		return nil
	})
	heap.Init(&all)
	return all
}

func routesOf(ctx context.Context, paths *pathBook, all cursors) iter.Seq2[registry.Route, error] {
	return func(yield func(registry.Route, error) bool) {
		for n := 0; len(all) > 0; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				yield(registry.Route{}, ctx.Err())
				return
			}
			first := all[0]
			if !yield(decodeRoute(paths, first.k, first.v)) {
				return
			}
			if first.k, first.v = first.c.Next(); first.k == nil {
				heap.Pop(&all)
			} else if len(all) > 1 {
				heap.Fix(&all, 0)
			}
		}
	}
}
