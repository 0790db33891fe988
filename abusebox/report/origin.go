package report

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"spoor/internal/message"
)

// traceEnclosed finds where an enclosed mail came from.
func (d *document) traceEnclosed(h message.Header) []Origin {
	trace := d.opt.Trace
	if trace == nil {
		trace = TopReceived
	}
	if origins := trace(h); len(origins) > 0 {
		return origins
	}
	return claimedOrigin(h)
}

// TopReceived walks down from the topmost Received field (RFC 5321 §4.4) past
// hosts of the same organisation and private addresses. Its answer is the word
// of the complainant's servers.
func TopReceived(h message.Header) []Origin {
	for _, f := range h.All("Received") {
		v := f.Value()
		peer := peerOf(v)
		if !public(peer.ip) && !(usable(peer.ip) && peer.only) {
			continue
		}
		if peer.name != "" && sameOrganisation(peer.name, byHost(v)) {
			continue
		}
		o := Origin{IP: peer.ip, Why: "the peer recorded by " + orUnnamed(byHost(v))}
		if i := strings.LastIndexByte(v, ';'); i >= 0 {
			o.setTime(v[i+1:])
		}
		return []Origin{o}
	}
	return nil
}

func (o *Origin) setTime(s string) {
	st := findStamps(s, 1)
	if len(st) == 0 || st[0].yearless {
		return
	}
	o.Time = st[0].at.Add(-time.Duration(st[0].zone.offset) * time.Second)
	o.TimeRaw, o.ZoneKnown = st[0].raw, st[0].zone.known
}

func orUnnamed(s string) string {
	if s == "" {
		return "the receiving host"
	}
	return s
}

// A receivedPeer is what a Received field says about who connected.
type receivedPeer struct {
	ip   netip.Addr
	name string // reverse name
	only bool   // the field is the last hope, take also private addresses
}

// peerOf reads the from-clause of a Received value.
func peerOf(v string) receivedPeer {
	clause := fromClause(v)
	if clause == "" {
		return receivedPeer{}
	}
	var p receivedPeer
	for _, h := range findAddresses(clause) {
		before := strings.ToLower(clause[:h.start])
		if strings.HasSuffix(before, "helo=[") || strings.HasSuffix(before, "helo [") || strings.HasSuffix(before, "helo=") || strings.HasSuffix(before, "(helo ") {
			continue
		}
		if h.start == 0 || clause[h.start-1] == '[' || clause[h.start-1] == '(' || clause[h.start-1] == ':' || clause[h.start-1] == '@' || clause[h.start-1] == ' ' {
			p.ip = h.ip
			p.name = nameBefore(clause[:h.start])
		}
	}
	return p
}

// fromClause returns what stands between "from" and "by".
func fromClause(v string) string {
	if !strings.HasPrefix(strings.ToLower(v), "from ") {
		return ""
	}
	v = v[5:]
	depth := 0
	for i := 0; i+4 <= len(v); i++ {
		switch v[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ' ', '\t':
			if depth <= 0 && (strings.EqualFold(v[i+1:min(len(v), i+4)], "by ") || strings.EqualFold(v[i+1:min(len(v), i+4)], "by\t")) {
				return v[:i]
			}
		case ';':
			if depth <= 0 {
				return v[:i]
			}
		}
	}
	return v
}

// nameBefore returns the host name right before a bracketed address.
func nameBefore(s string) string {
	s = strings.TrimRight(s, "[( ")
	i := strings.LastIndexAny(s, " (\t@")
	name := strings.ToLower(strings.Trim(s[i+1:], ".[]()"))
	if name == "unknown" || !strings.Contains(name, ".") {
		return ""
	}
	return name
}

// byHost returns the host that wrote a Received value.
func byHost(v string) string {
	low := strings.ToLower(v)
	i := strings.Index(low, " by ")
	if i < 0 {
		if !strings.HasPrefix(low, "by ") {
			return ""
		}
		i = -1
	}
	rest := strings.TrimLeft(low[i+4:], " \t")
	if j := strings.IndexAny(rest, " \t;("); j >= 0 {
		rest = rest[:j]
	}
	return strings.Trim(rest, ".")
}

// sameOrganisation compares registrable domains.
func sameOrganisation(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	da, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	db, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && da == db
}

// claimedOrigin reads the fields in which receivers note the peer when no
// Received field tells it.
func claimedOrigin(h message.Header) []Origin {
	for _, name := range [...]string{"X-SpamCop-Sourceip", "X-Source-IP", "X-AOL-IP", "X-Originating-IP", "X-Sender-IP", "X-Client-IP", "X-Remote-IP", "X-Real-IP", "X-Originating-Ip-Address", "X-Sender-Ip", "X-Source", "X-SMTP-Peer", "X-PHP-Client"} {
		for _, f := range h.All(name) {
			if ip, ok := parseAddress(f.Value()); ok && usable(ip) {
				return []Origin{{IP: ip, Why: name + " of the enclosed mail"}}
			}
		}
	}
	for _, name := range [...]string{"Received-SPF", "Authentication-Results", "X-Authentication-Results", "ARC-Authentication-Results"} {
		for _, f := range h.All(name) {
			v := f.Value()
			for _, mark := range [...]string{"client-ip=", "sender IP is ", "smtp.remote-ip=", "policy.iprev=", "sender ip is ", "designates "} {
				i := strings.Index(v, mark)
				if i < 0 {
					continue
				}
				if hits := findAddresses(v[i+len(mark) : min(len(v), i+len(mark)+60)]); len(hits) > 0 && usable(hits[0].ip) {
					return []Origin{{IP: hits[0].ip, Why: name + " of the enclosed mail"}}
				}
			}
		}
	}
	return nil
}
