package report

import "strings"

// speaksOfOurs tells whether the sentence up to here is about what the
// complainant has: "through our form (https://site/, hosted on x".
func speaksOfOurs(before string) bool {
	t := strings.ToLower(before[max(0, len(before)-80):])
	if i := strings.LastIndex(t, ". "); i >= 0 {
		t = t[i:]
	}
	i := strings.LastIndex(t, " our ")
	return i >= 0 && !strings.Contains(t[i:], " your ") && !strings.Contains(t[i:], " from ")
}

// misuseWords say what others make of what is ours: "a page that imitates our
// bank is hosted on x".
var misuseWords = []string{"imitat", "impersonat", "fake", "phish", "pretend", "counterfeit", "infring", "copy of", "copies", "clone"}

// isOurCheck tells a clause about how the reporter looked: "(verified on 5
// October", "our scan came", "screenshot taken".
func isOurCheck(before string) bool {
	t := strings.ToLower(before[max(0, len(before)-90):])
	if i := strings.LastIndex(t, ". "); i >= 0 {
		t = t[i:]
	}
	if containsAny(t, []string{"vérifié", "testé le", "geprüft", "comprobado", "verificado", "gecontroleerd", "sprawdzono", "проверено", "verified", "tested on", "checked on", "query performed", "test performed", "check performed", "screenshot"}) && !containsAny(t, assaultWords) {
		return true
	}
	i, own := -1, ""
	for _, w := range [...]string{"our ", "onze ", "unser ", "unsere ", "notre ", "nuestro ", "nuestra ", "nosso ", "nossa ", "nostro ", "nostra "} {
		if j := strings.LastIndex(t, w); j > i && (j == 0 || !isAlnum(t[j-1])) {
			i, own = j, w
		}
	}
	if i < 0 {
		return false
	}
	noun := firstWord(t[i+len(own):])
	return containsAny(noun, []string{"scan", "test", "check", "quer", "verif", "vérif", "prüf", "abfrage", "requête", "consulta"})
}

// isUsual tells a clause of what is no offence: "the customer normally connects from x".
func isUsual(before string) bool {
	t := strings.ToLower(before[max(0, len(before)-60):])
	if i := strings.LastIndexAny(t, ".;:!?"); i >= 0 {
		t = t[i:]
	}
	return containsAny(t, usualWords) && !containsAny(t, assaultWords)
}

// assaultWords tell a clause of an offence, whoever looked and however usual it is.
var assaultWords = []string{"attack", "spam", "abuse", "brute", "hack", "intrusion", "malware", "phish", "flood", "angriff", "angreif", "attaque", "ataque", "attacc", "aanval", "útok", "atak", "атак"}

var usualWords = []string{"normally ", "usually ", "typically ", "normalerweise ", "gewöhnlich ", "habituellement ", "d'habitude ", "normalement ", "normalmente ", "habitualmente ", "di solito ", "normaal ", "gewoonlijk ", "zwykle ", "zazwyczaj ", "obvykle ", "обычно ", "зазвичай "}

// isTest tells a clause of the reporter's own test: "test done from x".
func isTest(before string) bool {
	words := strings.Fields(strings.ToLower(before[max(0, len(before)-48):]))
	if n := len(words); n > 0 {
		switch words[n-1] {
		case "done", "performed", "conducted", "run", "executed", "made":
			words = words[:n-1]
		}
	}
	for n := len(words); n > 0; n = len(words) {
		switch words[n-1] {
		case "was", "were", "been", "is":
			words = words[:n-1]
			continue
		case "test", "tests", "check", "checks", "verification", "lookup":
			return true
		}
		return false
	}
	return false
}

// inCheckBrackets tells brackets that say whence a reporter looked: "(last check …, from x)".
func inCheckBrackets(before string) bool {
	i := strings.LastIndexByte(before, '(')
	if i < 0 || len(before)-i > 80 || strings.IndexByte(before[i:], ')') >= 0 {
		return false
	}
	return containsAny(strings.ToLower(before[i:]), []string{"check", "tested", "scanned", "verified"})
}

// isTheft tells a clause of data that left for the accused: "exfiltrated with rclone to x".
func isTheft(before string) bool {
	t := strings.ToLower(before[max(0, len(before)-60):])
	if i := strings.LastIndexAny(t, ".;!?"); i >= 0 {
		t = t[i:]
	}
	for _, w := range [...]string{"exfiltrat", "stolen", "leaked", "credentials are sent", "credentials to", "sends the passwords", "phones home", "beacon", "call back", "callback"} {
		if strings.Contains(t, w) {
			return true
		}
	}
	return false
}
