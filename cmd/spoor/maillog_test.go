package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/maillog"
)

var _ abusebox.Witness = maillogWitness{}

// TestMaillogWitness follows a log and asks it as the desk does: what stands out is told, the usual is not, and
// silence is no coverage.
func TestMaillogWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mail.log")
		var log strings.Builder
		at := time.Now().UTC().Format(time.RFC3339)
		line := func(format string, args ...any) { fmt.Fprintf(&log, at+" mx1 postfix/"+format+"\n", args...) }
		for i := range 5 {
			line("smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 550 5.1.1 <u%d@example.com>: Recipient address rejected: User unknown; from=<a@example.org>", i)
			line("smtps/smtpd[1]: warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: x, sasl_username=bob")
		}
		line("smtpd[1]: 4F1B2C0A3D: client=mx.example.org[192.0.2.8]")
		line("qmgr[1]: 4F1B2C0A3D: from=<a@example.org>, size=9, nrcpt=1 (queue active)")
		if err := os.WriteFile(path, []byte(log.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		config := maillog.DefaultConfig()
		config.Paths = []string{path}
		witness, follow, err := openMaillog(config, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- follow(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, test := range []struct {
			addr, category, typ string
			seen                int
			says                string
		}{
			{"192.0.2.7", "messaging", "spam", 1, "5 refused"},
			{"192.0.2.8", "messaging", "spam", 0, "1 messages around that time and nothing unusual"},
			{"192.0.2.1", "messaging", "spam", 0, "our mail logs"},
			{"192.0.2.9", "connection", "login-attack", 1, "5 failed logins"},
			{"192.0.2.7", "content", "phishing", 0, "nothing about this kind"},
		} {
			q := incident.Question{Addr: netip.MustParseAddr(test.addr), Category: test.category, Type: test.typ,
				Window: incident.Span{From: time.Now().Add(-time.Minute), To: time.Now()}}
			testimony, err := witness.Testify(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			said := testimony.Note
			for _, s := range testimony.Seen {
				said += s.What
			}
			if len(testimony.Seen) != test.seen || !strings.Contains(said, test.says) || len(testimony.Covered) > 0 {
				t.Errorf("%s %s: %+v, want %d sightings that say %q, and no coverage", test.addr, test.typ, testimony, test.seen, test.says)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
