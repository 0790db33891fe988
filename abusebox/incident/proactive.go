package incident

import (
	"net/netip"
	"time"
)

// A Listing is one entry of our own list of hosts that misbehave.
type Listing struct {
	Addr    netip.Addr
	Profile string // "spam", "syn-flood", "scan", "icmp-storm"
	Since   time.Time
	Until   time.Time // last seen so
	Reasons []string
	Count   int
	Sure    bool // well above what is normal: a notice may go out by itself
}

// Allegation turns a Listing into the XARF category and type that complaints about the same thing would have, so
// that they join it.
func (l Listing) Allegation() (category, typ string) {
	switch l.Profile {
	case "spam", "smtp":
		return "messaging", "spam"
	case "scan", "portscan":
		return "connection", "port-scan"
	case "syn-flood", "syn", "icmp", "icmp-storm", "udp-flood", "udp":
		return "connection", "ddos"
	}
	return "connection", l.Profile
}

// Evidence is what l says, as a piece of evidence of our own.
func (l Listing) Evidence(now time.Time) Evidence {
	category, typ := l.Allegation()
	e := Evidence{Kind: FromAnomaly, Side: For, Addr: l.Addr, From: l.Since, To: l.Until, ZoneKnown: true, Received: now,
		Category: category, Type: typ, Count: l.Count, Lines: l.Reasons, Step: "own", Why: "our own flow records list this host: " + l.Profile}
	return e.Bounded()
}

// Proact decides about one listing of a list: it opens an incident before anybody complains, or joins the one there is.
func (p Policy) Proact(known Known, c Case, list string, sure bool, now time.Time) Decision {
	d := &decider{policy: p, known: known, now: now, counts: map[string]int{}}
	e := c.Evidence
	change, fresh := d.open(KeyOf(c, p.V6Bits), c)
	i := &change.Incident
	d.out.Outcome = Filed
	if i.State == Ignored || !fresh && !i.Last.Before(e.Until()) {
		d.out.Changes = nil // nothing new
		return d.out
	}
	if i.State == Resolved && e.Until().After(i.Closed) {
		i.reopen(now)
		change.record(now, System, "reopen", "our flows show it again after it was closed")
		fresh = true
	}
	i.join(e, now)
	if fresh {
		i.Proactive = i.Reports == 0
		change.Evidence = append(change.Evidence, e)
	} else {
		i.Evidence-- // the sample is renewed, not kept again each time
	}
	own := Confidence{Grounds: []Ground{OwnEvidence}, Parts: []Part{{string(FromAnomaly), For, pointsOwnEvidence + pointsListed, e.Why}}}
	if !sure {
		own.Grounds = nil
	}
	i.Confidence = better(i.Confidence, own.settle())
	i.Lead = Lead{Listed: true, List: list, Since: e.When()}
	if fresh || i.State == Held {
		c.Evidence = e
		d.next(change, c, fresh)
	}
	return d.out
}
