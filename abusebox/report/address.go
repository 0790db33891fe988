package report

import (
	"net/netip"
	"strings"
)

// A hit is one address found in a line of text.
type hit struct {
	ip         netip.Addr
	start, end int // of the address without port or prefix length
	port       uint16
	bits       int // prefix length behind a slash, -1 for none
	dotted     bool
	version    bool // stands where a version number stands
	inURL      bool
	full       int // end with port and prefix length
}

// refang undoes the usual ways of making addresses and URLs harmless:
// 192[.]0[.]2[.]7, 192(.)0…, [dot], hxxp://.
func refang(s string) string {
	if strings.Contains(s, ".]") || strings.Contains(s, ".)") || strings.Contains(s, ".}") || strings.Contains(s, ":]") || containsFold(s, "dot") || containsFold(s, "hxxp") || strings.Contains(s, "[.") || strings.Contains(s, "[:") || containsFold(s, "[at]") {
		return fangs.Replace(s)
	}
	return s
}

// fangs is compiled once; Replacer is safe for concurrent use.
var fangs = strings.NewReplacer(
	"[.]", ".", "(.)", ".", "{.}", ".", "[.", ".", ".]", ".",
	"[dot]", ".", "(dot)", ".", "[DOT]", ".", "(DOT)", ".", "[Dot]", ".", " [.] ", ".",
	"{dot}", ".", "[:]", ":", "[://]", "://",
	"hxxp://", "http://", "hxxps://", "https://", "hXXp://", "http://", "hXXps://", "https://",
	"HXXP://", "http://", "HXXPS://", "https://", "[at]", "@",
	"hxxp:", "http:", "hxxps:", "https:", "hXXp:", "http:", "hXXps:", "https:",
)

// containsFold is a cheap test for an ASCII word in lower case.
func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 == word[0]|0x20 && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// findAddresses returns the addresses of a line, in their order.
func findAddresses(s string) []hit {
	var hits []hit
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isDigit(c) && wordStart(s, i):
			if h, ok := scanV4(s, i); ok {
				hits = append(hits, h)
				i = h.full
				if more := shortened(s, h); len(more) > 0 {
					hits = append(hits, more...)
					i = more[len(more)-1].full
				}
				continue
			}
			if h, ok := scanV6(s, i); ok {
				hits = append(hits, h)
				i = h.full
				continue
			}
			for i < len(s) && (isAlnum(s[i]) || s[i] == '.') {
				i++
			}
		case (isHex(c) || c == ':') && wordStart(s, i):
			if h, ok := scanV6(s, i); ok {
				hits = append(hits, h)
				i = h.full
				continue
			}
			i = skipRun(s, i)
		default:
			i++
		}
	}
	return hits
}

// skipRun skips what was taken for the beginning of an address and is none.
func skipRun(s string, i int) int {
	j := i + 1
	for j < len(s) && (isAlnum(s[j]) || s[j] == ':' && isHex(s[j-1]) && s[i] != ':') {
		j++
	}
	return j
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }

// wordStart tells whether a number may begin at i. Multi-byte text (IP地址192…)
// counts as a border.
func wordStart(s string, i int) bool {
	if i == 0 {
		return true
	}
	p := s[i-1]
	if p == ':' && s[i] == ':' {
		return false
	}
	if p == '.' {
		return i < 2 || !isAlnum(s[i-2])
	}
	return !isAlnum(p) && p != '_'
}

// scanV4 reads a dotted quad at i. Zero-padded octets are decimal: logs and
// firewalls write 192.000.002.007.
func scanV4(s string, i int) (hit, bool) {
	var b [4]byte
	j := i
	for k := range b {
		if k > 0 {
			if j >= len(s) || s[j] != '.' {
				return hit{}, false
			}
			j++
		}
		n, digits := 0, 0
		for j < len(s) && isDigit(s[j]) && digits < 4 {
			n = n*10 + int(s[j]-'0')
			j++
			digits++
		}
		if digits == 0 || digits > 3 || n > 255 {
			return hit{}, false
		}
		b[k] = byte(n)
	}
	h := hit{ip: netip.AddrFrom4(b), start: i, end: j, bits: -1, full: j}
	if !h.tail(s) {
		return hit{}, false
	}
	h.version = looksLikeVersion(s, i, b)
	h.inURL = inURL(s, i)
	return h, true
}

