package report

import "strings"

// actAfter reads a sentence whose subject is the address: "x keeps trying to
// log in to my server", "x has been banned", "x was scanned". plain is true
// where the sentence says outright that x acted on the complainant, or that it
// was stopped for it.
func actAfter(after string) (r reading, plain, ok bool) {
	words := sentenceWords(after)
	passive, begun := false, false
	for i, w := range words {
		switch {
		case isAuxiliary(w) && (begun || w != "to"):
			passive = passive || isBeing(w)
			begun = true
		case isAdverb(w):
		case isSuffering(w) && (passive || i == 0 && len(words) > 1 && words[1] == "by"):
			return reading{is: target, weight: 85, word: w}, true, true
		case i == 0 && w == "stop": // "make x stop"
			return reading{is: source, weight: weightVerb, word: w, acts: true}, true, true
		case (passive || i == 0) && isSanction(w):
			return reading{is: source, weight: weightVerb, word: w, acts: true}, true, true
		case isActing(w) && (begun || strings.HasSuffix(w, "s") || strings.HasSuffix(w, "ed") || namesUs(words[i+1:])):
			return reading{is: source, weight: weightVerb, word: w, acts: true}, namesUs(words[i+1:]), true
		default:
			return reading{}, false, false
		}
	}
	return reading{}, false, false
}

// maxActWords bounds how far a sentence is read for what its subject does.
const maxActWords = 14

// sentenceWords returns the words of the sentence that goes on behind an address.
func sentenceWords(after string) []string {
	t := strings.ToLower(strings.TrimLeft(after[:min(len(after), 160)], " \t)]*'\"-,:"))
	if strings.HasPrefix(t, "(") { // x (host.example) has attacked
		if j := strings.IndexByte(t, ')'); j > 0 {
			t = strings.TrimLeft(t[j+1:], " \t*'\",")
		}
	}
	if i := strings.IndexAny(t, ".;!?\n"); i >= 0 {
		t = t[:i]
	}
	words := strings.FieldsFunc(t, func(r rune) bool { return r < 0x80 && (isGap(byte(r)) || r == '*') })
	return words[:min(len(words), maxActWords)]
}

func isAuxiliary(w string) bool {
	switch w {
	case "is", "are", "was", "were", "has", "have", "had", "been", "being", "keeps", "keep", "kept", "continues", "continued", "started", "starts", "began", "to", "be", "appears", "seems", "which", "that":
		return true
	}
	return false
}

func isBeing(w string) bool {
	return w == "is" || w == "are" || w == "was" || w == "were" || w == "been" || w == "being" || w == "be"
}

func isAdverb(w string) bool {
	switch w {
	case "just", "still", "now", "also", "again", "repeatedly", "constantly", "currently", "recently", "continuously", "persistently", "actively", "apparently", "today", "automatically", "temporarily", "permanently", "already":
		return true
	}
	return false
}

// isSuffering tells participles that make the subject of a passive the victim.
func isSuffering(w string) bool {
	switch w {
	case "attacked", "scanned", "targeted", "probed", "hit", "flooded", "hammered", "bombarded", "spammed":
		return true
	}
	return false
}

// isSanction tells participles for what befalls the accused.
func isSanction(w string) bool {
	switch w {
	case "blocked", "banned", "locked", "blacklisted", "blocklisted", "jailed", "blackholed", "firewalled", "suspended":
		return true
	}
	return false
}

// actingStems begin the verbs of what complaints are about.
var actingStems = []string{"attack", "scan", "flood", "hammer", "prob", "brute", "spam", "send", "sent", "try", "tries", "tried", "attempt", "abus", "harass", "crawl", "scrap", "exploit", "hack", "ddos", "bombard", "guess", "launch", "relay", "knock", "portscan", "sweep", "infect", "brows", "access", "connect", "request", "post", "register", "upload", "hit", "target", "login", "logs", "logged", "visit", "query", "quer"}

func isActing(w string) bool {
	for _, s := range actingStems {
		if strings.HasPrefix(w, s) {
			return true
		}
	}
	return false
}

// namesUs tells whether what follows the verb names the complainant.
func namesUs(words []string) bool {
	for _, w := range words[:min(len(words), 9)] {
		switch w {
		case "our", "us", "my", "me", "ours", "mine":
			return true
		}
	}
	return false
}

// partAfter reads a part in brackets behind an address: "192.0.2.7 (yours)".
func partAfter(after string) (string, bool) {
	t := strings.TrimLeft(after[:min(len(after), 40)], " \t")
	if !strings.HasPrefix(t, "(") {
		return "", false
	}
	if i := strings.IndexByte(t, ')'); len(findAddresses(t[:max(i, 0)])) > 0 || i < 0 && len(findAddresses(t)) > 0 {
		return "", false // "x (your side y)" speaks of y
	}
	w := strings.ToLower(firstWord(strings.TrimRight(firstWord(t[1:]), ")")))
	w = strings.Trim(w, ")")
	switch w {
	case "your", "yours", "attacker", "source", "src", "offender", "spammer", "abuser", "culprit", "origin", "talk", "contribs":
		return w, true
	}
	return "", false
}
