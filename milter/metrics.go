package milter

import "github.com/prometheus/client_golang/prometheus"

// counters is everything about the milter that moves.
type counters struct {
	connections *prometheus.CounterVec // outcome
	served      prometheus.Counter
	open        prometheus.Gauge
	messages    *prometheus.CounterVec // outcome
	recipients  *prometheus.CounterVec // outcome
	accepted    prometheus.Counter     // recipients
	passed      prometheus.Counter     // messages
	actions     *prometheus.CounterVec // rule, action, dry_run
	undecided   *prometheus.CounterVec // reason
	wire        *prometheus.CounterVec // fault
	evicted     prometheus.Counter
	sightings   *prometheus.CounterVec // outcome
	forged      prometheus.Counter
	judgement   prometheus.Histogram
}

func newCounters(reg prometheus.Registerer) *counters {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "spoor_milter_" + name, Help: help}, labels)
		register(reg, v)
		return v
	}
	one := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_milter_" + name, Help: help})
		register(reg, c)
		return c
	}
	c := &counters{
		connections: vec("connections_total", "MTA connections, by outcome: served, over_limit, accept_error.", "outcome"),
		messages:    vec("messages_total", "Messages, by outcome: passed, undecided, quarantined, refused, aborted.", "outcome"),
		recipients:  vec("recipients_total", "Recipients, by outcome: accepted, refused_by_mta, refused_by_rule.", "outcome"),
		actions:     vec("actions_total", "Rules that matched, by rule, action and whether it was a dry run.", "rule", "action", "dry_run"),
		undecided:   vec("undecided_total", "Judgements that were given up and passed, by reason: deadline, busy, panic.", "reason"),
		wire:        vec("wire_faults_total", "Connections ended or packets mended, by fault.", "fault"),
		evicted:     one("hosts_evicted_total", "Hosts whose rates were forgotten because max_hosts was reached."),
		sightings:   vec("sightings_total", "Sightings of one host in one interval, by outcome: handed_over, dropped; reports: report_dropped, report_alike.", "outcome"),
		forged:      one("forged_fields_total", "Header fields bearing our names that arrived and were removed."),
		open:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "spoor_milter_connections", Help: "MTA connections open now."}),
		judgement: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "spoor_milter_judgement_seconds", Help: "Time from the end of a message to its verdict.",
			Buckets: []float64{25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 5e-3, 25e-3, 100e-3, 1},
		}),
	}
	c.served = c.connections.WithLabelValues("served")
	c.passed = c.messages.WithLabelValues("passed")
	c.accepted = c.recipients.WithLabelValues("accepted")
	register(reg, c.open)
	register(reg, c.judgement)
	return c
}

// fault counts what was wrong with an MTA's packets.
func (c *counters) fault(name string) { c.wire.WithLabelValues(name).Inc() }

func register(reg prometheus.Registerer, c prometheus.Collector) {
	if reg != nil {
		reg.MustRegister(c)
	}
}
