package trace

import (
	"net/netip"
	"strings"
)

// parseAddr reads an address as headers write it: with or without "IPv6:",
// brackets, a scope, or IPv4 mapped into IPv6, which is unmapped.
func parseAddr(s string) (a netip.Addr, ok bool) {
	if s != "" && classes[s[0]]&classAddr != 0 { // few names begin so
		a, ok = parseSomeAddr(s)
	}
	return
}

// parseSomeAddr is parseAddr behind the first byte's test, which costs no call.
func parseSomeAddr(s string) (netip.Addr, bool) {
	if classes[s[len(s)-1]]&classAddrEnd == 0 && strings.IndexByte(s, '%') < 0 {
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
	if len(s) < len("0.0.0.0") || len(s) > len("255.255.255.255") {
		return netip.Addr{}, false
	}
	v, octet, digits, dots := uint32(0), uint32(0), 0, 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; isDigit(c) {
			octet = octet*10 + uint32(c-'0')
			if digits++; digits > 3 || octet > 255 {
				return netip.Addr{}, false
			}
			continue
		} else if c != '.' || digits == 0 {
			return netip.Addr{}, false
		}
		v, octet, digits, dots = v<<8|octet, 0, 0, dots+1
	}
	v = v<<8 | octet
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), dots == 3 && digits > 0
}

// parseIPv6 reads an IPv6 address (RFC 4291 §2.2), without its scope. It is here
// because netip's errors cost an allocation.
func parseIPv6(s string) (netip.Addr, bool) {
	var b [16]byte
	gap, n := -1, 0 // where "::" stands, and how many bytes are filled
	if len(s) > 1 && s[0] == ':' && s[1] == ':' {
		gap, s = 0, s[2:]
	}
	for s != "" && s[0] != '%' {
		v, digits := hexGroup(s)
		if digits < len(s) && s[digits] == '.' { // the last four bytes as IPv4
			v4, _, _ := strings.Cut(s, "%")
			a, ok := parseIPv4(v4)
			if !ok || n > 12 {
				return netip.Addr{}, false
			}
			octets := a.As4()
			n += copy(b[n:], octets[:])
			break
		}
		if digits == 0 || digits > 4 || n > 14 {
			return netip.Addr{}, false
		}
		b[n], b[n+1] = byte(v>>8), byte(v)
		n += 2
		if s = s[digits:]; s == "" || s[0] == '%' {
			break
		}
		if s[0] != ':' || len(s) == 1 {
			return netip.Addr{}, false
		}
		if s = s[1:]; s[0] == ':' {
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap, s = n, s[1:]
		}
	}
	if gap < 0 && n < 16 || gap >= 0 && n == 16 {
		return netip.Addr{}, false
	}
	if gap >= 0 {
		copy(b[16-(n-gap):], b[gap:n])
		clear(b[gap : 16-(n-gap)])
	}
	return netip.AddrFrom16(b).Unmap(), true
}

// hexGroup reads up to five hexadecimal digits and says how many there were.
func hexGroup(s string) (v, n int) {
	for n < len(s) && n < 5 && isHex(s[n]) {
		c := s[n]
		if c -= '0'; c > 9 {
			c = (s[n] | 0x20) - 'a' + 10
		}
		v = v<<4 | int(c)
		n++
	}
	return v, n
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

// isSpace knows white space, and NUL, which some hosts let through.
func isSpace(c byte) bool { return c <= ' ' && spaces>>c&1 != 0 }

// spaces has a bit for each byte that is white space.
const spaces uint64 = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n' | 1<<0

// Classes of bytes, by which the scanner goes over a line.
const (
	classSkip    uint8 = 1 << iota // what stands between words
	classWordEnd                   // ends a word
	classBracket
	classOuter
	classAddr    // may begin an address
	classAddrEnd // may end one that has no scope
	classKeyword // may begin a keyword
	classHost    // may stand in a host's name
)

var classes = classTable()

// classTable puts each byte into its classes.
func classTable() (t [256]uint8) {
	for _, c := range [...]struct {
		class uint8
		bytes string
	}{
		{classSkip | classWordEnd, "\x00 \t\r\n"},
		{classSkip, ",)"},
		{classWordEnd, "();"},
		{classBracket, "["},
		{classOuter, "[]<>,\""},
		{classAddr, "0123456789abcdefABCDEFiI:["},
		{classAddrEnd, "0123456789abcdefABCDEF:]"},
		{classKeyword, "bwifvuacBWIFVUAC"},
		{classHost, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"},
	} {
		for i := 0; i < len(c.bytes); i++ {
			t[c.bytes[i]] |= c.class
		}
	}
	return t
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
