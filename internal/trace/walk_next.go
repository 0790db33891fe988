package trace

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// next steps to the next older line if it is trusted, and says why.
func (w *walk) next(s step) bool {
	h, n := &w.hops[w.at], &w.hops[w.at+1]
	t, rule := w.host(n.By, n.ByIP)
	switch {
	case t != "" && s == stepProvider && !followsOn(h, n):
		return false
	case t != "":
	case n.By == "":
		if s == stepAuth { // who wrote it cannot be told
			w.doubt(h, n)
			return false
		}
		t, rule = TrustTrusted, "written beside "+w.recorder(h)
	case s == stepNet:
		t, rule = TrustTrusted, "written by the peer of "+h.By+" in a trusted network"
	case s == stepFetch:
		w.learn(n.By)
		t, rule = TrustTrusted, "host of the mailbox"
	case (s == stepInside || s == stepLocal) && w.complaint && len(w.learned) == 0 && strings.IndexByte(n.By, '.') > 0 && !isAddress(n.By):
		w.learn(n.By) // the receiver's inner hosts told no organisation
		t, rule = TrustTrusted, "first host of the receiver with a name, "+n.By
	case (s == stepInside || s == stepLocal) && w.writer == "": // no line so far says who wrote it
		w.learn(n.By)
		t, rule = TrustTrusted, "written beside the topmost line"
	case (s == stepInside || s == stepLocal) && w.beside(h, n):
		t, rule = TrustTrusted, "inside, behind "+w.recorder(h)
		w.adopt(n.By)
	case s == stepNamed && calledItself(h, n):
		t, rule = TrustTrusted, "written by the trusted peer "+h.RDNS+" under its inner name "+n.By
		w.adopt(n.By)
	case s == stepLocal && isWebProtocol(n.With):
		t, rule, w.soft = TrustTrusted, "webmail on "+w.recorder(h), true
	default:
		return false
	}
	untied := !sameHost(n.By, h.RDNS) && n.ByIP != h.IP
	if s == stepAuth || (s == stepOurs || s == stepNamed && public(h.IP)) && untied {
		w.soft = true
	}
	w.at++
	if s == stepOurs && untied && w.loose == 0 {
		w.loose = w.at
	}
	w.rule = rule
	n.Trust = t
	if n.By != "" {
		w.writer = n.By
	}
	return true
}

// followsOn tells whether line n can be of the provider's host that line h saw:
// where both print public addresses of one family, the peer of the one is the
// writer of the other; else their names tell.
func followsOn(h, n *Hop) bool {
	if !public(n.ByIP) || n.ByIP.BitLen() != h.IP.BitLen() || n.ByIP == h.IP {
		return true
	}
	return sameHost(n.By, h.HELO) && firstLabel(n.By) == firstLabel(h.HELO)
}

// doubt notes that line n may be of our host or of the client that had logged in.
func (w *walk) doubt(h, n *Hop) {
	if !public(n.IP) {
		return
	}
	w.alts = append(w.alts,
		Alternative{IP: h.IP, Hop: w.at, Why: "logged in at " + w.recorder(h) + ", and may have written what is below"},
		Alternative{IP: n.IP, Hop: w.at + 1, Why: "named by a line that does not say who wrote it"})
}

// beside tells whether line n was written on the host of line h or behind it: by
// "localhost", a private address, or the name that the inside peer bore.
func (w *walk) beside(h, n *Hop) bool {
	switch {
	case equalFold(n.By, "localhost") || equalFold(n.By, "localhost.localdomain"):
		return true
	case n.ByIP.IsValid() && isAddress(n.By) && !public(n.ByIP):
		return true
	case n.ByIP.IsValid() && n.ByIP == h.IP:
		return true
	case strings.EqualFold(n.By, w.writer), innerName(n.By):
		return true
	}
	if h.IP.IsValid() && !public(h.IP) || hasFoldPrefix(h.With, "lmtp") {
		return sameHost(n.By, h.HELO) || sameHost(n.By, h.RDNS)
	}
	return false
}

// calledItself tells whether line n bears a name that the peer of line h may
// have for itself: the one it gave as HELO, or one that the public DNS cannot
// hold. A name of another organisation says that the peer wrote no line.
func calledItself(h, n *Hop) bool {
	return strings.EqualFold(n.By, h.HELO) || innerName(n.By) || n.ByIP.IsValid() && isAddress(n.By) && !public(n.ByIP)
}

// innerName tells whether a host's name means something within one network
// only: it has one label, or an end that is no top-level domain (.local, .corp).
func innerName(name string) bool {
	name = strings.TrimRight(name, ".")
	if name == "" || isAddress(name) {
		return false
	}
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return true
	}
	suffix, known := publicsuffix.PublicSuffix(strings.ToLower(name))
	return !known && suffix == strings.ToLower(name[i+1:])
}

// privateName knows names of one label, and the ends that networks use inside
// (RFC 6762 §3 and appendix G).
func privateName(name string) bool {
	switch strings.ToLower(name[strings.LastIndexByte(name, '.')+1:]) {
	case "local", "lan", "intranet", "internal", "private", "corp", "home", "localdomain":
		return true
	}
	return strings.IndexByte(name, '.') < 0
}

// sameHost tells whether two names are of one host or organisation; a name
// without a domain is one with the first label of the other.
func sameHost(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if strings.IndexByte(a, '.') < 0 || strings.IndexByte(b, '.') < 0 {
		return strings.EqualFold(firstLabel(a), firstLabel(b))
	}
	return sameOrg(a, b)
}

func firstLabel(name string) string {
	if i := strings.IndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return name
}
