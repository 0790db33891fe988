package report

import (
	"strings"
	"time"
)

// A stamp is a time written in text. Its fields tell what was stated and what was not.
type stamp struct {
	at         time.Time // as written, in UTC where the zone is unknown
	zone       zone
	start, end int
	clock      bool // an hour was stated
	yearless   bool
	swappable  bool // day and month could be exchanged
	raw        string
}

// A clock reads a stamp from the front of text.
type clock struct {
	s string
	i int
}

func (c *clock) more() bool { return c.i < len(c.s) }

func (c *clock) peek() byte {
	if c.i < len(c.s) {
		return c.s[c.i]
	}
	return 0
}

// num reads low to high digits that no further digit follows.
func (c *clock) num(low, high int) (int, bool) {
	n, j := 0, c.i
	for j < len(c.s) && isDigit(c.s[j]) {
		if j-c.i >= high {
			return 0, false
		}
		n = n*10 + int(c.s[j]-'0')
		j++
	}
	if j-c.i < low {
		return 0, false
	}
	c.i = j
	return n, true
}

// any skips one of the given bytes and returns it.
func (c *clock) any(set string) byte {
	if c.more() && strings.IndexByte(set, c.s[c.i]) >= 0 {
		c.i++
		return c.s[c.i-1]
	}
	return 0
}

func (c *clock) spaces() {
	for c.more() && (c.s[c.i] == ' ' || c.s[c.i] == '\t') {
		c.i++
	}
}

// lit skips a literal.
func (c *clock) lit(s string) bool {
	if strings.HasPrefix(c.s[c.i:], s) {
		c.i += len(s)
		return true
	}
	return false
}

// word reads letters, also of other scripts, and a dot behind them.
func (c *clock) word() string {
	j := c.i
	for j < len(c.s) && (isAlpha(c.s[j]) || c.s[j] >= 0x80) {
		j++
	}
	w := c.s[c.i:j]
	if w != "" {
		c.i = j
		c.any(".")
	}
	return w
}

// findStamps returns the times written in a line, at most n.
func findStamps(s string, n int) []stamp {
	var out []stamp
	for i := 0; i < len(s) && len(out) < n; {
		c := s[i]
		begins := isDigit(c) || isAlpha(c) || c >= 0x80
		if !begins || i > 0 && (isAlnum(s[i-1]) || isDigit(c) && (s[i-1] == '.' || s[i-1] == '-' && i > 1 && isAlnum(s[i-2]))) {
			i++
			continue
		}
		if st, ok := readStamp(s, i); ok {
			out = append(out, st)
			i = st.end
			continue
		}
		i = skipWord(s, i)
	}
	return out
}

func skipWord(s string, i int) int {
	if s[i] >= 0x80 {
		for i < len(s) && s[i] >= 0x80 {
			i++
		}
		return i
	}
	for i < len(s) && isAlnum(s[i]) {
		i++
	}
	return i
}

// readStamp reads the time that begins at i.
func readStamp(s string, i int) (stamp, bool) {
	c := clock{s: s, i: i}
	var st stamp
	var ok bool
	if isDigit(s[i]) {
		st, ok = c.fromNumber()
	} else {
		st, ok = c.fromWord()
	}
	if !ok {
		return stamp{}, false
	}
	st.start, st.end = i, c.i
	st.raw = strings.TrimSpace(s[i:c.i])
	return st, true
}

// fromNumber reads forms that begin with a number: 2026-10-01…, 01/Oct/2026…,
// 1 Oct 2026…, 01.10.2026…, 10/01/2026….
func (c *clock) fromNumber() (stamp, bool) {
	start := c.i
	if st, ok := c.eraDate(); ok {
		return st, true
	}
	c.i = start
	if y, ok := c.num(4, 4); ok && y >= 1990 && y < 2100 {
		if st, ok := c.yearFirst(y); ok {
			return st, true
		}
	}
	c.i = start
	if st, ok := c.compact(); ok {
		return st, true
	}
	c.i = start
	a, ok := c.num(1, 2)
	if !ok || a == 0 || a > 31 {
		return stamp{}, false
	}
	sep := c.any("/.-")
	c.spaces()
	if sep != 0 && isDigit(c.peek()) {
		return c.numericDate(a, sep)
	}
	return c.dayMonthName(a)
}

// yearFirst reads the rest of 2026-10-01, 2026/10/1, 2026.10.01, 2026年10月1日, 2026-Oct-01.
func (c *clock) yearFirst(y int) (stamp, bool) {
	sep := c.any("-/.")
	if sep == 0 && !c.lit("年") {
		return stamp{}, false
	}
	c.spaces()
	m, ok := c.num(1, 2)
	if !ok {
		if m, ok = monthOf(c.word()); !ok {
			return stamp{}, false
		}
	}
	if sep != 0 && c.any("-/.") == 0 || sep == 0 && !c.lit("月") {
		return stamp{}, false
	}
	c.spaces()
	d, ok := c.num(1, 2)
	if !ok || m < 1 || m > 12 || d < 1 || d > 31 {
		return stamp{}, false
	}
	c.lit("日")
	return c.timeOfDay(y, m, d), true
}

