package anomaly

import (
	"math"
	"strconv"

	"spoor/flowwatch/activity"
)

// features are the figures that a verdict rests on, and which of them can be trusted.
type features struct {
	flows  uint64
	met    int     // distinct peers of which an export told,
	peers  int     // and at least so many there were
	exact  bool    // not an estimate
	relay  float64 // share of flows to port 25
	failed float64
	tiny   float64
	hours  int

	clients   int
	inbound   bool    // answers mail from others, now or in the last day
	seesIn    bool    // inbound traffic would be seen
	watched   float64 // for how much of the time that it takes to tell whether mail comes in the Judge has looked
	lens      lens    // what sampling leaves
	oneWay    bool
	proven    bool
	perPacket float64
	full      float64 // full packets in a mail of the host's, at least
	blind     []string
}

// someClients in the last hours show that mail comes in, even where no interval shows several: five, or as many as are
// seen of five.
func (l lens) someClients() int { return int(math.Ceil(5 * l.seen(ordinaryMail))) }

// coarse is the sampling rate above which nearly all of a conversation goes unseen.
const coarse = 100

func featuresOf(a *activity.Activity, s *state, c activity.Coverage) features {
	out, l := a.Series[activity.Out], lensOf(a)
	f := features{
		flows: out.Flows, met: a.PeersMet(), exact: a.Peers.Exact() && l.clear(), relay: share(a.Relay, out.Flows),
		hours:   hours(s.Active),
		clients: a.ClientsMet(), inbound: serves(a) || hours(s.Serving) >= 2 || s.clients() >= l.coarsest(c).someClients(),
		seesIn: true, lens: l, perPacket: out.PerPacket(),
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
	if f.seesIn && !f.inbound {
		f.full = s.full() // a server may well try others, and be refused as often as its mail is long
	}
	now := window{Flows: out.Flows, Packets: out.Packets, Failed: a.Failed, Tiny: a.Tiny}
	f.peers = l.peers(f.met, &now)
	f.sort(&now)
	return f
}

// sort tells which shares of a window's conversations failed, and carried small packets alone. Where inbound mail is not
// seen these are all there is to go by, so what may be chance is left out: one standard error.
func (f *features) sort(w *window) {
	f.failed, f.tiny = f.lens.failed(w, f.full, f.doubt()), f.lens.tiny(w, f.doubt())
	if f.lens.clear() && !f.seesIn {
		f.failed, f.tiny = atLeast(f.failed, w.Flows), atLeast(f.tiny, w.Flows)
	}
}

// atLeast is a share less its standard error.
func atLeast(share float64, of uint64) float64 {
	return max(0, share-math.Sqrt(share*(1-share)/float64(max(of, 1))))
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

// doubt is by how many standard errors an estimate must exceed chance: who takes mail in is most likely a server.
func (f *features) doubt() float64 {
	if f.inbound {
		return 2
	}
	return 1
}

// tinyWeight is how much tiny flows count: who takes mail in may well try its senders' servers before it does.
func (f *features) tinyWeight() float64 {
	if f.inbound {
		return 0.4
	}
	return 1
}

// noInbound is 1 where the host takes no mail in, so far as that can be seen, and as much less as that was not looked at for long.
func (f *features) noInbound() float64 {
	if f.inbound || !f.seesIn {
		return 0
	}
	return f.watched
}

// fan is the fan-out term's logarithm. Submission (465, 587) to many servers is less unusual than 25.
func fan(peers int, relay float64) float64 {
	return math.Log2(1+float64(peers)/5) * (0.4 + 0.6*relay)
}

// The sequential test (Wald): the share of failed attempts of a benign and of a hostile host, and where it decides
// (error of one in a hundred either way).
const (
	benignFailures  = 0.15
	hostileFailures = 0.5
)

var decided = math.Log(99)

// testCap keeps one busy interval, or a long good past, from outweighing everything after it.
const (
	testCap   = 20
	testFloor = -6
	testFlows = 30
)

// test moves the host's sequential test on by an interval's attempts. Of sampled ones it weighs how often a fragment of a
// benign and of a hostile host's conversations looks like a failure.
func (s *state) test(a *activity.Activity, f features) bool {
	if f.met < 3 {
		return s.Test >= decided
	}
	o := f.lens.failures(f.full)
	benign, hostile := o.fragments(benignFailures), o.fragments(hostileFailures)
	n := float64(min(f.flows, testFlows))
	bad := share(a.Failed, f.flows) * n
	s.Test += bad*math.Log(hostile/benign) + (n-bad)*math.Log((1-hostile)/(1-benign))
	s.Test = min(max(s.Test, testFloor), testCap)
	return s.Test >= decided
}
