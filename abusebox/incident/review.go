package incident

import (
	"fmt"
	"time"
)

// A Quietness is what our sources say about an address since its last event.
type Quietness struct {
	Covered bool      // the whole time was provably visible to us
	Active  bool      // and something of the kind was seen
	Last    time.Time // when, at the latest
	What    string
}

// Quietly sums testimonies up over the time from since to now.
func Quietly(testimonies []Testimony, since, now time.Time) (q Quietness) {
	span := Span{since.Add(slack), now.Add(-slack)}
	for _, t := range testimonies {
		if seen := seenIn(t.Seen, span); len(seen) > 0 {
			q.Active = true
			for _, s := range seen {
				if s.To.After(q.Last) {
					q.Last, q.What = s.To, s.What
				}
			}
		}
		q.Covered = q.Covered || covers(t.Covered, span)
	}
	return q
}

// Review says what follows for incidents whose Next time has come: the digest, the reminder, the escalation, or
// closing after quiet. Mails to one contact are put together.
func (p Policy) Review(incidents []Incident, quiet map[ID]Quietness, contacts map[string]ContactState, now time.Time) Decision {
	r := &reviewer{policy: p, contacts: contacts, now: now, tasks: map[string]int{}}
	for _, i := range incidents {
		if i.State.Closed() || i.Next.IsZero() || i.Next.After(now) {
			continue // somebody was faster
		}
		r.review(i, quiet[i.ID])
	}
	r.out.Outcome = Filed
	return r.out
}

// A reviewer collects what follows for several incidents.
type reviewer struct {
	policy   Policy
	contacts map[string]ContactState
	now      time.Time
	out      Decision
	tasks    map[string]int // by kind and contact: index of the task that such incidents share
}

func (r *reviewer) review(i Incident, q Quietness) {
	r.out.Changes = append(r.out.Changes, Change{Incident: i})
	c := &r.out.Changes[len(r.out.Changes)-1]
	switch {
	case r.isQuiet(i, q):
		r.closeQuiet(c, q)
	case i.State == Open && i.Unsent > 0:
		c.Incident.State = Notified
		r.send(c, Digest, i.Holder.Contact, fmt.Sprintf("%d reports", i.Unsent))
	case i.State != Notified && i.State != Acknowledged:
		c.Incident.Next = r.now.Add(r.policy.QuietAfter) // a person has it; ask again only whether it is quiet
	case i.Answered.IsZero() && !i.Deadline.After(r.now) && r.goesOn(i, q) && i.Escalated < r.policy.Escalations:
		r.escalate(c)
	case i.Unsent > 0 && !r.policy.tellAt(i).After(r.now):
		r.send(c, Digest, i.Holder.Contact, fmt.Sprintf("%d more reports", i.Unsent))
	default:
		c.Incident.Next = r.nextLook(i)
	}
	c.Incident.Changed = r.now
}

// isQuiet reports whether neither complaints nor our flows told of anything for long enough.
func (r *reviewer) isQuiet(i Incident, q Quietness) bool {
	if i.State == Held || i.State == Unassigned {
		return false
	}
	for _, last := range []time.Time{i.Last, i.Opened, q.Last} {
		if r.now.Sub(last) < r.policy.QuietAfter {
			return false
		}
	}
	return true
}

// goesOn reports whether something happened after the last notice: to repeat a notice about nothing new helps nobody.
func (r *reviewer) goesOn(i Incident, q Quietness) bool {
	return i.Last.After(i.Notified) || i.Unsent > 0 || q.Active && q.Last.After(i.Notified)
}

// closeQuiet closes with what we know: proven by flows, or only that nobody complained.
func (r *reviewer) closeQuiet(c *Change, q Quietness) {
	why := fmt.Sprintf("nothing reported for %s; our own traffic records do not cover it, so this is not proof", r.policy.QuietAfter)
	if q.Covered {
		why = fmt.Sprintf("nothing reported for %s, and our flows show nothing of the kind since", r.policy.QuietAfter)
	}
	c.Incident.close(r.now, Quiet)
	c.Incident.because("%s", why)
	c.record(r.now, System, "close", why)
}

// escalate takes the next step: a reminder, then the upstream contact, or the desk where there is none.
func (r *reviewer) escalate(c *Change) {
	i := &c.Incident
	i.Escalated++
	if i.Escalated == 1 {
		r.send(c, Reminder, i.Holder.Contact, "no answer by the deadline, and it goes on")
		return
	}
	to := i.Holder.Contact
	to.Addresses, to.Upstream = i.Holder.Contact.Upstream, nil
	if len(to.Addresses) == 0 {
		to = Contact{}
	}
	r.send(c, Escalation, to, "no answer after two notices, and it goes on")
}

// send queues one mail for the contact and puts this incident into it; the contact's refusals hold.
func (r *reviewer) send(c *Change, kind TaskKind, to Contact, why string) {
	i := &c.Incident
	state := r.contacts[i.Holder.Contact.Key()]
	declined := i.Holder.Contact
	declined.OptOut = append(append([]string(nil), declined.OptOut...), state.OptOut...)
	if kind != Escalation && (state.Broken || declined.Declines(i.Key.Type)) {
		i.State = Held
		i.because("the contact cannot or will not take mail about this")
		c.record(r.now, System, string(Held), "contact broken or opted out")
		i.Next = r.now.Add(r.policy.QuietAfter)
		return
	}
	i.notified(r.now, r.policy)
	if i.State == Acknowledged && kind != Digest {
		i.State = Notified
	}
	key := string(kind) + "|" + to.Key()
	at, ok := r.tasks[key]
	if !ok {
		at = len(r.out.Tasks)
		r.tasks[key] = at
		r.out.Tasks = append(r.out.Tasks, Task{Kind: kind, Contact: to, Number: i.Notices, Why: why, State: Queued,
			Created: r.now, Due: r.now, Expires: r.now.Add(r.policy.Expires)})
	}
	r.out.Tasks[at].Of = append(r.out.Tasks[at].Of, len(r.out.Changes)-1)
	c.record(r.now, System, string(kind), why)
}

// nextLook is when a quiet incident is looked at again: at its deadline, when its digest is due, or when it may be closed.
func (r *reviewer) nextLook(i Incident) time.Time {
	next := i.Last.Add(r.policy.QuietAfter)
	if i.Deadline.After(r.now) && i.Deadline.Before(next) {
		next = i.Deadline
	}
	if tell := r.policy.tellAt(i); i.Unsent > 0 && tell.After(r.now) && tell.Before(next) {
		next = tell
	}
	if !next.After(r.now) {
		next = r.now.Add(r.policy.every(i.Holder.Contact))
	}
	return next
}
