package report

import (
	"slices"
	"strings"
)

// maxWords is how many words before an address are looked at.
const maxWords = 9

// A backward is a walk from an address back over the words before it.
type backward struct {
	before  string
	end     int  // of what is still to be read
	label   bool // the address stands right behind "label:"
	seen    int
	skipped int    // words passed that say nothing
	plain   string // the general word ("IP") that was passed
	nearest string // the word right before the address
	atPlain int    // words passed that say nothing, between plain and the address
	on      bool   // "on" or "at" was passed
}

// wordsBefore goes back from the address to the word that decides its part.
func wordsBefore(before string) reading {
	if r, ok := cjkBefore(before); ok {
		return r
	}
	b := backward{before: before, end: len(before), label: labelled(before)}
	for b.end > 0 && b.seen < maxWords {
		w, at, stop := lastWord(before, b.end)
		if w == "" {
			break
		}
		b.end = at
		if isMarkup(before[at:], w) {
			continue
		}
		if b.seen++; b.seen == 1 {
			b.nearest = w
		}
		if r, ok := b.step(w); ok {
			return r
		}
		if stop {
			break
		}
	}
	return b.undecided()
}

// step takes one word; ok is true where it decides.
func (b *backward) step(w string) (r reading, ok bool) {
	is := bearingOf(w)
	if w == "su" && b.seen == 1 {
		is = passage // Italian "on"; Spanish "your" never stands right before an address
	}
	switch is {
	case passage:
		return b.passed(w)
	case generic:
		if b.label && b.seen == 1 && w == "dns" && b.firstWordIs("dns:") {
			return reading{is: reference, weight: 70, word: w, label: true}, true // "DNS: x" of a host's settings
		}
		if b.plain == "" {
			b.plain, b.atPlain = w, b.skipped
		} else if b.label && b.seen == 2 && isServerWord(w) {
			b.plain = w // "Server IP:" may be the complainant's
		}
		return r, false
	case neutral:
		if w == "like" && b.seen == 1 || w == "e.g" || w == "i.e" {
			return reading{is: reference, weight: 80, word: w}, true
		}
		r, ok = b.speaker(w)
	default:
		r, ok = b.decided(is, w)
	}
	if !ok {
		b.skipped++
	}
	return r, ok
}

// passed takes a word behind which others decide, but for "attack on x" and
// "hosts such as x".
func (b *backward) passed(w string) (reading, bool) {
	switch {
	case (w == "on" || w == "at") && b.skipped == 0:
		b.on = true
		if prev := b.previous(); w == "on" && (isAssault(prev) || isGuessed(prev) && containsAnyFold(b.before[:b.end], guessingWords)) {
			return reading{is: target, weight: 66, word: prev + " on"}, true
		} else if w == "on" && isService(prev) {
			if verb, _, _ := lastWord(b.before, b.end-len(prev)-1); isAssault(verb) {
				return reading{is: target, weight: 66, word: verb + " " + prev + " on"}, true
			}
		}
	case w == "as" && b.nearest == w && b.previous() == "such":
		return reading{is: reference, weight: 80, word: "such as"}, true
	}
	return reading{}, false
}

var guessingWords = []string{"tried", "tries", "try", "guess"}

// speaker knows words that only together name the complainant.
func (b *backward) speaker(w string) (reading, bool) {
	if (w == "us" || w == "me") && b.seen == 1 && !b.label {
		return reading{is: target, weight: 75, word: w}, true
	}
	switch {
	case w == "attack" && b.previous() == "under":
		return reading{is: target, weight: 90, word: "under attack", label: b.label}, true
	case w == "name" && strings.HasPrefix(b.plain, "server") && b.seen == 2:
		return reading{is: reference, weight: 80, word: "name server", label: b.label}, true
	}
	if !isOwning(w) {
		return reading{}, false
	}
	if b.skipped > 1 || b.skipped > 0 && (w == "am" || w == "have") {
		return reading{}, false // "I am afraid that x", "we have seen x"
	}
	who := b.previous()
	return reading{is: target, weight: 75, word: who + " " + w}, who == "i" || who == "we"
}

// previous returns the word before the one being read.
func (b *backward) previous() string {
	w, _, _ := lastWord(b.before, b.end)
	return w
}

