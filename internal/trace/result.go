package trace

import (
	"net/netip"
	"time"
)

// A Status says how far the walk came.
type Status string

const (
	StatusTraced       Status = "traced"         // there is an origin
	StatusAllTrusted   Status = "all_trusted"    // every line is of trusted hosts, and none recorded an outside peer
	StatusNoIPRecorded Status = "no_ip_recorded" // the boundary's line holds no address
	StatusAmbiguous    Status = "ambiguous"      // the evidence does not decide between the alternatives
	StatusNoReceived   Status = "no_received"    // the header has no Received line
)

// A Confidence says how much an origin can bear.
type Confidence string

const (
	ConfidenceHigh   Confidence = "high"   // recorded by a host that the configuration or a connection vouches for
	ConfidenceMedium Confidence = "medium" // recorded by a host that only the complainant vouches for
	ConfidenceLow    Confidence = "low"    // the best that could be had
)

// An Origin is the address and time at which a message entered the trusted part of its Path.
type Origin struct {
	IP         netip.Addr `json:"ip"`
	Hop        int        `json:"hop"`
	HELO       string     `json:"helo"`
	RDNS       string     `json:"rdns"`
	RDNSState  RDNSState  `json:"rdns_state"`
	RecordedBy string     `json:"recorded_by"`
	Time       Stamp      `json:"time"`
	Confidence Confidence `json:"confidence"`
	Why        string     `json:"why"`
	// Port is the peer's port where it was recorded, else 0.
	Port uint16 `json:"port,omitempty"`
}

// A Boundary is the last line that is trusted, and the rule by which it is.
type Boundary struct {
	Hop  int    `json:"hop"`
	Rule string `json:"rule"`
}

// A SourceRole says what a source did with the mail.
type SourceRole string

const (
	SourceInjector  SourceRole = "injector"  // handed it in and, as far as is known, made it
	SourceRelay     SourceRole = "relay"     // handed it in for somebody else, and answers for that
	SourceSender    SourceRole = "sender"    // is named by the relay as the one it came from: a claim
	SourceForwarder SourceRole = "forwarder" // passed on what was addressed to a mailbox there
	SourceList      SourceRole = "list"      // a mailing list
)

// A Source is one address that had a part in the mail, with its role.
type Source struct {
	IP   netip.Addr `json:"ip"`
	Hop  int        `json:"hop"`
	Role SourceRole `json:"role"`
	// Ours is set where Options.Ours knows the address.
	Ours bool `json:"ours"`
	// Proven is set where a trusted host recorded the address.
	Proven bool `json:"proven"`
}

// A Claim is an address that the message names and nobody vouches for.
type Claim struct {
	IP     netip.Addr `json:"ip"`
	Source string     `json:"source"` // the field's name
	Hop    int        `json:"hop"`    // -1 where the field is no Received line
	Why    string     `json:"why"`
}

// A Strength says how much a Finding means by itself.
type Strength string

const (
	Strong Strength = "strong"
	Medium Strength = "medium"
	Weak   Strength = "weak"
	Note   Strength = "note"
)

// A Finding is one observation, with the header bytes that support it, a
// strength and its benign causes.
type Finding struct {
	Code     string   `json:"code"`
	Strength Strength `json:"strength"`
	Hop      int      `json:"hop"` // -1 where it is about no Received line
	Quote    string   `json:"quote"`
	Explain  string   `json:"explain"`
	Benign   string   `json:"benign"`
}

// A Clue is something a person may follow up. Clues never change the origin.
type Clue struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
	Note  string `json:"note"`
}

// An Alternative is another origin that the evidence allows.
type Alternative struct {
	IP  netip.Addr `json:"ip"`
	Hop int        `json:"hop"`
	Why string     `json:"why"`
}

// A Path is a message's hops, newest first, and the boundary past which none is trusted.
type Path struct {
	Hops     []Hop     `json:"hops"`
	Boundary *Boundary `json:"boundary"`
	// TotalDelay is the time from the oldest to the newest hop in seconds, nil if unknown.
	TotalDelay *int64 `json:"total_delay_s"`
}

// A Result is what one message's header says about where it came from.
type Result struct {
	Source  string  `json:"source"`
	Message int     `json:"message"`
	Status  Status  `json:"status"`
	Origin  *Origin `json:"origin"`
	Path
	Sources      []Source      `json:"sources"`
	Alternatives []Alternative `json:"alternatives"`
	Claims       []Claim       `json:"claims"`
	Findings     []Finding     `json:"findings"`
	Clues        []Clue        `json:"clues"`
	// Error says why a message could not be read; the rest is then empty.
	Error string `json:"error"`

	// Subject and Date are the message's own, for the person's view.
	Subject string `json:"-"`
	Date    Date   `json:"-"`
}

// A Connection is a hop that was seen and not read: the milter's own.
type Connection struct {
	IP            netip.Addr
	Port          uint16
	HELO          string
	RDNS          string // as the MTA verified it, else ""
	By            string // the MTA's own name
	With          string // SMTP, ESMTP …
	TLS           string
	Auth          string // the account, else ""
	Authenticated bool
	ID            string
	EnvelopeFrom  string
	Time          time.Time
}

// Options say whom to trust and what is known beside the header. The zero value
// trusts the topmost line's organisation alone.
type Options struct {
	// Hosts are our own mail hosts: each name with all names below it.
	Hosts []string
	// Networks are ours.
	Networks []netip.Prefix
	// TrustHosts and TrustNetworks are trusted beside what is our own.
	TrustHosts    []string
	TrustNetworks []netip.Prefix
	// Complaint reads the header as a stranger's: the topmost line is of a host
	// that is not ours, and its organisation is believed as the complainant's word.
	// It is implied where neither hosts nor networks are given.
	Complaint bool
	// Connection is hop 0, where it was seen.
	Connection *Connection
	// Ours tells whether the registry knows an address; nil if there is none.
	Ours func(netip.Addr) bool
	// For is the mailbox that the mail arrived in, to see whether it was a blind copy.
	For string
	// Now is the time of arrival where it is known, else zero.
	Now time.Time
}
