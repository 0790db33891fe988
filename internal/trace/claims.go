package trace

// claims lists the addresses that the message names without anybody vouching
// for them.
func (r *Result) claims(c *facts) {
	start := 0
	if r.Boundary != nil {
		start = r.Boundary.Hop + 1
	}
	for i := start; i < len(r.Hops); i++ {
		h := &r.Hops[i]
		if h.Trust == TrustClaimed && h.IP.IsValid() && !h.IP.IsLoopback() {
			r.Claims = append(r.Claims, Claim{IP: h.IP, Source: "Received", Hop: i, Why: "below the boundary"})
		}
	}
	for i := range c.h.Fields {
		f := &c.h.Fields[i]
		name := claimField(f.Name)
		if name == "" {
			continue
		}
		if ip, ok := addressIP(f.Value()); ok {
			r.Claims = append(r.Claims, Claim{IP: ip, Source: f.Name, Hop: -1, Why: name})
		}
		if len(r.Claims) > maxClaims {
			return
		}
	}
}

// maxClaims bounds the list.
const maxClaims = 64

// claimField says who writes a field that names a client's address, or "".
func claimField(name string) string {
	switch {
	case len(name) < 8:
		return ""
	case equalFold(name, "x-originating-ip") || equalFold(name, "x-originating-client-ip") || equalFold(name, "x-originatingip"):
		return "webmail's word for its user's address"
	case equalFold(name, "x-sender-ip") || equalFold(name, "x-senderip") || equalFold(name, "x-source-ip") || equalFold(name, "x-client-ip") ||
		equalFold(name, "x-clientip") || equalFold(name, "x-remote-ip") || equalFold(name, "x-real-ip") || equalFold(name, "x-client-addr"):
		return "a server's word for its client's address"
	case equalFold(name, "x-aol-ip") || equalFold(name, "x-yahoo-ip") || equalFold(name, "x-mdremoteip") || equalFold(name, "x-he-spam-ip") || equalFold(name, "x-php-originating-ip"):
		return "a server's word for its client's address"
	case equalFold(name, "x-forefront-antispam-report") || equalFold(name, "x-microsoft-antispam-mailbox-delivery"):
		return "connecting address as Microsoft's filter noted it"
	}
	return ""
}
