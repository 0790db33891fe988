package report

import (
	"strings"

	"golang.org/x/net/publicsuffix"

	"spoor/internal/message"
)

// traceEnclosed finds where an enclosed mail came from.
func (d *document) traceEnclosed(h message.Header) []Origin {
	if d.opt.Trace == nil {
		d.opt.Trace = ComplaintTracer(d.opt.Ours)
	}
	origins := d.opt.Trace(h)
	if len(origins) > 0 && usable(origins[0].IP) {
		return origins
	}
	if claimed := claimedOrigin(h); len(claimed) > 0 {
		return claimed
	}
	return origins
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
				return []Origin{{IP: ip, Claimed: true, Why: name + " of the enclosed mail"}}
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
					return []Origin{{IP: hits[0].ip, Claimed: true, Why: name + " of the enclosed mail"}}
				}
			}
		}
	}
	return nil
}
