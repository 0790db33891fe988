package trace

import (
	"math/bits"
	"strings"
)

// Bounds of one Received line: what is longer is read up to here.
const (
	maxLine   = 16 << 10 // bytes of one line that are looked at
	maxPieces = 10       // pieces kept of one clause
	maxWord   = 256      // bytes within brackets, angles or quotes
)

// A piece is one word of a Received line, or one comment without its outer
// parentheses; a remark is a comment that says something else than who the peer is.
type piece struct {
	text    string
	comment bool
	remark  bool
}

// A clause is what stands behind one keyword (from, by, with …).
type clause struct {
	p     [maxPieces]piece
	n     int
	words int // how many of them are words
	seen  bool
}

func (c *clause) add(x piece) {
	if c.n < maxPieces {
		c.p[c.n] = x
		c.n++
	}
}

// addWord adds a word without the comma behind it.
func (c *clause) addWord(w string) {
	if n := len(w); n > 1 && w[n-1] == ',' {
		w = w[:n-1]
	}
	c.add(piece{text: w})
	c.words++
}

// pieces returns what the clause holds.
func (c *clause) pieces() []piece { return c.p[:c.n] }

// word returns the clause's first word, or "".
func (c *clause) word() string {
	for i := 0; i < c.n; i++ {
		if !c.p[i].comment {
			return c.p[i].text
		}
	}
	return ""
}

// comments returns the clause's n-th comment, or "".
func (c *clause) comment(n int) string {
	for i := 0; i < c.n; i++ {
		if c.p[i].comment {
			if n == 0 {
				return c.p[i].text
			}
			n--
		}
	}
	return ""
}

// A keyword is a clause of RFC 5321 §4.4, by its place in a line.
type keyword uint8

const (
	kwHead keyword = iota // what stands before any keyword
	kwFrom
	kwBy
	kwWith
	kwID
	kwFor
	kwVia
	kwSender // "from <x>" behind the date's clauses, as XMail names the envelope sender
	kwUser   // "as user x", "claiming to be x" and the like
	nKeywords
)

// A line is one Received value cut into clauses. It is filled by one pass over
// the bytes, which never goes back over more than a bounded number of them.
type line struct {
	s       string
	clauses [nKeywords]clause
	semi    bool   // a semicolon was met
	late    bool   // a clause was opened behind it
	remarks bool   // a comment is a remark
	quoted  bool   // there are backslashes, so comments may hold quoted pairs
	dated   bool   // a date was read behind a semicolon
	raw     string // what stands behind a semicolon and is no date
	// flat is set once a parenthesis was found to be open to the end: from
	// there comments end at the first closing one, so that cost stays linear.
	flat bool
	// dateAt is where a word that begins a date was met without a semicolon.
	dateAt int
}

// scan cuts s, the value of a Received field, and fills d from the last date
// behind a semicolon.
func (l *line) scan(s string, d *Date) {
	if len(s) > maxLine {
		s = s[:maxLine]
	}
	l.reset()
	l.s = s
	l.quoted = strings.IndexByte(s, '\\') >= 0
	cur := kwHead
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case classes[c]&classSkip != 0:
			i++
		case c == '(':
			end, next := l.comment(i)
			l.addComment(cur, s[i+1:end])
			i = next
		case c == ';':
			i = l.semicolon(i, d)
		default:
			end := i + 1
			if classes[c]&(classBracket|classOuter) != 0 {
				end = l.word(i)
			} else {
				if end = wordEnd(s, end); end < len(s) && s[end] == '[' {
					end = wordRest(s, end)
				}
			}
			cur = l.take(cur, i, end)
			i = end
		}
	}
}

// addComment adds a comment to the clause that goes on.
func (l *line) addComment(cur keyword, text string) {
	if text != "" && (isSpace(text[0]) || isSpace(text[len(text)-1])) {
		text = trimSpace(text)
	}
	remark := text != "" && isRemark(text)
	l.remarks = l.remarks || remark
	l.clauses[cur].add(piece{text, true, remark})
}

// reset readies l for the next line. What its clauses held is left behind their
// counts: to clear it would cost as much as reading a short line.
func (l *line) reset() {
	for i := range l.clauses {
		c := &l.clauses[i]
		c.n, c.words, c.seen = 0, 0, false
	}
	l.semi, l.late, l.dated, l.flat, l.remarks, l.raw, l.dateAt = false, false, false, false, false, "", -1
}

