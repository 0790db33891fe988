package trace

import (
	"net/netip"
	"strings"
)

// A peer is what the from part of a line says about the client, before the
// dialect tells which of it was seen and which was said.
type peer struct {
	name     string     // the word behind "from"
	nameIP   netip.Addr // where that word is an address
	namePort uint16     // and a port: the client's word where the address is
	ip       netip.Addr // the address in the place where peers stand
	port     uint16
	rdns     string
	state    RDNSState // RDNSNone where the comment says that no name was found
	helo     string
	heloSet  bool // the line names the HELO apart from the name
	ident    string
	auth     string
	bad      string // an impossible address in the peer's place
	bare     bool   // the address stood alone in parentheses, without brackets
	bareUser bool   // the address stood behind user@, without brackets
	local    bool   // a Unix socket, a user of the host
	zmailer  bool
	mapped   bool // the address was written as IPv4 mapped into IPv6
	hidden   bool // brackets without anything in them
	forged   bool // "may be forged", "unverified"
}

// read takes the pieces between "from" and the next keyword.
func (p *peer) read(pieces []piece) {
	words := 0
	for _, x := range pieces {
		switch {
		case x.remark:
		case x.comment:
			p.comment(x.text)
		case words == 0:
			p.setName(x.text)
			words++
		default:
			p.extraWord(x.text)
			words++
		}
	}
	if words == 3 && len(pieces) == 3 && pieces[1].text == "-" && !p.ip.IsValid() { // SMTPSVC 5: name - 192.0.2.1
		p.ip, _ = parseAddr(pieces[2].text)
	}
}

// setName takes the word behind "from": a name, a literal, or a name with the
// address glued to it.
func (p *peer) setName(w string) {
	if i := gluedAddress(w); i > 0 { // name[192.0.2.1]
		p.name = w[:i]
		p.bracket(w[i:])
		return
	}
	if w != "" && w[0] == '[' {
		p.setLiteral(w)
		return
	}
	p.name = trimOuter(w)
	if a, ok := parseAddr(p.name); ok {
		p.nameIP = a
	} else if p.name == "" || !isDigit(p.name[0]) {
		return
	} else if a, port, ok := addrPort(p.name); ok {
		p.nameIP, p.namePort = a, port
	}
}

// setLiteral takes [192.0.2.1], [192.0.2.1]:25 and [192.0.2.1:25] behind "from".
func (p *peer) setLiteral(w string) {
	end := strings.IndexByte(w, ']')
	if end < 0 {
		end = len(w)
	}
	p.name = w[1:end]
	if a, ok := parseAddr(p.name); ok {
		p.nameIP = a
		if end+2 < len(w) && w[end+1] == ':' {
			p.namePort = parsePort(w[end+2:])
		}
		return
	}
	if a, port, ok := addrPort(p.name); ok {
		p.name, p.nameIP, p.namePort = p.name[:strings.IndexByte(p.name, ':')], a, port
	}
}

// extraWord takes a word behind the name: MDaemon, Exim 3 and SMTPD32 write the
// address so.
func (p *peer) extraWord(w string) {
	switch {
	case w[0] == '[':
		p.bracket(w)
	case equalFold(w, "unverified"):
		p.forged = true
	}
}

// comment sorts one comment of the from part.
func (p *peer) comment(c string) {
	if c == "" {
		p.hidden = true
		return
	}
	if p.nameAddress(c) || p.loneAddress(c) {
		return
	}
	var t tokens
	t.s = c
	first, n := "", 0
	var bareIP netip.Addr
	var barePort uint16
	for {
		w, ok := t.next()
		if !ok {
			break
		}
		switch {
		case w[0] == '[':
			p.bracket(w)
		case w[0] == '(':
			if indexFold(w, "forged") >= 0 { // sendmail, by whatever name
				p.forged, p.state = true, RDNSNone
			}
		case w[0] == '"':
			p.quoted(w, &t)
		case p.option(w, &t):
		case p.marker(w):
		default:
			n++
			if i := strings.IndexByte(w, '['); i > 0 {
				if !p.marker(w[:i]) {
					p.account(w[:i], &first)
				}
				p.bracket(w[i:])
				continue
			}
			if a, port, ok := tokenAddr(w); ok && !bareIP.IsValid() {
				bareIP, barePort = a, port
				continue
			}
			p.account(w, &first)
		}
	}
	p.settle(first, bareIP, barePort, n)
}

