package report

import (
	"strings"

	"spoor/internal/message"
)

// maxUUFiles bounds the files taken out of one text.
const maxUUFiles = 16

// takeUUFiles takes files that stand uuencoded in the text out of it: "begin 644
// name", lines, "end".
//
// Sources: old mail programs, Unix cron jobs, ticket systems that flatten mails.
func (d *document) takeUUFiles() {
	for at, n := 0, 0; n < maxUUFiles; n++ {
		from, nameEnd, ok := uuBegin(d.body, at)
		if !ok {
			return
		}
		end := strings.Index(d.body[nameEnd:], "\nend")
		if end < 0 {
			return
		}
		end += nameEnd + len("\nend")
		name := strings.TrimSpace(d.body[from+len("begin 644 ") : nameEnd])
		block := d.body[from:end]
		at = end
		data, ok := message.DecodeUU([]byte(block))
		if !ok || len(data) == 0 {
			continue
		}
		d.collect(message.FilePart(name, typeOfName(name), data), false)
		d.body = d.body[:from] + d.body[end:]
		at = from
	}
}

// uuBegin finds the next "begin MODE NAME" line; nameEnd is where it ends.
func uuBegin(s string, at int) (from, nameEnd int, ok bool) {
	for at < len(s) {
		i := strings.Index(s[at:], "begin ")
		if i < 0 {
			return 0, 0, false
		}
		from = at + i
		at = from + len("begin ")
		if from > 0 && s[from-1] != '\n' || len(s) < from+len("begin 644 x") || !isMode(s[at:at+4]) {
			continue
		}
		if e := strings.IndexByte(s[at:], '\n'); e > 4 {
			return from, at + e, true
		}
	}
	return 0, 0, false
}

func isMode(s string) bool {
	return isDigit(s[0]) && isDigit(s[1]) && isDigit(s[2]) && s[3] == ' '
}

// typeOfName guesses the media type of a file by its name.
func typeOfName(name string) string {
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, ".csv"):
		return "text/csv"
	case hasAnySuffix(name, ".txt", ".log"):
		return "text/plain"
	case strings.HasSuffix(name, ".eml"):
		return "message/rfc822"
	}
	return "application/octet-stream"
}
