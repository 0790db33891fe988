package abusebox

import (
	"context"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/notify"
)

// A Clerk does what people ask of the desk's records. It works beside a running Desk, or alone on an opened store.
type Clerk struct {
	Store    Store
	Policy   incident.Policy
	Composer *notify.Composer // for previews
	Now      func() time.Time // nil: time.Now
	Queued   func()           // told that a task was queued; may be nil
	Raw      RawMails         // nil: what raw mails tell of a person is not known
	KeepMail time.Duration    // age at which raw mails leave the spool; 0 keeps them
}

func (c *Clerk) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC()
	}
	return c.Now().UTC()
}

// Apply carries out a person's command on one incident.
func (c *Clerk) Apply(ctx context.Context, id incident.ID, command incident.Command) (incident.Incident, error) {
	command.At = c.now()
	return c.change(ctx, []incident.ID{id}, func(all []incident.Incident) (incident.Decision, error) { return c.Policy.Apply(command, all[0]) })
}

// Merge moves everything about one incident into another.
func (c *Clerk) Merge(ctx context.Context, into, from incident.ID, command incident.Command) (incident.Incident, error) {
	command.At = c.now()
	return c.change(ctx, []incident.ID{into, from}, func(all []incident.Incident) (incident.Decision, error) {
		return c.Policy.Merge(command, all[0], all[1])
	})
}

func (c *Clerk) change(ctx context.Context, ids []incident.ID, do func([]incident.Incident) (incident.Decision, error)) (incident.Incident, error) {
	decision, err := c.Store.Change(ctx, ids, func(all []incident.Incident, _ incident.Known) (incident.Decision, error) { return do(all) })
	if err != nil {
		return incident.Incident{}, err
	}
	if len(decision.Tasks) > 0 && c.Queued != nil {
		c.Queued()
	}
	return decision.Changes[0].Incident, nil
}

// Preview composes the mail that an incident's next notice would be; nothing is kept and nothing sent.
func (c *Clerk) Preview(ctx context.Context, id incident.ID) (notify.Notice, error) {
	i, err := c.Store.Incident(ctx, id)
	if err != nil {
		return notify.Notice{}, err
	}
	kind := incident.Notice
	if i.Holder.Contact.Key() == "" {
		kind = incident.ToDesk
	}
	task := incident.Task{Kind: kind, Contact: i.Holder.Contact, Incidents: []incident.ID{id}, Number: i.Notices + 1, Why: "preview"}
	return c.Composer.Compose(ctx, notify.Job{Task: task, Incidents: []incident.Incident{i}, Now: c.now()})
}

// Draft composes a report about an incident to somebody outside; with send it is queued as well, as if a person had
// put it into the post.
func (c *Clerk) Draft(ctx context.Context, id incident.ID, command incident.Command, send bool) (notify.Notice, error) {
	i, err := c.Store.Incident(ctx, id)
	if err != nil {
		return notify.Notice{}, err
	}
	task := incident.Task{Kind: incident.Outward, Contact: incident.Contact{Addresses: []string{command.To}}, Incidents: []incident.ID{id}}
	draft, err := c.Composer.Compose(ctx, notify.Job{Task: task, Incidents: []incident.Incident{i}, Now: c.now()})
	if err != nil || !send {
		return draft, err
	}
	command.At = c.now()
	_, err = c.change(ctx, []incident.ID{id}, func(all []incident.Incident) (incident.Decision, error) { return c.Policy.Outwardly(command, all[0]) })
	return draft, err
}

// Verify walks the history's chain: how many entries it has, how many were erased, the hash at its end, and what is wrong.
func (c *Clerk) Verify(ctx context.Context) (Chain, error) {
	var chain Chain
	var prev *incident.Sealed
	for sealed, err := range c.Store.History(ctx, 0) {
		if err != nil {
			return chain, err
		}
		chain.Entries++
		if _, ok := sealed.Entry(); !ok {
			chain.Erased++
		}
		if err := sealed.Follows(prev); err != nil && chain.Broken == "" {
			chain.Broken = err.Error()
		}
		prev = &sealed
	}
	if prev != nil {
		chain.Head = prev.Hash
	}
	return chain, nil
}

// A Chain is the state of the history. Who writes its Head down elsewhere can tell later that nothing was cut off.
type Chain struct {
	Entries int    `json:"entries"`
	Erased  int    `json:"erased"`
	Head    []byte `json:"head"`
	Broken  string `json:"broken,omitempty"`
}
