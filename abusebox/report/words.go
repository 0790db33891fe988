package report

import "strings"

// A bearing is what the words around an address make of it.
type bearing int

const (
	neutral   bearing = iota
	generic           // "IP", "address": says that here stands an address, not whose
	from              // "from", "by", "your": it did something
	source            // "source", "attacker", "client": a name for the accused
	target            // "destination", "our", "to": it suffered something
	reference         // whois ranges, resolvers, traceroutes: it only explains
	passage           // "on", "at": the words before it decide
)

// bearings are the words that give an address its part, in the languages that
// complaints come in. Words are in lower case, without "ip" or "address" joined
// to them: bearingOf strips those.
var bearings = wordTable(map[bearing]string{
	source: `source src saddr offending offender offenders attacker attackers attacking infringing infringer infringers
		infringer's abuser abusers abusing abusive spammer spamming rhost rip remote remote_addr origin originating origination originator
		originated sources malicious infected compromised perpetrator intruder hacker hackers culprit violator violating hostile guilty suspicious suspect suspected
		client c-ip sender sending scanner scanning scanners peer ban banned bans block blocked blocking blacklisted listed srcip
		sourceip attackerip involved problem problematic vulnerable bot zombie drone exploiting exploited hosting hosted
		resolves resolving resolved located location pointing crawler botnet reported affected intruding probing prober sourceaddress
		origin-ip originip x-originating-ip originating-ip client-ip sourcehost bad aggressor aggressive invader actor culprits thief
		remip srcaddr caller rogue conducting sshd orig_h id.orig_h unauthorized violation offense ofending source(s) ip(s) spamvertised spam-source authenticated connecting connected nntp-posting-host posting-host

		quelle quell quell-ip quelladresse quell-adresse quellsystem angreifersystem angreifers angreifendes angreifender absenderadresse auffälliges betroffenes kompromittierte kompromittiertes infizierte infizierter infiziertes störer angreifer angreifende angreifenden absender verursacher verursachende herkunft ursprung täter auffällige auffälligen betroffene betroffenen gesperrt gesperrte schädliche einliefernde einliefernder
		attaquant attaquante origine provenance émetteur expéditeur incriminée fautive infectée malveillante
		origen atacante atacantes fuente origem fonte infractor infractora emisor remitente infectado infectada ofensor ofensora atacando maliciosa malicioso
		bron aanvaller aanvallend aanvallende afkomstig afzender geïnfecteerde besmette misbruikende overtreder
		sorgente attaccante provenienza origine-ip mittente infetto
		источник источника атакующий атакующего атакующие отправитель отправителя нарушитель нарушителя злоумышленник злоумышленника зараженный зараженного источником
		źródło źródłowy źródłowa źródłowego źródłem atakujący atakującego atakująca nadawca nadawcy sprawca sprawcy naruszający zainfekowany kaynak saldırgan
		verursachendes verursachender verursachers quellrechner quellhost quelladressen quell-ips absende-ip absende-adresse angreifer-ip täter-ip täteradresse anschluss anschlussinhaber gegenstelle absenderhost einliefernden gehostet gehostete kompromittierten infizierten befallener befallenes
		attaquants attaquantes assaillant émettrice émetteurs expéditrice fautif fautives malveillant malveillants malveillantes infecté infectés infectées compromis contrevenant fraudeur hébergé hébergée hébergés hébergées suspecte bannie banni bloquée bloqué
		atacantes agresor agresora infractores ofensiva infectados infectadas comprometido comprometida comprometidas maliciosas maliciosos alojado alojada alojados hospedado hospedada hospedados bloqueada bloqueado bloqueadas bloqueados originados originadas originado originada procedente procedentes provenientes
		invasor invasora infratora infratores bloqueados ofensores comprometidos
		bronadres bron-ip aanvallers aanvallend geblokkeerd geblokkeerde inbreukmakend inbreukmakende gehost veroorzaker spammende dader
		aggressore attaccanti infetta compromesso ospitato ospitata risiede provengono bloccato bloccati colpevole
		источники источников атакующая атакующих атаковавший отправителе нарушителей злоумышленников зараженного заражённый заражённого заражённых размещен размещена размещён размещено размещены размещенный заблокировал заблокирован заблокирована вредоносный взломанный скомпрометированный`,
	from: `from by via using your yours customer customers client's user user's subscriber containing namely
		von vom aus ihr ihre ihrer ihrem ihren ihres eurer euer durch kunde kunden
		depuis de-l'adresse votre vos par client
		desde su sus cliente proveniente vuestro
		do dos seu sua pelo cliente
		van uw uit door klant jullie
		dal dalla da vostro vostra suo
		с от ваш вашего вашей ваши вашем вашим из
		z od wasz twój państwa waszej waszego
		vous vostri vostre vosotros ustedes vocês você vosso vossa uwer waszą
		gegen-von euren eurem euch ihnen ihrerseits
		со ваша вашу вами клиент клиента клиенту абонент абонента`,
	generic: `record records a-record ip ips ip's ipv4 ipv6 address addresses addr adresse adressen adres adresses adress ip-address ip-addresses ipaddress ip-adresse ip-adressen ip-adres ip-addr ip_address ip_addr
		host hosts hostname machine machines system systems device devices server servers computer node nodes numbers number
		internal resolver resolvers dns ntp gateway proxy network networks subnet netblock prefix range router website site netz netzwerk réseau red rede
		rechner maschine rechners serveur serveurs hôte hôtes servidor servidores ordinateur serwer serwera komputer servern systemen adresse-ip dirección direccion direcciones endereço endereco indirizzo indirizzi
		адрес адреса адресу адресом ip-адрес ip-адреса ip-адресу ip-адресом ip-адресов хост хоста сервер сервера сервером узел machine's adresu adresie adresem adresy hosta adresą l'adresse l'ip d'ip sull'ip dell'ip all'ip l'indirizzo dall'indirizzo dell'indirizzo equipo equipos máquina máquinas machines poste postes ordenador computador computadores endereços adressbereich ip-nummer ip-nr
		узла узлу хостом сервере айпи систем системы`,
	target: `destination destinations dst dest daddr target targets targeted targeting victim victims victim's our ours my mine local lip honeypot honeypots honeynet sensor
		to against towards toward attacked recipient reporter complainant monitored into dip dstip targetip destip destinationip destaddr victimip d-ip s-ip
		sinkhole receiving laddr local_ip localip server_ip serverip listener resp_h id.resp_h connect get post previous usual legitimate legit genuine whitelist whitelisted allowlist allow-list allowlisted local localaddress dnat defended protected probed-host reporter's reported-by reporting
		cc c2 c&c cnc mx locip dstaddr brand official impersonated
		ziel ziel-ip zieladresse zielserver zielsystem zielrechner ziele geschädigter opfer unser unsere unserer unseren unserem mein meine meinen meinem gegen empfänger lokale
		plaignant plaignante plaignants beschwerdeführer beschwerdeführers melder reclamante denunciante klager segnalante заявитель заявителя
		cible cibles victime notre nos mon vers contre destinataire
		destino destinos objetivo víctima victima nuestro nuestra nuestros mi hacia contra
		alvo vítima nosso nossa nossos meu minha para ao
		doel doelwit bestemming slachtoffer onze mijn naar tegen ons
		destinazione bersaglio vittima nostro nostra verso al alla
		назначения назначение цель цели жертва жертвы наш нашего нашему наши нашей нашем получатель получателя мой моего на к
		cel celu ofiara nasz naszego docelowy docelowa docelowego atakowany atakowanego naszej naszą naszego mój moja moje mojego odbiorca hedef
		c2-server steuerserver kontrollserver sinkhole-server opfersystem opferserver empfangsserver angegriffene angegriffener angegriffenes angegriffenen geschädigte geschädigtes meiner meinem meines unserm echte echter echten tatsächliche legitime legitimer
		attaquée attaqué attaqués attaquées ciblé ciblée ciblées visée visé victimes légitime véritable officiel officielle authentique passerelle antispam
		atacado atacada atacados atacadas atacaron legítimo legítima verdadera oficial nosotros mía mío
		atacado alvos nós autêntico
		aangevallen getroffen echte officiële ons slachtoffers
		attaccato attaccata bersagli mio mia miei autentico autentica ufficiale legittimo nostri nostre
		назначению атакуемый атакуемого пострадавший потерпевший настоящий настоящая официальный нашим моему моя мою управляющий управляющего управления жертв`,
	reference: `inetnum netrange cidr route route6 inet6num nserver netmask mask traceroute
		nat_src natsrc nat-src nat_dst natdst nat-dst transip tran_ip xlate xlatesrc xlatedst tunnelip
		helo ehlo whois rdap in-addr.arpa broadcast nslookup nameservers nameserver version example`,
	passage: `on at in is was has with the a an this that these those following below = address(es) under behind == are and or & of for
		auf bei mit der die das den dem und diese dieser folgende folgenden lautet unter
		sur est avec la le les et suivante suivantes cette ces aux
		en con el los las y siguiente siguientes esta este es sobre
		no na com o os as e seguinte seguintes é
		op met het een deze volgende is
		su con il i e seguente seguenti
		в по с адресом`,
}, moreBearings)

