package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// applySources looks at how fresh the routers' tables are.
func (f *finding) applySources() {
	for _, h := range f.holders {
		r := h.Route
		s, ok := f.t.sources[sourceKey{r.Router, r.VRF}]
		if !ok || s.LastGood.IsZero() || !r.NotAfter.IsZero() {
			continue
		}
		late := f.t.stale > 0 && f.t.now().Sub(s.LastGood) > f.t.stale
		if s.Stale || late {
			f.stale = true
			text := "last verified walk at " + s.LastGood.Format(time.RFC3339)
			if s.Problem != "" {
				text += "; since then: " + s.Problem
			}
			f.step(Step{Kind: StepSource, Text: text, Source: r.Router})
			if f.to.After(s.LastGood) {
				f.likely = fmt.Sprintf("the routes of %s were last verified at %s", r.Router, s.LastGood.Format(time.RFC3339))
			}
		}
	}
}

// decide turns the findings into the answer's status, holder and reasons.
func (f *finding) decide(a *Answer) {
	a.Ours, a.Stale = f.ours, f.stale
	defer func() { a.Chain = f.steps }()
	if !f.ours {
		a.Status, a.Why = StatusForeign, fmt.Sprintf("%s is not in our networks", f.q.Addr)
		if len(f.t.groups) == 0 {
			a.Why += ": none is known; name some in the configuration: site.networks, registry.contacts or registry.router"
		}
		return
	}
	for i := range f.holders {
		if f.likely != "" {
			f.holders[i].Certainty, f.holders[i].Why = Likely, f.likely
		}
	}
	leases, err := f.leases()
	if err != nil {
		a.Status, a.Why = StatusUnreadable, "the leases cannot be read: "+err.Error()
		a.Candidates = possible(f.holders, a.Why)
		return
	}
	if len(leases) > 0 || f.assign == AssignDynamic || f.assign == AssignShared {
		f.decideByLease(a, leases)
		return
	}
	f.decideByContact(a)
}

func (f *finding) decideByContact(a *Answer) {
	switch {
	case len(f.holders) == 0:
		a.Status, a.Why = StatusUnassigned, fmt.Sprintf("no contact answers for %s", f.q.Addr)
		f.step(Step{Kind: StepNone, Text: "no contact by prefix, interface, next hop or organisation"})
	case len(f.holders) > 1 || f.nobody:
		a.Status, a.Candidates = StatusSeveral, possible(f.holders, "one of several that fit")
		a.Why = "several holders fit: " + names(f.holders)
		if len(f.holders) == 1 {
			a.Why = fmt.Sprintf("either %s answers for it or nobody: the routes differ at that time", names(f.holders))
		}
	case len(f.holders[0].Contact.Mails()) == 0:
		a.Status, a.Candidates = StatusUnassigned, f.holders
		a.Why = fmt.Sprintf("%s has no mail address", f.holders[0].Contact.Key)
	default:
		a.Status, a.Holder = StatusHeld, &f.holders[0]
		a.Why = fmt.Sprintf("%s answers for %s, by %s", name(*a.Holder), f.q.Addr, a.Holder.Contact.Key)
		if a.Holder.Why == "" {
			a.Holder.Why = a.Why
		}
	}
}

func (f *finding) leases() ([]Lease, error) {
	all, err := f.t.leases.LeasesOf(f.q.Addr, f.from, f.to)
	return slices.DeleteFunc(mergeRenewals(all), func(l Lease) bool { return !l.fits(f.q, f.from, f.to) }), err
}

