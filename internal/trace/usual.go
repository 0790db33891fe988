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

	helo, by, with, id, recipient, date string

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
	dialect, with := u.dialect(), protocol(u.with)
	if dialect == "" || with == "" {
		return false
	}
	*p = peer{}
	u.readPeer(p)
	if !p.ip.IsValid() || equalFold(p.name, "pps.filterd") || !h.Date.parseUsual(u.date) {
		return false
	}
	h.Dialect = dialect
	u.readClauses(h, with)
	h.setTime()
	h.settle(p)
	u.readRemarks(h, p)
	return true
}

// cut finds the parts, and says whether they stand as they do in a usual line.
func (u *usual) cut() bool {
	if u.space(); len(u.s) > maxLine || !u.keyword(strings.HasPrefix(u.rest(), "from "), len("from ")) || strings.IndexByte(u.s, '\\') >= 0 { // quoted pairs
		return false
	}
	if u.helo = u.peerName(); len(u.helo) < 3 || len(u.helo) == len("claiming") || !u.gather() || !u.keyword(strings.HasPrefix(u.rest(), "by "), len("by ")) {
		return false
	}
	u.ofFrom = u.n
	if u.by = u.anyWord(); len(u.by) <= longestClause || !u.gather() || !u.keyword(strings.HasPrefix(u.rest(), "with "), len("with ")) {
		return false
	}
	u.ofBy = u.n
	if u.with = u.anyWord(); !smtpWord(u.with) || !u.gather() {
		return false
	}
	u.ofWith = u.n
	if u.keyword(strings.HasPrefix(u.rest(), "id "), len("id ")) {
		if u.id = u.anyWord(); len(u.id) <= longestClause || !u.gather() {
			return false
		}
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

// smtpWord knows the words behind "with" that name SMTP and nothing beside it.
func smtpWord(w string) bool {
	return len(w) < 10 && (hasFoldPrefix(w, "esmtp") || hasFoldPrefix(w, "smtp"))
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
	if u.ofWith == u.ofFrom && providerHost(u.by) == "google" {
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
	return ""
}

// readPeer takes what is said about the client.
func (u *usual) readPeer(p *peer) {
	p.setName(u.helo)
	for i, c := range u.comments[:u.ofFrom] {
		if u.remarks>>i&1 == 0 {
			p.comment(c)
		}
	}
}

// readClauses takes by, with, id and for.
func (u *usual) readClauses(h *Hop, with string) {
	h.setBy(u.by)
	for _, c := range u.comments[u.ofFrom:u.ofBy] {
		if a, ok := byAddr(c); ok && !h.ByIP.IsValid() {
			h.ByIP = a
		}
	}
	h.With, h.authenticated = with, authProtocol(with)
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
