package trace

import (
	"net/netip"
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
// the lines below it name: the sender, or behind a relay or forwarder a list and
// who wrote to it.
func (r *Result) sources(c *facts) {
	if r.Origin == nil {
		return
	}
	o := r.Origin
	role := SourceInjector
	below := r.below(o.Hop)
	switch {
	case r.isList(c, o.Hop):
		role = SourceList
	case r.isForwarder(c):
		role = SourceForwarder
	case below >= 0 && r.relayed(o.Hop, below):
		role = SourceRelay
	}
	r.Sources = append(r.Sources, Source{IP: o.IP, Hop: o.Hop, Role: role, Ours: c.ours(o.IP), Proven: true})
	if role == SourceInjector {
		return
	}
	for peer := o.IP; below >= 0; {
		i := r.senderHop(peer, below)
		if i < 0 {
			return
		}
		h := &r.Hops[i]
		behind := Source{IP: h.IP, Hop: i, Role: SourceSender, Ours: c.ours(h.IP)}
		below = r.below(i)
		if role != SourceList && below >= 0 && r.isList(c, i) {
			role, behind.Role = SourceList, SourceList
		}
		r.Sources = append(r.Sources, behind)
		if behind.Role == SourceSender {
			return
		}
		peer = h.IP
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
	if sameHost(n.By, h.HELO) || sameHost(n.By, h.RDNS) || n.ByIP.IsValid() && n.ByIP == h.IP {
		return true
	}
	// A mail server that calls itself by no name of the public DNS ("by cmsmtp"),
	// and had the mail from another host of its organisation.
	return innerName(n.By) && (sameOrg(n.HELO, h.RDNS) || sameOrg(n.HELO, h.HELO))
}

// senderHop returns the line that names whom a host had the mail from: the first
// one whose peer is public, not the host itself and not one more server of its
// organisation, else the last of those servers, which wrote the mail itself.
func (r *Result) senderHop(host netip.Addr, from int) int {
	inner := -1
	for j := from; j < len(r.Hops); j++ {
		h := &r.Hops[j]
		if h.Skip != SkipNone || h.IP == host || !public(h.IP) {
			continue
		}
		p := provider(h.By)
		switch own := p != nil && p.owns(h.IP) && !h.authenticated; {
		case !r.innerHop(j, own):
			return j
		case !own:
			inner = j
		}
	}
	return inner
}

// innerHop tells whether line j's peer is one more server of the organisation
// that wrote the line: then the one who gave it the mail stands further down.
// It is, too, where the address is one of the provider's own.
func (r *Result) innerHop(j int, own bool) bool {
	h := &r.Hops[j]
	if !own && !sameOrg(h.By, h.RDNS) && !sameOrg(h.By, h.HELO) {
		return false
	}
	next := r.below(j)
	return next >= 0 && sameOrg(r.Hops[next].By, h.By) && (own || r.relayed(j, next))
}

// isList tells whether the peer of line hop is a mailing list's host: list fields
// (RFC 2369, RFC 2919) name its organisation, or the bounces go there, or its
// own lines say that the mail was for the list.
func (r *Result) isList(c *facts, hop int) bool {
	if c.list == "" {
		return false
	}
	o := &r.Hops[hop]
	if sameOrg(o.By, c.list) || sameOrg(domainOf(o.For), c.list) {
		return false // it was on its way to the list
	}
	at := func(domain string) bool { return sameOrg(o.RDNS, domain) || sameOrg(o.HELO, domain) }
	if at(c.list) {
		return true
	}
	bounces := ""
	for _, addr := range []string{c.h.Get("Return-Path"), o.EnvelopeFrom, c.h.Get("Sender"), c.h.Get("Errors-To")} {
		if addr = strings.Trim(addr, "<> "); bounceBox(addr) {
			if at(domainOf(addr)) {
				return true
			}
			bounces = domainOf(addr)
		}
	}
	for i := hop + 1; i < len(r.Hops); i++ {
		h := &r.Hops[i]
		if h.By != "" && !sameHost(h.By, o.HELO) && !sameHost(h.By, o.RDNS) {
			return false
		}
		if to := domainOf(h.For); to != "" && (sameOrg(to, c.list) || sameOrg(to, bounces)) {
			return true
		}
	}
	return false
}

// bounceBox knows the mailboxes to which list managers let mail bounce.
func bounceBox(addr string) bool {
	i := strings.LastIndexByte(addr, '@')
	if i <= 0 {
		return false
	}
	local := strings.ToLower(addr[:i])
	for _, s := range []string{"bounce", "-admin", "-owner", "-request", "-return-", "owner-", "sentto-", "listmaster", "listserv"} {
		if strings.Contains(local, s) {
			return true
		}
	}
	return false
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
	return at(domainOf(addressIn(c.h.Get("Resent-From")))) || at(domainOf(addressIn(c.h.Get("X-Forwarded-For")))) || r.readdressed()
}

// readdressed tells whether the origin's own line says that it took the mail in
// for another mailbox than the one it handed it on to.
func (r *Result) readdressed() bool {
	o := r.Origin.Hop
	below := r.below(o)
	if below < 0 || !r.relayed(o, below) {
		return false
	}
	to := r.Hops[o].For
	for i := below; i < len(r.Hops) && to != ""; i++ {
		h := &r.Hops[i]
		if h.By != "" && !sameHost(h.By, r.Hops[below].By) {
			return false
		}
		if h.For != "" {
			return strings.IndexByte(h.For, '@') > 0 && !strings.EqualFold(h.For, to)
		}
	}
	return false
}

// srs knows the rewritten senders of forwarders (Sender Rewriting Scheme):
// SRS0=hash=time=domain=user, SRS1=…, and Exchange Online's mailbox+SRS=hash=time=domain=user.
func srs(addr string) bool {
	if len(addr) > 5 && (hasFoldPrefix(addr, "srs0") || hasFoldPrefix(addr, "srs1")) && strings.IndexByte("=+-", addr[4]) >= 0 {
		return true
	}
	i := strings.Index(addr, "+SRS=")
	return i > 0 && strings.Count(addr[i:], "=") >= 4
}
