// Package trace reads the Received fields of a mail (RFC 5321 §4.4) and says
// who handed it in, what of its path is proven, what is only claimed, and what
// is forged.
package trace

import (
	"net/netip"
	"time"
)

// A Trust says how far a Received line is believed.
type Trust string

const (
	// TrustOwn marks a line written by a configured host of ours.
	TrustOwn Trust = "own"
	// TrustTrusted marks a line written by a host that the walk vouches for:
	// the topmost line's host and organisation, or a filter beside it.
	TrustTrusted Trust = "trusted"
	// TrustBoundary marks the last trusted line, whose peer is the origin.
	TrustBoundary Trust = "boundary"
	// TrustClaimed marks a line that came from outside.
	TrustClaimed Trust = "claimed"
	// TrustForged marks a claimed line that a strong finding contradicts.
	TrustForged Trust = "forged"
)

// A Role says what a hop did with the mail.
type Role string

const (
	RoleSubmission Role = "submission" // took the mail from its writer
	RoleRelay      Role = "relay"      // took it from another server
	RoleFilter     Role = "filter"     // a content filter, mostly on the same host
	RoleDelivery   Role = "delivery"   // put it into a mailbox or fetched it from one
)

// An RDNSState says what the host that wrote a line knew about its peer's name.
type RDNSState string

const (
	RDNSRecorded RDNSState = "recorded" // a name was found and, as far as the dialect checks it, confirmed
	RDNSNone     RDNSState = "none"     // looked up and not found, or not confirmed
	RDNSUnknown  RDNSState = "unknown"  // not recorded
)

// A Skip names why a line is no network hop.
type Skip string

const (
	SkipNone   Skip = ""
	SkipLocal  Skip = "local"  // handed over on the host itself
	SkipFilter Skip = "filter" // a content filter
	SkipFetch  Skip = "fetch"  // retrieved from a mailbox (POP3, IMAP)
	SkipByOnly Skip = "byonly" // names no peer at all
	SkipStore  Skip = "store"  // moved between mailbox stores (MAPI)
	SkipEmpty  Skip = "empty"  // holds nothing but a date, or nothing
)

// A Hop is one Received field, split into what its host saw (IP, RDNS) and what
// it was told (HELO). Its strings share the memory of Raw.
type Hop struct {
	Index        int        `json:"index"`
	Raw          string     `json:"raw"`
	Dialect      string     `json:"dialect"`
	Trust        Trust      `json:"trust"`
	Role         Role       `json:"role"`
	IP           netip.Addr `json:"ip"`
	HELO         string     `json:"helo"`
	RDNS         string     `json:"rdns"`
	RDNSState    RDNSState  `json:"rdns_state"`
	Ident        string     `json:"ident"`
	By           string     `json:"by"`
	ByIP         netip.Addr `json:"by_ip"`
	With         string     `json:"with"`
	TLS          string     `json:"tls"`
	Auth         string     `json:"auth"`
	ID           string     `json:"id"`
	For          string     `json:"for"`
	EnvelopeFrom string     `json:"envelope_from"`
	Time         Stamp      `json:"time"`
	TimeRaw      string     `json:"time_raw"`
	// Zones are the offsets, such as "+0800", that fit a time without one.
	Zones []string `json:"zones"`
	// Delay is this hop's time less the next older one's, in seconds; nil if unknown.
	Delay *int64 `json:"delay_s"`
	Skip  Skip   `json:"skip"`
	// Port is the peer's port where it was recorded, else 0.
	Port uint16 `json:"port,omitempty"`
	// Organisation is who answers for the peer, where a registry was asked.
	Organisation string `json:"organisation,omitempty"`

	// Rule says why the line is believed, Peer what the walk made of its peer;
	// both are empty below the boundary.
	Rule string `json:"-"`
	Peer string `json:"-"`
	// Date is everything that was read from TimeRaw.
	Date Date `json:"-"`
	// badIP is what stood in the address's place and is impossible.
	badIP string
	// literal is the address that the client gave as its HELO name.
	literal netip.Addr
	// unverified is set where the writer says that RDNS did not check out.
	unverified bool
	// authenticated is set where the line records authentication.
	authenticated bool
	// elided is set where brackets stand in the address's place without an address.
	elided bool
	// nameOnly is set where RDNS is the word behind "from".
	nameOnly bool
	// local is set where the protocol is one of Exim's local ones.
	local bool
}

// Authenticated tells whether the line records that its peer had logged in.
func (h *Hop) Authenticated() bool { return h.authenticated }

// VerifiedRDNS returns the peer's name where the writing host looked it up and
// its dialect writes it only when it leads back to the address, else "".
func (h *Hop) VerifiedRDNS() string {
	if h.RDNSState != RDNSRecorded || h.unverified {
		return ""
	}
	if h.nameOnly && h.Dialect != "exim" && h.Dialect != "zmailer" {
		return "" // a PTR record that nobody confirmed, or a HELO equal to it
	}
	return h.RDNS
}

// A Stamp is a time as the JSON shows it: UTC to the second; without "Z" where
// the zone is unknown, and "" where there is no time.
type Stamp struct {
	time.Time
	// Local is set where the zone is unknown; Time then holds the clock's
	// reading as if it were UTC.
	Local bool
}

// MarshalText writes the form described at Stamp.
func (s Stamp) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, nil
	}
	if s.Local {
		return s.AppendFormat(nil, "2006-01-02T15:04:05"), nil
	}
	return s.UTC().AppendFormat(nil, "2006-01-02T15:04:05Z"), nil
}

// MarshalJSON writes the form described at Stamp as a JSON string.
func (s Stamp) MarshalJSON() ([]byte, error) {
	b, err := s.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(append([]byte{'"'}, b...), '"'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	text := string(b)
	if text == `""` || text == "null" {
		*s = Stamp{}
		return nil
	}
	if t, err := time.Parse(`"2006-01-02T15:04:05Z"`, text); err == nil {
		*s = Stamp{Time: t}
		return nil
	}
	t, err := time.Parse(`"2006-01-02T15:04:05"`, text)
	*s = Stamp{Time: t, Local: true}
	return err
}

// Known tells whether s is a point in time: there is one, and its zone is known.
func (s Stamp) Known() bool { return !s.IsZero() && !s.Local }
