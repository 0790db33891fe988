package report

import "strings"

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
	heading     bool // the sentence is a heading of few words: "Attacked host:"
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
	if isAttribution(t) {
		x.intro, x.heading = reading{}, false
		return
	}
	if cols := columnBearings(t); len(cols) > 0 {
		x.columns, x.quiet = cols, 0
	} else if x.quiet > 3 {
		x.columns = nil
	}
	in := introOf(t)
	if deeper := indentOf(text) > x.introIndent; deeper && x.intro.is == target && in.is == generic && in.weight == weightURL+1 {
		return // "root:" below "Users logging in through sshd:"
	}
	if x.heading && in.is == neutral && indentOf(text) > x.introIndent && valueOf(t) != "" {
		return // "Name: www1" below "Attacked host:"
	}
	x.intro, x.introIndent = in, indentOf(text)
	x.heading = strings.HasSuffix(t, ":") && strings.Count(t, " ") < 5
	if in.is == target && len(columnBearings(t)) == 0 {
		x.columns = nil // another list begins: "C2 nodes"
	}
}

// asked takes a question of the desk that a reply quotes: what stands below
// answers it. There the complainant's hosts are yours.
func (x *lineContext) asked(l *line) {
	t := strings.TrimSpace(l.text)
	if l.quoted == 0 || !strings.HasSuffix(t, "?") {
		return
	}
	low := " " + strings.ToLower(t)
	switch {
	case containsAny(low, []string{"source", "attack", "offend", "quell", "angreif", "origin", "origen"}):
		x.intro = reading{is: source, weight: weightProse, word: "asked for"}
	case containsAny(low, []string{" your", " ihr", " votre", " vos ", " su ", " seu", " vostr", " uw ", " ваш", "target", "destination", "victim", "ziel"}):
		x.intro = reading{is: target, weight: 60, word: "asked for"}
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
	for _, of := range [...]string{"scan of the following ", "scans of the following ", "scanning of the following ", "probes of the following ", "sweep of the following ", "scan of these ", "scan of our ", "scans of our "} {
		if strings.Contains(low, of) {
			return "scan of"
		}
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

// remotesSuffer tells texts that call the victims remote hosts, as those who
// write to the owner of the attacking one do.
func (d *document) remotesSuffer() bool {
	body := d.lowered().body
	for _, w := range [...]string{"against remote", "scanning remote", "access remote host", "attacking remote", "attacks on remote", "remote hosts on the internet", "connections to remote", "attack to remote"} {
		if strings.Contains(body, w) {
			return true
		}
	}
	return false
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
	if k == 0 && r.is == generic && r.label && x.heading && x.intro.is == target && indentOf(l.text) > x.introIndent && len(strings.Fields(l.text[:l.hits[0].start])) < 3 {
		return reading{is: target, weight: 78, word: x.intro.word} // "IPv4:" below "Attacked host:"
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
		if st := findStamps(l.text, 1); len(st) > 0 && (st[0].clock || r.weight == weightBare) || hasClock(l.text[:min(len(l.text), 16)]) {
			return reading{is: generic, weight: weightPlain - 4, word: "line with a time", log: true}
		}
	}
	return r
}
