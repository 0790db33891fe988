package trace

import (
	"net/netip"
	"strings"
)

// ParseReceived reads one Received field, with or without its name, folds
// included. It never fails: a line of no known form has the dialect "unknown"
// and holds what is certain in it.
func ParseReceived(raw []byte) Hop {
	var h Hop
	h.parse(string(raw))
	return h
}

// parse fills h, which is empty, from raw, whose memory it keeps.
func (h *Hop) parse(raw string) {
	var r lineReader
	r.read(h, raw)
}

// A lineReader reads one line after another; what it needs between is used again.
type lineReader struct {
	l line
	p peer
}

// read fills h, which is empty, from raw, whose memory it keeps.
func (r *lineReader) read(h *Hop, raw string) {
	h.Raw = raw
	h.RDNSState = RDNSUnknown
	if s := fieldValue(raw); !r.readUsual(h, s) {
		r.readAny(h, s)
	}
}

// readAny fills h from a line in whatever form.
func (r *lineReader) readAny(h *Hop, s string) {
	l, p := &r.l, &r.p
	*p = peer{}
	l.scan(s, &h.Date)
	h.readBy(l)
	h.readWith(l)
	h.readTail(l)
	p.local = h.local
	l.readPeer(p)
	h.readDate(l)
	l.settle(h, p)
}

// settle decides what the parts of the line say, once all are read.
func (l *line) settle(h *Hop, p *peer) {
	h.Dialect = dialectOf(l, h, p)
	h.settle(p)
	h.readRemarks(l, p)
	h.Skip = h.skip(l, p)
}

// fieldValue cuts "Received:" and "X-Received:" from the front.
func fieldValue(raw string) string {
	if len(raw) > 8 && raw[8] == ':' && raw[:8] == "Received" {
		return raw[9:]
	}
	i := strings.IndexByte(raw, ':')
	if i < 8 || i > 12 {
		return raw
	}
	name := trimSpace(raw[:i])
	for name != "" && name[0] == '>' {
		name = name[1:]
	}
	if equalFold(name, "received") || equalFold(name, "x-received") {
		return raw[i+1:]
	}
	return raw
}

// readBy takes the name and address of the host that wrote the line.
func (h *Hop) readBy(l *line) {
	c := &l.clauses[kwBy]
	for _, x := range c.pieces() {
		switch {
		case x.comment:
			if a, ok := byAddr(x.text); ok && !h.ByIP.IsValid() {
				h.ByIP = a
			}
		case h.By == "":
			h.setBy(x.text)
		case x.text[0] == '[':
			if a, ok := parseAddr(strings.TrimRight(x.text, ",")); ok && !h.ByIP.IsValid() {
				h.ByIP = a
			}
		}
	}
}

// setBy takes the word behind "by".
func (h *Hop) setBy(w string) {
	if i := gluedAddress(w); i > 0 { // name[192.0.2.1]
		if a, _, ok := tokenAddr(strings.Trim(w[i:], "[]")); ok {
			h.ByIP = a
		}
		w = w[:i]
	}
	w = trimOuter(w)
	h.By = strings.TrimSuffix(w, ".")
	if a, _, ok := tokenAddr(w); ok {
		h.ByIP = a
	}
}

// gluedAddress returns where the brackets of "name[192.0.2.1]" open, 0 if there
// are none.
func gluedAddress(w string) int {
	if w == "" || w[len(w)-1] != ']' || w[0] == '[' {
		return 0
	}
	return strings.IndexByte(w, '[')
}

// byAddr reads a comment that is nothing but the writing host's own address,
// bare, in brackets, or behind its name.
func byAddr(c string) (netip.Addr, bool) {
	c = trimSpace(c)
	if c == "" {
		return netip.Addr{}, false
	}
	if k := c[len(c)-1]; k != ']' && !isHex(k) { // no address ends so
		return netip.Addr{}, false
	}
	if i := strings.IndexByte(c, '['); i >= 0 {
		if end := strings.IndexByte(c[i:], ']'); end > 0 && !strings.ContainsAny(c[:i], " /,") || i > 0 && c[i-1] == ' ' && end > 0 && strings.IndexByte(c[:i-1], ' ') < 0 {
			a, _, ok := tokenAddr(c[i+1 : i+end])
			return a, ok
		}
		return netip.Addr{}, false
	}
	a, _, ok := tokenAddr(c)
	return a, ok
}