// nameAddress reads "name [192.0.2.1]", as nearly all servers write it, and says
// whether the comment was that.
func (p *peer) nameAddress(c string) bool {
	n := len(c)
	if c[n-1] != ']' || p.ip.IsValid() || p.rdns != "" {
		return false
	}
	i := hostPart(c)
	if i < 6 || i+3 > n || c[i] != ' ' || c[i+1] != '[' || isDigit(c[i-1]) {
		return false
	}
	a, ok := parseAddr(c[i+2 : n-1])
	if !ok || c[i+2] == ':' || c[i+2] == '[' {
		return false
	}
	name := c[:i]
	if p.marker(name) {
		p.ip = a
		return true
	}
	p.ip, p.rdns = a, strings.TrimSuffix(name, ".")
	return true
}

// loneAddress reads "[192.0.2.1]" and "192.0.2.1", and says whether the comment
// was that.
func (p *peer) loneAddress(c string) bool {
	if c[0] == '[' && closing(c, 0, ']') == len(c) {
		p.bracket(c)
		return true
	}
	a, ok := parseIPv4(c)
	if ok {
		p.settle("", a, 0, 1)
	}
	return ok
}

// settle decides what a comment's plain words were: a name counts as rDNS when
// it looks like one, a lone address as the peer's.
func (p *peer) settle(first string, bareIP netip.Addr, barePort uint16, n int) {
	if bareIP.IsValid() {
		alone := n == 1 || bareIP.Is6() || first == "" && n <= 2
		switch {
		case p.ip.IsValid(): // 192.0.2.1 [192.0.2.1]: the address stands for a name
			if p.rdns == "" && p.state == "" {
				p.state = RDNSNone
			}
		case alone:
			p.ip, p.port, p.bare = bareIP, barePort, true
		}
	} else if n == 1 && !p.ip.IsValid() && numbersOnly(first) {
		p.bad, first = first, ""
	}
	if first == "" || p.rdns != "" || strings.ContainsAny(first, "/=:,") {
		return
	}
	if p.ip.IsValid() && n <= 2 || n == 1 && strings.IndexByte(first, '.') > 0 {
		p.rdns = strings.TrimSuffix(first, ".")
	}
}

// numbersOnly knows what stands in an address's place and is none: an octet too
// large, or a date, as some ratware writes.
func numbersOnly(s string) bool {
	dots := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			dots++
		} else if !isDigit(s[i]) {
			return false
		}
	}
	return dots >= 2
}

// isRemark knows the comments that say something else than who the peer is;
// those that matter are read by Hop.remark. A peer may be called
// "authenticated.example" in the DNS, and its IDENT server may answer
// "authenticated": what has the form of a name or an answer and its address is
// about the peer whatever it says.
func isRemark(c string) bool {
	if strings.HasPrefix(c, "using TLS") || strings.HasPrefix(c, "No client ") || strings.HasPrefix(c, "Authenticated sender: ") {
		return true // those that are met most
	}
	return remarkWord(c) && !aboutPeer(c)
}

// aboutPeer tells whether a comment is "name [address]" or "answer@address".
func aboutPeer(c string) bool {
	i := strings.IndexByte(c, ' ')
	if i < 0 {
		return nameAndAddress(c) || identAndAddress(c)
	}
	return (c[i+1] == '[' || strings.IndexByte(c[:i], '[') > 0 || isSpace(c[i+1])) && nameAndAddress(c)
}

// cellopointTLS begins the comment in which Cellopoint names itself and the TLS.
const cellopointTLS = "generic mta with tls"

// remarkWord tells whether a comment begins as a remark does.
func remarkWord(c string) bool {
	if isEncrypted(c) {
		return true
	}
	switch c[0] | 0x20 {
	case 'u':
		return says(c, "using") || says(c, "uid") || says(c, "user authenticated") || hasFoldPrefix(c, "user=") || hasFoldPrefix(c, "unknown:")
	case 'n':
		return says(c, "no client") || says(c, "nje origin")
	case 'i':
		return hasFoldPrefix(c, "ident: ")
	case 'g':
		return hasFoldPrefix(c, cellopointTLS)
	case 'p':
		return says(c, "proxying")
	case 'c':
		return says(c, "client") || says(c, "cipher")
	case 'a':
		return says(c, "authenticated") || says(c, "auth") || hasFoldPrefix(c, "authenticated-user:")
	case 't':
		return says(c, "tls") || says(c, "tls_cipher") || hasFoldPrefix(c, "tlsv1") || hasFoldPrefix(c, "tls1") || hasFoldPrefix(c, "tls-1") || hasFoldPrefix(c, "tls_")
	case 'e':
		return says(c, "envelope-from") || says(c, "envelope-sender")
	case 'm':
		return says(c, "mailfrom") || says(c, "may be forged") || says(c, "misconfigured")
	case 'v':
		return hasFoldPrefix(c, "version=")
	case 's':
		return says(c, "squirrelmail") || says(c, "smtp-auth") || says(c, "sasl") || says(c, "ssl") || hasFoldPrefix(c, "sslv")
	}
	return false
}

