package abusebox

import "spoor/abusebox/incident"

// A Reputation remembers what our own sources made of each reporter's reports. It is recorded, and nothing is
// decided by it.
type Reputation interface {
	Judged(reporter string, corroborated, unconfirmed int)
}

// judgeReporter tells the Reputation how many of a mail's reports about our hosts our own sources bore out, and how
// many they would have seen and did not. Where they could not see, nobody is judged; nor is a sender who is not proven.
func (d *Desk) judgeReporter(r *reading) {
	domain := r.result.Reporter.Domain
	if d.d.Reputation == nil || domain == "" || r.result.Reporter.Authenticated == "none" || r.result.Reporter.Authenticated == "" {
		return
	}
	corroborated, unconfirmed := 0, 0
	for _, c := range r.cases {
		switch borneOut(c) {
		case incident.For:
			corroborated++
		case incident.Against:
			unconfirmed++
		}
	}
	if corroborated+unconfirmed > 0 {
		d.d.Reputation.Judged(domain, corroborated, unconfirmed)
	}
}

// borneOut sums up what all sources say of one case: any that agrees outweighs those that saw nothing.
func borneOut(c incident.Case) incident.Side {
	side := incident.Silent
	for _, t := range c.Testimonies {
		switch incident.Weigh(c.Evidence, t).Side {
		case incident.For:
			return incident.For
		case incident.Against:
			side = incident.Against
		}
	}
	return side
}
