package report

import (
	"strings"
)

// A kind is one category and type of XARF v4 and the words that speak for it.
type kind struct {
	category, typ string
	words         []string
}

// kinds are tried all; the most telling wins, at a tie the earlier one.
var kinds = []kind{
	{"content", "csam", []string{"child sexual", "csam", "child porn", "child abuse material", "kinderpornogra", "儿童色情", "児童ポルノ"}},
	{"content", "brand-infringement", []string{"trademark", "brand infringement", "markenrecht", "counterfeit goods"}},
	{"copyright", "p2p", []string{"bittorrent", "edonkey", "emule", "p2p", "peer-to-peer", "gnutella", "torrent", "infringer", "kademlia"}},
	{"copyright", "copyright", []string{"copyright", "dmca", "infring", "piracy", "urheberrecht", "droit d'auteur", "derechos de autor", "direitos autorais", "auteursrecht", "著作権", "侵权", "侵權", "版权", "版權", "авторск"}},
	{"content", "phishing", []string{"phish", "fake login", "credential harvest", "钓鱼", "釣魚", "フィッシング", "фишинг", "fraudulent website", "fraudulent site", "hameçonnage", "spoofed site", "sitio fraudulento", "site fraudulento", "site frauduleux", "sito fraudolento", "página falsa", "pagina falsa", "fake page", "fake site", "fake website", "site falso", "sitio falso", "sito falso", "fausse page", "faux site", "nepsite", "gefälschte seite", "gefälschte web", "поддельн", "fałszyw", "podvodn", "sahte site", "偽サイト", "피싱"}},
	{"content", "malware", []string{"malware", "virus", "trojan", "ransomware", "drive-by", "malicious file", "malicious content", "exploit kit", "恶意软件", "惡意程式", "マルウェア", "вредонос", "schadsoftware", "iframe"}},
	{"content", "fraud", []string{"fraud", "scam", "419 ", "nigerian", "betrug", "fraude", "诈骗", "詐騙", "мошенн", "counterfeit"}},
	{"content", "remote-compromise", []string{"defac", "webshell", "web shell", "hacked website", "hacked site", "compromised wordpress", "compromised website", "compromised site"}},
	{"connection", "ddos", []string{"ddos", "denial of service", "denial-of-service", "udp flood", "syn flood", "amplification attack", "flooding", " flood", "connections from", "too many connections", "syn_flood", "dos alert", "outgoing attack", "flood attack", "reflection", "dos attack", "拒绝服务", "阻斷服務", "used for an attack", "отказ в обслуж", "amplification", "(d)dos", "http blacklist", "attack:udp", "attack:tcp", "attack:syn", "outbound attack", "attack detail", "booted me"}},
	{"connection", "login-attack", []string{"brute", "failed password", "authentication failed", "authenticat", "auth. failure", "login failure", "fail login", "bad password", "wrong password", "access denied for user", "locked out", "hosts.deny", "sip attack", "registration from", "credential stuffing", "account takeover", "password authentication", "authentication failure", "login attempt", "invalid user", "ssh", "failed login", "password guess", "dictionary attack", "sasl", "wp-login", "xmlrpc", "rdp", "sip register", "auth failed", "login failed", "暴力破解", "暴力", "总当たり", "ブルートフォース", "подбор парол", "anmeldeversuch", "ftp login", "imap login", "pop3", "unauthorized login", "unauthorized access", "unauthorised access", "telnet", "不正アクセス", "connexion échou", "fuerza bruta", "força bruta", "tentatives de connexion", "falsches kennwort", "falsches passwort", "loginversuch", "login-versuch", "anmeldung fehlgeschlagen", "fehlgeschlagene anmeld", "échec d'authentification", "inicio de sesión fallid", "login fallito", "intentos de acceso", "intentos de inicio", "tentativi di accesso", "tentativas de acesso", "próby logowania", "próby włamania", "nieudane logowan", "pokusy o přihlášení", "pokusů o přihlášení", "inlogpoging", "inloggningsförsök", "prøver å logge", "kaba kuvvet", "parola deneme", "bejelentkezési kísérlet", "próbálnak bejelentkezni", "incercari repetate de autentificare", "προσπάθειες σύνδεσης", "перебір парол", "무차별"}},
	{"connection", "port-scan", []string{"port scan", "portscan", "connection attempt", "darknet", "unauthorized connection", "port-scan", "scanning", "port probe", "probing", "firewall", "denied tcp", "netscan", "sweep", "端口扫描", "掃描", "ポートスキャン", "сканирован", "portsweep", "escaneo", "varredura", "probe", "scan of", "scanned", "skenov", "poortscan", "portskan", "port tarama", "포트 스캔", "포트스캔", "[ufw block]", "proto=tcp spt="}},
	{"connection", "sql-injection", []string{"sql injection", "sqli", "union select"}},
	{"connection", "vulnerability-scan", []string{"vulnerability scan", "nikto", "w00tw00t", "phpmyadmin", "zmeu", "muieblackcat", "web attack", "exploit attempt", "trying to exploit", "jndi:", "web scan", "path traversal", "vulnerability probe", "shellshock", "modsecurity", "rfi", "lfi ", "directory traversal", ".git/config", "/.env", "etc/passwd", "invalid uri", "cgi-bin", "%2e%2e", "..%2f", "boaform", "phpunit", "wp-config", "phpinfo", "/actuator"}},
	{"connection", "scraping", []string{"scraping", "badbot", "bad bot", "crawler", "botware", "harvesting on"}},
	{"connection", "infected-host", []string{"infected", "machine compromise", "botnet", "drone", "sinkhole", "zombie", "conficker", "bot infection", "worm", "compromised host", "c&c traffic", "僵尸", "殭屍", "ボットネット", "infiziert", "bot-infected", "spambot", "downadup", "zeroaccess", "blaster", "slammer", "code red", "codered", "nimda"}},
	{"infrastructure", "botnet", []string{"command and control", "c2 servers", "botnet c2", "command-and-control", "c2 server", "c&c server", "botnet controller", "botnet c&c"}},
	{"infrastructure", "compromised-server", []string{"compromised server", "hacked server", "rooted", "server has been compromised"}},
	{"vulnerability", "open-service", []string{"open resolver", "openresolver", "open relay", "open proxy", "open recursive", "open port", "openly accessible", "open service", "exposed", "amplifiers", "open memcached", "open mongo", "open redis", "open elastic", "open smb", "recursivo aberto", "recursive resolver", "unauthenticated", "accessible from the internet", "open ntp", "ntp monitor", "monlist", "open snmp", "open memcached", "exposed service", "portmapper", "ssdp", "offene dns", "öffentlich erreichbar", "opened port", "open ssdp"}},
	{"vulnerability", "cve", []string{"cve-", "heartbleed", "poodle", "security update", "unpatched", "security researcher", "end-of-life software", "vulnerable server", "vulnerab"}},
	{"reputation", "blocklist", []string{"blacklist", "blocklist", "sbl ref", "dnsbl", "listed in", "黑名单", "黑名單", "playstation network"}},
	{"messaging", "spam", []string{"spam", "unsolicited", "ube", "uce", "junk mail", "bulk mail", "bulk e-mail", "spamtrap", "spam trap", "pourriel", "correo no deseado", "correo basura", "posta indesiderata", "nevyžádan", "kéretlen", "skräppost", "roskaposti", "istenmeyen e", "niechcian", "ongewenste e-mail", "ongewenste mail", "垃圾信", "스팸", "垃圾邮件", "垃圾郵件", "迷惑メール", "スパム", "спам", "unerwünschte", "werbemail", "abusive e-mail", "abusive email", "mail abuse", "forum spam", "comment spam", "backscatter", "relaying denied", "relay attempt", "complaint about message", "email abuse"}},
	{"content", "exposed-data", []string{"data leak", "exposed data", "leaked", "exposed database"}},
}

