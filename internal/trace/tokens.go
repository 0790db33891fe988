package trace

import "strings"

// tokens walks over the words of a comment.
type tokens struct {
	s string
	i int
}

// next returns the next word; what is bracketed, quoted or nested stays together.
func (t *tokens) next() (string, bool) {
	s := t.s
	for t.i < len(s) && (isSpace(s[t.i]) || s[t.i] == ',') {
		t.i++
	}
	if t.i >= len(s) {
		return "", false
	}
	start, i := t.i, t.i
	switch s[i] {
	case '"':
		i = t.until('"')
	case '(':
		i = t.until(')')
	default:
		for i < len(s) && !isSpace(s[i]) && s[i] != ',' && s[i] != '(' {
			if s[i] == '[' {
				if end := closing(s, i, ']'); end > 0 {
					i = end
					continue
				}
			}
			i++
		}
	}
	t.i = i
	return s[start:i], true
}

// until returns the index behind the next c, or the end of the words.
func (t *tokens) until(c byte) int {
	if i := strings.IndexByte(t.s[t.i+1:], c); i >= 0 {
		return t.i + 1 + i + 1
	}
	return len(t.s)
}

// rest1 returns the next word, or "" where none is left.
func (t *tokens) rest1() string {
	w, _ := t.next()
	return w
}
