package trace

import "strings"

// protocol returns the protocol that a word behind "with" names, as IANA's list
// of mail transmission types has it (RFC 3848), or the nearest of them; "" where
// the word names none.
func protocol(w string) string {
	if w[0] == '[' { // [XMail 1.20 ESMTP Server]
		if indexFold(w, "esmtp") >= 0 {
			return "ESMTP"
		}
		if indexFold(w, "smtp") >= 0 {
			return "SMTP"
		}
		return ""
	}
	if len(w) > len("esmtps") {
		w, _, _ = strings.Cut(w, "/") // ESMTP/TLS/AES256
	}
	if len(w) < len(protocols) {
		for _, p := range protocols[len(w)] {
			if equalFold(w, p.word) {
				return p.name
			}
		}
	}
	if hasFoldPrefix(w, "smtpsvc") {
		return "SMTP"
	}
	return mailboxProtocol(w)
}

// protocols holds, by the length of the word, what stands behind "with" and its
// name at IANA. Source: IANA, Mail Transmission Types; Exim's manual for local-*;
// the rest as met in mail.
var protocols = [...][]struct{ word, name string }{
	3:  {{"mms", "MMS"}, {"pop", "POP3"}},
	4:  {{"smtp", "SMTP"}, {"lmtp", "LMTP"}, {"http", "HTTP"}, {"qmqp", "QMQP"}, {"uucp", "UUCP"}, {"pop3", "POP3"}, {"imap", "IMAP"}, {"mapi", "MAPI"}, {"odmr", "ODMR"}},
	5:  {{"esmtp", "ESMTP"}, {"smtps", "ESMTPS"}, {"smtpa", "ESMTPA"}, {"lmtps", "LMTPS"}, {"lmtpa", "LMTPA"}, {"https", "HTTPS"}, {"local", "Local"}, {"asmtp", "ESMTPA"}, {"bsmtp", "SMTP"}, {"pop3s", "POP3"}, {"imap4", "IMAP"}, {"imaps", "IMAP"}, {"nnfmp", "NNFMP"}, {"spool", "SPOOL"}},
	6:  {{"esmtps", "ESMTPS"}, {"esmtpa", "ESMTPA"}, {"smtpsa", "ESMTPSA"}, {"lmtpsa", "LMTPSA"}, {"asmtps", "ESMTPSA"}, {"cmsmtp", "SMTP"}},
	7:  {{"esmtpsa", "ESMTPSA"}, {"bizsmtp", "SMTP"}},
	8:  {{"httprest", "HTTP"}, {"utf8smtp", "UTF8SMTP"}, {"utf8lmtp", "UTF8LMTP"}, {"http-dav", "HTTP"}, {"smtp-tls", "ESMTPS"}, {"ecstream", "ECSTREAM"}},
	9:  {{"utf8smtps", "UTF8SMTPS"}, {"utf8smtpa", "UTF8SMTPA"}, {"utf8lmtps", "UTF8LMTPS"}, {"utf8lmtpa", "UTF8LMTPA"}, {"esmtp-tls", "ESMTPS"}},
	10: {{"utf8smtpsa", "UTF8SMTPSA"}, {"utf8lmtpsa", "UTF8LMTPSA"}, {"esmtp_auth", "ESMTPA"}, {"local-smtp", "SMTP"}},
	11: {{"esmtps_auth", "ESMTPSA"}, {"local-esmtp", "ESMTP"}, {"local-bsmtp", "SMTP"}, {"local-rmail", "Local"}},
	12: {{"local-esmtps", "ESMTPS"}},
}

// authProtocol tells whether the protocol's name says that the client had
// logged in (RFC 3848: the A).
func authProtocol(p string) bool {
	return len(p) > 5 && p[len(p)-1] == 'A' && p != "LMTPA" && p != "LMTPSA"
}

func isLocalProtocol(p string) bool { return p == "Local" }

func isFetchProtocol(p string) bool { return p == "POP3" || p == "IMAP" || p == "ODMR" }

// mailboxProtocol knows the many spellings of POP3 and IMAP.
func mailboxProtocol(w string) string {
	switch {
	case hasFoldPrefix(w, "pop3"):
		return "POP3"
	case hasFoldPrefix(w, "imap"):
		return "IMAP"
	}
	return ""
}

// readRemarks takes what comments and words say beside the clauses: TLS, login,
// envelope sender.
func (h *Hop) readRemarks(l *line, p *peer) {
	if p.auth != "" {
		h.setAuth(p.auth)
	}
	if l.remarks {
		for kw := range l.clauses {
			for _, x := range l.clauses[kw].pieces() {
				if x.remark {
					h.remark(x.text)
				}
			}
		}
	}
	for kw := kwBy; kw <= kwFor; kw++ {
		if c := &l.clauses[kw]; c.words > 1 || kw == kwWith && c.words > 0 && len(c.word()) >= 10 {
			h.readWords(c)
		}
	}
}

