package report

import (
	"strconv"
	"strings"
)

// Columns say which column of a table holds what; -1 stands for none.
type columns struct {
	ip, port, dstIP, dstPort, stamp, date, clock, end, kind, url, host, protocol, count, account, id, asn int
	// zone is what the head of the time column states.
	zone zone
	head string
	n    int
	// kinds remembers what the words of the kind's column mean.
	kinds map[string][2]string
}

// mapColumns finds the columns by the words of the head; sample is the first
// row, by whose values a column of addresses is known. ok is false where no
// column can hold the accused.
func mapColumns(names, sample []string) (columns, bool) {
	c := columns{ip: -1, port: -1, dstIP: -1, dstPort: -1, stamp: -1, date: -1, clock: -1, end: -1, kind: -1, url: -1, host: -1, protocol: -1, count: -1, account: -1, id: -1, asn: -1, n: len(names)}
	bestIP := 0
	for i, raw := range names {
		name := strings.ToLower(strings.Trim(strings.TrimSpace(raw), `"'*#|`))
		value := ""
		if i < len(sample) {
			value = strings.TrimSpace(sample[i])
		}
		if rank := addressColumn(name, value); rank > bestIP {
			c.ip, bestIP = i, rank
		}
		c.assign(i, name, value)
	}
	if c.port < 0 {
		c.port = portColumn(names)
		if c.dstIP >= 0 && c.dstPort < 0 { // beside a destination a lone port is what was reached
			c.port, c.dstPort = -1, c.port
		}
	}
	return c, c.ip >= 0
}

// addressColumn ranks a column as that of the accused; 0 means it cannot be.
func addressColumn(name, value string) int {
	if value != "" {
		ip, ok := parseAddress(value)
		if !ok || !ip.IsValid() || len(value) > 64 {
			return 0
		}
	}
	is := phraseBearing(name)
	switch {
	case is == target && value != "" && isController(firstWord(strings.ReplaceAll(name, "_", " "))):
		return 1 // a table of controllers; of their victims there would be a better column
	case is == target || is == reference:
		return 0
	case strings.Contains(name, "external_ip") || strings.Contains(name, "network_address"):
		return 1
	case is == source:
		return 4
	case name == "ip" || name == "ip address" || name == "ip_address" || name == "ipaddress" || name == "ip-address" || name == "ipv4" || name == "ip-adresse":
		return 5
	case is == generic || is == from || strings.Contains(name, "ip"):
		return 3
	case value != "" && name != "":
		return 1
	}
	return 0
}

// phraseBearing takes the first telling word of a column's name.
func phraseBearing(name string) bearing {
	found := neutral
	for _, w := range strings.FieldsFunc(name, func(r rune) bool { return r < 0x80 && (isGap(byte(r)) || r == '_' || r == '-' || r == '.') }) {
		switch is := bearingOf(w); is {
		case source, target, reference:
			if w != "located" && w != "network" && w != "reported" && w != "location" {
				return is
			}
		case from, generic:
			if found == neutral {
				found = is
			}
		}
	}
	if found == neutral || found == generic {
		if is := bearingOf(name); is == source || is == target {
			return is
		}
		if isASCII(name) {
			return found
		}
		for _, b := range cjkBearings {
			if strings.Contains(name, b.word) && (b.is == source || b.is == target) {
				return b.is
			}
		}
	}
	return found
}

