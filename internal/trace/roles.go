package trace

import (
	"strings"
)

// roles names what each hop did.
func (r *Result) roles(*facts) {
	for i := range r.Hops {
		h := &r.Hops[i]
		switch {
		case h.Skip == SkipFetch || h.Skip == SkipStore || hasFoldPrefix(h.With, "lmtp") || hasFoldPrefix(h.With, "utf8lmtp"):
			h.Role = RoleDelivery
		case h.Skip == SkipFilter || isFilter(h.Dialect):
			h.Role = RoleFilter
		case isWebProtocol(h.With) && i == 0 && len(r.Hops) > 1: // Outlook and Yahoo hand mail to their stores so
			h.Role = RoleDelivery
		case h.authenticated || isWebProtocol(h.With) || h.Skip == SkipLocal && i == len(r.Hops)-1:
			h.Role = RoleSubmission
		case h.IP.IsLoopback() && h.IP.IsValid() && i > 0 && i+1 < len(r.Hops) && (sameHost(r.Hops[i+1].By, h.By) || sameHost(r.Hops[i+1].By, h.HELO)):
			h.Role = RoleFilter // out to a filter on the host and back again
		case i == len(r.Hops)-1 && h.IP.IsValid() && i > 0:
			h.Role = RoleSubmission
		case i == 0 && h.Skip == SkipLocal:
			h.Role = RoleDelivery
		default:
			h.Role = RoleRelay
		}
	}
}

func isWebProtocol(with string) bool { return with == "HTTP" || with == "HTTPS" }

// sources lists who had a part in the mail: the origin with its role, and whom
// the line below it names.
func (r *Result) sources(c *facts) {
	if r.Origin == nil {
		return
	}
	o := r.Origin
	role := SourceInjector
	below := r.below(o.Hop)
	switch {
	case r.isList(c):
		role = SourceList
	case r.isForwarder(c):
		role = SourceForwarder
	case below >= 0 && r.relayed(o.Hop, below):
		role = SourceRelay
	}
	r.Sources = append(r.Sources, Source{IP: o.IP, Hop: o.Hop, Role: role, Ours: c.ours(o.IP), Proven: true})
	if role == SourceInjector || below < 0 {
		return
	}
	if i := r.senderHop(o, below); i >= 0 {
		h := &r.Hops[i]
		r.Sources = append(r.Sources, Source{IP: h.IP, Hop: i, Role: SourceSender, Ours: c.ours(h.IP)})
	}
}

// below returns the next older line that names a host that wrote it, or -1.
func (r *Result) below(i int) int {
	for j := i + 1; j < len(r.Hops); j++ {
		if r.Hops[j].By != "" {
			return j
		}
	}
	return -1
}

// relayed tells whether line j was written by the host that line i saw: then
// that host is a mail server and passed the mail on.
func (r *Result) relayed(i, j int) bool {
	h, n := &r.Hops[i], &r.Hops[j]
	return sameHost(n.By, h.HELO) || sameHost(n.By, h.RDNS) || n.ByIP.IsValid() && n.ByIP == h.IP
}

// senderHop returns the line that names whom the relay had the mail from: the
// first one whose peer is public and not the relay itself.
func (r *Result) senderHop(o *Origin, from int) int {
	for j := from; j < len(r.Hops); j++ {
		h := &r.Hops[j]
		if h.Skip != SkipNone || !h.IP.IsValid() || h.IP == o.IP || h.IP.IsLoopback() {
			continue
		}
		if public(h.IP) && !r.innerHop(j) {
			return j
		}
	}
	return -1
}

// innerHop tells whether line j's peer is one more server of the organisation
// that wrote the line: then the one who gave it the mail stands further down.
func (r *Result) innerHop(j int) bool {
	h := &r.Hops[j]
	if !sameOrg(h.By, h.RDNS) && !sameOrg(h.By, h.HELO) {
		return false
	}
	next := r.below(j)
	return next >= 0 && sameOrg(r.Hops[next].By, h.By) && r.relayed(j, next)
}

// isList tells whether the origin is a mailing list's host.
func (r *Result) isList(c *facts) bool {
	if c.list == "" {
		return false
	}
	if sameOrg(r.Origin.RDNS, c.list) || sameOrg(r.Origin.HELO, c.list) {
		return true
	}
	bounce := c.h.Get("Return-Path")
	return strings.Contains(bounce, "bounce") && (sameOrg(domainOf(bounce), r.Origin.RDNS) || sameOrg(domainOf(bounce), r.Origin.HELO))
}

// isForwarder tells whether the origin passed on what was addressed to a mailbox
// there: by SRS, by Gmail's caf addresses, by a verified ARC chain that it sealed, by
// resending (RFC 5322 §3.6.6), or by the fields that forwarding leaves behind.
func (r *Result) isForwarder(c *facts) bool {
	o := r.Origin
	at := func(domain string) bool {
		return domain != "" && (sameOrg(domain, o.RDNS) || sameOrg(domain, o.HELO))
	}
	if at(c.sealer) {
		return true
	}
	sender := r.Hops[o.Hop].EnvelopeFrom
	for _, v := range []string{sender, strings.Trim(c.h.Get("Return-Path"), "<> ")} {
		if srs(v) {
			return true
		}
		if i := strings.Index(v, "+caf_="); i > 0 && at(domainOf(v)) {
			return true
		}
	}
	if c.h.Has("X-Forwarded-To") || c.h.Has("X-Forwarded-For") {
		p := provider(o.RDNS)
		if p == nil {
			p = provider(o.HELO)
		}
		if p != nil && p.Name == "google" {
			return true
		}
	}
	return at(domainOf(addressIn(c.h.Get("Resent-From")))) || at(domainOf(addressIn(c.h.Get("X-Forwarded-For"))))
}

// srs knows the rewritten senders of forwarders (Sender Rewriting Scheme).
func srs(addr string) bool {
	return len(addr) > 5 && (hasFoldPrefix(addr, "srs0") || hasFoldPrefix(addr, "srs1")) && strings.IndexByte("=+-", addr[4]) >= 0
}
