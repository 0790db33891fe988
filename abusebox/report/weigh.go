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
	joinWrapped(w.lines)
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
			if (r.is == target && r.weight > 60 || r.is == reference) && !isAccusedController(s, r) {
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

// isAccusedController tells a subject that is about a botnet's server, and not
// about a host that talks to it.
func isAccusedController(subject string, r reading) bool {
	return r.is == target && isController(strings.TrimSuffix(r.word, "-server")) && !containsAnyFold(subject, contactWords)
}

// contactWords say that somebody talks to a botnet's server.
var contactWords = []string{"infect", "connect", "communic", "contact", "traffic", "beacon", "calling", "talk", "drone", "victim", "bot "}

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
			ctx.asked(l)
			continue
		}
		if by := complainantLabel(l.text); by != "" {
			for _, h := range l.hits {
				w.against(h, i, reading{is: target, weight: 90, word: by, label: true})
			}
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
			if (r.is == source && isScanLabel(l.text[:h.start], r) || r.is == generic && r.label && isScanSource(l.text[:h.start])) && w.d.scansForGood() {
				r.is = target // of open services the scanner is the one who tells
			}
			if r.is == source && strings.HasPrefix(r.word, "originip") && k > 0 && strings.HasPrefix(l.read()[0].word, "client") {
				r.is = target // the site's own server behind its delivery network
			}
			if r.is == source && r.word == "remote" && w.d.remotesSuffer() {
				r.is = target
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
		} else if rest := l.text[l.hits[len(l.hits)-1].full:]; strings.HasSuffix(t, ":") && strings.Contains(rest, ". ") {
			ctx.intro = introOf(strings.TrimSpace(rest[strings.LastIndex(rest, ". ")+2:])) // "Our net is x. Sources seen:"
		}
	}
}

// isScanFrom tells "scanning from", which of open services is the reporter's.
func isScanFrom(before string) bool {
	low := strings.ToLower(strings.TrimRight(before[max(0, len(before)-60):], " ["))
	if i := strings.LastIndexByte(low, ' '); strings.HasSuffix(low, "://") && i > 0 {
		low = low[:i] // "queried from tcp://x"
	}
	for _, w := range [...]string{"scanning from", "scanned from", "scans from", "scan from", "tested from", "scanned by"} {
		if strings.HasSuffix(low, w) {
			return true
		}
	}
	f := strings.Fields(low)
	n := len(f)
	return n >= 3 && (f[n-1] == "by" || f[n-1] == "from") && isDoing(f[n-2]) && (isScan(f[n-3]) || n >= 4 && isScan(f[n-4]))
}

// isScan tells words for looking at what hosts offer.
func isScan(w string) bool {
	for _, stem := range [...]string{"scan", "quer", "test", "check", "measure", "survey", "verif"} {
		if strings.HasPrefix(w, stem) {
			return true
		}
	}
	return false
}

// isDoing tells participles for a scan's being made.
func isDoing(w string) bool {
	switch w {
	case "done", "performed", "conducted", "run", "made", "launched", "executed", "carried", "out":
		return true
	}
	return false
}

// isScanSource tells "Scan IPs:", but not "Scanned IP:", which was found open.
func isScanSource(before string) bool {
	for _, w := range strings.FieldsFunc(strings.ToLower(before[max(0, len(before)-40):]), func(r rune) bool { return r < 0x80 && isGap(byte(r)) }) {
		switch w {
		case "scan", "scanning", "scanner", "scanners", "scanner's":
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
	if len(t) > 240 || strings.HasSuffix(t, ".") || strings.Contains(t, ": ") || strings.HasSuffix(t, ":") && !strings.Contains(t, "  ") {
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
			if strings.HasPrefix(word, "port") && role == i-1 && len(out) > 0 && !strings.Contains(words[i-1], "ip") && !strings.Contains(words[i-1], "addr") {
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