// assign takes what else a column can be.
func (c *columns) assign(i int, name, value string) {
	set := func(field *int) {
		if *field < 0 {
			*field = i
		}
	}
	is := phraseBearing(name)
	switch {
	case name == "":
	case strings.Contains(name, "port") && is == target, name == "dport", name == "dstpt", name == "dst port", name == "cc_port", name == "s-port", name == "service" && portCell(value) != 0:
		set(&c.dstPort)
	case strings.Contains(name, "port") && is == source, name == "sport":
		set(&c.port)
	case is == target && (strings.Contains(name, "ip") || strings.Contains(name, "addr") || name == "dst" || name == "destination" || name == "target") || name == "cc":
		set(&c.dstIP)
	case strings.HasSuffix(name, "_date") && !strings.Contains(name, "event"), strings.Contains(name, "expiration"), strings.Contains(name, "http_date"), name == "time" && strings.Contains(value, " "):
		if name == "time" {
			c.setStamp(i, name, value)
		}
	case isTimeColumn(name):
		c.setStamp(i, name, value)
	case name == "url" || name == "uri" || strings.HasSuffix(name, "_url") && name != "dst_url" || name == "infected url" || name == "phishing url":
		set(&c.url)
	case name == "hostname" || name == "domain" || name == "host" || name == "fqdn" || name == "src_hostname" || name == "dns" || name == "rdns":
		set(&c.host)
	case strings.HasPrefix(name, "proto"):
		set(&c.protocol)
	case name == "count" || name == "hits" || name == "attempts" || name == "events" || name == "occurrences" || name == "total":
		set(&c.count)
	case name == "infection" || name == "malware" || name == "report_type" || name == "type" || name == "virusname" || name == "category" || name == "reason" || name == "tag" || name == "attack" || name == "event type" || name == "event" || name == "attack type" || name == "classification" || name == "taxonomy" || name == "family" || name == "abuse type":
		set(&c.kind)
	case name == "account" || name == "username" || name == "user" || name == "login":
		set(&c.account)
	case name == "report_id" || name == "id" || name == "incident_id" || name == "event_id" || name == "ticket":
		set(&c.id)
	case name == "asn":
		set(&c.asn)
	}
}

func isTimeColumn(name string) bool {
	if name == "ts" {
		return true
	}
	for _, w := range [...]string{"timestamp", "time", "date", "first_seen", "firstseen", "first seen", "last_seen", "last seen", "lastseen", "datum", "zeit", "uhrzeit", "fecha", "hora", "heure", "tijd", "時間", "时间", "日期", "日時", "дата", "время", "seen", "observed", "utc", "start", "end", "detected", "시간", "일시", "시각", "時刻", "时刻", "horodatage", "czas", "captured", "recorded", "created"} {
		if strings.Contains(name, w) {
			return !strings.Contains(name, "uptime") && !strings.Contains(name, "taken") && !strings.Contains(name, "systime") && !strings.Contains(name, "timezone") && !strings.Contains(name, "reftime") && !strings.Contains(name, "vendor") && !strings.Contains(name, "update") && !strings.Contains(name, "current_time")
		}
	}
	return false
}

// setStamp sorts whole times, days and clocks.
func (c *columns) setStamp(i int, name, value string) {
	if z, ok := headZone(name); ok {
		c.zone = z
	}
	if strings.Contains(name, "last") || strings.HasPrefix(name, "end") || strings.Contains(name, "_end") {
		if c.end < 0 {
			c.end = i
			return
		}
	}
	st := findStamps(value, 1)
	switch {
	case len(st) > 0 && st[0].clock:
		if c.stamp < 0 {
			c.stamp = i
		}
	case len(st) > 0:
		if c.date < 0 {
			c.date = i
		}
	case strings.Contains(value, ":") && c.clock < 0:
		c.clock = i
	case c.stamp < 0 && strings.Contains(name, "time") && value != "":
		c.stamp = i
	}
}

// portColumn takes a lone "port": of the accused, as the address is.
func portColumn(names []string) int {
	for i, n := range names {
		switch strings.ToLower(strings.Trim(strings.TrimSpace(n), `"'`)) {
		case "port", "tcp_port", "portnumber", "port number":
			return i
		}
	}
	return -1
}

func cell(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(row[i]), `"`))
}

