package anomaly

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"spoor/flowwatch/activity"
)

// A state is what the Judge remembers of one host from interval to interval.
type state struct {
	Hour    int64  `json:"h"` // the hour (Unix hours) that bit 0 of the masks stands for
	Active  uint64 `json:"a"` // hours with outgoing flows, newest in bit 0
	Serving uint64 `json:"s"` // hours in which its server answered mail
	Listed  uint64 `json:"l"` // hours in which it stood on the list
	Seen    int64  `json:"t"` // Unix seconds

	Test  float64   `json:"q"` // log likelihood ratio of the sequential test
	Slots [2]window `json:"w"` // the last six to twelve hours, in two halves
	Turn  int64     `json:"u"` // when the newer half began, Unix hours

	Past  past     `json:"p"`
	Learn int64    `json:"k,omitempty"` // since when it is a learnt mail server, Unix seconds
	Quiet int      `json:"z,omitempty"` // quiet intervals in a row
	Entry *Anomaly `json:"e,omitempty"`

	dirty bool
	wide  bool // may remember more than a few peers exactly
}

// sketches are the sets of peers that a state remembers.
func (s *state) sketches() [4]*activity.Sketch {
	return [...]*activity.Sketch{&s.Slots[0].Peers, &s.Slots[0].Clients, &s.Slots[1].Peers, &s.Slots[1].Clients}
}

func (s *state) small() bool {
	for _, k := range s.sketches() {
		if !k.Small() {
			return false
		}
	}
	return true
}

func (s *state) coarsen() {
	for _, k := range s.sketches() {
		k.Coarsen()
	}
}

// A window sums up hours of outgoing traffic.
type window struct {
	Flows   uint64          `json:"f"`
	Packets uint64          `json:"k,omitempty"` // corrected for sampling,
	Bytes   uint64          `json:"g,omitempty"` // and these
	Relay   uint64          `json:"r"`
	Failed  uint64          `json:"x"`
	Tiny    uint64          `json:"y"`
	Proven  uint64          `json:"v"` // flows whose flags prove an answer
	Replies uint64          `json:"a"` // flows back from servers
	Peers   activity.Sketch `json:"-"`
	Clients activity.Sketch `json:"-"`
	Raw     []byte          `json:"b,omitempty"` // both sketches, while stored
}

// A past is what a mail server's busiest intervals were like; each figure fades by half in three days.
type past struct {
	Intervals int     `json:"n"`
	Peers     float64 `json:"p"`
	Flows     float64 `json:"f"`
	Ratio     float64 `json:"r"` // outgoing to incoming flows
	Failed    float64 `json:"x"`
	Tiny      float64 `json:"y"`
	Rate      uint32  `json:"s,omitempty"` // the coarsest sampling that it was seen with,
	Packet    bool    `json:"k,omitempty"` // and whether as single packets
}

// fits tells whether what is seen through a lens compares with the past: sampled more coarsely, failures and
// refusals are a greater share of what is seen.
func (p *past) fits(l lens) bool {
	return p.Rate == 0 || l.rate <= 2*p.Rate && (p.Packet || !l.packet)
}

const (
	windowHours = 6
	dayMask     = 1<<24 - 1
)

// advance moves the masks and windows on to the hour of a time.
func (s *state) advance(at time.Time) {
	hour := at.Unix() / 3600
	if s.Hour == 0 {
		s.Hour, s.Turn = hour, hour
	}
	if by := hour - s.Hour; by > 0 {
		shift := uint(min(by, 64))
		s.Active, s.Serving, s.Listed = s.Active<<shift, s.Serving<<shift, s.Listed<<shift
		s.Hour = hour
		s.Past.fade(by)
	}
	switch by := hour - s.Turn; {
	case by >= 2*windowHours:
		s.Slots, s.Turn = [2]window{}, hour
	case by >= windowHours:
		s.Slots[1], s.Slots[0], s.Turn = s.Slots[0], window{}, s.Turn+windowHours
	}
}

