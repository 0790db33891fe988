package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/intake"
	"spoor/abusebox/report"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
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
	if room.reporters, err = openReporters(reportersSetup{Path: reportersFile(d.cfg), After: d.cfg.Report.DriftAfter,
		Spool: room.spool, From: d.cfg.Notify.From, Logger: d.log, Registry: d.metrics, Now: time.Now}); err != nil {
		return nil, err
	}
	d.onClose(room.reporters.save)
	control.Reporters(d.mux, room.reporters.list)
	return func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
		o := options
		o.Arrived = mail.Came()
		if mail.Source == intake.SourceSMTP && !mail.Peer.IsLoopback() && !d.ours(mail.Peer) {
			o.AuthservIDs = nil // no host of ours stood between the stranger and us, so every such field is his
		}
		o.Envelope = report.Envelope{Peer: mail.Peer, Helo: mail.Helo, From: mail.From, To: mail.Recipients}
		result := report.Parse(ctx, m, o)
		if mail.Source != intake.SourceDesk {
			room.reporters.observe(ctx, &result, mail.Arrived)
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
