package incident

import "time"

// A Lead is by how long our own list was ahead of the first complaint.
type Lead struct {
	Listed bool          `json:"listed"`
	Since  time.Time     `json:"since,omitzero"`
	By     time.Duration `json:"by,omitempty"`     // complaint's arrival less the listing's begin; nanoseconds
	Chance float64       `json:"chance,omitempty"` // share of our hosts listed then: what chance alone would hit
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
		found = Lead{Listed: true, Since: i.Lead.Since, By: e.Received.Sub(i.Lead.Since), Chance: found.Chance}
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