// undecided is what remains when no word tells.
func (b *backward) undecided() reading {
	switch {
	case b.plain == "" && b.offence() != "":
		return reading{is: generic, weight: weightProse - 4, word: b.offence()} // "SSH brute force - x"
	case b.plain != "" && b.label && b.atPlain <= 2 && !isServerWord(b.plain) && b.firstWordIs("server:"):
		return reading{is: generic, weight: weightPlain - 2*b.atPlain, word: "server", label: true} // "Server: www1  IP: x"
	case b.plain != "" && b.label && b.atPlain <= 2:
		return reading{is: generic, weight: weightPlain - 2*b.atPlain, word: b.plain, label: true}
	case b.plain != "" && bearingOf(b.nearest) == generic:
		return reading{is: generic, weight: max(weightProse-6-4*b.skipped, weightBare+1), word: b.plain}
	case b.plain != "":
		return reading{is: generic, weight: weightProse - 6 - 4*b.steps(), word: b.plain}
	case b.nearest == "on" || b.nearest == "at":
		return reading{is: neutral, weight: weightBare + 4, word: b.nearest}
	case isBare(b.before):
		return reading{is: neutral, weight: weightBare}
	case b.label && b.seen <= 3 && b.skipped == b.seen && !isCounting(b.nearest) && strings.HasSuffix(strings.TrimRight(b.before, " \t*"), ":"):
		return reading{is: generic, weight: weightURL + 1, word: b.nearest} // "Asset: x": a label that says nothing
	}
	return reading{is: neutral, weight: weightMention}
}

// offence returns the noun for an offence that a colon or a dash parts from the
// address, or "".
func (b *backward) offence() string {
	t := strings.TrimRight(b.before, " ")
	if !strings.HasSuffix(t, "-") && !strings.HasSuffix(t, "–") && !b.label {
		return ""
	}
	t = strings.TrimRight(t, " -–:")
	if w, _, _ := lastWord(t, len(t)); isOffence(w) {
		return w
	}
	return ""
}

// steps is how far the general word stands off: behind "on" or "at" it names
// what the address is, whatever was said before it.
func (b *backward) steps() int {
	if b.on {
		return b.atPlain
	}
	return b.skipped
}

// isBare tells whether nothing but a bullet, a number or a host name stands
// before an address.
func isBare(before string) bool {
	t := strings.TrimSpace(strings.Trim(before, " \t-*•・‧·●○■◆※|\"'[(:"))
	if t == "" {
		return true
	}
	if strings.Trim(t, "0123456789#.)]:-/+,TZ ") == "" && len(t) < 40 {
		return true // a number or a time
	}
	if strings.ContainsAny(t, " \t=") || len(t) > 80 {
		return false
	}
	return strings.Contains(t, ".") || strings.Trim(t, "0123456789#.)") == ""
}

// decided turns a telling word into a reading; ok is false where it stands too
// far away to count.
func (b *backward) decided(is bearing, w string) (r reading, ok bool) {
	switch is {
	case source:
		return b.source(w)
	case from:
		return b.from(w)
	case target:
		return b.target(w)
	}
	if w == "cidr" && b.label && b.previous() == "ip" {
		return reading{is: generic, weight: weightPlain, word: "IP/cidr", label: true}, true
	}
	if w == "whois" && (b.nearest == "of" || b.nearest == "for") {
		return reading{is: generic, weight: weightProse - 4, word: "whois " + b.nearest}, true
	}
	if w == "whois" && b.skipped > 0 && !b.label {
		return reading{}, false // "whois says that it sits at x"
	}
	return reading{is: reference, weight: 80 - 5*b.skipped, word: w, label: b.label}, b.skipped < 4
}

// mark returns the byte behind a word: '=' and ':' and '[' assign.
func (b *backward) mark(w string) byte {
	if i := b.end + len(w); i < len(b.before) {
		return b.before[i]
	}
	return 0
}

func (b *backward) source(w string) (reading, bool) {
	if r, ok := b.ownSide(w); ok {
		return r, true
	}
	if w == "block" && isNetworkWord(b.previous()) {
		return reading{}, false // "in the same block"
	}
	mark := b.mark(w)
	assigned := mark == '=' || mark == ':' || mark == '['
	if w == "sshd" && !assigned && b.plain != "" {
		return reading{}, false // "rule sshd, server x"
	}
	if !b.label && !assigned && b.plain == "" && actsOn(w) {
		return reading{is: target, weight: 64 - 4*b.skipped, word: w}, b.skipped < 3
	}
	if !b.label && !assigned || b.skipped > 2 {
		return reading{is: source, weight: weightProse + 8 - 5*b.skipped, word: w}, b.skipped < 6
	}
	weight := weightLabel
	if isVague(w) {
		weight -= 9
	}
	if mark == '=' {
		weight = weightLog + 2
	}
	return reading{is: source, weight: weight - 2*b.skipped, word: w, label: b.label, log: assigned && !b.label}, true
}

// isLookedAt tells a line in which the complainant says how he looked: "Checked
// on 5 October with client x".
func isLookedAt(t string) bool {
	w := strings.ToLower(strings.Trim(firstWord(strings.TrimLeft(t, " \t-*•#")), ":,"))
	return isChecking(w) || isViewing(w)
}

