package incident

import "time"

// A Standing is what one of our lists said of an address when a complaint came in. Lists that could not have known the
// address have none.
type Standing struct {
	List   string    `json:"list"` // its profile, "smtp"
	Listed bool      `json:"listed"`
	Since  time.Time `json:"since,omitzero"`
	Share  float64   `json:"share,omitempty"` // of our active hosts that were listed then
}

// A Lead is by how long our own list was ahead of the first complaint.
type Lead struct {
	Listed bool          `json:"listed"`
	List   string        `json:"list,omitempty"` // which list was first; empty where that is not known
	Since  time.Time     `json:"since,omitzero"`
	By     time.Duration `json:"by,omitempty"`     // complaint's arrival less the listing's begin; nanoseconds
	Chance float64       `json:"chance,omitempty"` // share of our hosts listed then: what chance alone would hit
	Lists  []Standing    `json:"lists,omitempty"`  // what each list said
}

// LeadOf is the lead of the earliest listing that covers the event or had begun before the complaint came in.
func LeadOf(e Evidence, testimonies []Testimony) Lead {
	lead := Lead{}
	for _, t := range testimonies {
		lead.Chance = max(lead.Chance, t.Share)
		for _, s := range t.Listed {
			if s.From.After(e.Received) || s.To.Before(e.When().Add(-24*time.Hour)) {
				continue
			}
			if !lead.Listed || s.From.Before(lead.Since) {
				lead.Listed, lead.Since, lead.By = true, s.From, e.Received.Sub(s.From)
			}
		}
		lead.Lists = append(lead.Lists, t.Standings...)
	}
	for _, s := range lead.Lists {
		lead.Chance = max(lead.Chance, s.Share)
		if s.Listed && !s.Since.After(e.Received) && (!lead.Listed || !s.Since.After(lead.Since)) {
			lead.Listed, lead.List, lead.Since, lead.By = true, s.List, s.Since, e.Received.Sub(s.Since)
		}
	}
	return lead
}

// lead notes, at the first complaint, by how long our lists were ahead of it.
func (i *Incident) lead(e Evidence, testimonies []Testimony) {
	if i.Reports != 1 {
		return
	}
	found := LeadOf(e, testimonies)
	if i.Lead.Listed && !found.Listed { // it began as a proactive notice
		found.Listed, found.List, found.Since, found.By = true, i.Lead.List, i.Lead.Since, e.Received.Sub(i.Lead.Since)
	}
	i.Lead = found
}

// HitRate is the share of complained incidents that our lists named first, and the share that chance alone
// would have given.
func HitRate(incidents []Incident) (hits, total int, chance float64) {
	for _, i := range incidents {
		if i.Reports == 0 {
			continue
		}
		total++
		chance += i.Lead.Chance
		if i.Lead.Listed && i.Lead.By > 0 {
			hits++
		}
	}
	if total > 0 {
		chance /= float64(total)
	}
	return hits, total, chance
}
