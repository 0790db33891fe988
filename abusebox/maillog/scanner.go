package maillog

import "bytes"

// parseMailScanner reads ">>> Virus 'W32/X' found in file ./id/name", "./id/name: X FOUND",
// "Clamd::INFECTED::X :: ./id/name" and "Infected message id came from 192.0.2.1".
func parseMailScanner(text []byte, e *event) {
	if rest, ok := bytes.CutPrefix(text, []byte("Infected message ")); ok {
		id, rest, _ := bytes.Cut(rest, []byte(" came from "))
		if addr, ok := parseAddr(bytes.TrimRight(rest, " ")); ok {
			e.kind, e.addr, e.id = ofVirus, addr, scannerID(id)
		}
		return
	}
	name := scannerVirus(text)
	at := bytes.Index(text, []byte("./"))
	if name == nil || at < 0 {
		return
	}
	id := text[at+2:]
	if end := bytes.IndexAny(id, "/ "); end >= 0 {
		id = id[:end]
	}
	e.kind, e.id, e.detail = ofVirus, scannerID(id), name
}

// scannerID drops what MailScanner adds to Postfix's queue ids: "5F1B2C0A3D.A1B2C".
func scannerID(id []byte) []byte {
	id, _, _ = bytes.Cut(id, []byte("."))
	return id[:min(len(id), 32)]
}

// scannerVirus is the name that one of the scanners gives, nil where the line is no finding.
func scannerVirus(text []byte) []byte {
	if _, rest, ok := bytes.Cut(text, []byte("Virus '")); ok {
		name, _, ok := bytes.Cut(rest, []byte("' found"))
		if ok {
			return name
		}
	}
	if _, rest, ok := bytes.Cut(text, []byte("INFECTED::")); ok {
		name, _, _ := bytes.Cut(rest, []byte(" :: "))
		return bytes.TrimSpace(name)
	}
	if rest, ok := bytes.CutSuffix(bytes.TrimRight(text, " "), []byte(" FOUND")); ok {
		return rest[bytes.LastIndexByte(rest, ' ')+1:]
	}
	return nil
}

// parseAmavis reads "(12-34) Blocked INFECTED (X) {DiscardedInbound}, [192.0.2.1]:2525 [192.0.2.1] <a> -> <b>, Queue-ID: id, …".
func parseAmavis(text []byte, e *event) {
	at := bytes.Index(text[:min(len(text), 64)], []byte(" INFECTED ("))
	if at < 0 {
		return
	}
	rest := text[at+len(" INFECTED ("):]
	name, rest, ok := bytes.Cut(rest, []byte(")"))
	if !ok {
		return
	}
	e.kind, e.detail = ofVirus, name
	head, tail, _ := bytes.Cut(rest, []byte(" -> "))
	if before, _, ok := bytes.Cut(head, []byte(" <")); ok {
		head = before
	}
	if _, addr, _, ok := bracketed(head); ok && !addr.IsLoopback() {
		e.addr = addr
	}
	if id, ok := field(tail, ", Queue-ID: "); ok {
		e.id = id[:min(len(id), 32)]
	}
	if e.id == nil && !e.addr.IsValid() {
		e.kind = noEvent
	}
}

// parseClamavMilter reads "Message id from <a> to <b> … infected by X" and "Message id infected by X".
func parseClamavMilter(text []byte, e *event) {
	if _, rest, ok := takeQueueID(text); ok {
		text = rest
	}
	at := bytes.LastIndex(text, []byte(" infected by "))
	rest, ok := bytes.CutPrefix(text, []byte("Message "))
	if at < 0 || !ok {
		return
	}
	id, _, _ := bytes.Cut(rest, []byte(" "))
	if len(id) < 5 || len(id) > 32 || string(id) == "from" {
		return
	}
	e.kind, e.id, e.detail = ofVirus, id, bytes.TrimSpace(text[at+len(" infected by "):])
}
