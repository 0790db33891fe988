package registry

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Columns of ipRouteTable (RFC 1213 §6.10), as snmpwalk prints their names.
const (
	walkMask    = "ipRouteMask"
	walkNextHop = "ipRouteNextHop"
	walkOther   = "other"
)

// walkColumnOf tells which column of ipRouteTable a line of snmpwalk is of, "" for none.
// Names may have any module or path before them, numbers may begin with ".1" or "iso".
func walkColumnOf(text string) string {
	oid, _, _ := strings.Cut(text, " ")
	switch {
	case strings.Contains(oid, "ipRouteMask."):
		return walkMask
	case strings.Contains(oid, "ipRouteNextHop."):
		return walkNextHop
	case strings.Contains(oid, "ipRoute"):
		return walkOther
	}
	if i := strings.Index(oid, "3.6.1.2.1.4.21.1."); i >= 0 {
		column, _, _ := strings.Cut(oid[i+len("3.6.1.2.1.4.21.1."):], ".")
		switch column {
		case "11":
			return walkMask
		case "7":
			return walkNextHop
		}
		return walkOther
	}
	return ""
}

// walkLine reads "….ipRouteMask.192.192.40.0 = IpAddress: 255.255.252.0".
func (p *routeParser) walkLine(line int, text string) {
	column := walkColumnOf(text)
	oid, value, found := strings.Cut(text, " = ")
	switch {
	case column == "" && !found: // a heading
		return
	case column == "":
		p.add(line, "", "this is no row of ipRouteTable", "walk ipRouteMask and ipRouteNextHop")
		return
	case column == walkOther || !found:
		return
	}
	if p.masks == nil {
		p.masks, p.nextHops = map[netip.Addr]walked{}, map[netip.Addr]walked{}
	}
	dest, ok := lastFour(strings.TrimSpace(oid))
	if !ok {
		p.add(line, column, "the row's index is no IPv4 address", "give the line as snmpwalk prints it")
		return
	}
	words := strings.Fields(value)
	if len(words) == 0 {
		p.add(line, column, "no value", "give the line as snmpwalk prints it")
		return
	}
	addr, err := netip.ParseAddr(words[len(words)-1])
	if err != nil || !addr.Is4() {
		p.add(line, column, "\""+value+"\" is no IPv4 address", "give the line as snmpwalk prints it")
		return
	}
	if column == walkMask {
		p.masks[dest] = walked{addr, line}
	} else {
		p.nextHops[dest] = walked{addr, line}
	}
}

func lastFour(oid string) (netip.Addr, bool) {
	parts := strings.Split(oid, ".")
	if len(parts) < 5 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.Join(parts[len(parts)-4:], "."))
	return a, err == nil
}

// joinWalk makes routes of the rows that have both columns and reports the others.
func (p *routeParser) joinWalk() {
	for _, dest := range slices.SortedFunc(maps.Keys(p.masks), netip.Addr.Compare) {
		mask := p.masks[dest]
		next, ok := p.nextHops[dest]
		if !ok {
			p.add(mask.line, walkMask, dest.String()+" has no ipRouteNextHop", "walk both columns, .7 and .11")
			continue
		}
		prefix, err := PrefixFromMask(dest, mask.addr)
		if err != nil {
			p.add(mask.line, walkMask, err.Error(), "")
			continue
		}
		r := Route{Prefix: prefix, NextHop: next.addr, Type: TypeRemote}
		if next.addr.IsUnspecified() {
			r.NextHop, r.Type = netip.Addr{}, TypeLocal
		}
		p.routes = append(p.routes, r)
	}
	for _, dest := range slices.SortedFunc(maps.Keys(p.nextHops), netip.Addr.Compare) {
		if _, ok := p.masks[dest]; !ok {
			p.add(p.nextHops[dest].line, walkNextHop, dest.String()+" has no ipRouteMask", "walk both columns, .7 and .11")
		}
	}
}
