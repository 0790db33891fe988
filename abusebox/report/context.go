package report

import (
	"strings"
	"unicode/utf8"
)

// A reading is what the surroundings of one occurrence say about the address.
type reading struct {
	is     bearing
	weight int
	word   string // the word that decided
	label  bool   // it stood as "label: address"
	log    bool   // it stood in a log line
	acts   bool   // it is the subject of a sentence about what it does
	own    bool   // words behind it make it the complainant's
}

// The weights of readings. They only have to be ordered well.
const (
	weightLabel   = 95 // "Source IP: x"
	weightLog     = 85 // a log line's client
	weightPlain   = 72 // "IP address: x"
	weightProse   = 62 // "from x", "your x"
	weightVerb    = 66 // "x has attacked"
	weightBare    = 42 // x alone in a line
	weightMention = 25 // x somewhere
	weightURL     = 48 // http://x/
)

// read weighs the addresses of a line, once. An address that only a separator
// parts from the one before it shares its part.
func (l *line) read() []reading {
	if len(l.readings) == len(l.hits) {
		return l.readings
	}
	l.readings = make([]reading, len(l.hits))
	text, hits := l.sentence()
	for k, h := range l.hits {
		r := readAround(text, hits, k)
		if k > 0 && r.word == "" && onlySeparators(l.text[l.hits[k-1].full:h.start]) {
			r = l.readings[k-1]
			r.weight--
		}
		l.readings[k] = r
	}
	for k := len(l.hits) - 2; k >= 0; k-- { // "x and y (our customers)"
		if next := l.readings[k+1]; next.own && l.readings[k].is != source && !l.readings[k].log && onlySeparators(l.text[l.hits[k].full:l.hits[k+1].start]) {
			l.readings[k] = next
		}
	}
	for k := len(l.hits) - 2; k >= 0; k-- { // "x and y are attacking us"
		between := l.text[l.hits[k].full:l.hits[k+1].start]
		if next := l.readings[k+1]; next.acts && !l.readings[k].label && (onlySeparators(between) || isSpan(between) && near(l.hits[k].ip, l.hits[k+1].ip)) {
			l.readings[k] = next
		}
	}
	return l.readings
}

// readAround weighs hit k of a line.
func readAround(text string, hits []hit, k int) reading {
	h := hits[k]
	if h.version {
		return reading{is: reference, weight: 90, word: "version"}
	}
	before := text[:h.start]
	after := text[h.full:]
	if k > 0 {
		before = text[hits[k-1].full:h.start]
	}
	if r, ok := arrows(before, after, k, h, hits); ok {
		return r
	}
	if r, ok := logShape(text, h, k); ok {
		return r
	}
	if r, ok := pairOfPorts(text, hits, k); ok {
		return r
	}
	if isAuthored(before) {
		return reading{is: reference, weight: 76, word: ownWork}
	}
	if isThanked(before, after) {
		return reading{is: reference, weight: 88, word: "thanks"}
	}
	r := wordsBefore(before)
	if k == 0 && r.is != target && isAbout(before, after) {
		return reading{is: source, weight: 82, word: "heading", label: true} // "Attack summary for x:"
	}
	if site, ok := siteOf(before); ok && r.is == neutral {
		if r = wordsBefore(site); r.is != target && r.is != reference {
			r = reading{is: generic, weight: weightProse - 2, word: "address of the URL"}
		}
	}
	if w := ownAfter(after, r.is == from); w != "" && r.is != source {
		return reading{is: target, weight: 82, word: w, label: r.label, own: true}
	}
	if isElsewhere(after) {
		return reading{is: target, weight: weightLabel + 1, word: "another provider's"}
	}
	if w, ok := partAfter(after); ok {
		return reading{is: source, weight: 82, word: w, label: true}
	}
	if v, plain, ok := actAfter(after); ok && !r.label && (v.is == target && r.is != source || plain && (r.is != target || r.weight <= 80 && isActing(v.word))) {
		v.weight = max(v.weight, 84)
		return v
	}
	if k > 0 && r.is == from && r.word == "by" && !strings.Contains(before, "ed by") && !strings.Contains(before, "sent by") && strings.Contains(strings.ToLower(text[max(0, hits[k-1].start-40):hits[k-1].start]), "from") {
		return reading{is: target, weight: 70, word: "by"} // from a by b
	}
	if r.is == from && r.word == "by" && len(hits) > k+1 && strings.HasPrefix(strings.TrimLeft(after, " )]"), "from ") {
		return reading{is: target, weight: 72, word: "by … from"} // received by x from y
	}
	if r.is == neutral || r.is == generic && !r.label {
		if w, ok := standsAfter(after); ok {
			return reading{is: from, weight: weightProse + 6, word: w}
		}
	}
	if r.is == neutral || r.is == generic && !r.label || r.is == from {
		if v, ok := verbAfter(after); ok {
			switch {
			case r.is == from && v.is == target && !r.label:
				return v
			case r.is == from && v.is == source:
				r.weight += 8 // "your host x has attacked"
			case r.is != from && v.weight > r.weight:
				return v
			}
		}
	}
	if k > 0 && r.is == generic && !r.label && len(before) < 60 && !strings.ContainsAny(before, ",;&") && !strings.Contains(before, " and ") {
		if v, ok := verbAfter(before); ok && v.is == source && !strings.Contains(before, " from ") {
			return reading{is: target, weight: 64, word: v.word + " " + r.word} // "x attacked host y"
		}
	}
	if h.inURL && k > 0 && isRequested(before) {
		return reading{is: target, weight: 66, word: "requested"}
	}
	if h.inURL && isOriginal(before) {
		return reading{is: reference, weight: 70, word: "original"}
	}
	if h.inURL && isFetched(before) {
		return reading{is: reference, weight: 60, word: "fetched"}
	}
	if h.inURL && r.weight < weightPlain-4 && isAccusedURL(before) {
		return reading{is: generic, weight: weightPlain - 4, word: "URL", label: true}
	}
	if h.inURL && r.weight < weightURL {
		return reading{is: generic, weight: weightURL, word: "URL"}
	}
	return r
}

