package anomaly

import (
	"fmt"
	"math"
	"sort"
	"time"

	"spoor/flowwatch/activity"
)

// A lens is what sampling makes of conversations: which of them are seen at all, and as what. An export then tells of a
// fragment: those packets of a conversation that were looked at.
type lens struct {
	rate   uint32 // one packet in so many is looked at; 1 is all
	packet bool   // each fragment is one packet (sFlow)
}

// How many packets a client sends. A short mail is the worst case of all that are innocent: its fragments are the most
// like those of failures and refusals.
const (
	shortMail    = 9  // a mail of some lines
	ordinaryMail = 24 // one of some 20 kB
	refusedMail  = 8.5
	deadHost     = 1.5 // SYN, perhaps again
	senderMean   = 10  // over all that a sender tries
)

// lensOf is the lens through which a host's flows were seen. That of other hosts may be another: where only some exporters
// sample, each peer of a host that none of these sees stands for itself.
func lensOf(a *activity.Activity) lens { return lens{max(a.Sampling, 1), a.Packets} }

// coarsest is the lens through which what is not seen of a host may have gone.
func (l lens) coarsest(c activity.Coverage) lens { return lens{max(l.rate, c.Sampling), l.packet} }

// unit is what is seen and counted.
func (l lens) unit() string {
	if l.packet {
		return "sampled packets"
	}
	return "flows"
}

// clear tells whether every conversation is seen whole.
func (l lens) clear() bool { return l.rate <= 1 && !l.packet }

// seen is the chance that of a conversation of so many packets any is looked at.
func (l lens) seen(packets float64) float64 { return visible(1/float64(l.rate), packets) }

func visible(q, packets float64) float64 {
	if q >= 1 {
		return 1
	}
	return -math.Expm1(packets * math.Log1p(-q))
}

// part is the share of packets at which fragments look as the lens shows them: single packets are fragments of a
// conversation as if hardly any had been looked at.
func (l lens) part() float64 {
	if l.packet {
		return 1e-6
	}
	return 1 / float64(l.rate)
}

// An origin says how often two kinds of conversations are seen at all, and how often the first of them is seen as a
// fragment that looks like the second.
type origin struct{ whole, alike, bad float64 }

// failures are mails of which the SYN alone may be seen, beside attempts that send nothing else. A mail is a short one with so
// many full packets besides: on average, more of them being as much rarer as they are more.
func (l lens) failures(full float64) origin {
	q := l.part()
	if q >= 1 {
		return origin{1, 0, 1}
	}
	unseen := math.Pow(1-q, shortMail-1) / (1 - full*math.Log1p(-q))
	return origin{1 - unseen*(1-q), q * unseen, visible(q, deadHost)}
}

// Sizes of a packet: one that carries no data or a line, and one full of data. That many full ones in a mail are believed, so
// that a few large mails do not make many short ones look like failures.
const (
	shortPacket = 64
	fullPacket  = 1500
	fullAtMost  = 5
)

// full is how many full packets there are to the short ones of a mail, by the mean size of the packets.
func full(packets, bytes uint64) float64 {
	size := float64(bytes) / float64(max(packets, 1))
	part := min(max((size-shortPacket)/(fullPacket-shortPacket), 0), 0.9)
	return min(shortMail*part/(1-part), fullAtMost)
}

// refusals are mails of which only the short packets may be seen, beside conversations that have no others.
func (l lens) refusals() origin {
	q := l.part()
	return origin{visible(q, shortMail+1), (1 - q) * visible(q, shortMail), visible(q, refusedMail)}
}

// share is the share of conversations that were bad, given that of the fragments that look so.
func (o origin) share(fragments float64) float64 {
	over := fragments*o.whole - o.alike
	if over <= 0 {
		return 0
	}
	return min(1, over/(over+o.bad*(1-fragments)))
}

// fragments is the share of fragments that look bad, given that of conversations that are.
func (o origin) fragments(share float64) float64 {
	return ((1-share)*o.alike + share*o.bad) / ((1-share)*o.whole + share*o.bad)
}

// someSeen is how many fragments of innocent mail are thought to have been seen beside those that were, so that a few
// prove nothing.
const someSeen = 20

// bad is the share of conversations that were bad, where so many fragments look so. Sampled, it is the least that
// explains them; doubt is by how many standard errors it might be chance: there are many servers, and each is looked at
// all day.
func (l lens) bad(o origin, fragments, of uint64, doubt float64) float64 {
	if l.clear() {
		return share(fragments, of)
	}
	innocent, n := o.fragments(0), float64(of)+someSeen
	p := (float64(fragments) + innocent*someSeen) / n
	return o.share(p - doubt*math.Sqrt(p*(1-p)/n))
}