// isEncrypted knows "ECDHE-RSA-AES256-GCM-SHA384 encrypted".
func isEncrypted(c string) bool {
	return len(c) > 12 && c[len(c)-1]|0x20 == 'd' && equalFold(c[len(c)-10:], " encrypted")
}

// says tells whether c begins with the word, which is in lower case, and the
// word ends there.
func says(c, word string) bool {
	if !hasFoldPrefix(c, word) {
		return false
	}
	if len(c) == len(word) {
		return true
	}
	b := c[len(word)]
	return !isAlpha(b) && !isDigit(b) && b != '.' && b != '-' && b != '_'
}

// nameAndAddress tells whether a comment is "name [address]" with or without
// what servers add behind it.
func nameAndAddress(c string) bool {
	i := strings.IndexByte(c, '[')
	if i < 1 || strings.IndexByte(trimSpace(c[:i]), ' ') >= 0 {
		return false
	}
	end := strings.IndexByte(c[i:], ']')
	if end < 0 {
		return false
	}
	_, _, ok := tokenAddr(c[i+1 : i+end])
	return ok
}

// identAndAddress tells whether a comment is "answer@192.0.2.1", as qmail writes
// what an IDENT server said.
func identAndAddress(c string) bool {
	i := strings.LastIndexByte(c, '@')
	if i < 0 {
		return false
	}
	_, _, ok := tokenAddr(strings.Trim(c[i+1:], "[]"))
	return ok
}

// option reads HELO, helo=, ident=, port= and their like.
func (p *peer) option(w string, t *tokens) bool {
	switch w[0] | 0x20 {
	case 'h':
		if equalFold(w, "helo") {
			p.setHELO(t.rest1())
			return true
		}
		if hasFoldPrefix(w, "helo=") {
			p.setHELO(w[5:])
			return true
		}
	case 'e':
		if equalFold(w, "ehlo") {
			p.setHELO(t.rest1())
			return true
		}
	case 'l':
		if equalFold(w, "lhlo") {
			p.setHELO(t.rest1())
			return true
		}
	case 'i':
		if hasFoldPrefix(w, "ident=") {
			p.ident = strings.Trim(w[6:], "[]")
			return true
		}
	case 'p':
		if hasFoldPrefix(w, "port=") {
			p.port = parsePort(w[5:])
			return true
		}
	case 'a':
		if equalFold(w, "account") {
			p.auth, _ = t.next()
			return true
		}
	case 'w':
		if equalFold(w, "with") { // Yahoo: user@192.0.2.1 with plain
			method, _ := t.next()
			if p.auth == "" {
				p.auth = p.ident
			}
			if p.auth == "" {
				p.auth = method
			}
			return true
		}
	}
	return false
}

// setHELO keeps what the client called itself, literals without their brackets.
func (p *peer) setHELO(w string) {
	p.helo, p.heloSet = trimOuter(w), true
}

// quoted reads ZMailer's "EHLO name".
func (p *peer) quoted(w string, t *tokens) {
	verb := strings.TrimLeft(w, `"`)
	name, _ := cutSpace(verb)
	if equalFold(name, "port") { // PMDF: "port 4711"@[192.0.2.1]
		p.port = parsePort(strings.Trim(verb, `port "`))
	}
	if equalFold(name, "ehlo") || equalFold(name, "helo") {
		_, rest := cutSpace(strings.TrimRight(verb, `"`))
		p.setHELO(rest)
		p.zmailer = true
	}
}

