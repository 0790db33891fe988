package maillog

import "github.com/prometheus/client_golang/prometheus"

// meters are what Prometheus reads of a Follower.
type meters struct {
	understood, other, malformed, overlong, bytes, rotations, errors prometheus.Counter
}

func newMeters(reg prometheus.Registerer, index *Index) meters {
	lines := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "spoor_maillog_lines_total", Help: "Lines of mail logs read, by what became of them.",
	}, []string{"result"})
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := meters{
		understood: lines.WithLabelValues("understood"), other: lines.WithLabelValues("other"),
		malformed: lines.WithLabelValues("malformed"), overlong: lines.WithLabelValues("overlong"),
		bytes:     counter("spoor_maillog_bytes_total", "Bytes of mail logs read."),
		rotations: counter("spoor_maillog_rotations_total", "Rotations of mail logs followed."),
		errors:    counter("spoor_maillog_errors_total", "Attempts to read a mail log that did not succeed."),
	}
	entries := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "spoor_maillog_entries", Help: "Pairs of address and ten minutes in the index.",
	}, func() float64 { return float64(index.Entries()) })
	if reg != nil {
		reg.MustRegister(lines, m.bytes, m.rotations, m.errors, entries)
	}
	return m
}

func (m meters) count(c lineCounts) {
	m.bytes.Add(float64(c.bytes))
	m.understood.Add(float64(c.understood))
	m.malformed.Add(float64(c.malformed))
	m.overlong.Add(float64(c.overlong))
	m.other.Add(float64(c.lines - c.understood - c.malformed))
}
