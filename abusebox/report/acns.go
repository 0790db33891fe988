package report

import (
	"strings"
)

// readACNS reads copyright notices after ACNS 1.0–1.2: an <Infringement>
// document attached as XML, or in the text between "Start ACNS XML" and "End
// ACNS XML". Elements used: Case/ID, Source (TimeStamp, IP_Address, Port, Type,
// UserName), Content/Item (Title, FileName, Hash, TimeStamp, URL).
// Also seen: PGP dash escapes, unescaped &, quoted-printable remains; so it is
// read as text with tags, not by an XML parser.
//
// Sources: http://www.acns.net, IP-Echelon, Irdeto, MarkMonitor, OpSec, Web Sheriff.
func readACNS(d *document) []Report {
	var out []Report
	for _, text := range d.textsWith("<Infringement") {
		for _, doc := range elements(text, "Infringement", 500) {
			out = append(out, d.infringement(doc)...)
		}
	}
	return dedupe(out)
}

// maxMarked bounds the files that are searched for a mark.
const maxMarked = 6 << 20

// textsWith returns the texts of the mail that contain mark: files, then the body.
func (d *document) textsWith(mark string) []string {
	var out []string
	for _, p := range d.files {
		if len(p.Raw) > maxMarked {
			continue // a table; what bears a mark is no longer than a letter
		}
		if t := p.Text(); strings.Contains(t, mark) {
			out = append(out, t)
		}
	}
	if strings.Contains(d.body, mark) {
		out = append(out, d.body)
	}
	if len(out) == 0 && d.html {
		// The tags of an XML document inside HTML are gone from what is seen.
		if raw := rawText(d.root); strings.Contains(raw, mark) {
			out = append(out, raw)
		}
	}
	return out
}

func (d *document) infringement(doc string) []Report {
	source := element(doc, "Source")
	content := element(doc, "Content")
	r := Report{Count: 1, Confidence: High, Role: Sender, Category: "copyright", Type: "copyright"}
	r.ReportID = element(element(doc, "Case"), "ID")
	r.Protocol = element(source, "Type")
	r.Port, _ = number(element(source, "Port"), 0, 65535, 0)
	low := strings.ToLower(r.Protocol + " " + source)
	if strings.Contains(low, "torrent") || strings.Contains(low, "p2p") || strings.Contains(low, "donkey") || strings.Contains(low, "emule") || strings.Contains(low, "gnutella") {
		r.Type = "p2p"
	}
	r.Subject = Subject{
		Account: element(source, "UserName"),
		Title:   element(content, "Title"),
		File:    element(content, "FileName"),
		Hash:    element(content, "Hash"),
	}
	url := element(source, "URL")
	if url == "" {
		url = element(content, "URL")
	}
	r.URLs = appendNew(r.URLs, urlOnly(url))
	if st, ok := stampOf(element(source, "TimeStamp")); ok {
		d.setTime(&r, st)
	} else if st, ok := stampOf(element(content, "TimeStamp")); ok {
		d.setTime(&r, st)
	}
	r.Evidence = tagLines(source)
	for _, e := range tagLines(content) {
		r.Evidence = appendNew(r.Evidence, e)
	}
	ip := element(source, "IP_Address")
	if a, ok := parseAddress(ip); ok {
		r.IP, r.Why = a, "IP_Address of the ACNS document"
		return []Report{r}
	}
	if name := element(source, "DNS_Name"); name != "" {
		r.Source, r.Why = name, "DNS_Name of the ACNS document, which states no address"
		return []Report{r}
	}
	if url != "" {
		return d.siteReports(r, url, "URL of the ACNS document")
	}
	return nil
}

// tagLines returns the lines of an element that carry a value.
func tagLines(s string) []string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimSpace(l); strings.Contains(l, "</") && len(out) < 12 {
			out = append(out, l)
		}
	}
	return out
}

// elements returns the contents of the elements of that name, at most limit.
func elements(s, name string, limit int) []string {
	var out []string
	for len(out) < limit {
		start, end, ok := findElement(s, name)
		if !ok {
			return out
		}
		out = append(out, s[start:end])
		s = s[end:]
	}
	return out
}

// element returns the text of the first element of that name, "" if there is none.
func element(s, name string) string {
	start, end, ok := findElement(s, name)
	if !ok {
		return ""
	}
	v := strings.TrimSpace(s[start:end])
	if i := strings.Index(v, "<![CDATA["); i == 0 {
		v = strings.TrimSuffix(v[len("<![CDATA["):], "]]>")
	}
	if strings.Contains(v, "&") && !strings.Contains(v, "<") {
		v = unescapeXML.Replace(v)
	}
	return strings.TrimSpace(v)
}

var unescapeXML = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&#39;", "'")

// findElement finds <name …>…</name>, with or without a namespace prefix.
func findElement(s, name string) (start, end int, ok bool) {
	for at := 0; ; {
		i := strings.Index(s[at:], name)
		if i < 0 {
			return 0, 0, false
		}
		i += at
		at = i + len(name)
		if i == 0 || s[i-1] != '<' && s[i-1] != ':' || at >= len(s) || s[at] != '>' && s[at] != ' ' && s[at] != '\n' && s[at] != '\r' && s[at] != '\t' {
			continue
		}
		open := strings.LastIndexByte(s[:i], '<')
		if open < 0 || i-open > 24 || open+1 < len(s) && s[open+1] == '/' {
			continue
		}
		gt := strings.IndexByte(s[at:], '>')
		if gt < 0 {
			return 0, 0, false
		}
		start = at + gt + 1
		if s[start-2] == '/' {
			continue // <Port/>
		}
		prefix := s[open+1 : i]
		j := strings.Index(s[start:], "</"+prefix+name+">")
		if j < 0 {
			return 0, 0, false
		}
		return start, start + j, true
	}
}
