package trace

import "strings"

// A usual is a line in the order of RFC 5321 §4.4 with one word in each clause
// and comments between them, cut into its parts:
//
//	from HELO (peer) by HOST (software) with PROTOCOL id ID for <ADDRESS>; DATE (remark)
//
// Most lines of real mail have that form. Nothing of it need be gathered and
// searched for, so reading it costs half; what is read is the same.
type usual struct {
	s string
	i int // how far s is cut

	helo, by, with, cipher, id, recipient, date string

	protocol string // by the name that IANA has for what stands behind "with"
	plain    bool   // that is SMTP and says nothing beside
	exchange bool   // it is "Microsoft SMTP Server"
	late     bool   // remarks stand behind the date

	comments [maxUsualComments]string
	remarks  uint // a bit for each that is a remark
	n        int  // how many there are
	ofFrom   int  // how many of them stand before "by"
	ofBy     int  // before "with"
	ofWith   int  // before "id"
	ofID     int  // before "for"
}

const maxUsualComments = 8

// readUsual fills h, which is empty, from s, and says whether s is a usual line;
// where it is not, h stays as it was.
func (r *lineReader) readUsual(h *Hop, s string) bool {
	u, p := usual{s: s}, &r.p
	*p = peer{}
	if !u.cut(p) {
		return false
	}
	dialect := u.dialect(p)
	if dialect == "" && (u.exchange || u.cipher != "" || u.late) || !h.Date.parseUsual(u.date) {
		return false
	}
	u.readClauses(h)
	h.setTime()
	if dialect == "" {
		h.local = hasFoldPrefix(u.with, "local")
		p.local = p.local || h.local
		u.layOut(&r.l)
		r.l.settle(h, p)
		return true
	}
	h.Dialect = dialect
	h.settle(p)
	u.readRemarks(h, p)
	h.Skip = u.skip()
	return true
}

// layOut puts the parts into the clauses of l, where those look who tell apart
// the dialects that name no software.
func (u *usual) layOut(l *line) {
	l.reset()
	l.s, l.semi, l.dated, l.remarks = u.s, true, true, u.remarks != 0
	u.clause(&l.clauses[kwFrom], u.helo, 0, u.ofFrom)
	u.clause(&l.clauses[kwBy], u.by, u.ofFrom, u.ofBy)
	u.clause(&l.clauses[kwWith], u.with, u.ofBy, u.ofWith)
	u.clause(&l.clauses[kwID], u.id, u.ofWith, u.ofID)
	u.clause(&l.clauses[kwFor], u.recipient, u.ofID, u.n)
}

// clause fills c with its word, if the line has it, and the comments behind it.
func (u *usual) clause(c *clause, word string, from, to int) {
	if word == "" {
		return
	}
	c.seen = true
	c.addWord(word)
	for i, text := range u.comments[from:to] {
		c.add(piece{text, true, u.remarks>>(from+i)&1 != 0})
	}
}

// cut finds the parts, takes into p what is said about the client, and tells
// whether they stand as they do in a usual line.
func (u *usual) cut(p *peer) bool {
	if u.space(); len(u.s) > maxLine || strings.IndexByte(u.s, '\\') >= 0 { // quoted pairs
		return false
	}
	if u.keyword(strings.HasPrefix(u.rest(), "from "), len("from ")) {
		if u.helo = u.peerName(); len(u.helo) < 3 || len(u.helo) == len("claiming") {
			return false
		}
		p.setName(u.helo)
		if !u.gather(p) {
			return false
		}
	}
	u.ofFrom = u.n
	return u.cutBy() && u.cutWith() && u.cutTail()
}

// cutBy finds who wrote the line.
func (u *usual) cutBy() bool {
	if !u.keyword(strings.HasPrefix(u.rest(), "by "), len("by ")) {
		return false
	}
	u.by = u.anyWord()
	ok := len(u.by) > longestClause && u.gather(nil)
	u.ofBy = u.n
	return ok
}

