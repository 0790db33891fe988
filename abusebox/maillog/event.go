package maillog

import (
	"bytes"
	"net/netip"
)

// A kind says what one log line means.
type kind uint8

const (
	noEvent    kind = iota
	ofOrigin        // a message begins: queue id, relay, account (Postfix)
	ofEnvelope      // its sender, size and recipients (both; sendmail's names the relay too)
	ofDelivery      // an attempt to hand it on
	ofRefusal       // we refused a relay
	ofVirus         // a scanner found something
	ofForged        // a relay's name does not lead back to its address
	ofBadLogin      // a login failed
	ofLogin         // a login in a session that is known by its process alone (sendmail)
	ofRepeat        // "last message repeated n times"
	ofLocal         // a message of a local user
)

// An outcome says how a delivery or a command ended.
type outcome uint8

const (
	sent outcome = iota
	deferred
	bounced
	rejected   // 5xx at our door
	tempfailed // 4xx at our door
)

// An event is what one line says; its slices are parts of the line.
type event struct {
	kind    kind
	outcome outcome
	forged  bool // "may be forged"
	again   bool // a content filter handed the message back
	null    bool // the sender is <>
	stamp   stamp
	host    []byte
	pid     uint32
	id      []byte // queue id
	addr    netip.Addr
	name    []byte // the relay's name, as its DNS gives it
	account []byte
	sender  []byte // address without brackets
	detail  []byte // virus, or reason
	size    int64
	count   int // recipients, or repetitions
	raw     []byte
}

// parse reads one line. seen says whether it has the form of a log line at all.
func parse(raw []byte, e *event) (seen bool) {
	l, ok := split(raw)
	if !ok {
		return false
	}
	*e = event{stamp: l.stamp, host: l.host, pid: l.pid, raw: raw}
	if l.stamp.invalid {
		return false
	}
	parseText(l, e)
	return true
}

// parseText asks the reader of the program that wrote the line.
func parseText(l line, e *event) {
	slash := bytes.LastIndexByte(l.program, '/')
	name := l.program[slash+1:]
	switch {
	case len(name) == 0:
	case bytes.HasPrefix(l.text, []byte("message repeated ")), bytes.HasPrefix(l.text, lastRepeated):
		parseRepeat(l.text, e)
	case slash > 0:
		parsePostfix(name, l.text, e)
	case isSendmail(name):
		parseSendmail(l.text, e)
	case hasFold(name, "mailscanner"):
		parseMailScanner(l.text, e)
	case hasFold(name, "amavis"):
		parseAmavis(l.text, e)
	case hasFold(name, "clamav-milter"):
		parseClamavMilter(l.text, e)
	}
}

func isSendmail(name []byte) bool {
	return hasFold(name, "sendmail") || hasFold(name, "sm-mta") || hasFold(name, "sm-msp") || hasFold(name, "sm-acceptingconnections")
}

// hasFold reports whether name begins with a lower-case prefix, in any case.
func hasFold(name []byte, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if name[i]|0x20 != prefix[i]|0x20 {
			return false
		}
	}
	return true
}

// parseRepeat reads rsyslog's "message repeated 3 times: [ … ]" and BSD's "last message repeated 3 times".
func parseRepeat(text []byte, e *event) {
	rest, ok := bytes.CutPrefix(bytes.TrimPrefix(text, []byte("last ")), []byte("message repeated "))
	if n := number(rest); ok && n > 0 {
		e.kind, e.count = ofRepeat, int(min(n, 10000))
	}
}

// bracketed reads "name[192.0.2.1]", "[192.0.2.1]" or "name [IPv6:2001:db8::1]" at the begin of b and gives what
// follows the bracket.
func bracketed(b []byte) (name []byte, addr netip.Addr, rest []byte, ok bool) {
	open := bytes.IndexByte(b[:min(len(b), 512)], '[')
	if open < 0 {
		return nil, addr, nil, false
	}
	shut := bytes.IndexByte(b[open:min(len(b), open+64)], ']')
	if shut < 0 {
		return nil, addr, nil, false
	}
	addr, ok = parseAddr(b[open+1 : open+shut])
	return bytes.TrimRight(b[:open], " "), addr, b[open+shut+1:], ok
}

// parseAddr reads an address as MTAs write it, without its zone; IPv4-mapped ones become IPv4.
func parseAddr(b []byte) (netip.Addr, bool) {
	if a, ok := parseIPv4(b); ok {
		return a, true
	}
	b = bytes.TrimPrefix(b, []byte("IPv6:"))
	if bytes.IndexByte(b, ':') < 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(string(b))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

func parseIPv4(b []byte) (netip.Addr, bool) {
	var octets [4]byte
	part, digits, value := 0, 0, 0
	for _, c := range b {
		switch {
		case c-'0' <= 9 && digits < 3:
			value, digits = value*10+int(c-'0'), digits+1
		case c == '.' && digits > 0 && value < 256 && part < 3:
			octets[part] = byte(value)
			part, digits, value = part+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 || value > 255 {
		return netip.Addr{}, false
	}
	octets[3] = byte(value)
	return netip.AddrFrom4(octets), true
}

// angle reads "<user@example.org>" at the begin of b, heeding quoted local parts (RFC 5321 §4.1.2), so that what a
// sender puts into its address cannot pass for the fields behind it. A bare address ends at the comma.
func angle(b []byte) (inside, rest []byte) {
	if len(b) == 0 || b[0] != '<' {
		end := bytes.Index(b, []byte(", "))
		if end < 0 {
			return b, nil
		}
		return b[:end], b[end:]
	}
	quoted := false
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return b[1:i], b[i+1:]
		}
	}
	// QUIRK: MTAs cut long addresses, and people send single quotes: without an end, the first '>' is it.
	if end := bytes.IndexByte(b, '>'); end > 0 {
		return b[1:end], b[end+1:]
	}
	return b[1:], nil
}

// field returns the value behind ", key=" up to the next comma.
func field(b []byte, key string) ([]byte, bool) {
	at := bytes.Index(b, []byte(key))
	if at < 0 {
		return nil, false
	}
	value := b[at+len(key):]
	if end := bytes.IndexByte(value, ','); end >= 0 {
		value = value[:end]
	}
	return value, true
}

// size64 reads the digits of a size.
func size64(b []byte) (n int64) {
	for i := 0; i < len(b) && i < 15 && b[i]-'0' <= 9; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	return n
}

// replyOutcome is what a reply code means: 4xx is temporary.
func replyOutcome(code []byte) outcome {
	if len(code) > 0 && code[0] == '4' {
		return tempfailed
	}
	return rejected
}
