package intake

import "strings"

// A recipients set says whom we take mail for.
type recipients struct {
	addresses map[string]bool // lower case
	locals    map[string]bool // of any domain
	domains   map[string]bool // whose postmaster must be taken (RFC 5321 §4.5.1)
	names     map[string]bool // local parts of all addresses, which our own host's name takes too
	hostname  string          // lower case
}

func newRecipients(list []string, hostname string) recipients {
	hostname = strings.ToLower(hostname)
	r := recipients{map[string]bool{}, map[string]bool{}, map[string]bool{hostname: true}, map[string]bool{}, hostname}
	for _, a := range list {
		a = strings.ToLower(a)
		if local, domain, ok := strings.Cut(a, "@"); ok {
			r.addresses[a], r.names[local] = true, true
			r.domains[domain] = true
		} else {
			r.locals[a] = true
		}
	}
	return r
}

// take says whether mail for an address is ours. Local parts are compared without case, and without what follows a "+".
func (r recipients) take(address string) bool {
	address = strings.ToLower(address)
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	local, domain := address[:at], address[at+1:]
	base, _, _ := strings.Cut(local, "+")
	return r.addresses[address] || r.addresses[base+"@"+domain] || r.locals[local] || r.locals[base] ||
		domain == r.hostname && (r.names[local] || r.names[base]) || local == "postmaster" && r.domains[domain]
}
