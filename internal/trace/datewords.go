package trace

import "strings"

// beginsDate tells whether a date begins with the word w, behind which s goes on
// at end: a weekday, a day before its month, or 2026-10-05.
func (l *line) beginsDate(w string, end int) bool {
	switch c := w[0]; {
	case isDigit(c):
		return isoDate(w) || len(w) <= 2 && nextIsMonth(l.s, end)
	case c >= 0x80: // 周日, 星期日
		return weekday(w) >= 0
	}
	w = strings.TrimSuffix(w, ",")
	day := weekday(w)
	return day >= 0 && (len(w) == 3 || len(w) == len(weekdayNames[day]))
}

// isoDate knows 2026-10-05.
func isoDate(w string) bool {
	return len(w) >= 10 && isDigit(w[0]) && w[4] == '-' && w[7] == '-' && isDigit(w[9])
}

// nextIsMonth tells whether the next word of s is a month's.
func nextIsMonth(s string, i int) bool {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i+4 <= len(s) && isSpace(s[min(i+3, len(s)-1)]) && monthOf(s[i:i+3]) > 0
}

// weekday returns the day that a word of three letters or a full name says, or -1.
func weekday(w string) int {
	if len(w) < 3 {
		return -1
	}
	if w[0] >= 0x80 {
		for _, c := range chineseWeekdays {
			if strings.HasPrefix(w, c.text) {
				return c.n
			}
		}
		return -1
	}
	i := -1
	switch letters3(w) {
	case 's'<<16 | 'u'<<8 | 'n':
		i = 0
	case 'm'<<16 | 'o'<<8 | 'n':
		i = 1
	case 't'<<16 | 'u'<<8 | 'e':
		i = 2
	case 'w'<<16 | 'e'<<8 | 'd':
		i = 3
	case 't'<<16 | 'h'<<8 | 'u':
		i = 4
	case 'f'<<16 | 'r'<<8 | 'i':
		i = 5
	case 's'<<16 | 'a'<<8 | 't':
		i = 6
	}
	if i < 0 || len(w) > 3 && !begins(w, weekdayNames[i]) {
		return -1
	}
	return i
}

// letters3 packs the first three letters of w, in lower case.
func letters3(w string) uint32 {
	return uint32(w[0]|0x20)<<16 | uint32(w[1]|0x20)<<8 | uint32(w[2]|0x20)
}

// begins tells whether w is the beginning of name, which is in lower case.
func begins(w, name string) bool {
	return len(w) <= len(name) && equalFold(w, name[:len(w)])
}

// monthOf returns the month that a word says, or 0.
func monthOf(w string) int {
	if len(w) < 3 {
		return 0
	}
	m := 0
	switch letters3(w) {
	case 'j'<<16 | 'a'<<8 | 'n':
		m = 1
	case 'f'<<16 | 'e'<<8 | 'b':
		m = 2
	case 'm'<<16 | 'a'<<8 | 'r':
		m = 3
	case 'a'<<16 | 'p'<<8 | 'r':
		m = 4
	case 'm'<<16 | 'a'<<8 | 'y':
		m = 5
	case 'j'<<16 | 'u'<<8 | 'n':
		m = 6
	case 'j'<<16 | 'u'<<8 | 'l':
		m = 7
	case 'a'<<16 | 'u'<<8 | 'g':
		m = 8
	case 's'<<16 | 'e'<<8 | 'p':
		m = 9
	case 'o'<<16 | 'c'<<8 | 't':
		m = 10
	case 'n'<<16 | 'o'<<8 | 'v':
		m = 11
	case 'd'<<16 | 'e'<<8 | 'c':
		m = 12
	}
	if m == 0 || len(w) > 3 && !begins(w, monthNames[m-1]) {
		return 0
	}
	return m
}

var weekdayNames = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

var monthNames = [...]string{"january", "february", "march", "april", "may", "june", "july", "august",
	"september", "october", "november", "december"}

