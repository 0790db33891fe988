package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// A Kind says where a piece of evidence comes from.
type Kind string

// The kinds of evidence.
const (
	FromReport  Kind = "report"  // a complaint: an allegation
	FromFlows   Kind = "flow"    // our flow records
	FromLog     Kind = "log"     // a mail log of ours
	FromTrace   Kind = "trace"   // the milter's sightings
	FromAnomaly Kind = "anomaly" // our list of hosts that misbehave
	FromReply   Kind = "reply"   // what the contact answered
	FromBlock   Kind = "block"   // our blocks of the address
)

// A Side says which way evidence speaks.
type Side string

// The sides. Silence is never evidence of innocence: it only says that we could not see.
const (
	For     Side = "for"
	Against Side = "against"
	Silent  Side = "silent"
)

// A Reporter is who complained, as far as the mail shows it.
type Reporter struct {
	Address       string `json:"address,omitempty"`
	Domain        string `json:"domain,omitempty"`
	Authenticated string `json:"authenticated,omitempty"` // "dkim", "spf" or "none"
}

// Proven reports whether the reporter's domain is authenticated.
func (r Reporter) Proven() bool { return r.Authenticated == "dkim" || r.Authenticated == "spf" }

// Name is what caps count a reporter under: the domain that its authenticated name was registered below, since names
// below one's own cost nothing to invent, else its claimed address.
func (r Reporter) Name() string {
	if !r.Proven() || r.Domain == "" {
		return strings.ToLower(r.Address)
	}
	domain := strings.Trim(strings.ToLower(r.Domain), ".")
	if registered, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return registered
	}
	return domain
}

// A Subject is the account, site or file behind an address.
type Subject struct {
	Account string `json:"account,omitempty"`
	Site    string `json:"site,omitempty"`
	File    string `json:"file,omitempty"`
	Title   string `json:"title,omitempty"`
	Hash    string `json:"hash,omitempty"`
}

// Key is the part of an incident's key that stands for s: the most precise name there is.
// A title names no thing behind the address, so it keeps nothing apart.
func (s Subject) Key() string {
	for _, part := range []struct{ name, value string }{
		{"account", s.Account}, {"hash", s.Hash}, {"file", s.File}, {"site", s.Site},
	} {
		if v := strings.TrimSpace(part.value); v != "" {
			return part.name + ":" + short(strings.ToLower(v))
		}
	}
	return ""
}

// maxName bounds a name that comes from outside and becomes part of a key.
const maxName = 200

// short cuts a long name but keeps it apart from others that begin alike.
func short(s string) string {
	if len(s) <= maxName {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:maxName-20], "") + "…" + hex.EncodeToString(sum[:8])
}

// Evidence is one thing that speaks for or against an incident.
type Evidence struct {
	Kind     Kind     `json:"kind"`
	Side     Side     `json:"side"`
	Mail     string   `json:"mail,omitempty"` // the spooled mail it came in
	Format   string   `json:"format,omitempty"`
	ReportID string   `json:"report_id,omitempty"`
	Reporter Reporter `json:"reporter,omitzero"`

	Addr        netip.Addr    `json:"addr,omitzero"`
	Port        uint16        `json:"port,omitempty"`
	From        time.Time     `json:"from,omitzero"` // when it happened, by the reporter's clock
	To          time.Time     `json:"to,omitzero"`
	Uncertainty time.Duration `json:"uncertainty,omitempty"`
	ZoneKnown   bool          `json:"zone_known"`
	Received    time.Time     `json:"received"` // when it reached us

	Category    string   `json:"category,omitempty"`
	Type        string   `json:"type,omitempty"`
	Subject     Subject  `json:"subject,omitzero"`
	Protocol    string   `json:"protocol,omitempty"`
	DstPort     uint16   `json:"dst_port,omitempty"`
	Destination string   `json:"destination,omitempty"`
	URLs        []string `json:"urls,omitempty"`
	Domains     []string `json:"domains,omitempty"`
	Count       int      `json:"count,omitempty"`
	Source      string   `json:"source,omitempty"` // the accused URL, name or network, where no address is stated
	Via         []string `json:"via,omitempty"`    // marks of other desks that the complaint passed through
	Step        string   `json:"step,omitempty"`   // how the report was read: structure, reporter or fallback
	Level       Level    `json:"level,omitempty"`
	Claimed     bool     `json:"claimed,omitempty"` // only a line that nobody vouches for names the address
	Undated     bool     `json:"undated,omitempty"` // no time is stated: From is that of the complaint

	Lines  []string `json:"lines,omitempty"`  // the lines that say it, as they came
	Header string   `json:"header,omitempty"` // header of the reported message, where the complaint encloses one
	Redact []string `json:"redact,omitempty"` // addresses and domains in them that name the complainant, receivers or third parties
	Hash   string   `json:"hash,omitempty"`   // SHA-256 of the enclosed header, else of Lines, before anything is hidden
	Why    string   `json:"why,omitempty"`
}

