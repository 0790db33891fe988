package report

import "strings"

// minWrapped is the length of the shortest line that a mail program may have
// broken: the next one goes on with its sentence.
const minWrapped = 45

// joinWrapped gives the lines with addresses what the lines around them say of
// the same sentence: mail programs break it at some 72 characters.
func joinWrapped(lines []line) {
	for i := range lines {
		l := &lines[i]
		if len(l.hits) == 0 || l.spam || !isProse(l) {
			continue
		}
		if i > 0 && goesOn(&lines[i-1], l) {
			l.lead = behindAddresses(&lines[i-1])
		}
		if i+1 < len(lines) && goesOn(l, &lines[i+1]) {
			l.trail = beforeAddresses(&lines[i+1])
		}
	}
}

// isProse tells a line of a sentence from one of a log, a list or a table.
func isProse(l *line) bool {
	t := l.text
	return len(t) < 200 && !strings.ContainsAny(t, "\t|=>{}") && !strings.Contains(t, "  ") && len(wordsOf(t)) >= 2 && !stamped(t)
}

// goesOn tells whether the sentence of line a goes on in line b.
func goesOn(a, b *line) bool {
	if a.quoted != b.quoted || a.spam || b.spam || len(a.text) < minWrapped || !isProse(a) || b.text == "" || len(b.text) > 200 || stamped(b.text) {
		return false
	}
	if len(a.hits) > 0 && len(b.hits) > 0 && isBare(a.text[:a.hits[0].start]) && isBare(b.text[:b.hits[0].start]) {
		return false // two items of a list
	}
	end, begin := a.text[len(a.text)-1], b.text[0]
	if !isAlnum(end) && end < 0x80 && end != ',' && end != ' ' && end != ')' {
		return false
	}
	return begin >= 'a' && begin <= 'z' || isDigit(begin) || begin == '(' || begin >= 0x80
}

// maxJoined bounds what is taken of the line before or behind.
const maxJoined = 100

// behindAddresses returns the end of a line, behind its last address.
func behindAddresses(l *line) string {
	t := l.text
	if n := len(l.hits); n > 0 {
		t = t[l.hits[n-1].full:]
	}
	if len(t) > maxJoined {
		t = t[len(t)-maxJoined:]
		t = t[strings.IndexByte(t, ' ')+1:]
	}
	return strings.TrimRight(t, " ") + " "
}

// beforeAddresses returns the beginning of a line, before its first address.
func beforeAddresses(l *line) string {
	t := l.text
	if len(l.hits) > 0 {
		t = t[:l.hits[0].start]
	}
	if len(t) > maxJoined {
		t = t[:maxJoined]
	}
	return " " + t
}

// sentence returns the text of a line with what belongs to it in the lines
// around, and where its addresses stand in that.
func (l *line) sentence() (string, []hit) {
	if l.lead == "" && l.trail == "" {
		return l.text, l.hits
	}
	hits := make([]hit, len(l.hits))
	for k, h := range l.hits {
		h.start, h.end, h.full = h.start+len(l.lead), h.end+len(l.lead), h.full+len(l.lead)
		hits[k] = h
	}
	return l.lead + l.text + strings.TrimRight(l.trail, " "), hits
}
