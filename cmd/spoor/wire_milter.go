package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/abusebox/intake"
	"spoor/cmd/spoor/control"
	"spoor/milter"
)

// openMilter puts the milter together with what the other rooms know.
func (d *daemon) openMilter(context.Context, services) error {
	lookups := milter.Lookups{Holders: milterHolders{d.registry}}
	if d.flows != nil {
		servers := &flowMailServers{watcher: d.flows}
		lookups.Listed, lookups.MailServers = d.flows, servers
		d.add("mail servers", servers.run)
	}
	if d.flows == nil && d.main != nil && d.cfg.Has("flowwatch") {
		lists := &remoteLists{main: d.main}
		lookups.Listed, lookups.MailServers = lists, lists
		d.add("the daemon's lists", lists.run)
	}
	var desk milter.Desk
	switch {
	case d.desk != nil:
		desk = milterDesk{d.desk.spool, d.sightings, d.cfg.Notify.From}
		control.MilterDesk(d.mux, desk)
	case d.main != nil && d.cfg.Has("abusebox"):
		desk = remoteDesk{d.main}
	}
	serves := d.cfg.Has("milter") && d.only.has("milter")
	var metrics prometheus.Registerer // of a milter that only explains there is nothing to count
	if serves {
		metrics = d.metrics
	}
	server := newMilter(d.cfg, d.log, metrics, lookups, desk)
	control.Milter(d.mux, server)
	if serves {
		d.add("milter", server.Run)
	}
	return nil
}

// milterDesk hands the desk what the milter saw: sightings as evidence, reports as mail in the spool, where they are
// as durable as every other complaint.
type milterDesk struct {
	spool     *intake.Spool
	sightings *sightings
	from      string
}

// Sightings implements milter.Desk.
func (m milterDesk) Sightings(_ context.Context, start, end time.Time, hosts []milter.Sighting) error {
	m.sightings.add(start, end, hosts)
	return nil
}

// Report implements milter.Desk.
func (m milterDesk) Report(ctx context.Context, r milter.Report) error {
	mail, err := sightingMail(r, m.from)
	if err != nil {
		return err
	}
	_, err = m.spool.Put(ctx, intake.Mail{Envelope: intake.Envelope{Source: intake.SourceMilter, From: m.from}, Raw: mail})
	return err
}

// sightingMail writes a report of ours as what any other desk would send: XARF v4.
func sightingMail(r milter.Report, from string) ([]byte, error) {
	document, err := json.MarshalIndent(map[string]any{
		"xarf_version": "4.0.0", "report_id": r.QueueID, "timestamp": r.Time.UTC().Format(time.RFC3339),
		"reporter": map[string]string{"org": "our own mail servers", "contact": from}, "sender": map[string]string{"org": "our own mail servers", "contact": from},
		"source_identifier": r.IP.String(), "category": "messaging", "type": "spam", "evidence_source": "automated_filter",
		"description": fmt.Sprintf("rule %s: %s (score %.1f)", r.Rule, r.Text, r.Score),
		"evidence": []map[string]string{{"content_type": "text/rfc822-headers", "description": "header of the message",
			"payload": base64.StdEncoding.EncodeToString(r.Header)}},
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: Spam seen by our own mail servers from %s\r\nDate: %s\r\nMessage-ID: <milter.%s.%d@spoor.invalid>\r\n",
		from, from, r.IP, r.Time.UTC().Format(time.RFC1123Z), r.QueueID, r.Time.UnixNano())
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"spoor-sighting\"\r\n\r\n--spoor-sighting\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for _, why := range r.Why {
		fmt.Fprintf(&b, "%s\r\n", why)
	}
	fmt.Fprintf(&b, "\r\n--spoor-sighting\r\nContent-Type: application/json; name=\"xarf.json\"\r\nContent-Disposition: attachment; filename=\"xarf.json\"\r\n\r\n%s\r\n--spoor-sighting--\r\n",
		bytes.ReplaceAll(document, []byte("\n"), []byte("\r\n")))
	return b.Bytes(), nil
}
