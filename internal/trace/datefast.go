package trace

import "time"

// parseUsual fills d from a date in the form that nearly all servers write,
// "Mon, 5 Oct 2026 10:11:12 +0200 (CEST)", and says whether s has it. What it
// reads is what dateReader reads, at a quarter of the cost.
func (d *Date) parseUsual(s string) bool {
	if len(s) < 30 || s[3] != ',' || s[4] != ' ' {
		return false
	}
	i := 5
	if s[i] == ' ' {
		i++
	}
	day, n := smallNumber(s[i:])
	i += n
	if n == 0 || n > 2 || len(s) < i+24 || s[i] != ' ' || s[i+4] != ' ' {
		return false
	}
	month := monthOf(s[i+1 : i+4])
	year, n := smallNumber(s[i+5:])
	i += 5
	if month == 0 || n != 4 || day < 1 || day > 31 || year < 1900 || s[i+4] != ' ' || s[i+7] != ':' || s[i+10] != ':' || s[i+13] != ' ' {
		return false
	}
	hour, min, sec := pair(s[i+5:]), pair(s[i+8:]), pair(s[i+11:])
	sign, zh, zm := s[i+14], pair(s[i+15:]), pair(s[i+17:])
	if hour < 0 || min < 0 || sec < 0 || hour > 23 || min > 59 || sec > 59 || sign != '+' && sign != '-' || zh < 0 || zm < 0 {
		return false
	}
	end := i + 19
	name := ""
	if len(s) > end {
		if end, name = usualZone(s, end); end < 0 {
			return false
		}
	}
	offset := zh*3600 + zm*60
	bad := offset > 14*3600 || zm%15 != 0 || zm >= 60
	if sign == '-' {
		offset = -offset
	}
	days := daysFrom1970(year, month, day)
	today := int((days%7 + 11) % 7)
	wd := today
	if !begins(s[:3], weekdayNames[today]) {
		if wd = weekday(s[:3]); wd < 0 {
			return false
		}
	}
	// field by field: a composite would be made first and then copied
	d.Time = time.Unix(days*86400+int64(hour*3600+min*60+sec-offset), 0).UTC()
	d.Raw, d.ZoneRaw, d.ZoneName = s[:end], s[i+14:i+19], name
	d.HasZone, d.Offset, d.BadOffset = true, offset, bad
	d.BadWeekday, d.weekday, d.hasComma, d.Chinese = wd != today, wd, true, false
	d.NameContradicts = name != "" && contradicts(name, offset)
	return true
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

// smallNumber reads up to four digits and says how many there were.
func smallNumber(s string) (v, n int) {
	for n < len(s) && n < 5 && isDigit(s[n]) {
		v = v*10 + int(s[n]-'0')
		n++
	}
	return v, n
}

// pair reads two digits, -1 if they are none.
func pair(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}
