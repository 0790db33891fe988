package maillog

import "bytes"

// parseSendmail reads what sendmail's daemons log (op.me, §2.1.2): "id: from=…", "id: to=…", "ruleset=…",
// logins, and refusals without a queue id.
func parseSendmail(text []byte, e *event) {
	id, rest, ok := takeQueueID(text)
	if ok && string(id) != "NOQUEUE" {
		e.id = id
	}
	switch {
	case bytes.HasPrefix(rest, []byte("from=")):
		sendmailEnvelope(rest[5:], e)
	case bytes.HasPrefix(rest, []byte("to=")):
		sendmailDelivery(rest[3:], e)
	case bytes.HasPrefix(rest, []byte("ruleset=")):
		sendmailRuleset(rest, e)
	case bytes.HasPrefix(rest, []byte("Milter")):
		sendmailMilter(rest, e)
	case bytes.HasPrefix(rest, []byte("AUTH")):
		sendmailLogin(rest, e)
	case bytes.HasPrefix(rest, []byte("rejecting commands from ")):
		if e.peer(rest[len("rejecting commands from "):]) {
			e.kind, e.outcome, e.detail, e.count = ofRefusal, rejected, rest, 1
		}
	case len(rest) > 0 && rest[0] == '<' && e.id != nil:
		sendmailRecipient(rest, e)
	}
}

// sendmailEnvelope reads "<a@example.org>, size=1, class=0, nrcpts=1, msgid=…, relay=name [ip] (may be forged)".
// The relay stands last, behind all that the sender may write.
func sendmailEnvelope(b []byte, e *event) {
	if e.id == nil {
		return
	}
	sender, rest := angle(b)
	size, okSize := field(rest, ", size=")
	count, okCount := field(rest, ", nrcpts=")
	relay := bytes.LastIndex(rest, []byte(", relay="))
	if !okSize || !okCount || relay < 0 {
		return
	}
	e.kind, e.sender, e.null = ofEnvelope, sender, len(sender) == 0
	e.size, e.count = size64(size), int(number(count))
	peer := rest[relay+len(", relay="):]
	if e.peer(peer) && !e.addr.IsLoopback() {
		return
	}
	if user, _, ok := bytes.Cut(peer, []byte("@localhost")); ok && len(user) > 0 && len(user) < 64 {
		e.account = user
	}
}

// peer reads "user@name [ip] (may be forged)" at the end of a field: the last bracket counts, since what stands
// before it may come from an ident server of the peer.
func (e *event) peer(b []byte) bool {
	if cut, ok := bytes.CutSuffix(bytes.TrimRight(b, " "), []byte(" (may be forged)")); ok {
		b, e.forged = cut, true
	}
	open := bytes.LastIndexByte(b, '[')
	if open < 0 {
		return false
	}
	_, addr, _, ok := bracketed(b[open:])
	if !ok {
		return false
	}
	e.addr = addr
	e.name = bytes.TrimRight(b[:open], " ")
	if at := bytes.LastIndexByte(e.name, '@'); at >= 0 {
		e.name = e.name[at+1:]
	}
	return true
}

// sendmailDelivery reads "<b@example.com>, delay=…, dsn=4.0.0, stat=Deferred: …".
func sendmailDelivery(b []byte, e *event) {
	_, rest := angle(b)
	at := bytes.Index(rest, []byte(", stat="))
	if at < 0 || e.id == nil {
		return
	}
	stat := rest[at+len(", stat="):]
	dsn, _ := field(rest[:at+1], ", dsn=")
	e.kind, e.detail, e.count = ofDelivery, stat, 1
	switch {
	case bytes.HasPrefix(stat, []byte("queued")):
		e.kind = noEvent
	case bytes.HasPrefix(stat, []byte("Sent")):
		e.outcome = sent
	case bytes.HasPrefix(stat, []byte("Deferred")), len(dsn) > 0 && dsn[0] == '4':
		e.outcome = deferred
	default:
		e.outcome = bounced
	}
}

// sendmailRuleset reads "ruleset=check_rcpt, arg1=<x@example.org>, relay=name [ip], reject=550 5.7.1 …".
func sendmailRuleset(b []byte, e *event) {
	rest := b
	if at := bytes.Index(b, []byte(", arg1=")); at >= 0 {
		_, rest = angle(b[at+len(", arg1="):])
	}
	relay := bytes.Index(rest, []byte("relay="))
	if relay < 0 {
		return
	}
	peer, reply, ok := bytes.Cut(rest[relay+len("relay="):], []byte(", reject="))
	if !ok || !e.peer(peer) {
		return
	}
	e.kind, e.outcome, e.detail, e.count = ofRefusal, replyOutcome(reply), reply, 1
}

// sendmailMilter reads "Milter: data, reject=550 …" and "Milter: to=<…>, reject=…", which belong to a queue id.
func sendmailMilter(b []byte, e *event) {
	_, reply, ok := bytes.Cut(b, []byte(", reject="))
	if !ok || e.id == nil {
		return
	}
	e.kind, e.outcome, e.detail, e.count = ofRefusal, replyOutcome(reply), reply, 1
}

// sendmailRecipient reads "<nobody@example.com>... User unknown", a recipient refused within a message.
func sendmailRecipient(b []byte, e *event) {
	_, rest := angle(b)
	reason, ok := bytes.CutPrefix(rest, []byte("... "))
	if !ok {
		return
	}
	for _, ours := range []string{"User unknown", "Relaying denied", "No such user", "Sender ", "Domain of sender"} {
		if bytes.HasPrefix(reason, []byte(ours)) {
			e.kind, e.outcome, e.detail, e.count = ofRefusal, rejected, reason, 1
		}
	}
}

// sendmailLogin reads "AUTH=server, relay=name [ip], authid=user, mech=LOGIN" and "AUTH failure (LOGIN): …, relay=…".
func sendmailLogin(b []byte, e *event) {
	relay := bytes.Index(b, []byte("relay="))
	if relay < 0 {
		return
	}
	peer := b[relay+len("relay="):]
	rest := []byte(nil)
	if end := bytes.Index(peer, []byte(", ")); end >= 0 {
		peer, rest = peer[:end], peer[end:]
	}
	if !e.peer(peer) {
		return
	}
	switch {
	case bytes.HasPrefix(b, []byte("AUTH=server")):
		e.kind = ofLogin
		e.account, _ = field(rest, ", authid=")
	case bytes.HasPrefix(b, []byte("AUTH failure")):
		e.kind, e.count = ofBadLogin, 1
		e.account, _ = field(b[:relay], ", user=")
	}
}
