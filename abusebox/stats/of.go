package stats

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

// Of says what a change to an incident means for the tables: before is the incident as it was, nil for a new one.
// It is pure, so that an engine can record the events in the transaction that writes the change.
func Of(before *incident.Incident, change incident.Change, now time.Time) []Event {
	after := change.Incident
	if before == nil {
		before = &incident.Incident{}
	}
	base := Event{At: now, Host: after.Key.Net, Type: after.Key.Type, Holder: after.Holder.ID, Took: -1}
	events := complaints(base, change.Evidence)
	add := func(kind Kind, fill func(*Event)) {
		e := base
		e.Kind = kind
		if fill != nil {
			fill(&e)
		}
		events = append(events, e)
	}
	if before.Reports == 0 && after.Reports > 0 {
		add(Opened, func(e *Event) {
			e.Lists, e.Flows = listings(after), flows(change.Evidence)
			if len(events) > 0 {
				e.At = events[0].At
			}
		})
	}
	if before.ID == 0 && after.Reports == 0 && after.Proactive {
		add(Found, nil)
	}
	if after.Reopens > before.Reopens {
		add(Reopened, nil)
	}
	if after.Notices > before.Notices {
		add(Notified, func(e *Event) {
			if before.Notices == 0 {
				e.Took = between(after.Opened, after.Notified)
			}
		})
	}
	if !after.Answered.IsZero() && !after.Answered.Equal(before.Answered) {
		add(Acknowledged, func(e *Event) { e.Took = between(after.Notified, after.Answered) })
	}
	if after.State == incident.Resolved && before.State != incident.Resolved {
		closed(after, add)
	}
	return events
}

// complaints is an event for each report that joined.
func complaints(base Event, evidence []incident.Evidence) (events []Event) {
	for _, e := range evidence {
		if e.Kind != incident.FromReport {
			continue
		}
		event := base
		event.Kind, event.Format, event.Reporter = Complaint, e.Format, reporterName(e.Reporter)
		event.At = arrived(e, base.At)
		events = append(events, event)
	}
	return events
}

// arrived is when a complaint reached us, so that a mailbox that is imported fills the months it is from. A time
// before there were complaints, or in the future, is none.
func arrived(e incident.Evidence, now time.Time) time.Time {
	if e.Received.Year() < 1990 || e.Received.After(now) {
		return now
	}
	return e.Received
}

// reporterName is a domain and never a mailbox: tables outlive the people in them.
func reporterName(r incident.Reporter) string {
	domain := strings.ToLower(r.Domain)
	if domain == "" {
		if at := strings.LastIndexByte(r.Address, '@'); at >= 0 {
			domain = strings.ToLower(r.Address[at+1:])
		}
	}
	if domain != "" && !r.Proven() {
		domain += " (claimed)"
	}
	return domain
}

// listings is what is known of our lists; one that did not cover the host says nothing.
func listings(i incident.Incident) (all []Listing) {
	l := i.Lead
	for _, s := range l.Lists {
		one := Listing{Profile: s.List, Listed: s.Listed, Share: s.Share}
		if s.Listed && l.Listed { // both are measured from the arrival of the first complaint
			one.Lead = max(l.By-s.Since.Sub(l.Since), 0)
		}
		all = append(all, one)
	}
	if len(all) > 0 {
		return all
	}
	if !l.Listed && l.Chance == 0 {
		return nil
	}
	return []Listing{{Profile: cmp.Or(l.List, Any), Listed: l.Listed && l.By > 0, Lead: l.By, Share: l.Chance}}
}

// flows is the most that our flow records said of the host.
func flows(evidence []incident.Evidence) (n int64) {
	for _, e := range evidence {
		if e.Kind == incident.FromFlows || e.Kind == incident.FromAnomaly {
			n = max(n, int64(e.Count))
		}
	}
	return n
}

func closed(i incident.Incident, add func(Kind, func(*Event))) {
	if i.Verdict == incident.Quiet || i.Verdict == incident.Confirmed {
		add(Quiet, func(e *Event) {
			e.Stopped = stopped(i)
			if i.Notices == 1 { // of several, the time of the first is not kept
				e.Took = max(between(i.Notified, i.Last), 0)
			}
		})
	}
	if i.Verdict == "" || i.Verdict == incident.Quiet {
		return
	}
	add(Judged, func(e *Event) {
		e.Verdict, e.Noticed, e.Rules = string(i.Verdict), i.Notices > 0, rulesOf(i)
		if at := slices.IndexFunc(i.Samples, func(e incident.Evidence) bool { return e.Kind == incident.FromReport }); at >= 0 {
			e.Format, e.Reporter = i.Samples[at].Format, reporterName(i.Samples[at].Reporter)
		}
	})
}

// stopped is the strongest measure that had been taken. What came after something is not shown to be caused by it.
func stopped(i incident.Incident) string {
	switch {
	case i.Blocked != "":
		return StoppedByBlock
	case !i.Answered.IsZero():
		return StoppedByAnswer
	case i.Notices > 0:
		return StoppedByNotice
	}
	return StoppedByItself
}

// rulesOf names the grounds on which the notice went out.
func rulesOf(i incident.Incident) (rules []string) {
	for _, g := range i.Confidence.Grounds {
		rules = append(rules, string(g))
	}
	if i.Proactive {
		rules = append(rules, "proactive")
	}
	return rules
}

// between is how long it took, negative where one end is not known.
func between(from, to time.Time) time.Duration {
	if from.IsZero() || to.IsZero() {
		return -1
	}
	return max(to.Sub(from), 0)
}

// OfContact says what a change of a contact's state means for the tables.
func OfContact(key string, before, after incident.ContactState, now time.Time) []Event {
	switch {
	case after.Broken && !before.Broken:
		return []Event{{Kind: Broken, At: now, Contact: key, Took: -1}}
	case before.Broken && !after.Broken:
		return []Event{{Kind: Mended, At: now, Contact: key, Took: -1}}
	}
	return nil
}
