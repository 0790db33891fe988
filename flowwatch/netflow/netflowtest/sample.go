package netflowtest

import (
	"math"
	"math/rand/v2"
)

// A Sampler looks at one packet in Rate, at random, as routers and switches do.
type Sampler struct {
	Rate uint32
	r    *rand.Rand
	skip uint64 // packets that pass until the next one is looked at
}

// NewSampler makes a Sampler; equal seeds look at the same packets.
func NewSampler(rate uint32, seed uint64) *Sampler {
	s := &Sampler{Rate: max(rate, 1), r: rand.New(rand.NewPCG(seed, 1991))}
	s.skip = s.gap()
	return s
}

// gap is how many packets pass between two that are looked at (geometric).
func (s *Sampler) gap() uint64 {
	if s.Rate == 1 {
		return 0
	}
	return uint64(math.Log(1-s.r.Float64()) / math.Log(1-1/float64(s.Rate)))
}

// Packets are the packets that were looked at, each a Record of its own: what sFlow tells.
func (s *Sampler) Packets(list []Record) (out []Record) {
	for _, r := range list {
		at := uint64(0)
		for ; s.skip < r.Packets-at; s.skip = s.gap() {
			at += s.skip
			out = append(out, r.packet(at))
			at++
		}
		s.skip -= r.Packets - at
	}
	return out
}

// Flows are the conversations of which a packet was looked at, with the sums of those that were: what sampled NetFlow
// and IPFIX tell.
func (s *Sampler) Flows(list []Record) (out []Record) {
	for _, r := range list {
		seen := r
		seen.Packets, seen.Bytes, seen.Flags = 0, 0, 0
		for _, p := range s.Packets([]Record{r}) {
			seen.Packets, seen.Bytes, seen.Flags = seen.Packets+1, seen.Bytes+p.Bytes, seen.Flags|p.Flags
		}
		if seen.Packets > 0 {
			out = append(out, seen)
		}
	}
	return out
}

// TCP flags (RFC 9293 §3.1).
const (
	fin = 0x01
	syn = 0x02
	psh = 0x08
	ack = 0x10
)

const (
	bare    = 60   // bytes of a packet that carries no data, or a short line
	segment = 1400 // data of a full one
	dialog  = 5    // packets before a mail's data: SYN, ACK, and commands
)

// packet is the i-th packet of a conversation: it opens with SYN, talks, carries what data there is in full segments, and
// ends with FIN.
func (r Record) packet(i uint64) Record {
	p := r
	p.Packets, p.Bytes = 1, r.Bytes/r.Packets
	full := uint64(0)
	if over := r.Bytes - min(r.Bytes, r.Packets*100); over > 0 {
		full = min((over+segment-1)/segment, r.Packets)
	}
	if first := min(dialog, r.Packets-full); full > 0 && i >= first && i < first+full {
		p.Bytes, p.Flags = (r.Bytes-(r.Packets-full)*bare)/full, ack
		return p
	}
	if full > 0 {
		p.Bytes = bare
	}
	if r.Flags&fin == 0 {
		return p // never a session: all its packets are alike
	}
	fromServer := r.SrcPort < 1024
	switch {
	case i == 0 && fromServer:
		p.Flags = syn | ack
	case i == 0:
		p.Flags = syn
	case i == r.Packets-1:
		p.Flags = fin | ack
	case i == 1 && !fromServer:
		p.Flags = ack
	default:
		p.Flags = psh | ack
	}
	return p
}
