package milter

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"spoor/internal/trace"
)

// A Sighting is what one host sent through our MTAs in one interval.
type Sighting struct {
	Host       netip.Addr `json:"host"`
	Messages   int        `json:"messages"`
	Recipients int        `json:"recipients"`
	Rejected   int        `json:"rejected"` // recipients and messages refused, by the MTA or by us
	Senders    int        `json:"senders"`  // distinct envelope senders; MaxSenders stands for that many or more
}

// MaxSenders is the most distinct senders that are told apart for one host in one interval.
const MaxSenders = 64

// A Report is one message of a host, which a rule wants to see become an incident.
type Report struct {
	Rule    string
	Text    string
	IP      netip.Addr // the proven source
	Time    time.Time
	QueueID string
	Origin  *trace.Origin // nil where the connection itself is the source of mail without a path
	Score   float64
	Why     []string
	Header  []byte // as it came, at most 64 KB
}

// A Desk takes what the milter saw. An error means "try again".
type Desk interface {
	// Sightings takes the counts of one interval. The same interval may come
	// twice where an answer was lost, then with the same counts.
	Sightings(ctx context.Context, start, end time.Time, hosts []Sighting) error
	Report(ctx context.Context, r Report) error
}

// A ledger gathers sightings and hands each interval to the desk when it is over.
type ledger struct {
	desk     Desk
	interval time.Duration
	maxHosts int
	now      func() time.Time
	log      *slog.Logger
	counters *counters
	seed     maphash.Seed
	reports  chan Report

	mu      sync.Mutex
	start   time.Time
	hosts   map[netip.Addr]*entry
	told    map[told]int // reports in this interval
	backlog []chapter    // what the desk has not taken yet
}

// A told is what is reported a few times an interval and no more: the sightings tell how much there was beside.
type told struct {
	host netip.Addr
	rule string
}

type entry struct {
	Sighting
	senders []uint64 // hashes
}

// A chapter is one interval that is over.
type chapter struct {
	start, end time.Time
	hosts      []Sighting
}

const (
	maxBacklog   = 12 // intervals: an hour of them by default
	maxReports   = 256
	maxAlike     = 10 // reports of one host by one rule in one interval
	maxRetries   = 5
	deskPatience = 10 * time.Second
)

func newLedger(desk Desk, cfg Config, now func() time.Time, log *slog.Logger, c *counters) *ledger {
	return &ledger{
		desk: desk, interval: cfg.Interval.Std(), maxHosts: cfg.MaxHosts, now: now, log: log, counters: c,
		seed: maphash.MakeSeed(), reports: make(chan Report, maxReports),
		start: now(), hosts: map[netip.Addr]*entry{}, told: map[told]int{},
	}
}

// sight adds to a host's counts; sender is one more envelope sender unless known is false.
func (l *ledger) sight(host netip.Addr, add Sighting, sender string, known bool) {
	if l.desk == nil || !host.IsValid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.hosts[host]
	if e == nil {
		if len(l.hosts) >= l.maxHosts {
			l.counters.sightings.WithLabelValues("dropped").Inc()
			return
		}
		e = &entry{}
		l.hosts[host] = e
	}
	e.Messages += add.Messages
	e.Recipients += add.Recipients
	e.Rejected += add.Rejected
	if known && len(e.senders) < MaxSenders {
		hash := maphash.String(l.seed, strings.ToLower(sender))
		if !slices.Contains(e.senders, hash) {
			e.senders = append(e.senders, hash)
		}
	}
}

// report queues a message for the desk, without waiting.
func (l *ledger) report(r Report) {
	if l.desk == nil {
		return
	}
	if l.toldEnough(r) {
		l.counters.sightings.WithLabelValues("report_alike").Inc()
		return
	}
	select {
	case l.reports <- r:
	default:
		l.counters.sightings.WithLabelValues("report_dropped").Inc()
		l.log.Warn("report dropped: the desk is behind", "host", r.IP, "rule", r.Rule)
	}
}

// toldEnough counts a report, and says whether the desk has got as many like it as it needs: what a host sends must
// not fill the desk's disk.
func (l *ledger) toldEnough(r Report) bool {
	key := told{r.IP, r.Rule}
	l.mu.Lock()
	defer l.mu.Unlock()
	n, known := l.told[key]
	if n >= maxAlike || !known && len(l.told) >= l.maxHosts {
		return true
	}
	l.told[key] = n + 1
	return false
}

// run hands over until ctx ends, and then once more what is left.
func (l *ledger) run(ctx context.Context) {
	if l.desk == nil {
		return
	}
	ticker := time.NewTicker(l.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.turn(ctx)
		case r := <-l.reports:
			l.deliver(ctx, r)
		}
	}
}

// finish hands over everything that is left, when no more can come.
func (l *ledger) finish(ctx context.Context) {
	if l.desk == nil {
		return
	}
	l.turn(ctx)
	for {
		select {
		case r := <-l.reports:
			l.deliver(ctx, r)
		default:
			return
		}
	}
}

// turn ends the interval and hands over all that is over.
func (l *ledger) turn(ctx context.Context) {
	l.mu.Lock()
	end := l.now()
	if len(l.hosts) > 0 {
		l.backlog = append(l.backlog, chapter{l.start, end, sorted(l.hosts)})
		l.hosts = map[netip.Addr]*entry{}
	}
	l.start = end
	clear(l.told)
	for len(l.backlog) > maxBacklog {
		l.counters.sightings.WithLabelValues("dropped").Add(float64(len(l.backlog[0].hosts)))
		l.backlog = l.backlog[1:]
	}
	todo := l.backlog
	l.backlog = nil
	l.mu.Unlock()

	for i, c := range todo {
		if err := l.handOver(ctx, c); err != nil {
			l.log.Warn("sightings not taken by the desk, kept for the next interval", "intervals", len(todo)-i, "error", err)
			l.mu.Lock()
			l.backlog = append(todo[i:len(todo):len(todo)], l.backlog...)
			l.mu.Unlock()
			return
		}
	}
}

func (l *ledger) handOver(ctx context.Context, c chapter) error {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	if err := l.desk.Sightings(ctx, c.start, c.end, c.hosts); err != nil {
		return err
	}
	l.counters.sightings.WithLabelValues("handed_over").Add(float64(len(c.hosts)))
	return nil
}

func sorted(hosts map[netip.Addr]*entry) []Sighting {
	out := make([]Sighting, 0, len(hosts))
	for host, e := range hosts {
		s := e.Sighting
		s.Host, s.Senders = host, len(e.senders)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Sighting) int { return a.Host.Compare(b.Host) })
	return out
}

func (l *ledger) deliver(ctx context.Context, r Report) {
	for try := range maxRetries {
		err := l.attempt(ctx, r)
		if err == nil {
			return
		}
		if try == maxRetries-1 || ctx.Err() != nil {
			l.counters.sightings.WithLabelValues("report_dropped").Inc()
			l.log.Error("report dropped: the desk did not take it", "host", r.IP, "rule", r.Rule, "error", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second << try):
		}
	}
}

func (l *ledger) attempt(ctx context.Context, r Report) error {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	return l.desk.Report(ctx, r)
}
