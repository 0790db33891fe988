package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"hash/maphash"
	"io"
	"strings"

	"spoor/internal/message"
)

// readCSVFiles reads tables attached as CSV or TSV, also within zip and gzip:
// a head that names the columns, then one event a row. It streams: a table of
// a million rows is handed on in batches.
//
// Sources: AbuseHub, CERT-Bund, DFN-CERT, Team Cymru, national CSIRTs, hosters.
func readCSVFiles(d *document) []Report {
	s := sink{d: d, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	for _, p := range d.files {
		s.file = p.Filename
		before := s.n
		d.openFile(p, func(name string, r io.Reader) {
			s.file = name
			s.table(r)
		})
		if s.n > before && strings.Contains(strings.ToLower(p.Filename), "abusehubcsv") {
			break // the original feed follows, with the same events
		}
	}
	return s.out
}

// batch is how many reports are handed on at once.
const batch = 1000

// A sink gathers the reports of tables, or hands them on in batches.
type sink struct {
	d    *document
	file string
	out  []Report
	n    int
	seen map[uint64]struct{}
	seed maphash.Seed
	kind [2]string
}

// table reads one table.
func (s *sink) table(r io.Reader) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, delim, ok := findHead(br)
	if !ok {
		return
	}
	cr := csv.NewReader(br)
	cr.Comma, cr.LazyQuotes, cr.FieldsPerRecord, cr.ReuseRecord, cr.TrimLeadingSpace = delim, true, -1, true, delim != '\t'
	first, err := cr.Read()
	if err != nil {
		return
	}
	cols, ok := mapColumns(head, first)
	if !ok {
		return
	}
	cols.head = head[cols.ip]
	s.kind[0], s.kind[1] = feedKind(s.file)
	if strings.Contains(s.d.domain, "shadowserver") {
		cols.zone = zone{known: true, name: "UTC"}
	}
	for row := first; ; {
		s.row(&cols, row, delim)
		if s.n >= s.d.lim.MaxReports {
			s.d.budget.truncated = "reports"
			return
		}
		if row, err = cr.Read(); err != nil {
			var syntax *csv.ParseError
			if errors.As(err, &syntax) {
				continue
			}
			return
		}
	}
}

// row adds one row, unless the same event was there already.
func (s *sink) row(cols *columns, row []string, delim rune) {
	r, ok := cols.report(s.d, row)
	if !ok {
		return
	}
	if s.kind[0] != "" {
		r.Category, r.Type = s.kind[0], s.kind[1]
	}
	key := maphash.Comparable(s.seed, struct {
		ip   addr
		port uint16
		at   int64
		url  string
	}{r.IP, r.Port, r.Time.Unix(), firstOf(r.URLs)})
	if _, dup := s.seen[key]; dup {
		return
	}
	s.seen[key] = struct{}{}
	r.Evidence = []string{strings.Join(row, string(delim))}
	s.n++
	s.out = append(s.out, r)
	if s.d.opt.Each != nil && len(s.out) >= batch {
		s.d.handOn(s.out)
		s.out = s.out[:0]
	}
}

// findHead reads lines until one that heads a table with addresses. Comments
// and prose before it are skipped.
func findHead(br *bufio.Reader) (head []string, delim rune, ok bool) {
	for range 60 {
		raw, err := readLine(br)
		if err != nil && len(raw) == 0 {
			return nil, 0, false
		}
		t := strings.TrimLeft(strings.TrimSpace(decodeLine(raw)), "#; ")
		if d, cols := splitHead(t); d != 0 {
			return cols, d, true
		}
	}
	return nil, 0, false
}

// decodeLine makes UTF-8 of a line, without a byte order mark.
func decodeLine(b []byte) string {
	text, _ := message.DecodeCharset(b, "")
	return text
}

// readLine reads a line of bounded length.
func readLine(br *bufio.Reader) ([]byte, error) {
	b, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		out := bytes.Clone(b)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n')
		}
		return out, err
	}
	return bytes.Clone(b), err
}

