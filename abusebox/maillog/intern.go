package maillog

// An interner gives equal texts the same memory. It forgets all when it is full.
type interner map[string]string

const maxTexts = 1 << 16

// text is b, cut to what a list shows, as a string.
func (in interner) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = b[:min(len(b), maxShortText)]
	if s, ok := in[string(b)]; ok {
		return s
	}
	if len(in) >= maxTexts {
		clear(in)
	}
	s := string(b)
	in[s] = s
	return s
}
