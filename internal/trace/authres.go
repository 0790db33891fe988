package trace

import "strings"

// authFindings reads Authentication-Results (RFC 8601) where a trusted host
// wrote them above the boundary (§5), and says what an ARC chain (RFC 8617) is
// worth without one.
func (r *Result) authFindings(c *facts) {
	arcPassed := false
	if n := r.trustedFields(c); n > 0 {
		for i := range c.h.Fields[:n] {
			f := &c.h.Fields[i]
			if !equalFold(f.Name, "authentication-results") {
				continue
			}
			v := f.Value()
			if !c.trustedAuthServer(v) {
				continue
			}
			arcPassed = r.authResults(v) || arcPassed
		}
	}
	if c.h.Has("ARC-Seal") && !arcPassed {
		f, _ := c.h.Field("ARC-Seal")
		r.add(kARCUnproven, -1, f.Value(), "no trusted host says that this chain verifies")
	}
}

// trustedFields returns how many fields of the header no stranger can have
// written: those above the line that recorded the outside peer. A large
// provider removes what claims to be its own, so that there the fields down to
// the first line from outside count as well.
func (r *Result) trustedFields(c *facts) int {
	hop := -1
	if c.w.conn {
		hop = 0
	}
	b := r.boundary()
	for i := range c.h.Fields {
		if !equalFold(c.h.Fields[i].Name, "received") {
			continue
		}
		hop++
		if hop < b || b < 0 {
			continue
		}
		if hop == b && provider(r.Hops[b].By) != nil {
			b++
			continue
		}
		return i
	}
	return len(c.h.Fields)
}

// trustedAuthServer tells whether the authserv-id (RFC 8601 §2.5) is a host
// that is trusted to have written the topmost lines.
func (c *facts) trustedAuthServer(v string) bool {
	id, _ := cutSpace(v)
	id = strings.TrimRight(id, ";")
	if i := strings.IndexByte(id, ';'); i >= 0 {
		id = id[:i]
	}
	for i := range c.w.hops {
		h := &c.w.hops[i]
		if h.Trust == TrustClaimed || h.Trust == TrustForged {
			break
		}
		if strings.EqualFold(id, h.By) || sameOrg(id, h.By) {
			return true
		}
	}
	return under(id, c.o.Hosts) != "" || under(id, c.o.TrustHosts) != ""
}

// authResults adds a finding for each method of one field, and tells whether it
// says that an ARC chain passed.
func (r *Result) authResults(v string) (arcPassed bool) {
	parts := strings.Split(v, ";")
	for _, p := range parts[1:] {
		p = strings.TrimSpace(p)
		method, rest, ok := strings.Cut(p, "=")
		if !ok {
			continue
		}
		result, _ := cutSpace(rest)
		result = strings.ToLower(strings.TrimRight(result, ","))
		switch method = strings.ToLower(strings.TrimSpace(method)); method {
		case "arc":
			arcPassed = arcPassed || result == "pass"
		case "spf", "dkim", "dmarc":
			switch result {
			case "pass":
				r.add(kAuthPass, -1, p, "%s passed at %s", strings.ToUpper(method), authServer(v))
			case "fail", "permerror":
				r.add(kAuthFail, -1, p, "%s failed at %s", strings.ToUpper(method), authServer(v))
			case "softfail":
				r.addAs(kAuthFail, Weak, -1, p, "%s failed softly at %s", strings.ToUpper(method), authServer(v))
			}
		}
	}
	return arcPassed
}

func authServer(v string) string {
	id, _, _ := strings.Cut(v, ";")
	id, _ = cutSpace(id)
	return id
}
