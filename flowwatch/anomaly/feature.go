package anomaly

import (
	"fmt"
	"math"
	"strconv"

	"spoor/flowwatch/activity"
)

// features are the figures that a verdict rests on, and which of them can be trusted.
type features struct {
	flows  uint64
	peers  int
	exact  bool    // not an estimate
	relay  float64 // share of flows to port 25
	failed float64
	tiny   float64
	hours  int

	clients   int
	inbound   bool // answers mail from others, now or in the last day
	seesIn    bool // inbound traffic would be seen
	seesFlow  bool // each flow is seen: failures and sizes mean something
	oneWay    bool
	proven    bool
	perPacket float64
	blind     []string
}

// someClients in the last hours show that mail comes in, even where no interval shows several.
const someClients = 5

// coarse is the sampling rate above which single flows say nothing.
const coarse = 100

func featuresOf(a *activity.Activity, s *state, c activity.Coverage) features {
	out := a.Series[activity.Out]
	f := features{
		flows: out.Flows, peers: a.PeersMet(), exact: a.Peers.Exact(), relay: share(a.Relay, out.Flows),
		failed: share(a.Failed, out.Flows), tiny: share(a.Tiny, out.Flows), hours: hours(s.Active),
		clients: a.ClientsMet(), inbound: serves(a) || hours(s.Serving) >= 2 || s.clients() >= someClients,
		seesIn: true, seesFlow: true, perPacket: out.PerPacket(),
	}
	proven := s.Slots[0].Proven + s.Slots[1].Proven
	replies := s.Slots[0].Replies + s.Slots[1].Replies
	// Flags that prove answers, where in hours none was seen: the way back leads past our exporters.
	f.oneWay = !c.BothWays() && c.Out > 0 || proven > 0 && replies == 0
	f.proven = a.Established > 0 && (f.oneWay || a.Series[activity.Replies].Flows > 0)
	if f.oneWay && !f.inbound {
		f.seesIn = false
		f.blind = append(f.blind, "inbound mail: only one direction of the traffic is seen")
	}
	switch {
	case a.Packets:
		f.seesFlow = false
		f.blind = append(f.blind, "failures and sizes of single flows: sFlow tells of packets")
	case max(a.Sampling, c.Sampling) > coarse:
		f.seesFlow = false
		f.blind = append(f.blind, fmt.Sprintf("failures and sizes of single flows: one packet in %d is sampled", max(a.Sampling, c.Sampling)))
	}
	return f
}

// figure writes a number of hosts, as what it is.
func figure(n int, exact bool) string {
	if exact {
		return strconv.Itoa(n)
	}
	return "about " + strconv.Itoa(n)
}

// plain writes a figure without an exponent, in no more digits than mean something.
func plain(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// estimated marks a text about hosts whose number is an estimate.
func (f *features) estimated(text string) string {
	if f.exact {
		return text
	}
	return text + " (about)"
}

// noInbound is 1 where the host takes no mail in, so far as that can be seen.
func (f *features) noInbound() float64 {
	if f.inbound || !f.seesIn {
		return 0
	}
	return 1
}

// fan is the fan-out term's logarithm. Submission (465, 587) to many servers is less unusual than 25.
func fan(peers int, relay float64) float64 {
	return math.Log2(1+float64(peers)/5) * (0.4 + 0.6*relay)
}

// Bounds of the sequential test (Wald): the share of failed attempts of a benign and of a hostile host,
// and where it decides (error of one in a hundred either way).
var (
	onFailure = math.Log(0.5 / 0.15)
	onSuccess = math.Log(0.5 / 0.85)
	decided   = math.Log(99)
)

// testCap keeps one busy interval, or a long good past, from outweighing everything after it.
const (
	testCap   = 20
	testFloor = -6
	testFlows = 30
)

// test moves the host's sequential test on by an interval's attempts.
func (s *state) test(a *activity.Activity, f features) bool {
	if !f.seesFlow || f.peers < 3 {
		return s.Test >= decided
	}
	n := min(f.flows, testFlows)
	bad := f.failed * float64(n)
	s.Test += bad*onFailure + (float64(n)-bad)*onSuccess
	s.Test = min(max(s.Test, testFloor), testCap)
	return s.Test >= decided
}
