package report

import "strings"

// moreBearings are the words of languages from which fewer complaints come:
// Czech, Danish, Finnish, Greek, Hungarian, Norwegian, Romanian, Swedish,
// Turkish and Ukrainian. See bearings.
var moreBearings = map[bearing]string{
	source: `flagged spotted connecté connectée connectés conectado conectada conectados collegato collegata ingelogd eingeloggt zalogowany připojen připojený
		distante distant entfernte entfernter entferntes fjern remota remoto удаленный удалённый удалённого удаленного zdalny zdalnego zdalna vzdálená vzdálený uzak távoli investigate investigating
		zdroj zdrojová zdrojové útočník útočníka útočníkem útočníkova útočící odesílatel odesílatele napadený napadeného nakažený zavirovaný pachatel škodlivá
		angriber angriberen angriberens kilde afsender afsenderen inficeret inficerede kompromitteret angriper angriperen angriperens avsender avsenderen infisert kilden
		angripare angriparen angriparens källa källan källadress avsändare avsändaren infekterad infekterade komprometterad hackad
		hyökkääjä hyökkääjän hyökkäävä lähettäjä lähde lähdeosoite saastunut murrettu
		πηγή επιτιθέμενος επιτιθέμενη επιτιθέμενου εισβολέας εισβολέα αποστολέας αποστολέα μολυσμένος μολυσμένο
		forrás támadó támadók küldő feladó fertőzött elkövető kompromittált
		sursă sursa atacator atacatorul atacatorului expeditor expeditorul infectat compromis agresor
		kaynağı saldırganın saldıran gönderen göndericinin saldırı_kaynağı zararlı enfekte
		джерело джерела зловмисник зловмисника порушник порушника атакуючий атакуючого відправник відправника заражений зараженого скомпрометований`,
	from: `visitor visitors visitor's someone somebody someone's person player players bidder buyer poster guest
		jemand jemandem besucher besuchers nutzerin personne quelqu'un visiteur alguien visitante persona alguém visitante pessoa qualcuno visitatore iemand bezoeker ktoś osoba někdo кто-то посетитель некто человек
		iš naslova adrese adreso des-de
		dall his her their użytkownik użytkownika użytkownikiem abonent abonenta пользователь пользователя пользователем користувач користувача benutzer nutzer nutzers utilisateur internaute abonné usuario usuário utente gebruiker uživatel uživatele kullanıcı felhasználó användare användaren bruker brukeren bruger brugeren käyttäjä
		ze vaše vaší vašeho vašem váš vaši vašich zákazník zákazníka
		fra jeres deres kundens från ert eran kundens
		osoitteesta verkostanne verkkonne asiakkaanne koneelta koneesta palvelimelta ip-osoitteesta
		από απο σας πελάτης πελάτη
		önök ügyfelük ügyfele
		din de-pe dvs dumneavoastră dumneavoastra clientul clientului
		sizin ağınızdaki müşteriniz müşterinizin ağınızdan sunucunuz
		із зі від вашій вашою ваше абонента клієнт клієнта`,
	generic: `ip-ul ip-ului vps vds vm droplet instance box
		adresou adresa ip-adresy ip-adresa stroj stroje server serveru počítač počítače
		ip-adressen ip-adresse maskinen maskine maskin værten vært adressen datorn dator servern
		ip-osoite ip-osoitteen osoite osoitteen kone koneen palvelin verkon
		διεύθυνση διεύθυνσης διευθύνσεις ip-διεύθυνση υπολογιστής υπολογιστή
		cím ip-cím címe ip-címe gép kiszolgáló számítógép
		adresei adresele calculatorul calculator serverul
		adres adresi ip-adresi bilgisayar makine sunucusu
		адресою адресі ip-адресою ip-адреси вузол вузла комп'ютер`,
	target: `mūsų prieš tôi خادمنا شبكتنا موقعنا لدينا שלנו שלי нашия нашият нашата kami saya nostre nostra skutečný prawdziwy prawdziwego prawdziwa
		locale locales lokal lokales lokaler lokalny lokalna lokalnego lokální yerel helyi местный локальный локального
		náš naše naší našeho našemu naším našim našich našemu můj moje moji mojí mém mého mému cíl cílová cílové cílový oběť oběti proti vůči
		vores mod mål målet offeret vort min mine
		vår vårt våra våran mitt mot målserver måladress offret
		palvelimelleni palvelintani palvelimeni palvelimeeni koneelleni koneeseeni reitittimeeni verkkooni palvelimemme palvelimellemme palvelintamme palvelimeemme palvelimeen verkkoamme verkkoomme järjestelmäämme kohde kohteena kohdeosoite uhri vastaan
		μας στόχος στόχο στόχου προορισμός προορισμού θύμα θύματος εναντίον προς
		szerverem szerveremet szerveremre routerem routeremet routeremre gépem gépemet gépemre szerverünk szerverünkre szerverünket szerverünkön szerverünkhöz kiszolgálónk kiszolgálónkra hálózatunk hálózatunkra hálózatunkat gépünk gépünkre rendszerünkre rendszerünk levelezőszerverünk célpont célcím áldozat ellen
		meu mea nostru noastră noastra noștri nostri destinație destinatie destinația țintă tinta victimă împotriva către catre
		sunucuma sunucumu siteme sitemi bilgisayarıma bilgisayarımı sunucumuza sunucumuzu sunucumuz sunucumuzun sistemimize sistemimiz ağımıza ağımız sitemize sitemiz bizim hedefi kurban mağdur karşı sunucularımıza sunucularımız
		нашою нашого нашу нашім призначення ціль цілі жертва отримувач проти`,
	passage: `je na ve og er på til med som den det och är se και είναι στο στη στην στον με și este cu bir ile bu та`,
}

// afterSource are words behind an address that make it the source, in languages
// that put them there: "x adresinden", "x címről", "x から", "x 에서".
var afterSource = []string{"adresinden", "adresli", "numaralı", "ip adresinden", "ip adresli", "ip numaralı", "ip'li", "ip'sinden", "sunucusundan", "sunucunuz", "ip'nizden",
	"címről", "ip címről", "ip-címről", "címéről", "ip címéről", "című", "ip című", "gépről", "szerverről", "felől", "ről", "-ről",
	"osoitteesta", "のユーザー", "の利用者", "のホスト", "が", "から", "より", "による", "からの", "에서", "로부터", "으로부터", "발 ", "아이피에서", "아이피로", "아이피가", "주소에서", "번에서", "이 ", "가 "}

// standsAfter tells whether such a word follows an address.
func standsAfter(after string) (string, bool) {
	t := after[:min(len(after), 64)]
	for len(t) > 0 && (t[0] == ' ' || t[0] == ')' || t[0] == ']' || t[0] == '\'' || t[0] == '-' || t[0] == '"') {
		t = t[1:]
	}
	if len(t) > 2 && (t[:2] == "IP" || t[:2] == "ip") {
		t = strings.TrimLeft(t[2:], " -'")
	}
	if t == "" || t[0] < 'A' {
		return "", false
	}
	for _, w := range afterSource {
		if len(t) >= len(w) && (t[:len(w)] == w || t[0] < 0x80 && t[0] != w[0] && lowerASCII(t[:len(w)]) == w) {
			return w, !isOwnBehind(t[len(w):])
		}
	}
	return "", false
}

// isOwnBehind tells whether the noun to which such a word belongs is the
// complainant's: "x numaralı sunucumuza", number x our server.
func isOwnBehind(rest string) bool {
	word := strings.ToLower(firstWord(strings.TrimLeft(rest, " ")))
	return word != "" && bearings[strings.Trim(word, ".")] == target
}
