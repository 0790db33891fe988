package trace

import "time"

// parseUsual fills d from a date in the form that nearly all servers write,
// "Mon, 5 Oct 2026 10:11:12 +0200 (CEST)" with or without weekday and name of the
// zone, and says whether s has it. What it
// reads is what dateReader reads, at a quarter of the cost.
func (d *Date) parseUsual(s string) bool {
	at := 0
	if len(s) >= 30 && s[3] == ',' && s[4] == ' ' {
		at = len("Mon, ")
	} else if len(s) < 25 {
		return false
	}
	day, i := usualDay(s[at:])
	i += at
	if day < 1 || day > 31 || len(s) < i+24 {
		return false
	}
	t := s[i : i+24] // " Oct 2026 10:11:12 +0200"
	year, noYear := pairs(eight(t, 1)&^yearOther, likeYear)
	clock, noClock := pairs(eight(t, 10), likeClock)
	zone, noZone := pairs(eight(t, 16)&^zoneOther, likeZone)
	if noYear|noClock|noZone != 0 || t[0] != ' ' || t[9] != ' ' || t[19] != '+' && t[19] != '-' {
		return false
	}
	month, century := monthOf(t[1:4]), int(year>>32&0xff)
	hour, min, sec := int(clock&0xff), int(clock>>24&0xff), int(clock>>48&0xff)
	zh, zm := int(zone>>32&0xff), int(zone>>48&0xff)
	if month == 0 || century < 19 || hour > 23 || min > 59 || sec > 59 {
		return false
	}
	end, name := i+24, ""
	if len(s) > end {
		if end, name = usualZone(s, end); end < 0 {
			return false
		}
	}
	offset := zh*3600 + zm*60
	bad := offset > 14*3600 || zm%15 != 0 || zm >= 60
	if t[19] == '-' {
		offset = -offset
	}
	days := daysFrom1970(century*100+int(year>>48&0xff), month, day)
	today := int((days%7 + 11) % 7)
	wd := today
	if at == 0 {
		wd = -1
	} else if letters3(s) != letters3(weekdayNames[today]) {
		if wd = weekday(s[:3]); wd < 0 {
			return false
		}
	}
	// field by field: a composite would be made first and then copied
	d.Time = time.Unix(days*86400+int64(hour*3600+min*60+sec-offset), 0).UTC()
	d.Raw, d.ZoneRaw, d.ZoneName = s[:end], t[19:], name
	d.HasZone, d.Offset, d.BadOffset = true, offset, bad
	d.BadWeekday, d.weekday, d.hasComma, d.Chinese = wd >= 0 && wd != today, wd, at > 0, false
	d.NameContradicts = name != "" && contradicts(name, offset)
	return true
}

// How eight bytes of a date look, the first lowest, with 0 for every digit; what
// else stands among them is masked out.
const (
	likeYear  = ' '<<24 | '0'<<32 | '0'<<40 | '0'<<48 | '0'<<56 // Oct 2026
	likeClock = '0' | '0'<<8 | ':'<<16 | '0'<<24 | '0'<<32 | ':'<<40 | '0'<<48 | '0'<<56
	likeZone  = ' '<<16 | '0'<<32 | '0'<<40 | '0'<<48 | '0'<<56 // 12 +0200
	yearOther = 0xffffff
	zoneOther = 0xff00ffff
)

// pairs reads eight bytes that look like the ones given: each byte of v is the
// number of the two digits from there on. Where one looks otherwise, bad is not 0.
func pairs(x, like uint64) (v, bad uint64) {
	const ones, lows, highs = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	most := (like >> 4 &^ (like >> 3)) & ones * 9 // for a digit; all others must be as they are
	x ^= like                                     // the digits' values, 0 for all others
	return x*10 + x>>8, (x | (x + (lows - most))) & highs
}

// usualDay reads the day of "5 Oct", "05 Oct" and "  5 Oct", and says where it
// ends; s holds more than that.
func usualDay(s string) (day, end int) {
	a, b := s[0], s[1]
	switch {
	case b == ' ' && isDigit(a):
		return int(a - '0'), 1
	case a == ' ' && isDigit(b) && s[2] != ' ':
		return pair(b, s[2]), 3
	case a == ' ':
		a = '0'
	}
	return pair(a, b), 2
}

// usualZone reads " (CEST)" at i, and returns where the date ends: -1 where
// something else follows that belongs to it.
func usualZone(s string, i int) (end int, name string) {
	if s[i] != ' ' || i+1 >= len(s) {
		return -1, ""
	}
	if s[i+1] != '(' {
		return -1, ""
	}
	for j := i + 2; j < len(s) && j < i+8; j++ {
		if s[j] == ')' {
			if j != len(s)-1 || j == i+2 {
				return -1, ""
			}
			return j + 1, s[i+2 : j]
		}
		if !isAlpha(s[j]) {
			return -1, ""
		}
	}
	return -1, ""
}

// pair reads two digits, -1 if they are none.
func pair(a, b byte) int {
	a, b = a-'0', b-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}
