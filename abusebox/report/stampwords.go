package report

import (
	"strings"
	"time"
)

// eras are the years that dates of Taiwan and Japan count from.
var eras = []struct {
	name string
	zero int
}{{"民國", 1911}, {"民国", 1911}, {"令和", 2018}, {"平成", 1988}}

// eraDate reads 民國115年9月30日, 115年09月30日, 令和8年10月1日 and 115/09/30 21:14.
func (c *clock) eraDate() (stamp, bool) {
	start := c.i
	y, ok := c.num(1, 3)
	if !ok {
		return stamp{}, false
	}
	zero := 0
	for _, e := range eras {
		if strings.HasSuffix(strings.TrimRight(c.s[:start], " "), e.name) {
			zero = e.zero
		}
	}
	slashed := zero == 0 && y >= 100 && y < 150 && c.any("/-") != 0
	if !slashed && !c.lit("年") {
		return stamp{}, false
	}
	switch {
	case zero > 0:
	case y >= 80:
		zero = 1911
	case y >= 10:
		zero = 2000
	default:
		return stamp{}, false
	}
	c.spaces()
	m, ok := c.num(1, 2)
	if !ok || m < 1 || m > 12 || slashed && c.any("/-") == 0 || !slashed && !c.lit("月") {
		return stamp{}, false
	}
	c.spaces()
	d, ok := c.num(1, 2)
	if !ok || d < 1 || d > 31 {
		return stamp{}, false
	}
	c.lit("日")
	st := c.timeOfDay(y+zero, m, d)
	return st, st.clock || !slashed
}

// joiners stand between a date and its clock.
var joiners = []string{"at ", "at: ", "um ", "gegen ", "ca. ", "à ", "vers ", "a las ", "a la ", "hacia las ", "sobre las ", "om ", "rond ", "omstreeks ", "às ", "as ", "по ", "г. в ", "г., ", "г. ", "года в ", "года, ", "года ", "в ", "около ",
	"- ", "| ", "\"", "klo ", "kl. ", "@ ", "alle ore ", "alle ", "ore ", "r. o godz. ", "r., ", "r. ", "roku ", "o godz. ", "o godzinie ", "godz. ", "hora ", "heure ", "Uhrzeit ", "o ", "(", "の"}

// weekdayMarks stand in brackets behind a date: 2026年10月1日（木）.
var weekdayMarks = "日月火水木金土一二三四五六목금토일월화수"

// toClock goes on from a date to its clock.
func (c *clock) toClock() {
	c.any(",")
	if c.any("T:_-/") == 0 {
		c.spaces()
	}
	c.weekday()
	c.any(",-@|;")
	c.lit("，")
	c.spaces()
	for range 2 {
		for _, s := range joiners {
			if c.lit(s) {
				c.spaces()
				break
			}
		}
	}
}

// weekday skips （木）, (Do), 星期四 behind a date.
func (c *clock) weekday() {
	mark := c.i
	for _, s := range [...]string{"星期", "周", "週", "禮拜", "礼拜"} {
		if c.lit(s) {
			c.skipOne(weekdayMarks)
			c.spaces()
			return
		}
	}
	if !c.lit("（") && !c.lit("(") {
		return
	}
	c.lit("星期")
	if !c.skipOne(weekdayMarks) && !isWeekday(c.word()) {
		c.i = mark
		return
	}
	c.lit("曜日")
	if !c.lit("）") && !c.lit(")") {
		c.i = mark
		return
	}
	c.spaces()
}

// skipOne skips one character of the set.
func (c *clock) skipOne(set string) bool {
	for _, r := range set {
		if c.lit(string(r)) {
			return true
		}
	}
	return false
}

// halves are the words for the halves of the day.
var halves = []struct {
	s string
	b byte
}{{"AM", 'a'}, {"PM", 'p'}, {"am", 'a'}, {"pm", 'p'}, {"a.m.", 'a'}, {"p.m.", 'p'}, {"a. m.", 'a'}, {"p. m.", 'p'}, {"上午", 'a'}, {"下午", 'p'}, {"午前", 'a'}, {"午後", 'p'}, {"오전", 'a'}, {"오후", 'p'},
	{"凌晨", 'a'}, {"早上", 'a'}, {"清晨", 'a'}, {"晚上", 'p'}, {"晚间", 'p'}, {"晚間", 'p'}, {"傍晚", 'p'}, {"中午", 'p'}}

// halfDay reads AM, PM, 上午, 下午, 午前, 午後.
func (c *clock) halfDay() byte {
	mark := c.i
	c.spaces()
	for _, h := range halves {
		if c.lit(h.s) {
			if h.s[0] < 0x80 && isAlpha(c.peek()) {
				break
			}
			c.spaces()
			return h.b
		}
	}
	c.i = mark
	return 0
}

// hms reads 08:14, 08:14:00, 08:14:00.123, 8h14, 8 h 14 min 03 s, 18 Uhr 05,
// 08時14分00秒, 08点14分 and 3时.
func (c *clock) hms() (h, m, s, ns int, ok bool) {
	h, ok = c.num(1, 2)
	if !ok || h > 24 {
		return 0, 0, 0, 0, false
	}
	whole := false
	if c.any(":hH.") == 0 && !c.lit("：") {
		if whole = c.wordOfHour(); !whole {
			return 0, 0, 0, 0, false
		}
	}
	if c.peek() == ' ' && c.i+1 < len(c.s) && isDigit(c.s[c.i+1]) {
		c.i++ // QUIRK: "21: 09:11", mails that went through a bad rewriter
	}
	mark := c.i
	if m, ok = c.num(2, 2); !ok || m > 59 {
		c.i = mark
		return h, 0, 0, 0, whole
	}
	if !c.lit("分") && !c.lit("분") {
		c.lit(" min ")
	}
	if mark := c.i; c.any(":.") != 0 || isDigit(c.peek()) || c.lit(" ") && whole {
		if s, ok = c.num(2, 2); !ok || s > 60 {
			s, c.i = 0, mark
		}
	}
	if !c.lit("秒") && !c.lit("초") && whole {
		c.lit(" s")
	}
	ns = c.fraction()
	return h, m, s, ns, true
}

