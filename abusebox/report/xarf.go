package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"spoor/internal/message"
)

// readXARF reads XARF v3 and v4: a JSON document, attached as xarf.json or
// another application/json, or as the text itself.
//
// v4 is flat: xarf_version, source_identifier, category, type, timestamp …
// v3 nests: Version, ReporterInfo, Report{ReportClass, ReportType, SourceIp or
// Source{IP, URL}, Date …}. Types come with hyphens and underscores.
//
// Sources: https://xarf.org, abusix, Netcraft, hosters, CERTs.
func readXARF(d *document) []Report {
	var out []Report
	for _, b := range d.jsonDocuments() {
		var doc map[string]any
		if json.Unmarshal(b, &doc) != nil {
			continue
		}
		o := object(lowerKeys(doc))
		switch {
		case o.text("xarf_version") != "", o.text("source_identifier") != "" && o.text("category") != "":
			out = append(out, d.xarfV4(o)...)
		case o.has("report") && (o.has("reporterinfo") || o.text("version") != ""):
			out = append(out, d.xarfV3(o)...)
		}
	}
	return dedupe(out)
}

// maxJSON bounds a JSON document.
const maxJSON = 8 << 20

// jsonDocuments returns what may be a JSON object: files by type or name, the
// text itself, and files of these kinds inside the mail's archives.
func (d *document) jsonDocuments() [][]byte {
	var out [][]byte
	for _, p := range d.files {
		if p.MediaType == "application/json" || strings.HasSuffix(p.MediaType, "+json") || strings.HasSuffix(strings.ToLower(p.Filename), ".json") {
			if !d.mayHold(p) {
				continue
			}
			out = append(out, bytes.TrimPrefix(p.Body(), []byte("\ufeff")))
		}
		out = append(out, d.archivedDocuments(p, ".json")...)
	}
	if t := strings.TrimSpace(d.body); strings.HasPrefix(t, "{") && strings.HasSuffix(t, "}") {
		out = append(out, []byte(t))
	} else if i := strings.Index(t, `"xarf_version"`); i >= 0 {
		out = append(out, jsonAround(t, i))
	} else if i := strings.Index(t, `"ReporterInfo"`); i >= 0 {
		out = append(out, jsonAround(t, i))
	} else if b := d.jsonAmid(t); b != nil {
		out = append(out, b)
	}
	return out
}

// jsonAmid returns the object or list that stands in lines of its own amid a
// text which names no other address, nil where there is none.
func (d *document) jsonAmid(t string) []byte {
	if !strings.Contains(t, `":`) || len(t) > maxJSON {
		return nil
	}
	start, end := 0, 0
	for at := 0; at < len(t); {
		line, rest, _ := strings.Cut(t[at:], "\n")
		switch l := strings.TrimSpace(line); {
		case end == 0 && (strings.HasPrefix(l, "{") || l == "[" || strings.HasPrefix(l, "[{")):
			start, end = at, at+len(line)
		case end > 0 && (strings.HasSuffix(l, "}") || strings.HasSuffix(l, "]")):
			end = at + len(line)
		}
		at = len(t) - len(rest)
	}
	if object := []byte(t[start:end]); end == 0 || !json.Valid(object) {
		return nil
	}
	for _, l := range append(splitLines(limitText(t[:start], 64<<10)), splitLines(limitText(t[end:], 64<<10))...) {
		if len(l.hits) > 0 {
			return nil
		}
	}
	return []byte(t[start:end])
}

// mayHold tells whether a document is small enough to be held as a tree; a
// person is told of one that is not.
func (d *document) mayHold(p *message.Part) bool {
	if len(p.Raw) <= 2*maxJSON && len(p.Body()) <= maxJSON {
		return true
	}
	d.budget.truncated = "document"
	return false
}

// jsonAround returns the object that encloses position i of a text.
func jsonAround(t string, i int) []byte {
	start := strings.LastIndexByte(t[:i], '{')
	end := strings.LastIndexByte(t, '}')
	if start < 0 || end < i {
		return nil
	}
	return []byte(t[start : end+1])
}

// An object is a decoded JSON object with lower-case keys.
type object map[string]any

func (o object) has(key string) bool { _, ok := o[key]; return ok }

// text returns the first of the named members as text.
func (o object) text(keys ...string) string {
	for _, k := range keys {
		switch v := o[k].(type) {
		case string:
			if v != "" {
				return v
			}
		case float64:
			return trimFloat(v)
		}
	}
	return ""
}

func trimFloat(v float64) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// object returns a member that is an object itself, or nothing.
func (o object) object(key string) object {
	m, _ := o[key].(map[string]any)
	return object(m)
}

func (o object) port(keys ...string) uint16 {
	n, _ := number(o.text(keys...), 0, 65535, 0)
	return n
}

// lowerKeys makes member names comparable, at all depths of the document.
func lowerKeys(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			v = lowerKeys(inner)
		}
		if _, have := out[strings.ToLower(k)]; !have {
			out[strings.ToLower(k)] = v
		}
	}
	return out
}

