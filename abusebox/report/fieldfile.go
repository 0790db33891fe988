package report

import (
	"strings"
)

// readFieldFiles reads an attached file of "name: value" lines that is no
// X-ARF: the ip with last_seen or first_seen, uri, signature.
//
// Sources: Cyscon (TYPE-report.txt), C-SIRT.
func readFieldFiles(d *document) []Report {
	var out []Report
	for _, p := range d.files {
		if !isText(p) || !isReportFile(p) && !strings.HasSuffix(strings.ToLower(p.Filename), ".yaml") && !strings.HasSuffix(strings.ToLower(p.Filename), ".yml") {
			continue
		}
		text := headText(p, maxFields)
		fs := fieldsOf(text)
		ip, ok := parseAddress(firstField(fs, "ip", "source_ip", "source-ip", "src_ip", "ip address", "ip-address", "ip_address"))
		if !ok {
			continue
		}
		r := d.base(ip, High, "ip of "+p.Filename)
		for _, k := range [...]string{"last_seen", "timestamp", "date", "time", "first_seen"} {
			if st, ok := stampOf(fs[k]); ok {
				d.setTime(&r, st)
				break
			}
		}
		r.URLs = appendNew(r.URLs, urlOnly(firstField(fs, "uri", "url")))
		r.Domains = appendNew(r.Domains, domainOnly(fs["domain"]))
		r.Subject.Hash, r.Subject.Site = firstField(fs, "file_sha256", "file_md5", "sha256"), fs["domain"]
		r.Port, _ = number(fs["port"], 0, 65535, 0)
		r.Category, r.Type = kindOfText(p.Filename + " " + fs["signature"] + " " + fs["type"])
		r.Evidence = nonEmptyLines(text, d.lim.MaxEvidence)
		out = append(out, r)
	}
	return dedupe(out)
}

func firstField(fs fieldSet, names ...string) string {
	for _, n := range names {
		if fs[n] != "" {
			return fs[n]
		}
	}
	return ""
}

func nonEmptyLines(s string, n int) []string {
	var out []string
	for _, l := range strings.Split(limitText(s, 64<<10), "\n") {
		if l = strings.TrimSpace(l); l != "" && strings.Trim(l, "-. ") != "" && len(out) < n {
			out = append(out, l)
		}
	}
	return out
}
