package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// openMetrics serves /metrics where the configuration says so.
func (d *daemon) openMetrics(ctx context.Context, _ services) error {
	d.mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics, promhttp.HandlerOpts{}))
	if d.cfg.Metrics.Listen == "" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", d.cfg.Metrics.Listen)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	d.add("metrics", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return nil
}

// commitMetrics are what one store tells of its commits.
type commitMetrics struct {
	changes prometheus.Counter
	seconds prometheus.Histogram
}

func newCommitMetrics(registerer prometheus.Registerer, store string) commitMetrics {
	labels := prometheus.Labels{"store": store}
	m := commitMetrics{
		changes: prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_store_changes_total", Help: "Changes made durable.", ConstLabels: labels}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spoor_store_commit_seconds", Help: "Time of one commit, its sync included.",
			ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
	}
	registerer.MustRegister(m.changes, m.seconds)
	return m
}
