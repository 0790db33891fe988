// Package history keeps the registry over time in one bbolt file: every route with first
// and last seen, contacts with the time for which they held, and imported leases.
package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"go.etcd.io/bbolt"

	"spoor/internal/bolt"
	"spoor/registry"
)

// A Store is a registry.Store on disk. It also keeps leases and answers look-ups in them.
type Store struct {
	db   *bolt.DB
	keep time.Duration
}

// Buckets of the file. Routes has one bucket for each source, so that a new snapshot
// touches its own source only.
var (
	bucketPaths    = []byte("paths")    // id → path
	bucketSources  = []byte("sources")  // router NUL vrf → source
	bucketRoutes   = []byte("routes")   // router NUL vrf → bucket of route keys
	bucketContacts = []byte("contacts") // origin NUL key NUL since → contact
	bucketLeases   = []byte("leases")   // prefix, from, ports, subscriber → lease
)

var migrations = []bolt.Migration{
	func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketPaths, bucketSources, bucketRoutes, bucketContacts, bucketLeases} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	},
}

// Open opens or makes the file at path. Routes that ended longer than keep ago are
// forgotten; zero keeps them for ever.
func Open(path string, keep time.Duration, readOnly bool) (*Store, error) {
	db, err := bolt.Open(path, bolt.Options{Migrations: migrations, ReadOnly: readOnly})
	if err != nil {
		return nil, fmt.Errorf("registry history: %w", err)
	}
	return &Store{db: db, keep: keep}, nil
}

// Close ends the use of the file.
func (s *Store) Close() error { return s.db.Close() }

// storedPath is everything of a route but its prefix and times.
type storedPath struct {
	NextHop   netip.Addr         `json:"next_hop,omitzero"`
	Router    string             `json:"router"`
	VRF       string             `json:"vrf,omitempty"`
	Interface string             `json:"interface,omitempty"`
	Protocol  string             `json:"protocol,omitempty"`
	Type      registry.RouteType `json:"type,omitempty"`
}

type storedSource struct {
	Router    string       `json:"router"`
	VRF       string       `json:"vrf,omitempty"`
	Begins    time.Time    `json:"begins"`
	LastGood  time.Time    `json:"last_good"`
	Routes    int          `json:"routes"`
	Table     string       `json:"table,omitempty"`
	Verified  string       `json:"verified,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

func sourceName(router, vrf string) []byte { return []byte(router + "\x00" + vrf) }

// prefixKey writes a prefix so that bytes sort as registry.ComparePrefixes does.
func prefixKey(p netip.Prefix) []byte {
	family := byte(4)
	if p.Addr().Is6() {
		family = 6
	}
	key := append(make([]byte, 0, 32), family)
	key = append(key, p.Addr().AsSlice()...)
	return append(key, byte(p.Bits()))
}

// prefixOf reads a key of prefixKey and returns what follows it.
func prefixOf(key []byte) (netip.Prefix, []byte, error) {
	size := 4
	switch {
	case len(key) > 0 && key[0] == 6:
		size = 16
	case len(key) > 0 && key[0] != 4:
		return netip.Prefix{}, nil, fmt.Errorf("key %x is of no family", key)
	}
	if len(key) < size+2 {
		return netip.Prefix{}, nil, fmt.Errorf("key %x is too short for a prefix", key)
	}
	addr, _ := netip.AddrFromSlice(key[1 : 1+size])
	p := netip.PrefixFrom(addr, int(key[1+size]))
	if !p.IsValid() {
		return netip.Prefix{}, nil, fmt.Errorf("key %x is no prefix", key)
	}
	return p, key[size+2:], nil
}

// readPaths returns the paths in the order of their numbers, which begin at 1: none is
// ever taken away.
func readPaths(tx *bbolt.Tx) (paths []storedPath, err error) {
	err = tx.Bucket(bucketPaths).ForEach(func(k, v []byte) error {
		var p storedPath
		if err := json.Unmarshal(v, &p); err != nil {
			return fmt.Errorf("path %x: %w", k, err)
		}
		paths = append(paths, p)
		if !bytes.Equal(k, pathKey(len(paths))) {
			return fmt.Errorf("path %x is stored where number %d is due", k, len(paths))
		}
		return nil
	})
	return paths, err
}

func pathKey(id int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(id)) }

// pathBook numbers paths; it is loaded once in a transaction.
type pathBook struct {
	bucket *bbolt.Bucket
	ids    map[storedPath]uint32
}

func openPaths(tx *bbolt.Tx) (*pathBook, error) {
	b := &pathBook{bucket: tx.Bucket(bucketPaths), ids: map[storedPath]uint32{}}
	paths, err := readPaths(tx)
	for i, p := range paths {
		b.ids[p] = uint32(i) + 1
	}
	return b, err
}

func (b *pathBook) id(p storedPath) (uint32, error) {
	if id, ok := b.ids[p]; ok {
		return id, nil
	}
	next, err := b.bucket.NextSequence()
	if err != nil {
		return 0, err
	}
	value, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	b.ids[p] = uint32(next)
	return uint32(next), b.bucket.Put(pathKey(int(next)), value)
}

func pathOf(r registry.Route) storedPath {
	return storedPath{r.NextHop, r.Router, r.VRF, r.Interface, r.Protocol, r.Type}
}

func (p storedPath) way() registry.Route {
	return registry.Route{NextHop: p.NextHop, Router: p.Router, VRF: p.VRF, Interface: p.Interface, Protocol: p.Protocol, Type: p.Type}
}

func seconds(t time.Time) uint32 {
	if t.IsZero() || t.Unix() < 1 {
		return 0
	}
	return uint32(t.Unix())
}

// Check lists every broken record and page.
func (s *Store) Check(ctx context.Context) []error {
	broken := s.db.Check(ctx)
	note := func(err error) {
		if err != nil {
			broken = append(broken, err)
		}
	}
	note(s.db.View(func(tx *bbolt.Tx) error {
		paths, err := readPaths(tx)
		note(err)
		note(loadSources(tx, &registry.Input{}))
		_, err = loadContacts(tx)
		note(err)
		note(tx.Bucket(bucketLeases).ForEach(func(k, v []byte) error {
			if l := decodeLease(k, v); l.Broken != "" && !bytes.Equal(k, longestKey) {
				note(fmt.Errorf("lease of %s from %s on: %s", l.Prefix, l.From.Format(time.RFC3339), l.Broken))
			}
			return ctx.Err()
		}))
		return tx.Bucket(bucketRoutes).ForEachBucket(func(name []byte) error {
			return tx.Bucket(bucketRoutes).Bucket(name).ForEach(func(k, v []byte) error {
				_, err := decodeRow(k, v, len(paths))
				note(err)
				return ctx.Err()
			})
		})
	}))
	return broken
}
