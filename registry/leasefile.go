package registry

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReadLeases reads one lease log in the format that the configuration names. Lines that
// are no lease are skipped in syslog logs, where others may write too; elsewhere each
// mistake is reported with its line. now is what times without a year are judged by.
func ReadLeases(c LeaseConfig, name string, r io.Reader, now time.Time) ([]Lease, error) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	p := leaseParser{mistakes: mistakes{file: name}, config: c, zone: zone, now: now, open: map[string]int{}}
	switch c.Format {
	case "csv":
		p.readCSV(r)
	case "radius":
		p.readRadius(r)
	case "syslog":
		p.readSyslog(r)
	default:
		return nil, fmt.Errorf("reading %s: unknown lease format %q", name, c.Format)
	}
	p.finish()
	return p.leases, p.err()
}

// maxLeaseMistakes bounds how many mistakes of one log are kept.
const maxLeaseMistakes = 1000

// leaseParser gathers the leases of one log.
type leaseParser struct {
	mistakes
	config LeaseConfig
	zone   *time.Location
	now    time.Time
	leases []Lease
	open   map[string]int // session or block → index in leases
	latest time.Time      // of all times in the log
}

func (p *leaseParser) wrong(line int, field, problem, write string) {
	if len(p.all) < maxLeaseMistakes {
		p.add(line, field, problem, write)
	}
}

// finish says of open leases how far the log reaches.
func (p *leaseParser) finish() {
	for i := range p.leases {
		if p.leases[i].To.IsZero() {
			p.leases[i].Known = p.latest
		}
	}
	p.leases = MergeRenewals(p.leases)
}

// MergeRenewals sorts leases and joins those that follow or overlap one another with the
// same subscriber on the same prefix, ports and protocol: renewals of one lease.
func MergeRenewals(leases []Lease) []Lease {
	slices.SortStableFunc(leases, func(a, b Lease) int {
		return cmp.Or(ComparePrefixes(a.Prefix, b.Prefix), cmp.Compare(a.PortLow, b.PortLow),
			cmp.Compare(a.PortHigh, b.PortHigh), cmp.Compare(a.Protocol, b.Protocol), a.From.Compare(b.From))
	})
	var out []Lease
	for _, l := range leases {
		if n := len(out) - 1; n >= 0 && out[n].renewedBy(l) {
			if l.To.IsZero() || !out[n].To.IsZero() && l.To.After(out[n].To) {
				out[n].To = l.To
			}
			if l.Known.After(out[n].Known) {
				out[n].Known = l.Known
			}
			continue
		}
		out = append(out, l)
	}
	CloseLeases(out)
	return out
}

func (l Lease) renewedBy(next Lease) bool {
	return l.Prefix == next.Prefix && l.PortLow == next.PortLow && l.PortHigh == next.PortHigh &&
		l.Protocol == next.Protocol && l.Subscriber == next.Subscriber &&
		(l.To.IsZero() || !next.From.After(l.To))
}

func (p *leaseParser) seen(t time.Time) {
	if t.After(p.latest) {
		p.latest = t
	}
}

var leaseColumns = map[string]string{
	"ip": "ip", "address": "ip", "prefix": "ip", "framedipaddress": "ip", "publicip": "ip",
	"portlow": "low", "portfrom": "low", "portstart": "low", "porthigh": "high", "portto": "high", "portend": "high", "port": "port",
	"protocol": "proto", "proto": "proto",
	"from": "from", "start": "from", "starttime": "from", "acctstarttime": "from",
	"to": "to", "stop": "to", "end": "to", "endtime": "to", "acctstoptime": "to",
	"who": "who", "subscriber": "who", "user": "who", "username": "who", "account": "who", "privateip": "who", "mac": "who",
}