// A numeral is a Chinese word and its number. Longer words stand first.
type numeral struct {
	text string
	n    int
}

var chineseWeekdays = [...]numeral{
	{"星期日", 0}, {"星期天", 0}, {"星期一", 1}, {"星期二", 2}, {"星期三", 3}, {"星期四", 4}, {"星期五", 5}, {"星期六", 6},
	{"周日", 0}, {"周一", 1}, {"周二", 2}, {"周三", 3}, {"周四", 4}, {"周五", 5}, {"周六", 6},
	{"週日", 0}, {"週一", 1}, {"週二", 2}, {"週三", 3}, {"週四", 4}, {"週五", 5}, {"週六", 6},
}

var chineseMonths = [...]numeral{
	{"十二月", 12}, {"十一月", 11}, {"十月", 10}, {"一月", 1}, {"二月", 2}, {"三月", 3}, {"四月", 4}, {"五月", 5},
	{"六月", 6}, {"七月", 7}, {"八月", 8}, {"九月", 9},
}

// foreignWeekday returns where a date goes on behind a weekday in a language
// that is not read, which is known by its comma or dot: 0 if there is none.
// QUIRK: RFC 5322 §3.3 has English days; software in other languages writes its own.
func foreignWeekday(s string) int {
	i := 0
	for i < len(s) && i < 16 && (isAlpha(s[i]) || s[i] >= 0x80) {
		i++
	}
	if i < 2 || i >= len(s) || s[i] != ',' && s[i] != '.' || weekday(s[:i]) >= 0 || monthOf(s[:i]) > 0 {
		return 0
	}
	return i
}

// foreignMonth takes a month in another language.
func (r *dateReader) foreignMonth(i int) (int, bool) {
	for _, m := range foreignMonths {
		if r.month < 0 && hasFoldPrefix(r.s[i:], m.text) {
			i += len(m.text)
			for i < len(r.s) && (isAlpha(r.s[i]) || r.s[i] >= 0x80) {
				i++
			}
			r.month, r.end = m.n, i
			return i, true
		}
	}
	return i, false
}

// foreignMonths are the beginnings of months in German, French, Spanish, Italian,
// Portuguese, Dutch, Hungarian and Russian that are not English ones too.
var foreignMonths = [...]numeral{
	{"ene", 1}, {"gen", 1}, {"fév", 2}, {"fev", 2}, {"mär", 3}, {"mrz", 3}, {"mrt", 3}, {"avr", 4}, {"abr", 4}, {"mai", 5}, {"mei", 5}, {"mag", 5}, {"máj", 5},
	{"juin", 6}, {"giu", 6}, {"juil", 7}, {"lug", 7}, {"aoû", 8}, {"aou", 8}, {"ago", 8}, {"set", 9}, {"okt", 10}, {"ott", 10}, {"out", 10},
	{"dez", 12}, {"déc", 12}, {"dic", 12},
	{"янв", 1}, {"фев", 2}, {"мар", 3}, {"апр", 4}, {"май", 5}, {"мая", 5}, {"июн", 6}, {"июл", 7}, {"авг", 8}, {"сен", 9}, {"окт", 10}, {"ноя", 11}, {"дек", 12},
}

// posixRule returns where the rest of a zone such as MET-1MEST ends, which is the
// TZ variable of POSIX and no offset; j where it is none.
func posixRule(s string, j int) int {
	k := j + 1
	for k < len(s) && isDigit(s[k]) {
		k++
	}
	if k == j+1 || k >= len(s) || !isAlpha(s[k]) {
		return j
	}
	for k < len(s) && isAlpha(s[k]) {
		k++
	}
	return k
}

// summerTime returns where " DST" behind a zone's name ends, j if there is none.
func summerTime(s string, j int) int {
	if len(s) >= j+4 && equalFold(s[j:j+4], " dst") && (len(s) == j+4 || !isAlpha(s[j+4])) {
		return j + 4
	}
	return j
}