// readTail takes id, for, and the sender behind "from <x>".
func (h *Hop) readTail(l *line) {
	if c := &l.clauses[kwID]; c.seen {
		h.ID = angled(c.word())
	}
	if c := &l.clauses[kwFor]; c.seen {
		h.For = angled(c.word())
	}
	if c := &l.clauses[kwSender]; c.seen {
		h.EnvelopeFrom = strings.Trim(c.word(), "<>")
	}
}

// readWith takes the protocol, by the name that IANA has for it.
func (h *Hop) readWith(l *line) {
	for _, x := range l.clauses[kwWith].pieces() {
		if x.comment {
			continue
		}
		h.local = h.local || hasFoldPrefix(x.text, "local")
		if p := protocol(x.text); p != "" {
			h.With = p
			break
		}
	}
	if h.With != "" {
		h.authenticated = authProtocol(h.With)
	}
}

// readPeer finds the part of the line that describes the client.
func (l *line) readPeer(p *peer) {
	if from := &l.clauses[kwFrom]; from.seen {
		p.read(from.pieces())
		if u := &l.clauses[kwUser]; u.n > 0 {
			l.readUser(p, u)
		}
		return
	}
	head := l.clauses[kwHead].comment(0)
	if hasFoldPrefix(head, "from ") { // (from user@localhost), (from name [192.0.2.1])
		p.local = true
		var t tokens
		t.s = head[5:]
		for w, ok := t.next(); ok; w, ok = t.next() {
			switch {
			case p.name == "":
				p.setName(w)
			case w[0] == '[':
				p.bracket(w)
				p.local = false
			}
		}
	}
}

// readUser reads "as user x" (IMP) and `claiming to be "x"` (smail).
func (l *line) readUser(p *peer, u *clause) {
	w := ""
	for _, x := range u.pieces() {
		if !x.comment {
			w = x.text
		}
	}
	switch {
	case u.p[0].text == "user":
		p.auth = w
		if p.ident == "" {
			p.ident = w
		}
	case equalFold(u.p[0].text, "to"):
		p.setHELO(w)
	}
}

// settle decides by the dialect which of the peer's names was seen and which
// was said.
func (h *Hop) settle(p *peer) {
	h.IP, h.Port, h.Ident, h.badIP = p.ip, p.port, p.ident, p.bad
	h.RDNS, h.unverified, h.elided = p.rdns, p.forged, p.hidden && !p.ip.IsValid()
	state := p.state
	switch {
	case p.heloSet:
		h.HELO = p.helo
		if h.Dialect == "zonemta" || h.Dialect == "assp" || p.name == "" {
			break
		}
		state = h.nameAsRDNS(p, state)
	case p.ip.IsValid():
		h.HELO = p.name
		if p.rdns == "" && state == "" {
			state = h.nameBesideAddress(p)
		}
	case p.nameIP.IsValid():
		h.HELO = p.name
		if literalIsPeer(h.Dialect, h.With) && (isWebProtocol(h.With) || p.state == "" && p.rdns == "") { // else the comment behind it is about the peer
			h.takeName(p)
		}
	default:
		h.HELO = p.name
	}
	if h.Dialect == "coremail" && strings.IndexByte(p.name, '$') > 0 { // webmail: user$domain
		h.setAuth(p.name)
	}
	h.settleState(state)
	if h.local && h.Ident == "" && !h.IP.IsValid() && strings.IndexByte(p.name, '.') < 0 && hostName(p.name) {
		h.Ident = p.name
	}
	h.HELO = strings.TrimSuffix(h.HELO, ".")
	h.literal = literalOf(h.HELO)
}

// takeName takes the address behind "from" for the peer's, with its port, which
// the name that a client gave itself may have, too.
func (h *Hop) takeName(p *peer) {
	if h.IP = p.nameIP; h.Port == 0 {
		h.Port = p.namePort
	}
}

// literalOf returns the address that a client gave as its name. For its brackets
// qmail writes question marks.
func literalOf(helo string) netip.Addr {
	if helo != "" && helo[0] == '?' {
		helo = strings.Trim(helo, "?")
	}
	a, _ := parseAddr(helo)
	return a
}

// nameAsRDNS reads the name where the HELO stands apart: it is the peer's rDNS,
// or its address where none was found.
func (h *Hop) nameAsRDNS(p *peer, state RDNSState) RDNSState {
	switch {
	case p.nameIP.IsValid():
		if !h.IP.IsValid() {
			h.takeName(p)
		}
		return RDNSNone
	case equalFold(p.name, "unknown"):
		return RDNSNone
	case h.RDNS == "" && !p.local && hostName(p.name):
		h.RDNS, h.nameOnly = strings.TrimSuffix(p.name, "."), true
	}
	return state
}

