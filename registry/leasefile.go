package registry

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReadLeases reads one lease log in the format that the configuration names. Lines that
// are no lease are skipped in syslog logs, where others may write too; elsewhere each
// mistake is reported with its line. now is what times without a year are judged by.
func ReadLeases(c LeaseConfig, name string, r io.Reader, now time.Time) ([]Lease, error) {
	p, err := newLeaseParser(c, newLeaseIndex(name, math.MaxInt), name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	p.now = now
	_, rest, err := p.read(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	p.finish(rest)
	return p.index.all(), p.err()
}

// Bounds of a lease log.
const (
	maxLeaseMistakes = 1000 // of one reading are kept
	maxLeaseLine     = 256 << 10
	maxSubscriber    = 1 << 10
	maxNames         = 1 << 16
)

// leaseParser reads a lease log line by line into an index. It can stop at the end of any
// line and go on later.
type leaseParser struct {
	mistakes
	index   *leaseIndex
	config  LeaseConfig
	zone    *time.Location
	now     time.Time
	take    func(line string)
	line    int                  // lines read
	bad     int                  // mistakes seen, told or not
	over    bool                 // within a line that is too long
	open    map[string]*leaseRec // by session or block
	names   map[string]string    // of subscribers: each is kept once
	columns []string             // of CSV; nil before the first line
	barren  bool                 // CSV without the columns that are needed
	attrs   map[string]string    // of the RADIUS record begun
	head    int                  // its line
	mixed   bool                 // it holds parts of another
	pattern *regexp.Regexp       // of syslog
	ends    *regexp.Regexp       // what logs call the end of a lease
}

func newLeaseParser(c LeaseConfig, index *leaseIndex, name string) (*leaseParser, error) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, err
	}
	p := &leaseParser{mistakes: mistakes{file: name}, index: index, config: c, zone: zone,
		open: map[string]*leaseRec{}, names: map[string]string{}, attrs: map[string]string{}}
	switch c.Format {
	case "csv":
		p.take = p.csvLine
	case "radius":
		p.take = p.radiusLine
	case "syslog":
		if p.pattern, err = regexp.Compile(c.Pattern); err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
		p.ends, p.take = regexp.MustCompile(endWord), p.syslogLine
	default:
		return nil, fmt.Errorf("unknown lease format %q", c.Format)
	}
	return p, nil
}

// read takes every whole line. It returns how many bytes they have, and the begin of a
// line that has no end yet.
func (p *leaseParser) read(r io.Reader) (taken int64, rest string, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLeaseLine && !p.over {
			p.wrong(p.line+1, "", "the line is too long", "lines may be 256 KB long")
			p.over = true
		}
		if p.over { // what a line has too much is never kept, even where its end is not written yet
			taken += int64(len(line))
			line = line[:0]
		}
		switch {
		case err == nil && p.over:
			p.line, p.over = p.line+1, false
		case err == nil:
			taken += int64(len(line))
			p.takeLine(string(line))
			line = line[:0]
		case errors.Is(err, io.EOF):
			return taken, string(line), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return taken, "", err
		}
	}
}

func (p *leaseParser) takeLine(text string) {
	p.line++
	p.take(strings.TrimRight(text, "\r\n"))
}

// finish takes the last line, and the last record, of a log that is not written to any more.
func (p *leaseParser) finish(rest string) {
	if rest != "" {
		p.takeLine(rest)
	}
	p.radiusRecord()
}

// unfinished reports whether a record was begun and not ended.
func (p *leaseParser) unfinished() bool { return len(p.attrs) > 0 }

func (p *leaseParser) wrong(line int, field, problem, write string) {
	if p.bad++; len(p.all) < maxLeaseMistakes {
		p.add(line, field, problem, write)
	}
}

// begin adds a lease to the index; key finds it again when its end is read. Where there was
// no room for it, its end changes nothing.
func (p *leaseParser) begin(key string, l Lease, line int) *leaseRec {
	r := &leaseRec{from: l.From.UnixMilli(), who: p.named(l.Subscriber), line: line}
	if !l.To.IsZero() {
		r.to = l.To.UnixMilli()
	}
	b := l.block()
	b.protocol = p.named(b.protocol)
	p.index.add(b, r)
	if key == "" {
		return r
	}
	p.open[key] = r
	if len(p.open) > 2*p.index.size()+1024 {
		maps.DeleteFunc(p.open, func(_ string, r *leaseRec) bool { return !p.index.holds(r) })
	}
	return r
}

