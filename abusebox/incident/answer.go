package incident

import "time"

// Answer puts a contact's reply on its incident. The same mail counts once, however often it is decided.
func (p Policy) Answer(i Incident, reply Evidence, automatic bool, now time.Time) Decision {
	for _, s := range i.Samples {
		if s.Kind == FromReply && s.Mail == reply.Mail {
			return Decision{Outcome: Replied}
		}
	}
	change := Change{Incident: i, Evidence: []Evidence{reply.Bounded()}}
	change.Incident.Samples = keepSample(i.Samples, reply.Bounded())
	change.Incident.Evidence++
	change.Incident.Changed = now
	action := "auto-reply"
	if !automatic {
		action = "reply"
		change.Incident.acknowledge(now)
	}
	change.record(now, System, action, "mail "+reply.Mail)
	return Decision{Outcome: Replied, Changes: []Change{change}}
}

// Undelivered says what follows when a mail did not arrive: its incidents wait for a person, and the desk is told.
// An incident that waits already stays as it is.
func (p Policy) Undelivered(t Task, incidents []Incident, why string, now time.Time) Decision {
	d := Decision{Outcome: Bounced}
	switch t.Kind {
	case Notice, Digest, Reminder, Escalation:
	default: // what never was for the contact says nothing about it
		return d
	}
	desk := Task{Kind: ToDesk, Why: "a mail to " + t.Contact.Key() + " did not arrive: " + why, State: Queued, Created: now, Due: now, Expires: now.Add(p.Expires)}
	for _, i := range incidents {
		if i.State.Closed() || i.State == Held {
			continue
		}
		change := Change{Incident: i}
		change.Incident.State, change.Incident.Changed = Held, now
		change.Incident.Next = now.Add(p.QuietAfter)
		change.Incident.because("mail to the contact did not arrive: %s", why)
		change.record(now, System, string(Held), why)
		desk.Of = append(desk.Of, len(d.Changes))
		d.Changes = append(d.Changes, change)
	}
	if len(d.Changes) > 0 {
		d.Tasks = []Task{desk}
	}
	return d
}
