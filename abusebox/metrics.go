package abusebox

import "github.com/prometheus/client_golang/prometheus"

// metrics are the Desk's: what came in, how it was decided, what was sent, what waits.
type metrics struct {
	mails    *prometheus.CounterVec
	reports  *prometheus.CounterVec
	states   *prometheus.CounterVec
	tasks    *prometheus.CounterVec
	failures *prometheus.CounterVec
	inflight prometheus.Gauge
	backlog  prometheus.Gauge
	took     prometheus.Histogram
	waited   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_desk_" + name, Help: help}, labels)
	}
	m := &metrics{
		mails:    counter("mails_total", "Mails decided, by outcome.", "outcome"),
		reports:  counter("reports_total", "Reports filed, by complaint format.", "format"),
		states:   counter("incidents_total", "Incidents made or changed, by the state they came to.", "state"),
		tasks:    counter("tasks_total", "Tasks done, by kind and result.", "kind", "result"),
		failures: counter("failures_total", "What went wrong, by stage.", "stage"),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "spoor_desk_inflight_mails", Help: "Mails that workers are processing."}),
		backlog:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "spoor_desk_backlog_tasks", Help: "Tasks that wait to be done."}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spoor_desk_decide_seconds", Help: "Time from taking up a mail to its decision on disk.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spoor_desk_answer_seconds", Help: "Time from a mail's arrival to its decision on disk.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 20)}),
	}
	if reg != nil {
		reg.MustRegister(m.mails, m.reports, m.states, m.tasks, m.failures, m.inflight, m.backlog, m.took, m.waited)
	}
	return m
}