// isAbout tells the heading of what happened: "Log entries for x:".
func isAbout(before, after string) bool {
	if strings.TrimSpace(after) != ":" || len(before) > 90 {
		return false
	}
	w, _, _ := lastWord(before, len(before))
	switch w {
	case "for", "about", "regarding", "concerning":
		return containsAnyFold(before, aboutWords)
	}
	return false
}

// aboutWords name what headings announce.
var aboutWords = []string{"attack", "abuse", "log", "event", "evidence", "incident", "activity", "report", "alert", "attempt"}

// isRequested tells a URL that is what the address before it asked for.
func isRequested(before string) bool {
	i := strings.LastIndex(before, "http")
	if i < 0 {
		return false
	}
	w, _, _ := lastWord(before, i)
	switch w {
	case "requested", "requests", "requesting", "accessed", "accesses", "accessing", "access", "visited", "fetched", "called", "hit", "hits", "get", "post", "head", "of", "for":
		return true
	}
	return false
}

// isOriginal tells the URL of the work or site that was copied.
func isOriginal(before string) bool {
	t := strings.ToLower(before[max(0, len(before)-70):])
	if i := strings.LastIndexAny(t, ".;!?"); i >= 0 && i < len(t)-1 && t[i+1] == ' ' {
		t = t[i:]
	}
	i := strings.LastIndex(t, "original")
	return i >= 0 && !strings.Contains(t[i:], "copie") && !strings.Contains(t[i:], "copy") && !strings.Contains(t[i:], "infring")
}

// isFetched tells a URL that an intruder's command loads, which is a third party's.
func isFetched(before string) bool {
	t := strings.ToLower(before[max(0, len(before)-60):])
	for _, w := range [...]string{"wget ", "curl ", "tftp ", "fetch ", "ldap:", "rmi:", "lwp-download "} {
		if strings.Contains(t, w) {
			return true
		}
	}
	return false
}

// isSpan tells what stands between the ends of a range.
func isSpan(s string) bool {
	switch strings.TrimSpace(s) {
	case "-", "–", "to", "bis", "through", "until":
		return true
	}
	return false
}

