package report

import (
	"strings"
)

// readTables reads tables within the text: a head of columns parted by pipes,
// commas, semicolons or tabs, rulers between, and one event a row. Also seen:
// "Format: ASN | IP | …" before the rows, quoted cells, rows without a head are
// left to the fallback.
//
// Sources: CleanMX, CERT-Bund, Team Cymru, Sony, myNetWatchman, HTML tables.
func readTables(d *document) []Report {
	d.splitEnclosures()
	lines := d.bodyLines()
	var out []Report
	for i := 0; i < len(lines); i++ {
		if lines[i].spam || len(lines[i].hits) > 0 || strings.TrimSpace(lines[i].text) == "" {
			continue
		}
		rows, end := d.tableAt(lines, i)
		if len(rows) > 0 {
			out = append(out, rows...)
			i = end - 1
		}
	}
	if len(out) == 0 || !d.tableAccuses(out) {
		return nil
	}
	return dedupe(out)
}

// tableAccuses tells whether a table is the complaint, or only shows logs of
// one address that the subject or a label names.
func (d *document) tableAccuses(rows []Report) bool {
	chosen := d.weighing().chosen()
	inTable := map[addr]bool{}
	for _, r := range rows {
		inTable[r.IP] = true
	}
	for _, c := range chosen {
		if !c.inSubject {
			continue
		}
		if !inTable[c.ip] && c.inBody {
			return false
		}
		for ip := range inTable {
			if !near(ip, c.ip) {
				return false
			}
		}
	}
	return true
}

// near tells addresses that may well belong to one network.
func near(a, b addr) bool {
	bits := 16
	if b.Is6() {
		bits = 32
	}
	p, err := b.Prefix(bits)
	return err == nil && p.Contains(a)
}

// tableAt reads the table whose head may stand at line i.
func (d *document) tableAt(lines []line, i int) (rows []Report, end int) {
	t := strings.TrimSpace(lines[i].text)
	for _, p := range [...]string{"format:", "fields:", "#fields:", "columns:"} {
		if len(t) > len(p) && strings.EqualFold(t[:len(p)], p) {
			t = strings.TrimSpace(t[len(p):])
		}
	}
	t = strings.Trim(strings.TrimLeft(t, "# "), "|")
	delim, head := splitHead(t)
	w3c := false
	if delim == 0 {
		delim, head, w3c = wordColumns(lines[i].text, t)
	}
	if delim == 0 && !strings.Contains(t, ": ") {
		if delim, head = splitHead(spacedColumns(t)); len(head) < 3 {
			return nil, i
		}
	}
	if delim == 0 || len(head) < 2 || stamped(lines[i].text) {
		return nil, i
	}
	var cols columns
	mapped := false
	j := i + 1
	for misses := 0; j < len(lines) && misses < 3; j++ {
		text := strings.TrimSpace(lines[j].text)
		if text == "" || strings.Trim(text, "-=+|_ ") == "" {
			if len(rows) > 0 && text == "" {
				misses++
			}
			continue
		}
		if delim == columnGap {
			text = spacedColumns(text)
		}
		row := splitRow(strings.Trim(text, "|"), delim)
		if delim == columnGap && len(row) > 1 && len(row) == len(head)-1 {
			row = splitRow(apartAddress(strings.TrimSpace(lines[j].text)), delim)
		}
		if len(lines[j].hits) == 0 || len(row) < 2 || len(row) < len(head)/2 || (delim == columnGap || delim == ' ') && len(row) != len(head) {
			misses++
			continue
		}
		if !mapped {
			if cols, mapped = mapColumns(head, row); !mapped {
				return nil, i
			}
			cols.head = head[cols.ip]
			if w3c && cols.zone.name == "" && !isLocalTime(lines[max(0, i-4):i]) {
				cols.zone = zone{known: true, name: "UTC"}
			}
		}
		r, ok := cols.report(d, row)
		if !ok {
			misses++
			continue
		}
		r.Evidence = []string{lines[j].raw}
		if strings.Contains(lines[j].text, "->") || strings.Contains(lines[j].text, "=>") {
			r.Port, r.DstPort = 0, 0 // arrows put the columns of spaces out of step
			arrowPorts(&r, &lines[j])
		}
		rows = append(rows, r)
		misses = 0
	}
	return rows, j
}

// columnGap stands for a run of spaces between the columns of an aligned table.
const columnGap = '\x1f'

// spacedColumns marks the gaps of an aligned table; a text without any stays as
// it is.
func spacedColumns(t string) string {
	if !strings.Contains(t, "  ") {
		return t
	}
	var b strings.Builder
	for i := 0; i < len(t); {
		j := i
		for j < len(t) && (t[j] == ' ' || t[j] == '\t') {
			j++
		}
		if j-i >= 2 {
			b.WriteByte(columnGap)
		} else {
			b.WriteString(t[i:j])
		}
		if j < len(t) {
			b.WriteByte(t[j])
			j++
		}
		i = j
	}
	return b.String()
}

// apartAddress marks the gaps of a row of which one cell is so long that only a
// single space parts it from the address behind it.
func apartAddress(t string) string {
	hits := findAddresses(t)
	if len(hits) == 0 || hits[0].start == 0 || t[hits[0].start-1] != ' ' {
		return spacedColumns(t)
	}
	return spacedColumns(t[:hits[0].start] + "  " + t[hits[0].start:])
}

// splitRow splits a row at its delimiter, quotes kept together.
func splitRow(t string, delim rune) []string {
	if !strings.Contains(t, `"`) {
		return strings.Split(t, string(delim))
	}
	var out []string
	quoted, start := false, 0
	for i, c := range t {
		switch {
		case c == '"':
			quoted = !quoted
		case c == delim && !quoted:
			out = append(out, strings.Trim(strings.TrimSpace(t[start:i]), `"`))
			start = i + len(string(c))
		}
	}
	return append(out, strings.Trim(strings.TrimSpace(t[start:]), `"`))
}

// wordColumns splits a head whose columns single spaces part: that of the W3C's
// log format (IIS), and one whose cells are all quoted (Check Point).
func wordColumns(line, t string) (delim rune, head []string, w3c bool) {
	low := strings.ToLower(strings.TrimLeft(line, " \t"))
	switch {
	case strings.HasPrefix(low, "#fields:"):
		head, w3c = strings.Fields(t), true
	case strings.HasPrefix(t, `"`) && strings.HasSuffix(t, `"`) && strings.Contains(t, `" "`):
		head = strings.Split(strings.Trim(t, `"`), `" "`)
	}
	if len(head) < 4 {
		return 0, nil, false
	}
	return ' ', head, w3c
}

// isLocalTime tells whether the directives above a W3C head say that its times
// are not GMT, as the Windows firewall's do.
func isLocalTime(above []line) bool {
	for i := range above {
		if low := strings.ToLower(above[i].text); strings.Contains(low, "time format") && strings.Contains(low, "local") {
			return true
		}
	}
	return false
}
