package report

import "strings"

// arrows reads "a -> b", "a > b", "a => b", "a to b" between addresses.
func arrows(before, after string, k int, h hit, hits []hit) (reading, bool) {
	if k+1 < len(hits) && strings.HasPrefix(pastBracket(after), "<-") {
		return reading{is: target, weight: weightLog + 1, word: "<-", log: true}, true
	}
	if k > 0 && strings.HasSuffix(strings.TrimRight(before, " \t-"), "<") && strings.HasSuffix(strings.TrimRight(before, " \t"), "-") {
		return reading{is: source, weight: weightLog + 1, word: "<-", log: true}, true
	}
	if strings.HasPrefix(after, "->/") {
		return reading{is: target, weight: weightLabel + 1, word: "host whose log it is", log: true}, true // OSSEC, Wazuh
	}
	a := strings.TrimLeft(after, " \t:)]")
	if arrowAt(a) && len(findNextAddress(hits, k)) > 0 {
		return reading{is: source, weight: weightLog + 1, word: "->", log: true}, true
	}
	if k == 0 {
		return resolvedTo(before)
	}
	b := strings.TrimRight(before, " \t(")
	for _, arrow := range [...]string{"->", "=>", "→", " >", "-&gt;", "»", "-->"} {
		if i := strings.LastIndex(b, strings.TrimSpace(arrow)); i >= 0 && len(b)-i < 40 && !strings.Contains(b[i:], "@") && (strings.HasSuffix(b, strings.TrimSpace(arrow)) || arrow != " >" && !strings.ContainsAny(b[i:], ",;")) {
			return reading{is: target, weight: weightLog + 1, word: "->", log: true}, true
		}
	}
	return reading{}, false
}

// resolvedTo reads the address behind "http://site/ ->".
func resolvedTo(before string) (reading, bool) {
	b := strings.TrimRight(before, " \t([")
	for _, arrow := range [...]string{"->", "=>", "→"} {
		site, ok := strings.CutSuffix(b, arrow)
		if site = strings.TrimSpace(site); !ok || strings.Count(site, " ") > 2 {
			continue
		}
		if strings.Contains(site, "://") {
			return reading{is: source, weight: weightProse + 10, word: "resolves"}, true
		}
		if host := strings.Trim(site, "-*• "); domainOnly(host) != "" && !strings.ContainsAny(host, " @:") {
			return reading{is: generic, weight: weightProse - 4, word: "resolves"}, true
		}
	}
	return reading{}, false
}

// pastBracket skips a note in brackets: "(upstream) <- x".
func pastBracket(after string) string {
	t := strings.TrimLeft(after, " \t")
	if i := strings.IndexByte(t, ')'); strings.HasPrefix(t, "(") && i > 0 && i < 60 {
		t = strings.TrimLeft(t[i+1:], " \t")
	}
	return t
}

func arrowAt(s string) bool {
	if strings.HasPrefix(s, ">") && len(s) > 1 && s[1] != ' ' && !isDigit(s[1]) {
		return false // the end of <user@192.0.2.7>
	}
	if strings.HasPrefix(s, "(") {
		if i := strings.IndexByte(s, ')'); i > 0 && i < 60 {
			s = strings.TrimLeft(s[i+1:], " ")
		}
	}
	if len(s) > 1 && (isDigit(s[0]) || s[0] == ',' && isDigit(s[1])) { // address port -> address port
		i := 1
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		s = strings.TrimLeft(s[i:], " ")
	}
	for _, arrow := range [...]string{"->", "=>", "→", ">", "-->", "»", "--->"} {
		if strings.HasPrefix(s, arrow) {
			return true
		}
	}
	return false
}

// logShape knows the places of log lines that no word marks.
func logShape(text string, h hit, k int) (reading, bool) {
	after := text[h.full:]
	if strings.HasSuffix(text[:h.start], "received=") {
		return reading{is: source, weight: weightLog, word: "received=", log: true}, true // RFC 3261 §18.2.1
	}
	if strings.HasPrefix(strings.TrimLeft(text, " \t"), "<<<") && strings.HasSuffix(strings.TrimRight(text[:h.start], " ["), "CONNECT") {
		return reading{is: source, weight: weightLog, word: "CONNECT", log: true}, true // a session as the server saw it
	}
	if r, ok := answerShape(text[:h.start]); ok {
		return r, true
	}
	if strings.HasPrefix(after, "] - - [") {
		return reading{is: source, weight: weightLog, word: "access log", log: true}, true // ingress-nginx
	}
	// Common log format: client ident user [time] (Apache, nginx).
	if strings.HasPrefix(after, " - ") {
		if i := strings.IndexByte(after, '['); i > 0 && i < 60 {
			return reading{is: source, weight: weightLog, word: "access log", log: true}, true
		}
	}
	if isForwardedFor(text, h) {
		return reading{is: source, weight: weightLog, word: "client behind a proxy", log: true}, true
	}
	if r, ok := mailLog(text[:h.start], after); ok {
		return r, true
	}
	if isLoginOf(text[:h.start]) {
		return reading{is: source, weight: weightLog, word: "login of user@", log: true}, true
	}
	if h.start > 0 && text[h.start-1] == '@' || h.start > 1 && text[h.start-2:h.start] == "@[" {
		if h.start > 1 && text[h.start-2] == '?' {
			return reading{is: source, weight: weightLog, word: "?@", log: true}, true // Pure-FTPd
		}
		return reading{is: neutral, weight: weightMention, word: "@"}, true
	}
	if k == 0 && startsWithEpoch(text[:h.start]) {
		return reading{is: source, weight: weightLog, word: "proxy log", log: true}, true
	}
	if head := strings.TrimRight(text[:h.start], "'\"<[ "); strings.HasSuffix(head, "failed for") || strings.HasSuffix(head, "authenticate for") || strings.HasSuffix(head, "failed to authenticate") || strings.HasSuffix(head, "pg_hba.conf entry for host") {
		return reading{is: source, weight: weightLog, word: "failed for", log: true}, true
	}
	if strings.HasPrefix(after, ", ") && k == 0 && strings.Contains(after[:min(len(after), 60)], " - - [") {
		return reading{is: source, weight: weightLog, word: "access log", log: true}, true
	}
	return reading{}, false
}