// readWords takes what some write as words behind the one that a clause is for:
// Haraka's envelope-from, OpenSMTPD's user=, TLS.
func (h *Hop) readWords(c *clause) {
	for i := 0; i < c.n; i++ {
		if c.p[i].comment {
			continue
		}
		switch w := c.p[i].text; {
		case len(w) == 13 && i+1 < c.n && equalFold(w, "envelope-from"):
			h.setSender(c.p[i+1].text)
		case w[0] == 'u' && hasFoldPrefix(w, "user="):
			h.setAuth(w[5:])
		case h.TLS == "":
			h.wordTLS(c, i)
		}
	}
}

// remark reads one comment.
func (h *Hop) remark(c string) {
	if isEncrypted(c) {
		h.setTLS(c[:len(c)-10])
		return
	}
	switch c[0] | 0x20 {
	case 'u':
		switch {
		case strings.HasPrefix(c, "using TLS") || hasFoldPrefix(c, "using tls") || hasFoldPrefix(c, "using ssl"):
			h.setTLS(beforeNote(c[6:]))
		case hasFoldPrefix(c, "user authenticated"):
			h.authRemark(c)
		case hasFoldPrefix(c, "user="): // sendmail's (user=anna mech=LOGIN bits=0)
			h.setAuth(firstPart(c[5:]))
		case hasFoldPrefix(c, "unknown:"): // Exim, where GnuTLS names no version
			h.setTLS(c)
		}
	case 'i':
		h.courierRemark(c)
	case 'g':
		h.setTLS(c[len(cellopointTLS)-len("tls"):])
	case 'v':
		if hasFoldPrefix(c, "version=") {
			h.setTLS(trimSpace(c))
		}
	case 't':
		h.tlsRemark(c)
	case 'c':
		switch {
		case hasFoldPrefix(c, "cipher "):
			h.setTLS(c[7:])
		case hasFoldPrefix(c, "cipher="):
			h.setTLS(c)
		}
	case 's':
		if hasFoldPrefix(c, "squirrelmail") {
			h.authRemark(c)
		} else if hasFoldPrefix(c, "ssl") {
			h.setTLS(c)
		} else if hasFoldPrefix(c, "smtp-auth") || hasFoldPrefix(c, "sasl") {
			h.saslRemark(c)
		}
	case 'a':
		if hasFoldPrefix(c, "auth:") {
			h.authColon(c)
		} else if hasFoldPrefix(c, "authenticated") {
			h.authRemark(c)
		}
	case 'e':
		if hasFoldPrefix(c, "envelope-from") {
			h.setSender(c[len("envelope-from"):])
		} else if hasFoldPrefix(c, "envelope-sender") {
			h.setSender(c[len("envelope-sender"):])
		}
	case 'm':
		if hasFoldPrefix(c, "mailfrom:") {
			h.setSender(c[9:])
		}
	}
}

// tlsRemark reads "TLS: v, bits, cipher", "TLS1.3:CIPHER:256", "TLSv1.3 cipher X" and
// "TLS_AES_256_GCM_SHA384 encrypted, authenticated".
func (h *Hop) tlsRemark(c string) {
	switch {
	case hasFoldPrefix(c, "tls_cipher "):
		h.setTLS(c[len("tls_cipher "):])
	case hasFoldPrefix(c, "tls:"):
		h.setTLS(trimSpace(c[4:]))
	case hasFoldPrefix(c, "tls"):
		if i := indexFold(c, " encrypted"); i > 0 {
			if indexFold(c, "authenticated") > 0 {
				h.setAuth("")
			}
			c = c[:i]
		}
		h.setTLS(c)
	}
}

// wordTLS reads TLS named by words behind "with": ESMTP/TLS/AES256, "tls NAME",
// "AES256-GCM-SHA384 encrypted SMTP".
func (h *Hop) wordTLS(c *clause, i int) {
	w := c.p[i].text
	if len(w) < 3 || i+1 == c.n && len(w) < 10 { // a lone protocol
		return
	}
	next := ""
	if i+1 < c.n && !c.p[i+1].comment {
		next = c.p[i+1].text
	}
	switch {
	case equalFold(w, "tls") && equalFold(next, "secured"): // over TLS secured channel
		h.setTLS(w)
	case equalFold(w, "tls") && next != "":
		h.setTLS(next)
	case equalFold(next, "encrypted"):
		h.setTLS(w)
	default:
		if k := indexFold(w, "/tls/"); k > 0 {
			h.setTLS(w[k+1:])
		}
	}
}

