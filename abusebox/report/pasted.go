package report

import (
	"bytes"
	"strings"

	"spoor/internal/message"
)

// splitEnclosures tells apart what the complainant wrote and what he pasted: the
// headers and text of a spam, and the head of a mail forwarded inline. Pasted
// lines accuse nobody by themselves; their header is traced.
func (d *document) splitEnclosures() {
	if d.split {
		return
	}
	d.split = true
	lines := d.bodyLines()
	barren := 0 // lines before this one are known to begin no pasted header
	for i := 0; i < len(lines); i++ {
		if lines[i].spam {
			continue
		}
		if end, ok := forwardHead(lines, i); ok {
			d.takeForward(lines[i:end])
			i = end - 1
			continue
		}
		if i >= barren && isHeaderLine(lines[i].text) && (len(lines[i].hits) == 0 || isKnownField(lines[i].text)) { // "IP: x" begins none
			end, seen := d.pastedHeader(lines, i)
			if end > i {
				i = end - 1
			}
			barren = seen
		}
	}
}

// isHeaderLine tells whether a line looks like a header field.
func isHeaderLine(t string) bool {
	t = strings.TrimLeft(t, " \t")
	i := strings.IndexByte(t, ':')
	if i < 2 || i > 50 {
		return false
	}
	for j := 0; j < i; j++ {
		if !isAlnum(t[j]) && t[j] != '-' && t[j] != '_' {
			return false
		}
	}
	return true
}

// isReceivedLine tells a pasted Received field; real ones say from or by.
func isReceivedLine(t string) bool {
	t = strings.TrimLeft(t, " \t*")
	if len(t) < 12 || !strings.EqualFold(t[:9], "received:") {
		return false
	}
	rest := strings.ToLower(strings.TrimLeft(t[9:], " \t"))
	return strings.HasPrefix(rest, "from ") || strings.HasPrefix(rest, "by ") || strings.HasPrefix(rest, "(qmail") || strings.HasPrefix(rest, "from\t") || rest == ""
}

// maxPasted bounds the lines of a pasted header.
const maxPasted = 600

// pastedHeader reads a header pasted at line i; end is the line behind what
// belongs to it, or i where it is none; seen is how far it looked.
func (d *document) pastedHeader(lines []line, i int) (end, seen int) {
	var b bytes.Buffer
	received, fields := 0, 0
	j := i
	for ; j < len(lines) && j-i < maxPasted; j++ {
		t := strings.TrimRight(lines[j].text, " \t")
		if strings.TrimSpace(t) == "" {
			if j+1 < len(lines) && isReceivedLine(lines[j+1].text) || received > 0 && j+1 < len(lines) && isHeaderLine(lines[j+1].text) && isKnownField(lines[j+1].text) {
				continue // double-spaced pastes
			}
			break
		}
		if isReceivedLine(t) {
			received++
		}
		if isHeaderLine(t) && !strings.HasPrefix(strings.TrimLeft(t, " \t"), "http") {
			fields++
			b.WriteString(strings.TrimLeft(t, " \t*"))
		} else {
			b.WriteString(" " + strings.TrimSpace(t))
		}
		b.WriteByte('\n')
	}
	if received == 0 {
		return i, j
	}
	h, _, _ := message.ReadHeader(b.Bytes(), message.Limits{})
	if fields > received && isComplaintBelow(lines[j:]) && isHandedOn(lines[:i]) {
		if a := mailbox(h.Get("From")); a != "" {
			d.innerAuthor = a
		}
		d.innerSubjects = append(d.innerSubjects, h.Text("Subject"))
		for k := i; k < j; k++ {
			lines[k].spam = true
		}
		return j, j
	}
	d.pasted = append(d.pasted, h)
	end = j
	if fields > received {
		end = pastedEnd(lines, j, lines[i].quoted) // a whole mail, not only its path
	}
	for k := i; k < end; k++ {
		lines[k].spam = true
	}
	return end, end
}

// isComplaintBelow tells whether what stands below a pasted header holds a log
// that names a source: a complaint that was handed on, and no spam.
func isComplaintBelow(lines []line) bool {
	for i := range lines[:min(len(lines), 200)] {
		l := &lines[i]
		if len(l.hits) == 0 || !stamped(l.text) {
			continue
		}
		for k := range l.hits {
			if r := l.read()[k]; r.is == source && (r.log || r.label) && r.weight >= weightLog {
				return true
			}
		}
	}
	return false
}

// handedOnWords say that what follows came from a complainant.
var handedOnWords = []string{"complaint", "notification", "original message", "report we", "we received", "we have received", "was reported", "beschwerde", "plainte", "queja", "klacht", "жалоб"}

func isHandedOn(lines []line) bool {
	for i := max(0, len(lines)-30); i < len(lines); i++ {
		if containsAnyFold(lines[i].text, handedOnWords) {
			return true
		}
	}
	return false
}

// isKnownField knows the fields that every mail has.
func isKnownField(t string) bool {
	name, _, _ := strings.Cut(strings.ToLower(strings.TrimLeft(t, " \t")), ":")
	switch name {
	case "received", "from", "to", "subject", "date", "message-id", "return-path", "mime-version", "content-type", "x-mailer", "reply-to", "delivered-to", "dkim-signature", "authentication-results", "received-spf", "x-originating-ip", "sender", "x-sid-pra", "content-transfer-encoding":
		return true
	}
	return strings.HasPrefix(name, "x-")
}

