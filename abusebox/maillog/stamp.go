package maillog

import (
	"bytes"
	"time"
)

// A stamp is the time of a line as far as the line tells it.
type stamp struct {
	sec     int64 // seconds since 1970; by the log's own clock unless zoned; within the year unless dated
	month   time.Month
	day     uint8
	dated   bool // the year is known
	zoned   bool // the offset from UTC is known, and sec is UTC
	invalid bool // a day that is in no calendar
}

// parseStamp reads a time and the space behind it.
func parseStamp(b []byte) (s stamp, rest []byte, ok bool) {
	if len(b) < 16 {
		return s, nil, false
	}
	if b[0]-'0' <= 9 {
		return parseISO(b)
	}
	return parseBSD(b)
}

// parseBSD reads "Nov  3 20:25:58", "Nov 3 20:25:58", and both with a year before or behind the time.
func parseBSD(b []byte) (s stamp, rest []byte, ok bool) {
	if s.month = monthOf(b); s.month == 0 || b[3] != ' ' {
		return s, nil, false
	}
	b = bytes.TrimLeft(b[4:], " ")
	day := number(b)
	if b = skipDigits(b); day < 1 || day > 31 || len(b) < 9 || b[0] != ' ' {
		return s, nil, false
	}
	s.day = uint8(day)
	b = b[1:]
	year := uint32(0)
	if len(b) > 5 && b[4] == ' ' {
		year, b = number(b), b[5:]
	}
	clock, b, ok := parseClock(b)
	if !ok {
		return s, nil, false
	}
	b = skipFraction(b)
	if year == 0 && len(b) > 5 && b[0] == ' ' && b[5] == ' ' && allDigits(b[1:5]) {
		year, b = number(b[1:]), b[5:]
	}
	if len(b) == 0 || b[0] != ' ' {
		return s, nil, false
	}
	s.sec = clock
	if year >= 1970 && year <= 9999 {
		s.date(int(year))
	}
	return s, b[1:], true
}

// date fixes the year of a stamp whose sec is still the second of its day.
func (s *stamp) date(year int) {
	begin := time.Date(year, s.month, int(s.day), 0, 0, 0, 0, time.UTC)
	s.invalid = begin.Month() != s.month
	s.sec, s.dated = begin.Unix()+s.sec, true
}

// parseISO reads "2026-10-01T08:14:00.123456+02:00" with a space or a T in it, with or without zone.
func parseISO(b []byte) (s stamp, rest []byte, ok bool) {
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || (b[10] != 'T' && b[10] != ' ') || !allDigits(b[:4]) {
		return s, nil, false
	}
	year, month, day := number(b), number(b[5:]), number(b[8:])
	if month < 1 || month > 12 || day < 1 || day > 31 || year < 1970 {
		return s, nil, false
	}
	s.month, s.day = time.Month(month), uint8(day)
	if s.sec, b, ok = parseClock(b[11:]); !ok {
		return s, nil, false
	}
	s.date(int(year))
	b = skipFraction(b)
	offset, b, zoned := parseOffset(b)
	s.sec, s.zoned = s.sec-offset, zoned
	if len(b) == 0 || b[0] != ' ' {
		return s, nil, false
	}
	return s, b[1:], true
}

// parseClock reads "20:25:58" as seconds of the day; a leap second is let through.
func parseClock(b []byte) (sec int64, rest []byte, ok bool) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' {
		return 0, nil, false
	}
	h, m, sc := two(b), two(b[3:]), two(b[6:])
	if h > 23 || m > 59 || sc > 60 {
		return 0, nil, false
	}
	return int64(h)*3600 + int64(m)*60 + int64(sc), b[8:], true
}

// two reads two digits, and gives 255 where there are none.
func two(b []byte) uint8 {
	if b[0]-'0' > 9 || b[1]-'0' > 9 {
		return 255
	}
	return (b[0]-'0')*10 + b[1] - '0'
}

// parseOffset reads "Z", "+02:00" or "+0200".
func parseOffset(b []byte) (sec int64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, b, false
	}
	if b[0] == 'Z' || b[0] == 'z' {
		return 0, b[1:], true
	}
	if (b[0] != '+' && b[0] != '-') || len(b) < 6 {
		return 0, b, false
	}
	minutes := b[3:]
	if minutes[0] == ':' {
		minutes = minutes[1:]
	}
	if len(minutes) < 2 {
		return 0, b, false
	}
	h, m := two(b[1:]), two(minutes)
	if h > 14 || m > 59 {
		return 0, b, false
	}
	sec = int64(h)*3600 + int64(m)*60
	if b[0] == '-' {
		sec = -sec
	}
	return sec, minutes[2:], true
}

func skipDigits(b []byte) []byte {
	for len(b) > 0 && b[0]-'0' <= 9 {
		b = b[1:]
	}
	return b
}

func skipFraction(b []byte) []byte {
	if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
		return skipDigits(b[1:])
	}
	return b
}

func allDigits(b []byte) bool { return len(skipDigits(b)) == 0 }

// monthOf reads the three letters that b begins with.
func monthOf(b []byte) time.Month {
	switch uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) {
	case 'J'<<16 | 'a'<<8 | 'n':
		return time.January
	case 'F'<<16 | 'e'<<8 | 'b':
		return time.February
	case 'M'<<16 | 'a'<<8 | 'r':
		return time.March
	case 'A'<<16 | 'p'<<8 | 'r':
		return time.April
	case 'M'<<16 | 'a'<<8 | 'y':
		return time.May
	case 'J'<<16 | 'u'<<8 | 'n':
		return time.June
	case 'J'<<16 | 'u'<<8 | 'l':
		return time.July
	case 'A'<<16 | 'u'<<8 | 'g':
		return time.August
	case 'S'<<16 | 'e'<<8 | 'p':
		return time.September
	case 'O'<<16 | 'c'<<8 | 't':
		return time.October
	case 'N'<<16 | 'o'<<8 | 'v':
		return time.November
	case 'D'<<16 | 'e'<<8 | 'c':
		return time.December
	}
	return 0
}
