package trace

import "strings"

// dialectOf names the form of a line: by the software that the writing host
// names, else by the protocol's words, the host's name, or the line's shape.
// The names are those of the table Dialects.
func dialectOf(l *line, h *Hop, p *peer) string {
	if equalFold(p.name, "pps.filterd") {
		return "proofpoint-filter"
	}
	by := &l.clauses[kwBy]
	for i := 0; i < by.n; i++ {
		if by.p[i].comment {
			if d := bySoftware(by.p[i].text); d != "" {
				return d
			}
		}
	}
	if d := byWith(l); d != "" {
		return d
	}
	if h.By == "" {
		if d := byLoneComment(l); d != "" {
			return d
		}
	}
	if d := byHost(l, h); d != "" {
		return d
	}
	if equalFold(h.By, "simscan") {
		return "simscan"
	}
	return byShape(l, h, p)
}

// A signature is the beginning of a comment that names software.
type signature struct{ prefix, dialect string }

// bySoftware knows the comment that names the software behind "by" or "with".
func bySoftware(c string) string {
	switch {
	case c == "Postfix": // seven lines in ten
		return "postfix"
	case c == "":
		return ""
	case isDigit(c[0]):
		return numbered(c)
	}
	k := c[0] | 0x20
	if k < 'a' || k > 'z' || len(c) < 2 {
		return ""
	}
	for _, s := range signatures[k-'a'] {
		if c[1]|0x20 == s.prefix[1] && hasFoldPrefix(c, s.prefix) && !nameAndAddress(c) { // a host may be called zimbra.example.com
			return s.dialect
		}
	}
	if i := strings.IndexByte(c, '/'); i > 0 && indexFold(c[i:], "/exim") >= 0 {
		return "exim"
	}
	return ""
}

// byLoneComment knows the software from a comment where no "by" stands before it.
func byLoneComment(l *line) string {
	for _, kw := range [...]keyword{kwHead, kwFrom} {
		for _, x := range l.clauses[kw].pieces() {
			if !x.comment || strings.ContainsAny(firstPart(x.text), ".@") { // a host
				continue
			}
			if d := bySoftware(x.text); d != "" {
				return d
			}
			if hasFoldPrefix(x.text, "no client certificate ") || hasFoldPrefix(x.text, "client did not present ") {
				return "postfix"
			}
		}
	}
	return ""
}

func firstPart(c string) string {
	w, _ := cutSpace(c)
	return w
}

// numbered knows sendmail's "8.12.6/8.9.3": a version, a slash, a version of the
// configuration.
func numbered(c string) string {
	i := strings.IndexByte(c, '/')
	if i < 3 || strings.IndexByte(c[:i], '.') < 0 {
		return ""
	}
	for j := 0; j < i; j++ {
		if !isDigit(c[j]) && c[j] != '.' && !isAlpha(c[j]) && c[j] != '+' && c[j] != '-' {
			return ""
		}
	}
	if hasFoldPrefix(c[i+1:], "sieved") {
		return ""
	}
	return "sendmail"
}

// byWith knows dialects by the words and comments behind "with", and by "via".
func byWith(l *line) string {
	with := &l.clauses[kwWith]
	for i := 0; i < with.n; i++ {
		w := with.p[i].text
		if with.p[i].comment {
			if d := bySoftware(w); d != "" {
				return d
			}
			continue
		}
		next := ""
		if i+1 < with.n {
			next = with.p[i+1].text
		}
		if d := byProtocolWord(w, next); d != "" {
			return d
		}
	}
	via := &l.clauses[kwVia]
	if d := bySoftware(via.comment(0)); d != "" {
		return d
	}
	return byVia(via.word())
}

// protocolWords are words behind "with" that only one dialect writes.
var protocolWords = []signature{
	{"mapi", "exchange"}, {"mailenable", "mailenable"}, {"internet", "exchange5"}, {"nnfmp", "yahoo"}, {"ecartis", "list"}, {"ecstream", "ecelerity"},
	{"thrift", "facebook"}, {"httprest", "google"}, {"cmsmtp", "cloudmark"}, {"comcast", "cloudmark"}, {"bizsmtp", "cloudmark"}, {"spamassassin", "spamd"},
	{"hmailserver", "hmailserver"}, {"interscan", "interscan"}, {"mailmarshal", "mailmarshal"}, {"netiq", "mailmarshal"},
}