// madeForMachines reports whether the complaint came in a form that programs write and read. A mail that a person
// forwards or pastes has structure too, but anybody can type one: it accuses nobody by itself.
func (e Evidence) madeForMachines() bool {
	return e.Step == "structure" && e.Format != "attached-mail" && e.Format != "pasted-mail"
}

// When is the time of the event; a report without one stands at its arrival, less nothing.
func (e Evidence) When() time.Time {
	if e.From.IsZero() {
		return e.Received
	}
	return e.From
}

// Until is the end of the event.
func (e Evidence) Until() time.Time {
	if e.To.After(e.When()) {
		return e.To
	}
	return e.When()
}

// Bounds on the text of one piece of evidence.
const (
	maxLines      = 40
	maxLineLength = 1000
	maxHeader     = 16 << 10
	maxURLs       = 20
	maxCount      = 1_000_000_000
)

// Bounded returns e with its text cut to what an incident may carry. Keys are made of bounded evidence only.
func (e Evidence) Bounded() Evidence {
	if len(e.Lines) > maxLines {
		e.Lines = slices.Clone(e.Lines[:maxLines])
	}
	for i, line := range e.Lines {
		if len(line) > maxLineLength {
			e.Lines = slices.Clone(e.Lines)
			e.Lines[i] = strings.ToValidUTF8(line[:maxLineLength], "") + "…"
		}
	}
	if len(e.Header) > maxHeader {
		e.Header = e.Header[:strings.LastIndex(e.Header[:maxHeader], "\n")+1]
	}
	e.Count = min(max(e.Count, 0), maxCount)
	for _, name := range []*string{&e.Reporter.Address, &e.Reporter.Domain, &e.Source, &e.Type, &e.Category, &e.ReportID, &e.Format, &e.Protocol, &e.Destination,
		&e.Subject.Account, &e.Subject.Site, &e.Subject.File, &e.Subject.Title, &e.Subject.Hash} {
		*name = short(*name)
	}
	e.URLs, e.Domains, e.Redact, e.Via = bound(e.URLs), bound(e.Domains), bound(e.Redact), bound(e.Via)
	return e
}

func bound(list []string) []string {
	var kept []string
	for _, s := range list {
		if len(kept) == maxURLs {
			break
		}
		if len(s) <= maxLineLength {
			kept = append(kept, s)
		}
	}
	return kept
}

// Bounds on what an incident itself carries; the whole evidence is kept beside it.
const (
	sampleLines      = 12
	sampleLineLength = 400
	sampleHeader     = 8 << 10
)

// keepSample keeps the first two and the latest pieces of evidence with the incident, each cut short. Only the
// first carries its header: it is the proof that a notice about a single message encloses.
func keepSample(samples []Evidence, e Evidence) []Evidence {
	if len(samples) > 0 {
		e.Header = ""
	}
	if cut := strings.LastIndex(e.Header[:min(len(e.Header), sampleHeader)], "\n"); len(e.Header) > sampleHeader {
		e.Header = e.Header[:cut+1]
	}
	lines := make([]string, 0, min(len(e.Lines), sampleLines))
	for _, line := range e.Lines[:min(len(e.Lines), sampleLines)] {
		if len(line) > sampleLineLength {
			line = strings.ToValidUTF8(line[:sampleLineLength], "") + "…"
		}
		lines = append(lines, line)
	}
	e.Lines = lines
	out := append(slices.Clone(samples), e)
	if len(out) > maxSamples {
		out = slices.Delete(out, 2, 3)
	}
	return out
}
