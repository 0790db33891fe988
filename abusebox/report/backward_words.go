package report

// The words that tell, before an address, what its part is. Each set says in a sentence what it stands for.

import "strings"

// isMarkup tells the stars of "**Source IP(s)**:" and its plural in brackets.
func isMarkup(behind, w string) bool {
	return w == "s" && strings.HasPrefix(behind, "s)") || w == "-" && (strings.HasPrefix(behind, "**") || strings.HasPrefix(behind, "__"))
}

// isService tells names of what listens on a host.
func isService(w string) bool {
	switch w {
	case "ssh", "sshd", "rdp", "smtp", "imap", "pop3", "ftp", "http", "https", "sip", "telnet", "vnc", "smb", "ports", "services":
		return true
	}
	return false
}

// isGuessed tells what is guessed on a victim, and kept on the accused's host.
func isGuessed(w string) bool { return w == "passwords" || w == "usernames" || w == "accounts" }

// isAssault tells nouns behind which "on" names the victim.
func isAssault(w string) bool {
	switch w {
	case "attack", "attacks", "assault", "ddos", "dos", "flood", "intrusion", "intrusions", "hack", "force", "bruteforce", "brute-force", "bruteforcing", "scan", "scans", "portscan", "logins", "attempts", "probes", "tries", "guesses":
		return true
	}
	return false
}

// isCounting tells the last words of labels whose values only look like addresses.
func isCounting(w string) bool {
	switch w {
	case "version", "build", "release", "firmware", "phone", "tel", "fax", "badge", "ref", "reference", "ticket", "gw", "id", "no", "nr", "number", "oid", "kvk", "vat", "serial", "kernel", "driver":
		return true
	}
	return false
}

// isOffence tells nouns for what complaints are about.
func isOffence(w string) bool {
	switch w {
	case "force", "bruteforce", "brute-force", "scan", "portscan", "attack", "attacks", "spam", "flood", "abuse", "phishing", "malware", "intrusion", "attempts", "incident":
		return true
	}
	return false
}

// isNetworkWord tells words that make a block one of addresses.
func isNetworkWord(w string) bool {
	switch w {
	case "same", "address", "network", "net":
		return true
	}
	return false
}

// isOtherWord tells words that mean something else in another language ("do not
// visit"), so that they count right before an address alone.
func isOtherWord(w string) bool {
	switch w {
	case "do", "dos", "da", "su", "sua", "z", "od", "с", "со":
		return true
	}
	return false
}

// isSomebody tells words for a person of whom nothing else is known, who did
// what the complaint is about: "a visitor at x". They count right before alone.
func isSomebody(w string) bool {
	switch w {
	case "visitor", "visitors", "visitor's", "someone", "somebody", "someone's", "person", "player", "players", "bidder", "buyer", "poster", "guest",
		"jemand", "jemandem", "besucher", "besuchers", "nutzerin", "personne", "quelqu'un", "visiteur", "alguien", "visitante", "persona", "alguém", "pessoa", "qualcuno", "visitatore", "iemand", "bezoeker", "ktoś", "osoba", "někdo", "кто-то", "посетитель", "некто", "человек":
		return true
	}
	return false
}

// isVague tells names that devices and reports also give to others than the source.
func isVague(w string) bool {
	switch w {
	case "betroffen", "betroffene", "betroffener", "betroffenen", "betroffenes", "afectada", "afectado", "afetado", "touchée", "touché", "getroffen", "origin", "location", "located", "reported", "involved", "listed", "affected", "vulnerable":
		return true
	}
	return false
}

// isPerson tells words for somebody, who is on the side of the word before.
func isPerson(w string) bool {
	switch w {
	case "customer", "customers", "customer's", "client", "client's", "user", "user's", "users", "subscriber", "kunde", "kunden", "cliente", "klant":
		return true
	}
	return false
}

// actsOn tells participles whose object is the victim ("attacking x").
func actsOn(w string) bool {
	switch w {
	case "attacking", "scanning", "probing", "exploiting", "abusing", "intruding", "targeting", "hitting", "flooding":
		return true
	}
	return false
}