// ownSide knows names of the accused that a word before gives to the
// complainant's side: "our scanners", "blocked on x".
func (b *backward) ownSide(w string) (reading, bool) {
	if b.skipped > 1 {
		return reading{}, false
	}
	if isCompany(b.before[b.end+min(len(w), len(b.before)-b.end):]) {
		return reading{is: reference, weight: 50, word: "a company's name"}, true
	}
	switch w {
	case "connected":
		if prev := b.previous(); b.label && (prev == "peers" || prev == "peer" || prev == "nodes") {
			return reading{is: target, weight: 78, word: prev + " connected", label: true}, true // others of the swarm
		}
	case "client", "address":
		if prev := b.previous(); prev == "our" || prev == "my" || prev == "with" && isLookedAt(b.before) {
			return reading{is: target, weight: 78, word: prev + " " + w}, true
		}
	case "scanner", "scanners", "sender", "peer", "remote", "sinkhole", "crawler", "crawlers", "scanning", "hosting", "sending":
		if prev := b.previous(); prev == "our" || prev == "my" {
			return reading{is: target, weight: 78, word: prev + " " + w}, true
		}
	case "hosted", "located", "running", "runs", "origin":
		if !b.label && speaksOfOurs(b.before[:b.end]) && !containsAnyFold(b.before[:b.end], misuseWords) && (w != "origin" || !containsAnyFold(b.before[:b.end], assaultWords)) {
			return reading{is: target, weight: 76, word: "our … " + w}, true
		}
	case "blocked", "banned", "locked", "ban", "block":
		if b.on && !b.label {
			return reading{is: target, weight: 66, word: w + " on"}, true
		}
	}
	return reading{}, false
}

// isCompany tells whether what follows a word makes it the name of a company.
func isCompany(rest string) bool {
	switch strings.Trim(firstWord(strings.TrimLeft(rest, " ")), ",.:") {
	case "GmbH", "AG", "Ltd", "LLC", "Inc", "B.V", "BV", "S.A", "SA", "SARL", "SAS", "S.r.l", "Srl", "Oy", "AB", "UG", "KG":
		return true
	}
	return false
}

func (b *backward) from(w string) (reading, bool) {
	if b.skipped > 0 && (isOtherWord(w) || isSomebody(w)) {
		return reading{}, false
	}
	prev := b.previous()
	switch {
	case prev == "not" && (w == "your" || w == "yours"):
		return reading{is: target, weight: weightLabel + 1, word: "not " + w, label: b.label}, true
	case b.skipped == 0 && isOurCheck(b.before[:b.end]):
		return reading{is: target, weight: 74, word: "checked " + w, label: b.label}, true
	}
	if w == "by" && isReceiving(prev) || w != "by" && isRejecting(prev, w) {
		return reading{is: target, weight: 70, word: prev + " by"}, b.skipped < 3
	}
	if w == "from" && (prev == "beacon" || prev == "beacons" || prev == "connect" || prev == "connects") && strings.Contains(strings.ToLower(b.before[max(0, b.end-40):b.end]), "victim") {
		return reading{is: target, weight: 72, word: "victims " + prev}, true
	}
	if isExample(prev) && containsAnyFold(b.before[:b.end], lookingWords) {
		return reading{is: target, weight: 70, word: prev + " " + w}, b.skipped < 2
	}
	if isUsual(b.before[:b.end]) {
		return reading{is: target, weight: 72, word: "usually " + w}, b.skipped < 3
	}
	if isChecking(prev) || w == "from" && isTest(b.before[:b.end]) {
		return reading{is: target, weight: 70, word: prev + " " + w}, b.skipped < 3
	}
	if isPerson(w) && (bearingOf(prev) == target || slices.Contains(ownWords, prev) || b.label && (prev == "affected" || prev == "impacted")) {
		return reading{is: target, weight: 78, word: prev + " " + w}, b.skipped < 4
	}
	if w == "from" && b.seen == 1 && inCheckBrackets(b.before) {
		return reading{is: target, weight: 70, word: "checked from"}, true
	}
	if b.label && b.seen == 1 && isViewing(prev) && b.firstWordIs(prev) {
		return reading{is: target, weight: 80, word: prev + " " + w, label: true}, true
	}
	if w == "yours" && b.label && b.seen == 1 {
		return reading{is: source, weight: weightLabel + 1, word: w, label: true}, true
	}
	weight := weightProse - 4*b.skipped
	if b.plain != "" {
		weight += 6
	}
	label := b.label && b.skipped == 0
	if label {
		weight = weightPlain
	}
	return reading{is: from, weight: weight, word: w, label: label}, b.skipped < 5
}

