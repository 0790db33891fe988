package report

import (
	"net/netip"
	"strings"
)

// unveil writes plainly what people write to keep addresses from being linked
// or found: "192 .0 .2 .7", "192\.0\.2\.7", and digits of full width.
func unveil(s string) string {
	if strings.Contains(s, "\uFF0E") || strings.Contains(s, "\xef\xbc") {
		s = narrowDigits(s)
	}
	if strings.Contains(s, "\\.") {
		s = strings.ReplaceAll(s, "\\.", ".")
	}
	if strings.Contains(s, " .") || strings.Contains(s, ". ") {
		s = closeUp(s)
	}
	return s
}

// narrowDigits writes digits and dots of full width as ASCII where both stand.
func narrowDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' || r == '．' {
			return r - '０' + '0'
		}
		return r
	}, s)
}

// maxApart bounds the quads of a line that are closed up.
const maxApart = 32

// closeUp removes the spaces within dotted quads that are parted alike.
func closeUp(s string) string {
	n := 0
	for _, gap := range [...]string{" .", ". ", " . "} {
		for i := 0; i < len(s) && n < maxApart; {
			j := strings.Index(s[i:], gap)
			if j < 0 {
				break
			}
			i += j + len(gap)
			if start, end, ok := spacedQuad(s, i-len(gap), gap); ok {
				quad := strings.ReplaceAll(s[start:end], gap, ".")
				s, i = s[:start]+quad+s[end:], start+len(quad)
				n++
			}
		}
	}
	return s
}

// spacedQuad finds a quad whose first gap is at i.
func spacedQuad(s string, i int, gap string) (start, end int, ok bool) {
	start = i
	for start > 0 && isDigit(s[start-1]) {
		start--
	}
	if gap == ". " && i-start < 2 {
		return 0, 0, false // a numbered list
	}
	if start == i || i-start > 3 || start > 0 && (isAlnum(s[start-1]) || s[start-1] == '.') {
		return 0, 0, false
	}
	end = i
	for range 3 {
		if !strings.HasPrefix(s[end:], gap) {
			return 0, 0, false
		}
		end += len(gap)
		digits := end
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		if end == digits || end-digits > 3 {
			return 0, 0, false
		}
	}
	return start, end, end == len(s) || !isAlnum(s[end])
}

// shortened reads what follows an IPv4 address where people name its
// neighbours by their last number alone: "192.0.2.7, .8 and .9".
func shortened(s string, h hit) []hit {
	if !h.ip.Is4() || h.full != h.end {
		return nil
	}
	var out []hit
	for i := h.full; len(out) < 16; {
		j := i
		for j < len(s) && (s[j] == ' ' || s[j] == ',' || s[j] == '&' || s[j] == '/' || s[j] == '+') {
			j++
		}
		for _, w := range [...]string{"and ", "und ", "et ", "en ", "y ", "e ", "i ", "и ", "or "} {
			if j > i && strings.HasPrefix(s[j:], w) {
				j += len(w)
				break
			}
		}
		if j == i || strings.Trim(s[i:j], " ") == "" || j+1 >= len(s) || s[j] != '.' || !isDigit(s[j+1]) {
			return out
		}
		n, end := number(s, j+1, 255, j)
		if end == j || end < len(s) && (isAlnum(s[end]) || s[end] == '.' && end+1 < len(s) && isAlnum(s[end+1])) {
			return out
		}
		b := h.ip.As4()
		b[3] = byte(n)
		next := hit{ip: netip.AddrFrom4(b), start: j, end: end, full: end, bits: -1}
		out = append(out, next)
		i = end
	}
	return out
}
