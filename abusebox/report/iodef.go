package report

import (
	"encoding/xml"
	"strings"
)

// readIODEF reads incident documents of CSIRTs (RFC 5070, RFC 7970): the
// systems of category "source" of each incident, with the incident's times.
//
// Sources: national CSIRTs, research networks, SIEM exports.
func readIODEF(d *document) []Report {
	var out []Report
	for _, p := range d.files {
		if isXMLFile(p) && d.mayHold(p) {
			if text := p.Text(); strings.Contains(text, "IODEF-Document") {
				out = append(out, d.iodef(text)...)
			}
		}
	}
	if i := strings.Index(d.body, "IODEF-Document"); i >= 0 && len(out) == 0 {
		if start := strings.LastIndexByte(d.body[:i], '<'); start >= 0 {
			out = d.iodef(limitText(d.body[start:], maxJSON))
		}
	}
	return dedupe(out)
}

// An iodefWalk is the state of reading one document.
type iodefWalk struct {
	d        *document
	out      []Report
	incident int // where the reports of this incident begin
	text     strings.Builder
	times    map[string]stamp
	kind     string
	system   string // the category of the system being read
	addrs    []addr
	port     uint16
}

// iodef reads one document as far as it is well-formed.
func (d *document) iodef(text string) []Report {
	w := iodefWalk{d: d, times: map[string]stamp{}}
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.Strict = false
	for depth := 0; len(w.out) < d.lim.MaxReports; {
		t, err := dec.RawToken()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > 64 {
				return w.out
			}
			w.start(t)
		case xml.CharData:
			if w.text.Len() < maxXMLText {
				w.text.Write(t[:min(len(t), maxXMLText)])
			}
		case xml.EndElement:
			depth--
			w.end(t.Name.Local)
		}
	}
	w.close()
	return w.out
}

func (w *iodefWalk) start(t xml.StartElement) {
	w.text.Reset()
	switch t.Name.Local {
	case "Incident":
		w.close()
	case "System":
		w.system, w.addrs, w.port = strings.ToLower(xmlAttribute(t, "category")), nil, 0
	case "Impact", "SystemImpact", "IncidentCategory":
		w.tell(xmlAttribute(t, "type"))
	}
}

// tell adds to what is said of an incident's kind, as far as that is not too much.
func (w *iodefWalk) tell(words string) {
	if len(w.kind) < maxXMLText {
		w.kind += " " + limitText(words, 400)
	}
}

func xmlAttribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (w *iodefWalk) end(name string) {
	value := strings.TrimSpace(w.text.String())
	w.text.Reset()
	switch name {
	case "Address":
		if ip, ok := parseAddress(value); ok && w.system != "" && len(w.addrs) < 1000 {
			w.addrs = append(w.addrs, ip)
		}
	case "Port":
		w.port = portCell(value)
	case "StartTime", "DetectTime", "EndTime", "ReportTime":
		if st, ok := stampOf(value); ok {
			w.times[name] = st
		}
	case "Description":
		w.tell(value)
	case "System":
		w.closeSystem()
	}
}

// closeSystem makes reports of a source's addresses.
func (w *iodefWalk) closeSystem() {
	if w.system == "source" || w.system == "infrastructure" {
		for _, ip := range w.addrs {
			r := w.d.base(ip, High, "System of category "+w.system)
			r.Port = w.port
			r.Evidence = []string{"System category=" + w.system + " Address " + ip.String()}
			w.out = append(w.out, r)
		}
	}
	w.system = ""
}

// close ends an incident: its times and kind are those of all its sources.
func (w *iodefWalk) close() {
	var category, typ string
	if w.incident < len(w.out) {
		category, typ = iodefKind(w.kind)
	}
	for i := w.incident; i < len(w.out); i++ {
		for _, name := range [...]string{"StartTime", "DetectTime", "ReportTime"} {
			w.d.setTime(&w.out[i], w.times[name])
		}
		w.d.setEnd(&w.out[i], w.times["EndTime"])
		w.out[i].Category, w.out[i].Type = category, typ
	}
	w.incident, w.kind = len(w.out), ""
	clear(w.times)
}

// iodefKind reads the types of impacts (RFC 5070 §3.10.1) and descriptions.
func iodefKind(words string) (category, typ string) {
	if cat, t := kindOfText(words); cat != "" {
		return cat, t
	}
	for _, k := range [...][3]string{{"recon", "connection", "port-scan"}, {"dos", "connection", "ddos"}, {"admin", "connection", "login-attack"}, {"user", "connection", "login-attack"}} {
		if strings.Contains(" "+words+" ", " "+k[0]+" ") {
			return k[1], k[2]
		}
	}
	return "", ""
}
