package netflow

// A kind says what a template's field means to us.
type kind uint8

const (
	skip kind = iota
	srcV4
	srcV6
	dstV4
	dstV6
	srcPort
	dstPort
	proto
	tcpFlags
	octets
	packets
	revOctets
	revPackets
	revFlags
	inIf
	outIf
	icmpBoth
	icmpType
	icmpCode
	startUp // milliseconds of the exporter's uptime
	endUp
	startSec
	endSec
	startMs
	endMs
	startNTP // RFC 5905 §6 timestamps: IE 154–157
	endNTP
	startBack // microseconds before the export time: IE 158, 159
	endBack
	eventMs // IE 323: one time for both
	bootMs
	lengthMs
	lengthUs
	samplerID
	sampleEvery // one packet in so many
	sampleRun   // IE 305: so many packets are looked at,
	sampleSkip  // IE 306: then so many are not
	fwEvent
	kinds // how many there are
)

// isTime tells whether the kind has to do with when a flow began or ended.
func (k kind) isTime() bool { return k >= startUp && k <= lengthUs }

// side is one name for both kinds of address on the same side.
func (k kind) side() kind {
	switch k {
	case srcV6:
		return srcV4
	case dstV6:
		return dstV4
	}
	return k
}

// A meaning is a kind with its rank: of several fields that say the same, the
// lowest rank that is not zero counts.
type meaning struct {
	kind kind
	rank uint8
}

const reversePEN = 29305 // RFC 5103: the other direction of a biflow

// elements maps IANA's IPFIX information elements, of which NetFlow v9's field types are a part.
func elements(id uint16) meaning {
	switch id {
	case 8:
		return meaning{srcV4, 0}
	case 27:
		return meaning{srcV6, 1}
	case 12:
		return meaning{dstV4, 0}
	case 28:
		return meaning{dstV6, 1}
	case 7:
		return meaning{srcPort, 0}
	case 180, 182: // udpSourcePort, tcpSourcePort
		return meaning{srcPort, 1}
	case 11:
		return meaning{dstPort, 0}
	case 181, 183:
		return meaning{dstPort, 1}
	case 4:
		return meaning{proto, 0}
	case 6:
		return meaning{tcpFlags, 0}
	case 10:
		return meaning{inIf, 0}
	case 252: // ingressPhysicalInterface
		return meaning{inIf, 1}
	case 14:
		return meaning{outIf, 0}
	case 253:
		return meaning{outIf, 1}
	case 32, 139: // icmpTypeCodeIPv4, IPv6
		return meaning{icmpBoth, 0}
	case 176, 178:
		return meaning{icmpType, 1}
	case 177, 179:
		return meaning{icmpCode, 1}
	case 233:
		return meaning{fwEvent, 0}
	}
	if m := countElements(id); m.kind != skip {
		return m
	}
	return timeElements(id)
}

func countElements(id uint16) meaning {
	switch id {
	case 1: // octetDeltaCount
		return meaning{octets, 0}
	case 85: // octetTotalCount
		return meaning{octets, 1}
	case 231: // initiatorOctets
		return meaning{octets, 2}
	case 23: // postOctetDeltaCount
		return meaning{octets, 3}
	case 171: // postOctetTotalCount
		return meaning{octets, 4}
	case 2:
		return meaning{packets, 0}
	case 86:
		return meaning{packets, 1}
	case 298: // initiatorPackets
		return meaning{packets, 2}
	case 24:
		return meaning{packets, 3}
	case 172:
		return meaning{packets, 4}
	case 232: // responderOctets
		return meaning{revOctets, 2}
	case 299: // responderPackets
		return meaning{revPackets, 2}
	case 48, 302: // samplerId, selectorId
		return meaning{samplerID, 0}
	case 34, 50: // samplingInterval, samplerRandomInterval
		return meaning{sampleEvery, 0}
	case 305:
		return meaning{sampleRun, 0}
	case 306:
		return meaning{sampleSkip, 0}
	}
	return meaning{}
}

func timeElements(id uint16) meaning {
	switch id {
	case 22:
		return meaning{startUp, 0}
	case 21:
		return meaning{endUp, 0}
	case 150:
		return meaning{startSec, 0}
	case 151:
		return meaning{endSec, 0}
	case 152:
		return meaning{startMs, 0}
	case 153:
		return meaning{endMs, 0}
	case 154, 156:
		return meaning{startNTP, 0}
	case 155, 157:
		return meaning{endNTP, 0}
	case 158:
		return meaning{startBack, 0}
	case 159:
		return meaning{endBack, 0}
	case 323:
		return meaning{eventMs, 0}
	case 160:
		return meaning{bootMs, 0}
	case 161:
		return meaning{lengthMs, 0}
	case 162:
		return meaning{lengthUs, 0}
	}
	return meaning{}
}

// reversed is what an element means under the reverse enterprise number.
func reversed(id uint16) meaning {
	switch m := elements(id); m.kind {
	case octets:
		return meaning{revOctets, m.rank}
	case packets:
		return meaning{revPackets, m.rank}
	case tcpFlags:
		return meaning{revFlags, 0}
	}
	return meaning{}
}