// cutWith finds the protocol, where it is named.
func (u *usual) cutWith() bool {
	u.plain, u.ofWith = true, u.n
	if !u.keyword(strings.HasPrefix(u.rest(), "with "), len("with ")) {
		return true
	}
	ok := u.cutProtocol() && u.gather(nil)
	if ok && u.plain && u.keyword(strings.HasPrefix(u.rest(), "tls "), len("tls ")) {
		u.cipher = u.anyWord()
		ok = cipherSuite(u.cipher) && u.gather(nil)
	}
	u.ofWith = u.n
	return ok
}

// cutProtocol finds the word behind "with", which must be one that is known.
func (u *usual) cutProtocol() bool {
	switch u.with = u.anyWord(); u.with {
	case "":
		return false
	case "ESMTPS", "ESMTP", "SMTP", "ESMTPSA": // as they are mostly written
		u.protocol = u.with
		return true
	case "Microsoft":
		u.protocol, u.exchange = "SMTP", u.keyword(strings.HasPrefix(u.rest(), smtpServer), len(smtpServer))
		return u.exchange
	}
	u.protocol = protocol(u.with)
	u.plain = len(u.with) < 8 && (hasFoldPrefix(u.with, "esmtp") || hasFoldPrefix(u.with, "smtp"))
	return u.protocol != ""
}

// cipherSuite knows the ciphers that Exim writes behind "tls".
func cipherSuite(w string) bool {
	return len(w) > 16 && (w[:4] == "TLS_" || w[:6] == "ECDHE-")
}

// smtpServer stands behind "Microsoft", the one protocol of several words that is
// read here.
const smtpServer = " SMTP Server "

// frontend names the part of an Exchange host that took the mail.
const frontend = "via Frontend Transport"

// cutTail finds id, for and the date.
func (u *usual) cutTail() bool {
	if u.keyword(strings.HasPrefix(u.rest(), "id "), len("id ")) {
		if u.id = u.address(); len(u.id) <= longestClause || !u.gather(nil) {
			return false
		}
	}
	u.ofID = u.n
	if u.exchange { // on the host itself
		u.keyword(strings.HasPrefix(u.rest(), frontend), len(frontend))
	}
	if u.keyword(strings.HasPrefix(u.rest(), "for "), len("for ")) {
		if u.recipient = u.address(); len(u.recipient) <= longestClause || !u.gather(nil) {
			return false
		}
	}
	return u.i < len(u.s) && u.s[u.i] == ';' && u.cutDate()
}

// cutDate takes the date behind the semicolon, and the remarks behind it, such as
// (envelope-from <x>), which end the line.
func (u *usual) cutDate() bool {
	s, start := u.s, u.i+1
	for i := start; ; {
		at := strings.IndexByte(s[i:], '(')
		if at < 0 {
			u.i = len(s)
			break
		}
		end := commentEnd(s, i+at)
		if end < 0 {
			return false
		}
		if c := trimSpace(s[i+at+1 : end]); c != "" && isRemark(c) {
			u.i, u.late = i+at, true
			break
		}
		i = end + 1 // a zone's name
	}
	if u.date = trimSpace(s[start:u.i]); len(u.date) > maxDate {
		return false
	}
	return u.gather(nil) && u.i == len(s)
}

// longestClause is the length of the longest word that can open a clause behind
// "by", and so would not be the word of one.
const longestClause = len("with")

// space passes over white space.
func (u *usual) space() { u.i = pastSpace(u.s, u.i) }