// isOwning tells verbs behind which the complainant names his own host.
func isOwning(w string) bool {
	switch w {
	case "have", "run", "operate", "own", "manage", "administer", "use", "used", "ran", "am":
		return true
	}
	return false
}

// isComplaint tells nouns behind which "against" names the accused.
func isComplaint(w string) bool {
	switch w {
	case "complaint", "complaints", "report", "reports", "beschwerde", "anzeige", "meldung", "plainte", "signalement", "queja", "denuncia", "reclamación", "reclamação", "denúncia", "klacht", "melding", "segnalazione", "esposto", "skarga", "жалоба", "жалобу", "жалобы", "жалобой", "претензия":
		return true
	}
	return false
}

func isAgainst(w string) bool {
	switch w {
	case "against", "gegen", "contre", "contra", "contro", "tegen", "на":
		return true
	}
	return false
}

// isChecking tells participles behind which "from" names the complainant's host.
func isChecking(w string) bool {
	switch w {
	case "checked", "tested", "verified", "comprobado", "verificado", "testado", "vérifié", "testé", "constaté", "geprüft", "getestet", "gecontroleerd", "verificato", "sprawdzone", "проверено", "проверяли":
		return true
	}
	return false
}

// isExample tells words behind which "from" shows one of many: of places to look
// from, or of attackers. See lookingWords.
func isExample(w string) bool {
	switch w {
	case "example", "e.g", "eg", "instance", "ejemplo", "exemple", "beispiel", "z.b", "esempio", "exemplo", "voorbeeld":
		return true
	}
	return false
}

// isViewing tells participles that begin the label of whence a reporter looked.
func isViewing(w string) bool {
	switch w {
	case "observed", "viewed", "accessed", "seen", "monitored", "scanned", "downloaded", "observeret", "observerad", "observert", "beobachtet", "gesehen", "observé", "observado", "visto", "waargenomen", "gezien", "osservato", "rilevato", "zaobserwowano", "pozorováno", "havaittu", "обнаружено", "замечено":
		return true
	}
	return false
}

// isRejecting tells participles of other languages behind which "par", "von",
// "por", "da" name the complainant's host. What was received "von" or "da" a
// host came from it.
func isRejecting(w, by string) bool {
	switch w {
	case "rejeté", "rejetés", "rejetée", "refusé", "refusés", "abgelehnt", "abgewiesen", "rechazado", "rechazados", "rejeitado", "rejeitados", "rifiutato", "rifiutati", "geweigerd", "odrzucone", "отклонено", "отклонены":
		return by != "de" && by != "van" && by != "z" && by != "od" && by != "с" && by != "от"
	case "reçu", "reçus", "recibido", "recibidos", "recebido", "recebidos", "ontvangen", "odebrane":
		return by == "par" || by == "por" || by == "pelo" || by == "door" || by == "przez"
	}
	return false
}

// isReceiving tells participles behind which "by" names the complainant's host.
func isReceiving(w string) bool {
	switch w {
	case "rejected", "received", "denied", "relayed", "logged", "recorded", "reported", "handled", "refused", "accepted", "seen", "observed", "detected", "monitored", "delivered", "stopped", "noticed":
		return true
	}
	return false
}

// isNearOnly tells words that are also names of hosts and parts of labels
// ("Last post IP"), so that they count in no other place than right before.
func isNearOnly(w string) bool {
	return w == "mx" || w == "dns" || w == "get" || w == "post" || w == "connect"
}

// pointsTo tells verbs whose "to" names the host of a site, not a victim.
func pointsTo(w string) bool {
	switch w {
	case "resolves", "resolve", "resolving", "resolved", "points", "pointing", "pointed", "mapped", "maps", "translates", "belongs", "belonging", "assigned", "allocated", "traced", "back", "leased", "zeigt", "due":
		return true
	}
	return false
}

// shortTo tells words that only count right before the address.
func shortTo(w string) bool {
	switch w {
	case "connect", "get", "post", "to", "на", "к", "mi", "my", "us", "we", "nos", "mx", "dns", "into", "para", "al", "ao", "alla", "ons", "network", "example", "min", "mot", "mod", "ellen", "do", "z", "od", "su", "range", "reporting":
		return true
	}
	return false
}
