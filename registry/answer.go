package registry

import (
	"net/netip"
	"time"
)

// A Query asks who answers for an address.
type Query struct {
	Addr        netip.Addr
	Port        uint16        // source port; 0 if not known
	Proto       string        // "tcp", "udp" …; "" if not known
	Time        time.Time     // of the event; zero means now
	Uncertainty time.Duration // the event was at Time, give or take this
}

// A Status is the outcome of a Query in one word.
type Status string

// The statuses. Only StatusHeld names one holder.
const (
	StatusHeld       Status = "held"        // exactly one holder: Answer.Holder
	StatusSeveral    Status = "several"     // more than one fits: Answer.Candidates
	StatusNeedPort   Status = "need_port"   // a shared address: the source port, or a log of ports, is missing
	StatusNeedLease  Status = "need_lease"  // a dynamic address: no log says who had it then
	StatusUnassigned Status = "unassigned"  // ours, but no contact answers for it
	StatusForeign    Status = "foreign"     // not ours
	StatusInvalid    Status = "invalid"     // no address that anybody can answer for
	StatusUnreadable Status = "unavailable" // the leases cannot be asked just now; try again
)

// An Answer says who answers for an address at a time, and by which chain of reasons.
//
// What is certain: Holder is set if and only if Status is held, and then it is the one
// holder that the routes, contacts and logs allow. Candidates are all that fit when
// Status is several, need_port, need_lease or unavailable (there, whoever answers for the
// prefix as a whole, or had it as far as is known). Ours is true when the address lies in a configured network, has a contact, or
// is routed inwards.
type Answer struct {
	Query      Query
	Status     Status
	Ours       bool
	Holder     *Holder
	Candidates []Holder
	Why        string // the outcome in one sentence
	Chain      []Step // every reason, the most specific first
	Stale      bool   // a source has not been renewed as it should have been
}

// A Holder is who answers for an address (and port, where addresses are shared) at a
// time, how certain that is, and by which chain.
type Holder struct {
	ID         string // the same for all records of one holder
	Contact    Contact
	Prefix     netip.Prefix // the prefix by which the contact was found
	Route      Route        // the route that led there; its Prefix is invalid if none did
	Rule       KeyKind      // by which key the contact was found
	Subscriber string       // from a lease: the account or inner address, else ""
	Lease      *Lease
	Certainty  Certainty
	Why        string
}

// A Certainty says how far a Holder is proven.
type Certainty string

// The certainties.
const (
	Certain  Certainty = "certain"  // records cover the whole time asked about
	Likely   Certainty = "likely"   // a part of the time lies outside what was recorded
	Possible Certainty = "possible" // one of several
)

// A StepKind says what a Step is about.
type StepKind string

// The kinds of step.
const (
	StepOurs       StepKind = "network"    // a configured network of ours
	StepRoute      StepKind = "route"      // a route as of the time
	StepSource     StepKind = "source"     // how fresh a router's table is
	StepAssignment StepKind = "assignment" // marked shared or dynamic
	StepLease      StepKind = "lease"      // a line of a lease log
	StepContact    StepKind = "contact"    // a record, and by which key it was chosen
	StepInherit    StepKind = "inherited"  // fields from a less specific record
	StepTime       StepKind = "time"       // what the time asked about does to the answer
	StepNone       StepKind = "none"       // what was looked for and not found
)

// A Step is one link in the chain of reasons.
type Step struct {
	Kind   StepKind
	Prefix netip.Prefix // what it is about; may be invalid
	Text   string
	Source string // file and line, or router
}
