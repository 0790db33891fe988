package report

import (
	"strings"

	"spoor/internal/message"
)

// readXML reads XML that carries addresses in attributes or elements: Google
// Safe Browsing's <url_info url= ip=>, and reports with <ip>, <source_ip> …
//
// Sources: Google Safe Browsing, research institutions' scanners.
func readXML(d *document) []Report {
	var out []Report
	for _, text := range d.textsWith("<url_info") {
		out = append(out, d.urlInfos(text)...)
	}
	if len(out) > 0 {
		return out
	}
	for _, p := range d.files {
		if isXMLFile(p) && d.mayHold(p) {
			out = append(out, d.xmlDocument(p.Text())...)
		}
		for _, b := range d.archivedDocuments(p, ".xml") {
			out = append(out, d.xmlDocument(string(b))...)
		}
	}
	if t := strings.TrimSpace(d.body); len(out) == 0 && strings.HasPrefix(t, "<") && strings.HasSuffix(t, ">") && len(t) < maxJSON {
		out = d.xmlDocument(t)
	}
	return dedupe(out)
}

func isXMLFile(p *message.Part) bool {
	return strings.HasSuffix(p.MediaType, "/xml") || strings.HasSuffix(p.MediaType, "+xml") || strings.HasSuffix(strings.ToLower(p.Filename), ".xml")
}

// urlInfos reads Google's form. Entries without an address have it in the URL,
// or are sites.
func (d *document) urlInfos(text string) []Report {
	var out []Report
	date := attribute(text[:min(len(text), 2000)], "date")
	seen := map[string]int{}
	for len(out) < d.lim.MaxReports {
		i := strings.Index(text, "<url_info")
		if i < 0 {
			break
		}
		end := strings.IndexByte(text[i:], '>')
		if end < 0 {
			break
		}
		tag := text[i : i+end+1]
		text = text[i+end+1:]
		url := attribute(tag, "url")
		r := Report{Count: 1, Confidence: High, Role: Sender, Category: "content", Type: "malware", Why: "ip of url_info"}
		if strings.Contains(strings.ToLower(d.subject), "phish") {
			r.Type = "phishing"
		}
		if st, ok := stampOf(date); ok {
			d.setTime(&r, st)
		}
		r.URLs, r.Domains = appendNew(nil, url), appendNew(nil, domainOnly(hostOf(url)))
		r.Subject.Site = hostOf(url)
		r.Evidence = []string{tag}
		ip, ok := parseAddress(attribute(tag, "ip"))
		if !ok {
			ip, ok = parseAddress(bareHost(url))
			r.Why = "host of the URL in url_info"
		}
		if !ok {
			r.Source, r.Why = url, "url of url_info, which states no address"
		}
		r.IP = ip
		key := ip.String() + " " + r.Source
		if at, dup := seen[key]; dup && ip.IsValid() {
			out[at].absorb(r)
			out[at].Count++
			continue
		}
		seen[key] = len(out)
		out = append(out, r)
	}
	return out
}

// bareHost returns the host of a URL, also where an IPv6 address stands there
// without its brackets.
func bareHost(url string) string {
	host := hostOf(url)
	if _, ok := parseAddress(host); ok {
		return host
	}
	s := url
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	s, _, _ = strings.Cut(s, "/")
	if strings.Count(s, ":") < 3 {
		return host
	}
	if i := strings.LastIndexByte(s, ':'); strings.Count(s, ":") >= 8 {
		s = s[:i] // QUIRK: RFC 3986 §3.2.2 asks for brackets
	}
	return s
}

// attribute returns the value of an XML attribute.
func attribute(tag, name string) string {
	for _, quote := range [...]string{`"`, `'`} {
		i := strings.Index(tag, " "+name+"="+quote)
		if i < 0 {
			continue
		}
		v := tag[i+len(name)+3:]
		if j := strings.Index(v, quote); j >= 0 {
			return unescapeXML.Replace(v[:j])
		}
	}
	return ""
}

// xmlDocument reads a document as objects, and one that is not well-formed by
// the names of its elements.
func (d *document) xmlDocument(text string) []Report {
	if tree := xmlTree(text); tree != nil {
		if out := d.jsonValue(tree, nil, 0, stamp{}); len(out) > 0 {
			return out
		}
	}
	return d.xmlElements(text)
}

// xmlElements reads <ip>x</ip> and its like.
func (d *document) xmlElements(text string) []Report {
	var out []Report
	text = withoutTargets(text)
	for _, name := range [...]string{"source_ip", "SourceIP", "sourceip", "src_ip", "IPAddress", "ip_address", "IP_Address", "ip", "IP", "Source"} {
		for _, v := range elements(text, name, 1000) {
			ip, ok := parseAddress(v)
			if !ok {
				continue
			}
			r := d.base(ip, Medium, "element "+name)
			for _, t := range [...]string{"timestamp", "TimeStamp", "Timestamp", "date", "Date", "time"} {
				if st, ok := stampOf(element(text, t)); ok {
					d.setTime(&r, st)
					break
				}
			}
			r.Evidence = []string{"<" + name + ">" + v}
			out = append(out, r)
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// withoutTargets cuts the elements that describe the attacked side.
func withoutTargets(text string) string {
	for _, name := range [...]string{"Target", "target", "Destination", "destination", "Victim", "victim"} {
		text = withoutElement(text, "<"+name+">", "</"+name+">")
	}
	return text
}

func withoutElement(text, open, end string) string {
	if !strings.Contains(text, open) {
		return text
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, open)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(before)
		text = after
	}
}