// opened returns the open lease of a key, nil if there is none.
func (p *leaseParser) opened(key string) *leaseRec {
	if r := p.open[key]; r != nil && p.index.holds(r) {
		return r
	}
	return nil
}

// named returns a copy of a name that does not keep the line that it stands in, one for
// all lines that have it.
func (p *leaseParser) named(name string) string {
	if known, ok := p.names[name]; ok {
		return known
	}
	if len(p.names) >= maxNames {
		clear(p.names)
	}
	name = strings.Clone(name)
	p.names[name] = name
	return name
}

func (p *leaseParser) seen(t time.Time) { p.index.reach(t.UnixMilli()) }

var leaseColumns = map[string]string{
	"ip": "ip", "address": "ip", "prefix": "ip", "framedipaddress": "ip", "publicip": "ip",
	"portlow": "low", "portfrom": "low", "portstart": "low", "porthigh": "high", "portto": "high", "portend": "high", "port": "port",
	"protocol": "proto", "proto": "proto",
	"from": "from", "start": "from", "starttime": "from", "acctstarttime": "from",
	"to": "to", "stop": "to", "end": "to", "endtime": "to", "acctstoptime": "to",
	"who": "who", "subscriber": "who", "user": "who", "username": "who", "account": "who", "privateip": "who", "mac": "who",
}

// csvLine takes one line: a record is never longer, so that a stray quote spoils one.
func (p *leaseParser) csvLine(line string) {
	line = strings.TrimPrefix(line, "\ufeff")
	if p.barren || strings.TrimSpace(line) == "" || line[0] == '#' {
		return
	}
	fields := strings.Split(line, ",")
	if strings.Contains(line, `"`) {
		cr := csv.NewReader(strings.NewReader(line))
		cr.TrimLeadingSpace = true
		var err error
		var syntax *csv.ParseError
		if fields, err = cr.Read(); errors.As(err, &syntax) {
			p.wrong(p.line, "", syntax.Err.Error(), "quote a field as a whole, or not at all")
			return
		}
	}
	if p.columns == nil {
		p.csvHeader(fields)
		return
	}
	values := map[string]string{}
	for i, f := range fields {
		if i < len(p.columns) && p.columns[i] != "" {
			values[p.columns[i]] = strings.TrimSpace(f)
		}
	}
	if l, ok := p.lease(values); ok {
		p.begin("", l, p.line)
	}
}

func (p *leaseParser) csvHeader(fields []string) {
	p.columns = make([]string, len(fields))
	for i, f := range fields {
		p.columns[i] = leaseColumns[columnName(f)]
	}
	if !slices.Contains(p.columns, "ip") || !slices.Contains(p.columns, "from") || !slices.Contains(p.columns, "who") {
		p.wrong(p.line, "", "the first line must name the columns ip, from and who", "ip,port_low,port_high,protocol,from,to,who")
		p.barren = true
	}
}

// lease makes a Lease of named values; the same names serve CSV columns and the groups
// of a syslog pattern.
func (p *leaseParser) lease(v map[string]string) (l Lease, ok bool) {
	line, before := p.line, p.bad
	prefix, err := parsePrefix(v["ip"])
	if err != nil {
		p.wrong(line, "ip", err.Error(), "write it like 192.0.2.1 or 2001:db8:1::/48")
	}
	l = Lease{Prefix: prefix, PortHigh: 65535, Protocol: strings.ToLower(v["proto"]), Subscriber: clean(v["who"])}
	if v["port"] != "" {
		v["low"], v["high"] = v["port"], v["port"]
	}
	if v["low"] != "" || v["high"] != "" {
		l.PortLow, l.PortHigh = p.port(line, v["low"]), p.port(line, v["high"])
	}
	if l.PortLow > l.PortHigh {
		p.wrong(line, "port", fmt.Sprintf("%d is above %d", l.PortLow, l.PortHigh), "")
	}
	switch {
	case l.Subscriber == "":
		p.wrong(line, "who", "missing", "")
	case len(l.Subscriber) > maxSubscriber:
		p.wrong(line, "who", fmt.Sprintf("%d bytes are too long", len(l.Subscriber)), "")
	}
	l.From = p.time(line, "from", v["from"])
	if v["to"] != "" {
		l.To = p.time(line, "to", v["to"])
	}
	if !l.To.IsZero() && l.To.Before(l.From) {
		p.wrong(line, "to", "is before from", "")
	}
	return l, p.bad == before
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
