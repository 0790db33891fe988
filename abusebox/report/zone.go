package report

import (
	"fmt"
	"strings"
	"time"
)

// A zone is what a text says about the offset of its times.
type zone struct {
	known   bool
	offset  int    // seconds east of UTC
	name    string // as written
	choices []int  // offsets that an ambiguous name stands for
}

// zoneInto reads the zone behind a time.
func (c *clock) zoneInto(st *stamp) {
	mark := c.i
	c.toZone()
	z, ok := c.zone()
	if !ok {
		c.i = mark
		return
	}
	c.any(")]")
	c.lit("）")
	st.zone = z
	if z.known {
		// "+0200 (CEST)": the number decides, the name is only skipped.
		mark := c.i
		c.spaces()
		if c.any("(") != 0 {
			if _, ok := c.zone(); ok && c.any(")") != 0 {
				return
			}
		}
		c.i = mark
	}
}

// zone reads +0200, +02:00, +02, Z, UTC, GMT+2, CEST.
func (c *clock) zone() (zone, bool) {
	if b := c.peek(); b == '+' || b == '-' {
		if off, ok := c.offset(); ok {
			return zone{known: true, offset: off, name: "numeric"}, true
		}
		return zone{}, false
	}
	if z, ok := c.placeZone(); ok {
		return z, true
	}
	mark := c.i
	for c.more() && isAlpha(c.s[c.i]) && c.i-mark < 6 {
		c.i++
	}
	name := strings.ToUpper(c.s[mark:c.i])
	if name == "" || c.more() && isAlnum(c.s[c.i]) {
		c.i = mark
		return zone{}, false
	}
	z, ok := namedZone(name)
	if !ok {
		c.i = mark
		return zone{}, false
	}
	if name == "UTC" || name == "GMT" {
		at := c.i
		c.spaces()
		if off, ok := c.offset(); ok {
			z.offset = off
			return z, true
		}
		c.i = at
	}
	return z, true
}

// offset reads a signed offset: +2, +02, +0200, +02:00.
func (c *clock) offset() (int, bool) {
	mark := c.i
	sign := 1
	switch c.any("+-") {
	case '-':
		sign = -1
	case 0:
		return 0, false
	}
	c.spaces()
	at := c.i
	for c.more() && isDigit(c.s[c.i]) {
		c.i++
	}
	digits := c.s[at:c.i]
	var h, m int
	switch len(digits) {
	case 1, 2:
		h = atoi(digits)
		if back := c.i; c.any(":") != 0 {
			mm, ok := c.num(2, 2)
			if !ok {
				c.i = back
			}
			m = mm
		}
	case 4:
		h, m = atoi(digits[:2]), atoi(digits[2:])
	case 3:
		h, m = atoi(digits[:1]), atoi(digits[1:])
	}
	if len(digits) == 0 || len(digits) > 4 || h > 14 || m > 59 {
		c.i = mark
		return 0, false
	}
	return sign * (h*3600 + m*60), true
}

