package trace

import (
	"net/netip"
	"strings"
)

// addressIP finds the first address in a field's value.
func addressIP(v string) (netip.Addr, bool) {
	if i := strings.Index(v, "CIP:"); i >= 0 { // Microsoft
		v = v[i+4:]
		if j := strings.IndexByte(v, ';'); j >= 0 {
			v = v[:j]
		}
	}
	n := 0
	for w := range strings.FieldsFuncSeq(v, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' || c == ';' || c == '(' || c == ')' }) {
		if a, _, ok := tokenAddr(w); ok {
			return a, true
		}
		if n++; n > 16 {
			break
		}
	}
	return netip.Addr{}, false
}
