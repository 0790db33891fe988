package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/cmd/spoor/control"
	"spoor/internal/trace"
	"spoor/milter"
)

// A milter in a process of its own knows the daemon's list, customers' whole prefixes of IPv6 included.
func TestRemoteList(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /flows/anomalies", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"host":"192.0.2.7","reasons":[{"text":"sent to 400 hosts"}]}
{"host":"2001:db8:0:7::/64","reasons":[{"text":"sent to 900 hosts"}]}
{"host":"192.0.2.8","allowed":"a newsletter","reasons":[{"text":"sent to 400 hosts"}]}
{"host":"192.0.2.9","until":"2026-05-01T10:00:00Z","reasons":[{"text":"sent to 400 hosts"}]}
`)
	})
	mux.HandleFunc("GET /flows/servers", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"host":"192.0.2.25/32","how":"configured"}
{"host":"2001:db8:0:25::/64","how":"learnt"}
`)
	})
	r := &remoteLists{main: control.Local(mux)}
	if _, listed := r.Listed(netip.MustParseAddr("192.0.2.7")); listed {
		t.Error("listed before the daemon was asked")
	}
	if r.MailServer(netip.MustParseAddr("192.0.2.25")) {
		t.Error("a mail server is known before the daemon was asked")
	}
	r.fetch(t.Context())
	for addr, want := range map[string]bool{"192.0.2.25": true, "::ffff:192.0.2.25": true, "2001:db8:0:25::1": true, "192.0.2.7": false} {
		if r.MailServer(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: a mail server %v, want %v", addr, !want, want)
		}
	}
	for addr, want := range map[string]string{
		"192.0.2.7": "sent to 400 hosts", "::ffff:192.0.2.7": "sent to 400 hosts", "2001:db8:0:7:1::9": "sent to 900 hosts",
		"192.0.2.8": "", "192.0.2.9": "", "2001:db8:0:8::9": "", "192.0.2.70": "",
	} {
		if why, listed := r.Listed(netip.MustParseAddr(addr)); why != want || listed != (want != "") {
			t.Errorf("%s: %q, listed %v, want %q", addr, why, listed, want)
		}
	}
}

// What a milter in a process of its own saw comes to the daemon's desk: the counts as evidence, once even where they are
// handed over twice, and the report as a mail in the spool.
func TestRemoteDesk(t *testing.T) {
	cfg := intake.DefaultSpoolConfig()
	cfg.Dir, cfg.MinFree = t.TempDir(), 0
	spool, err := intake.OpenSpool(cfg, intake.SpoolDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	now := time.Date(2026, 5, 1, 10, 0, 0, 123, time.UTC)
	seen := &sightings{now: func() time.Time { return now }}
	mux := http.NewServeMux()
	control.MilterDesk(mux, milterDesk{spool, seen, "desk@example.net"})
	desk := remoteDesk{control.Local(mux)}
	host := netip.MustParseAddr("192.0.2.66")
	for range 2 {
		hosts := []milter.Sighting{{Host: host, Messages: 4000, Recipients: 9000, Rejected: 3, Senders: 2}}
		if err := desk.Sightings(t.Context(), now.Add(-5*time.Minute), now, hosts); err != nil {
			t.Fatal(err)
		}
	}
	testimony, err := seen.Testify(t.Context(), incident.Question{Addr: host, Category: "messaging", Window: incident.Span{From: now.Add(-time.Hour), To: now}})
	if err != nil || len(testimony.Seen) != 1 || testimony.Seen[0].Count != 4000 {
		t.Errorf("testimony %+v, %v", testimony, err)
	}
	report := milter.Report{Rule: "tell", Text: "listed host", IP: host, Time: now, QueueID: "4X1", Score: 4, Header: []byte("Subject: caf\xe9\n"),
		Origin: &trace.Origin{IP: host, RDNSState: trace.RDNSNone, Time: trace.Stamp{Time: now}, Confidence: trace.ConfidenceHigh}}
	if err := desk.Report(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	want, err := sightingMail(report, "desk@example.net")
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	_, err = spool.Scan(t.Context(), 0, func(_ intake.ID, mail intake.Mail) error {
		kept++
		if mail.Envelope.Source != intake.SourceMilter || !bytes.Equal(mail.Raw, want) {
			t.Errorf("kept %+v:\n%s", mail.Envelope, mail.Raw)
		}
		return nil
	})
	if err != nil || kept != 1 {
		t.Errorf("%d mails in the spool, want 1: %v", kept, err)
	}
	for _, path := range []string{"/milter/sightings", "/milter/report"} {
		if err := control.Local(mux).PostRaw(t.Context(), path, "application/json", strings.NewReader("{"), nil); err == nil {
			t.Errorf("%s takes half a document", path)
		}
	}
}
