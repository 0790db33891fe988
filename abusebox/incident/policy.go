package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Policy is how the desk decides: the windows, the floor, the caps and the rules.
type Policy struct {
	Window        time.Duration // how long after its last event an incident takes in new ones
	V6Bits        int           // IPv6 addresses of one prefix of this length are one incident
	Floor         []Ground      // what lifts an allegation above the confidence floor
	OldEvents     time.Duration // reports about events older than this wait for a person
	MaxReports    int           // reports of one mail that are looked at
	MaxNotices    int           // notices of one mail; more incidents of one contact share a mail
	PerReporter   int           // notices that one reporter may cause in a day
	PerUnproven   int           // notices that all unauthenticated reporters together may cause in a day
	Deadline      time.Duration // by when a notice asks for an answer
	DigestEvery   time.Duration // how often later reports are told
	QuietAfter    time.Duration // without events for so long, an incident is closed
	Escalations   int           // steps after the first notice: reminder, upstream or desk
	Acknowledge   bool          // answer complainants, once, where it is safe
	UnassignedDue time.Duration // how long a summary for the desk waits so that many share one mail
	Expires       time.Duration // how long a mail is tried
	Digest        bool          // contacts that say nothing get one mail a day instead of one at once
	Rules         []Rule
}

// DefaultPolicy is safe: only grounds that can be checked, one mail at once and then one a day.
func DefaultPolicy() Policy {
	return Policy{
		Window: Window, V6Bits: 128, Floor: []Ground{Authenticated, Structured, OwnEvidence}, OldEvents: 30 * 24 * time.Hour,
		MaxReports: 1000, MaxNotices: 5, PerReporter: 1000, PerUnproven: 500, Deadline: 24 * time.Hour,
		DigestEvery: 24 * time.Hour, QuietAfter: 72 * time.Hour, Escalations: 2, UnassignedDue: 0, Expires: 5 * 24 * time.Hour,
	}
}

// unproven is the counter that all unauthenticated reporters share: their names cost nothing to invent.
const unproven = "unauthenticated"

// Counter names the counter of notices that reporter caused on the day of now.
func Counter(r Reporter, now time.Time) string {
	name := r.Name()
	if !r.Proven() {
		name = unproven
	}
	return "notices/" + now.UTC().Format("20060102") + "/" + name
}

// Decide says what becomes of one mail's cases, given what the store knows. It is pure.
func (p Policy) Decide(known Known, cases []Case, now time.Time) Decision {
	d := &decider{policy: p, known: known, now: now, counts: map[string]int{}}
	if known.Repeat != "" {
		return Decision{Outcome: Repeated, Why: "the same mail came before as " + known.Repeat}
	}
	if len(cases) > p.MaxReports {
		d.out.Why = fmt.Sprintf("%d reports in one mail; the first %d were filed and a person sees the rest", len(cases), p.MaxReports)
		d.out.Tasks = append(d.out.Tasks, d.task(ToDesk, cases[0].Evidence.Mail, d.out.Why))
		cases = cases[:p.MaxReports]
	}
	for _, c := range cases {
		d.file(c)
	}
	d.shareNotices()
	d.out.Outcome = Filed
	return d.out
}

// A decider works through the cases of one mail.
type decider struct {
	policy Policy
	known  Known
	now    time.Time
	out    Decision
	counts map[string]int
}

// file puts one case into the incident it belongs to, or makes one, and decides what follows.
func (d *decider) file(c Case) {
	e, corrected := sane(c.Evidence.Bounded(), d.now)
	e.Side = For
	c.Evidence = e
	key := KeyOf(c, d.policy.V6Bits)
	confidence := Assess(e, c.Testimonies, at(d.known.Incidents, key))
	change, fresh := d.open(key, c)
	i := &change.Incident
	reopened := !fresh && i.State == Resolved && e.When().After(i.Closed)
	i.join(e, d.now)
	change.Evidence = append(change.Evidence, e)
	d.addTestimony(change, c)
	i.Confidence = better(i.Confidence, confidence)
	i.lead(e, c.Testimonies)
	if corrected != "" {
		i.because("%s", corrected)
	}
	if reopened {
		i.reopen(d.now)
		change.record(d.now, System, "reopen", "reported again after it was closed")
	}
	d.next(change, c, fresh || reopened)
}

