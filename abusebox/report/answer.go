package report

import (
	"strings"

	"spoor/internal/message"
)

// aggregateReport tells the daily reports of receivers about a domain's own
// mail: DMARC (RFC 7489 §7.2) and TLS (RFC 8460). They list every address that
// sent in the domain's name, the good ones too, and accuse none.
func (d *document) aggregateReport() bool {
	subject := strings.ToLower(d.subject)
	if strings.Contains(subject, "report domain:") && strings.Contains(subject, "submitter:") {
		return true
	}
	if strings.EqualFold(d.root.Params["report-type"], "tlsrpt") {
		return true
	}
	found := false
	d.root.Walk(func(p *message.Part) bool {
		found = found || strings.HasPrefix(p.MediaType, "application/tlsrpt+") || isAggregateFile(p.Filename)
		return !found
	})
	return found && !d.textNamesAddress() // else a person writes about whom the report names
}

func (d *document) textNamesAddress() bool {
	lines := d.bodyLines()
	for i := range lines {
		if len(lines[i].hits) > 0 {
			return true
		}
	}
	return false
}

// isAggregateFile knows "receiver!domain!begin!end.xml.gz" (RFC 7489 §7.2.1.1).
func isAggregateFile(name string) bool {
	name = strings.ToLower(name)
	if strings.Count(name, "!") < 3 {
		return false
	}
	for _, end := range [...]string{".xml", ".xml.gz", ".xml.zip", ".zip", ".gz", ".json", ".json.gz"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// replyPrefixes begin the subjects of answers.
var replyPrefixes = []string{"re:", "re :", "aw:", "antw:", "antwort:", "rép:", "rép :", "sv:", "vs:", "odp:", "res:", "rif:", "r:", "ref:", "回复:", "回复：", "回覆:", "回覆：", "答复:", "答复：", "返信:", "ynt:", "vá:", "απ:", "re["}

// settledWords say that what was complained about has ended.
var settledWords = []string{"has stopped", "have stopped", "it stopped", "been resolved", "is resolved", "was resolved", "now resolved", "we resolved", "we have resolved", "been fixed", "is fixed", "we fixed", "have fixed", "been cleaned", "we cleaned", "have cleaned", "cleaned up the", "cleaned the", "reinstalled", "re-installed", "been removed", "we removed", "have removed", "took it offline", "taken offline", "taken down", "disconnected", "been secured", "we secured", "have secured", "been patched", "has been closed", "has removed", "was removed", "were removed", "removed the", "close the ticket", "close this ticket", "close the case", "ticket closed", "case closed", "has cleaned", "has fixed", "has resolved", "problem solved", "been solved", "is solved", "changed the password", "been changed", "been disabled", "we disabled", "have disabled", "have suspended", "been suspended", "been terminated", "have terminated", "will look into", "we are investigating", "we will investigate", "looking into", "false positive", "thanks for the quick", "thank you for the quick", "thanks for letting us know", "thank you for letting us know", "thank you for informing", "thanks for informing",
	"behoben", "bereinigt", "neu aufgesetzt", "neu installiert", "erledigt", "gelöst", "vom netz genommen", "abgeschaltet", "gesäubert", "entfernt", "passwort geändert", "kennwort geändert", "wir kümmern uns", "danke für den hinweis", "danke für die information",
	"résolu", "corrigé", "nettoyé", "réinstallé", "supprimé", "débranché", "merci pour l'information", "merci de nous avoir",
	"solucionado", "resuelto", "corregido", "eliminado", "desconectado", "limpiado", "reinstalado", "gracias por avisar", "gracias por informar", "resolvido", "corrigido", "removido", "desligado", "formatado", "obrigado por",
	"risolto", "rimosso", "disattivato", "ripulito", "grazie per la segnalazione", "opgelost", "verholpen", "opgeschoond", "verwijderd", "uitgeschakeld", "bedankt voor de melding",
	"rozwiązan", "usunięt", "naprawion", "odłączon", "vyřešen", "odstraněn", "odpojen", "megoldottuk", "eltávolít", "çözüldü", "temizlendi", "kaldırıldı", "løst", "fjernet", "åtgärdat", "åtgärdad", "avstängd", "korjattu", "poistettu",
	"устранен", "устранён", "устранил", "решен", "решён", "удален", "удалён", "отключен", "отключён", "переустанов", "очищен", "вирус удал", "усунут", "виправлен",
	"已处理", "已處理", "已解决", "已解決", "已清除", "已修复", "已修復", "已关闭", "已關閉", "已重灌", "已断网", "已斷網", "已移除", "対応いたしました", "対応しました", "対処いたしました", "対処しました", "解決しました", "解決いたしました", "停止しました", "停止いたしました", "削除しました", "削除いたしました", "조치하였습니다", "조치했습니다", "조치 완료", "처리하였습니다", "처리했습니다", "처리 완료", "삭제하였습니다"}

// goesOnWords say that it has not.
var goesOnWords = []string{"again", "came back", "comes back", "is back", "are back", "returned", "still ", "continu", "another", "not been", "hasn't", "has not", "isn't", "more of", "new attack", "not stopped", "nothing has", "persist", "ongoing", "immer noch", "weiterhin", "erneut", "schon wieder", "noch immer", "nicht behoben", "toujours", "encore", "de nouveau", "sigue", "otra vez", "de nuevo", "todavía", "continua", "ainda", "novamente", "ancora", "di nuovo", "nog steeds", "opnieuw", "nadal", "ponownie", "stále", "znovu", "опять", "снова", "по-прежнему", "продолжа", "до сих пор", "仍", "又", "再次", "未处理", "未處理", "まだ", "再度", "引き続き", "여전히", "다시"}

// isAnswer tells an answer to a notice or to a complaint: it says that the
// matter is settled, or replies to a mail of the desk to which it was sent, and
// names no address itself. The addresses it quotes are known already.
func (d *document) isAnswer() bool {
	if d.thanksForReport() {
		return true
	}
	subject := strings.ToLower(strings.TrimSpace(d.subject))
	if !startsWithOne(subject, replyPrefixes) || len(d.mails) > 0 || len(d.files) > 0 {
		return false
	}
	if d.settles() {
		return true
	}
	own, quoted, ours := d.ownWords()
	if quoted == 0 || own == "" || containsAny(own, goesOnWords) {
		return false
	}
	return ours || containsAny(own, settledWords)
}

// thanksWords thank for a complaint, which its author does not.
var thanksWords = []string{"thank you for your report", "thanks for your report", "thank you for reporting", "thanks for reporting", "thank you for your abuse report", "thank you for your complaint", "thank you for bringing this",
	"danke für ihre meldung", "dank für ihre meldung", "dank für ihren hinweis", "merci pour votre signalement", "merci de votre signalement", "gracias por su reporte", "gracias por su notificación", "obrigado pela sua denúncia", "bedankt voor uw melding", "grazie per la sua segnalazione", "спасибо за ваше обращение", "благодарим за обращение", "感谢您的举报", "感謝您的通報", "感謝您的檢舉", "ご報告ありがとう", "ご連絡ありがとう"}

// thanksStems are in each of thanksWords, however its lines break.
var thanksStems = []string{"thank", "dank", "merci", "gracias", "obrigad", "grazie", "спасибо", "благодар", "感谢", "感謝", "ありがと"}

// receivedWords say that a complaint has come in.
var receivedWords = []string{"automated response", "automatic response", "automated reply", "automatic reply", "automatically generated response", "we have received your", "has been received", "we received your", "will be reviewed", "has been forwarded to", "was forwarded to", "we will investigate", "ticket number", "automatische antwort", "ist eingegangen", "haben ihre", "réponse automatique", "respuesta automática"}

// thanksForReport tells an answer to what we complained about: it thanks, and
// says that the complaint came in or is settled. The host that it names is its
// own author's.
func (d *document) thanksForReport() bool {
	if len(d.mails) > 0 || len(d.files) > 0 || d.innerAuthor != "" || !d.lowered().containsAny(thanksStems) {
		return false
	}
	var own strings.Builder
	lines := d.bodyLines()
	for i := 0; i < len(lines) && own.Len() < 3000; i++ {
		l := &lines[i]
		if l.quoted > 0 || isAttribution(l.text) || isReplyMark(l.text) {
			break
		}
		if len(l.hits) > 0 && (stamped(l.text) || l.accuses()) {
			return false // a log, or "x attacks us, too"
		}
		own.WriteString(strings.ToLower(l.text) + " ")
	}
	low := own.String()
	return containsAny(low, thanksWords) && (containsAny(low, settledWords) || containsAny(low, receivedWords)) && !containsAny(low, goesOnWords)
}

// accuses tells whether a line says what one of its addresses does.
func (l *line) accuses() bool {
	for _, r := range l.read() {
		if r.is == source && r.acts {
			return true
		}
	}
	return false
}

// settles tells an answer that names addresses only of what it answers to, and
// says of them that the matter is settled.
func (d *document) settles() bool {
	lines := d.bodyLines()
	th := newThread(lines)
	if !th.answers() {
		return false
	}
	named, asked := map[addr]bool{}, map[addr]bool{}
	for _, h := range findAddresses(refang(d.subject)) {
		asked[h.ip] = true
	}
	var b strings.Builder
	for i := range lines {
		set := named
		if !th.own(i) {
			set = asked
		} else if b.Len() < 2000 {
			b.WriteString(strings.ToLower(lines[i].text) + " ")
		}
		for _, h := range lines[i].hits {
			set[h.ip] = true
		}
	}
	for ip := range named {
		if !asked[ip] {
			return false
		}
	}
	own := b.String()
	return len(named) > 0 && containsAny(own, settledWords) && !containsAny(own, goesOnWords) && !containsAny(own, assaultWords)
}

// ownWords returns what the author of a reply wrote above what it quotes, in
// lower case; quoted is how many lines follow, ours tells that they are those
// of whom the reply goes to. own is empty where it names an address itself.
func (d *document) ownWords() (own string, quoted int, ours bool) {
	var b strings.Builder
	lines := d.bodyLines()
	to := strings.ToLower(d.root.Header.Text("To"))
	if len(lines) > 0 && firstQuoted(lines) {
		return wordsBelow(lines, to)
	}
	for i := range lines {
		l := &lines[i]
		t := strings.TrimSpace(l.text)
		if t == "" {
			continue
		}
		begins := l.quoted > 0 || isAttribution(t) || startsWithAny(t, fromLabels) && i+1 < len(lines) && startsWithAny(lines[i+1].text, headLabels) || isReplyMark(t)
		if begins {
			quoted = len(lines) - i
			author := mailbox(t)
			if l.quoted > 0 && !startsWithAny(t, fromLabels) {
				author = ""
			}
			for j := i + 1; author == "" && l.quoted == 0 && j < min(len(lines), i+3); j++ { // an attribution broken over lines
				if lines[j].quoted == 0 {
					author = mailbox(lines[j].text)
				}
			}
			ours = author != "" && strings.Contains(to, author)
			break
		}
		if len(l.hits) > 0 || b.Len() > 2000 {
			return "", 0, false
		}
		b.WriteString(strings.ToLower(t) + " ")
	}
	return b.String(), quoted, ours
}

// firstQuoted tells whether the text begins with what is quoted.
func firstQuoted(lines []line) bool {
	for i := range lines {
		if strings.TrimSpace(lines[i].text) != "" {
			return lines[i].quoted > 0 && isAttribution(strings.TrimSpace(lines[i].text))
		}
	}
	return false
}

// wordsBelow is ownWords where the author wrote below what he quotes, or between.
func wordsBelow(lines []line, to string) (own string, quoted int, ours bool) {
	var b strings.Builder
	for i := range lines {
		l := &lines[i]
		t := strings.TrimSpace(l.text)
		switch {
		case t == "":
		case l.quoted > 0:
			if author := mailbox(t); quoted == 0 && author != "" {
				ours = strings.Contains(to, author)
			}
			quoted++
		case len(l.hits) > 0 || b.Len() > 2000:
			return "", 0, false
		default:
			b.WriteString(strings.ToLower(t) + " ")
		}
	}
	return b.String(), quoted, ours
}

// isAttribution knows "On 1 Oct 2026, Abuse Desk wrote:".
func isAttribution(t string) bool {
	if len(t) > 200 || !strings.HasSuffix(strings.TrimRight(t, " "), ":") && !strings.HasSuffix(t, "：") && strings.IndexByte(t, '@') < 0 {
		return false
	}
	low := strings.ToLower(strings.TrimRight(t, " "))
	for _, w := range [...]string{"wrote:", "writes:", "schrieb:", "a écrit :", "a écrit :", "a écrit:", "escribió:", "escreveu:", "ha scritto:", "schreef:", "napisał:", "napisał(a):", "написал:", "пишет:", "skrev:", "kirjoitti:", "írta:", "napsal:", "yazdı:", "写道：", "写道:", "寫道：", "寫道:", "のメール:", "작성:"} {
		if strings.HasSuffix(low, w) {
			return true
		}
	}
	return (strings.HasPrefix(low, "on ") || strings.HasPrefix(low, "am ") || strings.HasPrefix(low, "le ")) && strings.Contains(low, "@") && strings.Contains(low, "<") && strings.Contains(low, "20")
}

// isReplyMark knows the rulers that mail programs put above what they quote.
func isReplyMark(t string) bool {
	low := strings.ToLower(strings.Trim(t, "- _"))
	return strings.HasPrefix(t, "--") && (strings.HasPrefix(low, "original message") || strings.HasPrefix(low, "ursprüngliche nachricht") || strings.HasPrefix(low, "original-nachricht") || strings.HasPrefix(low, "message d'origine") || strings.HasPrefix(low, "mensaje original") || strings.HasPrefix(low, "mensagem original") || strings.HasPrefix(low, "messaggio originale") || strings.HasPrefix(low, "oorspronkelijk bericht") || strings.HasPrefix(low, "исходное сообщение") || strings.HasPrefix(low, "原始邮件") || strings.HasPrefix(low, "原始郵件") || strings.HasPrefix(low, "原始訊息"))
}

func startsWithOne(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// requestWords are what customers and strangers write to a desk about that is
// no complaint: name entries, delisting, geolocation, quotes, sales.
var requestWords = []string{"ptr record", "ptr-record", "ptr entry", "ptr-eintrag", "reverse dns entry", "reverse dns record", "set the reverse dns", "rdns record", "rdns entry", "reverse-dns-eintrag", "enregistrement ptr", "reverse dns pour", "registro ptr", "record ptr", "запись ptr", "ptr-запись", "ptr запись", "反解", "逆引き",
	"open port 25", "unblock port", "port 25 outbound", "port 25 freischalten", "bitte freischalten", "ip freischalten", "firewall freigabe",
	"delist our", "delist my", "delist the", "delist this", "delisting request", "request delisting", "please delist", "whitelist our", "whitelist my", "whitelist the", "whitelist this", "whitelisting", "please whitelist", "geofeed", "geolocation", "geoip", "wrong country", "validate your poc", "verify your whois", "annual validation",
	"if this was you", "if it wasn't you", "if it was not you", "confirm your subscription", "new sign-in to your account", "can be upgraded to", "has not been able to reach your server", "free quote", "seo error", "seo audit", "rank your", "first page of google", "buy unused ipv4", "buy ipv4", "lease ipv4", "sell ipv4", "ipv4 blocks", "ipv4 broker", "webinar", "peer with", "peering", "max prefix", "bitte um angebot", "colocation",
	"no longer listed", "has been delisted", "was delisted", "removal confirmed", "removal request", "request to remove", "has been removed from the list", "feedback loop application", "enrolment", "enrollment", "has been approved", "fill in our survey", "our survey", "annual confirmation", "validate the abuse-mailbox", "abuse-mailbox validation"}

// asksForSomething tells a mail that asks or offers, and speaks of no offence.
func (d *document) asksForSomething() bool {
	if d.asked.of != d.body || d.asked.of == "" {
		d.asked.of, d.asked.so = d.body, d.readRequest()
	}
	return d.asked.so
}

// A knownAnswer is what was found out about a text, kept because several readers ask.
type knownAnswer struct {
	of string
	so bool
}

func (d *document) readRequest() bool {
	low := d.lowered()
	return low.containsAny(requestWords) && !low.containsAny(offenceWords)
}

// offenceWords are the narrow half of complaintWords: those that mail about
// something else hardly uses.
var offenceWords = []string{"attack", "spam", "complain", "infring", "malicious", "phish", "malware", "scan", "brute", "unauthor", "intrusion", "hack", "ddos", "flood", "fraud", "botnet", "infected", "compromised", "trojan", "virus", "worm", "login attempt", "failed login", "logins", "illegal", "stolen", "harass", "threat", "violat", "open relay", "open resolver", "open proxy", "takedown", "copyright", "exploit", "vulnerab", "unsolicited", "failed password", "abuse of", "abuse from", "abuse report", "abusive",
	"missbrauch", "angriff", "angreif", "greift", "beschwerde", "vorfall", "drohung", "beläst", "einbruch", "loginversuch", "anmeldeversuch", "verstoß", "pirat", "hameçonnage", "attacco", "attacc", "violaz", "truffa", "nadużyc", "włama", "útok", "вирус", "злоупотреб", "plainte", "attaque", "ataque", "denuncia", "abuso", "misbruik", "aanval", "жалоб", "атак", "взлом", "спам", "攻击", "攻擊", "投诉", "投訴", "檢舉", "举报", "滥用", "濫用", "垃圾", "攻撃", "不正", "迷惑", "공격", "침해"}
