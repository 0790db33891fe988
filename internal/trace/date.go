package trace

import (
	"strings"
	"time"
)

// A Date is what was read from a date field or the date of a Received line
// (RFC 5322 §3.3 and §4.3, and the forms that real software writes).
type Date struct {
	// Time is in UTC; without a zone it is the clock's reading as if it were UTC.
	Time time.Time
	// Raw is the text it was read from.
	Raw string
	// HasZone tells whether the zone is known.
	HasZone bool
	// Offset is the zone's offset in seconds east of UTC.
	Offset int
	// ZoneRaw is the offset and ZoneName the name as written.
	ZoneRaw, ZoneName string
	// BadWeekday is set where the weekday written is not that of the date.
	BadWeekday bool
	// BadOffset is set where the offset is over 14 hours or no quarter of an hour.
	BadOffset bool
	// NameContradicts is set where no zone of ZoneName has Offset.
	NameContradicts bool
	// Chinese is set where weekday or month are written in Chinese.
	Chinese bool

	weekday  int // as written, -1 if none
	hasComma bool
}

// maxDate bounds what is read of a date.
const maxDate = 200

// ParseDate reads a date. ok is false where day, month, year or time of day
// cannot be made out.
func ParseDate(s string) (Date, bool) {
	var d Date
	ok := d.parse(s)
	return d, ok
}

// parse fills d from s, and leaves it alone where it cannot.
func (d *Date) parse(s string) bool {
	s = trimSpace(s)
	if len(s) > maxDate {
		s = s[:maxDate]
	}
	if d.parseUsual(s) {
		return true
	}
	return d.parseAny(s)
}

// parseAny reads a date in whatever form.
func (d *Date) parseAny(s string) bool {
	r := dateReader{s: s, day: -1, month: -1, year: -1, hour: -1}
	r.d.weekday = -1
	r.read()
	if !r.finish() {
		return false
	}
	*d = r.d
	return true
}

// A dateReader gathers the parts of a date in whatever order they stand.
type dateReader struct {
	s                string
	d                Date
	day, month, year int
	hour, min, sec   int
	nsec             int
	pm, am           bool
	signed           bool // a numeric offset was seen
	end              int  // behind the last part that was understood
	broken           bool // a part is impossible
}

// read takes the parts one after the other until something else begins.
func (r *dateReader) read() {
	s := r.s
	for i := foreignWeekday(s); i < len(s); {
		switch c := s[i]; {
		case isSpace(c) || c == ',' || c == '.' || c == '_' || c == '"':
			r.d.hasComma = r.d.hasComma || c == ','
			i++
		case c == '(':
			i = r.comment(i)
		case isDigit(c):
			i = r.number(i)
		case c == '+' || c == '-':
			next, ok := r.offset(i)
			if !ok {
				return
			}
			i = next
		default:
			next, ok := r.name(i)
			if !ok {
				return
			}
			i = next
		}
	}
}

// comment takes a zone's name from a comment.
func (r *dateReader) comment(i int) int {
	depth, j := 0, i
	for ; j < len(r.s); j++ {
		if r.s[j] == '(' {
			depth++
		} else if r.s[j] == ')' {
			if depth--; depth == 0 {
				break
			}
		}
	}
	text := trimSpace(r.s[i+1 : max(i+1, min(j, len(r.s)))])
	if !zoneText(text) { // a remark, such as (envelope-from <x>)
		return len(r.s)
	}
	if r.d.ZoneName == "" && r.hour >= 0 {
		r.d.ZoneName = text
		r.end = min(j+1, len(r.s))
		r.namedOffset(text)
	}
	return j + 1
}

// namedOffset takes the offset of "GMT+08:00" where no other is written.
func (r *dateReader) namedOffset(name string) {
	if r.d.HasZone || len(name) < 5 || !hasFoldPrefix(name, "gmt") && !hasFoldPrefix(name, "utc") {
		return
	}
	z := dateReader{s: name[3:]}
	if end, ok := z.offset(0); ok && end == len(z.s) {
		r.d.Offset, r.d.BadOffset, r.d.HasZone = z.d.Offset, z.d.BadOffset, true
		r.d.ZoneRaw = name
	}
}

// zoneText tells whether a comment behind a date can name a zone, in whatever
// language: "CEST", "GMT+08:00", "Mitteleuropäische Sommerzeit".
func zoneText(c string) bool {
	if c == "" || len(c) >= 40 || isRemark(c) {
		return false
	}
	for i := 0; i < len(c); i++ {
		if b := c[i]; !isAlpha(b) && !isDigit(b) && b < 0x80 && strings.IndexByte(" +-:./_", b) < 0 {
			return false
		}
	}
	return true
}

