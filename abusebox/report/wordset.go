package report

import "strings"

// letterPairs are the pairs of bytes that occur in a text, some folded together.
// Most words of a long list are not in a mail; their pairs tell at once which.
type letterPairs [64]uint64

func pairOf(a, b byte) uint { return (uint(a)<<5 ^ uint(b)) & 4095 }

// add takes a text's pairs in.
func (p *letterPairs) add(s string) {
	for i := 1; i < len(s); i++ {
		k := pairOf(s[i-1], s[i])
		p[k>>6] |= 1 << (k & 63)
	}
}

// mayHold is false where no text that was added holds the word.
func (p *letterPairs) mayHold(w string) bool {
	for i := 1; i < len(w); i++ {
		if k := pairOf(w[i-1], w[i]); p[k>>6]&(1<<(k&63)) == 0 {
			return false
		}
	}
	return true
}

// containsAny tells whether a text that was added holds one of the words.
func (p *letterPairs) containsAny(s string, words []string) bool {
	for _, w := range words {
		if p.mayHold(w) && strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// A lowered is the head of a mail's text in lower case, which several readers
// search for many words.
type lowered struct {
	of      *string // the body it was made of
	subject string
	body    string // of the first maxWordText bytes
	pairs   letterPairs
}

// maxWordText is as far as words are looked for that tell what a mail is about.
const maxWordText = 8 << 10

func (d *document) lowered() *lowered {
	if l := &d.low; l.of == nil || *l.of != d.body {
		body := d.body
		*l = lowered{of: &body, subject: strings.ToLower(d.subject), body: strings.ToLower(body[:min(len(body), maxWordText)])}
		l.pairs.add(l.subject)
		l.pairs.add(l.body)
	}
	return &d.low
}

// containsAny tells whether subject or text hold one of the words.
func (l *lowered) containsAny(words []string) bool {
	return l.pairs.containsAny(l.subject, words) || l.pairs.containsAny(l.body, words)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