// kindOfText weighs the words of a text.
func kindOfText(text string) (category, typ string) {
	best, at := 0, -1
	low := strings.ToLower(text)
	var pairs letterPairs
	pairs.add(low)
	for i, k := range kinds {
		if n := k.count(low, &pairs, 4); n > best {
			best, at = n, i
		}
	}
	if at < 0 {
		return "", ""
	}
	return kinds[at].category, kinds[at].typ
}

// count tells how often the kind's words occur in a text, each at most limit
// times; pairs hold those of the text.
func (k kind) count(low string, pairs *letterPairs, limit int) int {
	n := 0
	for _, w := range k.words {
		if !pairs.mayHold(w) {
			continue
		}
		for i, c := 0, 0; c < limit; c++ {
			j := strings.Index(low[i:], w)
			if j < 0 {
				break
			}
			at := i + j
			i = at + len(w)
			if len(w) > 4 || standsAlone(low, at, i) {
				n++
			}
		}
	}
	return n
}

// standsAlone tells whether a short word begins where no other does ("rdp" is no
// part of "wordpress"), and, if it is an abbreviation, ends there too.
func standsAlone(low string, at, end int) bool {
	if low[at] >= 0x80 || !isAlnum(low[at]) {
		return true
	}
	if at > 0 && isAlnum(low[at-1]) {
		return false
	}
	switch low[at:end] {
	case "uce", "ube", "rfi":
		return end == len(low) || !isAlnum(low[end])
	}
	return true
}

