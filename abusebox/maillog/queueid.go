package maillog

import (
	"bytes"
	"time"
)

// sendmailDigits is the base 60 in which sendmail writes the time into a queue id: year modulo 60 since 1900,
// month from 0, day, hour, minute, second, all UTC; two more characters and the process id follow.
const sendmailDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"

// postfixDigits is the base 52 of Postfix's long queue ids: seconds since 1970 in six digits, four digits of
// microseconds, "z", and the inode.
const postfixDigits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

// queueTime returns when a queue id was made, in seconds since 1970, by the clock that our own MTA stamped into
// it, or 0 for an id that tells no time. It is what gives a log without year and zone both of them.
func queueTime(id []byte) int64 {
	if t := sendmailTime(id); t != 0 {
		return t
	}
	return postfixTime(id)
}

// sendmailTime places the year, which comes modulo 60, between 1988 and 2047.
func sendmailTime(id []byte) int64 {
	if len(id) < 14 || !allDigits(id[8:]) {
		return 0
	}
	var d [6]int
	for i := range d {
		if d[i] = digit(sendmailDigits, id[i]); d[i] < 0 {
			return 0
		}
	}
	year := 1900 + d[0]
	for year < 1988 {
		year += 60
	}
	if d[1] > 11 || d[2] < 1 || d[2] > 31 || d[3] > 23 || d[4] > 59 || d[5] > 59 {
		return 0
	}
	return time.Date(year, time.Month(d[1]+1), d[2], d[3], d[4], d[5], 0, time.UTC).Unix()
}

// Long queue ids came with Postfix 2.9, in 2012.
const (
	firstLongID = 1325376000 // 2012
	lastLongID  = 4102444800 // 2100
)

func postfixTime(id []byte) (sec int64) {
	if len(id) < 12 || id[10] != 'z' || bytes.IndexByte(id, '.') >= 0 {
		return 0
	}
	for _, c := range id[:6] {
		d := digit(postfixDigits, c)
		if d < 0 {
			return 0
		}
		sec = sec*52 + int64(d)
	}
	if sec < firstLongID || sec > lastLongID {
		return 0
	}
	return sec
}

func digit(digits string, c byte) int {
	for i := range len(digits) {
		if digits[i] == c {
			return i
		}
	}
	return -1
}

// takeQueueID reads "hA3CPot1007645: " at the begin of a text.
func takeQueueID(text []byte) (id, rest []byte, ok bool) {
	for i := 0; i < len(text) && i < 32; i++ {
		c := text[i]
		switch {
		case c == ':':
			if i < 5 || i+1 >= len(text) || text[i+1] != ' ' {
				return nil, text, false
			}
			return text[:i], text[i+2:], true
		case c-'0' > 9 && c-'A' > 25 && c-'a' > 25:
			return nil, text, false
		}
	}
	return nil, text, false
}
