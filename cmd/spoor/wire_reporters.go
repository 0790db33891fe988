package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/abusebox/intake"
	"spoor/abusebox/report"
	"spoor/cmd/spoor/config"
)

// maxReporters bounds the reporters that are remembered.
const maxReporters = 20_000

// reportersFile is where the memory of reporters lies.
func reportersFile(cfg config.Config) string { return filepath.Join(cfg.Store.Dir, "drift.json") }

// A reportersSetup is what the memory of reporters works with.
type reportersSetup struct {
	Path     string
	After    int // mails without a report that raise the alarm
	Spool    *intake.Spool
	From     string // whom the alarm is mailed from and to
	Logger   *slog.Logger
	Registry prometheus.Registerer
	Now      func() time.Time
}

// reporters remember what each reporter's mails used to hold and whether our own sources bore them out, and raise the
// alarm when a form changes. What they know is saved now and then: a crash costs a few mails of memory, and no complaint.
type reporters struct {
	reportersSetup
	alarms prometheus.Counter

	saving sync.Mutex // one writer of the file at a time
	mu     sync.Mutex
	states map[string]report.DriftState
	saved  time.Time
}

func openReporters(setup reportersSetup) (*reporters, error) {
	w := &reporters{reportersSetup: setup, saved: setup.Now(),
		alarms: prometheus.NewCounter(prometheus.CounterOpts{Name: "spoor_report_drifts_total", Help: "Reporters whose form seems to have changed."})}
	setup.Registry.MustRegister(w.alarms)
	var err error
	w.states, err = readReporters(setup.Path)
	var broken *json.SyntaxError
	if errors.As(err, &broken) {
		setup.Logger.Warn("what reporters used to send cannot be read and is learnt anew", "file", setup.Path, "err", err)
		w.states, err = map[string]report.DriftState{}, nil
	}
	return w, err
}

// readReporters reads the memory; it is empty where there is none yet.
func readReporters(path string) (map[string]report.DriftState, error) {
	states := map[string]report.DriftState{}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return states, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &states)
	}
	if err != nil {
		return nil, fmt.Errorf("read what reporters used to send: %w", err)
	}
	return states, nil
}

// saveEvery is how often the memory is written.
const saveEvery = time.Hour

// observe takes one more mail of a reporter into account.
func (w *reporters) observe(ctx context.Context, result *report.Result, at time.Time) {
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
	state, drift := old.Observe(domain, result, at, w.After)
	w.states[domain] = state
	due := w.Now().Sub(w.saved) > saveEvery
	if due {
		w.saved = w.Now()
	}
	w.mu.Unlock()
	if drift != nil {
		w.raise(ctx, drift)
	}
	if due {
		if err := w.save(); err != nil {
			w.Logger.Warn("what reporters used to send is not saved", "err", err)
		}
	}
}

// Judged implements abusebox.Reputation.
func (w *reporters) Judged(domain string, corroborated, unconfirmed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, known := w.states[domain]; known {
		w.states[domain] = old.Judged(corroborated, unconfirmed)
	}
}

// list returns a copy of the memory, by reporter.
func (w *reporters) list() map[string]report.DriftState {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]report.DriftState, len(w.states))
	for domain, s := range w.states {
		out[domain] = s
	}
	return out
}

// raise tells the log, the metric, and the people of the desk by a mail in the spool.
func (w *reporters) raise(ctx context.Context, drift *report.Drift) {
	w.alarms.Inc()
	w.Logger.Warn("a reporter seems to have changed its form", "drift", drift.String())
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%[1]s>\r\nTo: <%[1]s>\r\nSubject: A reporter seems to have changed its form: %[2]s\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\n%[3]s.\r\n\r\nPlease read the latest mails of this reporter: spoor parse --explain shows what is understood of one.\r\n",
		w.From, drift.Domain, drift.String())
	if _, err := w.Spool.Put(ctx, intake.Mail{Envelope: intake.Envelope{Source: intake.SourceDesk, From: w.From}, Raw: b.Bytes()}); err != nil {
		w.Logger.Error("the desk could not be told of the drift", "err", err)
	}
}

// save writes the memory, the old one staying until the new one is whole.
func (w *reporters) save() error {
	w.saving.Lock()
	defer w.saving.Unlock()
	data, err := json.Marshal(w.list())
	if err != nil {
		return err
	}
	tmp := w.Path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, w.Path)
}