// isAccusedURL tells whether the label right before a URL says that the
// complaint is about it: "URL:", "Phishing URL #2:".
func isAccusedURL(before string) bool {
	i := strings.LastIndex(before, "http")
	if i < 0 {
		return false
	}
	label := strings.TrimRight(before[:i], " \t\"'<*`")
	label, ok := strings.CutSuffix(label, ":")
	if !ok || len(label) > 40 {
		return false
	}
	url := false
	for _, w := range strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 0x80) }) {
		switch w {
		case "url", "urls", "uri", "s":
			url = true
		case "phishing", "malicious", "malware", "infected", "bad", "offending", "reported", "infringing", "abusive", "fraudulent", "spamvertised", "full", "scam", "payload":
		default:
			return false
		}
	}
	return url
}

func onlySeparators(s string) bool {
	s = strings.Trim(s, " \t,;/&|()[]\"'")
	switch s {
	case "", "and", "or", "und", "et", "y", "e", "en", "и", "和", "、", "und die", "as well as":
		return true
	}
	return false
}

// siteOf returns what stands before the URL that an address in brackets follows:
// "http://site/ (x".
func siteOf(before string) (string, bool) {
	t := strings.TrimRight(before, " \t")
	if !strings.HasSuffix(t, "(") && !strings.HasSuffix(t, "[") {
		return "", false
	}
	t = strings.TrimRight(t[:len(t)-1], " \t")
	i := strings.LastIndex(t, "http")
	if i < 0 || strings.ContainsAny(t[i:], " \t") || !strings.Contains(t[i:], "://") {
		return "", false
	}
	return t[:i], true
}

func findNextAddress(hits []hit, k int) []hit {
	if k+1 < len(hits) {
		return hits[k+1:]
	}
	return nil
}

// verbAfter reads "x has attacked …", "x is sending …", "x was attacked".
func verbAfter(after string) (reading, bool) {
	t := strings.ToLower(strings.TrimLeft(after[:min(len(after), 120)], " \t)]*'\"-|:,"))
	if i := strings.IndexByte(t, '('); i == 0 { // x (host.example) has attacked
		if j := strings.IndexByte(t, ')'); j > 0 {
			t = strings.TrimLeft(t[j+1:], " \t*'\"")
		}
	}
	for _, v := range [...]string{"was attacked", "is under attack", "has been attacked", "was scanned", "was targeted", "was the target", "was hit by", "aus getestet", "aus geprüft", "aus überprüft", "aus gescannt", "aus aufgerufen"} {
		if strings.HasPrefix(t, v) {
			return reading{is: target, weight: 85, word: v}, true
		}
	}
	for _, v := range [...]string{"received ", "has received ", "have received ", "a reçu ", "ha recibido ", "recibió ", "recebeu ", "ha ricevuto ", "erhielt ", "bekam ", "heeft "} {
		if strings.HasPrefix(t, v) && containsAny(t, []string{"attempt", "tentativ", "request", "requête", "connexion", "connection", "attack", "attaque", "ataque", "attacc", "intento", "angriff", "versuch", "anfragen", "ontvangen", "packets"}) && (v != "heeft " || strings.Contains(t, "ontvangen")) {
			return reading{is: target, weight: 84, word: strings.TrimSpace(v)}, true
		}
	}
	if w := ownVerb(t); w != "" {
		return reading{is: target, weight: 84, word: w}, true
	}
	for _, v := range sourceVerbs {
		if strings.HasPrefix(t, v) {
			return reading{is: source, weight: weightVerb, word: v}, true
		}
	}
	return reading{}, false
}

