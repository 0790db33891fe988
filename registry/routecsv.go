package registry

import (
	"encoding/csv"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"
)

// routeColumns are the names that a header line may use, in lower case and without
// spaces, dots, hyphens or underscores.
var routeColumns = map[string]string{
	"prefix": "prefix", "dest": "prefix", "destination": "prefix", "network": "prefix", "ipnetwork": "prefix",
	"netmask": "mask", "mask": "mask",
	"nexthop": "nexthop", "gateway": "nexthop", "via": "nexthop",
	"router": "router", "vrf": "vrf", "interface": "interface", "dev": "interface",
	"protocol": "protocol", "proto": "protocol", "type": "type",
	"firstseen": "firstseen", "since": "firstseen", "lastseen": "lastseen",
	"seg": "", "segments": "",
}

func columnName(s string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", ".", "", "-", "", "_", "", "\ufeff", "").Replace(s))
}

// talkColumns are those of the listing of 2003, which has no commas in its header line.
var talkColumns = []string{"nexthop", "prefix", "mask", ""}

func (p *routeParser) readCSV(r io.Reader) {
	cr := csv.NewReader(r)
	cr.FieldsPerRecord, cr.TrimLeadingSpace, cr.Comment, cr.ReuseRecord = -1, true, '#', true
	var columns []string
	for {
		fields, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			var syntax *csv.ParseError
			if !errors.As(err, &syntax) {
				p.add(0, "", err.Error(), "")
				return
			}
			p.add(syntax.Line, "", syntax.Err.Error(), "quote a field as a whole, or not at all")
			continue
		}
		line, _ := cr.FieldPos(0)
		if columns == nil {
			columns = p.header(line, fields)
			if columns == nil {
				return
			}
			if !isTalkRow(fields) {
				continue
			}
		}
		if len(fields) == 1 && strings.Trim(fields[0], "=- ") == "" {
			continue
		}
		p.csvRow(line, columns, fields)
	}
}

func isTalkRow(fields []string) bool {
	if len(fields) < 3 {
		return false
	}
	_, hop := netip.ParseAddr(strings.TrimSpace(fields[0]))
	_, dest := netip.ParseAddr(strings.TrimSpace(fields[1]))
	return hop == nil && dest == nil
}

// header reads the header line. The listing of 2003 is recognised by its rows or by its
// header, a line of words.
func (p *routeParser) header(line int, fields []string) []string {
	if isTalkRow(fields) || len(fields) == 1 && strings.HasPrefix(columnName(fields[0]), "nexthopdest") {
		return talkColumns
	}
	columns := make([]string, len(fields))
	has := map[string]bool{}
	for i, f := range fields {
		name, ok := routeColumns[columnName(f)]
		if !ok {
			p.add(line, f, "unknown column", "use prefix (or destination and netmask), next_hop, router, vrf, interface, protocol, type, first_seen, last_seen")
		}
		columns[i] = name
		has[name] = true
	}
	if !has["prefix"] {
		p.add(line, "", "no column gives the prefix", "begin the file with a line like: prefix,next_hop,router,interface")
		return nil
	}
	return columns
}

func (p *routeParser) csvRow(line int, columns, fields []string) {
	var r Route
	var mask string
	before := len(p.all)
	for i, f := range fields {
		f = strings.TrimSpace(f)
		if i >= len(columns) || f == "" {
			continue
		}
		switch columns[i] {
		case "prefix":
			r.Prefix = p.prefix(line, f)
		case "mask":
			mask = f
		case "nexthop":
			r.NextHop = p.addr(line, "next_hop", f)
		case "router":
			r.Router = strings.Clone(f)
		case "vrf":
			r.VRF = strings.Clone(f)
		case "interface":
			r.Interface = strings.Clone(f)
		case "protocol":
			r.Protocol = strings.Clone(f)
		case "type":
			r.Type = RouteType(strings.Clone(f))
		case "firstseen":
			r.FirstSeen = p.time(line, "first_seen", f)
		case "lastseen":
			r.LastSeen = p.time(line, "last_seen", f)
			r.NotAfter = r.LastSeen
		}
	}
	if mask != "" && r.Prefix.IsValid() {
		r.Prefix = p.applyMask(line, r.Prefix.Addr(), mask)
	}
	if !r.Prefix.IsValid() && len(p.all) == before {
		p.add(line, "prefix", "missing", writePrefix)
	}
	if len(p.all) == before {
		p.routes = append(p.routes, r)
	}
}

func (p *routeParser) prefix(line int, s string) netip.Prefix {
	prefix, err := parsePrefix(s)
	if err != nil {
		p.add(line, "prefix", err.Error(), writePrefix)
	}
	return prefix
}

func (p *routeParser) applyMask(line int, dest netip.Addr, mask string) netip.Prefix {
	m, err := netip.ParseAddr(mask)
	if err == nil {
		var prefix netip.Prefix
		if prefix, err = PrefixFromMask(dest, m); err == nil {
			return prefix
		}
	}
	p.add(line, "netmask", err.Error(), "write it like 255.255.252.0")
	return netip.Prefix{}
}

func (p *routeParser) addr(line int, field, s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		p.add(line, field, "\""+s+"\" is no IP address", "write it like 192.0.2.1")
	}
	a = a.Unmap().WithZone("")
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func (p *routeParser) time(line int, field, s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	p.add(line, field, "\""+s+"\" is no time", "write it like 2026-10-01T08:14:00Z")
	return time.Time{}
}
