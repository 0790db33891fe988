package registry

import (
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// readRadius reads a detail file as FreeRADIUS writes it: records of a line with a time,
// indented attributes (RFC 2866) and an empty line.
func (p *leaseParser) readRadius(r io.Reader) {
	s := leaseScanner(r)
	attrs := map[string]string{}
	head, n := 0, 0
	for s.Scan() {
		n++
		text := s.Text()
		switch name, value, isAttr := strings.Cut(strings.TrimSpace(text), " = "); {
		case strings.TrimSpace(text) == "":
			p.radiusRecord(head, attrs)
			clear(attrs)
			head = 0
		case isAttr && len(attrs) < 200:
			attrs[name] = strings.Trim(value, `"`)
		case !isAttr:
			head = n
			attrs["Record-Time"] = strings.TrimSpace(text)
		}
	}
	p.radiusRecord(head, attrs)
	if err := s.Err(); err != nil {
		p.wrong(n+1, "", err.Error(), "")
	}
}

// radiusRecord uses one accounting record: Start begins a session, Interim-Update says
// that it still is, Stop ends it, Accounting-On and -Off end all of their NAS.
func (p *leaseParser) radiusRecord(line int, a map[string]string) {
	status := a["Acct-Status-Type"]
	if status == "" {
		return
	}
	at, ok := p.radiusTime(a)
	if !ok {
		p.wrong(line, "Event-Timestamp", "the record has no time that can be read", "set time_format")
		return
	}
	p.seen(at)
	nas := a["NAS-IP-Address"] + a["NAS-IPv6-Address"] + a["NAS-Identifier"]
	if status == "Accounting-On" || status == "Accounting-Off" {
		for key, i := range p.open {
			if strings.HasPrefix(key, nas+" ") {
				p.leases[i].To = at
				delete(p.open, key)
			}
		}
		return
	}
	for _, prefix := range radiusPrefixes(a) {
		p.radiusSession(line, nas+" "+a["Acct-Session-Id"]+" "+prefix.String(), prefix, status, at, a)
	}
}

func (p *leaseParser) radiusTime(a map[string]string) (time.Time, bool) {
	for _, name := range []string{"Event-Timestamp", "Timestamp", "Record-Time"} {
		if t, ok := p.parseTime(a[name]); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

func radiusPrefixes(a map[string]string) []netip.Prefix {
	var found []netip.Prefix
	for _, name := range []string{"Framed-IP-Address", "Framed-IPv6-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"} {
		if prefix, err := parsePrefix(a[name]); err == nil {
			found = append(found, prefix)
		}
	}
	return found
}

func (p *leaseParser) radiusSession(line int, key string, prefix netip.Prefix, status string, at time.Time, a map[string]string) {
	i, open := p.open[key]
	if !open {
		who := clean(a["User-Name"])
		if who == "" {
			who = clean(a["Calling-Station-Id"])
		}
		if who == "" {
			p.wrong(line, "User-Name", "the record names no subscriber", "")
			return
		}
		from := at
		if seconds, err := time.ParseDuration(a["Acct-Session-Time"] + "s"); err == nil && status != "Start" {
			from = at.Add(-seconds) // the start was not logged, but the record says how long ago it was
		}
		i = len(p.leases)
		p.leases = append(p.leases, Lease{Prefix: prefix, PortHigh: 65535, From: from, Subscriber: who,
			Source: fmt.Sprintf("%s:%d", p.file, line)})
		p.open[key] = i
	}
	if status == "Stop" {
		p.leases[i].To = at
		delete(p.open, key)
	}
}

// endWord matches what logs call the end of a lease.
const endWord = `(?i)stop|end|release|free|delet|expir|remov|close`

// readSyslog reads lines that match the configured pattern. Its named groups are ip,
// time and who, and where there are any low, high, port, proto and event.
func (p *leaseParser) readSyslog(r io.Reader) {
	re, err := regexp.Compile(p.config.Pattern)
	if err != nil {
		p.wrong(0, "pattern", err.Error(), "")
		return
	}
	ends := regexp.MustCompile(endWord)
	s := leaseScanner(r)
	n := 0
	for s.Scan() {
		n++
		m := re.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		values := map[string]string{}
		for i, name := range re.SubexpNames() {
			if name != "" && m[i] != "" {
				values[name] = m[i]
			}
		}
		values["from"] = values["time"]
		if l, ok := p.lease(n, values); ok {
			p.logged(l, ends.MatchString(values["event"]))
		}
	}
	if err := s.Err(); err != nil {
		p.wrong(n+1, "", err.Error(), "lines may be 256 KB long")
	}
}

// logged takes a line of a log: the begin, the renewal or the end of a lease.
func (p *leaseParser) logged(l Lease, end bool) {
	key := fmt.Sprint(l.Prefix, l.PortLow, l.PortHigh, l.Protocol, l.Subscriber)
	i, open := p.open[key]
	switch {
	case end && open:
		p.leases[i].To = l.From
		delete(p.open, key)
	case end: // its begin is not in this log
	case p.config.Length > 0:
		l.To = l.From.Add(p.config.Length.Std())
		p.leases = append(p.leases, l)
		p.open[key] = len(p.leases) - 1
	case !open:
		p.leases = append(p.leases, l)
		p.open[key] = len(p.leases) - 1
	}
}
