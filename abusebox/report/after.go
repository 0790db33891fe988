package report

import "strings"

// ownWords name the complainant's side when they stand right behind an address,
// in brackets or behind a comma: "192.0.2.7 (our gateway)".
var ownWords = strings.Fields(`our my mine ours unser unsere unserer unserem unseren mein meine meinem meiner eigene notre nos mon ma mes
	nuestro nuestra nuestros mi mis nosso nossa nossos meu minha onze ons mijn il-nostro nostro nostra mio mia nasz nasza naszego mój moja
	наш наша нашего нашей наши мой моя моего vårt vår min`)

// cjkOwnWords do so in languages without spaces.
var cjkOwnWords = []string{"本校", "本公司", "本單位", "本单位", "本站", "我方", "我司", "我們", "我们", "我的", "敝公司", "弊社", "当社", "当方", "当サイト", "自社", "本学", "본사", "당사"}

// ownAfter returns the word that makes an address the complainant's own, or "".
// Behind a comma or a dash a new clause may begin ("from 192.0.2.7, our logs
// say"), so there it counts only where nothing before the address tells.
func ownAfter(after string, told bool) string {
	t := strings.TrimLeft(after[:min(len(after), 48)], " \t")
	for _, open := range [...]string{"(", "（", "["} {
		if rest, ok := strings.CutPrefix(t, open); ok {
			rest = strings.TrimLeft(rest, " \t")
			if w := strings.ToLower(strings.TrimRight(firstWord(rest), ")")); isNoteOfOther(w) {
				return w
			}
			return ownWord(rest)
		}
	}
	if told {
		return ""
	}
	for _, open := range [...]string{",", "-", "–", "、", "，"} {
		if rest, ok := strings.CutPrefix(t, open); ok {
			return ownWord(strings.TrimLeft(rest, " \t"))
		}
	}
	return ""
}

// isNoteOfOther tells a word in brackets behind an address that makes it not
// the accused: "192.0.2.1 (upstream)".
func isNoteOfOther(w string) bool {
	switch w {
	case "us", "me", "upstream", "victim", "target", "gateway", "destination", "dst", "honeypot", "sensor", "opfer", "ziel", "victime", "cible", "víctima", "destino", "slachtoffer", "vittima", "жертва", "цель":
		return true
	}
	return false
}

func ownWord(t string) string {
	for _, w := range cjkOwnWords {
		if strings.HasPrefix(t, w) {
			return w
		}
	}
	word := strings.ToLower(firstWord(t))
	for _, w := range ownWords {
		if word == w {
			return w
		}
	}
	return ""
}

// ownWork is why the address of somebody's own work is left.
const ownWork = "author of"

// isAuthored tells a clause in which the complainant says what is his work.
func isAuthored(before string) bool {
	t := before[max(0, len(before)-110):]
	t = strings.ToLower(t[lastSentence(t):])
	return containsAny(t, []string{"am the author", "am the owner", "am the photographer", "am the creator", "are the authors", "are the owners", "own the rights", "own the copyright", "bin der autor", "bin der urheber", "bin urheber", "suis l'auteur", "soy el autor", "soy la autora", "sou o autor", "sou a autora", "sono l'autore", "ben de auteur", "jestem autorem", "являюсь автором"}) && !containsAny(t, []string{" copied ", " stolen ", "without ", " which is used "})
}

// isThanked tells a clause that thanks for what was done about the address
// before it: "thanks for closing x".
func isThanked(before, after string) bool {
	t := before[max(0, len(before)-90):]
	i := lastSentence(t)
	t = strings.ToLower(t[i:])
	if !containsAny(t, thankWords) || containsAny(t+strings.ToLower(after[:min(len(after), 60)]), requestingWords) {
		return false
	}
	return containsAny(t, []string{" closing ", " suspending ", " blocking ", " shutting ", " disabling ", " terminating ", " removing ", " cleaning ", " handling ", " dealing with ", " taking down ", " fixing ", " stopping ", " sperrung ", " abschaltung ", "suspension ", "blocage ", "fermeture ", "bloqueo ", "bloqueio ", "blocco ", "blokkeren ", "afsluiten ", "блокировку ", "отключение "})
}

