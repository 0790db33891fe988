package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bounds of a RADIUS record.
const (
	maxAttrs    = 200
	maxAttrText = 4 << 10
)

// radiusLine takes one line of a detail file as FreeRADIUS writes it: records of a line with a
// time, indented attributes (RFC 2866) and an empty line.
func (p *leaseParser) radiusLine(line string) {
	text := strings.TrimSpace(line)
	name, value, isAttr := strings.Cut(text+" ", " = ")
	switch {
	case text == "":
		p.radiusRecord()
	case len(p.attrs) >= maxAttrs || len(text) > maxAttrText:
	case isAttr:
		_, twice := p.attrs[name]
		p.mixed = p.mixed || twice && slices.Contains(radiusOnce, name)
		p.attrs[strings.Clone(name)] = strings.Clone(strings.Trim(strings.TrimSpace(value), `"`))
	case len(p.attrs) > 1 && (line[0] == ' ' || line[0] == '\t'):
		p.mixed = true
	default:
		if len(p.attrs) > 1 {
			p.mixed = true
			p.radiusRecord()
		}
		p.head = p.line
		p.attrs["Record-Time"] = strings.Clone(text)
	}
}

// radiusOnce are the attributes that no record has twice (RFC 2866 §5.13): where one does,
// a record without end runs into the next.
var radiusOnce = []string{"Acct-Status-Type", "Acct-Session-Id", "User-Name", "Framed-IP-Address"}

// radiusRecord uses the accounting record that was read: Start begins a session, Interim-Update
// says that it still is, Stop ends it, Accounting-On and -Off end all of their NAS.
func (p *leaseParser) radiusRecord() {
	a := p.attrs
	defer func() { p.head, p.mixed = 0, false; clear(a) }()
	if p.mixed { // one's subscriber must not be named for another's address
		p.wrong(p.head, "", "the record has no end, or runs into another", "an empty line after each record")
		return
	}
	status := a["Acct-Status-Type"]
	if status == "" {
		return
	}
	at, ok := p.radiusTime(a)
	if !ok {
		p.wrong(p.head, "Event-Timestamp", "the record has no time that can be read", "set time_format")
		return
	}
	p.seen(at)
	nas := a["NAS-IP-Address"] + a["NAS-IPv6-Address"] + a["NAS-Identifier"]
	if status == "Accounting-On" || status == "Accounting-Off" {
		for key, r := range p.open {
			if strings.HasPrefix(key, nas+" ") {
				p.end(key, r, at)
			}
		}
		return
	}
	for _, prefix := range radiusPrefixes(a) {
		p.radiusSession(nas+" "+a["Acct-Session-Id"]+" "+prefix.String(), prefix, status, at)
	}
}

// end closes a lease; one that would end before it began ends as it begins.
func (p *leaseParser) end(key string, r *leaseRec, at time.Time) {
	p.index.change(r, max(at.UnixMilli(), r.from))
	delete(p.open, key)
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

func (p *leaseParser) radiusSession(key string, prefix netip.Prefix, status string, at time.Time) {
	r := p.opened(key)
	if r == nil {
		who := clean(p.attrs["User-Name"])
		if who == "" {
			who = clean(p.attrs["Calling-Station-Id"])
		}
		if who == "" || len(who) > maxSubscriber {
			p.wrong(p.head, "User-Name", "the record names no subscriber", "")
			return
		}
		from := at
		if seconds, err := time.ParseDuration(p.attrs["Acct-Session-Time"] + "s"); err == nil && status != "Start" {
			from = at.Add(-seconds) // the start was not logged, but the record says how long ago it was
		}
		r = p.begin(key, Lease{Prefix: prefix, PortHigh: 65535, From: from, Subscriber: who}, p.head)
	}
	if status == "Stop" {
		p.end(key, r, at)
	}
}

// endWord matches what logs call the end of a lease: "DHCPRELEASE", "PORT_BLOCK_FREE",
// "deassigned", "Teardown", but not "extended".
const endWord = `(?i)stop|(^|[^a-z])end|release|free|delet|expir|remov|clos|declin|deassign|unassign|dealloc|unmap|teardown|terminat|disconnect|logout|log(ged)?[ _-]?off`

// syslogLine takes a line that matches the configured pattern. Its named groups are ip, time
// and who, and where there are any low, high, port, proto and event.
func (p *leaseParser) syslogLine(line string) {
	m := p.pattern.FindStringSubmatch(line)
	if m == nil {
		return
	}
	values := map[string]string{}
	for i, name := range p.pattern.SubexpNames() {
		if name != "" && m[i] != "" {
			values[name] = m[i]
		}
	}
	values["from"] = values["time"]
	if l, ok := p.lease(values); ok {
		p.logged(l, p.ends.MatchString(values["event"]))
	}
}

// logged takes a line of a log: the begin, the renewal or the end of a lease.
func (p *leaseParser) logged(l Lease, end bool) {
	key := fmt.Sprint(l.Prefix, l.PortLow, l.PortHigh, l.Protocol, l.Subscriber)
	r, length := p.opened(key), p.config.Length.Std()
	switch {
	case end && r != nil:
		p.end(key, r, l.From)
	case end: // its begin is not in this log
	case length > 0 && r != nil && l.From.UnixMilli() >= r.from && l.From.UnixMilli() <= r.to:
		p.index.change(r, max(r.to, l.From.Add(length).UnixMilli())) // renewed: an end that is logged later ends it all
	case length > 0:
		l.To = l.From.Add(length)
		p.begin(key, l, p.line)
	case r == nil:
		p.begin(key, l, p.line)
	}
}