// kindOfEvidence tells the kind by what the log lines are of, where no word does.
func kindOfEvidence(evidence []string) (category, typ string) {
	for _, e := range evidence {
		low := strings.ToLower(e[:min(len(e), 1000)])
		for _, k := range evidenceKinds {
			for _, mark := range k.words {
				if strings.Contains(low, mark) {
					return k.category, k.typ
				}
			}
		}
	}
	return "", ""
}

// evidenceKinds are marks of log lines, the surer ones first.
var evidenceKinds = []kind{
	{"connection", "login-attack", []string{"password", "login", "logon", "authenticat", "auth fail"}},
	{"connection", "vulnerability-scan", []string{" http/1.", " http/2", "\"get /", "\"post /", "user-agent:", "requested http"}},
	{"messaging", "spam", []string{"rcpt", "mail from", "helo="}},
	{"connection", "port-scan", []string{"drop", "deny", "denied", "block in", "proto=", "dpt=", "rt_flow", "flags:s", "(syn)", "blocked", "filterlog", "scan", " > ", "->"}},
}

// classify fills in category and type where the form did not state them.
func (d *document) classify(r *Report, hints *[]string) {
	if r.Category != "" {
		return
	}
	if len(*hints) == 0 {
		cat, typ := d.kind()
		*hints = append(*hints, cat, typ)
	}
	if r.Type == "" || (*hints)[1] != "" {
		r.Category, r.Type = (*hints)[0], (*hints)[1]
	}
	if r.Category == "" && r.Type == "" {
		r.Category, r.Type = kindOfEvidence(append([]string{d.subject}, r.Evidence...))
	}
	if r.Category == "" && r.Type == "" && d.innerAuthor != "" {
		r.Category, r.Type = "messaging", "spam" // a mail was forwarded
	}
}

// kind weighs subject and text of the whole mail; the subject counts most.
func (d *document) kind() (category, typ string) {
	if d.known.of == nil || *d.known.of != d.body {
		body := d.body
		d.known.of = &body
		d.known.category, d.known.typ = d.weighKind()
	}
	return d.known.category, d.known.typ
}

// A knownKind is the kind of a text, kept because several readers ask for it.
type knownKind struct {
	of            *string
	category, typ string
}

// maxKindText is as far as words speak for a kind.
const maxKindText = 6 << 10

func (d *document) weighKind() (category, typ string) {
	low := d.lowered()
	body := low.body
	if len(d.body) > maxKindText {
		body = strings.ToLower(d.body[:maxKindText])
	}
	best, at := 0, -1
	for i, k := range kinds {
		n := 6*k.count(low.subject, &low.pairs, 1) + k.count(body, &low.pairs, 3)
		if n > best {
			best, at = n, i
		}
	}
	if at < 0 {
		if len(d.mails) > 0 {
			return "messaging", "spam"
		}
		return "", ""
	}
	return kinds[at].category, kinds[at].typ
}

// scansForGood tells whether the mail reports what a scan found open or weak.
func (d *document) scansForGood() bool {
	cat, typ := d.kind()
	return cat == "vulnerability" || typ == "exposed-data"
}

