// Package abusebox is the Desk: it takes mail from the spool, reads what is alleged, asks who answered for the
// address at that time and what our own network saw, decides, and sees to it that the right people are told.
package abusebox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/report"
	"spoor/internal/message"
)

// A Spool is where received mails lie; *intake.Spool is one.
type Spool interface {
	Get(id intake.ID) (intake.Mail, error)
	Scan(ctx context.Context, from intake.ID, fn func(intake.ID, intake.Mail) error) (intake.ID, error)
	Changed() <-chan struct{}
	// Expire deletes mails of days before a time, but none from keep on.
	Expire(before time.Time, keep intake.ID) (int, error)
}

// A Read turns a mail into what it alleges.
type Read func(ctx context.Context, m *message.Message, mail intake.Mail) report.Result

// Holders say who answered for an address at a time.
type Holders interface {
	Holders(ctx context.Context, q Whose) (Answer, error)
}

// A Whose asks who answered for an address, and for a port of it where many share it, when something happened.
type Whose struct {
	Addr        netip.Addr
	Port        uint16 // the address's own port; 0 where it is not known
	Protocol    string // "tcp" or "udp"; empty where it is not known
	At          time.Time
	Uncertainty time.Duration // it happened at At, give or take this
}

// noZone is how far a time may be off that states no zone: every offset in use lies within it (RFC 5322 §3.3).
const noZone = 14 * time.Hour

// whose is the question that a report poses.
func whose(e incident.Evidence) Whose {
	q := Whose{Addr: e.Addr, Port: e.Port, Protocol: e.Protocol, At: e.When(), Uncertainty: e.Uncertainty}
	if !e.ZoneKnown {
		q.Uncertainty = max(q.Uncertainty, noZone)
	}
	return q
}

// An Answer is who fits: nobody, one, or several where nothing settles it.
type Answer struct {
	Ours    bool
	Holders []incident.Holder
	Why     string // how it was found, or what is missing ("the address is shared: a port is needed")
}

// A Witness is a source of our own that may have seen what is alleged: flows, mail logs, the milter.
type Witness interface {
	Testify(ctx context.Context, q incident.Question) (incident.Testimony, error)
}

// Listings are our own lists of hosts that misbehave.
type Listings interface {
	Listings(ctx context.Context, now time.Time) ([]incident.Listing, error)
}

// Blocks know which restrictions of an address were in force in or near a time.
type Blocks interface {
	Restrictions(ctx context.Context, q incident.Question) ([]incident.Restriction, error)
}

// A Blocker takes proposals for restrictions; it decides by its own rules whether they come into force.
type Blocker interface {
	Propose(ctx context.Context, i incident.Incident, why string) error
}

// Brakes put back to hold what accused wrongly too often: rules to add, and grounds to take from the floor.
type Brakes interface {
	Brakes() (hold []incident.Rule, grounds []incident.Ground)
}

// Deps are what a Desk works with. What may be nil says so.
type Deps struct {
	Config     Config
	Policy     incident.Policy
	Notify     notify.Config
	Store      Store
	Spool      Spool
	Read       Read
	Holders    Holders
	Witnesses  []Witness
	Listings   Listings   // nil: no proactive notices
	Blocks     Blocks     // nil: nothing was ever blocked
	Blocker    Blocker    // nil: proposals are only noted
	Brakes     Brakes     // nil: nothing is put back
	Reputation Reputation // nil: nobody remembers whose reports were borne out
	Composer   *notify.Composer
	Transport  notify.Transport // nil: nothing is sent, whatever Notify.Send says
	Signer     *notify.Signer
	KeepMail   time.Duration // age at which raw mails leave the spool; 0 keeps them
	Instance   string        // our own mark
	Recipients []string      // our addresses, for deciding whether a mail was sent to us
	Logger     *slog.Logger
	Registry   prometheus.Registerer // nil: metrics are kept, but nobody sees them
	Now        func() time.Time      // nil: time.Now
}

// A Desk runs the stages in order. Make one with New.
type Desk struct {
	d       Deps
	metrics *metrics
	wake    chan struct{} // somebody queued a task
	lesson  patterns
	now     func() time.Time
	log     *slog.Logger
}

