package incident

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Errors of commands about incidents.
var (
	ErrState = errors.New("incident: not possible in this state")
	ErrInput = errors.New("incident: something is missing")
)

// A Command is what a person does to incidents, with who and why.
type Command struct {
	Do      string    `json:"do"` // release, close, ignore, merge, assign, comment, reopen, acknowledge
	Who     string    `json:"who"`
	Why     string    `json:"why"`
	Verdict Verdict   `json:"verdict,omitempty"`
	To      string    `json:"to,omitempty"` // the assignee, or the holder a held incident is released to
	At      time.Time `json:"-"`
}

// Apply carries out c on one incident. Merging takes two and has its own function.
func (p Policy) Apply(c Command, i Incident) (Decision, error) {
	if c.Who == "" {
		return Decision{}, fmt.Errorf("%w: who does it", ErrInput)
	}
	change := Change{Incident: i}
	var tasks []Task
	var err error
	switch c.Do {
	case "release":
		tasks, err = p.release(c, &change.Incident)
	case "close":
		err = closeIncident(c, &change.Incident)
	case "ignore":
		err = ignore(c, &change.Incident)
	case "reopen":
		err = reopenByHand(c, &change.Incident)
	case "acknowledge":
		change.Incident.acknowledge(c.At)
	case "assign":
		change.Incident.Assignee, change.Incident.Changed = c.To, c.At
	case "comment":
		if c.Why == "" {
			err = fmt.Errorf("%w: the comment", ErrInput)
		}
	default:
		err = fmt.Errorf("%w: no command %q", ErrInput, c.Do)
	}
	if err != nil {
		return Decision{}, fmt.Errorf("%s: %w", i.ID, err)
	}
	why := c.Why
	if c.To != "" {
		why = "to " + c.To + ": " + why
	}
	change.record(c.At, c.Who, c.Do, why)
	return Decision{Outcome: Filed, Changes: []Change{change}, Tasks: tasks}, nil
}

func (p Policy) release(c Command, i *Incident) ([]Task, error) {
	if i.State != Held && i.State != Unassigned && i.State != Open {
		return nil, fmt.Errorf("%w: only what is held can be released, and it is %s", ErrState, i.State)
	}
	if strings.Contains(c.To, "@") { // a person knows whom to write to, and answers for it
		i.Holder.Contact = Contact{Addresses: []string{c.To}, Why: "named by " + c.Who}
	} else if c.To != "" {
		at := slices.IndexFunc(i.Rivals, func(h Holder) bool { return h.ID == c.To })
		if at < 0 {
			return nil, fmt.Errorf("%w: %q is none of the holders that fit (%s)", ErrInput, c.To, holderNames(i.Rivals))
		}
		i.Was = i.Key
		i.Holder, i.Key.Holder = i.Rivals[at], i.Rivals[at].ID
	}
	if i.Holder.Contact.Key() == "" {
		return nil, fmt.Errorf("%w: no contact is known; name the holder or an address with --to", ErrState)
	}
	i.State = Notified
	i.because("released by %s", c.Who)
	i.notified(c.At, p)
	return []Task{{Kind: Notice, Of: []int{0}, Contact: i.Holder.Contact, Number: i.Notices, Why: "released by a person",
		State: Queued, Created: c.At, Due: c.At, Expires: c.At.Add(p.Expires)}}, nil
}

func closeIncident(c Command, i *Incident) error {
	if i.State == Merged {
		return fmt.Errorf("%w: it was merged into %s", ErrState, i.Into)
	}
	if !slices.Contains(Verdicts(), c.Verdict) {
		return fmt.Errorf("%w: a verdict (confirmed, false, wrong-holder or cannot-tell)", ErrInput)
	}
	i.close(c.At, c.Verdict)
	i.because("closed by %s as %s", c.Who, c.Verdict)
	return nil
}

// close ends an incident. Events before its last one stay in it; later ones open it again.
func (i *Incident) close(now time.Time, v Verdict) {
	i.State, i.Verdict, i.Closed, i.Changed, i.Next, i.Unsent = Resolved, v, now, now, time.Time{}, 0
}