// marker knows words that say what came of the rDNS look-up.
func (p *peer) marker(w string) bool {
	switch w[0] | 0x20 {
	case 'u':
		switch {
		case equalFold(w, "unknown") || equalFold(w, "unknownhost"):
			p.state = RDNSNone
			return true
		case equalFold(w, "unverified"):
			p.forged = true
			return true
		}
	case 'v':
		return equalFold(w, "verified")
	case 's':
		if equalFold(w, "softdnserr") {
			p.state = RDNSNone
			return true
		}
	case 'r':
		if equalFold(w, "rdns") {
			p.state = RDNSNone
			return true
		}
		if hasFoldPrefix(w, "rhost-flags-") {
			p.zmailer = true
			if equalFold(w, "rhost-flags-ok-ok-ok-ok") {
				return true
			}
			p.forged = true
			return true
		}
	case 'f':
		return equalFold(w, "failed") || equalFold(w, "fail")
	case 'd':
		if equalFold(w, "dnserror") { // Haraka
			p.state = RDNSNone
			return true
		}
	case 'n':
		switch {
		case equalFold(w, "nxdomain"): // Haraka
			p.state = RDNSNone
			return true
		case equalFold(w, "nodnsquery"):
			p.state = RDNSUnknown
			return true
		case equalFold(w, "not"): // MailMarshal: Not Verified[192.0.2.1]
			p.forged = true
			return true
		}
	case 'l':
		if equalFold(w, "local") {
			p.local = true
			return true
		}
	case '<' | 0x20:
		if equalFold(w, "<unknown.domain>") || equalFold(w, "<unknown>") {
			p.state = RDNSNone
			return true
		}
	}
	return false
}

// account splits user@host, as an IDENT answer or a login is written.
func (p *peer) account(w string, first *string) {
	if hasFoldPrefix(w, "ident:") {
		w = w[6:]
	}
	if i := strings.LastIndexByte(w, '@'); i >= 0 {
		if p.ident == "" {
			p.ident = w[:i]
		}
		*first = "" // words before are of the answer, which the client chose
		w = w[i+1:]
		if a, port, ok := tokenAddr(w); ok {
			if !p.ip.IsValid() {
				p.ip, p.port = a, max(p.port, port)
				p.bareUser = w[0] != '['
			}
			return
		}
		if equalFold(w, "localhost") {
			p.local = true
		}
	}
	w = angled(w)
	switch {
	case w == "":
	case equalFold(w, "unknown") || equalFold(w, "unknown.domain"):
		p.state = RDNSNone
	case *first == "":
		*first = w
	}
}

// bracket takes "[address]" with an optional port; the first one counts.
func (p *peer) bracket(w string) {
	end := strings.IndexByte(w, ']')
	if end < 0 {
		end = len(w)
	}
	inner := trimSpace(w[1:end])
	if n := len(inner); n > 2 && inner[0] == '(' && inner[n-1] == ')' { // Cellopoint, MDaemon
		inner = inner[1 : n-1]
	}
	if inner == "" {
		p.hidden = true
		return
	}
	if inner[0] == '[' || hasFoldPrefix(inner, "unix") {
		p.local = true
		return
	}
	if equalFold(inner, "local") {
		p.local = true
		return
	}
	if p.ip.IsValid() {
		return
	}
	if a, port, ok := tokenAddr(inner); ok {
		if p.ip = a; port != 0 { // PMDF names the port before
			p.port = port
		}
		p.mapped = a.Is4() && inner[0] == ':'
		if end+2 < len(w) && w[end+1] == ':' {
			p.port = parsePort(w[end+2:])
		}
		return
	}
	if a, port, ok := parseDottedPort(inner); ok {
		p.ip, p.port = a, port
		return
	}
	if impossibleAddr(inner) {
		p.bad = inner
		return
	}
	p.hidden = true // 192.0.xxx.xxx and the like
}

// tokenAddr reads an address with an optional leading slash and port.
func tokenAddr(w string) (netip.Addr, uint16, bool) {
	if len(w) < 2 {
		return netip.Addr{}, 0, false
	}
	if w[0] == '/' {
		w = w[1:]
	}
	if c := w[0]; !isHex(c) && c != ':' && c != '[' && c != 'I' && c != 'i' {
		return netip.Addr{}, 0, false
	}
	if a, ok := parseAddr(w); ok {
		return a, 0, true
	}
	return addrPort(w)
}

// addrPort reads 192.0.2.1:25.
func addrPort(w string) (netip.Addr, uint16, bool) {
	i := strings.IndexByte(w, ':')
	if i < 7 {
		return netip.Addr{}, 0, false
	}
	a, ok := parseIPv4(w[:i])
	return a, parsePort(w[i+1:]), ok
}