// byProtocolWord knows one word behind "with"; next is the word behind it.
func byProtocolWord(w, next string) string {
	switch {
	case len(w) < 4 || hasFoldPrefix(w, "esmtp") || hasFoldPrefix(w, "smtp"):
		return ""
	case hasFoldPrefix(w, "ipv4:") || hasFoldPrefix(w, "ipv6:"):
		return "assp"
	case equalFold(w, "microsoft") && next != "":
		if hasFoldPrefix(next, "smtpsvc") {
			return "smtpsvc"
		}
		return "exchange"
	case hasFoldPrefix(w, "novell"):
		return "groupwise"
	case hasFoldPrefix(w, "[xmail"):
		return "xmail"
	case hasFoldPrefix(w, "qmail-scanner"):
		return "qmail-scanner"
	}
	for _, s := range protocolWords {
		if equalFold(w, s.prefix) {
			return s.dialect
		}
	}
	return ""
}

// byVia knows the word behind "via".
func byVia(via string) string {
	switch {
	case via == "":
		return ""
	case equalFold(via, "smap") || equalFold(via, "csmap"):
		return "smap"
	case equalFold(via, "smtpd"):
		return "gauntlet"
	case equalFold(via, "listexpand"):
		return "list"
	case equalFold(via, "smail"):
		return "smail"
	}
	return ""
}

// byHost knows the large providers' hosts, whose lines name no software.
func byHost(l *line, h *Hop) string {
	by := h.By
	switch {
	case by == "":
		return ""
	case h.ByIP.IsValid() && internal6to4.Contains(h.ByIP):
		return "google"
	}
	switch d := providerHost(by); {
	case d == "qq" && !hasFoldPrefix(by, "newx") && !hasFoldPrefix(by, "bizesmtp") && !hasFoldPrefix(by, "esmtp"):
	case d != "":
		return d
	}
	if indexFold(by, ".yahoo.") > 0 || l.hasWord(kwBy, "pod-id") {
		return "yahoo"
	}
	return ""
}

// providerHost returns the dialect of the provider below whose domain a host is.
func providerHost(host string) string {
	n := len(host)
	for dots := 0; n > 0; n-- { // the last two labels
		if host[n-1] == '.' {
			if dots++; dots == 2 {
				break
			}
		}
	}
	var low [16]byte
	domain := host[n:]
	if len(domain) > len(low) {
		return ""
	}
	for i := 0; i < len(domain); i++ {
		low[i] = domain[i]
		if c := domain[i]; c-'A' <= 25 {
			low[i] = c | 0x20
		}
	}
	switch string(low[:len(domain)]) {
	case "google.com", "gmail.com", "googlemail.com":
		return "google"
	case "aliyun-inc.com", "aliyun.com":
		return "aliyun"
	case "aol.com":
		return "aol"
	case "outlook.com", "office365.com":
		return "exchange"
	case "outblaze.com":
		return "outblaze"
	case "mimecast.com":
		return "mimecast"
	case "qq.com":
		return "qq"
	case "symcld.net", "messagelabs.com":
		return "messagelabs"
	case "postini.com":
		return "postini"
	case "mxlogic.net":
		return "mxlogic"
	case "sendgrid.net":
		return "sendgrid"
	case "mailgun.net", "mailgun.org":
		return "mailgun"
	case "zohomail.com", "zoho.com":
		return "zoho"
	case "pphosted.com", "ppe-hosted.com":
		return "proofpoint"
	}
	return ""
}

// hasWord tells whether a clause holds the word.
func (l *line) hasWord(kw keyword, lower string) bool {
	for _, x := range l.clauses[kw].pieces() {
		if !x.comment && equalFold(x.text, lower) {
			return true
		}
	}
	return false
}