// semicolon reads the date behind one, and returns where the line goes on.
func (l *line) semicolon(i int, d *Date) int {
	l.semi = true
	rest := l.s[i+1 : min(len(l.s), i+1+2*maxDate)]
	for rest != "" && isSpace(rest[0]) {
		rest, i = rest[1:], i+1
	}
	if d.parse(rest) {
		l.dated = true
		return i + 1 + len(d.Raw)
	}
	if l.raw == "" {
		l.raw = trimSpace(rest[:min(len(rest), maxDate)])
	}
	return i + 1
}

// comment returns where the comment that opens at i ends, and where the line
// goes on: comments nest (RFC 5322 §3.2.2) and may hold quoted pairs.
func (l *line) comment(i int) (end, next int) {
	s := l.s
	if l.flat {
		return flatEnd(s, i)
	}
	if l.quoted {
		return l.quotedComment(i)
	}
	if end := commentEnd(s, i); end >= 0 {
		return end, end + 1
	}
	l.flat = true
	return flatEnd(s, i)
}

// commentEnd returns where the comment that opens at i closes, -1 if it does not;
// it knows nothing of quoted pairs. It looks at eight bytes at once: parentheses
// differ in their lowest bit alone, and set the high bit of their byte in m.
func commentEnd(s string, i int) int {
	const ones, lows = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	depth := 0
	for ; i+8 <= len(s); i += 8 {
		c := eight(s, i)
		x := (c | ones) ^ ')'*ones
		for m := ^((x&lows + lows) | x | lows); m != 0; m &= m - 1 {
			at := bits.TrailingZeros64(m) &^ 7
			if depth += 1 - 2*int(c>>at&1); depth == 0 {
				return i + at/8
			}
		}
	}
	for ; i < len(s); i++ {
		if s[i] == '(' {
			depth++
		} else if s[i] == ')' {
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// quotedComment is comment for one that may hold quoted pairs.
func (l *line) quotedComment(i int) (end, next int) {
	s := l.s
	depth := 0
	for j := i; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return j, j + 1
			}
		}
	}
	l.flat = true
	return flatEnd(s, i)
}

// flatEnd is comment for a parenthesis that nothing closes: the comment ends at
// the first closing one, else before the next semicolon or opening one, else at
// the end.
func flatEnd(s string, i int) (end, next int) {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case ')':
			return j, j + 1
		case ';', '(':
			return j, j
		}
	}
	return len(s), len(s)
}

// word returns the end of the word that begins at i. Brackets, angles and
// quotes hold together what is in them.
func (l *line) word(i int) int {
	s := l.s
	switch s[i] {
	case '[':
		if end := closing(s, i, ']'); end > 0 {
			return wordRest(s, end)
		}
	case '<':
		if end := closing(s, i, '>'); end > 0 {
			return end
		}
	case '"':
		if end := closing(s, i, '"'); end > 0 {
			return wordRest(s, end) // "anna b"@example.net
		}
	}
	return wordRest(s, i+1)
}

// closing returns the index behind the next c, or 0 if none is near. A bracket
// may not reach into a comment, or a HELO with an open one would hide the
// address that stands there; one within a word does not reach over spaces.
func closing(s string, i int, c byte) int {
	if c != ']' {
		if j := strings.IndexByte(s[i+1:min(len(s), i+maxWord)], c); j >= 0 {
			return i + 1 + j + 1
		}
		return 0
	}
	for j := i + 1; j < len(s) && j < i+maxWord; j++ {
		switch s[j] {
		case c:
			return j + 1
		case ';':
			return 0
		case '(', '[':
			if j > i+1 {
				return 0
			}
		case ' ', '\t', '\r', '\n':
			if i > 0 && !isSpace(s[i-1]) && s[i-1] != '(' && s[i-1] != '[' {
				return 0
			}
		}
	}
	return 0
}

// wordEnd returns where the first byte from i on stands that ends a word or opens
// a bracket. It looks at eight bytes at once: one that is less than '*', or is a
// semicolon or a bracket, sets its high bit, and only then are they asked singly.
func wordEnd(s string, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := eight(s, i)
		semicolon, bracket := x^';'*ones, x^'['*ones
		if m := ((x - '*'*ones) | (semicolon - ones) | (bracket - ones)) & highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			break
		}
	}
	for i < len(s) && classes[s[i]]&(classWordEnd|classBracket) == 0 {
		i++
	}
	return i
}