func ignore(c Command, i *Incident) error {
	if i.State == Merged {
		return fmt.Errorf("%w: it was merged into %s", ErrState, i.Into)
	}
	i.State, i.Changed, i.Closed, i.Next = Ignored, c.At, c.At, time.Time{}
	i.because("ignored by %s", c.Who)
	return nil
}

func reopenByHand(c Command, i *Incident) error {
	if i.State != Resolved && i.State != Ignored {
		return fmt.Errorf("%w: it is %s, not closed", ErrState, i.State)
	}
	i.reopen(c.At)
	i.State = Held
	return nil
}

// reopen takes a closed incident up again; what follows decides its state.
func (i *Incident) reopen(now time.Time) {
	i.State, i.Verdict, i.Closed, i.Changed = Open, "", time.Time{}, now
	i.Reopens++
	i.Escalated = 0
	i.because("it started again after it was closed")
}

// acknowledge notes that the contact answered.
func (i *Incident) acknowledge(now time.Time) {
	i.Answered, i.Changed = now, now
	if i.State == Notified || i.State == Open {
		i.State = Acknowledged
		i.because("the contact answered")
	}
}

// Outwardly queues a report about an incident to somebody outside: the operator of the network that it came from.
// Only a person does this, and says so.
func (p Policy) Outwardly(c Command, i Incident) (Decision, error) {
	if c.Who == "" || c.To == "" {
		return Decision{}, fmt.Errorf("%s: %w: who sends it, and to whom", i.ID, ErrInput)
	}
	change := Change{Incident: i}
	change.Incident.Changed = c.At
	change.record(c.At, c.Who, string(Outward), "to "+c.To+": "+c.Why)
	task := Task{Kind: Outward, Of: []int{0}, Contact: Contact{Addresses: []string{c.To}}, Why: c.Why, State: Queued, Created: c.At, Due: c.At, Expires: c.At.Add(p.Expires)}
	return Decision{Outcome: Filed, Changes: []Change{change}, Tasks: []Task{task}}, nil
}

// Merge moves everything of from into into. Evidence never crosses a subject or an address, so both must be
// about the same address and subject; holder and type may differ, where a person knows better.
func (p Policy) Merge(c Command, into, from Incident) (Decision, error) {
	switch {
	case c.Who == "" || c.Why == "":
		return Decision{}, fmt.Errorf("merge: %w: who does it and why", ErrInput)
	case into.ID == from.ID:
		return Decision{}, fmt.Errorf("merge: %w: two different incidents", ErrInput)
	case into.State == Merged || from.State == Merged:
		return Decision{}, fmt.Errorf("merge: %w: one of them was merged already", ErrState)
	case into.Key.Net != from.Key.Net || into.Key.Subject != from.Key.Subject:
		return Decision{}, fmt.Errorf("merge: %w: %s and %s are about different addresses or subjects, and evidence never crosses those", ErrState, into.ID, from.ID)
	}
	into.absorb(from, c.At)
	from.State, from.Into, from.Changed, from.Closed, from.Next = Merged, into.ID, c.At, c.At, time.Time{}
	from.because("merged into %s by %s", into.ID, c.Who)
	a, b := Change{Incident: into, Take: []ID{from.ID}}, Change{Incident: from}
	a.record(c.At, c.Who, "merge", "took in "+from.ID.String()+": "+c.Why)
	b.record(c.At, c.Who, "merge", "went into "+into.ID.String()+": "+c.Why)
	return Decision{Outcome: Filed, Changes: []Change{a, b}}, nil
}

func (i *Incident) absorb(o Incident, now time.Time) {
	if o.First.Before(i.First) {
		i.First = o.First
	}
	if o.Last.After(i.Last) {
		i.Last = o.Last
	}
	i.Reports += o.Reports
	i.Events += o.Events
	i.Unsent += o.Reports
	i.Evidence += o.Evidence
	for _, s := range o.Samples {
		i.Samples = keepSample(i.Samples, s)
	}
	for _, r := range o.Reporters {
		i.countReporter(r.Reporter, r.Count)
	}
	i.Confidence = better(i.Confidence, o.Confidence)
	i.Changed = now
	i.because("took in %s", o.ID)
}
