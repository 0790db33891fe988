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
		originated malicious infected compromised perpetrator intruder hacker hackers culprit violator violating hostile guilty suspicious suspect suspected
		client c-ip sender sending scanner scanning scanners peer ban banned bans block blocked blocking blacklisted listed srcip
		sourceip attackerip involved problem problematic vulnerable bot zombie drone exploiting exploited hosting hosted
		resolves resolving resolved located location pointing crawler botnet reported affected intruding probing prober sourceaddress
		origin-ip originip x-originating-ip originating-ip client-ip sourcehost bad aggressor aggressive invader actor culprits thief
		caller rogue conducting sshd orig_h id.orig_h unauthorized violation offense ofending source(s) ip(s) spamvertised spam-source authenticated connecting connected

		quelle quell quell-ip quelladresse quell-adresse quellsystem angreifersystem angreifers angreifendes angreifender absenderadresse auffälliges betroffenes kompromittierte kompromittiertes infizierte infizierter infiziertes störer angreifer angreifende angreifenden absender verursacher verursachende herkunft ursprung täter auffällige auffälligen betroffene betroffenen gesperrt gesperrte schädliche einliefernde einliefernder
		attaquant attaquante origine provenance émetteur expéditeur incriminée fautive infectée malveillante
		origen atacante atacantes fuente origem fonte infractor infractora emisor remitente infectado infectada ofensor ofensora atacando maliciosa malicioso
		bron aanvaller aanvallend aanvallende afkomstig afzender geïnfecteerde besmette misbruikende overtreder
		sorgente attaccante provenienza origine-ip mittente infetto
		источник источника атакующий атакующего атакующие отправитель отправителя нарушитель нарушителя злоумышленник злоумышленника зараженный зараженного источником
		źródło źródłowy atakujący atakującego nadawca sprawca kaynak saldırgan`,
	from: `from by via your yours customer customers client's user user's subscriber containing namely
		von vom aus ihr ihre ihrer ihrem ihren ihres eurer euer durch kunde kunden
		depuis de-l'adresse votre vos par client
		desde su sus cliente proveniente vuestro
		do dos seu sua pelo cliente
		van uw uit door klant jullie
		dal dalla vostro vostra suo
		с от ваш вашего вашей ваши вашем вашим из
		z od wasz twój państwa`,
	generic: `ip ips ip's ipv4 ipv6 address addresses addr adresse adressen adres adresses adress ip-address ip-addresses ipaddress ip-adresse ip-adressen ip-adres ip-addr ip_address ip_addr
		host hosts hostname machine machines system systems device devices server servers computer node nodes numbers number
		internal resolver resolvers dns ntp gateway proxy network networks subnet netblock prefix range router website site netz netzwerk réseau red rede
		rechner maschine adresse-ip dirección direccion direcciones endereço endereco indirizzo indirizzi
		адрес адреса адресу адресом ip-адрес ip-адреса ip-адресу ip-адресом ip-адресов хост хоста сервер сервера сервером узел machine's adresu`,
	target: `destination destinations dst dest daddr target targets targeted targeting victim victims victim's our ours my mine local lip honeypot honeypots honeynet sensor
		to against towards toward attacked recipient reporter complainant monitored into dip dstip targetip destip destinationip destaddr victimip d-ip s-ip
		sinkhole receiving laddr local_ip localip server_ip serverip listener resp_h id.resp_h connect get post previous usual legitimate genuine dnat defended protected probed-host reporter's reported-by reporting
		cc c2 c&c cnc mx
		ziel ziel-ip zieladresse zielserver zielsystem zielrechner ziele geschädigter opfer unser unsere unserer unseren unserem mein meine meinen meinem gegen empfänger lokale
		cible cibles victime notre nos mon vers contre destinataire
		destino destinos objetivo víctima victima nuestro nuestra nuestros mi hacia contra
		alvo vítima nosso nossa nossos meu minha para
		doel doelwit bestemming slachtoffer onze mijn naar tegen ons
		destinazione bersaglio vittima nostro nostra verso
		назначения назначение цель цели жертва жертвы наш нашего нашему наши нашей нашем получатель получателя мой моего на к
		cel celu ofiara nasz naszego docelowy hedef`,
	reference: `inetnum netrange cidr route route6 inet6num nserver netmask mask traceroute
		whois in-addr.arpa broadcast nslookup nameservers nameserver version example`,
	passage: `on at in is was has with the a an this that these those following below = address(es) under behind == are and or & of for
		auf bei mit der die das den dem und diese dieser folgende folgenden lautet unter
		sur est avec la le les et suivante suivantes à l'adresse l'ip d'ip cette
		en con el los las y siguiente siguientes esta este es sobre
		no na com o os as e seguinte seguintes é
		op met het een deze volgende is
		su con il i e seguente seguenti
		в по с адресом`,
})

func wordTable(src map[bearing]string) map[string]bearing {
	out := map[string]bearing{}
	for _, b := range [...]bearing{passage, generic, reference, from, target, source} {
		for _, w := range strings.Fields(src[b]) {
			out[w] = b
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
	{"来源", source}, {"來源", source}, {"源ip", source}, {"源地址", source}, {"源IP", source}, {"攻击者", source}, {"攻擊者", source}, {"攻击源", source}, {"攻擊源", source},
	{"攻击ip", source}, {"攻击IP", source}, {"攻擊IP", source}, {"恶意", source}, {"惡意", source}, {"可疑", source}, {"异常", source}, {"異常", source}, {"违规", source}, {"違規", source}, {"侵权", source}, {"侵權", source},
	{"送信元", source}, {"発信元", source}, {"攻撃元", source}, {"接続元", source}, {"アクセス元", source}, {"攻撃者", source}, {"感染", source}, {"中毒", source}, {"受感染", source}, {"設置", source}, {"被举报", source}, {"被檢舉", source}, {"涉嫌", source},
	{"出発元", source}, {"送付元", source}, {"不正アクセス", source}, {"공격자", source}, {"출발지", source}, {"소스", source}, {"발신", source},
	{"来自", from}, {"來自", from}, {"由", from}, {"您的", from}, {"你的", from}, {"贵", from}, {"貴", from}, {"从", from}, {"從", from}, {"御社", from}, {"から", from}, {"귀하", from},
	{"目的", target}, {"目标", target}, {"目標", target}, {"受害", target}, {"被攻击", target}, {"被攻擊", target}, {"我们", target}, {"我們", target}, {"本公司", target}, {"我方", target}, {"本校", target},
	{"宛先", target}, {"送信先", target}, {"接続先", target}, {"攻撃先", target}, {"標的", target}, {"弊社", target}, {"当社", target}, {"攻撃対象", target}, {"아이피목적", target}, {"목적지", target}, {"피해", target},
	{"地址", generic}, {"位址", generic}, {"アドレス", generic}, {"主机", generic}, {"主機", generic}, {"服务器", generic}, {"伺服器", generic}, {"サーバ", generic}, {"ホスト", generic}, {"주소", generic},
}

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