// complaintWords tell a complaint from other mail when nothing else does.
var complaintWords = []string{
	"abuse", "attack", "spam", "complain", "infring", "report", "malicious", "phish", "malware", "virus", "scan", "brute", "unauthor",
	"intrusion", "hack", "incident", "violation", "security", "blacklist", "blocklist", "ddos", "flood", "fraud", "suspicious", "botnet", "infected", "compromised", "takedown", "copyright",
	"exploit", "vulnerab", "unsolicited", "open port", "open proxy", "open service", "exposed", "insecure", "misconfig", "failed password", "denied", "probe", "alert", "notice of", "investigate", "honeynet", "honeypot", "aggressive", "top talkers", "booted me", "booted", "(d)dos", "hijack", "cobalt strike", "team server", "flagged", "leech", "hotlink", "groźb", "oszust", "skann", "zkouší hesla", "napad", "provaliti", "vdreti", "zlorab", "ataka", "атака", "يهاجم", "هجوم", "شكوى", "תוקפ", "תלונה", "โจมตี", "tấn công", "serangan", "s'est connecté", "登入後台", "嘗試登入", "尝试登录", "嫌がらせ", "접속 시도", "угроз", "bedroh", "beleidig", "bedreig", "menace", "amenaz", "ameaç", "minacc", "výhruž", "hrozb", "tehdit", "fenyeget", "trusl", "logged in", "breach", "open resolver", "open relay", "ban ", "banned", "blocked",
	"missbrauch", "angriff", "beschwerde", "vorfall", "meldung", "signalement", "plainte", "attaque", "abus", "ataque", "queja", "denuncia", "abuso", "misbruik", "aanval", "klacht", "reclam",
	"жалоб", "атак", "злоупотреб", "взлом", "攻击", "攻擊", "投诉", "投訴", "检举", "檢舉", "举报", "舉報", "滥用", "濫用", "垃圾", "攻撃", "不正", "迷惑", "違反", "侵权", "侵權", "通報", "通报", "nadużyc", "saldırı",
	"subpoena", "preservation", "identificación del", "titular de", "anschlussinhaber", "abonnee", "intestatario", "subscriber information", "custodian", "police", "law enforcement", "court order", "ermittlungsverfahren", "auskunftsersuchen", "polizei", "réquisition", "requisition", "enquête", "gendarmerie", "requerimiento", "policía", "requisição", "ordem judicial", "vordering", "politie", "carabinieri", "запрос о пред", "полиц", "следств", "捜査", "警察", "公安",
	"accessible", "resolver", "recursive", "stealing", "tentative", "pirat", "open to the", "publicly", "take down", "scam", "illegal", "counterfeit", "stolen", "leaked", "data leak", "open directory", "personal data", "vandal", "harass", "threat",
	"einbruch", "anmeldeversuch", "urheber", "rechtsverletzung", "störung", "unerwünscht", "schadcode", "gesperrt", "schadsoftware",
	"contrefaçon", "droit d'auteur", "pair à pair", "hameçonnage", "arnaque", "pourriel", "frauduleu", "banni",
	"intento", "infracción", "chantaje", "extorsi", "fraudulent", "correo basura", "intrus", "escaneo", "bloquead", "derechos de autor",
	"invas", "denúncia", "violação", "comprometid", "varredura", "golpe", "direitos autorais",
	"inlogpoging", "geblokkeerd", "inbreuk", "hackpoging", "ongewenst", "nepsite", "besmet",
	"attacco", "attacc", "truffa", "violazione", "segnalazione", "intrusione", "nadużyć", "naruszeni", "atak", "skanowani", "zgłoszeni", "włamani",
	"спам", "фишинг", "подбор парол", "реестр", "нарушен", "вирус", "авторск", "ограничить доступ", "сканирован", "мошенн",
	"入侵", "扫描", "掃描", "病毒", "异常", "異常", "恶意", "惡意", "钓鱼", "釣魚", "感染", "侵害", "黑名单", "黑名單", "踏み台", "スパム", "ポートスキャン", "著作権", "荒らし", "침해", "공격", "스팸", "マルウェア", "改ざん", "フィッシング", "ウイルス", "ハッキング", "詐欺", "诈骗", "詐騙", "木马", "木馬", "僵尸", "殭屍", "漏洞", "盗版", "盜版", "vulnerabilid", "expuesto", "exposé", "offene", "открыт",
	"útok", "nevyžádan", "zneuži", "napaden", "přihlášení", "angreb", "misbrug", "uønsket", "indbrud", "angrep", "innbrudd", "misbruk", "prøver å logge", "intrång", "skräppost", "missbruk", "angripe", "oönskad", "tietomurto", "murtau", "hyökkä", "roskaposti", "väärinkäy", "επίθεσ", "επιθέσ", "ανεπιθύμητ", "κακόβουλ", "προσπάθειες σύνδεσης", "παραβίασ", "támad", "kéretlen", "visszaél", "feltör", "bejelentkez", "atac", "nesolicitat", "istenmeyen", "kötüye", "sızma", "скарг", "зловмисн", "шахра", "вторгнен", "перебір парол",
}

// soundsLikeComplaint tells whether subject or text use words of complaints.
func (d *document) soundsLikeComplaint() bool {
	return d.lowered().containsAny(complaintWords)
}
