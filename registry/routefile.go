package registry

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// A RouteFormat is a form in which a routing table comes as text.
type RouteFormat string

// The route formats.
const (
	RoutesCSV      RouteFormat = "csv"      // a header line and columns, or the listing of 2003
	RoutesIPRoute  RouteFormat = "iproute"  // what `ip route` and `ip -6 route` print
	RoutesSNMPWalk RouteFormat = "snmpwalk" // ipRouteMask and ipRouteNextHop as snmpwalk prints them
)

// maxRouteLine bounds one line of a route file.
const maxRouteLine = 64 << 10

// ReadRoutes reads a routing table, recognising its format. The routes get the name of
// the file as their router unless the file says otherwise, and no times. Every mistake
// is reported with its line; routes is what could be read.
func ReadRoutes(name string, r io.Reader) (routes []Route, err error) {
	br := bufio.NewReaderSize(r, maxRouteLine)
	head, err := br.Peek(8 << 10)
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	p := routeParser{mistakes: mistakes{file: name}}
	switch DetectRoutes(head) {
	case RoutesSNMPWalk:
		p.eachLine(br, p.walkLine)
		p.joinWalk()
	case RoutesIPRoute:
		p.eachLine(br, p.ipRouteLine)
	default:
		p.readCSV(br)
	}
	for i := range p.routes {
		if p.routes[i].Router == "" {
			p.routes[i].Router = name
		}
	}
	return p.routes, p.err()
}

// DetectRoutes tells the format of a routing table from its first lines.
func DetectRoutes(head []byte) RouteFormat {
	for line := range bytes.Lines(head) {
		text := strings.TrimSpace(string(line))
		fields := strings.Fields(text)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
			continue
		case strings.Contains(text, " = ") && walkColumnOf(text) != "":
			return RoutesSNMPWalk
		case strings.HasPrefix(text, "ipRouteMask") || strings.HasPrefix(text, "ipRouteNextHop"):
			return RoutesSNMPWalk
		case strings.Contains(text, ","):
			return RoutesCSV
		case slices.ContainsFunc(fields[1:], func(f string) bool { return f == "via" || f == "dev" || f == "proto" || f == "metric" }),
			len(fields) <= 2 && ipRouteTypes[fields[0]], isPrefix(fields[0]):
			return RoutesIPRoute
		}
	}
	return RoutesCSV
}

func isPrefix(s string) bool {
	_, err := parsePrefix(s)
	return err == nil
}

// routeParser gathers the routes and mistakes of one file.
type routeParser struct {
	mistakes
	routes   []Route
	pending  Route // an `ip route` line whose next hops follow
	masks    map[netip.Addr]walked
	nextHops map[netip.Addr]walked
}

type walked struct {
	addr netip.Addr
	line int
}

func (p *routeParser) eachLine(r io.Reader, use func(line int, text string)) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxRouteLine)
	n := 0
	for s.Scan() {
		n++
		text := strings.TrimRight(s.Text(), " \t\r")
		if trimmed := strings.TrimSpace(text); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		use(n, text)
	}
	if err := s.Err(); err != nil {
		p.add(n+1, "", err.Error(), fmt.Sprintf("lines may be %d bytes long", maxRouteLine))
	}
}

// parsePrefix reads "192.0.2.0/24", a bare address, or "192.0.2.0/255.255.255.0". Host
// bits are dropped.
func parsePrefix(s string) (netip.Prefix, error) {
	host, length, found := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no IP network", s)
	}
	addr = addr.Unmap()
	if !found {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if mask, err := netip.ParseAddr(length); err == nil {
		return PrefixFromMask(addr, mask)
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no IP network", s)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q is no IP network", s)
		}
		return netip.PrefixFrom(addr, p.Bits()-96).Masked(), nil
	}
	return p.Masked(), nil
}

const writePrefix = "write it like 192.0.2.0/24 or 2001:db8::/32"
