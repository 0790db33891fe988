// Package anomaly judges which hosts behave like spammers, and says why: it compares each
// host's Activity with what is normal, or, of mail servers, with their own past.
package anomaly

import (
	"net/netip"
	"time"
)

// An Anomaly is a host whose Activity departs from what is normal, with reasons and a since and until.
type Anomaly struct {
	Host      netip.Prefix `json:"-"`
	Name      string       `json:"host"`
	Profile   string       `json:"profile"`
	Kind      Kind         `json:"kind"`
	Since     time.Time    `json:"since"`
	Until     time.Time    `json:"until,omitzero"` // zero while it lasts
	Seen      time.Time    `json:"seen"`           // end of the last interval in which it departed
	IntervalS float64      `json:"interval_s"`     // length of the intervals that it is judged by
	Score     float64      `json:"score"`          // now; Enter is where the list begins
	Peak      float64      `json:"peak"`
	Flows     uint64       `json:"flows"` // outgoing, since it was listed
	Peers     int          `json:"peers"` // in its busiest interval
	// Proven says that a two-way TCP exchange was seen: without it the source address may
	// be forged, and the entry alone never is ground for a notice.
	Proven  bool     `json:"proven"`
	Server  Server   `json:"server,omitempty"`  // known as a mail server, and how
	Allowed string   `json:"allowed,omitempty"` // the operator's reason to tolerate it
	Reasons []Reason `json:"reasons"`
	Blind   []string `json:"blind,omitempty"` // what could not be looked at, and why
}

// A Kind says what sort of departure it is.
type Kind string

const (
	Intensive  Kind = "intensive"  // much at once: the talk's "obviously high connection count"
	Iterative  Kind = "iterative"  // little, for hours
	Probing    Kind = "probing"    // connection attempts that nobody answers
	Departure  Kind = "departure"  // a mail server beyond its own past
	Scan       Kind = "scan"       // the rules "scan"
	Rate       Kind = "rate"       // the rules "rate"
	Reflection Kind = "reflection" // the rules "reflect"
	Threshold  Kind = "threshold"  // the mode of plain thresholds
)

// A Server says why a host counts as a mail server.
type Server string

const (
	Configured Server = "configured"
	Learnt     Server = "learnt" // answered sustained mail from many clients
)

// A Reason is one feature that speaks for the entry, in words and figures.
type Reason struct {
	Code   string  `json:"code"`
	Value  float64 `json:"value"`
	Weight float64 `json:"weight"` // what it adds to the score
	Text   string  `json:"text"`
}

// A Change is what an interval did to the list.
type Change struct {
	Anomaly Anomaly
	Entered bool // otherwise it left, or only its figures changed
	Left    bool
}

// An Allow tolerates what a network does until a time, for a reason.
type Allow struct {
	Net    netip.Prefix `toml:"net"`
	Until  time.Time    `toml:"until"` // zero is for good
	Reason string       `toml:"reason"`
}

// A Mode is how SMTP is judged.
type Mode string

const (
	ModeScore      Mode = "score"
	ModeThresholds Mode = "thresholds" // plain flow counts, as in 2003: for comparison
)

// Config holds the limits and weights. They were chosen on the labelled simulation
// (netflowtest) and are recorded in docs/flowwatch.md.
type Config struct {
	Mode  Mode
	Flows uint64 // ModeThresholds: outgoing flows in an interval above which a host is listed

	Enter      float64 // score from which a host is listed
	EnterSlow  float64 // the same, of the score over hours
	EnterPast  float64 // the same, of a mail server against its own past
	Leave      float64 // share of the entering score under which an interval counts as quiet
	LeaveAfter int     // so many quiet intervals end an entry
	MinPeers   int     // fewer distinct peers in all hours looked at are never listed

	Weights Weights

	MailServers []netip.Prefix
	Allow       []Allow
	MaxHosts    int // hosts whose past is kept
}

// Weights are the factors of the score's terms.
type Weights struct {
	FanOut    float64 // times log2(1 + peers/5), scaled down where nothing else is suspicious
	NoInbound float64
	Failed    float64
	Tiny      float64
	Hours     float64 // times log2(1 + active hours)
	Tested    float64 // the sequential test has decided
	Plain     float64 // the share of the fan-out term that needs no other suspicion
}

// DefaultConfig is the safe default.
func DefaultConfig() Config {
	return Config{
		Mode: ModeScore, Flows: 100,
		Enter: 7, EnterSlow: 10, EnterPast: 6, Leave: 0.6, LeaveAfter: 3, MinPeers: 8,
		Weights:  Weights{FanOut: 2, NoInbound: 2, Failed: 3, Tiny: 2, Hours: 1.5, Tested: 1.5, Plain: 0.3},
		MaxHosts: 200_000,
	}
}

func (c Config) allowed(host netip.Prefix, at time.Time) string {
	for _, a := range c.Allow {
		if a.Net.Contains(host.Addr()) && a.Net.Bits() <= host.Bits() && (a.Until.IsZero() || at.Before(a.Until)) {
			if a.Reason == "" {
				return "allowed by configuration"
			}
			return a.Reason
		}
	}
	return ""
}

func (c Config) server(host netip.Prefix) bool {
	for _, p := range c.MailServers {
		if p.Contains(host.Addr()) && p.Bits() <= host.Bits() {
			return true
		}
	}
	return false
}
