package intake

import "github.com/prometheus/client_golang/prometheus"

type serverMetrics struct {
	refusals *prometheus.CounterVec
}

func newServerMetrics(reg prometheus.Registerer, s *Server) *serverMetrics {
	m := &serverMetrics{
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_intake_refused_total", Help: "What was not taken in, by reason."}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.refusals,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "spoor_intake_connections", Help: "Open SMTP and LMTP connections."},
				func() float64 { return float64(s.limits.Open()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "spoor_intake_inflight_bytes", Help: "Memory of the mails that are being received."},
				func() float64 { return float64(s.budget.used.Load()) }))
	}
	return m
}

func (m *serverMetrics) refused(why string) { m.refusals.WithLabelValues(why).Inc() }
