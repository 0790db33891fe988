package report

import "strings"

// The words of labels other than addresses', in the languages of complaints,
// in lower case. A label holds one of them anywhere.
var (
	portWords     = []string{"port", "poort", "porta", "puerto", "порт", "端口", "連接埠", "连接埠", "通訊埠", "埠", "ポート", "포트"}
	farWords      = []string{"dest", "target", "dst", "ziel", "doel", "cible", "objetivo", "alvo", "bersaglio", "docelow", "назнач", "цел", "жертв", "victim", "attacked", "opfer", "remote port of victim", "local port", "lokaler port", "port local", "目的", "目标", "目標", "宛先", "送信先", "接続先", "受害", "被攻", "목적지"}
	protocolWords = []string{"proto", "протокол", "協定", "协议", "プロトコル", "通訊協定", "tauschbörse"}
	fileLabels    = []string{"dateiname", "nom du fichier", "nombre del archivo", "nombre de archivo", "nombre del fichero", "nome do arquivo", "nome del file", "bestandsnaam", "nazwa pliku", "имя файла", "檔案名稱", "檔名", "文件名", "ファイル名", "파일명"}
	titleLabels   = []string{"titel", "werk", "titre", "œuvre", "oeuvre", "título", "titulo", "obra", "titolo", "opera", "tytuł", "название", "произведение", "作品", "著作物", "タイトル"}
	hashLabels    = []string{"prüfsumme", "empreinte", "хеш", "хэш", "雜湊", "哈希", "ハッシュ"}
	caseLabels    = []string{"aktenzeichen", "vorgangsnummer", "ticketnummer", "numéro de dossier", "número de caso", "número do caso", "zaaknummer", "номер обращения", "事件單編號", "事件编号", "事件編號", "案件編號", "案件编号", "工单号", "受付番号", "インシデント番号", "報告番号"}
)

// complainantLabels begin the lines in which tickets name who complains.
var complainantLabels = []string{"created by", "submitted by", "opened by", "requester", "requestor", "requestors", "erstellt von", "ersteller", "eingereicht von", "créé par", "creado por", "criado por", "creato da", "aangemaakt door", "utworzone przez", "заявитель", "создано", "提单人", "作成者"}

// complainantLabel returns the label of a line that names who complains, or "".
func complainantLabel(t string) string {
	label, value, ok := cutLabel(t[:min(len(t), 60)])
	if hits := findAddresses(value); len(hits) > 0 && hits[0].start == 0 {
		return "" // an address alone is a comment's: "Submitted by: x"
	}
	if ok && isOneOf(label, complainantLabels) {
		return label
	}
	return ""
}

// cutLabel returns label and value of a line, the label in lower case; ok is
// false where the line has none.
func cutLabel(t string) (label, value string, ok bool) {
	at, width := -1, 0
	for _, sep := range [...]string{":", "：", "\t"} {
		if i := strings.Index(t[:min(len(t), 80)], sep); i >= 0 && (at < 0 || i < at) {
			at, width = i, len(sep)
		}
	}
	if at < 0 || at > 60 {
		return "", "", false
	}
	label = strings.ToLower(strings.Trim(t[:at], " \t-*•・　|#>[]【】"))
	return label, strings.Trim(t[at+width:], " \t　"), true
}

func isPortLabel(label string) bool {
	return len(findAddresses(label)) == 0 && containsAny(label, portWords) && !strings.Contains(label, "report") && !strings.Contains(label, "rapport") && !strings.Contains(label, "support")
}

// isFarLabel tells the label of the other side's port.
func isFarLabel(label string) bool { return containsAny(label, farWords) }

func isProtocolLabel(label string) bool {
	for _, w := range protocolWords {
		if strings.HasPrefix(label, w) {
			return true
		}
	}
	return false
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}
