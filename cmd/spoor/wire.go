package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/history"
)

// A daemon is the rooms of one process, fitted together: each room's wish for another is met by a small adapter
// in a wire_*.go file, and by nothing else.
type daemon struct {
	cfg     config.Config
	log     *slog.Logger
	metrics *prometheus.Registry
	mux     *http.ServeMux

	only      services
	main      *control.Client // the daemon beside which this process is a satellite; nil where it is the daemon
	registry  *registryRoom
	flows     *flowwatch.Watcher // nil where [flowwatch] is off
	flowStore *history.Store
	sightings *sightings
	desk      *deskRoom // nil where [abusebox] is off

	services []service
	closers  []func() error // in the order of opening
}

// A service is something that runs until its context ends.
type service struct {
	name string
	run  func(context.Context) error
}

// newDaemon opens the stores and puts the services together; nothing listens before run.
func newDaemon(ctx context.Context, cfg config.Config, only services, log *slog.Logger) (*daemon, error) {
	d := &daemon{cfg: cfg, log: log, metrics: prometheus.NewRegistry(), mux: http.NewServeMux(), only: only,
		sightings: &sightings{now: time.Now}}
	d.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := os.MkdirAll(cfg.Store.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("make the store's folder: %w", err)
	}
	d.joinDaemon()
	if err := d.alone(); err != nil {
		return nil, err
	}
	for _, open := range []func(context.Context, services) error{d.openRegistry, d.openFlows, d.openDesk, d.openMilter, d.openMetrics} {
		if err := open(ctx, only); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	if len(d.services) == 0 {
		err := errors.New("nothing to serve: the configuration turns no service on")
		return nil, errors.Join(exitWith(exitUsage, hint(err, "add a section such as [abusebox] to %s; docs/config.md shows a first one", orDefaultPath(cfg.Path))), d.close())
	}
	return d, nil
}

func orDefaultPath(path string) string {
	if path == "" {
		return config.DefaultPath
	}
	return path
}

// add takes a service that run is to run.
func (d *daemon) add(name string, run func(context.Context) error) {
	d.services = append(d.services, service{name, run})
}

// status is what `GET /status` answers.
func (d *daemon) status(ctx context.Context, started time.Time) (s control.Status, err error) {
	s = control.Status{PID: os.Getpid(), Started: started.UTC(), Config: d.cfg.Path}
	for _, service := range d.services {
		s.Services = append(s.Services, service.name)
	}
	if d.desk != nil {
		for _, addr := range d.desk.intake.Addrs() {
			s.SMTP = append(s.SMTP, addr.String())
		}
		s.Waiting, _, err = d.desk.store.Backlog(ctx)
	}
	return s, err
}

// onClose takes what close is to close, newest first.
func (d *daemon) onClose(fn func() error) { d.closers = append(d.closers, fn) }

// run serves until ctx ends or one service fails, and waits for all of them. ready, if not nil, is called when
// commands are answered.
func (d *daemon) run(ctx context.Context, ready func()) error {
	started := time.Now()
	control.Daemon(d.mux, func(ctx context.Context) (control.Status, error) { return d.status(ctx, started) })
	control.Check(d.mux, d.checkers)
	listener, err := control.Listen(d.controlPath())
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return control.Serve(ctx, listener, d.mux, d.log) })
	for _, s := range d.services {
		group.Go(func() error {
			err := s.run(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			d.log.Info("service ended", "service", s.name)
			return nil
		})
	}
	if ready != nil {
		ready()
	}
	return group.Wait()
}

// renew calls fn at once and then every period, until ctx ends.
func renew(ctx context.Context, period time.Duration, fn func(context.Context)) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		fn(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// close closes the stores, after run.
func (d *daemon) close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(errs...)
}
