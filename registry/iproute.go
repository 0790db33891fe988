package registry

import (
	"net/netip"
	"strings"
)

// ipRouteTypes are the types that `ip route` writes before the prefix (ip-route(8)).
// True ones are routes for others than the router itself.
var ipRouteTypes = map[string]bool{
	"unicast": true, "blackhole": true, "unreachable": true, "prohibit": true, "throw": true,
	"local": false, "broadcast": false, "multicast": false, "anycast": false, "nat": false,
}

// ipRouteFlags are the words that stand alone; every other word has a value.
var ipRouteFlags = map[string]bool{
	"onlink": true, "pervasive": true, "linkdown": true, "dead": true, "notify": true,
	"offload": true, "rt_offload": true, "trap": true, "rt_trap": true, "rt_offload_failed": true, "cache": true,
}

// ipRouteLine reads one line of `ip route`: "10.1.0.0/16 via 192.0.2.1 dev eth0 proto
// static", "blackhole 10.0.0.0/8", or an indented "nexthop via …" of the line before.
func (p *routeParser) ipRouteLine(line int, text string) {
	words := strings.Fields(text)
	if words[0] == "nexthop" {
		p.nextHopLine(line, words[1:])
		return
	}
	r := Route{Type: TypeRemote}
	if forOthers, known := ipRouteTypes[words[0]]; known {
		if !forOthers || words[0] == "throw" {
			p.pending = Route{}
			return
		}
		r.Type = typeOfWord(words[0])
		words = words[1:]
	}
	if len(words) == 0 {
		p.add(line, "", "no prefix", writePrefix)
		return
	}
	prefix, ok := p.ipRoutePrefix(line, words[0], text)
	if !ok {
		return
	}
	r.Prefix = prefix
	if !p.ipRouteWords(line, &r, words[1:]) {
		return
	}
	p.pending = r
	if r.Leads() && !r.NextHop.IsValid() && r.Interface == "" {
		return // its next hops follow on lines of their own
	}
	p.routes = append(p.routes, settle(r))
}

func typeOfWord(w string) RouteType {
	switch w {
	case "blackhole":
		return TypeBlackhole
	case "unreachable", "prohibit":
		return TypeReject
	}
	return TypeRemote
}

func settle(r Route) Route {
	if r.Type == TypeRemote && !r.NextHop.IsValid() {
		r.Type = TypeLocal
	}
	return r
}

func (p *routeParser) ipRoutePrefix(line int, word, text string) (netip.Prefix, bool) {
	if word == "default" {
		if strings.Contains(text, ":") {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	prefix, err := parsePrefix(padPrefix(word))
	if err != nil {
		p.add(line, "", err.Error(), writePrefix)
		return prefix, false
	}
	return prefix, true
}

// padPrefix completes "10/8" and "10.1/16", as old versions print them.
func padPrefix(s string) string {
	host, length, found := strings.Cut(s, "/")
	if !found || strings.Contains(host, ":") {
		return s
	}
	for strings.Count(host, ".") < 3 {
		host += ".0"
	}
	return host + "/" + length
}

func (p *routeParser) nextHopLine(line int, words []string) {
	r := p.pending
	if !r.Prefix.IsValid() {
		p.add(line, "nexthop", "there is no route before it", "keep the lines of a route together")
		return
	}
	if p.ipRouteWords(line, &r, words) {
		p.routes = append(p.routes, settle(r))
	}
}

// ipRouteWords reads the words after the prefix: pairs of a name and a value, and flags.
func (p *routeParser) ipRouteWords(line int, r *Route, words []string) bool {
	for i := 0; i < len(words); i++ {
		w := words[i]
		if ipRouteFlags[w] {
			continue
		}
		if i+1 == len(words) {
			p.add(line, w, "its value is missing", "give the line as ip route prints it")
			return false
		}
		i++
		switch value := words[i]; w {
		case "via":
			if (value == "inet6" || value == "inet") && i+1 < len(words) {
				i++
				value = words[i]
			}
			before := len(p.all)
			r.NextHop = p.addr(line, w, value)
			if len(p.all) != before {
				return false
			}
		case "dev":
			r.Interface = value
		case "proto":
			r.Protocol = value
		case "table", "vrf":
			r.VRF = value
		case "error":
			r.Type = TypeReject
		}
	}
	if r.VRF == "main" {
		r.VRF = ""
	}
	return true
}