// beforeNote cuts the bits and server's key that Postfix adds to the cipher.
func beforeNote(s string) string {
	if i := strings.IndexByte(s, '('); i > 0 {
		s = s[:i]
	}
	return trimSpace(s)
}

func (h *Hop) setTLS(s string) {
	if h.TLS == "" {
		h.TLS = trimSpace(s)
	}
}

// setAuth notes that the peer had logged in, as whom or how if that is said.
func (h *Hop) setAuth(who string) {
	h.authenticated = true
	if h.Auth == "" || h.Auth == "authenticated" {
		h.Auth = trimSpace(who)
	}
}

// authColon reads "AUTH: METHOD account, TLS: version, bits, cipher".
func (h *Hop) authColon(c string) {
	who, tls := c[5:], ""
	for _, word := range [...]string{", tls:", ", ssl:"} {
		if i := indexFold(who, word); i >= 0 {
			who, tls = who[:i], who[i+len(word):]
		}
	}
	h.setAuth(who)
	if tls != "" {
		h.setTLS(tls)
	}
}

// authRemark reads "Authenticated sender: x", "authenticated user x",
// "authenticated as x", "Authenticated-User:x" and "authenticated bits=0".
func (h *Hop) authRemark(c string) {
	for _, word := range [...]string{"sender:", "user ", "as:", " as ", "-user:"} {
		if i := indexFold(c, word); i > 0 {
			h.setAuth(c[i+len(word):])
			return
		}
	}
	h.setAuth("authenticated")
}

// saslRemark reads "SMTP-AUTH username x, mechanism y" and its like.
func (h *Hop) saslRemark(c string) {
	if i := indexFold(c, "username "); i > 0 {
		c, _, _ = strings.Cut(c[i+len("username "):], ",")
	}
	h.setAuth(c)
}

// courierRemark reads "IDENT: name, AUTH: METHOD account, TLS: version, bits, cipher".
func (h *Hop) courierRemark(c string) {
	ident, rest, _ := strings.Cut(c[len("ident: "):], ", ")
	if h.Ident == "" {
		h.Ident = trimSpace(ident)
	}
	switch {
	case hasFoldPrefix(rest, "auth:"):
		h.authColon(rest)
	case hasFoldPrefix(rest, "tls:"):
		h.setTLS(rest[4:])
	}
}

// setSender takes the envelope sender from "<x>", "=<x>", " x, uid 1" and the like.
func (h *Hop) setSender(s string) {
	if h.EnvelopeFrom != "" {
		return
	}
	s = strings.TrimLeft(s, "= :")
	w, _ := cutSpace(s)
	h.EnvelopeFrom = strings.Trim(w, "<>,")
}

// skip names why the line is no network hop.
func (h *Hop) skip(l *line, p *peer) Skip {
	head := l.clauses[kwHead].comment(0)
	switch {
	case isFetchProtocol(h.With) || hasFoldPrefix(l.clauses[kwWith].comment(0), "fetchmail") || hasFoldPrefix(l.clauses[kwBy].comment(0), "fetchmail"):
		return SkipFetch
	case h.Dialect == "exchange" && h.With == "MAPI":
		return SkipStore
	case isFilter(h.Dialect) && (!h.IP.IsValid() || h.IP.IsLoopback()):
		return SkipFilter
	case isLocalProtocol(h.With) || p.local && !h.IP.IsValid() || h.Dialect == "smtpsvc" && l.hasWord(kwFrom, "pickup"):
		return SkipLocal
	case head != "" && (indexFold(head, " invoked") > 0 || hasFoldPrefix(head, "ofmipd") || hasFoldPrefix(head, "haraka")):
		return SkipLocal
	case hasFoldPrefix(h.With, "lmtp") && !h.IP.IsValid():
		return SkipLocal
	case !h.IP.IsValid() && equalFold(p.name, "localhost") && equalFold(l.clauses[kwFrom].comment(0), "localhost"):
		return SkipLocal
	case h.IP.IsValid() || p.hidden || p.auth != "" || l.clauses[kwFrom].n > 0 && !userAtHost(p, l):
		return SkipNone
	case h.By != "":
		if softwareSays(l, "from userid") || l.clauses[kwFrom].seen {
			return SkipLocal
		}
		return SkipByOnly
	}
	return SkipEmpty
}

// userAtHost knows "from user@host by host", where no host handed the mail over.
func userAtHost(p *peer, l *line) bool {
	return strings.IndexByte(p.name, '@') > 0 && l.clauses[kwFrom].n == 1
}

// softwareSays tells whether the comment behind the writing host holds words.
func softwareSays(l *line, words string) bool {
	c := &l.clauses[kwBy]
	for i := 0; i < c.n; i++ {
		if c.p[i].comment && indexFold(c.p[i].text, words) >= 0 {
			return true
		}
	}
	return false
}
