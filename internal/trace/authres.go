package trace

import "strings"

// authFindings reads Authentication-Results (RFC 8601) where a trusted host
// wrote them above the boundary (§5), and says what an ARC chain (RFC 8617) is
// worth without one.
func (r *Result) authFindings(c *facts) {
	for _, v := range r.trustedResults(c) {
		r.authResults(v)
	}
	if c.h.Has("ARC-Seal") && c.sealer == "" {
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

// trustedResults returns the Authentication-Results that a trusted host wrote.
func (r *Result) trustedResults(c *facts) []string {
	var out []string
	for i := range c.h.Fields[:r.trustedFields(c)] {
		f := &c.h.Fields[i]
		if !equalFold(f.Name, "authentication-results") {
			continue
		}
		switch v := f.Value(); {
		case c.trustedAuthServer(v):
			out = append(out, v)
		case namesNoServer(v) && r.microsoftAbove(c, i):
			out = append(out, "mail.protection.outlook.com; "+v)
		}
	}
	return out
}

// namesNoServer knows the field that begins with a result instead of an
// authserv-id.
//
// QUIRK: Exchange Online leaves the id out, which RFC 8601 §2.2 demands.
func namesNoServer(v string) bool {
	first, _, _ := strings.Cut(v, ";")
	word, _ := cutSpace(first)
	return strings.IndexByte(word, '=') > 0
}

// microsoftAbove tells whether the next Received line below field i is the
// boundary's and of Microsoft's edge, which then wrote the field.
func (r *Result) microsoftAbove(c *facts, i int) bool {
	hop := -1
	if c.w.conn {
		hop = 0
	}
	above := false
	for j := range c.h.Fields {
		if equalFold(c.h.Fields[j].Name, "received") {
			if hop++; j > i {
				above = true
				break
			}
		}
	}
	if !above || hop != r.boundary() || hop >= len(r.Hops) {
		return false
	}
	p := provider(r.Hops[hop].By)
	return p != nil && p.Name == "microsoft" && p.edge(&r.Hops[hop])
}

// authSealer returns the domain that sealed the newest ARC set, where a trusted
// host says that the chain passed; else "".
func (r *Result) authSealer(c *facts) string {
	if !c.h.Has("ARC-Seal") {
		return ""
	}
	for _, v := range r.trustedResults(c) {
		for method, result := range methods(v) {
			if method == "arc" && result == "pass" {
				return sealDomain(c.h.Get("ARC-Seal"))
			}
		}
	}
	return ""
}

// sealDomain reads d= of a seal (RFC 8617 §4.1.3).
func sealDomain(v string) string {
	for part := range strings.SplitSeq(v, ";") {
		if d, ok := strings.CutPrefix(strings.TrimSpace(part), "d="); ok {
			return strings.ToLower(strings.TrimSpace(d))
		}
	}
	return ""
}

// methods walks over "method=result" of one field.
func methods(v string) func(yield func(method, result string) bool) {
	return func(yield func(string, string) bool) {
		first := true
		for part := range strings.SplitSeq(v, ";") {
			if first { // the authserv-id
				first = false
				continue
			}
			method, rest, ok := strings.Cut(strings.TrimSpace(part), "=")
			if !ok {
				continue
			}
			result, _ := cutSpace(rest)
			if !yield(strings.ToLower(strings.TrimSpace(method)), strings.ToLower(strings.TrimRight(result, ","))) {
				return
			}
		}
	}
}

// authResults adds a finding for each method of one field.
func (r *Result) authResults(v string) {
	for method, result := range methods(v) {
		if method != "spf" && method != "dkim" && method != "dmarc" {
			continue
		}
		quote := "Authentication-Results: " + authServer(v) + "; " + method + "=" + result
		switch result {
		case "pass":
			r.add(kAuthPass, -1, quote, "%s passed at %s", strings.ToUpper(method), authServer(v))
		case "fail", "permerror":
			r.add(kAuthFail, -1, quote, "%s failed at %s", strings.ToUpper(method), authServer(v))
		case "softfail":
			r.addAs(kAuthFail, Weak, -1, quote, "%s failed softly at %s", strings.ToUpper(method), authServer(v))
		}
	}
}

func authServer(v string) string {
	id, _, _ := strings.Cut(v, ";")
	id, _ = cutSpace(id)
	return id
}
