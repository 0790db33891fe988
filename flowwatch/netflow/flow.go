// Package netflow turns the datagrams of flow exporters into Flows: NetFlow v5,
// NetFlow v9 (RFC 3954), IPFIX (RFC 7011) and sFlow v5 (sflow.org, SFLOW-DATAGRAM5).
package netflow

import (
	"net/netip"
	"time"
)

// Protocol numbers and TCP flags (RFC 9293 §3.1) that a Flow's readers ask for.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58

	FlagFIN = 0x01
	FlagSYN = 0x02
	FlagRST = 0x04
	FlagPSH = 0x08
	FlagACK = 0x10
)

// A Flow is one exporter's count of one unidirectional conversation, corrected for sampling.
type Flow struct {
	Exporter netip.Addr // the UDP source of the datagram, or the sFlow agent behind it
	Domain   uint32     // v5 engine, v9 source id, IPFIX observation domain, sFlow sub-agent

	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // of ICMP: DstPort is type*256+code, as v5 has it
	Proto            uint8
	Flags            uint8 // TCP flags of all its packets, or-ed; meaningful where Sees has SeesFlags
	Sees             Sees
	Event            Event

	Packets, Bytes uint64 // IP bytes, multiplied by Sampling
	Sampling       uint32 // one packet in so many was looked at; 1 where all were
	In, Out        uint32 // interfaces by ifIndex; 0 is unknown
	Start, End     Stamp
}

func (f *Flow) isICMP() bool { return f.Proto == ProtoICMP || f.Proto == ProtoICMPv6 }

// Sees tells which facts the exporter's record held at all.
type Sees uint8

const (
	SeesFlags  Sees = 1 << iota // TCP flags
	SeesPacket                  // the record is one sampled packet (sFlow), no conversation
)

// An Event is what a firewall's record reports (IE 233, firewallEvent); 0 for plain flows.
type Event uint8

// The events of IE 233. A firewall tells of one conversation several times:
// it is to be counted once, at its end.
const (
	EventNone    Event = 0
	EventCreated Event = 1
	EventDeleted Event = 2
	EventDenied  Event = 3
	EventAlert   Event = 4
	EventUpdate  Event = 5
)

// A Source says where the sampling rate in force for an exporter came from.
type Source string

const (
	SourceNone    Source = "assumed"       // nothing said: every packet is taken to be counted
	SourceConfig  Source = "configuration" // overrides whatever the exporter says
	SourceHeader  Source = "v5 header"     // the sampling bits of the v5 header
	SourceOptions Source = "options"       // v9/IPFIX options data
	SourceRecord  Source = "record"        // a field of the data record itself
	SourceSample  Source = "sflow sample"  // each sFlow sample bears its own
)

// Sampling is the rate in force, and who said so.
type Sampling struct {
	Rate   uint32 `json:"rate"`
	Source Source `json:"source"`
}

// A Stamp is a time in Unix milliseconds: all that exporters tell, in a third of a time.Time's room and work.
type Stamp int64

// StampOf is the Stamp of a time.
func StampOf(t time.Time) Stamp { return Stamp(t.UnixMilli()) }

// Time is what the Stamp means, in UTC.
func (s Stamp) Time() time.Time { return time.UnixMilli(int64(s)).UTC() }

// Seconds is the Stamp in whole Unix seconds.
func (s Stamp) Seconds() int64 { return int64(s) / 1000 }