// compact reads 20261001T081400Z and 20261001 08:14:00.
func (c *clock) compact() (stamp, bool) {
	n, ok := c.num(8, 8)
	y, m, d := n/10000, n/100%100, n%100
	if !ok || y < 1990 || y > 2099 || m < 1 || m > 12 || d < 1 || d > 31 {
		return stamp{}, false
	}
	mark := c.i
	if c.any("T-_") != 0 {
		if t, ok := c.num(6, 6); ok && t/10000 < 24 && t/100%100 < 60 && t%100 < 61 {
			st := stamp{at: time.Date(y, time.Month(m), d, t/10000, t/100%100, t%100, 0, time.UTC), clock: true}
			c.zoneInto(&st)
			return st, true
		}
		c.i = mark
	}
	st := c.timeOfDay(y, m, d)
	return st, st.clock
}

// numericDate reads the rest of 01.10.2026, 10/01/2026 and 01-10-26.
func (c *clock) numericDate(a int, sep byte) (stamp, bool) {
	b, ok := c.num(1, 2)
	if ok && sep == '/' && c.peek() == '-' && a >= 1 && a <= 12 && b >= 1 && b <= 31 {
		c.i++ // Snort writes 10/01-08:14:00.123456
		if st := c.timeOfDay(0, a, b); st.clock {
			return st, true
		}
		return stamp{}, false
	}
	if !ok || c.any(string(sep)) == 0 {
		return stamp{}, false
	}
	c.spaces()
	y, ok := c.num(4, 4)
	if !ok {
		if y, ok = c.num(2, 2); !ok {
			return stamp{}, false
		}
		y += 2000
	}
	if y < 1990 || y > 2099 || a < 1 || b < 1 || a > 31 || b > 31 || a > 12 && b > 12 {
		return stamp{}, false
	}
	// With dots the day stands first everywhere; with slashes the month does in
	// the United States, and only a number above 12 or AM/PM tells.
	day, month := a, b
	if sep == '/' && a <= 12 || b > 12 {
		day, month = b, a
	}
	st := c.timeOfDay(y, month, day)
	st.swappable = sep != '.' && a <= 12 && b <= 12 && a != b && !strings.ContainsAny(c.s[max(0, c.i-3):c.i], "Mm")
	return st, true
}

// dayMonthName reads the rest of 01/Oct/2026:08:14:00, 1 Oct 2026, 1. Oktober 2026, 1 de octubre de 2026.
func (c *clock) dayMonthName(day int) (stamp, bool) {
	c.spaces()
	for _, s := range [...]string{"st ", "nd ", "rd ", "th ", "of ", "de ", "er "} {
		if c.lit(s) {
			c.spaces()
		}
	}
	m, ok := monthOf(c.word())
	if !ok {
		return stamp{}, false
	}
	c.any("/-,")
	c.spaces()
	c.lit("de ")
	c.lit("do ")
	y, ok := c.num(4, 4)
	if !ok {
		mark := c.i
		if y, ok = c.num(2, 2); ok && c.peek() != ':' {
			y += 2000
		} else {
			c.i = mark
			st := c.timeOfDay(0, m, day)
			return st, st.clock
		}
	}
	if y < 1990 || y > 2099 {
		return stamp{}, false
	}
	return c.timeOfDay(y, m, day), true
}

// fromWord reads forms that begin with a name: Thu, 1 Oct 2026…, Thu Oct 1
// 08:14:00 2026, Oct 1 08:14:00, October 1st, 2026 8:14 PM.
func (c *clock) fromWord() (stamp, bool) {
	w := c.word()
	if isWeekday(w) {
		mark := c.i
		c.any(",")
		c.spaces()
		c.any(",")
		if isDigit(c.peek()) {
			if st, ok := c.fromNumber(); ok || !strings.EqualFold(w, "mar") {
				return st, ok
			}
			c.i = mark // French Tuesday is also March
		} else {
			w = c.word()
		}
	}
	m, ok := monthOf(w)
	if !ok {
		return stamp{}, false
	}
	c.any("/-")
	c.spaces()
	d, ok := c.num(1, 2)
	if !ok || d < 1 || d > 31 {
		return stamp{}, false
	}
	for _, s := range [...]string{"st", "nd", "rd", "th"} {
		c.lit(s)
	}
	c.any(",/-")
	c.spaces()
	mark := c.i
	if y, ok := c.num(4, 4); ok && y >= 1990 && y <= 2099 {
		return c.timeOfDay(y, m, d), true
	}
	c.i = mark
	st := c.timeOfDay(0, m, d)
	return st, st.clock
}

