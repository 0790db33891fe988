package report

import (
	"strconv"
	"strings"

	"spoor/internal/message"
)

// readXARF02 reads X-ARF 0.1 and 0.2: a part report.txt of YAML scalars
// (Reported-From, Category, Report-Type, Service, Date, Source-Type, Source,
// Port, Report-ID …), with a text before it and the evidence behind it.
// Also seen: the header X-ARF or X-XARF with the fields in any text part, a
// Source that is a URL whose address stands in the text.
//
// Sources: blocklist.de, clean-mx.de, fail2ban, Netcraft, abusix, CERTs.
func readXARF02(d *document) []Report {
	var out []Report
	for _, p := range d.files {
		if isText(p) || p.MediaType == "application/x-yaml" || strings.HasSuffix(strings.ToLower(p.Filename), "report.txt") {
			if r, ok := d.xarfFields(fieldsOf(headText(p, maxFields))); ok {
				out = append(out, r...)
			}
		}
	}
	if len(out) == 0 && (d.root.Header.Has("X-XARF") || d.root.Header.Has("X-ARF") || strings.Contains(d.body, "Reported-From:") && strings.Contains(d.body, "Source-Type:")) {
		if r, ok := d.xarfFields(fieldsOf(d.body)); ok {
			out = append(out, r...)
		}
	}
	for i := range out {
		if out[i].IP.IsValid() {
			d.addLogEvidence(&out[i])
		}
	}
	return dedupe(out)
}

// maxFields bounds how much of a file is read for the fields of a report.
const maxFields = 1 << 20

// A fieldSet is "Name: value" lines by lower-case name; the first of a name wins.
type fieldSet map[string]string

