package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/abusebox"
	"spoor/abusebox/intake"
	"spoor/abusebox/report"
	"spoor/cmd/spoor/config"
	"spoor/internal/message"
)

// reader reads complaints with what the configuration and the registry know of us, and watches for reporters that
// change their form.
func (d *daemon) reader(room *deskRoom, instance string) (abusebox.Read, error) {
	options, err := reportOptions(d.cfg)
	if err != nil {
		return nil, err
	}
	options.Ours, options.Instance = d.ours, instance
	options.Limits.MaxReports = d.cfg.Incident.MaxReports + 1 // the desk files no more, and holds no more in memory
	options.Trace = report.ComplaintTracer(d.ours)
	dns := newResolver(net.DefaultResolver, time.Now)
	if d.cfg.Report.Authenticate {
		options.Resolver = dns
	}
	if d.cfg.Report.ResolveSites {
		options.Sites = dns.LookupAddr
	}
	drift, err := openDrift(filepath.Join(d.cfg.Store.Dir, "drift.json"), d.cfg.Report.DriftAfter, room.spool, d.cfg.Notify.From, d.log, d.metrics)
	if err != nil {
		return nil, err
	}
	d.onClose(drift.save)
	return func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
		o := options
		o.Arrived = mail.Arrived
		if mail.Source == intake.SourceSMTP && !mail.Peer.IsLoopback() && !d.ours(mail.Peer) {
			o.AuthservIDs = nil // no host of ours stood between the stranger and us, so every such field is his
		}
		o.Envelope = report.Envelope{Peer: mail.Peer, Helo: mail.Helo, From: mail.From, To: mail.Recipients}
		result := report.Parse(ctx, m, o)
		if mail.Source != intake.SourceDesk {
			drift.observe(ctx, &result, mail.Arrived)
		}
		return result
	}, nil
}

// reportOptions is what the configuration says about reading complaints.
func reportOptions(cfg config.Config) (o report.Options, err error) {
	o = report.Options{Domains: cfg.Site.Hosts, Hosts: cfg.Site.Hosts, AuthservIDs: cfg.Report.AuthservIDs, Habits: cfg.Report.Habits()}
	o.Limits.MaxUnpacked = cfg.Report.MaxUnpacked
	folder := cfg.Report.Formats
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(filepath.Dir(cfg.Path), folder)
	}
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return o, nil
	}
	if o.Formats, err = report.LoadFormats(folder); err != nil {
		return o, exitWith(exitUsage, err)
	}
	return o, nil
}

// maxReporters bounds the reporters that are watched for drift.
const maxReporters = 20_000

// A driftWatch remembers what each reporter's mails used to hold, and raises the alarm when that changes. What it
// knows is saved now and then: a crash costs it a few mails of memory, and no complaint.
type driftWatch struct {
	path   string
	after  int
	spool  *intake.Spool
	from   string
	log    *slog.Logger
	alarms prometheus.Counter

	saving sync.Mutex // one writer of the file at a time
	mu     sync.Mutex
	states map[string]report.DriftState
	saved  time.Time
}

func openDrift(path string, after int, spool *intake.Spool, from string, log *slog.Logger, metrics prometheus.Registerer) (*driftWatch, error) {
	w := &driftWatch{path: path, after: after, spool: spool, from: from, log: log, states: map[string]report.DriftState{},
		alarms: prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_report_drifts_total", Help: "Reporters whose form seems to have changed."})}
	metrics.MustRegister(w.alarms)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what reporters used to send: %w", err)
	}
	if err := json.Unmarshal(data, &w.states); err != nil {
		log.Warn("what reporters used to send cannot be read and is learnt anew", "file", path, "err", err)
		w.states = map[string]report.DriftState{}
	}
	return w, nil
}

// driftSaveEvery is how often the memory is written.
const driftSaveEvery = time.Hour

// observe takes one more mail of a reporter into account.
func (w *driftWatch) observe(ctx context.Context, result *report.Result, at time.Time) {
	domain := result.Reporter.Domain
	if domain == "" || result.Reporter.Authenticated == report.ByNone { // whoever forges a name teaches us nothing of it
		return
	}
	w.mu.Lock()
	old, known := w.states[domain]
	if !known && len(w.states) >= maxReporters {
		w.mu.Unlock()
		return
	}
	state, drift := old.Observe(domain, result, at, w.after)
	w.states[domain] = state
	due := time.Since(w.saved) > driftSaveEvery
	if due {
		w.saved = time.Now()
	}
	w.mu.Unlock()
	if drift != nil {
		w.raise(ctx, drift)
	}
	if due {
		if err := w.save(); err != nil {
			w.log.Warn("what reporters used to send is not saved", "err", err)
		}
	}
}

// raise tells the log, the metric, and the people of the desk by a mail in the spool.
func (w *driftWatch) raise(ctx context.Context, drift *report.Drift) {
	w.alarms.Inc()
	w.log.Warn("a reporter seems to have changed its form", "drift", drift.String())
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%[1]s>\r\nTo: <%[1]s>\r\nSubject: A reporter seems to have changed its form: %[2]s\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\n%[3]s.\r\n\r\nPlease read the latest mails of this reporter: spoor parse --explain shows what is understood of one.\r\n",
		w.from, drift.Domain, drift.String())
	if _, err := w.spool.Put(ctx, intake.Mail{Envelope: intake.Envelope{Source: intake.SourceDesk, From: w.from}, Raw: b.Bytes()}); err != nil {
		w.log.Error("the desk could not be told of the drift", "err", err)
	}
}

// save writes the memory, the old one staying until the new one is whole.
func (w *driftWatch) save() error {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	data, err := json.Marshal(w.states)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	tmp := w.path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, w.path)
}
