package trace

import (
	"net/netip"
	"strconv"
	"strings"
)

// mailWords begin the labels of hosts that are there to pass mail on.
var mailWords = []string{"mail", "mx", "smtp", "mta", "mout", "out", "relay", "mbox"}

// numberedAfter tells whether a name below its organisation's domain bears the
// host's own address and says nothing of mail: so do access networks and hosters
// call the machines of their customers, of which none writes for its provider.
func numberedAfter(name string, ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	host := strings.TrimSuffix(strings.ToLower(name), orgDomain(name))
	for label := range strings.FieldsFuncSeq(host, func(c rune) bool { return c == '.' || c == '-' }) {
		for _, w := range mailWords {
			if strings.HasPrefix(label, w) {
				return false
			}
		}
	}
	return bearsAddress(host, ip.As4())
}

// bearsAddress looks for the four octets one behind another, in either order, in
// decimal with or without zeros before them, or in hexadecimal.
func bearsAddress(host string, octets [4]byte) bool {
	var plain, padded, hex string
	for _, o := range octets {
		plain += "-" + strconv.Itoa(int(o))
		padded += strconv.Itoa(1000 + int(o))[1:]
		hex += strconv.FormatUint(0x100+uint64(o), 16)[1:]
	}
	numbers := "-"
	for i := 0; i < len(host); {
		j := i
		for j < len(host) && isDigit(host[j]) {
			j++
		}
		if j == i {
			i++
			continue
		}
		n := strings.TrimLeft(host[i:j-1], "0") + host[j-1:j]
		numbers += n + "-"
		i = j
	}
	back := "-" + strconv.Itoa(int(octets[3])) + "-" + strconv.Itoa(int(octets[2])) + "-" + strconv.Itoa(int(octets[1])) + "-" + strconv.Itoa(int(octets[0]))
	return strings.Contains(numbers, plain+"-") || strings.Contains(numbers, back+"-") || strings.Contains(host, padded) || strings.Contains(host, hex)
}
