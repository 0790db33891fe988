package report

import "strings"

// A thread tells in a reply what its author wrote from what he quotes.
type thread struct {
	lines []line
	from  int // the line where a mail quoted without marks begins
}

// newThread looks for where the quoted mail begins: at "On …, x wrote:", at the
// head that Outlook puts above it, or at a ruler.
func newThread(lines []line) thread {
	th := thread{lines: lines, from: len(lines)}
	for i := range lines {
		if lines[i].quoted == 0 && i+1 < len(lines) && beginsQuote(lines, i) {
			th.from = i
			break
		}
	}
	return th
}

// beginsQuote tells whether the mail that a reply answers to begins at line i.
func beginsQuote(lines []line, i int) bool {
	t := strings.TrimSpace(lines[i].text)
	if t == "" {
		return false
	}
	return isAttribution(t) || isReplyMark(t) || startsWithAny(t, fromLabels) && startsWithAny(lines[i+1].text, headLabels)
}

// own tells whether the author of the reply wrote line i.
func (th thread) own(i int) bool { return th.lines[i].quoted == 0 && i < th.from }

// answers tells whether something is quoted, and something stands beside it.
func (th thread) answers() bool {
	own, quoted := false, false
	for i := range th.lines {
		switch {
		case !th.own(i):
			quoted = true
		case strings.TrimSpace(th.lines[i].text) != "":
			own = true
		}
	}
	return own && quoted
}

// inReply chooses among what the author of a reply himself names: the mail that
// he quotes names what was settled, or what the desk wrote of him.
func (w *weighing) inReply(all []*weighed) []*weighed {
	if !startsWithOne(strings.ToLower(w.d.subject), replyPrefixes) {
		return nil
	}
	th := newThread(w.lines)
	if !th.answers() {
		return nil
	}
	own := keep(all, func(c *weighed) bool {
		for _, i := range c.lines[:min(len(c.lines), 64)] {
			if th.own(i) {
				return true
			}
		}
		return false
	})
	if len(own) == 0 || len(own) == len(all) {
		return nil
	}
	return w.clearest(own)
}