// pastSpace returns where white space that begins at i ends.
func pastSpace(s string, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// rest returns what is not cut yet.
func (u *usual) rest() string { return u.s[u.i:] }

// keyword passes over the n bytes of a keyword where it stands here. (To compare
// with a constant costs less than to be handed one.)
func (u *usual) keyword(here bool, n int) bool {
	if here {
		u.i += n
		u.space()
	}
	return here
}

// word takes the next n bytes, "" where the word goes on behind them.
func (u *usual) word(n int) string {
	start, end := u.i, u.i+n
	if end >= len(u.s) || classes[u.s[end]]&classWordEnd == 0 {
		return ""
	}
	u.i = end
	return u.s[start:end]
}

// peerName takes the word behind "from": a name or a literal.
func (u *usual) peerName() string {
	if u.i < len(u.s) && u.s[u.i] == '[' {
		return u.word(max(closing(u.s, u.i, ']')-u.i, 0))
	}
	return u.anyWord()
}

// anyWord takes a word that no bracket, angle or quote begins, none opens a
// bracket in, and no comma ends.
func (u *usual) anyWord() string {
	s, start := u.s, u.i
	if start >= len(s) || classes[s[start]]&(classBracket|classOuter) != 0 {
		return ""
	}
	end := wordEnd(s, start)
	if end == start || end == len(s) || s[end] == '[' || s[end-1] == ',' {
		return ""
	}
	u.i = end
	return s[start:end]
}

// address takes the word behind "for" or "id".
func (u *usual) address() string {
	if u.i < len(u.s) && u.s[u.i] == '<' {
		return u.word(max(closing(u.s, u.i, '>')-u.i, 0))
	}
	return u.anyWord()
}

// gather takes the comments that stand here, and what they say about the client
// into p, where there is one; none may be empty or open.
func (u *usual) gather(p *peer) bool {
	s, i := u.s, u.i
	for i = pastSpace(s, i); i < len(s) && s[i] == '('; i = pastSpace(s, i) {
		end := commentEnd(s, i)
		if end < 0 || u.n == maxUsualComments {
			return false
		}
		c := trimSpace(s[i+1 : end])
		if c == "" {
			return false
		}
		switch {
		case p != nil && p.nameAddress(c): // which no remark is
		case isRemark(c):
			u.remarks |= 1 << u.n
		case p != nil:
			p.comment(c)
		}
		u.comments[u.n] = c
		u.n++
		i = end + 1
	}
	u.i = i
	return true
}

// dialect names the form by the software that the writing host names, or by a
// host that names none; "" where more must be looked at. So must the lines of
// filters and of fetchmail, which may be no hops, and those without an address.
func (u *usual) dialect(p *peer) string {
	if !u.plain || u.helo != "" && !p.ip.IsValid() || equalFold(p.name, "pps.filterd") {
		return ""
	}
	if u.ofWith == u.ofFrom && !u.exchange && u.byGoogle() {
		return "google"
	}
	named := ""
	for _, c := range u.comments[u.ofFrom:u.ofWith] {
		if hasFoldPrefix(c, "fetchmail") {
			return ""
		}
		if named == "" {
			named = bySoftware(c)
		}
	}
	switch {
	case !u.exchange && !isFilter(named):
		return named
	case u.exchange && named == "":
		return "exchange"
	}
	return ""
}

// byGoogle tells whether the host that wrote the line is one of Google's.
func (u *usual) byGoogle() bool {
	if u.by[0] == '2' {
		a, ok := parseAddr(u.by)
		return ok && internal6to4.Contains(a)
	}
	return providerHost(u.by) == "google"
}

// skip tells whether the line is no hop: one that names no peer is none.
func (u *usual) skip() Skip {
	if u.helo != "" {
		return SkipNone
	}
	for _, c := range u.comments[u.ofFrom:u.ofBy] {
		if indexFold(c, "from userid") >= 0 {
			return SkipLocal
		}
	}
	return SkipByOnly
}

// readClauses takes by, with, id and for.
func (u *usual) readClauses(h *Hop) {
	h.setBy(u.by)
	for _, c := range u.comments[u.ofFrom:u.ofBy] {
		if a, ok := byAddr(c); ok && !h.ByIP.IsValid() {
			h.ByIP = a
		}
	}
	h.With, h.authenticated = u.protocol, authProtocol(u.protocol)
	h.ID, h.For = angled(u.id), angled(u.recipient)
}

// readRemarks takes TLS, login and envelope sender.
func (u *usual) readRemarks(h *Hop, p *peer) {
	if p.auth != "" {
		h.setAuth(p.auth)
	}
	for i, c := range u.comments[:u.n] {
		if u.remarks>>i&1 != 0 {
			h.remark(c)
		}
	}
	h.setTLS(u.cipher)
}