// at returns the incidents about the same address and subject.
func at(all []Incident, key Key) (same []Incident) {
	for _, i := range all {
		if i.Key.Net == key.Net && i.Key.Subject == key.Subject {
			same = append(same, i)
		}
	}
	return same
}

// open returns the change of the incident that c belongs to, made new where there is none.
func (d *decider) open(key Key, c Case) (change *Change, fresh bool) {
	event := Span{c.Evidence.When(), c.Evidence.Until()}
	for n := range d.out.Changes { // reports of the same mail join each other
		if find([]Incident{d.out.Changes[n].Incident}, key, event, d.policy.Window) == 0 {
			return &d.out.Changes[n], false
		}
	}
	if at := find(d.known.Incidents, key, event, d.policy.Window); at >= 0 {
		for n := range d.out.Changes {
			if d.out.Changes[n].Incident.ID == d.known.Incidents[at].ID {
				return &d.out.Changes[n], false
			}
		}
		d.out.Changes = append(d.out.Changes, Change{Incident: d.known.Incidents[at]})
		return &d.out.Changes[len(d.out.Changes)-1], false
	}
	i := Incident{Key: key, Category: c.Evidence.Category, Opened: d.now, Changed: d.now, Previous: previous(d.known.Incidents, key)}
	if len(c.Holders) == 1 {
		i.Holder = c.Holders[0]
	} else {
		i.Rivals = c.Holders
	}
	d.out.Changes = append(d.out.Changes, Change{Incident: i})
	change = &d.out.Changes[len(d.out.Changes)-1]
	change.record(d.now, System, "open", c.Evidence.Why)
	return change, true
}

// addTestimony keeps what our own sources said beside the complaint, for and against alike.
func (d *decider) addTestimony(change *Change, c Case) {
	for _, t := range c.Testimonies {
		f := Weigh(c.Evidence, t)
		e := Evidence{Kind: t.Source, Side: f.Side, Mail: c.Evidence.Mail, Addr: c.Evidence.Addr, From: c.Evidence.From,
			To: c.Evidence.To, ZoneKnown: true, Received: d.now, Type: c.Evidence.Type, Why: f.Why, Count: counted(c.Evidence, t)}
		if f.Side == Silent && change.Incident.Evidence > 1 {
			continue // once is enough to know that we could not see
		}
		change.Evidence = append(change.Evidence, e)
		change.Incident.Evidence++
	}
}

// counted is how much a source saw the address do at the time of the event.
func counted(e Evidence, t Testimony) (n int) {
	for _, s := range seenIn(t.Seen, Span{e.When(), e.Until()}.widen(slack+e.Uncertainty)) {
		n += s.Count
	}
	return n
}

// next moves the incident on and queues what is to be sent.
func (d *decider) next(change *Change, c Case, first bool) {
	i := &change.Incident
	state, why := d.judge(i, c)
	switch {
	case i.State == Ignored && !i.Closed.IsZero(), i.State == Resolved: // a late report about what is closed joins in silence
		return
	case i.State == Notified || i.State == Acknowledged:
		if len(c.Evidence.Via) == 0 { // what another desk passes on is no news: the two would digest each other for ever
			i.Unsent++
			if tell := d.policy.tellAt(*i); tell.Before(i.Next) { // it may wait for its quiet by now, which this report ends
				i.Next = tell
			}
		}
	case state == Open && i.State == Open && i.Unsent > 0: // waits for its digest already
		i.Unsent++
	case state == Open: // above the floor: tell the contact, once
		d.notify(change, c, why)
	case first || i.State == Open || i.State == "":
		d.keep(change, c, state, why)
	default: // held, unassigned or foreign before, and nothing better now
		i.Unsent++
	}
	d.applyRules(change, c)
}