func wordTable(tables ...map[bearing]string) map[string]bearing {
	out := map[string]bearing{}
	for _, b := range [...]bearing{passage, generic, reference, from, target, source} {
		for _, src := range tables {
			for _, w := range strings.Fields(src[b]) {
				out[w] = b
			}
		}
	}
	return out
}

// cjkBearings are words of languages written without spaces; the one that ends
// nearest to the address decides.
var cjkBearings = []struct {
	word string
	is   bearing
}{
	// Chinese, simplified and traditional.
	{"来源", source}, {"來源", source}, {"源ip", source}, {"源地址", source}, {"源IP", source}, {"攻击者", source}, {"攻擊者", source}, {"攻击源", source}, {"攻擊源", source},
	{"攻击ip", source}, {"攻击IP", source}, {"攻擊IP", source}, {"违规", source}, {"違規", source}, {"侵权", source}, {"侵權", source}, {"受控", source}, {"肉鸡", source}, {"肉雞", source}, {"入侵者", source},
	{"感染", source}, {"中毒", source}, {"受感染", source}, {"被举报", source}, {"被檢舉", source}, {"被检举", source}, {"涉嫌", source}, {"發信主機", source}, {"寄件主機", source}, {"发件服务器", source}, {"發件伺服器", source}, {"寄件伺服器", source}, {"发送方", source}, {"发信IP", source}, {"發信IP", source}, {"托管", source}, {"託管", source}, {"用户IP", source}, {"用戶IP", source}, {"登录IP", source}, {"登入IP", source}, {"問題主機", source}, {"问题主机", source}, {"事件主機", source}, {"加害", source}, {"掃描主機", source}, {"扫描主机", source}, {"駭客", source}, {"黑客", source},
	{"偵測到", from}, {"侦测到", from}, {"检测到", from}, {"檢測到", from}, {"監測到", from}, {"监测到", from}, {"发现", from}, {"發現", from}, {"来自", from}, {"來自", from}, {"由", from}, {"您的", from}, {"你的", from}, {"贵", from}, {"貴", from}, {"从", from}, {"從", from}, {"您所", from}, {"你們", from}, {"你们", from}, {"所轄", from}, {"所辖", from}, {"該用戶", from}, {"该用户", from},
	{"目的", target}, {"目标", target}, {"目標", target}, {"受害", target}, {"被攻击", target}, {"被攻擊", target}, {"被扫描", target}, {"被掃描", target}, {"被害", target}, {"我们", target}, {"我們", target}, {"本公司", target}, {"我方", target}, {"本校", target}, {"我司", target}, {"我公司", target}, {"我校", target}, {"本单位", target}, {"本單位", target}, {"本機關", target}, {"本机关", target}, {"敝公司", target}, {"敝單位", target}, {"本機構", target}, {"本站", target}, {"我的", target}, {"我院", target}, {"本院", target}, {"本所", target}, {"本中心", target},
	{"连接到", target}, {"連接到", target}, {"連線至", target}, {"連線到", target}, {"连接至", target}, {"连向", target}, {"連向", target}, {"外连", target}, {"控制端", target}, {"中繼站", target}, {"中继站", target}, {"控制服务器", target}, {"控制伺服器", target}, {"对外部主机", target}, {"對外部主機", target}, {"收件", target}, {"官网", target}, {"官網", target}, {"正规", target},
	// Japanese.
	{"送信元", source}, {"発信元", source}, {"攻撃元", source}, {"接続元", source}, {"アクセス元", source}, {"攻撃者", source}, {"設置", source}, {"出発元", source}, {"送付元", source}, {"不正アクセス", source}, {"投稿者", source}, {"発信者", source}, {"送信者", source}, {"送信サーバ", source}, {"送信したサーバ", source}, {"送信ホスト", source}, {"侵入元", source}, {"スキャン元", source}, {"感染端末", source}, {"加害者", source}, {"侵害者", source}, {"該当", source},
	{"御社", from}, {"から", from}, {"より", from}, {"貴サイト", from}, {"お客様", from}, {"そちら", from},
	{"宛先", target}, {"送信先", target}, {"接続先", target}, {"攻撃先", target}, {"標的", target}, {"弊社", target}, {"当社", target}, {"攻撃対象", target}, {"当方", target}, {"当サイト", target}, {"当院", target}, {"本学", target}, {"当学", target}, {"当大学", target}, {"弊組織", target}, {"弊校", target}, {"弊社サーバ", target}, {"自社", target}, {"当センター", target}, {"受信サーバ", target}, {"私の", target}, {"私ども", target}, {"被害", target}, {"対象サーバ", target}, {"正規", target}, {"弊所", target}, {"当組織", target}, {"弊機構", target},
	// Korean.
	{"공격자", source}, {"출발지", source}, {"소스", source}, {"발신", source}, {"공격IP", source}, {"공격 IP", source}, {"유해IP", source}, {"침해IP", source}, {"귀하", from}, {"귀사", from}, {"에서", from}, {"아이피목적", target}, {"목적지", target}, {"피해", target}, {"당사", target}, {"제 ", target}, {"저희", target}, {"우리", target}, {"본교", target}, {"본사", target}, {"수신", target},
	{"地址", generic}, {"位址", generic}, {"アドレス", generic}, {"主机", generic}, {"主機", generic}, {"服务器", generic}, {"伺服器", generic}, {"サーバ", generic}, {"ホスト", generic}, {"주소", generic},
}