func (b *backward) target(w string) (reading, bool) {
	if prev := b.previous(); isAgainst(w) && isComplaint(prev) && b.skipped < 2 {
		return reading{is: source, weight: weightProse + 10, word: prev + " " + w}, true
	}
	if w == "min" && b.seen > 1 && b.plain == "" {
		return reading{}, false // "300/min de x": minutes
	}
	if w == "vers" && b.skipped > 0 {
		return reading{}, false // French: about that hour
	}
	if shortTo(w) {
		if b.skipped > 1 && !(w == "my" && b.nearest == "connection") || b.skipped > 0 && (w == "на" || w == "к" || w == "nos") || isNearOnly(w) && (b.skipped > 0 || b.seen > 1 && b.label) { // на хостинге: on, not to
			return reading{}, false
		}
		if w == "to" && b.seen <= 2 && isControlTraffic(b.before[:b.end]) {
			return reading{is: target, weight: 80, word: "c2"}, true
		}
		if prev := b.previous(); w == "to" && b.seen <= 2 && isTheft(b.before[:b.end]) {
			return reading{is: source, weight: weightProse + 10, word: "stolen data to"}, true
		} else if pointsTo(prev) {
			return reading{is: source, weight: weightProse + 10, word: prev}, true
		}
	}
	weight := 80 - 5*b.skipped
	if mark := b.mark(w); b.label || mark == '=' || mark == ':' || mark == '[' {
		weight = weightLabel - 2*b.skipped
	}
	return reading{is: target, weight: weight, word: w, label: b.label}, b.skipped < 5
}

// isControlTraffic tells "C&C traffic", which goes to a botnet's server.
func isControlTraffic(before string) bool {
	f := strings.Fields(strings.ToLower(before[max(0, len(before)-60):]))
	n := len(f)
	return n >= 2 && isController(f[n-2]) && (strings.HasPrefix(f[n-1], "traffic") || strings.HasPrefix(f[n-1], "connection") || strings.HasPrefix(f[n-1], "communication") || strings.HasPrefix(f[n-1], "request") || strings.HasPrefix(f[n-1], "beacon"))
}

// lookingWords tell that somebody looks at a page, and whence he may.
var lookingWords = []string{"proxy", "vpn", "visible", "viewed", "reachable", "accessible", "look at", "open it", "geo", "offline", "erreichbar", "sichtbar", "proxi", "zichtbaar", "bereikbaar"}

// firstWordIs tells whether the line begins with w.
func (b *backward) firstWordIs(w string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimLeft(b.before, " \t-*•#|")), w)
}

// labelled tells whether the address stands right behind "label:" or "label =".
func labelled(before string) bool {
	t := strings.TrimRight(before, " \t*\"'[(<_`|>")
	if t == "" {
		return false
	}
	if strings.HasSuffix(before, `">`) || strings.HasSuffix(before, "'>") {
		return strings.Contains(strings.ToLower(before[max(0, len(before)-48):]), "name=") // <Data Name="IpAddress">
	}
	if strings.HasSuffix(t, ":") || strings.HasSuffix(t, "=") || strings.HasSuffix(t, "：") || strings.HasSuffix(before, "\t") || strings.HasSuffix(t, "|") || strings.HasSuffix(t, "is:") {
		return true
	}
	// "Source IP - 192.0.2.7" and "Source IP | 192.0.2.7", or a column of spaces behind a label.
	if strings.HasSuffix(t, " -") || strings.HasSuffix(t, "–") || strings.HasSuffix(before, "   ") || strings.Contains(before[len(t):], "|") || strings.HasSuffix(t, "#") {
		return len(t) < 48
	}
	return false
}

// lastWord returns the word that ends before end, in lower case, where it
// starts, and whether a sentence ends before it.
func lastWord(s string, end int) (w string, at int, stop bool) {
	i := end
	for i > 0 && isGap(s[i-1]) {
		i--
	}
	j := i
	for j > 0 && !isGap(s[j-1]) {
		j--
	}
	if i == j {
		return "", 0, true
	}
	w = strings.ToLower(strings.Trim(s[j:i], "*_-'`.!?•#~+"))
	if w == "" {
		w = "-"
	}
	if j >= 2 && s[j-1] == ' ' && (s[j-2] == '.' || s[j-2] == '!' || s[j-2] == '?') {
		stop = true
	}
	return w, j, stop
}

func isGap(c byte) bool {
	switch c {
	case ' ', '\t', '=', '[', ']', '(', ')', ':', ',', ';', '"', '<', '>', '|', '/', '{', '}', '\'':
		return true
	}
	return false
}