// New checks the parts and returns a Desk, which does nothing until Run.
func New(d Deps) (*Desk, error) {
	for name, missing := range map[string]bool{"Store": d.Store == nil, "Spool": d.Spool == nil, "Read": d.Read == nil, "Holders": d.Holders == nil,
		"Composer": d.Composer == nil, "Signer": d.Signer == nil, "Instance": d.Instance == ""} {
		if missing {
			return nil, fmt.Errorf("desk: %s is missing", name)
		}
	}
	desk := &Desk{d: d, metrics: newMetrics(d.Registry), wake: make(chan struct{}, 1), now: d.Now, log: d.Logger}
	if desk.now == nil {
		desk.now = time.Now
	}
	if desk.log == nil {
		desk.log = slog.New(slog.DiscardHandler)
	}
	return desk, nil
}

// Clerk returns who does what people ask of this desk's records.
func (d *Desk) Clerk() *Clerk {
	return &Clerk{Store: d.d.Store, Policy: d.d.Policy, Composer: d.d.Composer, Now: d.now, Queued: d.poke}
}

// Run works until ctx ends, then finishes what it has begun.
func (d *Desk) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.feed(ctx) })
	group.Go(func() error { return d.deliver(ctx) })
	group.Go(func() error { return d.every(ctx, d.d.Config.ReviewEvery.Std(), "review", d.Review) })
	group.Go(func() error { return d.every(ctx, purgeEvery, "purge", d.purge) })
	if d.d.Config.Education {
		group.Go(func() error { return d.every(ctx, educateEvery, "education", d.educate) })
	}
	if d.d.Config.Proactive && d.d.Listings != nil {
		group.Go(func() error { return d.every(ctx, d.d.Config.ListingEvery.Std(), "listings", d.Proact) })
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("desk: %w", err)
	}
	return nil
}

// keepCounters is how long the counters of caps are kept; the longest counts a month.
const keepCounters = 70 * 24 * time.Hour

// purgeEvery is how often the ages of what is kept are looked at.
const purgeEvery = time.Hour

// policy is the configured one, with what the brakes hold back.
func (d *Desk) policy() incident.Policy {
	if d.d.Brakes == nil {
		return d.d.Policy
	}
	p := d.d.Policy
	hold, grounds := d.d.Brakes.Brakes()
	p.Rules = append(slices.Clone(hold), p.Rules...)
	p.Floor = slices.DeleteFunc(slices.Clone(p.Floor), func(g incident.Ground) bool { return slices.Contains(grounds, g) })
	return p
}

// every does something now and then; what fails is logged and done again the next time.
func (d *Desk) every(ctx context.Context, period time.Duration, name string, do func(context.Context) error) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if err := guard(func() error { return do(ctx) }); err != nil && ctx.Err() == nil {
			d.metrics.failures.WithLabelValues(name).Inc()
			d.log.Error("desk: "+name, "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *Desk) purge(ctx context.Context) error {
	now := d.now()
	purged, err := d.d.Store.Purge(ctx, d.d.Config.Purge(now, false))
	if err == nil && d.d.KeepMail > 0 {
		err = d.expire(ctx, now.Add(-d.d.KeepMail))
	}
	if err == nil && purged != (Purged{}) {
		d.log.Info("purged", "evidence", purged.Evidence, "mails", purged.Mails, "incidents", purged.Incidents, "history", purged.History)
	}
	return err
}

// Wake tells the outbox that somebody else queued a task.
func (d *Desk) Wake() { d.poke() }

// expire deletes raw mails that are done and older than they may be.
func (d *Desk) expire(ctx context.Context, before time.Time) error {
	keep, err := d.d.Store.Cursor(ctx)
	if err != nil {
		return err
	}
	n, err := d.d.Spool.Expire(before, keep)
	if n > 0 {
		d.log.Info("spool: segments expired", "segments", n, "before", before)
	}
	return err
}

// poke wakes the outbox.
func (d *Desk) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// A panicked is a panic that was contained.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }
