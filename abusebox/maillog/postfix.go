package maillog

import "bytes"

// parsePostfix reads what one of Postfix's daemons logs; name is the part behind the last slash, so that
// "postfix/submission/smtpd" and "postfix-in/smtpd" are smtpd as well.
func parsePostfix(name, text []byte, e *event) {
	switch string(name) {
	case "smtpd", "postscreen":
		postfixServer(text, e)
	case "qmgr":
		postfixQueue(text, e)
	case "cleanup":
		postfixCleanup(text, e)
	case "pickup":
		postfixPickup(text, e)
	case "smtp", "lmtp", "local", "virtual", "pipe", "error", "discard", "relay":
		postfixDelivery(text, e)
	case "sendmail":
		parseSendmail(text, e)
	}
}

// postfixServer reads smtpd's and postscreen's lines: "id: client=", "NOQUEUE: reject: RCPT from …", warnings.
func postfixServer(text []byte, e *event) {
	if rest, ok := bytes.CutPrefix(text, []byte("warning: ")); ok {
		postfixWarning(rest, e)
		return
	}
	id, rest, ok := takeQueueID(text)
	if !ok {
		return
	}
	if string(id) != "NOQUEUE" {
		e.id = id
	}
	if client, ok := bytes.CutPrefix(rest, []byte("client=")); ok && e.id != nil {
		postfixClient(client, e)
		return
	}
	postfixReject(rest, e)
}

// postfixClient reads "name[ip]:port, sasl_method=PLAIN, sasl_username=user, orig_client=name[ip]".
func postfixClient(b []byte, e *event) {
	name, addr, rest, ok := bracketed(b)
	if !ok {
		return
	}
	e.kind, e.addr, e.name = ofOrigin, addr, name
	e.account, _ = field(rest, ", sasl_username=")
	e.again = bytes.Contains(rest, []byte(", orig_client="))
}

// postfixReject reads "reject: RCPT from name[ip]: 554 5.7.1 …" and "milter-reject: …". Warnings that something
// would have been rejected are no refusals.
func postfixReject(b []byte, e *event) {
	what, rest, _ := bytes.Cut(b, []byte(": "))
	switch string(what) {
	case "reject", "milter-reject", "proxy-reject":
	default:
		return
	}
	at := bytes.Index(rest[:min(len(rest), 40)], []byte(" from "))
	if at < 0 {
		return
	}
	name, addr, rest, ok := bracketed(rest[at+len(" from "):])
	if !ok {
		return
	}
	if colon := bytes.Index(rest[:min(len(rest), 10)], []byte(": ")); colon >= 0 {
		rest = rest[colon+2:]
	}
	e.kind, e.addr, e.name, e.detail, e.count = ofRefusal, addr, name, rest, 1
	e.outcome = replyOutcome(rest)
	if at := bytes.Index(rest, []byte("; from=<")); at >= 0 {
		e.sender, _ = angle(rest[at+len("; from="):])
	}
}

// postfixWarning reads "hostname x does not resolve to address 192.0.2.1" and "name[ip]: SASL LOGIN authentication failed".
func postfixWarning(b []byte, e *event) {
	if rest, ok := bytes.CutPrefix(b, []byte("hostname ")); ok {
		_, rest, ok = bytes.Cut(rest, []byte(" does not resolve to address "))
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		if addr, valid := parseAddr(bytes.TrimRight(rest[:end], ":")); ok && valid {
			e.kind, e.addr, e.forged = ofForged, addr, true
		}
		return
	}
	name, addr, rest, ok := bracketed(b)
	if !ok || !bytes.HasPrefix(rest, []byte(": SASL ")) || !bytes.Contains(rest[:min(len(rest), 80)], []byte(" authentication failed")) {
		return
	}
	e.kind, e.addr, e.name, e.count = ofBadLogin, addr, name, 1
	e.account, _ = field(rest, ", sasl_username=")
}

// postfixQueue reads "id: from=<a@example.org>, size=1, nrcpt=1 (queue active)", which comes again at each run of the queue.
func postfixQueue(text []byte, e *event) {
	id, rest, ok := takeQueueID(text)
	if !ok || !bytes.HasPrefix(rest, []byte("from=")) {
		return
	}
	sender, rest := angle(rest[5:])
	size, okSize := field(rest, ", size=")
	count, okCount := field(rest, ", nrcpt=")
	if !okSize || !okCount {
		return
	}
	e.kind, e.id, e.sender, e.null = ofEnvelope, id, sender, len(sender) == 0
	e.size, e.count = size64(size), int(number(count))
}

// postfixCleanup reads "id: milter-reject: END-OF-MESSAGE from …" and "id: reject: header …". What a header says
// stands before the client in such a line, so that only the queue id is believed.
func postfixCleanup(text []byte, e *event) {
	id, rest, ok := takeQueueID(text)
	if !ok || (!bytes.HasPrefix(rest, []byte("milter-reject: ")) && !bytes.HasPrefix(rest, []byte("reject: "))) {
		return
	}
	e.kind, e.id, e.outcome, e.detail, e.count = ofRefusal, id, rejected, rest, 1
	if bytes.Contains(rest, []byte("]: 4.")) {
		e.outcome = tempfailed
	}
}

// postfixPickup reads "id: uid=33 from=<www-data>".
func postfixPickup(text []byte, e *event) {
	id, rest, ok := takeQueueID(text)
	if !ok || !bytes.HasPrefix(rest, []byte("uid=")) {
		return
	}
	end := bytes.IndexByte(rest, ' ')
	if end < 0 {
		end = len(rest)
	}
	e.kind, e.id, e.account = ofLocal, id, rest[:end]
}

// postfixDelivery reads "id: to=<b@example.com>, relay=…, dsn=4.4.1, status=deferred (…)".
func postfixDelivery(text []byte, e *event) {
	id, rest, ok := takeQueueID(text)
	if !ok || !bytes.HasPrefix(rest, []byte("to=")) {
		return
	}
	_, rest = angle(rest[3:])
	at := bytes.Index(rest, []byte(", status="))
	if at < 0 {
		return
	}
	status := rest[at+len(", status="):]
	e.kind, e.id, e.detail, e.count = ofDelivery, id, status, 1
	switch {
	case bytes.HasPrefix(status, []byte("sent")):
		e.outcome = sent
	case bytes.HasPrefix(status, []byte("deferred")), bytes.HasPrefix(status, []byte("SOFTBOUNCE")):
		e.outcome = deferred
	case bytes.HasPrefix(status, []byte("bounced")), bytes.HasPrefix(status, []byte("expired")):
		e.outcome = bounced
	default:
		e.kind = noEvent
	}
}