func atoi(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// namedZone knows the abbreviations seen in complaints. Ambiguous ones give all
// their offsets, the likeliest first.
func namedZone(name string) (zone, bool) {
	hours := func(h ...float64) (zone, bool) {
		z := zone{name: name, known: len(h) == 1, offset: int(h[0] * 3600)}
		if len(h) > 1 {
			for _, x := range h {
				z.choices = append(z.choices, int(x*3600))
			}
		}
		return z, true
	}
	switch name {
	case "Z", "UTC", "GMT", "UT", "UCT", "WET", "ZULU", "ETC":
		return hours(0)
	case "CET", "MET", "MEZ", "WEST", "WAT", "HEC":
		return hours(1)
	case "CEST", "MEST", "MESZ", "EET", "SAST", "CAT", "HAEC":
		return hours(2)
	case "EEST", "MSK", "TRT", "EAT":
		return hours(3)
	case "MSD", "GST", "SAMT":
		return hours(4)
	case "PKT", "YEKT", "UZT":
		return hours(5)
	case "WIB", "ICT":
		return hours(7)
	case "HKT", "SGT", "AWST", "PHT", "MYT", "CTT", "WITA":
		return hours(8)
	case "JST", "KST", "WIT":
		return hours(9)
	case "AEST":
		return hours(10)
	case "AEDT":
		return hours(11)
	case "NZST":
		return hours(12)
	case "NZDT":
		return hours(13)
	case "EDT", "VET", "CLT":
		return hours(-4)
	case "EST", "PET", "COT":
		return hours(-5)
	case "CDT":
		return hours(-5, -4)
	case "MDT":
		return hours(-6)
	case "MST", "PDT":
		return hours(-7)
	case "PST":
		return hours(-8)
	case "AKST":
		return hours(-9)
	case "HST":
		return hours(-10)
	case "BRT", "ART", "CLST", "UYT":
		return hours(-3)
	case "CST":
		return hours(-6, 8, 9.5)
	case "IST":
		return hours(5.5, 2, 1)
	case "BST":
		return hours(1, 6)
	case "AST":
		return hours(-4, 3)
	case "EES", "ES", "ED", "CS", "PS", "PD": // QUIRK: SpamCop cuts "(EST)" to "(ES"
		return zone{}, false
	}
	return zone{}, false
}

// zoneOfText finds a zone that a text states for all its times: "All times are
// UTC", "Timezone: GMT+2", "Time (CET)".
func zoneOfText(s string) (zone, bool) {
	low := lowerASCII(s)
	tries := 0
	for _, mark := range [...]string{"timezone", "time zone", "time-zone", "times are", "times in", "times (", "time (", "timestamps", "timestamp (", "zeitzone", "zeitangaben", "zeiten", "all times", "时区", "時區", "タイムゾーン", "heures en", "fuseau", "huso horario", "zona horaria", "tijdzone", "fuso hor", "часовой пояс", "Часовой пояс", "zone:", " tz ", "tz:", "tz=", "local time", "date (", "time in", "uhrzeit (", "(time", "times utc", "times given", "times listed", "times shown", "time stamp", "時刻は", "時刻：", "时间均", "時間均", "时间为", "時間為", "heures sont", "zeiten sind", "alle zeiten", "tijden", "horas em", "horarios en", "horário", "orari", "указано в", "время указано", "log time"} {
		for at := 0; ; {
			i := strings.Index(low[at:], mark)
			if i < 0 {
				break
			}
			at += i + len(mark)
			if z, ok := zoneNear(s, at); ok {
				return z, true
			}
			if tries++; tries > maxZoneTries {
				return zone{}, false
			}
		}
	}
	wide := strings.ToLower(s)
	for _, z := range placeZones {
		if strings.Contains(wide, z.words) && len(z.words) > len("мск") {
			return zone{known: true, name: z.place}, true
		}
	}
	return zone{}, false
}

// maxZoneTries bounds how many places of a text are looked at for a zone.
const maxZoneTries = 200

// lowerASCII lowers A to Z alone, so that positions stay the same.
func lowerASCII(s string) string {
	i := 0
	for i < len(s) && !(s[i] >= 'A' && s[i] <= 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		if b[i] >= 'A' && b[i] <= 'Z' {
			b[i] |= 0x20
		}
	}
	return string(b)
}

// zoneNear reads a zone within the words that follow i.
func zoneNear(s string, i int) (zone, bool) {
	rest := s[min(i, len(s)):min(len(s), i+48)]
	if j := strings.IndexByte(rest, '\n'); j >= 0 {
		rest = rest[:j]
	}
	for j := 0; j < len(rest); j++ {
		if j > 0 && isAlnum(rest[j-1]) || !(isAlpha(rest[j]) || rest[j] == '+' || rest[j] == '-') {
			continue
		}
		c := clock{s: rest, i: j}
		if loc := locationName(rest[j:]); loc != "" {
			if l, err := time.LoadLocation(loc); err == nil {
				return zone{known: true, name: l.String()}, true
			}
		}
		if z, ok := c.zone(); ok && (rest[j] != '-' || c.i-j >= 3) {
			return z, true
		}
	}
	return zone{}, false
}

// locationName returns a name of the time zone database at the front of s.
func locationName(s string) string {
	for _, area := range [...]string{"Europe/", "America/", "Asia/", "Africa/", "Australia/", "Pacific/"} {
		if strings.HasPrefix(s, area) {
			j := len(area)
			for j < len(s) && (isAlpha(s[j]) || s[j] == '_' || s[j] == '/') {
				j++
			}
			return s[:j]
		}
	}
	return ""
}

// zoneString writes an offset as "+02:00".
func zoneString(offset int) string {
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%c%02d:%02d", sign, offset/3600, offset%3600/60)
}