// pastedEnd finds where the pasted body ends: where its quoting ends, at a
// separator, or with the text.
func pastedEnd(lines []line, j, quoted int) int {
	for k := j; k < len(lines); k++ {
		t := strings.TrimSpace(lines[k].text)
		if quoted > 0 && t != "" && lines[k].quoted < quoted {
			return k
		}
		if quoted == 0 && isEndMark(t) {
			return k + 1
		}
		if isReceivedLine(t) && k > j+1 {
			return k
		}
	}
	return len(lines)
}

// isEndMark knows lines that complainants put behind what they pasted.
func isEndMark(t string) bool {
	low := strings.ToLower(t)
	return strings.HasPrefix(low, "-----end") || strings.HasPrefix(low, "--- end") || strings.HasPrefix(low, "---end") || strings.Contains(low, "end of ") && strings.HasPrefix(low, "-") ||
		strings.HasPrefix(low, "=====end") || strings.HasPrefix(low, "[end") || strings.HasPrefix(low, "### end") || strings.HasPrefix(low, "*** end") || low == "---8<---" || low == "==end=="
}

// forwardHead knows the head of a mail forwarded within the text: From, Sent or
// Date, To and Subject in any of the languages, in at most ten lines.
func forwardHead(lines []line, i int) (end int, ok bool) {
	from := startsWithAny(lines[i].text, fromLabels)
	if !from && !(isForwardMark(lines, i) && (startsWithAny(lines[i].text, subjectLabels) || startsWithAny(lines[i].text, headLabels))) {
		return 0, false
	}
	subject, other := false, 0
	j := i
	for ; j < len(lines) && j < i+12; j++ {
		t := strings.TrimSpace(lines[j].text)
		if t == "" {
			break
		}
		switch {
		case startsWithAny(t, fromLabels):
			from = true
		case startsWithAny(t, subjectLabels):
			subject = true
		case startsWithAny(t, headLabels):
			other++
		case isReceivedLine(t), strings.HasPrefix(strings.ToLower(t), "return-path:"), strings.HasPrefix(strings.ToLower(t), "message-id:"):
			return 0, false // a whole header was pasted
		}
	}
	for k := j; k < min(len(lines), j+2); k++ {
		if isReceivedLine(lines[k].text) {
			return 0, false
		}
	}
	return j, from && subject && other > 0
}

// isForwardMark tells whether a line above line i says that a forwarded mail
// begins: "-------- Weitergeleitete Nachricht --------", "Begin forwarded message:".
func isForwardMark(lines []line, i int) bool {
	for j := i - 1; j >= max(0, i-3); j-- {
		t := strings.TrimSpace(lines[j].text)
		if t == "" {
			continue
		}
		low := strings.ToLower(t)
		return strings.HasPrefix(t, "---") && strings.Trim(t, "-") != "" || strings.HasPrefix(t, "___") || strings.HasPrefix(low, "begin forwarded") || strings.HasSuffix(t, ":") && containsAny(low, forwardWords)
	}
	return false
}

// forwardWords say "forwarded message" in the languages of complaints.
var forwardWords = []string{"forwarded", "weitergeleitet", "transféré", "reenviado", "encaminhad", "doorgestuurd", "inoltrat", "пересыла", "пересланн", "перенаправл", "przekazan", "转发", "轉寄", "轉發", "転送"}

func startsWithAny(t string, labels []string) bool {
	t = strings.TrimLeft(t, " \t*")
	for _, l := range labels {
		if len(t) > len(l) && strings.EqualFold(t[:len(l)], l) && strings.HasPrefix(strings.TrimLeft(t[len(l):], " *"), ":") {
			return true
		}
		if strings.HasPrefix(t, l+"：") {
			return true
		}
	}
	return false
}

var (
	fromLabels    = []string{"From", "Von", "De", "Van", "Da", "От", "От кого", "发件人", "寄件者", "寄件人", "差出人", "送信者", "Od", "Fra", "Från", "보낸 사람", "보낸사람", "Expéditeur", "Remitente", "Remetente", "Mittente", "Afzender", "Absender"}
	subjectLabels = []string{"Subject", "Betreff", "Objet", "Sujet", "Asunto", "Onderwerp", "Assunto", "Oggetto", "Тема", "主题", "主旨", "主題", "件名", "Temat", "Emne", "Ämne", "제목"}
	headLabels    = []string{"Enviada em", "Enviado em", "Data/Ora", "Date/Heure", "Отправлено", "Дата отправки", "日時", "送信日", "日付", "날짜", "받는 사람", "时间", "時間", "发件日期", "Skickat", "Till", "Til", "Sendt", "Destinataire", "Verstuurd", "Sent", "Date", "To", "Gesendet", "Datum", "An", "Envoyé", "À", "Enviado", "Enviado el", "Para", "Fecha", "Verzonden", "Aan", "Data", "Inviato", "A", "Отправлено", "Дата", "Кому", "发送时间", "收件人", "寄件日期", "收件者", "送信日時", "宛先", "日期", "Cc", "CC", "Kopie", "Reply-To", "Wysłano", "Do"}
)

// takeForward remembers author and subject of a mail forwarded inline; its head
// accuses nobody.
func (d *document) takeForward(head []line) {
	for i := range head {
		t := head[i].text
		switch {
		case startsWithAny(t, fromLabels):
			if a := mailbox(valueOf(t)); a != "" {
				d.innerAuthor = a
			}
		case startsWithAny(t, subjectLabels):
			d.innerSubjects = append(d.innerSubjects, valueOf(t))
		}
		head[i].spam = true
	}
}