// splitHead splits the head of a table; delim is 0 where the line is none.
func splitHead(t string) (delim rune, cols []string) {
	if len(t) > 8192 || len(findAddresses(t)) > 0 {
		return 0, nil
	}
	best := 0
	for _, c := range [...]rune{',', ';', '\t', '|', columnGap} {
		if n := strings.Count(t, string(c)); n > best {
			best, delim = n, c
		}
	}
	if best == 0 {
		return 0, nil
	}
	cols = strings.Split(t, string(delim))
	if len(cols) == 2 && strings.HasSuffix(strings.TrimSpace(cols[0]), ":") {
		return 0, nil // a label and its value
	}
	hasIP := false
	for i, c := range cols {
		cols[i] = strings.Trim(strings.TrimSpace(c), `"'`)
		if len(cols[i]) > 60 || strings.Count(cols[i], " ") > maxHeadWords || strings.Contains(cols[i], ". ") {
			return 0, nil // a sentence
		}
		name := strings.ToLower(cols[i])
		if is := phraseBearing(name); is == source || is == generic || strings.Contains(name, "ip") && len(name) < 24 {
			hasIP = true
		}
	}
	if !hasIP {
		return 0, nil
	}
	return delim, cols
}

// maxHeadWords is more than the name of any column has.
const maxHeadWords = 6

// feedKind knows the kinds of Shadowserver's feeds and of CERTs' tables by the file's name.
func feedKind(name string) (category, typ string) {
	low := strings.ToLower(name)
	for _, f := range feedKinds {
		if strings.Contains(low, f.mark) {
			return f.category, f.typ
		}
	}
	return "", ""
}

// feedKinds: https://www.shadowserver.org/what-we-do/network-reporting/
var feedKinds = []struct{ mark, category, typ string }{
	{"sinkhole", "connection", "infected-host"}, {"drone", "connection", "infected-host"}, {"botnet_c2", "infrastructure", "botnet"}, {"cc_ip", "infrastructure", "botnet"}, {"microsoft_sinkhole", "connection", "infected-host"},
	{"compromised_website", "content", "remote-compromise"}, {"compromised_account", "content", "exposed-data"}, {"spam_url", "messaging", "spam"}, {"malware_url", "content", "malware"}, {"phish", "content", "phishing"},
	{"brute", "connection", "login-attack"}, {"honeypot_ddos", "connection", "ddos"}, {"ddos", "connection", "ddos"}, {"honeypot_http_scan", "connection", "reconnaissance"}, {"honeypot_ics_scan", "connection", "reconnaissance"}, {"darknet", "connection", "port-scan"},
	{"blocklist", "reputation", "blocklist"}, {"blacklist", "reputation", "blocklist"}, {"scan_ssl", "vulnerability", "cve"}, {"poodle", "vulnerability", "cve"}, {"vulnerable", "vulnerability", "cve"}, {"freak", "vulnerability", "cve"},
	{"open", "vulnerability", "open-service"}, {"scan_", "vulnerability", "open-service"}, {"netis_router", "vulnerability", "open-service"}, {"device_id", "vulnerability", "open-service"}, {"spam", "messaging", "spam"},
}

// readShadowserver reads the feeds of the Shadowserver Foundation: a CSV, mostly
// in a zip, whose file name is YYYY-MM-DD-FEED-….csv; times are UTC.
func readShadowserver(d *document) []Report {
	for _, p := range d.files {
		if isFeedName(p.Filename) && (strings.Contains(d.domain, "shadowserver") || strings.Contains(strings.ToLower(d.subject), "shadowserver")) {
			return readCSVFiles(d)
		}
	}
	return nil
}

// isFeedName knows names that begin with a day.
func isFeedName(name string) bool {
	st := findStamps(name, 1)
	return len(st) == 1 && st[0].start == 0 && len(name) > 11 && name[10] == '-'
}
