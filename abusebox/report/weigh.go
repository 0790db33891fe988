package report

import (
	"strings"
)

// A weighed is one address of the text and everything that speaks for and
// against its being the accused.
type weighed struct {
	ip        addr
	forIt     reading // the best reading as source
	against   reading // the best reading as target or reference
	forN      int
	againstN  int
	inSubject bool
	logged    bool  // appears as source in a log line
	named     bool  // appears behind a label
	lines     []int // of the text, where it is not a target
	port      uint16
	inBody    bool
	// sourceFirst tells that the body names it as a source before as a target.
	sourceFirst bool
	order       int
	prefix      int // prefix length, -1 for a single address
}

// A weighing is the weighed addresses of a text, in the order of appearance.
type weighing struct {
	d     *document
	lines []line
	list  []*weighed
	byIP  map[addr]*weighed
	taken map[addr]bool // of the chosen, nil until chosen
	best  []*weighed
}

// weighing weighs subject and text, once.
func (d *document) weighing() *weighing {
	if d.weights != nil {
		return d.weights
	}
	w := &weighing{d: d, byIP: map[addr]*weighed{}}
	d.weights = w
	d.splitEnclosures()
	w.lines = d.bodyLines()
	w.subject()
	w.fields()
	w.body()
	return w
}

func (w *weighing) at(h hit) *weighed {
	c := w.byIP[h.ip]
	if c == nil {
		c = &weighed{ip: h.ip, order: len(w.list), prefix: h.bits}
		w.byIP[h.ip] = c
		w.list = append(w.list, c)
	}
	if h.bits < 0 {
		c.prefix = -1
	}
	return c
}

// subject weighs the subject, and those of forwarded mails in the text.
func (w *weighing) subject() {
	for _, s := range append([]string{w.d.subject}, w.d.innerSubjects...) {
		l := newLine(s)
		for k, h := range l.hits {
			r := l.read()[k]
			c := w.at(h)
			if r.is == target && r.weight > 60 || r.is == reference {
				c.against = stronger(c.against, r)
				c.againstN++
				continue
			}
			c.inSubject = true
			if r.weight < weightPlain {
				r.weight = weightPlain
			}
			r.word = "subject"
			c.forIt = stronger(c.forIt, r)
		}
	}
}

// accusingFields are header fields in which reporters state the accused.
var accusingFields = []string{"X-SpamCop-Sourceip", "X-Abuse-Source-IP", "X-Abuse-IP", "X-Offender-IP", "X-Offending-IP", "X-Reported-IP", "X-Attacker-IP"}

// fields takes header fields in which reporters state the accused.
func (w *weighing) fields() {
	for _, name := range accusingFields {
		f, ok := w.d.root.Header.Field(name)
		if !ok {
			continue
		}
		if ip, ok := parseAddress(f.Value()); ok {
			c := w.at(hit{ip: ip, bits: -1})
			c.named, c.forN = true, c.forN+1
			c.forIt = stronger(c.forIt, reading{is: source, weight: weightLabel, word: name, label: true})
		}
	}
}

func stronger(a, b reading) reading {
	if b.weight > a.weight {
		return b
	}
	return a
}

// body weighs every line of the text in the light of those before it.
func (w *weighing) body() {
	var ctx lineContext
	signed, closed := signatureAt(w.lines), closingAt(w.lines)
	for i := range w.lines {
		l := &w.lines[i]
		if l.spam || len(l.text) == 0 && len(l.hits) == 0 {
			ctx.blank()
			continue
		}
		if len(l.hits) == 0 {
			if ctx.isBelow(l.text) {
				continue
			}
			ctx.plain(l.text)
			continue
		}
		if ctx.inWhois(l.text) || isReferenceLine(l.text, l.hits) {
			for _, h := range l.hits {
				w.against(h, i, reading{is: reference, weight: 80, word: referenceLine})
			}
			continue
		}
		var prev reading
		var pair []reading
		if len(ctx.columns) == 0 {
			pair = pairInLog(l, w.d.opt.Ours)
		}
		for k, h := range l.hits {
			r := ctx.apply(l, k, l.read()[k])
			if pair != nil {
				r = pair[k]
			}
			if r.is == source && isScanLabel(l.text[:h.start], r) && w.d.scansForGood() {
				r.is = target // of open services the scanner is the one who tells
			}
			if (r.is == source || r.is == from) && !r.label && w.d.scansForGood() && isScanFrom(l.text[:h.start]) {
				r = reading{is: target, weight: 72, word: "scanning from"}
			}
			if signed > 0 && i > signed || closed > 0 && i > closed && (r.is == generic || r.is == neutral) {
				r = reading{is: r.is, weight: r.weight / 3, word: r.word}
			}
			if k > 0 && r.is != target && r.weight < prev.weight && onlySeparators(l.text[l.hits[k-1].full:h.start]) {
				r = prev
			}
			if k > 0 && r.is == neutral && prev.is == target && isEnumeration(l.text[l.hits[k-1].full:h.start]) {
				r = reading{is: target, weight: prev.weight - 10, word: prev.word}
			}
			if k > 0 && r.is == generic && (prev.is == source || prev.is == from) && h.ip != l.hits[k-1].ip && strings.Contains(l.text[l.hits[k-1].full:h.start], " (") && !strings.HasPrefix(l.text[h.full:], ") ") {
				r = reading{is: target, weight: 60, word: "in brackets behind the source"}
			}
			if (r.is == source || r.is == from) && !r.label && !r.log && stamped(l.text) {
				r.log, r.weight = true, max(r.weight, weightLog-5)
			}
			w.add(h, i, r)
			prev = r
		}
		ctx.after(l, prev)
		if t := strings.TrimSpace(l.text); strings.HasSuffix(t, ":") && (announces(t) || l.namesOnlyTargets() && introOf(t).is == source) {
			ctx.intro = introOf(t) // "these were blocked on 192.0.2.3:"
		}
	}
}

