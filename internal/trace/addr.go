package trace

import (
	"net/netip"
	"strings"
)

// parseAddr reads an address as headers write it: with or without "IPv6:",
// brackets, a scope, or IPv4 mapped into IPv6, which is unmapped.
func parseAddr(s string) (netip.Addr, bool) {
	if s == "" || classes[s[0]]&classAddr == 0 {
		return netip.Addr{}, false
	}
	if n := len(s); n >= 2 && s[0] == '[' && s[n-1] == ']' {
		s = s[1 : n-1]
	}
	if len(s) > 5 && (s[0] == 'I' || s[0] == 'i') && hasFoldPrefix(s, "ipv6:") {
		s = trimSpace(s[5:])
	}
	if len(s) < 2 || len(s) > 60 {
		return netip.Addr{}, false
	}
	if isDigit(s[0]) {
		if a, ok := parseIPv4(s); ok {
			return a, true
		}
	}
	return parseIPv6(s)
}

// parseIPv4 reads four decimal octets and nothing else.
func parseIPv4(s string) (netip.Addr, bool) {
	var o [4]byte
	n, v, digits := 0, 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9' && digits < 3:
			v = v*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && v < 256 && n < 3:
			o[n] = byte(v)
			n, v, digits = n+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if n != 3 || digits == 0 || v > 255 {
		return netip.Addr{}, false
	}
	o[3] = byte(v)
	return netip.AddrFrom4(o), true
}

// parseIPv6 lets netip read s only when its bytes can be an IPv6 address, since
// its errors cost an allocation.
func parseIPv6(s string) (netip.Addr, bool) {
	colons := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			s = s[:i]
			break
		}
		switch {
		case c == ':':
			colons++
		case isHex(c) || c == '.':
		default:
			return netip.Addr{}, false
		}
	}
	if colons < 2 || colons > 8 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// parseDottedPort reads Exim's old "192.0.2.1.13219", an address and its port.
func parseDottedPort(s string) (netip.Addr, uint16, bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 7 || strings.Count(s, ".") != 4 {
		return netip.Addr{}, 0, false
	}
	a, ok := parseIPv4(s[:i])
	port := parsePort(s[i+1:])
	return a, port, ok && port > 255
}

// parsePort reads the digits of a port; 0 if they are none.
func parsePort(s string) uint16 {
	n := 0
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0
		}
		if n = n*10 + int(s[i]-'0'); n > 65535 {
			return 0
		}
	}
	return uint16(n)
}

// impossibleAddr knows an attempt at an IPv4 address that no host can have: an
// octet over 255, or none of the networks in which hosts are.
func impossibleAddr(s string) bool {
	dots, digits, v, over := 0, 0, 0, false
	first := -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isDigit(c) && digits < 4:
			v = v*10 + int(c-'0')
			digits++
			over = over || v > 255
		case c == '.' && digits > 0:
			if dots == 0 {
				first = v
			}
			dots, digits, v = dots+1, 0, 0
		default:
			return false
		}
	}
	return dots == 3 && digits > 0 && (over || first == 0 || first >= 224)
}

// public tells whether an address can be met on the Internet. Documentation
// addresses (RFC 5737, RFC 3849) count as public, so that examples behave.
func public(a netip.Addr) bool {
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a) && !internal6to4.Contains(a)
}

var (
	sharedSpace  = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	internal6to4 = netip.MustParsePrefix("2002:a00::/24") // 6to4 of 10/8, as Google numbers its own hosts
)

func isDigit(c byte) bool { return c-'0' <= 9 }

func isHex(c byte) bool { return c-'0' <= 9 || (c|0x20)-'a' <= 5 }

func isAlpha(c byte) bool { return (c|0x20)-'a' <= 25 }

func isSpace(c byte) bool { return classes[c]&classSpace != 0 }

// Classes of bytes, by which the scanner goes over a line.
const (
	classSpace byte = 1 << iota // white space, and NUL, which some hosts let through
	classWordEnd
	classBracket
	classOuter
	classComment
	classAddr // may begin an address
)

var classes = [256]byte{
	0: classSpace | classWordEnd, ' ': classSpace | classWordEnd, '\t': classSpace | classWordEnd, '\r': classSpace | classWordEnd, '\n': classSpace | classWordEnd,
	'0': classAddr, '1': classAddr, '2': classAddr, '3': classAddr, '4': classAddr, '5': classAddr, '6': classAddr, '7': classAddr, '8': classAddr, '9': classAddr,
	'a': classAddr, 'b': classAddr, 'c': classAddr, 'd': classAddr, 'e': classAddr, 'f': classAddr, 'i': classAddr, 'I': classAddr,
	'A': classAddr, 'B': classAddr, 'C': classAddr, 'D': classAddr, 'E': classAddr, 'F': classAddr, ':': classAddr,
	'(': classWordEnd | classComment, ')': classWordEnd | classComment, ';': classWordEnd, '[': classBracket | classOuter | classAddr,
	']': classOuter, '<': classOuter, '>': classOuter, ',': classOuter, '"': classOuter, '\\': classComment,
}

// hasFoldPrefix tells whether s begins with lower, which is in lower case.
func hasFoldPrefix(s, lower string) bool {
	return len(s) >= len(lower) && equalFold(s[:len(lower)], lower)
}

// equalFold compares s with lower, which is ASCII in lower case.
func equalFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != lower[i] && (c|0x20 != lower[i] || c-'A' > 25) {
			return false
		}
	}
	return true
}

// indexFold returns where lower, ASCII in lower case, first stands in s, or -1.
func indexFold(s, lower string) int {
	first := lower[0]
	for i := 0; i+len(lower) <= len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c == first && equalFold(s[i:i+len(lower)], lower) {
			return i
		}
	}
	return -1
}

// trimSpace cuts white space and NULs from both ends.
func trimSpace(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// cutSpace splits s at its first run of white space.
func cutSpace(s string) (word, rest string) {
	s = trimSpace(s)
	for i := 0; i < len(s); i++ {
		if isSpace(s[i]) {
			return s[:i], trimSpace(s[i:])
		}
	}
	return s, ""
}

// addrText writes an address, "" for none.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
