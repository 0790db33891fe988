// Package stats keeps the monthly tables of the abuse desk: what was complained of, what our own lists knew before,
// how long notices and answers took, who complains, who repeats, and which rule accuses wrongly. Each event is
// counted once, into the table of its day and of its month; tables add up, are bounded, and are all that a
// question reads, so that a year costs no more than twelve tables.
package stats

import (
	"net/netip"
	"time"
)

// A Kind says what an Event tells.
type Kind string

// The kinds of events.
const (
	Complaint    Kind = "complaint"    // one report reached an incident
	Opened       Kind = "opened"       // an incident has its first complaint
	Found        Kind = "found"        // our own lists opened an incident before any complaint
	Reopened     Kind = "reopened"     // it started again after it was closed
	Notified     Kind = "notified"     // a notice was queued; Took since the incident was opened, for the first one
	Acknowledged Kind = "acknowledged" // the contact answered; Took since the notice
	Quiet        Kind = "quiet"        // it stopped; Took since the first notice
	Judged       Kind = "judged"       // a person closed it with a Verdict
	Broken       Kind = "broken"       // mail to a contact bounced for good
	Mended       Kind = "mended"       // a broken contact works again
	Census       Kind = "census"       // hosts of one flow band, as the flows counted them
)

// An Event is one thing to be counted. At says into which day it goes; what else is filled depends on its Kind.
type Event struct {
	Kind     Kind          `json:"kind,omitempty"`
	At       time.Time     `json:"at,omitzero"`
	Host     netip.Prefix  `json:"host,omitzero"`      // the address complained of, or its IPv6 prefix
	Type     string        `json:"type,omitempty"`     // XARF v4 type, "spam"
	Reporter string        `json:"reporter,omitempty"` // who complained: a domain
	Format   string        `json:"format,omitempty"`   // of the complaint
	Holder   string        `json:"holder,omitempty"`   // who answers for the host
	Contact  string        `json:"contact,omitempty"`  // where notices go, for Broken and Mended
	Rules    []string      `json:"rules,omitempty"`    // what let the notice go by itself, for Judged
	Verdict  string        `json:"verdict,omitempty"`  // "confirmed", "false", "wrong-holder" …, for Judged
	Noticed  bool          `json:"noticed,omitempty"`  // a notice had gone out, for Judged
	Stopped  string        `json:"stopped,omitempty"`  // what was done before it stopped, for Quiet: one of the Stopped texts
	Took     time.Duration `json:"took,omitempty"`     // see the kinds; negative means unknown
	Lists    []Listing     `json:"lists,omitempty"`    // what our lists said before the first complaint, for Opened
	Flows    int64         `json:"flows,omitempty"`    // flows of the host then, for Opened; negative or zero means unknown
	Profile  string        `json:"profile,omitempty"`  // of flows, for Census
	Band     int           `json:"band,omitempty"`     // index into Bands, for Census
	Hosts    int64         `json:"hosts,omitempty"`    // hosts in the band, for Census
	Sum      int64         `json:"sum,omitempty"`      // their flows, for Census
	Bytes    int64         `json:"bytes,omitempty"`    // and bytes, for Census
}

// A Listing is what one of our lists said of a host when the first complaint came in. Lists that did not cover
// the host say nothing and are left out.
type Listing struct {
	Profile string        `json:"profile"`          // "smtp", "syn", or "any"
	Listed  bool          `json:"listed,omitempty"` // before the complaint
	Lead    time.Duration `json:"lead,omitempty"`   // by how long, where listed
	Share   float64       `json:"share,omitempty"`  // of our active hosts that were listed: what chance alone would hit
}

// Any names the list of a Listing that does not say which of our lists it was.
const Any = "any"

// What was done before it stopped, the strongest measure first.
const (
	StoppedByBlock  = "block"     // a restriction of ours was in force
	StoppedByAnswer = "answer"    // the contact answered a notice
	StoppedByNotice = "notice"    // a notice had gone out, unanswered
	StoppedByItself = "by itself" // nothing had been done
)

// A Band is a range of flow counts, both ends included.
type Band struct{ From, To int64 }

// Bands are the ranges of the first study: 1 to 10, 11 to 30, 31 to 70, 71 to 100, 101 to 200, 201 to 1000, and above.
func Bands() []Band {
	return []Band{{1, 10}, {11, 30}, {31, 70}, {71, 100}, {101, 200}, {201, 1000}, {1001, 0}}
}

const bandCount = 7

// BandOf is the index of the band that a count of flows falls into, -1 for none.
func BandOf(flows int64) int {
	for i, b := range Bands() {
		if flows >= b.From && (flows <= b.To || b.To == 0) {
			return i
		}
	}
	return -1
}