// tail reads what follows an IPv4 address: a port, a prefix length, or signs
// that it was no address but part of a host name or of a longer number.
func (h *hit) tail(s string) bool {
	j := h.end
	if j >= len(s) {
		return true
	}
	switch c := s[j]; {
	case isAlpha(c), c == '_', c == '@':
		return false
	case c == '-' && j+1 < len(s) && isAlpha(s[j+1]):
		return false // 203.0.113.7-static.example.net
	case c == '.' && j+1 < len(s) && isAlpha(s[j+1]):
		// A host name (7.113.0.203.zen.example), unless a sentence begins: "203.0.113.7.Please".
		return sentenceBegins(s[j+1:])
	case c == '.' && j+1 < len(s) && isDigit(s[j+1]):
		return h.dottedPort(s)
	case c == ':' || c == '#':
		h.port, h.full = number(s, j+1, 65535, j)
	case c == '(' && j+1 < len(s) && isDigit(s[j+1]):
		port, end := number(s, j+1, 65535, j)
		if end < len(s) && s[end] == ')' {
			h.port, h.full = port, end+1
		}
	case c == '/' && j+1 < len(s) && isDigit(s[j+1]):
		n, end := number(s, j+1, 65535, j)
		h.full = end
		if n <= 32 {
			h.bits = int(n)
		} else {
			h.port = n // Cisco writes address/port
		}
	}
	return true
}

// sentenceBegins tells whether s begins with a capital that starts a word.
func sentenceBegins(s string) bool {
	return len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' && !strings.Contains(firstWord(s), ".")
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t,;"); i >= 0 {
		return s[:i]
	}
	return s
}

// dottedPort reads tcpdump's 192.0.2.7.53; a fifth number anywhere else means
// that the whole is no address.
func (h *hit) dottedPort(s string) bool {
	port, end := number(s, h.end+1, 65535, h.end)
	if end == h.end || end < len(s) && (s[end] == '.' && end+1 < len(s) && isAlnum(s[end+1]) || isAlpha(s[end])) {
		return false
	}
	rest := strings.TrimLeft(s[end:], " ")
	before := strings.TrimRight(s[:h.start], " ")
	if strings.HasPrefix(rest, ">") || strings.HasPrefix(rest, "->") || strings.HasSuffix(before, ">") || strings.HasPrefix(rest, "<") {
		h.port, h.full, h.dotted = port, end, true
		return true
	}
	return false
}

// number reads decimal digits at i; where there is none or it is too big, it returns 0, none.
func number(s string, i, limit, none int) (uint16, int) {
	n, j := 0, i
	for j < len(s) && isDigit(s[j]) {
		n = n*10 + int(s[j]-'0')
		if n > limit {
			return 0, none
		}
		j++
	}
	if j == i {
		return 0, none
	}
	return uint16(n), j
}