// sourceVerbs follow the accused.
var sourceVerbs = []string{
	"has ", "attacked", "is attacking", "is sending", "is infected", "is listed", "is hosting", "is hacked", "is compromised", "is scanning",
	"was banned", "was blocked", "was detected", "was found", "was seen", "was observed", "was used", "was sending", "was involved", "is being used",
	"tried", "attempted", "sent ", "is trying", "made ", "appears", "seems", "is running", "is conducting", "is performing", "is participating",
	"is a ", "is an ", "is part", "is abus", "is spamming", "is probing", "is brute", "is currently", "is responsible", "keeps", "continues", "scanned", "probed",
	"hat ", "ist ", "wurde ", "versucht", "a tenté", "a essayé", "est ", "ha ", "está", "esta ", "heeft", "is bezig", "probeert", "атакует", "пытается", "рассылает",
	"a été bann", "a été bloqu", "ha sido bloque", "ha sido banead", "fue bloque", "foi bloquead", "foi banid", "è stato bloccat", "è stato bannat", "werd geblokkeerd", "został zablokowan", "zablokowan", "был заблокирован", "заблокирован", "versuchte", "greift", "scannt", "sendet", "attackiert", "verschickt", "tente", "essaie", "attaque", "envoie", "scanne", "intenta", "ataca", "atacó", "envía", "tenta ", "tentou", "invadiu", "sta tentando", "sta attaccando", "attacca", "cerca di", "valt", "scant", "stuurt", "atakuje", "próbuje", "próbował", "skanuje", "wysyła", "útočí", "se pokouší", "se snaží", "skenuje", "försöker", "attackerar", "angriper", "forsøger", "angriber", "prøver", "yrittää", "hyökkää", "próbál", "támad", "imi ataca", "îmi atacă", "atacă", "incearca", "încearcă", "saldırı yap", "saldırıyor", "επιτίθεται", "προσπαθεί", "сканирует", "ломает", "взломал", "постоянно пытается", "намагається", "постійно намагається", "атакує", "надсилає", "attacking", "trying", "downloading ", "hammering ", "flooding ", "probing ", "que vous héberge", "you host", "which you host", "die sie hosten", "den sie hosten", "of your", "in your", "belong", "assigned to you", "on your",
}

// cjkBefore reads languages without spaces.
func cjkBefore(before string) (reading, bool) {
	tail := before[max(0, len(before)-90):]
	wide := false
	for i := 0; i < len(tail); i++ {
		if tail[i] >= 0xe3 {
			wide = true
			break
		}
	}
	if !wide {
		return reading{}, false
	}
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	if i := strings.LastIndexAny(tail, "。；！"); i >= 0 {
		tail = tail[i+len("。"):]
	}
	if strings.HasSuffix(strings.TrimRight(tail, " \t「『\"'"), "被") {
		return reading{is: source, weight: weightProse + 8, word: "被"}, true // the agent of a passive
	}
	r, plain := cjkBearing(tail)
	label := labelled(before) || copula(tail)
	if r.word == "" {
		if !plain && !strings.Contains(strings.ToLower(tail), "ip") {
			return reading{}, false
		}
		word := "IP"
		if t := strings.TrimRight(tail, " 为為是は:："); strings.HasSuffix(t, "サーバ") || strings.HasSuffix(t, "サーバー") || strings.HasSuffix(t, "服务器") || strings.HasSuffix(t, "伺服器") || strings.HasSuffix(t, "서버") {
			word = "server" // which may be the complainant's
		}
		return reading{is: generic, weight: weightPlain - 4, word: word, label: label}, true
	}
	r.label = label
	switch {
	case label:
		r.weight = weightLabel
	case r.is == target:
		r.weight = 80
	default:
		r.weight = weightProse + 8
	}
	return r, true
}

// cjkBearing returns the word that ends nearest to the end of tail; plain tells
// whether a word for "address" stands there.
func cjkBearing(tail string) (r reading, plain bool) {
	end := -1
	for _, b := range cjkBearings {
		at := strings.LastIndex(tail, b.word)
		switch {
		case at < 0:
		case b.is == generic:
			plain = true
		case at+len(b.word) > end || at+len(b.word) == end && len(b.word) > len(r.word):
			r, end = reading{is: b.is, word: b.word}, at+len(b.word)
		}
	}
	if r.is == source && strings.HasSuffix(tail[:end-len(r.word)], "被") {
		r.is = target // 被攻击IP: the address that was attacked
	}
	for _, w := range cjkAdjectives {
		if end < 0 && strings.Contains(tail, w) {
			return reading{is: source, word: w}, plain
		}
	}
	return r, plain
}

// copula tells whether "is" stands right before the address, which makes a
// label of what is before it (攻击源IP为x, IPアドレスは x).
func copula(tail string) bool {
	t := strings.TrimRight(tail, " \t（(「【[")
	for _, w := range [...]string{"为", "為", "是", "は"} {
		if strings.HasSuffix(t, w) {
			return true
		}
	}
	return false
}