// isScanFrom tells "scanning from", which of open services is the reporter's.
func isScanFrom(before string) bool {
	low := strings.ToLower(strings.TrimRight(before, " ["))
	for _, w := range [...]string{"scanning from", "scanned from", "scans from", "scan from", "tested from"} {
		if strings.HasSuffix(low, w) {
			return true
		}
	}
	return false
}

// namesOnlyTargets tells whether all addresses of a line are destinations, and
// none stands at its end.
func (l *line) namesOnlyTargets() bool {
	for k := range l.hits {
		if l.read()[k].is != target || len(strings.TrimRight(l.text[l.hits[k].full:], " )].:")) < 4 {
			return false
		}
	}
	return true
}

// isScanLabel tells names for whoever scans: "Scanner:", "scan sources:".
func isScanLabel(before string, r reading) bool {
	return strings.HasPrefix(r.word, "scanner") || r.label && len(before) < 60 && containsFold(before, "scan")
}

// isEnumeration tells whether two addresses are parted like items of a list.
func isEnumeration(between string) bool {
	t := strings.TrimSpace(strings.TrimLeft(between, ")] "))
	return len(t) < 24 && (strings.HasPrefix(t, ",") || strings.HasPrefix(t, "and ") || strings.HasPrefix(t, "und ") || strings.HasPrefix(t, ";"))
}

// stamped tells whether a line begins like one of a log.
func stamped(t string) bool {
	st := findStamps(t[:min(len(t), 60)], 1)
	return len(st) == 1 && st[0].clock && st[0].start < 24 || hasClock(t[:min(len(t), 16)])
}

func (w *weighing) against(h hit, i int, r reading) {
	c := w.at(h)
	c.inBody = true
	c.against = stronger(c.against, r)
	c.againstN++
}

func (w *weighing) add(h hit, i int, r reading) {
	if r.is == target || r.is == reference {
		w.against(h, i, r)
		return
	}
	c := w.at(h)
	if !c.inBody {
		c.sourceFirst = true
	}
	c.inBody = true
	c.forN++
	c.forIt = stronger(c.forIt, r)
	c.logged = c.logged || r.log
	c.named = c.named || (r.label || r.acts) && r.weight >= weightProse
	if n := len(c.lines); n < 4096 && (n == 0 || c.lines[n-1] != i) {
		c.lines = append(c.lines, i)
	}
	if c.port == 0 {
		c.port = h.port
	}
}

// A lineContext is what earlier lines say about the next: the columns of a
// table's head, or the sentence before a list.
type lineContext struct {
	introIndent int // of the sentence before a list
	columns     []bearing
	intro       reading
	quiet       int  // lines without an address since the head
	age         int  // lines since the sentence
	indent      int  // of the last item of a list; 0 where none stands before
	open        bool // the line before belongs to a labelled list that may go on
	whois       bool // the line before belongs to a whois record
}

// isBelow tells a line without addresses that only says more about the item of
// a list above it: it is indented more deeply.
func (x *lineContext) isBelow(text string) bool {
	return x.indent > 0 && x.intro.is != neutral && indentOf(text) > x.indent
}

func indentOf(t string) int { return len(t) - len(strings.TrimLeft(t, " \t")) }

func (x *lineContext) blank() { x.quiet++; x.age++; x.open, x.whois = false, false }

