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
	if t[0] != ' ' || t[4] != ' ' || t[9] != ' ' || t[12] != ':' || t[15] != ':' || t[18] != ' ' || t[19] != '+' && t[19] != '-' {
		return false
	}
	month, century, year := monthOf(t[1:4]), pair(t[5], t[6]), pair(t[7], t[8])
	hour, min, sec := pair(t[10], t[11]), pair(t[13], t[14]), pair(t[16], t[17])
	zh, zm := pair(t[20], t[21]), pair(t[22], t[23])
	if century|year|hour|min|sec|zh|zm < 0 || month == 0 || century < 19 || hour > 23 || min > 59 || sec > 59 {
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
	days := daysFrom1970(century*100+year, month, day)
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