// requestingWords make thanks the end of a request: "thank you in advance for
// closing x", "merci de procéder au blocage de x".
var requestingWords = []string{"in advance", "as soon as", "asap", "immediately", "quickly as", "promptly", "urgent", "im voraus", "vorab", "schnellst", "umgehend", "d'avance", "par avance", "merci de ", "au plus vite", "rapidement", "adelantad", "de antemano", "lo antes posible", "antecip", "o mais rápido", "anticipat", "in anticipo", "al più presto", "alvast", "bij voorbaat", "zo snel mogelijk", "заранее", "z góry"}

var thankWords = []string{"thank", "thx", "danke", "vielen dank", "merci", "gracias", "obrigad", "grazie", "bedankt", "dank ", "спасибо", "dziękuj"}

// lastSentence returns where the last sentence of a text begins.
func lastSentence(t string) int {
	i := strings.LastIndexAny(t, ".;!?")
	for i >= 0 && i+1 < len(t) && t[i+1] != ' ' {
		i = strings.LastIndexAny(t[:i], ".;!?")
	}
	return i + 1
}

// elsewhereWords tell that a host is somebody else's, who was told already.
var elsewhereWords = []string{"other provider", "another provider", "different provider", "other hoster", "another network", "not your network", "not on your network", "not in your network", "outside your network", "different company", "different host", "other hosting", "reported separately", "notified separately", "to them separately", "have been told", "has been told", "have been informed", "been notified", "to them already", "were told", "told them", "informed them", "notified them", "wurden informiert", "wurde informiert", "schon informiert", "ont été prévenus", "a été prévenu", "han sido avisados", "sono stati avvisati", "foram avisados", "zijn ingelicht", "reported to its", "reported to their", "anderen provider", "anderer provider", "anderem provider", "autre hébergeur", "autre fournisseur", "otro proveedor", "outro provedor", "andere provider", "другой провайдер", "другого провайдера"}

// toldWords say that somebody was told already, who in a note in brackets is
// another, and in a sentence may be the desk itself.
var toldWords = []string{"already reported", "already notified", "bereits gemeldet", "déjà signalé", "ya notificad", "ya reportad", "já notificad", "reeds gemeld"}

// deskWords speak to the desk itself.
var deskWords = []string{" you ", " your ", "You ", "Your ", " Sie ", " Ihnen ", " Ihr", " vous ", " votre ", " vos ", " usted", " ustedes ", " você", " vocês ", " voi ", " vostr", " uw ", " jullie "}

// isElsewhere tells whether the rest of the sentence behind an address says so.
func isElsewhere(after string) bool {
	t := after[:min(len(after), 100)]
	if i := strings.Index(t, ". "); i >= 0 {
		t = t[:i]
	}
	if len(t) <= 12 {
		return false
	}
	low := strings.ToLower(t)
	note, _, _ := strings.Cut(strings.TrimLeft(low, " \t"), ")")
	if containsAny(low, assaultWords) || containsAny(t, deskWords) {
		return false // "x attacks what we have at another provider", "x scans us, you have been told"
	}
	return (containsAny(low, elsewhereWords) || strings.HasPrefix(note, "(") && containsAny(note, toldWords)) && len(findAddresses(t)) == 0
}

// ownVerbs lead from an address to the word that says whose it is.
var ownVerbs = []string{"is the address of ", "is the ip of ", "is ", "are ", "was ", "belongs to ", "ist die adresse ", "ist ", "gehört zu ", "gehört ", "est celle de ", "est celui de ", "est ", "appartient à ", "es la de ", "es el de ", "es ", "pertenece a ", "é o ", "é a ", "é ", "pertence a ", "pertence ao ", "è il ", "è la ", "è ", "is van ", "это ", "принадлежит ", "jest "}

// ownVerb returns the word of a clause that gives the address before it to the
// complainant ("is our gateway"), or "".
func ownVerb(t string) string {
	for _, v := range ownVerbs {
		if rest, ok := strings.CutPrefix(t, v); ok {
			if w := ownWord(rest); w != "" {
				return w
			}
		}
	}
	return ""
}