// number takes a time of day, an ISO date, or a lone number.
func (r *dateReader) number(i int) int {
	s := r.s
	j, n := i, 0
	for j < len(s) && isDigit(s[j]) {
		if n < 1e6 {
			n = n*10 + int(s[j]-'0')
		}
		j++
	}
	if j < len(s) && r.hour < 0 && (s[j] == ':' || s[j] == '.' && r.dotted(i, j)) {
		return r.clock(i, s[j])
	}
	if j-i == 4 && j+1 < len(s) && (s[j] == '-' || s[j] == '/') && isDigit(s[j+1]) && r.year < 0 && r.month < 0 {
		return r.iso(j, n)
	}
	switch {
	case j-i == 4 && r.year >= 0 && r.hour >= 0 && !r.d.HasZone: // an offset without its sign
		r.end = j
		return j
	case r.day < 0 && j-i <= 2:
		r.day = n
	case r.year < 0:
		r.year = fullYear(n, j-i)
	default:
		return len(s) // a second number in a place taken: the date is over
	}
	r.end = j
	// 24-May-2004, 2004年5月9日
	for j < len(s) && (s[j] == '-' || s[j] == '/') && (r.month < 0 || r.year < 0) {
		j++
	}
	return r.chineseUnit(j, n)
}

// chineseUnit takes the sign for year, month or day behind a number.
func (r *dateReader) chineseUnit(j, n int) int {
	rest := r.s[j:]
	switch {
	case strings.HasPrefix(rest, "年"):
		if r.day == n && r.year < 0 {
			r.day = -1
		}
		r.year = fullYear(n, 4)
	case strings.HasPrefix(rest, "月"):
		if r.day == n {
			r.day = -1
		}
		r.month = n
	case strings.HasPrefix(rest, "日"):
		r.day = n
	default:
		return j
	}
	r.d.Chinese = true
	r.end = j + 3
	return j + 3
}

// fullYear widens years of two and three digits (RFC 5322 §4.3).
func fullYear(n, digits int) int {
	switch {
	case digits <= 2 && n < 50:
		return 2000 + n
	case digits <= 3 && n < 1000:
		return 1900 + n
	}
	return n
}

// dotted tells whether s[i:j], before a dot, begins a time of day: 10.11.12
// behind day, month and year.
func (r *dateReader) dotted(i, j int) bool {
	s := r.s
	return j-i <= 2 && r.day >= 0 && r.month >= 0 && r.year >= 0 &&
		j+5 < len(s) && isDigit(s[j+1]) && isDigit(s[j+2]) && s[j+3] == '.' && isDigit(s[j+4]) && isDigit(s[j+5])
}

// clock takes h:mm, h:mm:ss and h:mm:ss.frac, whose parts sep divides. QUIRK:
// RFC 5322 §3.3 allows no space within a time; damaged headers have "10: 11:12".
func (r *dateReader) clock(i int, sep byte) int {
	s := r.s
	var v [3]int
	n := 0
	for {
		digits := 0
		for i < len(s) && isDigit(s[i]) && digits < 3 {
			v[n] = v[n]*10 + int(s[i]-'0')
			i, digits = i+1, digits+1
		}
		if digits == 0 || digits > 2 {
			r.broken = true
		}
		if n == 2 || i+1 >= len(s) || s[i] != sep {
			break
		}
		next := i + 1
		if s[next] == ' ' && next+1 < len(s) {
			next++
		}
		if !isDigit(s[next]) {
			break
		}
		i = next
		n++
	}
	r.broken = r.broken || n == 0 // an hour alone
	if i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
		i++
		for scale := 100000000; i < len(s) && isDigit(s[i]); i++ {
			r.nsec += int(s[i]-'0') * scale
			scale /= 10
		}
	}
	r.hour, r.min, r.sec = v[0], v[1], v[2]
	r.end = i
	return i
}

// iso takes the rest of 2004-05-09 behind the year.
func (r *dateReader) iso(j, year int) int {
	s := r.s
	r.year = year
	r.month, j = twoDigits(s, j+1)
	if j < len(s) && (s[j] == '-' || s[j] == '/') {
		r.day, j = twoDigits(s, j+1)
	}
	if j < len(s) && s[j] == 'T' {
		j++
	}
	r.end = j
	return j
}

func twoDigits(s string, i int) (int, int) {
	n, j := 0, i
	for j < len(s) && j < i+2 && isDigit(s[j]) {
		n = n*10 + int(s[j]-'0')
		j++
	}
	return n, j
}

// offset takes +hhmm, +hh:mm, +hh and +h. A hyphen within 24-May-2004 is passed over.
func (r *dateReader) offset(i int) (int, bool) {
	s := r.s
	if r.hour < 0 {
		if s[i] == '-' && (r.day >= 0 || r.month >= 0) {
			return i + 1, true
		}
		return i, false
	}
	if r.signed {
		return i, false
	}
	j, n, digits := i+1, 0, 0
	for j < len(s) && digits < 5 && (isDigit(s[j]) || s[j] == ':' && digits > 0 && j+1 < len(s) && isDigit(s[j+1])) {
		if s[j] != ':' {
			n = n*10 + int(s[j]-'0')
			digits++
		}
		j++
	}
	if digits == 0 {
		return i, false
	}
	if digits <= 2 {
		n *= 100
	}
	sec := n/100*3600 + n%100*60
	r.d.BadOffset = sec > 14*3600 || n%100%15 != 0 || n%100 >= 60 || digits > 4
	if s[i] == '-' {
		sec = -sec
	}
	r.d.Offset, r.d.HasZone, r.signed = sec, true, true
	r.d.ZoneRaw = s[i:j]
	r.end = j
	return j, true
}