// nameBesideAddress reads "name ([ip])" and "name (ip)": for Exim and qmail the
// name is the rDNS, and equal to the HELO, for most others it is the HELO alone.
func (h *Hop) nameBesideAddress(p *peer) RDNSState {
	if h.With == "HTTP" && h.Dialect != "exchange" && hostName(p.name) && !p.nameIP.IsValid() {
		h.RDNS, h.nameOnly = strings.TrimSuffix(p.name, "."), true // browsers say no HELO: webmail looked the name up
		return RDNSRecorded
	}
	switch h.Dialect {
	case "yahoo": // qmail's QMQP, where a name stands for a HELO and "unknown" for none
		if equalFold(p.name, "unknown") {
			return RDNSNone
		}
	case "exim", "qmail", "ironport", "qpsmtpd", "smap", "obtuse":
		switch {
		case p.nameIP.IsValid() || equalFold(p.name, "unknown"):
			return RDNSNone
		case hostName(p.name):
			h.RDNS, h.nameOnly = strings.TrimSuffix(p.name, "."), true
			return RDNSRecorded
		}
	case "sendmail", "google", "postfix", "coremail":
		return RDNSNone // these write the name where they find one
	}
	return ""
}

// settleState sets RDNSState from what was found and what was said about it.
func (h *Hop) settleState(state RDNSState) {
	if _, ok := parseAddr(h.RDNS); ok {
		h.RDNS, state = "", RDNSNone
	}
	switch {
	case equalFold(h.RDNS, "unknown") || equalFold(h.RDNS, "unknown_domain"):
		h.RDNS, state = "", RDNSNone
	case equalFold(h.RDNS, "nodnsquery"):
		h.RDNS, h.HELO, state = "", "", ""
	}
	switch {
	case h.RDNS != "" && h.unverified && (state == RDNSNone || h.Dialect == "sendmail"):
		h.RDNSState = RDNSNone
	case h.RDNS != "":
		h.RDNSState = RDNSRecorded
	case state != "" && state != RDNSRecorded:
		h.RDNSState = state
	}
}

// literalIsPeer tells whether a dialect writes the peer's address itself behind
// "from". Those that write the HELO there would hand us the client's word.
func literalIsPeer(dialect, with string) bool {
	switch dialect {
	case "coremail", "postfix", "sendmail", "exchange", "amavis", "rfc5321", "proofpoint":
		return false
	}
	return (!isLocalProtocol(with) || dialect == "exim") && with != "LMTP" // Exim is told it by a trusted user, such as webmail
}

// readDate takes the date that was met behind a semicolon, or else the one that
// begins where a weekday stands.
func (h *Hop) readDate(l *line) {
	if !l.dated && (l.dateAt < 0 || !h.Date.parse(l.s[l.dateAt:])) {
		h.TimeRaw = l.raw
		return
	}
	h.setTime()
}

// setTime takes what the date says.
func (h *Hop) setTime() {
	h.TimeRaw = h.Date.Raw
	h.Time = Stamp{Time: h.Date.Time, Local: !h.Date.HasZone}
	if !h.Date.HasZone {
		h.Zones = h.Date.Zones()
	}
}

// hostName tells whether s can be a host's name.
func hostName(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	return hostPart(s) == len(s)
}

// hostPart returns how many of the first bytes of s can stand in a host's name.
func hostPart(s string) int {
	i := 0
	for i < len(s) && classes[s[i]]&classHost != 0 {
		i++
	}
	return i
}

// angled cuts the angles, and a comma behind them, from a word.
func angled(w string) string {
	if n := len(w); n > 0 && w[n-1] == ',' {
		w = w[:n-1]
	}
	for w != "" && (w[0] == '<' || w[0] == '>') {
		w = w[1:]
	}
	for w != "" && (w[len(w)-1] == '>' || w[len(w)-1] == '<') {
		w = w[:len(w)-1]
	}
	return w
}

// trimOuter cuts brackets, angles, commas and quotes from both ends.
func trimOuter(w string) string {
	for w != "" && isOuter(w[0]) {
		w = w[1:]
	}
	for w != "" && isOuter(w[len(w)-1]) {
		w = w[:len(w)-1]
	}
	return w
}

func isOuter(c byte) bool { return classes[c]&classOuter != 0 }