// failed and tiny are the shares of conversations that failed, and that carried small packets alone.
func (l lens) failed(w *window, full, doubt float64) float64 {
	return l.bad(l.failures(full), w.Failed, w.Flows, doubt)
}
func (l lens) tiny(w *window, doubt float64) float64 {
	return l.bad(l.refusals(), w.Tiny, w.Flows, doubt)
}

// peers is to how many hosts a host sent at least, of whose conversations fragments with so many peers were seen: each
// that was seen stands for others that were not, as far as the same peers are not met again and again (n draws out of m
// meet n²/2m again; three more than were met are not ruled out).
func (l lens) peers(met int, w *window) int {
	if l.clear() || !l.all(w) {
		return met
	}
	seen := l.seen(ordinaryMail)
	conversations, opened := float64(w.Flows), 0.0
	if l.packet {
		conversations = min(conversations, conversations/ordinaryMail*float64(l.rate)*seen)
		// A conversation opens with one SYN, so each that is looked at stands for as many as the rate says.
		opened = (float64(w.Failed) - math.Sqrt(float64(w.Failed))) * float64(l.rate)
	}
	again := max(0, conversations-float64(met))
	unmet := float64(met) * float64(met) / 2 / (again + 3)
	return max(met, int(min(max(float64(met)/seen, opened), unmet)))
}

// all tells whether all of the flows were sampled, half as coarsely at least: each then stands for as many packets. Where
// some exporters sample and others do not, a few sampled ones tell nothing of those that were seen whole.
func (l lens) all(w *window) bool { return w.Packets >= w.Flows*uint64(l.rate)/2 }

// watched is how long must have been looked before it means something that no mail came in.
func (l lens) watched() time.Duration {
	if l.clear() {
		return time.Hour
	}
	return windowHours * time.Hour
}

// ordinary is what the failures and refusals of ordinary mail add to the score over hours. Sampled, only those count that
// ordinary mail does not explain, so the list begins as much lower.
const ordinary = 1

// enterSlow is the score over hours from which a host is listed.
func (c Config) enterSlow(l lens, w *window) float64 {
	if l.clear() || !l.all(w) {
		return c.EnterSlow
	}
	return c.EnterSlow - ordinary
}

// Unseen is how many connections may go by without a packet of theirs being looked at, one in twenty times: fewer than
// these prove nothing by not being seen.
func Unseen(sampling uint32) int {
	if sampling <= 1 {
		return 0
	}
	return int(math.Ceil(math.Log(0.05) / math.Log1p(-1/float64(sampling)) / senderMean))
}

// Reach is how many connections an hour a host must make for hours, each to another server, to be expected on the list
// within six of them, if nothing else than that no mail comes in speaks against it.
func (c Config) Reach(sampling uint32) int { return c.reach(lens{rate: max(sampling, 1)}) }

const maxReach = 10_000_000

func (c Config) reach(l lens) int {
	return 1 + sort.Search(maxReach, func(n int) bool {
		connections := float64(n+1) * windowHours
		met := int(connections * l.seen(senderMean))
		w := window{Flows: uint64(met)}
		if l.packet {
			w.Flows, w.Failed = uint64(connections*senderMean/float64(l.rate)), uint64(connections/float64(l.rate))
		}
		w.Packets = w.Flows * uint64(l.rate)
		fan, iteration := c.slow(features{relay: 1, hours: windowHours, lens: l, seesIn: true}, l.peers(met, &w), c.Weights.Plain+0.3)
		return met >= 2*c.MinPeers && fan+iteration+c.Weights.NoInbound >= c.enterSlow(l, &w)
	})
}

// maxReaches bounds what is remembered, since exporters say how they sample, and may say something else each time.
const maxReaches = 64

// reach is Config.reach, remembered.
func (j *Judge) reach(l lens) int {
	reach, ok := j.reaches[l]
	if !ok {
		if len(j.reaches) >= maxReaches {
			clear(j.reaches)
		}
		reach = j.config.reach(l)
		j.reaches[l] = reach
	}
	return reach
}

// words say how the lens came to be.
func (l lens) words() string {
	if l.packet && l.rate <= 1 {
		return "sFlow tells of packets"
	}
	return fmt.Sprintf("one packet in %d is sampled", l.rate)
}

// blind says what sampling hides of mail.
func (j *Judge) blind(l lens) string {
	return fmt.Sprintf("single conversations: %s, so failures and sizes are the least that explain what was seen, and a sender of fewer than about %d connections an hour is not seen",
		l.words(), j.reach(l))
}
