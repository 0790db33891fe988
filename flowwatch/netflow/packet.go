package netflow

import (
	"encoding/binary"
	"net/netip"
)

// A Packet is what the headers of one IP packet say.
type Packet struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // of ICMP: DstPort is type*256+code
	Proto            uint8
	Flags            uint8
	Bytes            int    // IP bytes
	Payload          []byte // of UDP, as far as it is there
}

// A Link says how a sampled header begins, in sFlow's numbers.
type Link uint32

const (
	LinkEthernet Link = 1
	LinkPPP      Link = 7
	LinkIPv4     Link = 11
	LinkIPv6     Link = 12
)

// ParseHeader reads the beginning of a packet. frame is the packet's full length on the
// wire, used where the IP header gives none. It answers false for what is not IP.
func ParseHeader(link Link, b []byte, frame int) (Packet, bool) {
	switch link {
	case LinkEthernet:
		return parseEthernet(b, frame)
	case LinkPPP:
		return parsePPP(b, frame)
	case LinkIPv4, LinkIPv6:
		return parseIP(b, frame)
	}
	return Packet{}, false
}

func parseEthernet(b []byte, frame int) (Packet, bool) {
	if len(b) < 14 {
		return Packet{}, false
	}
	kind := binary.BigEndian.Uint16(b[12:])
	rest := b[14:]
	for range 4 { // 802.1Q tags (0x8100, 0x88a8, 0x9100), at most four deep
		if kind != 0x8100 && kind != 0x88a8 && kind != 0x9100 || len(rest) < 4 {
			break
		}
		kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	switch kind {
	case 0x0800, 0x86dd:
		return parseIP(rest, frame-(len(b)-len(rest)))
	case 0x8847, 0x8848:
		return parseMPLS(rest, frame-(len(b)-len(rest)))
	case 0x8864: // PPPoE session, RFC 2516 §4
		if len(rest) < 6 {
			return Packet{}, false
		}
		return parsePPP(rest[6:], frame-(len(b)-len(rest))-6)
	}
	return Packet{}, false
}

func parsePPP(b []byte, frame int) (Packet, bool) {
	if len(b) < 2 {
		return Packet{}, false
	}
	switch binary.BigEndian.Uint16(b) {
	case 0x0021, 0x0057: // IPv4 and IPv6, RFC 1332 and RFC 5072
		return parseIP(b[2:], frame-2)
	}
	return Packet{}, false
}

// parseMPLS skips the label stack (RFC 3032 §2.1); what lies under it shows its IP version itself.
func parseMPLS(b []byte, frame int) (Packet, bool) {
	for range 8 {
		if len(b) < 4 {
			return Packet{}, false
		}
		bottom := b[2]&1 != 0
		b, frame = b[4:], frame-4
		if bottom {
			return parseIP(b, frame)
		}
	}
	return Packet{}, false
}

func parseIP(b []byte, frame int) (Packet, bool) {
	if len(b) < 1 {
		return Packet{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b, frame)
	case 6:
		return parseIPv6(b, frame)
	}
	return Packet{}, false
}

func parseIPv4(b []byte, frame int) (Packet, bool) {
	head := int(b[0]&15) * 4
	if len(b) < 20 || head < 20 {
		return Packet{}, false
	}
	p := Packet{
		Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
		Proto: b[9], Bytes: int(binary.BigEndian.Uint16(b[2:])),
	}
	if p.Bytes == 0 { // segmentation offload leaves it 0 in captures
		p.Bytes = max(frame, 0)
	}
	if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 && len(b) >= head {
		p.transport(b[head:])
	}
	return p, true
}

func parseIPv6(b []byte, frame int) (Packet, bool) {
	if len(b) < 40 {
		return Packet{}, false
	}
	p := Packet{
		Src: netip.AddrFrom16([16]byte(b[8:24])).Unmap(), Dst: netip.AddrFrom16([16]byte(b[24:40])).Unmap(),
		Bytes: int(binary.BigEndian.Uint16(b[4:])) + 40,
	}
	if p.Bytes == 40 {
		p.Bytes = max(frame, 40)
	}
	next, rest, first := extensions(b[6], b[40:])
	p.Proto = next
	if first {
		p.transport(rest)
	}
	return p, true
}

// extensions skips IPv6 extension headers (RFC 8200 §4); first is false in all fragments but the first.
func extensions(next uint8, b []byte) (proto uint8, rest []byte, first bool) {
	for range 8 {
		switch next {
		case 0, 43, 60, 135: // hop-by-hop, routing, destination, mobility
			if len(b) < 8 {
				return next, nil, true
			}
			n := (int(b[1]) + 1) * 8
			next, b = b[0], b[min(n, len(b)):]
		case 44: // fragment
			if len(b) < 8 {
				return next, nil, true
			}
			if binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
				return b[0], nil, false
			}
			next, b = b[0], b[8:]
		default:
			return next, b, true
		}
	}
	return next, b, true
}

func (p *Packet) transport(b []byte) {
	switch p.Proto {
	case ProtoTCP, ProtoUDP, 132: // SCTP has its ports in the same place
		if len(b) < 4 {
			return
		}
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if p.Proto == ProtoTCP && len(b) >= 14 {
			p.Flags = b[13]
		}
		if p.Proto == ProtoUDP && len(b) >= 8 {
			// The length of the datagram, not of the frame, which may be padded (RFC 768).
			p.Payload = b[8:max(8, min(len(b), int(binary.BigEndian.Uint16(b[4:]))))]
		}
	case ProtoICMP, ProtoICMPv6:
		if len(b) >= 2 {
			p.DstPort = binary.BigEndian.Uint16(b)
		}
	}
}
