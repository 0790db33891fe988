package listen

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
)

// ParseAddress splits "host:port" and says whether it can be one: the host an address, a name or empty, the port a number
// from 0 to 65535. What an empty host or port 0 means is for who listens or connects.
func ParseAddress(s string) (host string, port uint16, ok bool) {
	host, service, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, false
	}
	_, err = netip.ParseAddr(host)
	ok = err == nil || host == "" || hostName.MatchString(host) && len(host) <= 254
	return host, uint16(number), ok
}

// hostName is a name as RFC 1123 §2.1 has it, with underscores too. Its last label does not begin with a digit, so that
// an address with a typing mistake is no name.
var hostName = regexp.MustCompile(`^([0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?\.)*[A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?\.?$`)
