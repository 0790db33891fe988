package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
	"spoor/registry"
	"spoor/registry/history"
	"spoor/registry/outside"
	"spoor/registry/snmp"
)

// A registryRoom is the registry with its store on disk, as the daemon and the commands use it.
type registryRoom struct {
	*registry.Registry
	cfg     config.Config
	store   *history.Store // nil where nothing is stored and nothing may be
	poller  *snmp.Poller
	outside *outside.Client
	served  *prometheus.CounterVec
	log     *slog.Logger
}

// openRegistry puts the registry together. With make, the store is made where there is none; without, the registry then
// lives on the configured files alone. Mistakes in files are returned beside a room that works without what they spoil.
func openRegistry(ctx context.Context, cfg config.Config, log *slog.Logger, metrics prometheus.Registerer, makeStore bool) (*registryRoom, error) {
	room := &registryRoom{cfg: cfg, log: log, poller: snmp.NewPoller(snmp.Secrets{Dir: filepath.Dir(cfg.Path)}, log),
		outside: outside.New(outside.Deps{Config: cfg.Registry.Outside, Log: log, Metrics: metrics}), served: newServedMetric(metrics)}
	deps := registry.Deps{Config: cfg.Registry, Dir: filepath.Dir(cfg.Path), Networks: cfg.Site.Networks, Log: log, Metrics: metrics,
		Poller: room.poller}
	path := filepath.Join(cfg.Store.Dir, "registry.db")
	if _, err := os.Stat(path); err == nil || makeStore {
		if err := os.MkdirAll(cfg.Store.Dir, 0o711); err != nil {
			return nil, fmt.Errorf("open the registry: %w", err)
		}
		store, err := history.Open(path, cfg.Registry.KeepHistory.Std(), false)
		if err != nil {
			return nil, hint(err, "is a daemon with another control socket running?")
		}
		room.store, deps.Store = store, store
	}
	reg, err := registry.New(ctx, deps)
	if reg == nil {
		return nil, errors.Join(err, room.Close())
	}
	room.Registry = reg
	return room, err
}

// Close closes the store.
func (r *registryRoom) Close() error {
	if r.store == nil {
		return nil
	}
	return r.store.Close()
}

// Import implements control.RegistryImporter.
func (r *registryRoom) Import(ctx context.Context, i control.RegistryImport, file io.Reader) (control.RegistryImported, error) {
	done := control.RegistryImported{Kind: i.Kind, Source: i.Name}
	if r.store == nil {
		return done, errors.New("import: there is no store to keep it in")
	}
	if i.At.IsZero() {
		i.At = time.Now()
	}
	var err error
	switch i.Kind {
	case "routes":
		err = r.importRoutes(ctx, i, file, &done)
	case "contacts":
		err = r.importContacts(ctx, i, file, &done)
	case "leases":
		err = r.importLeases(ctx, i, file, &done)
	}
	if err != nil {
		return done, err
	}
	return done, r.Rebuild(ctx)
}

func (r *registryRoom) importRoutes(ctx context.Context, i control.RegistryImport, file io.Reader, done *control.RegistryImported) error {
	routes, err := registry.ReadRoutes(i.Name, file)
	if err != nil {
		return err
	}
	bySource := map[[2]string]*registry.Snapshot{}
	for _, route := range routes {
		if i.Router != "" {
			route.Router = i.Router
		}
		if i.VRF != "" {
			route.VRF = i.VRF
		}
		key := [2]string{route.Router, route.VRF}
		if bySource[key] == nil {
			bySource[key] = &registry.Snapshot{Router: route.Router, VRF: route.VRF, Taken: i.At, Table: "import", Verified: "imported from " + i.Name}
		}
		bySource[key].Routes = append(bySource[key].Routes, route)
	}
	if len(bySource) == 0 {
		return fmt.Errorf("import %s: it holds no route", i.Name)
	}
	done.Read = len(routes)
	for _, snapshot := range bySource {
		changed, err := r.store.Record(ctx, *snapshot)
		if err != nil {
			return err
		}
		done.Added, done.Removed, done.Kept = done.Added+changed.Added, done.Removed+changed.Removed, done.Kept+changed.Kept
	}
	return nil
}

func (r *registryRoom) importContacts(ctx context.Context, i control.RegistryImport, file io.Reader, done *control.RegistryImported) error {
	contacts, err := registry.ReadContacts(i.Name, file)
	if err != nil {
		return err
	}
	done.Read, done.Added = len(contacts), len(contacts)
	return r.store.RecordContacts(ctx, "import "+i.Name, contacts, i.At)
}

func (r *registryRoom) importLeases(ctx context.Context, i control.RegistryImport, file io.Reader, done *control.RegistryImported) error {
	leases, err := registry.ReadLeases(i.Leases, i.Name, file, time.Now())
	if err != nil {
		return err
	}
	done.Read, done.Added = len(leases), len(leases)
	return r.store.AddLeases(ctx, leases)
}

// withRegistry calls use with a client of the daemon's registry, or of one opened here when no daemon runs.
func (a *app) withRegistry(ctx context.Context, makeStore bool, use func(c *control.Client) error) error {
	client, done, err := a.connect(ctx, func(ctx context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
		log := slog.New(slog.NewTextHandler(a.errw, &slog.HandlerOptions{Level: slog.LevelWarn}))
		room, err := openRegistry(ctx, cfg, log, nil, makeStore)
		if err != nil && room != nil {
			return nil, exitWith(exitUsage, errors.Join(hint(err, "mend the files that [registry] names"), room.Close()))
		}
		if err != nil {
			return nil, err
		}
		control.Registry(mux, room, room)
		return func() { _ = room.Close() }, nil // every change was synced when it was answered
	})
	if err != nil {
		return err
	}
	defer done()
	return use(client)
}

// Outside implements control.RegistryRoom.
func (r *registryRoom) Outside(ctx context.Context, addr netip.Addr) (control.RegistryOutside, error) {
	if len(r.cfg.Registry.Outside.Sources) == 0 {
		return control.RegistryOutside{}, hint(errors.New("no source outside is configured"), "name them in [registry.outside] sources")
	}
	found, err := r.outside.Lookup(ctx, addr)
	return control.OutsideOf(found), err
}

// readWhole reads a file that a user named, "-" for standard input, within a bound.
func (a *app) readWhole(path string, limit int64) ([]byte, error) {
	var in io.Reader = a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var b bytes.Buffer
	if n, err := b.ReadFrom(io.LimitReader(in, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b.Bytes(), nil
}