// fade lets the past's figures sink by half in 72 hours.
func (p *past) fade(hours int64) {
	for range min(hours, 24*30) {
		for _, figure := range []*float64{&p.Peers, &p.Flows, &p.Ratio, &p.Failed, &p.Tiny} {
			*figure *= 0.99042
		}
	}
}

func (s *state) add(a *activity.Activity) {
	s.Seen, s.dirty = a.Start.Add(a.Length).Unix(), true
	w := &s.Slots[0]
	w.Flows += a.Series[activity.Out].Flows
	w.Packets += a.Series[activity.Out].Packets
	w.Bytes += a.Series[activity.Out].Bytes
	w.Relay += a.Relay
	w.Failed += a.Failed
	w.Tiny += a.Tiny
	w.Proven += a.Established
	w.Replies += a.Series[activity.Replies].Flows
	w.Peers.Merge(&a.Peers)
	w.Clients.Merge(&a.Clients)
	if a.Series[activity.Out].Flows > 0 {
		s.Active |= 1
	}
	if serves(a) || a.Sampling > coarse && a.ClientsMet() > 0 && a.Series[activity.In].PerPacket() >= 100 {
		s.Serving |= 1 // of sampled sessions, one that is seen stands for many
	}
}

// serves tells whether the host's server took mail in from several clients: sessions that it
// answered, of packets that carry data.
func serves(a *activity.Activity) bool {
	in, out := a.Series[activity.In], a.Series[activity.Answers]
	return a.ClientsMet() >= 3 && out.Flows > 0 && in.PerPacket() >= 100
}

// hours is the number of hours in a mask's last day.
func hours(mask uint64) int { return bits.OnesCount64(mask & dayMask) }

// recent sums up both halves of the window.
func (s *state) recent() window {
	w := s.Slots[0]
	o := &s.Slots[1]
	w.Flows, w.Relay = w.Flows+o.Flows, w.Relay+o.Relay
	w.Packets, w.Bytes = w.Packets+o.Packets, w.Bytes+o.Bytes
	w.Failed, w.Tiny = w.Failed+o.Failed, w.Tiny+o.Tiny
	w.Proven, w.Replies = w.Proven+o.Proven, w.Replies+o.Replies
	w.Peers.Merge(&o.Peers)
	w.Clients.Merge(&o.Clients)
	return w
}

// full is how many full packets a mail of the last hours held at least.
func (s *state) full() float64 {
	a, b := &s.Slots[0], &s.Slots[1]
	return full(a.Packets+b.Packets, a.Bytes+b.Bytes)
}

// clients is how many clients held sessions with the host's server in the last hours.
func (s *state) clients() int { return max(s.Slots[0].Clients.Count(), s.Slots[1].Clients.Count()) }

func share(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(min(n, of)) / float64(of)
}

// encode writes a state for the store.
func (s *state) encode() ([]byte, error) {
	c := *s
	for i := range c.Slots {
		w := &c.Slots[i]
		w.Raw = w.Clients.Append(w.Peers.Append(nil))
	}
	return json.Marshal(&c)
}

func decodeState(b []byte) (*state, error) {
	s := new(state)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("read a host's past: %w", err)
	}
	for i := range s.Slots {
		w := &s.Slots[i]
		rest := w.Peers.Read(w.Raw)
		if rest == nil || w.Clients.Read(rest) == nil {
			return nil, fmt.Errorf("read a host's past: bad sketch")
		}
		w.Raw = nil
	}
	return s, nil
}

// A hostKey is a host in one profile.
type hostKey struct {
	profile string
	host    netip.Prefix
}

func (k hostKey) String() string { return k.profile + "|" + k.host.String() }

func parseKey(s string) (k hostKey, err error) {
	for i := range s {
		if s[i] == '|' {
			k.profile = s[:i]
			k.host, err = netip.ParsePrefix(s[i+1:])
			return k, err
		}
	}
	return k, fmt.Errorf("%q names no profile and host", s)
}