// wordOfHour reads what stands for the colon behind an hour.
func (c *clock) wordOfHour() bool {
	for _, w := range [...]string{"時", "时", "点", "點", "시", " h ", " Uhr ", " ч. ", " час. "} {
		if c.lit(w) {
			c.spaces()
			return true
		}
	}
	return false
}

// fraction reads the part of a second, in nanoseconds.
func (c *clock) fraction() int {
	mark := c.i
	if c.any(".,") == 0 {
		return 0
	}
	at := c.i
	ns, ok := c.num(1, 9)
	if !ok {
		c.i = mark
		return 0
	}
	for range 9 - (c.i - at) {
		ns *= 10
	}
	return ns
}

// clockWords stand between a clock and its zone.
var clockWords = []string{"Uhr", "uhr", "uur", "heures", "horas", "hrs", "hs", "ч.", "часов", "頃", "ごろ", "左右", "許", "h"}

// toZone goes on from a clock to its zone.
func (c *clock) toZone() {
	c.spaces()
	for _, w := range clockWords {
		if mark := c.i; c.lit(w) {
			if b := c.peek(); isAlnum(b) {
				c.i = mark
				continue
			}
			c.spaces()
			break
		}
	}
	c.any("([")
	c.lit("（")
}

// placeZones are zones named by words, in lower case.
var placeZones = []struct {
	words string
	place string
}{
	{"мск", "Europe/Moscow"}, {"по мск", "Europe/Moscow"}, {"московского времени", "Europe/Moscow"}, {"по московскому времени", "Europe/Moscow"}, {"московское время", "Europe/Moscow"}, {"время московское", "Europe/Moscow"}, {"по москве", "Europe/Moscow"},
	{"по киеву", "Europe/Kyiv"}, {"по київському часу", "Europe/Kyiv"},
	{"北京时间", "Asia/Shanghai"}, {"北京時間", "Asia/Shanghai"}, {"中国标准时间", "Asia/Shanghai"}, {"台北時間", "Asia/Taipei"}, {"台灣時間", "Asia/Taipei"}, {"臺灣時間", "Asia/Taipei"}, {"臺北時間", "Asia/Taipei"}, {"香港時間", "Asia/Hong_Kong"},
	{"日本時間", "Asia/Tokyo"}, {"日本標準時", "Asia/Tokyo"}, {"한국시간", "Asia/Seoul"}, {"한국 시간", "Asia/Seoul"},
	{"heure de paris", "Europe/Paris"}, {"heure française", "Europe/Paris"}, {"hora peninsular", "Europe/Madrid"}, {"hora española", "Europe/Madrid"}, {"hora de madrid", "Europe/Madrid"},
	{"horário de brasília", "America/Sao_Paulo"}, {"hora de brasília", "America/Sao_Paulo"}, {"horario de brasilia", "America/Sao_Paulo"}, {"hora de lisboa", "Europe/Lisbon"},
	{"deutscher zeit", "Europe/Berlin"}, {"mitteleuropäischer zeit", "Europe/Berlin"}, {"nederlandse tijd", "Europe/Amsterdam"}, {"ora italiana", "Europe/Rome"}, {"ora di roma", "Europe/Rome"}, {"czasu polskiego", "Europe/Warsaw"}, {"czas polski", "Europe/Warsaw"}, {"czasu warszawskiego", "Europe/Warsaw"},
	{"moscow time", "Europe/Moscow"}, {"beijing time", "Asia/Shanghai"}, {"taipei time", "Asia/Taipei"}, {"japan time", "Asia/Tokyo"}, {"japan standard time", "Asia/Tokyo"},
}

// placeZone reads a zone named by words.
func (c *clock) placeZone() (zone, bool) {
	rest := c.s[c.i:]
	if rest == "" || rest[0] < 0x80 && !isAlpha(rest[0]) {
		return zone{}, false
	}
	low := strings.ToLower(rest[:min(len(rest), 64)])
	for _, z := range placeZones {
		if strings.HasPrefix(low, z.words) {
			c.i += len(z.words) // lower case has the same length in these scripts
			return zone{known: true, name: z.place}, true
		}
	}
	return zone{}, false
}

// at settles the offset of a zone that is named by its place.
func (z zone) at(t time.Time) zone {
	if locationName(z.name) == "" {
		return z
	}
	loc, err := time.LoadLocation(z.name)
	if err != nil {
		z.known = false
		return z
	}
	_, z.offset = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, loc).Zone()
	return z
}

// zoneOfSpan takes the zone behind the end of a span for its beginning too:
// "3:12 - 3:40 (JST)", "3時12分～3時40分 (JST)".
func (c *clock) zoneOfSpan(st *stamp) {
	if st.zone.name != "" {
		return
	}
	mark := c.i
	c.spaces()
	ok := false
	for _, s := range [...]string{"-", "–", "~", "～", "〜", "至", "到", "から", "bis", "to", "until", "à", "a las", "às", "tot", "до"} {
		if ok = c.lit(s); ok {
			break
		}
	}
	c.spaces()
	c.halfDay()
	if _, _, _, _, clock := c.hms(); ok && clock {
		end := stamp{}
		c.zoneInto(&end)
		st.zone = end.zone
	}
	c.i = mark
}