// name takes a weekday, a month, a zone, AM or PM.
func (r *dateReader) name(i int) (int, bool) {
	s := r.s
	j := i
	if s[i] >= 0x80 {
		return r.chinese(i)
	}
	for j < len(s) && isAlpha(s[j]) {
		j++
	}
	w := s[i:j]
	if w == "" {
		return i, false
	}
	switch {
	case r.hour < 0 && r.d.weekday < 0 && weekday(w) >= 0:
		r.d.weekday = weekday(w)
	case r.month < 0 && monthOf(w) > 0:
		r.month = monthOf(w)
		for j < len(s) && s[j] == '-' {
			j++
		}
	case r.hour < 0:
		return r.foreignMonth(i)
	case equalFold(w, "am"):
		r.am = true
	case equalFold(w, "pm"):
		r.pm = true
	default:
		return r.zone(i, j, w)
	}
	r.end = j
	return j, true
}

// zone takes a zone's name, alone or before its offset as in GMT+0800.
func (r *dateReader) zone(i, j int, w string) (int, bool) {
	z := zoneOffsets(w)
	if z == nil {
		if len(w) == 1 && !r.d.HasZone { // military letters say nothing (RFC 5322 §4.3)
			r.end = j
			return j, true
		}
		return i, false
	}
	if r.d.ZoneName == "" {
		r.d.ZoneName = w
	}
	r.end = j
	if !r.signed && j < len(r.s) && (r.s[j] == '+' || r.s[j] == '-') {
		if equalFold(w, "gmt") || equalFold(w, "utc") {
			next, ok := r.offset(j)
			r.d.ZoneName = ""
			return next, ok
		}
		j = posixRule(r.s, j)
		r.end = j
	}
	if k := summerTime(r.s, j); k > j && len(z) > 1 { // MET DST
		z, j = z[len(z)-1:], k
		r.end = k
	}
	if !r.d.HasZone && len(z) == 1 {
		r.d.Offset, r.d.HasZone = z[0]*60, true
		r.d.ZoneRaw = w
	} else if off, ok := obsoleteZone(w); ok && !r.d.HasZone {
		r.d.Offset, r.d.HasZone = off*60, true
		r.d.ZoneRaw = w
	}
	return j, true
}

// chinese takes 星期日, 周日, 五月, 上午 and 下午.
func (r *dateReader) chinese(i int) (int, bool) {
	s := r.s[i:]
	for _, c := range chineseWeekdays {
		if strings.HasPrefix(s, c.text) {
			r.d.weekday, r.d.Chinese = c.n, true
			r.end = i + len(c.text)
			return r.end, true
		}
	}
	for _, c := range chineseMonths {
		if strings.HasPrefix(s, c.text) {
			r.month, r.d.Chinese = c.n, true
			r.end = i + len(c.text)
			return r.end, true
		}
	}
	switch {
	case strings.HasPrefix(s, "上午"):
		r.am = true
	case strings.HasPrefix(s, "下午"):
		r.pm = true
	default:
		if r.hour < 0 {
			return r.foreignMonth(i)
		}
		return i, false
	}
	return i + 6, true
}

// finish puts the parts together.
func (r *dateReader) finish() bool {
	if r.year < 0 && r.day >= 32 { // a year of two digits in the day's place
		r.year, r.day = fullYear(r.day, 2), -1
	}
	if r.day < 1 || r.day > 31 || r.month < 1 || r.month > 12 || r.year < 1900 || r.year > 9999 || r.hour < 0 || r.broken {
		return false
	}
	if r.pm && r.hour < 12 {
		r.hour += 12
	}
	if r.am && r.hour == 12 {
		r.hour = 0
	}
	if r.hour > 24 || r.min > 59 || r.sec > 60 {
		return false
	}
	d := &r.d
	days := daysFrom1970(r.year, r.month, r.day)
	d.BadWeekday = d.weekday >= 0 && d.weekday != int((days%7+11)%7)
	d.Time = time.Unix(days*86400+int64(r.hour*3600+r.min*60+r.sec-d.Offset), int64(r.nsec)).UTC()
	d.Raw = r.s[:r.end]
	if d.HasZone && r.signed && d.ZoneName != "" {
		d.NameContradicts = contradicts(d.ZoneName, d.Offset)
	}
	return true
}

// daysFrom1970 counts the days of the Gregorian calendar. A day beyond its
// month's end counts on into the next one.
func daysFrom1970(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 { // the year begins in March, so that the leap day is its last
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + int64(day) - 1 - 719468
}
