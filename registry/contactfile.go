package registry

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxContactFile bounds a contact file.
const maxContactFile = 256 << 20

// ReadContacts reads a contact file: TOML ([[contact]] tables) or, where the name ends
// in .csv or the first line is no TOML, CSV with a header line. Field names are those of
// RWhois (IP-Network, Org-Name, Admin-Contact …) in any case, with "_" or "-". Every
// mistake is reported with its line; contacts is what could be read.
func ReadContacts(name string, r io.Reader) (contacts []Contact, err error) {
	text, err := io.ReadAll(io.LimitReader(r, maxContactFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxContactFile {
		return nil, fmt.Errorf("reading %s: larger than %d bytes", name, maxContactFile)
	}
	p := contactParser{mistakes: mistakes{file: name}, seen: map[Key]int{}}
	if isContactCSV(name, text) {
		p.readCSV(text)
	} else {
		p.readTOML(text)
	}
	return p.contacts, p.err()
}

func isContactCSV(name string, text []byte) bool {
	switch {
	case strings.HasSuffix(strings.ToLower(name), ".csv"):
		return true
	case strings.HasSuffix(strings.ToLower(name), ".toml"):
		return false
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		return line[0] != '[' && bytes.ContainsRune(line, ',')
	}
	return false
}

// contactParser gathers the records and mistakes of one file.
type contactParser struct {
	mistakes
	contacts []Contact
	seen     map[Key]int // and on which line
}

// entry is one field of a record as it stands in the file.
type entry struct {
	name   string // as in contactFields
	given  string // as written
	values []string
	line   int
}

func (p *contactParser) readCSV(text []byte) {
	cr := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	cr.FieldsPerRecord, cr.TrimLeadingSpace, cr.Comment = -1, true, '#'
	var columns []string
	for {
		fields, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			var syntax *csv.ParseError
			if errors.As(err, &syntax) {
				p.add(syntax.Line, "", syntax.Err.Error(), "quote a field as a whole, or not at all")
				continue
			}
			p.add(0, "", err.Error(), "")
			return
		}
		line, _ := cr.FieldPos(0)
		if columns == nil {
			columns = p.csvHeader(line, fields)
			continue
		}
		if len(fields) > len(columns) {
			p.add(line, "", fmt.Sprintf("%d fields under %d columns", len(fields), len(columns)), "quote fields that hold a comma")
			continue
		}
		p.record(line, csvEntries(line, columns, fields), len(p.all))
	}
}

func (p *contactParser) csvHeader(line int, fields []string) []string {
	for _, f := range fields {
		if _, ok := contactFields[columnName(f)]; !ok {
			p.add(line, f, "unknown column", knownFields)
		}
	}
	return append([]string(nil), fields...)
}

func csvEntries(line int, columns, fields []string) []entry {
	var entries []entry
	for i, f := range fields {
		f = strings.TrimSpace(f)
		name, ok := contactFields[columnName(columns[i])]
		if f == "" || !ok {
			continue
		}
		values := []string{f}
		if name == "optout" || name == "prefix" {
			values = strings.FieldsFunc(f, func(r rune) bool { return r == ';' || r == ' ' })
		}
		entries = append(entries, entry{name, columns[i], values, line})
	}
	return entries
}

// readTOML reads the file table by table, so that a mistake of syntax in one does not
// hide those of the others.
func (p *contactParser) readTOML(text []byte) {
	line := 1
	for len(text) > 0 {
		n := nextTable(text)
		p.readTable(line, text[:n])
		line += bytes.Count(text[:n], []byte("\n"))
		text = text[n:]
	}
}

// nextTable returns where the second table of the text begins.
func nextTable(text []byte) int {
	at, seen := 0, false
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("[[")) {
			if seen || at > 0 {
				return at
			}
			seen = true
		}
		at += len(line)
	}
	return at
}

func (p *contactParser) readTable(base int, text []byte) {
	parser := unstable.Parser{}
	parser.Reset(text)
	var entries []entry
	header, before := 0, len(p.all)
	for parser.NextExpression() {
		e := parser.Expression()
		switch e.Kind {
		case unstable.ArrayTable, unstable.Table:
			key := keyOf(e)
			header = base + lineOf(&parser, e)
			if key != "contact" || e.Kind == unstable.Table {
				p.add(header, "["+key+"]", "unknown table", "a contact file has [[contact]] tables only")
				return
			}
		case unstable.KeyValue:
			entries = append(entries, p.tomlEntry(base+lineOf(&parser, e), e))
		}
	}
	var syntax *unstable.ParserError
	if err := parser.Error(); errors.As(err, &syntax) {
		at := base + bytes.Count(text[:offsetOf(text, syntax.Highlight)], []byte("\n"))
		p.add(at, "", syntax.Message, "write TOML: Name = \"value\"")
		return
	}
	switch {
	case header != 0:
		p.record(header, entries, before)
	case len(entries) > 0:
		p.add(entries[0].line, entries[0].given, "stands before the first [[contact]]", "begin each record with [[contact]]")
	}
}

// offsetOf finds where a part of the text begins, by its place in the same memory.
func offsetOf(text, part []byte) int {
	if n := cap(text) - cap(part); n >= 0 && n <= len(text) {
		return n
	}
	return 0
}

func keyOf(e *unstable.Node) string {
	var parts []string
	for it := e.Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, ".")
}

func lineOf(p *unstable.Parser, e *unstable.Node) int {
	it := e.Key()
	if !it.Next() {
		return 0
	}
	return p.Shape(it.Node().Raw).Start.Line - 1
}

func (p *contactParser) tomlEntry(line int, e *unstable.Node) entry {
	given := keyOf(e)
	name, ok := contactFields[columnName(given)]
	if !ok {
		p.add(line, given, "unknown field", knownFields)
		return entry{given: given, line: line}
	}
	out := entry{name: name, given: given, line: line}
	value := e.Value()
	switch value.Kind {
	case unstable.String, unstable.Bool, unstable.LocalDate, unstable.DateTime, unstable.Integer:
		out.values = []string{string(value.Data)}
	case unstable.Array:
		for it := value.Children(); it.Next(); {
			if n := it.Node(); n.Kind == unstable.String {
				out.values = append(out.values, string(n.Data))
			} else {
				p.add(line, given, "a list may hold strings only", "write ["+`"a", "b"`+"]")
			}
		}
	default:
		p.add(line, given, "neither a string nor a list of strings", `write `+given+` = "…"`)
	}
	return out
}