func (p *leaseParser) readCSV(r io.Reader) {
	cr := csv.NewReader(r)
	cr.FieldsPerRecord, cr.TrimLeadingSpace, cr.Comment = -1, true, '#'
	var columns []string
	for {
		fields, err := cr.Read()
		var syntax *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.As(err, &syntax):
			p.wrong(syntax.Line, "", syntax.Err.Error(), "quote a field as a whole, or not at all")
			continue
		case err != nil:
			p.wrong(0, "", err.Error(), "")
			return
		}
		line, _ := cr.FieldPos(0)
		if columns == nil {
			columns = make([]string, len(fields))
			for i, f := range fields {
				columns[i] = leaseColumns[columnName(f)]
			}
			if !slices.Contains(columns, "ip") || !slices.Contains(columns, "from") || !slices.Contains(columns, "who") {
				p.wrong(line, "", "the first line must name the columns ip, from and who", "ip,port_low,port_high,protocol,from,to,who")
				return
			}
			continue
		}
		values := map[string]string{}
		for i, f := range fields {
			if i < len(columns) && columns[i] != "" {
				values[columns[i]] = strings.TrimSpace(f)
			}
		}
		if l, ok := p.lease(line, values); ok {
			p.leases = append(p.leases, l)
		}
	}
}

// lease makes a Lease of named values; the same names serve CSV columns and the groups
// of a syslog pattern.
func (p *leaseParser) lease(line int, v map[string]string) (l Lease, ok bool) {
	before := len(p.all)
	prefix, err := parsePrefix(v["ip"])
	if err != nil {
		p.wrong(line, "ip", err.Error(), "write it like 192.0.2.1 or 2001:db8:1::/48")
	}
	l = Lease{Prefix: prefix, PortHigh: 65535, Protocol: strings.ToLower(v["proto"]), Subscriber: clean(v["who"]),
		Source: fmt.Sprintf("%s:%d", p.file, line)}
	if v["port"] != "" {
		v["low"], v["high"] = v["port"], v["port"]
	}
	if v["low"] != "" || v["high"] != "" {
		l.PortLow, l.PortHigh = p.port(line, v["low"]), p.port(line, v["high"])
	}
	if l.PortLow > l.PortHigh {
		p.wrong(line, "port", fmt.Sprintf("%d is above %d", l.PortLow, l.PortHigh), "")
	}
	if l.Subscriber == "" {
		p.wrong(line, "who", "missing", "")
	}
	l.From = p.time(line, "from", v["from"])
	if v["to"] != "" {
		l.To = p.time(line, "to", v["to"])
	}
	if !l.To.IsZero() && l.To.Before(l.From) {
		p.wrong(line, "to", "is before from", "")
	}
	return l, len(p.all) == before
}

func (p *leaseParser) port(line int, s string) uint16 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		p.wrong(line, "port", fmt.Sprintf("%q is no port", s), "a number from 0 to 65535")
	}
	return uint16(n)
}

// leaseTimes are the forms of time that are tried when the configuration gives none.
var leaseTimes = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.Stamp, time.ANSIC, "Jan _2 2006 15:04:05 MST", "Jan _2 2006 15:04:05"}

func (p *leaseParser) time(line int, field, s string) time.Time {
	t, ok := p.parseTime(s)
	if !ok {
		p.wrong(line, field, fmt.Sprintf("%q is no time", s), "write it like 2026-10-01T08:14:00Z, or set time_format")
		return time.Time{}
	}
	p.seen(t)
	return t
}

func (p *leaseParser) parseTime(s string) (time.Time, bool) {
	layouts := leaseTimes
	if p.config.TimeFormat != "" {
		layouts = []string{p.config.TimeFormat}
	}
	for _, layout := range layouts {
		t, err := time.ParseInLocation(layout, s, p.zone)
		if err != nil {
			continue
		}
		if t.Year() == 0 { // syslog gives no year: the latest one that is not in the future
			t = t.AddDate(p.now.In(p.zone).Year(), 0, 0)
			if t.After(p.now.Add(24 * time.Hour)) {
				t = t.AddDate(-1, 0, 0)
			}
		}
		return t.UTC(), true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 && n < 1<<33 {
		return time.Unix(n, 0).UTC(), true
	}
	return time.Time{}, false
}

func leaseScanner(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 256<<10)
	return s
}
