package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/abusebox/incident"
	"spoor/abusebox/maillog"
)

// openMaillog prepares to follow the mail logs that [maillog] names; the witness answers from what run has read.
func openMaillog(cfg maillog.Config, log *slog.Logger, metrics prometheus.Registerer) (w maillogWitness, run func(context.Context) error, err error) {
	index := maillog.NewIndex(cfg.Keep.Std(), cfg.Entries, nil)
	follower, err := maillog.NewFollower(cfg, index, log, metrics, time.Now)
	if err != nil {
		return w, nil, err
	}
	return maillogWitness{index}, follower.Run, nil
}

// A logReader answers what mail logs say of an address in a stretch of time.
type logReader interface {
	Ask(ctx context.Context, addr netip.Addr, from, to time.Time) (maillog.Answer, error)
}

// maillogWitness tells the desk what our mail servers' logs say of an address.
type maillogWitness struct{ logs logReader }

// What stands out in ten minutes of a log. A host that hands its ordinary mail to our servers is in their logs
// whenever it is complained of, so that less than this speaks for nothing.
const (
	outMessages = 100
	outRefused  = 5
	outBounced  = 10
	outLogins   = 5
)

// Testify implements abusebox.Witness. The logs know only what passed our servers: their silence speaks against
// nothing, so they give no coverage, just sightings.
func (w maillogWitness) Testify(ctx context.Context, q incident.Question) (incident.Testimony, error) {
	t := incident.Testimony{Source: incident.FromLog}
	if q.Category != "messaging" && q.Type != "login-attack" {
		t.Note = "mail logs say nothing about this kind"
		return t, nil
	}
	answer, err := w.logs.Ask(ctx, q.Addr, q.Window.From, q.Window.To)
	if err != nil {
		return t, err
	}
	t.Note = answer.Note
	usual := int64(0)
	for _, s := range answer.Sightings {
		what, out := standsOut(q, s)
		if !out {
			usual += s.Messages
			continue
		}
		t.Seen = append(t.Seen, incident.Sighting{Span: incident.Span{From: s.From, To: s.To}, Count: int(s.Messages + s.Rejected + s.BadLogins), What: what})
	}
	if len(t.Seen) == 0 && t.Note == "" {
		t.Note = "our mail logs show nothing of it; they know only what passed our servers"
		if usual > 0 {
			t.Note = fmt.Sprintf("our mail logs show %d messages around that time and nothing unusual about them", usual)
		}
	}
	return t, nil
}

// standsOut says whether ten minutes of a log speak for the kind of complaint, and how.
func standsOut(q incident.Question, s maillog.Sighting) (what string, out bool) {
	if q.Category != "messaging" {
		return fmt.Sprintf("%d failed logins at our mail servers", s.BadLogins), s.BadLogins >= outLogins
	}
	refused := s.Rejected + s.Tempfailed
	what = fmt.Sprintf("our mail logs: %d messages to %d recipients, %d refused, %d bounced", s.Messages, s.Recipients, refused, s.Bounced)
	if s.Viruses > 0 {
		what += fmt.Sprintf(", %d with a virus", s.Viruses)
	}
	if len(s.Lines) > 0 {
		what += "; " + maillog.Redact(s.Lines[0])
	}
	return what, s.Viruses > 0 || s.Messages >= outMessages || refused >= outRefused || s.Bounced >= outBounced
}
