// Package incident decides what complaints and our own evidence amount to: which of them belong together, how
// well they are founded, and what is to happen next. Every function here is pure: time comes in as an argument,
// and a decision may be computed again without harm.
package incident

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An ID names an incident for good; people write it "S-1042".
type ID uint64

// String writes the form that notices and commands use.
func (id ID) String() string { return "S-" + strconv.FormatUint(uint64(id), 10) }

// ParseID reads "S-1042", "s-1042" or "1042".
func ParseID(s string) (ID, error) {
	digits := s
	if len(s) > 2 && strings.EqualFold(s[:2], "s-") {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no incident: write it like S-1042", s)
	}
	return ID(n), nil
}

// A State says where an incident stands in its life.
type State string

// The states. Only Open and Notified send mail by themselves.
const (
	Open         State = "open"         // known, nothing sent yet
	Held         State = "held"         // a person must decide before anything is sent
	Unassigned   State = "unassigned"   // ours, but nobody is known to answer for it
	Foreign      State = "foreign"      // not ours: kept, never notified by itself
	Notified     State = "notified"     // a notice has been queued or sent
	Acknowledged State = "acknowledged" // the contact answered
	Resolved     State = "resolved"     // closed, by a person or by proven quiet
	Ignored      State = "ignored"      // a person said that nothing is to happen
	Merged       State = "merged"       // its evidence went to another incident
)

// States lists every state in the order of an incident's life.
func States() []State {
	return []State{Open, Held, Unassigned, Foreign, Notified, Acknowledged, Resolved, Ignored, Merged}
}

// Closed reports whether no further mail may follow without a new event.
func (s State) Closed() bool { return s == Resolved || s == Ignored || s == Merged }

// A Key is the identity of an incident within its window: what is alleged against one address of one holder.
type Key struct {
	Holder  string       `json:"holder"`  // the holder's ID as of the event; empty when nobody is known
	Net     netip.Prefix `json:"net"`     // a single address, or an IPv6 prefix where the configuration says so
	Type    string       `json:"type"`    // XARF v4 type, "spam"
	Subject string       `json:"subject"` // account, site or file behind the address; empty when unknown
}

// String is a form of k that no other key has.
func (k Key) String() string {
	net := ""
	if k.Net.IsValid() {
		net = k.Net.String()
	}
	return strings.Join([]string{strconv.Quote(k.Holder), net, strconv.Quote(k.Type), strconv.Quote(k.Subject)}, "|")
}

// NetOf returns the part of a key that stands for addr: the address itself, or its prefix of v6Bits for IPv6.
func NetOf(addr netip.Addr, v6Bits int) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return netip.Prefix{}
	}
	bits := addr.BitLen()
	if addr.Is6() && v6Bits > 0 && v6Bits < bits {
		bits = v6Bits
	}
	net, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return net
}

// A Holder is who answers for an address at a time, as the registry knew it then.
type Holder struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Prefix  string   `json:"prefix,omitempty"`  // the route or lease that led here
	Certain bool     `json:"certain"`           // false: shared or dynamic, and no port or lease settles it
	Chain   []string `json:"chain,omitempty"`   // how we came from the address to the holder
	Contact Contact  `json:"contact,omitempty"` // where notices go
}

// A Contact is where notices about a holder go, and how it wants them.
type Contact struct {
	Addresses []string      `json:"addresses,omitempty"`
	Name      string        `json:"name,omitempty"`
	Language  string        `json:"language,omitempty"` // "en", "zh-TW"; empty means the desk's default
	Zone      string        `json:"zone,omitempty"`     // IANA name of its time zone, "Asia/Taipei"
	Delivery  string        `json:"delivery,omitempty"` // "single" or "digest"; empty means the desk's default
	Every     time.Duration `json:"every,omitempty"`    // how often it is told of later reports; 0 means the desk's default
	NoXARF    bool          `json:"no_xarf,omitempty"`  // it wants no XARF attached
	OptOut    []string      `json:"opt_out,omitempty"`  // types it does not want notices about; "*" is all
	Upstream  []string      `json:"upstream,omitempty"` // where an escalation goes
	Why       string        `json:"why,omitempty"`      // why we believe that this is the contact
}

