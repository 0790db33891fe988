package flowwatch

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/flowwatch/netflow"
)

// stats are what the Watcher counts beside the Decoder's own.
type stats struct {
	entered, left         atomic.Uint64
	storeErrors, unstored atomic.Uint64
	readErrors, undecoded atomic.Uint64
	intervals             atomic.Uint64
	lastClose             atomic.Int64 // nanoseconds
}

func (s *stats) closed(took time.Duration) {
	s.intervals.Add(1)
	s.lastClose.Store(int64(took))
}

// A metric is one figure of an exporter.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(e *netflow.Exporter) uint64
}

func exporterMetric(name, help string, of func(e *netflow.Exporter) uint64) metric {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(name, "_total") {
		kind = prometheus.CounterValue
	}
	return metric{prometheus.NewDesc("spoor_flowwatch_"+name, help, []string{"exporter"}, nil), kind, of}
}

func exporterMetrics() []metric {
	return []metric{
		exporterMetric("datagrams_total", "Datagrams heard.", func(e *netflow.Exporter) uint64 { return e.Datagrams }),
		exporterMetric("bytes_total", "Bytes of datagrams heard.", func(e *netflow.Exporter) uint64 { return e.Bytes }),
		exporterMetric("flows_total", "Flow records read.", func(e *netflow.Exporter) uint64 { return e.Flows }),
		exporterMetric("lost_total", "Flows (v5, IPFIX) or datagrams (v9, sFlow) missing from the exporter's numbering.", func(e *netflow.Exporter) uint64 { return e.Lost }),
		exporterMetric("reordered_total", "Datagrams that came late.", func(e *netflow.Exporter) uint64 { return e.Reordered }),
		exporterMetric("restarts_total", "Jumps of the exporter's numbering that mean a restart.", func(e *netflow.Exporter) uint64 { return e.Restarts }),
		exporterMetric("malformed_total", "Datagrams that contradict themselves.", func(e *netflow.Exporter) uint64 { return e.Malformed }),
		exporterMetric("unknown_version_total", "Datagrams of a version that is not read.", func(e *netflow.Exporter) uint64 { return e.UnknownVersion }),
		exporterMetric("no_template_total", "Data sets whose template is not known.", func(e *netflow.Exporter) uint64 { return e.NoTemplate }),
		exporterMetric("bad_templates_total", "Templates refused as impossible.", func(e *netflow.Exporter) uint64 { return e.BadTemplates }),
		exporterMetric("templates_refused_total", "Templates past the limit.", func(e *netflow.Exporter) uint64 { return e.TemplatesFull }),
		exporterMetric("templates_expired_total", "Templates not repeated in time.", func(e *netflow.Exporter) uint64 { return e.TemplatesExpired }),
		exporterMetric("domains_refused_total", "Datagrams of observation domains past the limit.", func(e *netflow.Exporter) uint64 { return e.DomainsFull }),
		exporterMetric("unreadable_total", "Records without a pair of addresses.", func(e *netflow.Exporter) uint64 { return e.Unreadable }),
		exporterMetric("bad_times_total", "Records whose times were replaced by that of receipt.", func(e *netflow.Exporter) uint64 { return e.BadTimes }),
		exporterMetric("clock_off_total", "Datagrams whose export time was far off.", func(e *netflow.Exporter) uint64 { return e.ClockOffDatagram }),
		exporterMetric("templates", "Templates known.", func(e *netflow.Exporter) uint64 { return uint64(e.Templates) }),
	}
}

// A gauge is one figure of the Watcher as a whole.
type gauge struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(w *Watcher) float64
}

func whole(name, help string, kind prometheus.ValueType, value func(w *Watcher) float64) gauge {
	return gauge{prometheus.NewDesc("spoor_flowwatch_"+name, help, nil, nil), kind, value}
}

func wholeMetrics() []gauge {
	const counter, now = prometheus.CounterValue, prometheus.GaugeValue
	return []gauge{
		whole("refused_total", "Datagrams of exporters that are not allowed.", counter, func(w *Watcher) float64 { n, _ := w.decoder.Refused(); return float64(n) }),
		whole("kernel_drops_total", "Datagrams that the kernel dropped since nobody read them in time.", counter, func(w *Watcher) float64 { return float64(w.kernelDrops()) }),
		whole("read_errors_total", "Errors of the sockets.", counter, func(w *Watcher) float64 { return float64(w.stats.readErrors.Load()) }),
		whole("undecoded_total", "Datagrams that were not read to their end.", counter, func(w *Watcher) float64 { return float64(w.stats.undecoded.Load()) }),
		whole("unobserved_total", "Flows left out since they were not seen at a point of observation.", counter, func(w *Watcher) float64 { return float64(w.counter.Unobserved()) }),
		whole("hosts", "Hosts counted in the open interval, over all profiles.", now, func(w *Watcher) float64 { return float64(w.counter.Hosts()) }),
		whole("listed", "Hosts on the list.", now, func(w *Watcher) float64 { return float64(len(w.List())) }),
		whole("entered_total", "Hosts that came onto the list.", counter, func(w *Watcher) float64 { return float64(w.stats.entered.Load()) }),
		whole("left_total", "Hosts that left the list.", counter, func(w *Watcher) float64 { return float64(w.stats.left.Load()) }),
		whole("intervals_total", "Intervals closed.", counter, func(w *Watcher) float64 { return float64(w.stats.intervals.Load()) }),
		whole("close_seconds", "How long the last interval took to judge and store.", now, func(w *Watcher) float64 { return time.Duration(w.stats.lastClose.Load()).Seconds() }),
		whole("store_errors_total", "Failed attempts to store an interval.", counter, func(w *Watcher) float64 { return float64(w.stats.storeErrors.Load()) }),
		whole("unstored_total", "Intervals given up since the store took none.", counter, func(w *Watcher) float64 { return float64(w.stats.unstored.Load()) }),
	}
}

// Describe implements prometheus.Collector.
func (w *Watcher) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range exporterMetrics() {
		ch <- m.desc
	}
	for _, g := range wholeMetrics() {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (w *Watcher) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	exporters := w.decoder.Exporters()
	var values []float64
	for _, g := range wholeMetrics() {
		values = append(values, g.value(w))
	}
	w.mu.Unlock()
	for i, g := range wholeMetrics() {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, values[i])
	}
	for _, m := range exporterMetrics() {
		for i := range exporters {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(m.of(&exporters[i])), exporters[i].Addr.String())
		}
	}
}