func (d *document) xarfV4(o object) []Report {
	r := Report{Count: 1, Confidence: High, Role: Sender, ReportID: o.text("report_id")}
	r.Category, r.Type = strings.ToLower(o.text("category")), hyphens(o.text("type"))
	if st, ok := stampOf(o.text("timestamp", "first_seen", "last_seen")); ok {
		d.setTime(&r, st)
	}
	r.Port, r.DstPort = o.port("source_port", "service_port"), o.port("destination_port")
	r.Destination, r.Protocol = o.text("destination_ip"), strings.ToLower(o.text("protocol"))
	for _, k := range [...]string{"url", "infringing_url", "target_url", "fraudulent_url"} {
		r.URLs = appendNew(r.URLs, urlOnly(o.text(k)))
	}
	r.Domains = appendNew(r.Domains, domainOnly(o.text("domain")))
	r.Subject = Subject{Account: o.text("smtp_auth_user", "username", "uploader_id"), Title: o.text("work_title", "subject"), Hash: o.text("file_hash", "info_hash"), File: o.text("file_name", "filename")}
	if swarm := o.object("swarm_info"); r.Subject.Hash == "" {
		r.Subject.Hash = swarm.text("info_hash")
	}
	if n, _ := number(o.text("attempt_count", "occurrences", "attempts_count", "total_probes"), 0, 65535, 0); n > 0 {
		r.Count = int(n)
	}
	r.Evidence = xarfEvidence(o)
	return d.xarfSource(r, o.text("source_identifier", "source_ip"), "source_identifier of the XARF report")
}

func (d *document) xarfV3(o object) []Report {
	rep := o.object("report")
	r := Report{Count: 1, Confidence: High, Role: Sender, ReportID: rep.text("reportid", "report_id", "reporteridentifier")}
	r.Category, r.Type = xarfV3Type(rep.text("reportclass"), rep.text("reporttype"))
	if st, ok := stampOf(rep.text("date", "timestamp", "firstseen")); ok {
		d.setTime(&r, st)
	}
	src, more := rep.object("source"), rep.object("additionalinfo")
	r.Port = rep.port("sourceport")
	if r.Port == 0 {
		r.Port = src.port("port")
	}
	r.DstPort, r.Destination = rep.port("destinationport"), rep.text("destinationip")
	if r.Destination == "" {
		r.Destination, r.DstPort = more.text("destinationip"), more.port("destinationport")
	}
	r.Protocol = strings.ToLower(rep.text("protocol"))
	if r.Protocol == "" {
		r.Protocol = strings.ToLower(more.text("protocol"))
	}
	url := rep.text("sourceurl", "sourceuri", "url")
	if url == "" {
		url = src.text("url", "uri")
	}
	r.URLs = appendNew(r.URLs, urlOnly(url))
	r.Subject.Title = rep.text("smtpmessagesubject", "subject", "title")
	r.Evidence = xarfEvidence(rep)
	source := rep.text("sourceip", "sourceipv4", "sourceipv6", "ip")
	if source == "" {
		source = src.text("ip", "value")
	}
	if source == "" {
		source = url
	}
	if source == "" {
		source = src.text("domain")
	}
	return d.xarfSource(r, source, "source of the XARF report")
}

// xarfSource puts the accused into the report.
func (d *document) xarfSource(r Report, source, why string) []Report {
	if source == "" {
		return nil
	}
	r.Evidence = append([]string{"source: " + source}, r.Evidence...)
	if ip, ok := parseAddress(source); ok && !strings.Contains(source, "://") {
		r.IP, r.Why = ip, why
		return []Report{r}
	}
	return d.siteReports(r, source, why)
}

// xarfEvidence takes the text of the enclosed samples.
func xarfEvidence(o object) []string {
	var out []string
	for _, key := range [...]string{"evidence", "samples", "attachment"} {
		list, _ := o[key].([]any)
		for _, item := range list[:min(len(list), 8)] {
			m, ok := item.(map[string]any)
			if !ok {
				continue
			}
			s := object(lowerKeys(m))
			out = append(out, sampleLines(s.text("payload", "data"), strings.ToLower(s.text("content_type", "contenttype")))...)
		}
	}
	return out
}

// sampleLines decodes a text sample and returns its first lines.
func sampleLines(payload, contentType string) []string {
	if !strings.HasPrefix(contentType, "text/") && contentType != "message/rfc822" || len(payload) > 1<<20 {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		b = []byte(payload)
	}
	if contentType == "message/rfc822" {
		h, _, _ := message.ReadHeader(b, message.Limits{})
		var out []string
		for _, f := range h.All("Received") {
			out = append(out, string(f.Raw))
		}
		return out[:min(len(out), 4)]
	}
	text, _ := message.DecodeCharset(b, "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[:min(len(lines), 8)]
}

// hyphens writes a type as Spoor does.
func hyphens(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "_", "-")
}

// wordsApart puts hyphens between the words of "LoginAttack".
func wordsApart(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && s[i] >= 'A' && s[i] <= 'Z' && s[i-1] >= 'a' && s[i-1] <= 'z' {
			b.WriteByte('-')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// xarfV3Type maps the classes of v3 to the categories of v4.
func xarfV3Type(class, typ string) (string, string) {
	for _, typ := range [...]string{typ, wordsApart(typ)} {
		if cat, t := xarf02Type("", hyphens(typ), ""); cat != "" {
			return cat, t
		}
	}
	switch strings.ToLower(class) {
	case "content":
		return "content", "fraud"
	case "copyright":
		return "copyright", "copyright"
	case "messaging":
		return "messaging", "spam"
	case "vulnerability":
		return "vulnerability", "open-service"
	}
	return "", hyphens(typ)
}