// Key is the form of the contact's first address under which caps and failures are counted.
func (c Contact) Key() string {
	if len(c.Addresses) == 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(c.Addresses[0]))
}

// Declines reports whether the contact opted out of notices about typ.
func (c Contact) Declines(typ string) bool {
	return slices.Contains(c.OptOut, "*") || slices.Contains(c.OptOut, typ)
}

// A Verdict is what a person found in the end.
type Verdict string

// The verdicts that close an incident.
const (
	Confirmed   Verdict = "confirmed"
	False       Verdict = "false"
	WrongHolder Verdict = "wrong-holder"
	CannotTell  Verdict = "cannot-tell"
	Quiet       Verdict = "quiet" // closed by itself: nothing more was seen
)

// Verdicts lists what `spoor incidents close --verdict` takes.
func Verdicts() []Verdict { return []Verdict{Confirmed, False, WrongHolder, CannotTell} }

// An Incident is what is alleged against one address of one Holder, one type, one subject where known, within
// one window.
type Incident struct {
	ID       ID           `json:"id"`
	Key      Key          `json:"key"`
	Was      Key          `json:"was,omitzero"` // its key before a person said who of several holders it is
	Category string       `json:"category"`     // XARF v4 category, "messaging"
	State    State        `json:"state"`
	Why      []string     `json:"why,omitempty"` // reasons of the state, newest last, bounded
	Holder   Holder       `json:"holder"`
	Rivals   []Holder     `json:"rivals,omitempty"` // others that fit as well; then a person decides
	Addrs    []netip.Addr `json:"addrs,omitempty"`  // addresses seen within Key.Net, bounded

	First   time.Time `json:"first"`  // earliest event
	Last    time.Time `json:"last"`   // latest event
	Opened  time.Time `json:"opened"` // when we heard of it
	Changed time.Time `json:"changed"`

	Reports   int             `json:"reports"`   // complaints that joined
	Events    int             `json:"events"`    // what the complaints count: messages, connections
	Reporters []ReporterCount `json:"reporters"` // who complained, bounded, most recent kept
	Samples   []Evidence      `json:"samples"`   // a few pieces of evidence, first and latest
	Evidence  int             `json:"evidence"`  // how many pieces are kept beside the samples

	Confidence Confidence `json:"confidence"`
	Lead       Lead       `json:"lead,omitzero"`
	Proactive  bool       `json:"proactive,omitempty"` // our own lists found it before any complaint

	Notices   int       `json:"notices"`             // notices queued so far
	Unsent    int       `json:"unsent,omitempty"`    // reports since the last notice, for the digest
	Notified  time.Time `json:"notified,omitzero"`   // when the last notice was queued
	Answered  time.Time `json:"answered,omitzero"`   // when the contact answered
	Deadline  time.Time `json:"deadline,omitzero"`   // by when we ask for an answer
	Next      time.Time `json:"next,omitzero"`       // when the desk looks at it again by itself
	Escalated int       `json:"escalated,omitempty"` // steps of the escalation taken
	Blocked   string    `json:"blocked,omitempty"`   // the restriction in force, as the blocks tell it

	Assignee string    `json:"assignee,omitempty"`
	Verdict  Verdict   `json:"verdict,omitempty"`
	Closed   time.Time `json:"closed,omitzero"`
	Into     ID        `json:"into,omitempty"`     // where a merged incident went
	Reopens  int       `json:"reopens,omitempty"`  // how often it started again after closing
	Previous ID        `json:"previous,omitempty"` // the incident that this one follows on (split, later window)
}

// A ReporterCount is how often one reporter complained about one incident.
type ReporterCount struct {
	Reporter Reporter `json:"reporter"`
	Count    int      `json:"count"`
}

// Limits on what one incident carries; the rest is counted and kept as evidence beside it.
const (
	maxWhy       = 12
	maxAddrs     = 64
	maxReporters = 50
	maxSamples   = 4
)

// because adds a reason, dropping the oldest one past the limit and never repeating the newest.
func (i *Incident) because(format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	if n := len(i.Why); n > 0 && i.Why[n-1] == reason {
		return
	}
	i.Why = append(slices.Clip(i.Why), reason)
	if len(i.Why) > maxWhy {
		i.Why = slices.Delete(slices.Clone(i.Why), 0, len(i.Why)-maxWhy)
	}
}
