package abusebox_test

import (
	"context"
	"log/slog"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
)

// serve puts a server with an SMTP listener before the desk, and returns its address.
func (w *world) serve() (addr string) {
	w.t.Helper()
	cfg := intake.DefaultConfig()
	cfg.SMTP, cfg.Hostname, cfg.Recipients = []string{"127.0.0.1:0"}, "mx.example.net", []string{"abuse@example.net"}
	s, err := intake.New(cfg, intake.Deps{Spool: w.spool, Logger: slog.New(slog.DiscardHandler), Dir: w.dir, Instance: instance, Now: w.clock.now})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return s.Addrs()[0].String()
}

// TestClockJumps turns the clock of a whole server back and forth between mails: each is answered for, decided once and told once,
// a repeat is known (but by a clock that once was more than a week ahead: fingerprints are forgotten by it), and the drop folder is emptied.
func TestClockJumps(t *testing.T) {
	w := newWorld(t)
	addr := w.serve()
	send := func(raw string) {
		t.Helper()
		if err := smtp.SendMail(addr, nil, "fbl@reporter.example", []string{"abuse@example.net"}, []byte(strings.ReplaceAll(raw, "\n", "\r\n"))); err != nil {
			t.Fatal(err)
		}
		w.inputs++
		w.settled()
	}
	first := arf("192.0.2.1", w.clock.now(), 1)
	send(first)
	for n, jump := range []time.Duration{-72 * time.Hour, 5 * 24 * time.Hour, -5 * 24 * time.Hour, time.Hour} {
		w.clock.add(jump)
		send(arf("192.0.2."+string(rune('2'+n)), w.clock.now(), n+2))
	}
	send(first)
	if err := intake.NewDrop(w.dir, 1<<20).Put(intake.Mail{Envelope: intake.Envelope{From: "fbl@reporter.example"}, Raw: []byte(arf("192.0.2.9", w.clock.now(), 9))}); err != nil {
		t.Fatal(err)
	}
	w.inputs++
	w.settled()
	want := []incident.Outcome{incident.Filed, incident.Filed, incident.Filed, incident.Filed, incident.Filed, incident.Repeated, incident.Filed}
	if d := cmp.Diff(want, w.outcomes()); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
	told := map[string]int{}
	for _, i := range w.incidents() {
		told[string(i.State)]++
	}
	if d := cmp.Diff(map[string]int{string(incident.Notified): 6}, told); d != "" || w.sink.count() != 6 {
		t.Errorf("%d notices; incidents by state (-want +got):\n%s", w.sink.count(), d)
	}
}