// timeOfDay reads the clock behind a date, and the zone; year 0 means none was
// stated, and then it may stand behind (ctime).
func (c *clock) timeOfDay(y, m, d int) stamp {
	st := stamp{yearless: y == 0}
	mark := c.i
	c.toClock()
	half := c.halfDay()
	hour, mi, s, ns, ok := c.hms()
	if !ok {
		c.i = mark
		st.at = time.Date(max(y, 1), time.Month(m), d, 0, 0, 0, 0, time.UTC)
		return st
	}
	st.clock = true
	if half == 0 {
		half = c.halfDay()
	}
	hour = to24(hour, half)
	c.zoneInto(&st)
	c.zoneOfSpan(&st)
	if y == 0 {
		mark := c.i
		c.spaces()
		if yy, ok := c.num(4, 4); ok && yy >= 1990 && yy <= 2099 {
			y, st.yearless = yy, false
			if st.zone.name == "" {
				c.zoneInto(&st)
			}
		} else {
			c.i = mark
		}
	}
	st.at = time.Date(max(y, 1), time.Month(m), d, hour, mi, s, ns, time.UTC)
	st.zone = st.zone.at(st.at)
	return st
}

func to24(hour int, half byte) int {
	switch {
	case half == 'p' && hour < 12:
		return hour + 12
	case half == 'a' && hour == 12:
		return 0
	}
	return hour
}

// monthOf reads the name of a month in the languages that complaints come in.
func monthOf(w string) (int, bool) {
	if len(w) < 3 {
		return 0, false
	}
	w = strings.ToLower(w)
	if len(w) >= 3 && w[0] < 0x80 {
		switch w[:3] {
		case "jan", "gen", "ene":
			return 1, monthTail(w)
		case "feb", "fev":
			return 2, monthTail(w)
		case "mar", "mrz", "maa":
			return 3, monthTail(w)
		case "apr", "avr", "abr":
			return 4, monthTail(w)
		case "may", "mai", "mei", "maj", "mag":
			return 5, monthTail(w)
		case "jun":
			return 6, monthTail(w)
		case "jul":
			return 7, monthTail(w)
		case "aug", "ago":
			return 8, monthTail(w)
		case "sep", "set":
			return 9, monthTail(w)
		case "oct", "okt", "out", "ott":
			return 10, monthTail(w)
		case "nov":
			return 11, monthTail(w)
		case "dec", "dez", "dic":
			return 12, monthTail(w)
		}
	}
	for i, names := range monthWords {
		for _, n := range names {
			if strings.HasPrefix(w, n) {
				return i + 1, true
			}
		}
	}
	return 0, false
}

// monthTail refuses longer words that merely begin like a month ("separate", "market").
func monthTail(w string) bool {
	return len(w) == 3 || w == "sept" || knownMonth(w)
}

func knownMonth(w string) bool {
	for _, names := range fullMonths {
		for _, n := range names {
			if w == n {
				return true
			}
		}
	}
	return false
}

// fullMonths are names in ASCII, month by month: English, German, French,
// Spanish, Dutch, Portuguese, Italian, Polish, Scandinavian.
var fullMonths = [12][]string{
	{"january", "januar", "janvier", "enero", "januari", "janeiro", "gennaio", "janv"},
	{"february", "februar", "fevrier", "febrero", "februari", "fevereiro", "febbraio", "fevr"},
	{"march", "maerz", "mars", "marzo", "maart", "marz", "marca"},
	{"april", "avril", "abril", "aprile", "avr"},
	{"mai", "mayo", "maio", "maggio", "mei"},
	{"june", "juni", "juin", "junio", "junho", "giugno"},
	{"july", "juli", "juillet", "julio", "julho", "luglio", "juil"},
	{"august", "agosto", "augustus", "augusti"},
	{"september", "septembre", "septiembre", "setembro", "settembre", "setiembre"},
	{"october", "oktober", "octobre", "octubre", "outubro", "ottobre"},
	{"november", "novembre", "noviembre", "novembro"},
	{"december", "dezember", "decembre", "diciembre", "dezembro", "dicembre"},
}

// monthWords are prefixes of names with letters beyond ASCII.
var monthWords = [12][]string{
	{"янв"}, {"фев", "févr", "fév"}, {"мар", "märz", "mär"}, {"апр"}, {"мая", "май"}, {"июн"}, {"июл"},
	{"авг", "août"}, {"сен"}, {"окт"}, {"ноя"}, {"дек", "déc"},
}

func isWeekday(w string) bool {
	switch strings.ToLower(w) {
	case "mon", "tue", "wed", "thu", "fri", "sat", "sun", "tues", "thur", "thurs", "wednes",
		"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
		"mo", "di", "mi", "do", "fr", "sa", "so", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
		"lun", "mar", "mer", "jeu", "ven", "sam", "dim", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
		"mié", "jue", "vie", "sáb", "dom", "ma", "wo", "vr", "za", "zo":
		return true
	}
	return false
}