// fieldsOf reads the flat YAML that reporters send.
func fieldsOf(s string) fieldSet {
	fs := fieldSet{}
	for n := 0; s != "" && n < 2000; n++ {
		var l string
		l, s, _ = strings.Cut(s, "\n")
		name, value, ok := strings.Cut(strings.TrimRight(l, "\r"), ":")
		if !ok || len(name) > 48 {
			continue
		}
		name = strings.ToLower(strings.Trim(name, " \t-*>\"'"))
		if _, have := fs[name]; !have && name != "" {
			fs[name] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return fs
}

// xarfFields makes reports of the fields of one report.txt.
func (d *document) xarfFields(fs fieldSet) ([]Report, bool) {
	if fs["reported-from"] == "" && fs["report-type"] == "" || fs["source"] == "" && fs["source-ip"] == "" {
		return nil, false
	}
	r := Report{Count: 1, Confidence: High, Role: Sender, ReportID: fs["report-id"]}
	r.Category, r.Type = xarf02Type(fs["category"], fs["report-type"], fs["service"])
	if st, ok := stampOf(fs["date"]); ok {
		d.setTime(&r, st)
	}
	d.xarfPorts(&r, fs)
	if n, err := strconv.Atoi(fs["occurrences"]); err == nil && n > 0 {
		r.Count = n
	}
	for _, k := range [...]string{"download-link", "uri", "url"} {
		r.URLs = appendNew(r.URLs, fs[k])
	}
	r.Domains = appendNew(r.Domains, strings.ToLower(fs["domain"]))
	source := fs["source"]
	if source == "" {
		source = fs["source-ip"]
	}
	for name, value := range map[string]string{"Source": source, "Date": fs["date"], "Report-Type": fs["report-type"]} {
		if value != "" {
			r.Evidence = append(r.Evidence, name+": "+value)
		}
	}
	sortStrings(r.Evidence)
	if ip, ok := parseAddress(source); ok && !strings.Contains(source, "/") {
		r.IP, r.Why = ip, "Source of the X-ARF report"
		return []Report{r}, true
	}
	return d.siteReports(r, source, "Source of the X-ARF report"), true
}

// xarfPorts decides whose port Port is: of the attacked service where the
// source attacked, of the source where it offers something.
func (d *document) xarfPorts(r *Report, fs fieldSet) {
	if p, err := strconv.ParseUint(fs["source-port"], 10, 16); err == nil {
		r.Port = uint16(p)
	}
	p, err := strconv.ParseUint(fs["port"], 10, 16)
	if err != nil {
		return
	}
	if r.Category == "content" || r.Category == "vulnerability" {
		r.Port = uint16(p)
		return
	}
	r.DstPort = uint16(p)
}

// siteReports makes reports of an accused URL or domain: of the addresses that
// the mail names beside it, else of the site itself.
func (d *document) siteReports(r Report, site, why string) []Report {
	r.URLs = appendNew(r.URLs, urlOnly(site))
	host := hostOf(site)
	if r.Subject.Site == "" {
		r.Subject.Site = host
	}
	r.Domains = appendNew(r.Domains, domainOnly(host))
	if ip, ok := parseAddress(host); ok && usable(ip) {
		r.IP, r.Why = ip, "host of the URL that is the "+why
		return []Report{r}
	}
	var out []Report
	for _, ip := range d.addressesOfSite() {
		one := r
		one.IP, one.Why, one.Confidence = ip, "address that the text gives for the site", Medium
		one.Evidence = append(append([]string{}, r.Evidence...), d.linesWith(ip)...)
		out = append(out, one)
	}
	if len(out) > 0 {
		return out
	}
	r.Source, r.Why = site, why+", which states no address"
	return []Report{r}
}

// addressesOfSite weighs the text and returns what it accuses.
func (d *document) addressesOfSite() []addr {
	w := d.weighing()
	var out []addr
	for _, c := range w.chosen() {
		out = append(out, c.ip)
	}
	return out
}

// addLogEvidence adds the lines of attached logs and of the text that name the address.
func (d *document) addLogEvidence(r *Report) {
	text := r.IP.String()
	for _, p := range d.files {
		if !isText(p) || strings.Contains(strings.ToLower(p.Filename), "report.txt") {
			continue
		}
		for _, l := range strings.Split(headText(p, 64<<10), "\n") {
			if strings.Contains(l, text) && len(r.Evidence) < d.lim.MaxEvidence {
				r.Evidence = appendNew(r.Evidence, strings.TrimRight(l, "\r"))
			}
		}
	}
	for _, m := range d.mails {
		d.addMailEvidence(r, m.Header, r.IP)
	}
}

// linesWith returns the lines of the text that name ip and no other address.
func (d *document) linesWith(ip addr) []string {
	var out []string
	for _, l := range d.bodyLines() {
		only, has := true, false
		for _, h := range l.hits {
			if h.ip == ip {
				has = true
			} else {
				only = false
			}
		}
		if has && only && len(out) < d.lim.MaxEvidence {
			out = append(out, l.raw)
		}
	}
	return out
}

// xarf02Type maps the classes of X-ARF 0.2 to those of v4.
func xarf02Type(category, typ, service string) (string, string) {
	switch strings.ToLower(typ) {
	case "phishing":
		return "content", "phishing"
	case "malware", "malware-attack", "virus":
		return "content", "malware"
	case "copyright":
		return "copyright", "copyright"
	case "harvesting", "spam", "spamvertised", "mail":
		return "messaging", "spam"
	case "login-attack", "ssh", "ftp", "imap", "pop3", "mail-login", "bruteforcelogin", "sip", "webmin", "sasl", "smtp-auth":
		return "connection", "login-attack"
	case "portscan", "port-scan", "scan", "portflood":
		return "connection", "port-scan"
	case "ddos", "dos", "flood", "apacheddos":
		return "connection", "ddos"
	case "botnet":
		return "infrastructure", "botnet"
	case "bot", "infected", "bot-infection", "infected-host", "bots":
		return "connection", "infected-host"
	case "openproxy", "open-proxy", "open-relay", "openrelay", "vulnerability", "open-resolver":
		return "vulnerability", "open-service"
	case "regbot", "badbot", "comment-spam", "webattack", "exploit", "reg-bot", "bad-bot", "badbots", "rfi-attack":
		return "connection", "reconnaissance"
	}
	cat, t := kindOfText(typ + " " + service)
	if cat == "" && strings.EqualFold(category, "fraud") {
		return "content", "fraud"
	}
	return cat, t
}

// isReportFile tells the part of X-ARF 0.2 from the evidence behind it.
func isReportFile(p *message.Part) bool {
	return strings.HasSuffix(strings.ToLower(p.Filename), "report.txt")
}