// plain takes a line without addresses.
func (x *lineContext) plain(text string) {
	t := strings.TrimSpace(text)
	if t == "" || strings.Trim(t, "-=+*_|~# .") == "" {
		return
	}
	x.inWhois(t)
	x.quiet++
	x.age, x.indent, x.open = 0, 0, false
	if cols := columnBearings(t); len(cols) > 0 {
		x.columns, x.quiet = cols, 0
	} else if x.quiet > 3 {
		x.columns = nil
	}
	in := introOf(t)
	if deeper := indentOf(text) > x.introIndent; deeper && x.intro.is == target && in.is == generic && in.weight == weightURL+1 {
		return // "root:" below "Users logging in through sshd:"
	}
	x.intro, x.introIndent = in, indentOf(text)
	if in.is == target && len(columnBearings(t)) == 0 {
		x.columns = nil // another list begins: "C2 nodes"
	}
}

// inWhois tells whether a line belongs to a whois record: that begins with the
// range and goes on in lines "key: value".
func (x *lineContext) inWhois(text string) bool {
	t := strings.ToLower(strings.TrimLeft(text[:min(len(text), 40)], " \t>"))
	key, _, found := strings.Cut(t, ":")
	switch {
	case !found || strings.ContainsAny(key, " \t") || len(key) > 20:
		x.whois = false
	case key == "inetnum" || key == "netrange" || key == "inet6num" || key == "route" || key == "route6":
		x.whois = true
	}
	return x.whois
}

// introOf reads the line before a list. A short label is read like one; of a
// sentence any word counts that names the accused, then a general one, and only
// where there is neither one that names a victim.
func introOf(t string) reading {
	if r, ok := promptOf(t); ok {
		return r
	}
	t = strings.TrimLeft(strings.TrimRight(t, "。"), "0123456789.) ")
	colon := strings.HasSuffix(t, ":") || strings.HasSuffix(t, "：")
	if low := strings.ToLower(t); colon && (strings.Contains(low, "logging in through") || strings.Contains(low, "successful login") || strings.HasPrefix(low, "accepted")) {
		return reading{is: target, weight: 60, word: "logged in"}
	}
	if words := strings.Count(t, " "); colon && words < 5 || !colon && words < 3 {
		if r := wordsBefore(t + " "); r.is != neutral {
			return r
		}
	}
	if !colon && !announces(t) {
		return reading{}
	}
	if w := listsVictims(t); w != "" {
		return reading{is: target, weight: 64, word: w}
	}
	best := reading{}
	for _, w := range strings.FieldsFunc(strings.ToLower(t), func(r rune) bool { return r < 0x80 && isGap(byte(r)) || r == '.' }) {
		switch is := bearingOf(strings.Trim(w, "*-_")); {
		case is == source, is == from && !isJoining(w):
			return reading{is: source, weight: weightProse, word: w}
		case is == generic && best.is != generic:
			best = reading{is: is, weight: weightProse - 4, word: w}
		case is == target && best.is == neutral && !shortTo(w):
			best = reading{is: is, weight: 60, word: w}
		}
	}
	if best.is == neutral && (strings.ContainsAny(t, "：") || strings.Contains(strings.ToLower(t), "ip")) {
		if r, ok := cjkBefore(t); ok {
			return r
		}
	}
	return best
}

// promptOf reads a command that was pasted with its output: what it looked for
// in logs is accused, what it says of its own host is not.
func promptOf(t string) (reading, bool) {
	i := strings.IndexAny(t, "$#")
	if i < 0 || i+2 >= len(t) || t[i+1] != ' ' || i > 0 && !strings.ContainsAny(t[:i], "@~:]") {
		return reading{}, false
	}
	command := t[i+2:]
	for _, w := range [...]string{"hostname", "ifconfig", "ip a", "ip -", "ip r", "curl ifconfig", "route"} {
		if strings.HasPrefix(command, w) {
			return reading{is: target, weight: 60, word: w}, true
		}
	}
	for _, w := range [...]string{"grep", "awk", "lastb", "journalctl", "tail", "cat /var/log", "fail2ban-client", "netstat", "ss -", "zcat", "egrep", "sed"} {
		if strings.Contains(command, w) {
			return reading{is: source, weight: weightProse, word: w}, true
		}
	}
	return reading{}, false
}

// isJoining tells words that lead to an address and say nothing in a sentence.
func isJoining(w string) bool {
	switch strings.Trim(w, "*-_") {
	case "by", "from", "via", "do", "dos", "su", "z", "od", "van", "von", "vom", "aus", "durch", "uit", "door", "dal", "dalla", "с", "от", "из":
		return true
	}
	return false
}