// byShape knows dialects by nothing but the order of their parts.
func byShape(l *line, h *Hop, p *peer) string {
	from := &l.clauses[kwFrom]
	head := l.clauses[kwHead].comment(0)
	switch {
	case hasFoldPrefix(head, "qmail ") || hasFoldPrefix(head, "ofmipd"):
		return "qmail"
	case hasFoldPrefix(head, "nullmailer"):
		return "nullmailer"
	case head != "" && indexFold(head, " invoked ") > 0:
		return "qmail"
	case hasFoldPrefix(head, "authenticated sender"):
		return "postfix"
	case hasFoldPrefix(head, "from ") || hasFoldPrefix(head, "majordomo"):
		return bySoftwareOr(l, "sendmail")
	case p.zmailer:
		return "zmailer"
	case eximID(h.ID):
		return "exim"
	case isFetchProtocol(h.With):
		return "fetchmail"
	case hasFoldPrefix(h.With, "lmtp") && !p.ip.IsValid():
		return "lmtp"
	case from.seen && from.n > 0 && hasFoldPrefix(from.comment(0), "mailfrom:"):
		return "aliyun"
	case from.n > 1 && (hasFoldPrefix(from.comment(0), "squirrelmail") || hasFoldPrefix(from.comment(1), "squirrelmail")):
		return "squirrelmail"
	case p.mapped:
		return "courier"
	case l.clauses[kwUser].n > 0 && equalFold(l.clauses[kwUser].p[0].text, "user") && h.With == "HTTP":
		return "imp"
	case h.ByIP.IsPrivate() && isAddress(h.By) && from.n == 2 && hasFoldPrefix(from.p[1].text, "ehlo "):
		return "yahoo"
	case from.n > 1 && from.p[1].comment && hasFoldPrefix(from.p[1].text, "helo ") && p.ip.IsValid():
		if last := from.p[2]; from.n > 2 && last.comment && last.text != "" && last.text[0] == '[' {
			return "ironport"
		}
		return "qmail"
	case from.n > 1 && from.p[1].comment && (hasFoldPrefix(from.p[1].text, "helo=") || from.p[1].text != "" && from.p[1].text[0] == '[' && strings.Contains(from.p[1].text, "helo=")):
		return "exim"
	case from.n > 1 && from.p[1].comment && (hasFoldPrefix(from.p[1].text, "helo") || hasFoldPrefix(from.p[1].text, "ehlo")):
		return "qmail"
	case from.n > 1 && from.p[1].comment && hasFoldPrefix(from.p[1].text, "lhlo"):
		return "zimbra"
	case from.n > 1 && from.p[1].comment && strings.IndexByte(from.p[1].text, '/') == 0:
		return "oracle"
	case p.nameIP.IsValid() && from.n > 1 && p.ip.IsValid() && h.isZoneMTA(from):
		return "zonemta"
	case upperKeywords(l) && h.By != "":
		return "simta"
	case hasFoldPrefix(h.ID, "smtpd") && equalFold(l.clauses[kwVia].word(), "smtp"):
		return "obtuse"
	case h.By != "" && p.bareUser && h.ID == "":
		return "qmail"
	case h.By != "" && h.ID == "" && p.ip.IsValid() && p.name != "" && h.Date.weekday < 0 && h.Date.ZoneName == "" && h.With != "":
		return bareDate(h, p)
	case h.By != "" && (p.ip.IsValid() || p.hidden || p.local):
		return "rfc5321"
	case h.By != "" && p.nameIP.IsValid():
		return "literal"
	case h.By != "" && (h.With != "" || h.ID != "" || p.name != ""):
		return "rfc5321"
	}
	return "unknown"
}

// bareDate tells apart who writes neither id nor weekday: qmail, whose times are
// at -0000 and whose addresses stand bare, and IronPort.
func bareDate(h *Hop, p *peer) string {
	if p.bare && (h.Date.ZoneRaw == "-0000" || h.With == "SMTP") {
		return "qmail"
	}
	return "ironport"
}

func bySoftwareOr(l *line, other string) string {
	if d := bySoftware(l.clauses[kwBy].comment(0)); d != "" {
		return d
	}
	return other
}

// isZoneMTA knows "[literal] ([192.0.2.1] name)".
func (h *Hop) isZoneMTA(from *clause) bool {
	c := from.comment(0)
	if c == "" || c[0] != '[' {
		return false
	}
	i := strings.IndexByte(c, ']')
	return i > 0 && i+2 < len(c) && c[i+1] == ' ' && strings.IndexByte(c[i+2:], '.') > 0 && strings.IndexByte(c, '=') < 0
}

// upperKeywords tells whether the line says FROM and BY in capitals.
func upperKeywords(l *line) bool {
	s := trimSpace(l.s)
	return strings.HasPrefix(s, "FROM ") && strings.Contains(s, " BY ")
}

// eximID knows the form of Exim's message ids: 6-6-2, since 4.97 6-11-4.
func eximID(id string) bool {
	switch len(id) {
	case 16:
		return id[6] == '-' && id[13] == '-' && alnum(id[:6]) && alnum(id[7:13])
	case 23:
		return id[6] == '-' && id[18] == '-' && alnum(id[:6]) && alnum(id[7:18])
	}
	return false
}

func alnum(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isAlpha(s[i]) && !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// isFilter names the dialects of content filters, which mostly stand beside the
// mail server that calls them.
func isFilter(dialect string) bool {
	switch dialect {
	case "amavis", "mailscanner", "qmail-scanner", "simscan", "proofpoint-filter", "spamd", "antivirus":
		return true
	}
	return false
}

// underDomain tells whether name is domain, which is in lower case, or below it
// on a label boundary.
func underDomain(name, domain string) bool {
	n, d := len(name), len(domain)
	if n < d || !equalFold(name[n-d:], domain) {
		return false
	}
	return n == d || name[n-d-1] == '.'
}