// judge says what an incident's next state would be, and why. Open means that a notice may go out by itself.
func (d *decider) judge(i *Incident, c Case) (State, string) {
	contact := i.Holder.Contact
	known := d.known.Contacts[contact.Key()]
	contact.OptOut = append(slices.Clip(contact.OptOut), known.OptOut...)
	switch {
	case !c.Evidence.Addr.IsValid():
		return Unassigned, "the complaint names no address: " + c.Why
	case !c.Ours:
		return Foreign, orElse(c.Why, "the address is not in our networks")
	case len(c.Holders) == 0:
		return Unassigned, orElse(c.Why, "nobody is known to answer for the address at that time")
	case len(c.Holders) > 1:
		return Held, fmt.Sprintf("%d holders fit; a person decides (%s)", len(c.Holders), holderNames(c.Holders))
	case !i.Holder.Certain:
		return Held, orElse(c.Why, "the address is shared or dynamic and nothing settles who had it")
	case contact.Key() == "":
		return Unassigned, "the holder " + i.Holder.ID + " has no contact"
	case known.Broken:
		return Held, "mail to the contact " + contact.Key() + " bounced: " + known.Why
	case contact.Declines(i.Key.Type):
		return Held, "the contact wants no notices about " + i.Key.Type
	case i.Confidence.Contradicted:
		return Held, "our own records contradict the complaint"
	case !i.Confidence.Has(d.policy.Floor):
		return Held, fmt.Sprintf("below the confidence floor (%s)", grounds(i.Confidence))
	case d.now.Sub(i.Last) > d.policy.OldEvents:
		return Held, "the event is older than " + d.policy.OldEvents.String()
	case d.overCap(c.Evidence.Reporter):
		return Held, "the reporter caused as many notices today as one reporter may"
	}
	return Open, "stands on " + grounds(i.Confidence)
}

func grounds(c Confidence) string {
	if len(c.Grounds) == 0 {
		return "no ground"
	}
	names := make([]string, len(c.Grounds))
	for n, g := range c.Grounds {
		names[n] = string(g)
	}
	return strings.Join(names, ", ")
}

