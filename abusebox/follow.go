package abusebox

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"strings"

	"spoor/abusebox/incident"
	"spoor/abusebox/notify"
	"spoor/internal/message"
)

// optAck is what a complainant who wants no acknowledgements has opted out of.
const optAck = "acknowledge"

// complainant is the address that an acknowledgement would go to, as its state is kept under.
func complainant(r *reading) string { return strings.ToLower(r.mail.From) }

// author is the one address in From, in lower case; "" where there are none or several.
func author(m *message.Message) string {
	all, err := mail.ParseAddressList(m.Header.Get("From"))
	if err != nil || len(all) != 1 {
		return ""
	}
	return strings.ToLower(all[0].Address)
}

func ackCounter(r *reading) string {
	return "ack/" + r.now.Format("20060102") + "/" + complainant(r)
}

// acknowledge queues an answer to the complainant where it is safe: the sender is proven, a person or a mailbox
// that takes answers, not opted out, and not answered today (RFC 3834 §2).
func (d *Desk) acknowledge(r *reading, known incident.Known, decision *incident.Decision) {
	from := complainant(r)
	reporter := r.result.Reporter
	switch {
	case !d.d.Policy.Acknowledge || r.silent != "" || decision.Outcome != incident.Filed || from == "":
		return
	case reporter.Authenticated != "dkim" && reporter.Authenticated != "spf":
		return // a forged sender would get what it never asked for
	case !strings.HasSuffix(from, "@"+strings.ToLower(reporter.Domain)), author(r.msg) != from:
		return // who wrote it may be somebody else than who gets the answer (RFC 3834 §4)
	case slices.Contains(known.Contacts[from].OptOut, optAck), known.Counts[ackCounter(r)] > 0:
		return
	}
	task := incident.Task{Kind: incident.Acknowledge, Mail: r.id.String(), State: incident.Queued, Created: r.now, Due: r.now,
		Expires: r.now.Add(d.d.Policy.Expires), Contact: incident.Contact{Addresses: []string{from}},
		Reply: incident.ReplyTo{Address: from, MessageID: r.msg.Header.Get("Message-ID"), Subject: cut(r.msg.Header.Text("Subject"), 200)}}
	for n := range decision.Changes {
		task.Of = append(task.Of, n)
	}
	decision.Tasks = append(decision.Tasks, task)
	decision.Counts = append(decision.Counts, ackCounter(r))
}

// bounced takes a delivery report about a mail of ours: its address is signed, so that nobody else can send one.
func (d *Desk) bounced(ctx context.Context, r *reading) error {
	bounce, ok := notify.ReadBounce(r.msg)
	if !ok {
		return d.answered(ctx, r) // automatic answers go to the return path (RFC 3834 §4)
	}
	if !bounce.Permanent() {
		return d.commit(ctx, r, record(incident.Bounced, "not final: "+bounce.Action+" "+bounce.Status))
	}
	task, err := d.d.Store.Task(ctx, r.tag.Task)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return storeFault{err}
	}
	why := "bounced (" + bounce.Status + "): " + bounce.Text
	if err == nil {
		if err := d.undeliverable(ctx, task, why, bounce.AddressFault()); err != nil {
			return storeFault{err}
		}
	}
	return d.commit(ctx, r, record(incident.Bounced, why))
}

// undeliverable says of incidents whose mail did not arrive that a person must find another way. It may run twice.
func (d *Desk) undeliverable(ctx context.Context, task incident.Task, why string, broken bool) error {
	now := d.now().UTC()
	ids, err := d.existing(ctx, task.Incidents)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = d.d.Store.Change(ctx, ids, func(incidents []incident.Incident, known incident.Known) (incident.Decision, error) {
		decision := d.d.Policy.Undelivered(task, incidents, why, now)
		if key := task.Contact.Key(); broken && key != "" && task.Kind != incident.ToDesk {
			state := known.Contacts[key]
			state.Broken, state.Why, state.Changed = true, why, now
			state.Failures++
			decision.Contacts = map[string]incident.ContactState{key: state}
		}
		return decision, nil
	})
	d.poke()
	return err
}

// existing leaves out incidents that were purged since.
func (d *Desk) existing(ctx context.Context, ids []incident.ID) (kept []incident.ID, err error) {
	for _, id := range ids {
		_, err := d.d.Store.Incident(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		kept = append(kept, id)
	}
	return kept, nil
}

// optOut stops the acknowledgements to whom one was sent: the signed address that it bears shows that its receiver
// asks. It reports false where the tag is of another mail.
func (d *Desk) optOut(ctx context.Context, r *reading) (done bool, err error) {
	task, err := d.d.Store.Task(ctx, r.tag.Task)
	if errors.Is(err, ErrNotFound) || err == nil && task.Kind != incident.Acknowledge {
		return false, nil
	}
	if err != nil {
		return false, storeFault{err}
	}
	key := strings.ToLower(task.Reply.Address)
	r.contacts = append(r.contacts, key)
	return true, d.commit(ctx, r, func(known incident.Known) (incident.Decision, error) {
		if known.Repeat != "" {
			return repeated(known), nil
		}
		state := known.Contacts[key] // what else is known of the same address stays
		if !slices.Contains(state.OptOut, optAck) {
			state.OptOut = append(slices.Clone(state.OptOut), optAck)
		}
		state.Why, state.Changed = "asked by mail "+r.id.String(), r.now
		return incident.Decision{Outcome: incident.Optout, Contacts: map[string]incident.ContactState{key: state}}, nil
	})
}

// answered puts a reply to a notice on its incident. What a program wrote is kept, but answers for nobody.
func (d *Desk) answered(ctx context.Context, r *reading) error {
	ids, err := d.existing(ctx, []incident.ID{r.tag.Incident})
	if err != nil {
		return storeFault{err}
	}
	automatic := notify.IsAutomatic(r.msg.Header) || r.mail.From == ""
	if !automatic && notify.WantsNoMail(text(r.msg)) {
		if done, err := d.optOut(ctx, r); done || err != nil {
			return err
		}
	}
	outcome, why := incident.Replied, "an answer about "+r.tag.Incident.String()
	if automatic {
		outcome, why = incident.AutoText, "an automatic answer about "+r.tag.Incident.String()
	}
	if len(ids) == 0 {
		return d.commit(ctx, r, record(outcome, why+", which is no longer kept"))
	}
	reply := incident.Evidence{Kind: incident.FromReply, Side: incident.Silent, Mail: r.id.String(), Received: r.now,
		Reporter: incident.Reporter{Address: r.mail.From}, Subject: incident.Subject{Title: r.msg.Header.Text("Subject")},
		Lines: firstLines(text(r.msg), 40), Why: why}
	_, err = d.d.Store.Change(ctx, ids, func(incidents []incident.Incident, _ incident.Known) (incident.Decision, error) {
		return d.d.Policy.Answer(incidents[0], reply, automatic, r.now), nil
	})
	if err != nil {
		return storeFault{err}
	}
	return d.commit(ctx, r, record(outcome, why))
}
