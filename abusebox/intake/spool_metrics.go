package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type spoolMetrics struct {
	kept       *prometheus.CounterVec
	bytes      prometheus.Counter
	failed     prometheus.Counter
	events     prometheus.Counter
	unreadable prometheus.Counter
	groups     prometheus.Histogram
	duration   prometheus.Histogram
}

func newSpoolMetrics(reg prometheus.Registerer) *spoolMetrics {
	m := &spoolMetrics{
		kept:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_intake_kept_total", Help: "Mails on disk, by the way they came in."}, []string{"source"}),
		bytes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_intake_kept_bytes_total", Help: "Bytes of the mails on disk, before compression."}),
		failed:     prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_intake_put_failures_total", Help: "Mails that could not be put on disk and were answered so."}),
		events:     prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_intake_spool_events_total", Help: "Torn tails, damage and failed writes of the spool."}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_intake_unreadable_total", Help: "Mails of the spool that could not be read back; a person is told of each."}),
		groups:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spoor_intake_sync_mails", Help: "Mails that shared one sync.", Buckets: prometheus.ExponentialBuckets(1, 4, 6)}),
		duration:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "spoor_intake_sync_seconds", Help: "Time to write and sync one group of mails.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}),
	}
	if reg != nil {
		reg.MustRegister(m.kept, m.bytes, m.failed, m.events, m.unreadable, m.groups, m.duration)
	}
	return m
}

func (m *spoolMetrics) group(mails int, took time.Duration) {
	m.groups.Observe(float64(mails))
	m.duration.Observe(took.Seconds())
}

func (m *spoolMetrics) put(mail Mail, err error) {
	if err != nil {
		m.failed.Inc()
		return
	}
	m.kept.WithLabelValues(string(mail.Source)).Inc()
	m.bytes.Add(float64(len(mail.Raw)))
}