// looksLikeVersion knows Firefox/3.6.0.1, "version 5.1.26.0" and v1.2.3.4.
func looksLikeVersion(s string, i int, b [4]byte) bool {
	if i == 0 {
		return false
	}
	if s[i-1] == '/' && i >= 2 && isAlpha(s[i-2]) {
		switch strings.ToLower(s[max(0, i-4):i]) {
		case "tcp/", "udp/", "tls/", "pv4/":
			return false // Asterisk writes IPV4/UDP/192.0.2.7/5060
		}
		// A path as in list/192.0.2.7 may hold an address; products are words before the slash.
		return !strings.Contains(urlAround(s, i), "://") && !strings.Contains(urlAround(s, i), ".")
	}
	before := strings.ToLower(strings.TrimRight(s[max(0, i-12):i], " :="))
	for _, w := range [...]string{"version", "versions", "ver.", "ver", " v", "release", "build", "revision"} {
		if rest, ok := strings.CutSuffix(before, w); ok && (rest == "" || w[0] == ' ' || !isAlpha(rest[len(rest)-1])) {
			return true
		}
	}
	return b[0] < 20 && b[1] < 50 && b[2] < 50 && b[3] < 50 && isReleaseWord(before)
}

// isReleaseWord tells words behind which small numbers are a release of some
// software: "ExampleOS before 4.1.2.3".
func isReleaseWord(before string) bool {
	for _, w := range [...]string{" before", "prior to", "firmware", "update to", "upgrade to", "updated to", "upgraded to", "through", "patch", "vor"} {
		if strings.HasSuffix(before, w) {
			return true
		}
	}
	return false
}

// urlAround returns the run of characters without a space that ends at i.
func urlAround(s string, i int) string {
	j := strings.LastIndexAny(s[:i], " \t<>\"'()[]|,")
	return s[j+1 : i]
}

// inURL tells whether what stands at i belongs to a URL.
func inURL(s string, i int) bool {
	run := urlAround(s, i)
	return strings.Contains(run, "://") || strings.HasPrefix(run, "www.") || strings.Contains(run, "?") && strings.Contains(run, "=")
}

// scanV6 reads an IPv6 address at i (RFC 4291 §2.2).
func scanV6(s string, i int) (hit, bool) {
	j, colons := i, 0
	for j < len(s) && (isHex(s[j]) || s[j] == ':' || s[j] == '.') && j-i < 60 {
		if s[j] == ':' {
			colons++
		}
		j++
	}
	if colons < 2 || j < len(s) && (isAlnum(s[j]) || s[j] == '_') && s[j] != '%' {
		return hit{}, false
	}
	for j > i && (s[j-1] == '.' || s[j-1] == ':' && !strings.HasSuffix(s[i:j], "::")) {
		j--
	}
	ip, err := netip.ParseAddr(s[i:j])
	if err != nil || ip.IsUnspecified() || j-i < 5 && !strings.HasPrefix(s[i:j], "::1") {
		return hit{}, false
	}
	h := hit{ip: ip.Unmap(), start: i, end: j, full: j, bits: -1}
	if j < len(s) && s[j] == '/' && j+1 < len(s) && isDigit(s[j+1]) {
		if n, end := number(s, j+1, 128, j); end > j {
			h.bits, h.full = int(n), end
		}
	}
	if j+1 < len(s) && s[j] == ']' && s[j+1] == ':' {
		h.port, h.full = number(s, j+2, 65535, j)
	}
	h.inURL = inURL(s, i)
	return h, true
}

// parseAddress reads a field that should hold one address: brackets, quotes,
// "IPv6:", a port or a /32 around it are got over.
func parseAddress(s string) (netip.Addr, bool) {
	s = strings.Trim(strings.TrimSpace(refang(s)), `"'<>[]()*`)
	s = strings.TrimPrefix(strings.TrimPrefix(s, "IPv6:"), "ipv6:")
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	hits := findAddresses(s)
	if len(hits) == 0 || len(s) > 120 {
		return netip.Addr{}, false
	}
	return hits[0].ip, true
}

// usable tells whether an address can be a source at all.
func usable(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsLoopback() && !ip.IsMulticast() &&
		!(ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 224))
}

// public tells whether an address can be one of ours in the Internet.
// Documentation addresses (RFC 5737, RFC 3849) count as public.
func public(ip netip.Addr) bool {
	return usable(ip) && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() && !sharedSpace.Contains(ip)
}

// sharedSpace is that of RFC 6598, behind carriers' translators.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
