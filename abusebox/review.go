package abusebox

import (
	"context"
	"fmt"
	"slices"

	"spoor/abusebox/incident"
)

// maxReviewed bounds how many incidents one transaction looks at.
const maxReviewed = 500

// Review looks at incidents whose time has come: digests, deadlines, and closing after quiet.
func (d *Desk) Review(ctx context.Context) error {
	for {
		n, err := d.review(ctx)
		if err != nil || n < maxReviewed {
			return err
		}
	}
}

func (d *Desk) review(ctx context.Context) (int, error) {
	now := d.now().UTC()
	ids, err := d.d.Store.Due(ctx, now, maxReviewed)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	quiet := map[incident.ID]incident.Quietness{}
	for _, id := range ids {
		i, err := d.d.Store.Incident(ctx, id)
		if err != nil {
			return 0, fmt.Errorf("review %s: %w", id, err)
		}
		if i.Key.Net.IsValid() && len(d.d.Witnesses) > 0 {
			q := incident.Question{Addr: i.Key.Net.Addr(), Category: i.Category, Type: i.Key.Type, Window: incident.Span{From: i.Last, To: now}}
			quiet[id] = incident.Quietly(d.ask(ctx, q), i.Last, now)
		}
	}
	decision, err := d.d.Store.Change(ctx, ids, func(incidents []incident.Incident, known incident.Known) (incident.Decision, error) {
		return d.d.Policy.Review(incidents, quiet, known.Contacts, now), nil
	})
	if err != nil {
		return 0, fmt.Errorf("review: %w", err)
	}
	if len(decision.Tasks) > 0 {
		d.poke()
	}
	return len(ids), nil
}

// maxListings bounds how many hosts of our lists one look takes up.
const maxListings = 5000

// Proact opens incidents about hosts on our own lists before anybody complains.
func (d *Desk) Proact(ctx context.Context) error {
	now := d.now().UTC()
	listings, err := d.d.Listings.Listings(ctx, now)
	if err != nil {
		return fmt.Errorf("listings: %w", err)
	}
	for _, l := range listings[:min(len(listings), maxListings)] {
		if err := d.proact(ctx, l); err != nil {
			return fmt.Errorf("listing of %s: %w", l.Addr, err)
		}
	}
	return nil
}

func (d *Desk) proact(ctx context.Context, l incident.Listing) error {
	now := d.now().UTC()
	e := l.Evidence(now)
	answer, err := d.d.Holders.Holders(ctx, whose(e))
	if err != nil || !answer.Ours {
		return err
	}
	c := incident.Case{Evidence: e, Ours: true, Holders: answer.Holders, Why: answer.Why}
	ask := Ask{Keys: []incident.Key{incident.KeyOf(c, d.d.Policy.V6Bits)}, Record: MailRecord{Decided: now}}
	for _, h := range answer.Holders {
		if key := h.Contact.Key(); key != "" && !slices.Contains(ask.Contacts, key) {
			ask.Contacts = append(ask.Contacts, key)
		}
	}
	decision, err := d.d.Store.Decide(ctx, ask, func(known incident.Known) (incident.Decision, error) {
		return d.d.Policy.Proact(known, c, l.Profile, l.Sure, now), nil
	})
	if err != nil {
		return err
	}
	if len(decision.Tasks) > 0 {
		d.poke()
	}
	return nil
}
