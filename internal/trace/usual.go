package trace

import "strings"

// A usual is a line in the order of RFC 5321 §4.4 with one word in each clause
// and comments between them, cut into its parts:
//
//	from HELO (peer) by HOST (software) with PROTOCOL id ID for <ADDRESS>; DATE
//
// Most lines of real mail have that form. Nothing of it need be gathered and
// searched for, so reading it costs half; what is read is the same.
type usual struct {
	s string
	i int // how far s is cut

	exchange bool // it says "with Microsoft SMTP Server"

	helo, by, id, recipient, date string

	protocol string // by the name that IANA has for what stands behind "with"

	comments [maxUsualComments]string
	remarks  uint // a bit for each that is a remark
	n        int  // how many there are
	ofFrom   int  // how many of them stand before "by"
	ofBy     int  // before "with"
	ofWith   int  // before "id"
}

const maxUsualComments = 8

// readUsual fills h, which is empty, from s, and says whether s is a usual line;
// where it is not, h stays as it was.
func (r *lineReader) readUsual(h *Hop, s string) bool {
	u, p := usual{s: s}, &r.p
	if !u.cut() {
		return false
	}
	dialect := u.dialect()
	if dialect == "" {
		return false
	}
	*p = peer{}
	u.readPeer(p)
	if u.helo != "" && !p.ip.IsValid() || equalFold(p.name, "pps.filterd") || !h.Date.parseUsual(u.date) {
		return false
	}
	h.Dialect = dialect
	u.readClauses(h)
	h.setTime()
	h.settle(p)
	u.readRemarks(h, p)
	h.Skip = u.skip()
	return true
}

// cut finds the parts, and says whether they stand as they do in a usual line.
func (u *usual) cut() bool {
	if u.space(); len(u.s) > maxLine || strings.IndexByte(u.s, '\\') >= 0 { // quoted pairs
		return false
	}
	if u.keyword(strings.HasPrefix(u.rest(), "from "), len("from ")) {
		if u.helo = u.peerName(); len(u.helo) < 3 || len(u.helo) == len("claiming") || !u.gather() {
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
	ok := len(u.by) > longestClause && u.gather()
	u.ofBy = u.n
	return ok
}

// cutWith finds the protocol, where it is named.
func (u *usual) cutWith() bool {
	ok := true
	if u.keyword(strings.HasPrefix(u.rest(), "with "), len("with ")) {
		u.exchange = u.keyword(strings.HasPrefix(u.rest(), microsoft), len(microsoft))
		if u.exchange {
			u.protocol = "SMTP"
		} else {
			u.protocol = smtpWord(u.anyWord())
		}
		ok = u.protocol != "" && u.gather()
	}
	u.ofWith = u.n
	return ok
}

// microsoft is the one protocol of several words that is read here.
const microsoft = "Microsoft SMTP Server "

// frontend names the part of an Exchange host that took the mail.
const frontend = "via Frontend Transport"

// cutTail finds id, for and the date.
func (u *usual) cutTail() bool {
	if u.keyword(strings.HasPrefix(u.rest(), "id "), len("id ")) {
		if u.id = u.anyWord(); len(u.id) <= longestClause || !u.gather() {
			return false
		}
	}
	if u.exchange { // on the host itself
		u.keyword(strings.HasPrefix(u.rest(), frontend), len(frontend))
	}
	if u.keyword(strings.HasPrefix(u.rest(), "for "), len("for ")) {
		if u.recipient = u.address(); len(u.recipient) <= longestClause || !u.gather() {
			return false
		}
	}
	if u.i >= len(u.s) || u.s[u.i] != ';' || len(u.s)-u.i > maxDate {
		return false
	}
	u.date = trimSpace(u.s[u.i+1:])
	return true
}

// longestClause is the length of the longest word that can open a clause behind
// "by", and so would not be the word of one.
const longestClause = len("with")

// smtpWord returns the protocol of the words behind "with" that name SMTP and
// nothing beside it, "" for others.
func smtpWord(w string) string {
	if len(w) < 10 && (hasFoldPrefix(w, "esmtp") || hasFoldPrefix(w, "smtp")) {
		return protocol(w)
	}
	return ""
}

// space passes over white space.
func (u *usual) space() {
	for u.i < len(u.s) && isSpace(u.s[u.i]) {
		u.i++
	}
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

// anyWord takes a word that no bracket, angle or quote begins and no comma ends.
func (u *usual) anyWord() string {
	s, end := u.s, u.i
	if end >= len(s) || classes[s[end]]&(classBracket|classOuter) != 0 {
		return ""
	}
	if end = wordEnd(s, end); end == u.i || s[end-1] == ',' {
		return ""
	}
	return u.word(end - u.i)
}

// address takes the word behind "for".
func (u *usual) address() string {
	if u.i < len(u.s) && u.s[u.i] == '<' {
		return u.word(max(closing(u.s, u.i, '>')-u.i, 0))
	}
	return u.anyWord()
}

// gather takes the comments that stand here; none may be empty or open.
func (u *usual) gather() bool {
	for u.space(); u.i < len(u.s) && u.s[u.i] == '('; u.space() {
		end := commentEnd(u.s, u.i)
		if end < 0 || u.n == maxUsualComments {
			return false
		}
		c := trimSpace(u.s[u.i+1 : end])
		if c == "" {
			return false
		}
		if isRemark(c) {
			u.remarks |= 1 << u.n
		}
		u.comments[u.n] = c
		u.n++
		u.i = end + 1
	}
	return true
}

// dialect names the form by the software that the writing host names, or by a
// host that names none; "" where the scanner must look further. The lines of
// filters and of fetchmail, which may be no hops, are left to it too.
func (u *usual) dialect() string {
	if u.ofWith == u.ofFrom && u.byGoogle() {
		return "google"
	}
	for _, c := range u.comments[u.ofFrom:u.ofWith] {
		if hasFoldPrefix(c, "fetchmail") {
			return ""
		}
		if d := bySoftware(c); d != "" {
			if isFilter(d) {
				return ""
			}
			return d
		}
	}
	if u.exchange {
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
	return !u.exchange && providerHost(u.by) == "google"
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

// readPeer takes what is said about the client.
func (u *usual) readPeer(p *peer) {
	if u.helo == "" {
		return
	}
	p.setName(u.helo)
	for i, c := range u.comments[:u.ofFrom] {
		if u.remarks>>i&1 == 0 {
			p.comment(c)
		}
	}
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
}