// listsVictims tells a sentence that leads to the hosts that were reached: "it
// tried to get access to the following computers".
func listsVictims(t string) string {
	low := strings.ToLower(t)
	if i, j := strings.IndexByte(low, '('), strings.LastIndexByte(low, ')'); i > 0 && j > i {
		low = low[:i] + low[j+1:] // "machines of yours (they connect to our sinkhole)"
	}
	for _, to := range [...]string{" to the ", " to these ", " to our ", " to following ", " against the ", " against our ", " against these "} {
		i := strings.Index(low, to)
		if i < 0 {
			continue
		}
		before := low[max(0, i-24):i]
		for _, w := range [...]string{"access", "connect", "connected", "connecting", "connections", "connection", "login", "log in", "logins", "traffic", "packets", "requests", "queries", "attack", "attacks", "attacked"} {
			if strings.HasSuffix(before, w) {
				return w + strings.TrimRight(to, " ")
			}
		}
	}
	return ""
}

// announces tells whether a sentence without a colon leads to a list.
func announces(t string) bool {
	low := strings.ToLower(t)
	for _, w := range [...]string{"following", "below", "these", "list", "folgende", "suivant", "siguiente", "volgende", "seguint", "following hosts", "ci-dessous", "abajo", "onderstaande", "nachstehend", "следующ", "ниже", "以下", "下列"} {
		if strings.Contains(low, w) {
			return true
		}
	}
	return false
}

// after takes a line with addresses. Where a label leads to an address and
// nothing stands behind, the list may go on in the next line.
func (x *lineContext) after(l *line, last reading) {
	x.quiet, x.age, x.indent = 0, 0, indentOf(l.text)
	h := l.hits[len(l.hits)-1]
	switch {
	case strings.Trim(l.text[h.full:], " \t,;|") != "":
		x.open = false
	case last.label && last.weight >= weightPlain && (last.is == source || last.is == target):
		x.intro, x.open = last, true
	case !isBare(l.text[:l.hits[0].start]) || len(l.hits) > 1:
		x.open = false
	}
}

// apply corrects what the line itself says by what stood before it.
func (x *lineContext) apply(l *line, k int, r reading) reading {
	if k == 0 && r.is == generic && r.label && x.intro.is == target && ownWord(x.intro.word) != "" {
		return reading{is: target, weight: 78, word: x.intro.word} // "IPv4:" below "Our systems"
	}
	if r.weight > weightBare && r.is != neutral {
		return r
	}
	if len(x.columns) > 0 && k < len(x.columns) {
		switch is := x.columns[k]; is {
		case target:
			return reading{is: target, weight: 84, word: "column", log: true}
		case source, from:
			return reading{is: source, weight: weightLog, word: "column", log: true}
		case generic:
			return reading{is: generic, weight: weightPlain - 2, word: "column"}
		}
	}
	if x.open && r.weight == weightBare {
		return reading{is: x.intro.is, weight: x.intro.weight - 1, word: x.intro.word, label: true}
	}
	if r.weight == weightBare && k == 0 && x.age <= 2 && x.intro.is != neutral {
		in := x.intro
		switch in.is {
		case target, reference:
			return reading{is: in.is, weight: 60, word: in.word}
		default:
			return reading{is: in.is, weight: max(weightPlain-6, min(in.weight, weightPlain)), word: in.word, label: true}
		}
	}
	if l.namesOne() && r.is == neutral {
		if st := findStamps(l.text, 1); len(st) > 0 && st[0].clock || hasClock(l.text[:min(len(l.text), 16)]) {
			return reading{is: generic, weight: weightPlain - 4, word: "line with a time", log: true}
		}
	}
	return r
}

// namesOne tells whether a line names one address only, once or often.
func (l *line) namesOne() bool {
	for _, h := range l.hits[1:] {
		if h.ip != l.hits[0].ip {
			return false
		}
	}
	return true
}

