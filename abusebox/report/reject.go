package report

import (
	"strings"

	"spoor/internal/message"
)

// InstanceField is the header field that carries an instance's mark in its own notices.
const InstanceField = "X-Spoor-Instance"

// ownNotice tells our own mark, also in the mail that a bounce returns.
func (d *document) ownNotice() string {
	mark := d.opt.Instance
	if mark == "" {
		return ""
	}
	if strings.EqualFold(strings.TrimSpace(d.root.Header.Get(InstanceField)), mark) {
		return "our own notice came back"
	}
	if !d.status {
		return ""
	}
	for _, m := range d.mails {
		if strings.EqualFold(strings.TrimSpace(m.Header.Get(InstanceField)), mark) {
			return "delivery report about our own notice"
		}
	}
	return ""
}

// notAComplaint says why a mail that no form fits is none. Headers alone never
// reject: automatic complaints say Auto-Submitted and have empty return paths.
func (d *document) notAComplaint() string {
	low := strings.ToLower(d.subject)
	h := d.root.Header
	switch {
	case d.isDeliveryReport(low):
		return "delivery report"
	case d.isAutoReply(low):
		return "automatic reply"
	case d.isNewsletter(low):
		return "newsletter"
	case h.Has("X-Loop") && strings.EqualFold(strings.TrimSpace(h.Get("X-Loop")), d.opt.Instance) && d.opt.Instance != "":
		return "our own mail in a loop"
	}
	return ""
}

// isDeliveryReport knows bounces (RFC 3464) and those in free text.
func (d *document) isDeliveryReport(subject string) bool {
	if d.status {
		return true
	}
	daemon := strings.HasPrefix(d.from, "mailer-daemon@") || strings.HasPrefix(d.from, "postmaster@") && strings.TrimSpace(d.root.Header.Get("Return-Path")) == "<>"
	if !daemon {
		return false
	}
	for _, w := range [...]string{"undeliver", "delivery status", "failure notice", "returned mail", "delivery fail", "mail delivery", "could not be delivered", "unzustellbar", "delivery delayed", "warning: could not send", "échec de", "no entregado"} {
		if strings.Contains(subject, w) {
			return true
		}
	}
	return false
}

// autoReplies are subjects of vacation notes, in the languages of complaints.
var autoReplies = []string{"out of office", "out of the office", "automatic reply", "auto-reply", "autoreply", "auto reply", "automatische antwort", "abwesenheit", "réponse automatique", "respuesta automática", "automatisch antwoord", "resposta automática", "автоматический ответ", "自动回复", "自動回覆", "自動応答", "vacation", "autosvar", "risposta automatica"}

// awayPrefixes are how programs begin the subjects of vacation notes, before the
// subject that they answer to.
var awayPrefixes = []string{"automatic reply:", "out of office:", "out of office re:", "out-of-office", "autoreply:", "auto-reply:", "abwesenheitsnotiz", "automatische antwort:", "réponse automatique", "absence du bureau", "respuesta automática:", "resposta automática:", "automatisch antwoord:", "risposta automatica:", "автоответ", "автоматический ответ:", "自动回复", "自動回覆", "自動応答", "不在通知", "autosvar:", "automatyczna odpowiedź", "automatická odpověď", "automatikus válasz", "otomatik yanıt", "부재중"}

// receipts are subjects by which ticket systems acknowledge a mail.
var receipts = []string{"we have received your", "thank you for contacting", "your ticket has been", "ticket received", "your request has been received", "eingangsbestätigung", "we received your message", "accusé de réception", "was closed", "has been closed", "ticket closed", "wurde geschlossen"}

// isAutoReply knows vacation notes and ticket receipts (RFC 3834) by what they
// say; where the mail states whom it accuses, only both field and words count.
func (d *document) isAutoReply(subject string) bool {
	h := d.root.Header
	auto := strings.HasPrefix(strings.ToLower(h.Get("Auto-Submitted")), "auto-replied") || h.Has("X-Autoreply") || h.Has("X-Autorespond") || strings.EqualFold(h.Get("Precedence"), "auto_reply")
	away := containsAnyFold(subject, autoReplies)
	switch {
	case auto && away, startsWithOne(subject, awayPrefixes), d.isReadReceipt():
		return true
	case d.statesPlainly():
		return false // some reporters say auto-replied and mean auto-generated
	case away:
		return true
	case containsAnyFold(subject, receipts):
		return len(d.mails)+len(d.mailHeaders())+len(d.pasted) == 0
	}
	return auto && (strings.HasPrefix(subject, "re:") || strings.HasPrefix(subject, "aw:") ||
		len(d.mails) == 0 && !strings.Contains(subject, "abuse") && !strings.Contains(subject, "attack"))
}