// isForwardedFor tells the last quoted field of an access log, which holds
// X-Forwarded-For where the client that the server saw is a proxy of its own.
func isForwardedFor(text string, h hit) bool {
	if h.start == 0 || text[h.start-1] != '"' || !strings.Contains(text[:h.start], "] \"") {
		return false
	}
	if rest := strings.TrimSpace(text[h.full:]); !strings.HasPrefix(rest, `"`) && !strings.HasPrefix(rest, ",") {
		return false
	}
	proxy, ok := parseAddress(strings.Trim(firstWord(strings.TrimLeft(text, " \t")), ","))
	return ok && !public(proxy)
}

// mailLog knows the places of mail servers' log lines: Exim's peer behind H= and
// the host that a delivery went to behind relay=.
func mailLog(before, after string) (reading, bool) {
	tail := before[max(0, len(before)-120):]
	if i := strings.LastIndex(tail, "relay="); i >= 0 && strings.Count(tail[i:], " ") < 2 && !strings.Contains(tail[i:], ",") && strings.Contains(before, "to=<") && !strings.Contains(before, "from=<") {
		return reading{is: target, weight: weightLog, word: "relay= of a delivery", log: true}, true
	}
	if i := strings.LastIndex(tail, "H="); i >= 0 && (i == 0 || tail[i-1] == ' ') && strings.HasSuffix(tail, "[") && strings.HasPrefix(after, "]") && !strings.Contains(tail[i:], "I=") {
		if strings.Contains(before, " => ") || strings.Contains(before, " -> ") || strings.Contains(before, " == ") || strings.Contains(before, " ** ") {
			return reading{is: target, weight: weightLog, word: "H= of a delivery", log: true}, true
		}
		return reading{is: source, weight: weightLog, word: "H=", log: true}, true
	}
	return reading{}, false
}

// isLoginOf tells "Cannot login user root@x" and "Access denied for user
// 'root'@'x'", where the host behind the account is whence somebody came.
func isLoginOf(before string) bool {
	at := strings.TrimRight(before, "'\"`[")
	if !strings.HasSuffix(at, "@") {
		return false
	}
	at = strings.TrimRight(at[:len(at)-1], "'\"`")
	account := strings.LastIndexAny(at, " \t'\"`")
	if account < 0 || account+1 >= len(at) {
		return false
	}
	words := strings.Fields(strings.ToLower(strings.TrimRight(at[:account], " \t'\"`")))
	if len(words) == 0 || words[len(words)-1] != "user" {
		return false
	}
	for _, w := range words[max(0, len(words)-6):] {
		switch strings.Trim(w, ".,:[]()") {
		case "login", "denied", "rejected", "failed", "invalid", "authenticate", "refused", "logon":
			return true
		}
	}
	return false
}

// answerShape reads an answer of the DNS: "site.example. 300 IN A x".
func answerShape(before string) (reading, bool) {
	f := strings.Fields(before[max(0, len(before)-200):])
	n := len(f)
	if n < 3 || f[n-1] != "A" && f[n-1] != "AAAA" && f[n-1] != "address" {
		return reading{}, false
	}
	if f[n-2] != "IN" && f[n-2] != "in" && f[n-2] != "has" && f[n-2] != "IPv6" {
		return reading{}, false
	}
	if name := strings.ToLower(f[0]); len(name) > 3 && (strings.HasPrefix(name, "ns") && (name[2] == '.' || isDigit(name[2])) || strings.HasPrefix(name, "dns")) {
		return reading{is: reference, weight: 60, word: "name server"}, true
	}
	return reading{is: generic, weight: weightProse - 4, word: "DNS answer"}, true
}

// startsWithEpoch knows Squid's "1790842440.123    100 " before the client.
func startsWithEpoch(before string) bool {
	t := strings.TrimSpace(before)
	return len(t) > 10 && len(t) < 32 && strings.Trim(t, "0123456789. ") == "" && strings.IndexByte(t, '.') == 10
}

// pairOfPorts reads "192.0.2.7:4000 198.51.100.7:22" of firewalls: first the
// source, then the destination.
func pairOfPorts(text string, hits []hit, k int) (reading, bool) {
	if len(hits) != 2 || hits[0].port == 0 || hits[1].port == 0 || strings.Trim(text[hits[0].full:hits[1].start], " \t,;|-") != "" {
		return reading{}, false
	}
	client := 0
	if isServicePort(hits[0].port) && hits[1].port >= 1024 && !isServicePort(hits[1].port) {
		client = 1 // mail servers write themselves first
	}
	if k == client {
		return reading{is: source, weight: weightLog - 5, word: "address:port pair", log: true}, true
	}
	return reading{is: target, weight: weightLog - 5, word: "address:port pair", log: true}, true
}

// isServicePort knows ports of services over TCP, from which nothing is reflected.
func isServicePort(port uint16) bool {
	switch port {
	case 21, 22, 23, 25, 80, 110, 143, 443, 465, 587, 993, 995, 3306, 3389, 8080, 8443:
		return true
	}
	return false
}
