package trace

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// orgDomain returns the organisational domain of a host's name, by the public
// suffix list; a name of one label, or a public suffix, is returned as it is.
func orgDomain(name string) string {
	name = strings.ToLower(strings.Trim(name, "."))
	if name == "" || strings.IndexByte(name, '.') < 0 || len(name) > 253 {
		return name
	}
	if _, ok := parseAddr(name); ok {
		return name
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}

// sameOrg tells whether two names are of one organisation, as the public suffix
// list or the table of providers has it.
func sameOrg(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if strings.EqualFold(a, b) {
		return true
	}
	if strings.IndexByte(a, '.') < 0 || strings.IndexByte(b, '.') < 0 {
		return false
	}
	if orgDomain(a) == orgDomain(b) {
		return true
	}
	p := provider(a)
	return p != nil && p.has(b)
}

// domainOf returns what stands behind the last @ of an address, without angles.
func domainOf(addr string) string {
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.Trim(addr[i+1:], "<>.[] \t"))
}
