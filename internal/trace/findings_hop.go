package trace

import (
	"net/netip"
	"strconv"
	"strings"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// orderFindings looks for Received lines below From, To or Subject.
func (r *Result) orderFindings(c *facts) {
	above := ""
	for i := range c.h.Fields {
		switch name := c.h.Fields[i].Name; {
		case equalFold(name, "from") || equalFold(name, "to") || equalFold(name, "subject"):
			if above == "" {
				above = name
			}
		case above != "" && equalFold(name, "received"):
			r.add(kReceivedBelow, -1, string(c.h.Fields[i].Raw), "this line stands below %s", above)
			return
		}
	}
}

// hopFindings judges one line by itself.
func (r *Result) hopFindings(c *facts, i int) {
	h := &r.Hops[i]
	if h.Dialect != "connection" && !h.Time.IsZero() {
		r.dateShape(h.Date, i)
	}
	r.addressFindings(h, i)
	if h.Trust == TrustClaimed {
		r.claimedFindings(c, h, i)
	}
	if i == r.boundary() && h.IP.IsValid() {
		r.heloFindings(c, h, i)
	}
}

func (r *Result) boundary() int {
	if r.Boundary == nil {
		return -1
	}
	return r.Boundary.Hop
}

// addressFindings judges what stands in the peer's place.
func (r *Result) addressFindings(h *Hop, i int) {
	switch {
	case h.badIP != "":
		r.add(kImpossibleIP, i, h.badIP, "%q stands in the peer's place and is no address of a host", h.badIP)
	case h.IP.Is4() && noHost(h.IP):
		r.add(kImpossibleIP, i, h.IP.String(), "no host can have the address %s", h.IP)
	case h.IP.Is4() && h.IP.As4()[3] == 0 && public(h.IP):
		r.add(kDotZero, i, h.IP.String(), "the address ends in .0; hosts with such addresses exist")
	}
	if h.literal.IsValid() && h.IP.IsValid() && h.literal != h.IP && public(h.literal) && public(h.IP) && !sameNet(h.literal, h.IP) && h.Skip == SkipNone {
		r.add(kHELOLiteral, i, h.HELO+" / "+h.IP.String(), "the client at %s called itself %s", h.IP, h.HELO)
	}
}

// noHost knows the networks of IPv4 in which no host can be.
func noHost(a netip.Addr) bool {
	first := a.As4()[0]
	return first == 0 || first >= 224
}

// sameNet tells whether two addresses share a /24, or a /64 of IPv6.
func sameNet(a, b netip.Addr) bool {
	if a.BitLen() != b.BitLen() {
		return false
	}
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	return err == nil && p.Contains(b)
}

// claimedFindings judges a line that nobody vouches for.
func (r *Result) claimedFindings(c *facts, h *Hop, i int) {
	if h.Dialect == "unknown" && h.Skip == SkipNone {
		r.add(kUnknownLine, i, h.Raw, "no known server writes a line like this")
	}
	if t, _ := c.w.host(h.By, netip.Addr{}); t == TrustOwn {
		r.add(kOwnHostClaimed, i, "by "+h.By, "%s is ours, but the mail came from outside above this line", h.By)
	}
}

// heloFindings judges what the origin called itself.
func (r *Result) heloFindings(c *facts, h *Hop, i int) {
	switch {
	case h.HELO == "":
	case strings.EqualFold(h.HELO, h.By) && !h.IP.IsLoopback() && public(h.IP) || h.literal.IsValid() && h.literal == h.ByIP:
		r.add(kHELOOurs, i, h.HELO, "the client at %s called itself by the receiver's own name", h.IP)
	case h.RDNS != "" && strings.IndexByte(h.HELO, '.') > 0 && !h.literal.IsValid() && !sameOrg(h.HELO, h.RDNS):
		r.add(kHELORDNS, i, h.HELO+" / "+h.RDNS, "the client called itself %s, the DNS calls it %s", h.HELO, h.RDNS)
	}
}

// chainFindings compares each claimed line with whom the line above it saw.
func (r *Result) chainFindings() {
	b := r.boundary()
	if b < 0 {
		return
	}
	for i := b; i+1 < len(r.Hops); i++ {
		h, n := &r.Hops[i], &r.Hops[i+1]
		if n.Trust != TrustClaimed || h.Skip != SkipNone || n.By == "" || h.HELO == "" && !h.IP.IsValid() {
			continue
		}
		if sameHost(n.By, h.HELO) || sameHost(n.By, h.RDNS) || n.ByIP.IsValid() && n.ByIP == h.IP || h.IP.IsLoopback() || !public(h.IP) || equalFold(n.By, "localhost") {
			continue
		}
		r.add(kChainBreak, i+1, "by "+n.By, "line %d says that %s handed the mail on, line %d that %s took it", i, peerName(h), i+1, n.By)
	}
}

// peerName names a line's peer as well as it can.
func peerName(h *Hop) string {
	name := h.RDNS
	if name == "" {
		name = h.HELO
	}
	switch {
	case !h.IP.IsValid():
		return name
	case name == "" || name == h.IP.String():
		return h.IP.String()
	}
	return name + " [" + h.IP.String() + "]"
}

// claimFindings compares the addresses that fields name with the origin.
func (r *Result) claimFindings() {
	if r.Origin == nil {
		return
	}
	for _, cl := range r.Claims {
		if cl.Hop < 0 && cl.IP != r.Origin.IP && public(cl.IP) {
			r.add(kClaimDiffers, -1, cl.Source+": "+cl.IP.String(), "%s names %s, the origin is %s", cl.Source, cl.IP, r.Origin.IP)
		}
	}
}
