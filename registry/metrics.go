package registry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the registry's counters, as docs/metrics.md documents them.
type metrics struct {
	lookups    *prometheus.CounterVec
	polls      *prometheus.CounterVec
	fileErrors prometheus.Counter
	prefixes   prometheus.Gauge
	routes     prometheus.Gauge
	contacts   prometheus.Gauge
	rebuild    prometheus.Histogram
	lastGood   *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		lookups:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_registry_lookups_total", Help: "Look-ups by status of the answer."}, []string{"status"}),
		polls:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_registry_polls_total", Help: "Walks of routing tables by router and result."}, []string{"router", "result"}),
		fileErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_registry_file_errors_total", Help: "Reloads in which a file had mistakes."}),
		prefixes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "spoor_registry_prefixes", Help: "Prefixes in the table."}),
		routes:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "spoor_registry_routes", Help: "Routes in the table, past ones included."}),
		contacts:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "spoor_registry_contacts", Help: "Contact records in the table."}),
		rebuild:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spoor_registry_rebuild_seconds", Help: "Time to build a new table.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
		lastGood:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "spoor_registry_last_good_timestamp_seconds", Help: "Last verified walk by router and instance."}, []string{"router", "vrf"}),
	}
	if reg != nil {
		reg.MustRegister(m.lookups, m.polls, m.fileErrors, m.prefixes, m.routes, m.contacts, m.rebuild, m.lastGood)
	}
	return m
}

func (m *metrics) built(t *Table, took time.Duration) {
	prefixes, routes := t.Size()
	m.prefixes.Set(float64(prefixes))
	m.routes.Set(float64(routes))
	m.contacts.Set(float64(len(t.contacts)))
	m.rebuild.Observe(took.Seconds())
	m.renewed(t)
}

func (m *metrics) renewed(t *Table) {
	for _, s := range t.sources {
		if !s.LastGood.IsZero() {
			m.lastGood.WithLabelValues(s.Router, s.VRF).Set(float64(s.LastGood.Unix()))
		}
	}
}