func holderNames(holders []Holder) string {
	var names []string
	for _, h := range holders[:min(len(holders), 5)] {
		names = append(names, h.ID)
	}
	return strings.Join(names, ", ")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (d *decider) overCap(r Reporter) bool {
	limit := d.policy.PerReporter
	if !r.Proven() {
		limit = d.policy.PerUnproven
	}
	name := Counter(r, d.now)
	return d.known.Counts[name]+d.counts[name] >= limit
}

// notify queues the first mail about an incident.
func (d *decider) notify(change *Change, c Case, why string) {
	i := &change.Incident
	if rule, ok := d.rule(*i, c.Evidence, DoHold, DoIgnore); ok {
		state := Held
		if rule.Do == DoIgnore {
			state = Ignored
		}
		d.keep(change, c, state, "rule "+rule.Name)
		return
	}
	i.because("%s", why)
	if i.Holder.Contact.Delivery == "digest" || i.Holder.Contact.Delivery == "" && d.policy.Digest {
		i.State, i.Next = Open, d.now.Add(d.policy.every(i.Holder.Contact))
		i.Unsent++
		change.record(d.now, System, "digest", why)
		return
	}
	i.State = Notified
	i.notified(d.now, d.policy)
	name := Counter(c.Evidence.Reporter, d.now)
	d.counts[name]++
	d.out.Counts = append(d.out.Counts, name)
	t := d.task(Notice, c.Evidence.Mail, why)
	t.Contact, t.Of, t.Number = i.Holder.Contact, []int{d.indexOf(change)}, i.Notices
	d.out.Tasks = append(d.out.Tasks, t)
	change.record(d.now, System, "notify", why)
}

// notified notes that a notice was queued.
func (i *Incident) notified(now time.Time, p Policy) {
	i.Notices++
	i.Unsent = 0
	i.Notified = now
	i.Deadline = now.Add(p.Deadline)
	i.Next = now.Add(min(p.every(i.Holder.Contact), p.Deadline))
	i.Changed = now
}

// every is how often a contact is told of later reports.
func (p Policy) every(c Contact) time.Duration {
	if c.Every > 0 {
		return c.Every
	}
	return p.DigestEvery
}

// tellAt is when the contact may be told of reports that joined since the last mail.
func (p Policy) tellAt(i Incident) time.Time { return i.Notified.Add(p.every(i.Holder.Contact)) }

// keep files an incident without a notice; what nobody answers for goes to the desk's mailbox.
func (d *decider) keep(change *Change, c Case, state State, why string) {
	i := &change.Incident
	i.State, i.Changed = state, d.now
	i.because("%s", why)
	i.Next = d.now.Add(d.policy.QuietAfter)
	change.record(d.now, System, string(state), why)
	if state != Unassigned && state != Foreign {
		return
	}
	t := d.task(ToDesk, c.Evidence.Mail, why)
	t.Of = []int{d.indexOf(change)}
	t.Due = d.now.Add(d.policy.UnassignedDue)
	d.out.Tasks = append(d.out.Tasks, t)
}

func (d *decider) indexOf(change *Change) int {
	for n := range d.out.Changes {
		if &d.out.Changes[n] == change {
			return n
		}
	}
	return -1
}

func (d *decider) task(kind TaskKind, mail, why string) Task {
	return Task{Kind: kind, Mail: mail, Why: why, State: Queued, Created: d.now, Due: d.now, Expires: d.now.Add(d.policy.Expires)}
}

// rule returns the first rule that matches and does one of the actions.
func (d *decider) rule(i Incident, e Evidence, actions ...Action) (Rule, bool) {
	for _, r := range d.policy.Rules {
		if slices.Contains(actions, r.Do) && r.Matches(i, e, d.now) {
			return r, true
		}
	}
	return Rule{}, false
}

// applyRules queues hooks, proposed blocks and escalations; each fires once for each incident, when its count is reached.
func (d *decider) applyRules(change *Change, c Case) {
	i := &change.Incident
	if i.State == Foreign || i.State == Unassigned || !i.Confidence.Has(d.policy.Floor) || i.Confidence.Contradicted {
		return
	}
	for _, r := range d.policy.Rules {
		if r.Do != DoHook && r.Do != DoBlock && r.Do != DoEscalate || i.Reports != max(r.MinReports, 1) || !r.Matches(*i, c.Evidence, d.now) {
			continue
		}
		kind := map[Action]TaskKind{DoHook: Hook, DoBlock: Block, DoEscalate: Escalation}[r.Do]
		t := d.task(kind, c.Evidence.Mail, "rule "+r.Name)
		t.Of, t.Hook, t.Rule, t.Contact = []int{d.indexOf(change)}, r.Hook, r.Name, i.Holder.Contact
		d.out.Tasks = append(d.out.Tasks, t)
		change.record(d.now, System, string(r.Do), "rule "+r.Name)
		if r.Do == DoEscalate { // a rule cannot know that nobody answers: people of ours take it from here
			d.out.Tasks[len(d.out.Tasks)-1].Contact = Contact{}
		}
		if r.Do == DoBlock {
			d.tellOfBlock(change, c, r)
		}
	}
}

// tellOfBlock shows a person what a rule proposes to block: who answers for a restriction must have seen it.
func (d *decider) tellOfBlock(change *Change, c Case, r Rule) {
	i := &change.Incident
	i.because("rule %s proposes to block %s", r.Name, i.Key.Net)
	t := d.task(ToDesk, c.Evidence.Mail, "rule "+r.Name+" proposes to block "+i.Key.Net.String()+"; a person decides")
	t.Of, t.Rule = []int{d.indexOf(change)}, r.Name
	d.out.Tasks = append(d.out.Tasks, t)
}

// shareNotices puts the notices of one mail that go to the same contact into one mail when there are many.
func (d *decider) shareNotices() {
	count := map[string]int{}
	for _, t := range d.out.Tasks {
		count[string(t.Kind)+t.Contact.Key()]++
	}
	kept, first := d.out.Tasks[:0:0], map[string]int{}
	for _, t := range d.out.Tasks {
		key := string(t.Kind) + t.Contact.Key()
		shared := (t.Kind == Notice || t.Kind == ToDesk) && count[key] > d.policy.MaxNotices && len(t.Of) > 0
		if at, ok := first[key]; shared && ok {
			kept[at].Of = append(kept[at].Of, t.Of...)
			continue
		}
		if shared {
			first[key] = len(kept)
		}
		kept = append(kept, t)
	}
	d.out.Tasks = kept
}