func (f *finding) decideByLease(a *Answer, leases []Lease) {
	holders := f.leaseHolders(leases)
	ends, whole := covered(leases, f.from, f.to)
	broken := slices.IndexFunc(leases, func(l Lease) bool { return l.Broken != "" })
	portMissing := f.q.Port == 0 && (f.assign == AssignShared || slices.ContainsFunc(leases, func(l Lease) bool { return !l.WholeAddress() }))
	switch {
	case portMissing:
		a.Status, a.Why = StatusNeedPort, fmt.Sprintf("%s is shared by many at once: the source port is needed", f.q.Addr)
	case len(leases) == 0 && f.assign == AssignShared:
		a.Status, a.Why = StatusNeedPort, fmt.Sprintf("%s is shared, and no log says who had port %d then", f.q.Addr, f.q.Port)
	case len(leases) == 0:
		a.Status, a.Why = StatusNeedLease, fmt.Sprintf("%s is given out dynamically, and no lease says who had it then", f.q.Addr)
	case broken >= 0:
		a.Status, a.Why = StatusNeedLease, fmt.Sprintf("not certain: the record of a lease from %s on is damaged; import its log again (%s)",
			leases[broken].From.Format(time.RFC3339), leases[broken].Broken)
	case len(holders) > 1:
		a.Status, a.Why = StatusSeveral, "several holders fit: "+names(holders)
	case !ends:
		a.Status, a.Why = StatusNeedLease, fmt.Sprintf("%s had it for a part of the time only", names(holders))
	case f.nobody || len(f.holders) == 0 || len(holders[0].Contact.Mails()) == 0:
		a.Status, a.Candidates = StatusUnassigned, holders
		a.Why = fmt.Sprintf("%s had %s, but no contact answers for it", holders[0].Subscriber, f.q.Addr)
		return
	default:
		a.Status, a.Holder = StatusHeld, &holders[0]
		a.Why = fmt.Sprintf("%s had %s then", name(*a.Holder), f.q.Addr)
		if !whole && a.Holder.Certainty == Certain {
			a.Holder.Certainty, a.Holder.Why = Likely, a.Why+", and nobody else between; for a part of the time there is no lease"
		}
		if a.Holder.Why == "" {
			a.Holder.Why = a.Why
		}
		return
	}
	if len(holders) == 0 {
		holders = f.holders
	}
	a.Candidates = possible(holders, a.Why)
}

// leaseHolders names one holder for each subscriber and each possible contact.
func (f *finding) leaseHolders(leases []Lease) []Holder {
	var found []Holder
	for _, l := range leases {
		f.step(Step{Kind: StepLease, Prefix: l.Prefix, Source: l.Source, Text: leaseText(l)})
		bases := f.holders
		if len(bases) == 0 {
			bases = []Holder{{}}
		}
		if c := validAt(f.t.orgs[orgKey(l.Subscriber)], f.q.Time); c != nil {
			bases = []Holder{{ID: c.ID(), Contact: *c, Rule: KeyOrganisation, Certainty: Certain, Prefix: l.Prefix}}
		}
		for _, h := range bases {
			h.Subscriber, h.Lease = l.Subscriber, &l
			h.ID += "/" + l.Subscriber
			if !slices.ContainsFunc(found, func(o Holder) bool { return o.ID == h.ID }) {
				found = append(found, h)
			}
		}
	}
	return found
}

func leaseText(l Lease) string {
	ports := ""
	if !l.WholeAddress() {
		ports = fmt.Sprintf(" ports %d-%d", l.PortLow, l.PortHigh)
	}
	to := "still"
	if !l.To.IsZero() {
		to = l.To.Format(time.RFC3339)
	}
	return fmt.Sprintf("%s%s had by %s from %s to %s", l.Prefix, ports, l.Subscriber, l.From.Format(time.RFC3339), to)
}

func possible(holders []Holder, why string) []Holder {
	out := slices.Clone(holders)
	for i := range out {
		out[i].Certainty, out[i].Why = Possible, why
	}
	return out
}

func name(h Holder) string {
	n := h.Contact.Org
	if n == "" {
		n = strings.Join(h.Contact.Mails(), ", ")
	}
	if n == "" {
		n = h.Contact.Key.String()
	}
	if h.Subscriber != "" {
		n = h.Subscriber + " of " + n
	}
	return n
}

func names(holders []Holder) string {
	all := make([]string, len(holders))
	for i, h := range holders {
		all[i] = name(h)
	}
	return strings.Join(all, "; ")
}
