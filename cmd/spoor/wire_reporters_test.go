package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/report"
	"spoor/cmd/spoor/config"
)

// A reporter whose mails are suddenly not understood is told once: in the metric, in the log, and by a mail that the
// desk will show; what is remembered outlives the process, with what our own sources made of the reports.
func TestReportersDrift(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	spool, err := intake.OpenSpool(intake.SpoolConfig{Dir: dir, SegmentSize: intake.DefaultSpoolConfig().SegmentSize}, intake.SpoolDeps{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	setup := reportersSetup{Path: filepath.Join(dir, "drift.json"), After: 3, Spool: spool, From: "abuse@example.net", Logger: log,
		Registry: prometheus.NewRegistry(), Now: func() time.Time { return now }}
	w, err := openReporters(setup)
	if err != nil {
		t.Fatal(err)
	}
	send := func(understood, n int) {
		for range n {
			result := &report.Result{Format: "x-arf", Reporter: report.Reporter{Domain: "reporter.example", Authenticated: report.ByDKIM}}
			for range understood {
				result.Reports = append(result.Reports, report.Report{IP: netip.MustParseAddr("203.0.113.7"), Time: now, TimeRaw: "x", TimeZoneKnown: true, Type: "spam"})
			}
			w.observe(t.Context(), result, now)
			now = now.Add(time.Hour)
		}
	}
	send(1, 6)
	w.Judged("reporter.example", 4, 1)
	w.Judged("stranger.example", 1, 0) // never seen: nothing is made up
	send(0, 5)
	if n := testutil.ToFloat64(w.alarms); n != 1 {
		t.Errorf("%v alarms", n)
	}
	var mails []string
	var first intake.ID
	if _, err := spool.Scan(t.Context(), first, func(_ intake.ID, mail intake.Mail) error {
		mails = append(mails, string(mail.Raw))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(mails) != 1 || !strings.Contains(mails[0], "Subject: A reporter seems to have changed its form: reporter.example") {
		t.Errorf("the desk is told %q", mails)
	}
	if err := w.save(); err != nil {
		t.Fatal(err)
	}
	setup.Registry = prometheus.NewRegistry()
	again, err := openReporters(setup)
	if err != nil {
		t.Fatal(err)
	}
	s := again.list()["reporter.example"]
	if s.Good != 6 || s.Empty != 5 || !s.Raised || s.Corroborated != 4 || s.Unconfirmed != 1 || len(again.list()) != 1 {
		t.Errorf("remembered is %+v", s)
	}
}

// Whoever is not proven to be who it says teaches nothing of a reporter.
func TestReportersForged(t *testing.T) {
	w, err := openReporters(reportersSetup{Path: filepath.Join(t.TempDir(), "drift.json"), After: 3, Registry: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		w.observe(t.Context(), &report.Result{Reporter: report.Reporter{Domain: "reporter.example", Authenticated: report.ByNone}}, time.Now())
	}
	if len(w.list()) != 0 {
		t.Errorf("learnt %v", w.list())
	}
}

// TestDriftIsACaseOfTheDesk: the mail about a reporter's changed form goes through the desk to a case that people see and
// are told of; it accuses nobody and teaches nothing about ourselves.
func TestDriftIsACaseOfTheDesk(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Parse("spoor.toml", fmt.Appendf(nil, "[site]\ndesk=\"desk@example.net\"\n[store]\ndir=%q\nmin_free=\"1MB\"\n[abusebox]\nsmtp=[\"127.0.0.1:0\"]\n"+
		"hostname=\"mx.example.net\"\nrecipients=[\"abuse@example.net\"]\n[report]\nauthenticate=false\n[notify]\nfrom=\"abuse@example.net\"\n", filepath.Join(dir, "store")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d, err := newDaemon(ctx, cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, nil) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, d.close()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	d.desk.reporters.raise(ctx, &report.Drift{Domain: "reporter.example", Format: "x-arf", Mails: 5})
	var found []incident.Incident
	var told []incident.Task
	for n := 0; len(told) == 0; n++ {
		if n == 60_000 {
			t.Fatalf("nobody is told; incidents %+v", found)
		}
		time.Sleep(5 * time.Millisecond)
		found, told = nil, nil
		for i, err := range d.desk.store.Incidents(ctx, abusebox.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, i)
		}
		for task, err := range d.desk.store.Tasks(ctx, 0) {
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, task)
		}
	}
	if len(found) != 1 || found[0].State != incident.Unassigned || found[0].Key.Net.IsValid() || len(found[0].Samples) != 1 ||
		!strings.HasPrefix(found[0].Samples[0].Subject.Title, "A reporter seems to have changed its form: reporter.example") {
		t.Errorf("the desk shows %+v", found)
	}
	if len(told) != 1 || told[0].Kind != incident.ToDesk {
		t.Errorf("told are %+v", told)
	}
	if learnt := d.desk.reporters.list(); len(learnt) != 0 {
		t.Errorf("learnt of ourselves: %+v", learnt)
	}
}