// eight returns s[i:i+8] as one number, its first byte lowest.
func eight(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

func wordRest(s string, i int) int {
	for {
		if i = wordEnd(s, i); i >= len(s) || s[i] != '[' {
			return i
		}
		if end := closing(s, i, ']'); end > 0 { // unknown[192.0.2.1] and name[(192.0.2.1)]
			i = end
			continue
		}
		i++
	}
}

// take puts the word s[i:end] where it belongs and returns the clause that goes on.
func (l *line) take(cur keyword, i, end int) keyword {
	w := l.s[i:end]
	if len(w) > longestKeyword && !l.semi && w[0] < 0x80 {
		if l.dateAt < 0 && isoDate(w) {
			l.dateAt = i
		}
		l.clauses[cur].addWord(w)
		return cur
	}
	if l.semi && !isLateKeyword(w) { // behind a semicolon words count only in a clause that opened there
		if l.late {
			l.clauses[cur].addWord(w)
		}
		return cur
	}
	if next, ok := l.keyword(cur, w, end); ok {
		l.clauses[next].seen = true
		l.late = l.semi
		return next
	}
	if l.semi && !l.late {
		return cur
	}
	if l.dateAt < 0 && cur > kwFrom && l.clauses[cur].n > 0 && l.beginsDate(w, end) {
		l.dateAt = i
	}
	l.clauses[cur].addWord(w)
	return cur
}

// longestKeyword is the length of "claiming" and of every weekday with its comma.
const longestKeyword = 10

// isLateKeyword knows the keywords that some write behind the date or behind a
// semicolon of their own: Courier's id, SquirrelMail's by.
func isLateKeyword(w string) bool {
	return equalFold(w, "for") || equalFold(w, "by") || equalFold(w, "with") || equalFold(w, "id")
}

// letters4 packs up to four letters of w, in lower case, for a quick comparison.
func letters4(w string) uint32 {
	v := uint32(0)
	for i := 0; i < len(w); i++ {
		v = v<<8 | uint32(w[i]|0x20)
	}
	return v
}

// The keywords, as letters4 packs them.
const (
	wordBy   = 'b'<<8 | 'y'
	wordID   = 'i'<<8 | 'd'
	wordAs   = 'a'<<8 | 's'
	wordFor  = 'f'<<16 | 'o'<<8 | 'r'
	wordVia  = 'v'<<16 | 'i'<<8 | 'a'
	wordUID  = 'u'<<16 | 'i'<<8 | 'd'
	wordFrom = 'f'<<24 | 'r'<<16 | 'o'<<8 | 'm'
	wordWith = 'w'<<24 | 'i'<<16 | 't'<<8 | 'h'
)

// keyword tells which clause w opens, if it is a keyword here. The word behind
// "from" is a name whatever it says, unless that cannot be.
func (l *line) keyword(cur keyword, w string, end int) (keyword, bool) {
	if classes[w[0]]&classKeyword == 0 {
		return cur, false
	}
	if len(w) > 4 {
		if len(w) == 8 && cur == kwFrom && equalFold(w, "claiming") {
			return kwUser, !l.clauses[kwUser].seen
		}
		return cur, false
	}
	switch letters4(w) {
	case wordBy:
		if cur == kwFrom && l.clauses[kwFrom].n == 0 && nextByte(l.s, end) == '(' {
			return cur, false
		}
		return kwBy, !l.clauses[kwBy].seen
	case wordID:
		return kwID, l.fresh(cur, kwID)
	case wordAs:
		return kwUser, cur == kwFrom && !l.clauses[kwUser].seen
	case wordFor:
		return kwFor, l.fresh(cur, kwFor)
	case wordVia:
		return kwVia, l.fresh(cur, kwVia)
	case wordUID:
		return kwUser, l.fresh(cur, kwUser) && cur != kwHead
	case wordFrom:
		if nextByte(l.s, end) == '<' && cur > kwFrom {
			return kwSender, l.fresh(cur, kwSender)
		}
		return kwFrom, !l.clauses[kwFrom].seen && (cur == kwHead || cur == kwBy) // smail: by x from y
	case wordWith:
		return kwWith, l.fresh(cur, kwWith)
	}
	return cur, false
}

// fresh tells whether the clause may open: it did not yet, and it does not
// stand in the place of the peer's name.
func (l *line) fresh(cur, kw keyword) bool {
	return !l.clauses[kw].seen && (cur != kwFrom || l.clauses[kwFrom].n > 0)
}

// nextByte returns the next byte that is no white space, or 0.
func nextByte(s string, i int) byte {
	for ; i < len(s); i++ {
		if !isSpace(s[i]) {
			return s[i]
		}
	}
	return 0
}