// report makes a report of one row; ok is false where it names no address.
func (c *columns) report(d *document, row []string) (Report, bool) {
	ip, ok := parseAddress(cell(row, c.ip))
	if !ok || !ip.IsValid() || ip.IsUnspecified() {
		return Report{}, false
	}
	r := Report{IP: ip, Count: 1, Confidence: High, Role: Sender, Step: Structure, Why: "column " + strconv.Quote(c.head)}
	r.Port, r.DstPort = portCell(cell(row, c.port)), portCell(cell(row, c.dstPort))
	if r.Port == 0 {
		r.Port = portJoined(cell(row, c.ip))
	}
	r.Destination = cell(row, c.dstIP)
	if r.DstPort == 0 {
		if p := portJoined(r.Destination); p != 0 {
			r.DstPort = p
			if far, ok := parseAddress(r.Destination); ok {
				r.Destination = far.String()
			}
		}
	}
	r.Protocol = strings.ToLower(cell(row, c.protocol))
	r.Subject.Account = cell(row, c.account)
	r.ReportID = cell(row, c.id)
	if n, err := strconv.Atoi(cell(row, c.count)); err == nil && n > 0 {
		r.Count = n
	}
	if u := urlOnly(cell(row, c.url)); u != "" {
		r.URLs = []string{u}
	}
	if h := domainOnly(cell(row, c.host)); h != "" {
		r.Domains = []string{h}
	}
	c.times(d, &r, row)
	if k := cell(row, c.kind); k != "" {
		r.Category, r.Type = c.kindOf(k)
		r.Subject.Title = k
	}
	return r, true
}

// portCell reads a port, also "22/tcp" and "23(TELNET)", but not an address that
// slipped into the column.
func portCell(s string) uint16 {
	n, end := number(s, 0, 65535, 0)
	if end < len(s) && (s[end] == '.' || isAlnum(s[end])) {
		return 0
	}
	return n
}

// portJoined reads the port of an "address:port".
func portJoined(s string) uint16 {
	if !strings.Contains(s, ":") {
		return 0
	}
	h := findAddresses(s)
	if len(h) != 1 {
		return 0
	}
	return h[0].port
}

// maxKinds bounds the words that a table's kinds are remembered by.
const maxKinds = 1000

func (c *columns) kindOf(word string) (category, typ string) {
	if k, ok := c.kinds[word]; ok {
		return k[0], k[1]
	}
	category, typ = kindOfText(word)
	if c.kinds == nil {
		c.kinds = map[string][2]string{}
	}
	if len(c.kinds) < maxKinds {
		c.kinds[word] = [2]string{category, typ}
	}
	return category, typ
}

func (c *columns) times(d *document, r *Report, row []string) {
	st, ok := stampOf(cell(row, c.stamp))
	if !ok && c.date >= 0 {
		st, ok = stampOf(strings.TrimSpace(cell(row, c.date) + " " + cell(row, c.clock)))
	}
	if !ok && c.end >= 0 {
		st, ok = stampOf(cell(row, c.end))
	} else if end, found := stampOf(cell(row, c.end)); found && ok {
		defer d.setEnd(r, c.inZone(end))
	}
	if ok {
		d.setTime(r, c.inZone(st))
	}
}

// inZone gives a time without a zone the one of its column.
func (c *columns) inZone(st stamp) stamp {
	if st.zone.name == "" && c.zone.name != "" {
		st.zone = c.zone
	}
	return st
}

// headZone reads the zone in the name of a column: "Time (KST)", "start_utc", "Zeit [GMT+2]".
func headZone(name string) (zone, bool) {
	if i := strings.LastIndexAny(name, "(["); i >= 0 {
		if z, ok := zoneNear(strings.ToUpper(name), i+1); ok && z.known {
			return z, true
		}
	}
	if strings.Contains(name, "utc") || strings.Contains(name, "gmt") {
		return zone{known: true, name: "UTC"}, true
	}
	for _, p := range placeZones {
		if len(p.words) > len("мск") && strings.Contains(name, p.words) {
			return zone{known: true, name: p.place}, true
		}
	}
	return zone{}, false
}
