// Package report reads complaints: which address did what, when, by whose word.
// It knows the standards (RFC 5965, RFC 6650, X-ARF, XARF, ACNS), the forms of
// known reporters, and falls back on weighing every address of the mail.
// What it returns is an allegation, never a fact.
package report

import (
	"encoding/json"
	"net/netip"
	"time"
)

// A Result is what one mail says.
type Result struct {
	// Source and Message say where the mail came from; the caller sets them.
	Source  string `json:"source"`
	Message int    `json:"message"`
	// Format names the form that was recognised, "" where the mail is no complaint.
	Format string `json:"format"`
	// Rejected says why the mail is no complaint; then Reports is empty.
	Rejected   string      `json:"rejected"`
	Reporter   Reporter    `json:"reporter"`
	Reports    []Report    `json:"reports"`
	Candidates []Candidate `json:"candidates"`
	// Truncated tells that a limit cut the reading short, and which.
	Truncated string `json:"truncated"`
	// Unread names parts that were not read: encrypted, of an unknown kind.
	Unread []Unread `json:"unread"`
}

// A Reporter is who complains, as far as it is known.
type Reporter struct {
	Address string `json:"address"`
	Domain  string `json:"domain"`
	// Authenticated says what proves Domain.
	Authenticated Authentication `json:"authenticated"`
}

// An Authentication is the kind of proof for a reporter's domain.
type Authentication string

const (
	ByDKIM Authentication = "dkim" // a valid signature of that domain (RFC 6376)
	BySPF  Authentication = "spf"  // the envelope's domain permits the peer (RFC 7208)
	ByNone Authentication = "none"
)

// A Report is one complaint about one address: who complains, which address and
// port, when, what, on which evidence, and which subject stands behind it.
type Report struct {
	// IP is the accused address; the zero Addr where only Source or Prefix is known.
	IP netip.Addr `json:"ip"`
	// Source is the accused URL, domain or mailbox where no address is stated.
	Source string `json:"source"`
	// Prefix is the accused network where no single address is stated.
	Prefix netip.Prefix `json:"prefix"`
	Port   uint16       `json:"port"`
	// Time is when it happened, UTC; the mail's own time where TimeRaw is empty.
	Time    time.Time `json:"time"`
	TimeEnd time.Time `json:"time_end"`
	TimeRaw string    `json:"time_raw"`
	// TimeZoneKnown is false where the offset was not stated; Zones then lists
	// the offsets that are possible or likely, as "+02:00".
	TimeZoneKnown    bool     `json:"time_zone_known"`
	TimeUncertaintyS int      `json:"time_uncertainty_s"`
	Zones            []string `json:"zones"`
	Protocol         string   `json:"protocol"`
	DstPort          uint16   `json:"dst_port"`
	Destination      string   `json:"destination"`
	// Category and Type are those of XARF v4, with hyphens; "" where unknown.
	Category string   `json:"category"`
	Type     string   `json:"type"`
	URLs     []string `json:"urls"`
	Domains  []string `json:"domains"`
	Count    int      `json:"count"`
	Subject  Subject  `json:"subject"`
	// Evidence is the lines of the mail that speak of this address, and of no other.
	Evidence   []string   `json:"evidence"`
	Confidence Confidence `json:"confidence"`
	Why        string     `json:"why"`
	Role       Role       `json:"role"`
	// Claimed says that only a line which nobody vouches for names the address: no ground to accuse anybody.
	Claimed  bool   `json:"claimed"`
	Step     Step   `json:"step"`
	ReportID string `json:"report_id"`
	// Redact lists what identifies the complainant and third parties in Evidence.
	Redact []string `json:"redact"`
}

// A Subject is the account, site or file behind an address.
type Subject struct {
	Account string `json:"account"`
	Site    string `json:"site"`
	File    string `json:"file"`
	Title   string `json:"title"`
	Hash    string `json:"hash"`
}

// A Candidate is an address of the mail that was not taken, and why.
type Candidate struct {
	IP     netip.Addr `json:"ip"`
	Score  int        `json:"score"`
	WhyNot string     `json:"why_not"`
}

// Confidence says how surely the mail states what the Report says.
type Confidence string

const (
	High   Confidence = "high"   // stated in a field made for it
	Medium Confidence = "medium" // stated in a label, a log line or a known form
	Low    Confidence = "low"    // weighed from the surroundings
)

// Role says what the address did.
type Role string

const (
	Sender Role = "sender" // it sent, attacked or hosts
	Relay  Role = "relay"  // it passed on what another sent
)

// Step says which stage of reading found the Report.
type Step string

const (
	Structure Step = "structure" // a form made for machines
	Known     Step = "reporter"  // the known form of one reporter
	Fallback  Step = "fallback"  // weighed
)

// MarshalJSON writes unknown times as null, an unknown address or prefix as "",
// and lists never as null.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	prefix := ""
	if r.Prefix.IsValid() {
		prefix = r.Prefix.String()
	}
	r.Zones, r.URLs, r.Domains = filled(r.Zones), filled(r.URLs), filled(r.Domains)
	r.Evidence, r.Redact = filled(r.Evidence), filled(r.Redact)
	return json.Marshal(struct {
		plain
		Prefix  string     `json:"prefix"`
		Time    *time.Time `json:"time"`
		TimeEnd *time.Time `json:"time_end"`
	}{plain(r), prefix, stated(r.Time), stated(r.TimeEnd)})
}

// MarshalJSON never writes a list as null.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result
	r.Reports, r.Candidates, r.Unread = filled(r.Reports), filled(r.Candidates), filled(r.Unread)
	return json.Marshal(plain(r))
}

func stated(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func filled[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