// statesPlainly tells whether the subject, a label or a log line names the accused.
func (d *document) statesPlainly() bool {
	if len(findAddresses(refang(d.subject))) > 0 {
		return true
	}
	for _, c := range d.weighing().chosen() {
		if c.named && c.forIt.is == source || c.logged {
			return true
		}
	}
	return false
}

// businessWords begin the subjects of mail that names addresses as goods.
var businessWords = []string{"invoice", "planned maintenance", "scheduled maintenance", "maintenance window", "maintenance notification", "maintenance notice", "maintenance announcement", "network maintenance", "peering request", " lease", "lease your", "lease of ip", "ipv4 leas", "quotation", "price list", "special offer", "renewal", "order confirmation", "payment reminder", "payment receipt", "first page of google", "seo ", "rankings", "announcement of", "job application", "application as",
	"rechnung", "zahlungserinnerung", "wartungsarbeiten", "wartungsfenster", "angebot", "facture", "maintenance programmée", "devis", "factura", "mantenimiento programado", "presupuesto", "factuur", "onderhoud", "offerte", "fattura", "manutenzione", "fatura", "manutenção", "faktura", "счёт на оплату", "счет на оплату", "плановые работы", "发票", "發票", "報價", "报价", "請求書", "見積"}

// upkeepWords do so where the mail speaks of no offence.
var upkeepWords = []string{"planned work", "planned outage", "scheduled work", "scheduled outage", "software upgrade", "firmware upgrade"}

// cleanWords are how digests say that there is nothing to tell.
var cleanWords = []string{"no listings", "no new listings", "nothing new to report", "no new incidents", "no incidents", "no abuse reports", "no events for", "keine einträge", "keine neuen meldungen", "aucun incident", "sin incidentes", "nessun evento"}

// invites tells an invitation to a meeting.
func (d *document) invites() bool {
	found := false
	d.root.Walk(func(p *message.Part) bool {
		found = found || p.MediaType == "text/calendar"
		return !found
	})
	return found
}

// isReadReceipt knows notes that a mail was read (RFC 8098).
func (d *document) isReadReceipt() bool {
	return strings.EqualFold(d.root.Params["report-type"], "disposition-notification")
}

// problemPrefix begins the subjects of monitors, and of people who complain.
const problemPrefix = "[problem]"

// monitorPrefixes begin the subjects of what watches our own hosts.
var monitorPrefixes = []string{"** problem", "** recovery", "** flapping", "[recovery]", "problem service alert", "problem host alert", "[firing:", "[resolved]", "[status]", "arpwatch:", "cron <"}

// isBusiness tells by its subject that a mail sells, bills or announces, and
// complains of nothing: what it calls yours is no accusation.
func (d *document) isBusiness() bool {
	if d.innerAuthor != "" {
		return false // forwarded to us, so not meant for us
	}
	subject := strings.ToLower(d.subject)
	problem := strings.HasPrefix(subject, problemPrefix) && !containsAny(subject, offenceWords)
	if subject == "test" || problem || d.invites() || startsWithOne(subject, monitorPrefixes) || d.asksForSomething() {
		return true
	}
	if w := d.lowered(); w.containsAny(cleanWords) && !containsAny(w.body, assaultWords) {
		return true
	}
	if containsAny(subject, upkeepWords) && !d.lowered().containsAny(offenceWords) {
		return true
	}
	return containsAny(subject, businessWords) && !containsAny(subject, complaintWords)
}

// isNewsletter knows mail to many that advertises: it can be unsubscribed from,
// and neither names an address in its subject nor speaks of abuse.
func (d *document) isNewsletter(subject string) bool {
	h := d.root.Header
	if !h.Has("List-Unsubscribe") && !h.Has("List-Id") && !strings.EqualFold(h.Get("Precedence"), "bulk") {
		return false
	}
	if len(findAddresses(refang(d.subject))) > 0 || len(d.mails) > 0 {
		return false
	}
	body := strings.ToLower(d.body)
	if !strings.Contains(body, "unsubscribe") && !strings.Contains(body, "abbestellen") && !strings.Contains(body, "désinscri") && !strings.Contains(body, "darse de baja") && !strings.Contains(body, "退订") && !strings.Contains(body, "取消訂閱") && !strings.Contains(body, "afmelden") {
		return false
	}
	for _, c := range d.weighing().chosen() {
		if c.named || c.logged {
			return false
		}
	}
	for _, w := range [...]string{"abuse", "complain", "attack", "infring", "incident"} {
		if strings.Contains(subject, w) {
			return false
		}
	}
	return true
}