// cjkAdjectives say what kind of thing an address is, not which side it is on:
// they decide only where no other word does (連線至惡意中繼站 x names a target).
var cjkAdjectives = []string{"恶意", "惡意", "可疑", "异常", "異常", "不審", "悪意", "의심"}

// bearingOf looks a word up, also without "ip", "address" and plural joined to it.
func bearingOf(w string) bearing {
	if b, ok := bearings[w]; ok {
		return b
	}
	for _, cut := range [...]string{"ipaddress", "_ip", "-ip", "ip", "_addr", "addr", "address", "_address", "-address", "-adresse", "-adres", "_host", "host", "-host", "ipv4", "_ipv4", "_ips", "ips", "-adresi"} {
		if rest, ok := strings.CutSuffix(w, cut); ok && len(rest) > 1 {
			if b, ok := bearings[strings.Trim(rest, "-_")]; ok && b != passage && b != generic && b != from {
				return b
			}
		}
	}
	for _, cut := range [...]string{"ip-", "ip_", "ip"} {
		if rest, ok := strings.CutPrefix(w, cut); ok && len(rest) > 2 {
			if b, ok := bearings[rest]; ok && (b == source || b == target) {
				return b
			}
		}
	}
	if i := strings.IndexAny(w, "-_"); i > 0 && i < len(w)-1 && !strings.Contains(w, ".") {
		first, ok1 := bearings[w[:i]]
		if ok1 && (first == source || first == target) {
			return first
		}
		if last, ok := bearings[w[i+1:]]; ok && (last == source || last == target || last == generic) {
			return last
		}
	}
	return neutral
}