// columnBearings reads the head of a table: the part of each column that can
// hold an address, in their order. It is nil where the line is no head.
func columnBearings(t string) []bearing {
	if len(t) > 240 || strings.HasSuffix(t, ".") || strings.HasSuffix(t, ":") && !strings.Contains(t, "  ") {
		return nil
	}
	words := strings.FieldsFunc(strings.ToLower(t), func(r rune) bool { return r < 0x80 && (isGap(byte(r)) || r == '#') })
	if len(words) < 2 || len(words) > 24 {
		return nil
	}
	var out []bearing
	last, role := -2, -2
	tableWord, telling := 0, 0
	for i, word := range words {
		is := bearingOf(strings.Trim(word, "*-_."))
		if is == neutral && word[0] >= 0x80 {
			r, plain := cjkBearing(word)
			if is = r.is; is == neutral && (plain || strings.Contains(word, "ip")) {
				is = generic
			}
		}
		switch {
		case isColumnWord(word):
			tableWord++
			if strings.HasPrefix(word, "port") && role == i-1 && len(out) > 0 {
				out = out[:len(out)-1] // "Source Port" holds no address
			}
		case is == source || is == target:
			if last == i-1 && len(out) > 0 && out[len(out)-1] == generic {
				out[len(out)-1] = is
			} else {
				out = append(out, is)
			}
			last, role = i, i
			telling++
		case is == generic:
			if last != i-1 {
				out = append(out, is)
				telling++
			}
			last = i
		}
	}
	if telling == 0 || tableWord == 0 && telling < 2 || telling+tableWord < len(words)/3 {
		return nil
	}
	return out
}

// isColumnWord knows words that head columns and seldom stand in sentences together.
func isColumnWord(w string) bool {
	switch strings.Trim(w, "*-_.") {
	case "date", "time", "timestamp", "port", "ports", "proto", "protocol", "count", "hits", "url", "type", "reason", "datum", "zeit", "uhrzeit", "fecha", "hora", "utc", "gmt", "flags", "bytes", "packets", "event", "virusname", "domain", "attempts", "asn", "country", "service", "id", "duration", "sport", "dport", "srcport", "dstport", "start", "end", "first", "last", "event_date", "signature", "attack", "rule", "severity",
		"data", "dia", "heure", "ora", "tijd", "tijdstip", "poort", "porta", "puerto", "anzahl", "versuche", "intentos", "дата", "время", "порт", "количество", "протокол",
		"時間", "时间", "日期", "日時", "時刻", "次數", "次数", "編號", "编号", "件數", "回数", "件数", "協定", "协议", "端口", "埠", "ポート":
		return true
	}
	return false
}

// referenceLine is the word of addresses in lines that only explain.
const referenceLine = "reference"

// isReferenceLine knows lines that explain and never accuse: whois answers,
// traceroutes, nslookups.
func isReferenceLine(t string, hits []hit) bool {
	low := strings.ToLower(strings.TrimLeft(t[:min(len(t), 40)], " \t*#%"))
	for _, p := range [...]string{"inetnum", "netrange", "cidr:", "route:", "route6:", "inet6num", "nserver", "nameserver", "server:\t", "name server", "% information related", ";; server", "network:ip-network", "traceroute to", "tracing route", "nameservers", "range:", "subnet:", "netblock:", "network range", "targeted range"} {
		if strings.HasPrefix(low, p) {
			_, _, acts := actAfter(t[hits[len(hits)-1].full:])
			return !acts // "Range: 192.0.2.0/24 is sending spam" accuses
		}
	}
	if strings.HasPrefix(low, "sent with ") || strings.HasPrefix(low, "sent via ") || strings.HasPrefix(low, "sent from my ") || strings.HasPrefix(low, "sent using ") {
		return true // the mail program of the complainant
	}
	if hits[0].port == 53 && t[hits[0].end] == '#' && strings.HasPrefix(low, "address") {
		return true // nslookup names its server
	}
	if len(hits) == 2 && hits[0].end+5 >= hits[1].start && strings.Trim(t[hits[0].full:hits[1].start], " ") == "-" {
		return true // a range of addresses
	}
	return isTraceHop(t, hits) || isSession(t, hits)
}

// isSession knows what telnet and its like say while they connect.
func isSession(t string, hits []hit) bool {
	low := strings.ToLower(strings.TrimSpace(t[:hits[0].start]))
	rest := strings.TrimSpace(t[hits[len(hits)-1].full:])
	switch strings.TrimRight(low, " (") {
	case "trying":
		return strings.HasPrefix(rest, "...")
	case "connected to", "* connected to":
		return rest == "." || rest == "" || strings.HasPrefix(rest, "(") && len(rest) < 60
	}
	return false
}

// isTraceHop knows "5  host (192.0.2.7)  1.2 ms".
func isTraceHop(t string, hits []hit) bool {
	s := strings.TrimLeft(t, " \t")
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == 0 || n > 2 || n >= len(s) || s[n] != ' ' && s[n] != '\t' && s[n] != '.' && s[n] != '|' && s[n] != ':' {
		return false
	}
	if strings.Contains(s, " ms") {
		return !strings.Contains(s, "bytes from")
	}
	h := hits[0]
	return h.start > 0 && t[h.start-1] == '(' && strings.HasPrefix(t[h.full:], ")") && strings.TrimSpace(t[h.full+1:]) == ""
}
