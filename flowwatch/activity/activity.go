// Package activity counts what each host of ours does in each interval of time: how many
// flows, packets and bytes in which direction, with how many peers, how many of them failed.
package activity

import (
	"net/netip"
	"time"
)

// Counts are the sums of one direction.
type Counts struct {
	Flows   uint64 `json:"flows"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Add adds o.
func (c *Counts) Add(o Counts) {
	c.Flows, c.Packets, c.Bytes = c.Flows+o.Flows, c.Packets+o.Packets, c.Bytes+o.Bytes
}

// PerPacket is the mean number of bytes in a packet; 0 where there is none.
func (c Counts) PerPacket() float64 {
	if c.Packets == 0 {
		return 0
	}
	return float64(c.Bytes) / float64(c.Packets)
}

// A Direction is one of the four series in which a host's flows are counted apart. In the
// SMTP profile, with "us" for the host and "them" for its peers:
type Direction uint8

const (
	Out     Direction = iota // us > them:25, what we send as a client
	Replies                  // them:25 > us, what their servers answer
	In                       // them > us:25, what clients send to our server
	Answers                  // us:25 > them, what our server answers
	Directions
)

// String names the direction as the command line and JSON do.
func (d Direction) String() string {
	return [...]string{"out", "replies", "in", "answers", "?"}[min(d, Directions)]
}

// An Activity is one host's counts in one interval, of one profile.
type Activity struct {
	Host    netip.Prefix // one address, or the delegated prefix of an IPv6 customer
	Profile string
	Start   time.Time
	Length  time.Duration

	First, Last time.Time // when its first and last flow ended
	Series      [Directions]Counts

	Relay       uint64 // outgoing flows to the profile's first port: of SMTP 25, from server to server
	Failed      uint64 // outgoing flows that never became a session: no answer, reset, three packets or fewer
	SYNOnly     uint64 // of these, those that sent nothing but SYN
	Tiny        uint64 // outgoing flows of fewer bytes a packet than the profile's limit
	Established uint64 // outgoing flows whose flags prove that the other side answered
	Forged      uint64 // flows that came in by another interface than the host's route; in no other count

	Peers   Sketch // to whom it sent
	Replied Sketch // who of them answered
	Clients Sketch // who held sessions with its server

	Packets  bool   // its flows are single sampled packets (sFlow): failed are those that were a SYN, tiny the short ones
	Sampling uint32 // the coarsest that a flow of it was counted with
	Active   uint32 // shorter intervals with outgoing flows that are rolled up in this one
}

// Addr is the host's address, or the first of its prefix.
func (a *Activity) Addr() netip.Addr { return a.Host.Addr() }

// Single tells whether the host is one address.
func (a *Activity) Single() bool { return a.Host.IsSingleIP() }

// Name is how people write the host: an address, or a prefix.
func Name(host netip.Prefix) string {
	if host.IsSingleIP() {
		return host.Addr().String()
	}
	return host.String()
}

// Merge adds what the same host did in another interval; Start and Length become those that span both.
func (a *Activity) Merge(o *Activity) {
	a.mergeCounts(o)
	from := o.sketches()
	for i, s := range a.sketches() {
		s.Merge(from[i])
	}
}

func (a *Activity) mergeCounts(o *Activity) {
	end := a.Start.Add(a.Length)
	if oEnd := o.Start.Add(o.Length); oEnd.After(end) {
		end = oEnd
	}
	if o.Start.Before(a.Start) {
		a.Start = o.Start
	}
	a.Length = end.Sub(a.Start)
	if a.First.IsZero() || !o.First.IsZero() && o.First.Before(a.First) {
		a.First = o.First
	}
	if o.Last.After(a.Last) {
		a.Last = o.Last
	}
	for d := range a.Series {
		a.Series[d].Add(o.Series[d])
	}
	a.Relay, a.Failed, a.SYNOnly, a.Tiny = a.Relay+o.Relay, a.Failed+o.Failed, a.SYNOnly+o.SYNOnly, a.Tiny+o.Tiny
	a.Established, a.Forged, a.Active = a.Established+o.Established, a.Forged+o.Forged, a.Active+o.Active
	a.Sampling, a.Packets = max(a.Sampling, o.Sampling), a.Packets || o.Packets
}

// sketches are the Activity's sets of peers.
func (a *Activity) sketches() [3]*Sketch { return [...]*Sketch{&a.Peers, &a.Replied, &a.Clients} }

// Clone makes an Activity that shares nothing with a.
func (a *Activity) Clone() Activity {
	c := *a
	c.Peers, c.Replied, c.Clients = a.Peers.Clone(), a.Replied.Clone(), a.Clients.Clone()
	return c
}

// PeersMet is how many distinct hosts were sent to: each took a flow, so an estimate is never above these.
func (a *Activity) PeersMet() int { return atMost(&a.Peers, a.Series[Out].Flows) }

// PeersReplied is how many of them answered.
func (a *Activity) PeersReplied() int { return atMost(&a.Replied, a.Series[Replies].Flows) }

// ClientsMet is how many clients held sessions with its server.
func (a *Activity) ClientsMet() int { return atMost(&a.Clients, a.Series[In].Flows) }

func atMost(s *Sketch, flows uint64) int { return int(min(uint64(s.Count()), flows)) }

// A Merger adds Activities up and leaves their sets of peers to be merged when somebody asks for them.
type Merger struct{ parts [3][]Sketch }

// Begin makes sum what a is.
func (m *Merger) Begin(sum, a *Activity) {
	*sum = *a
	for i := range m.parts {
		m.parts[i] = m.parts[i][:0]
	}
}

// Merge is sum.Merge(a). What a's sketches are views of must stay for as long as sum is looked at.
func (m *Merger) Merge(sum, a *Activity) {
	sum.mergeCounts(a)
	from := a.sketches()
	for i, s := range sum.sketches() {
		if len(from[i].data) > 0 {
			m.parts[i] = append(m.parts[i], *from[i])
			s.more = m.parts[i]
		}
	}
}

// A Coverage says what of the network's traffic an interval's counts rest on.
type Coverage struct {
	Exporters []netip.Addr `json:"exporters"` // heard in the interval
	Silent    []netip.Addr `json:"silent"`    // heard before, and not in the interval
	Sampling  uint32       `json:"sampling"`  // the coarsest in force
	Lost      uint64       `json:"lost"`      // flows or datagrams missing from the exporters' numbering
	Dropped   uint64       `json:"dropped"`   // datagrams that this machine's kernel dropped
	Out       uint64       `json:"out"`       // flows of the profile from us to their servers
	Replies   uint64       `json:"replies"`   // and back
	Overflow  Overflow     `json:"overflow"`
	Partial   bool         `json:"partial"` // the collector did not run for the whole interval
}

// BothWays tells whether both directions of conversations are seen at all.
func (c *Coverage) BothWays() bool { return c.Replies > 0 && c.Replies*10 >= c.Out }

// An Overflow is what came from more hosts than are tracked one by one.
type Overflow struct {
	Counts
	Hosts int `json:"hosts"` // about how many
}
