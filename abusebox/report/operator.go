package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A Format is a complaint format that the operator added: how to know it, and
// which labels or columns hold what.
type Format struct {
	Name  string      `toml:"name"`
	Match FormatMatch `toml:"match"`
	// Labels are what stands before the colon of labelled lines.
	Labels FormatFields `toml:"labels"`
	// Columns are the heads of the columns of a table, in the text or attached.
	Columns  FormatFields `toml:"columns"`
	Category string       `toml:"category"`
	Type     string       `toml:"type"`
	// Zone is the zone of times without one, a name of the tz database.
	Zone string `toml:"zone"`

	location *time.Location
}

// A FormatMatch says how a format is known: every kind that is stated must fit,
// by any of its strings, which are looked for in any case.
type FormatMatch struct {
	From    []string `toml:"from"`
	Subject []string `toml:"subject"`
	Text    []string `toml:"text"`
	Header  []string `toml:"header"` // names of header fields
}

// FormatFields name the labels or columns of each field.
type FormatFields struct {
	IP          []string `toml:"ip"`
	Time        []string `toml:"time"`
	Port        []string `toml:"port"`
	Destination []string `toml:"destination"`
	DstPort     []string `toml:"dst_port"`
	URL         []string `toml:"url"`
	Type        []string `toml:"type"`
	Account     []string `toml:"account"`
	ID          []string `toml:"report_id"`
}

// ErrFormat is wrapped by every error about an operator's format.
var ErrFormat = errors.New("report: bad format file")

// maxFormats bounds the formats that are loaded.
const maxFormats = 500

// LoadFormats reads the *.toml of a folder, in the order of their names. A
// folder that is absent holds no formats. All errors come together.
func LoadFormats(dir string) ([]*Format, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.toml"))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, dir, err)
	}
	sort.Strings(names)
	var out []*Format
	var errs []error
	for _, name := range names[:min(len(names), maxFormats)] {
		f, err := loadFormat(name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		out = append(out, f)
	}
	return out, errors.Join(errs...)
}

func loadFormat(name string) (*Format, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	f, err := ParseFormat(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Name == "" {
		f.Name = strings.TrimSuffix(filepath.Base(name), ".toml")
	}
	return f, nil
}

// ParseFormat reads and checks one format file.
func ParseFormat(b []byte) (*Format, error) {
	f := &Format{}
	dec := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := dec.Decode(f); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return nil, fmt.Errorf("%w: unknown keys:\n%s", ErrFormat, strict.String())
		}
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	m := f.Match
	if len(m.From)+len(m.Subject)+len(m.Text)+len(m.Header) == 0 {
		return nil, fmt.Errorf("%w: match: say how the format is known: from, subject, text or header", ErrFormat)
	}
	if len(f.Labels.IP)+len(f.Columns.IP) == 0 {
		return nil, fmt.Errorf("%w: labels.ip or columns.ip: name the label or column of the address", ErrFormat)
	}
	if f.Zone != "" {
		loc, err := time.LoadLocation(f.Zone)
		if err != nil {
			return nil, fmt.Errorf("%w: zone %q: write a name as Europe/Berlin", ErrFormat, f.Zone)
		}
		f.location = loc
	}
	return f, nil
}

// operatorFormats tries the operator's own formats, in their order.
func (d *document) operatorFormats() (findings, bool) {
	for _, f := range d.opt.Formats {
		if why := f.mismatch(d); why != "" {
			d.opt.explain(f.Name + ": " + why)
			continue
		}
		reports := f.read(d)
		d.opt.explain(fmt.Sprintf("%s: the form fits, %d reports", f.Name, len(reports)))
		if len(reports) > 0 {
			return findings{format: f.Name, reports: reports}, true
		}
	}
	return findings{}, false
}

// mismatch says which part of the match does not fit, or "".
func (f *Format) mismatch(d *document) string {
	for _, part := range []struct {
		name  string
		words []string
		text  string
	}{{"from", f.Match.From, d.from}, {"subject", f.Match.Subject, d.subject}, {"text", f.Match.Text, d.body}} {
		if len(part.words) > 0 && !containsAnyFold(part.text, part.words) {
			return fmt.Sprintf("match.%s: none of %q is there", part.name, part.words)
		}
	}
	for _, name := range f.Match.Header {
		if !d.root.Header.Has(name) {
			return fmt.Sprintf("match.header: no field %s", name)
		}
	}
	return ""
}

func containsAnyFold(text string, words []string) bool {
	low := strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(low, strings.ToLower(w)) {
			return true
		}
	}
	return false
}

// read applies the labels to the text and the columns to its tables.
func (f *Format) read(d *document) []Report {
	restore := d.opt.Habits
	if f.location != nil {
		habits := map[string]*time.Location{d.domain: f.location}
		d.opt.Habits = habits
		defer func() { d.opt.Habits = restore }()
	}
	out := f.readLabels(d)
	if len(f.Columns.IP) > 0 {
		out = append(out, f.readColumns(d)...)
	}
	for i := range out {
		r := &out[i]
		r.Step = Known
		if f.Category != "" {
			r.Category = f.Category
		}
		if f.Type != "" {
			r.Type = f.Type
		}
	}
	return dedupe(out)
}

// readLabels begins a report at each labelled address; other labels belong to
// the report before them, or to the first where they stand before it.
func (f *Format) readLabels(d *document) []Report {
	var out []Report
	pending := Report{Count: 1, Confidence: Medium, Role: Sender}
	for _, l := range d.bodyLines() {
		label, value, ok := labelOf(l.text)
		if !ok {
			continue
		}
		if isOneOf(label, f.Labels.IP) {
			ip, ok := parseAddress(value)
			if !ok {
				continue
			}
			r := pending
			if len(out) > 0 {
				r = Report{Count: 1, Confidence: Medium, Role: Sender}
			}
			r.IP, r.Why = ip, fmt.Sprintf("label %q of the format %s", label, f.Name)
			r.Evidence = append(append([]string{}, r.Evidence...), l.raw)
			out = append(out, r)
			continue
		}
		r := &pending
		if len(out) > 0 {
			r = &out[len(out)-1]
		}
		if f.take(d, r, label, value) {
			r.Evidence = append(r.Evidence, l.raw)
		}
	}
	return out
}

// take puts a labelled value into a report; false where the label is not named.
func (f *Format) take(d *document, r *Report, label, value string) bool {
	switch {
	case isOneOf(label, f.Labels.Time):
		if st, ok := stampOf(value); ok {
			d.setTime(r, st)
		}
	case isOneOf(label, f.Labels.Port):
		r.Port, _ = number(value, 0, 65535, 0)
	case isOneOf(label, f.Labels.DstPort):
		r.DstPort, _ = number(value, 0, 65535, 0)
	case isOneOf(label, f.Labels.Destination):
		r.Destination = value
	case isOneOf(label, f.Labels.URL):
		r.URLs = appendNew(r.URLs, value)
	case isOneOf(label, f.Labels.Type):
		r.Category, r.Type = kindOfText(value)
	case isOneOf(label, f.Labels.Account):
		r.Subject.Account = value
	case isOneOf(label, f.Labels.ID):
		r.ReportID = value
	default:
		return false
	}
	return true
}

// labelOf splits "label: value", also with a tab or an equals sign.
func labelOf(t string) (label, value string, ok bool) {
	i := strings.IndexAny(t, ":=\t|")
	if i <= 0 || i > 80 {
		return "", "", false
	}
	return strings.Trim(t[:i], " \t*-•#>\""), strings.Trim(strings.TrimSpace(t[i+1:]), `"*|`), true
}

func isOneOf(label string, names []string) bool {
	for _, n := range names {
		if strings.EqualFold(label, strings.TrimSuffix(n, ":")) {
			return true
		}
	}
	return false
}

// readColumns renames the columns of the text's and files' tables and reads them.
func (f *Format) readColumns(d *document) []Report {
	var out []Report
	texts := []string{d.body}
	for _, p := range d.files {
		if isText(p) || p.MediaType == "application/octet-stream" {
			texts = append(texts, headText(p, d.lim.MaxText))
		}
	}
	for _, t := range texts {
		out = append(out, f.columnTable(d, t)...)
	}
	return out
}

func (f *Format) columnTable(d *document, text string) []Report {
	var out []Report
	var cols *columns
	var delim rune
	for _, raw := range strings.Split(text, "\n") {
		t := strings.Trim(strings.TrimSpace(refang(raw)), "|")
		if cols == nil {
			for _, c := range [...]rune{',', ';', '\t', '|'} {
				names := splitRow(t, c)
				if ip := indexOf(names, f.Columns.IP); ip >= 0 && len(names) > 1 {
					delim = c
					cols = &columns{
						ip: ip, stamp: indexOf(names, f.Columns.Time), port: indexOf(names, f.Columns.Port), dstIP: indexOf(names, f.Columns.Destination),
						dstPort: indexOf(names, f.Columns.DstPort), url: indexOf(names, f.Columns.URL), kind: indexOf(names, f.Columns.Type),
						account: indexOf(names, f.Columns.Account), id: indexOf(names, f.Columns.ID),
						date: -1, clock: -1, end: -1, host: -1, protocol: -1, count: -1, asn: -1, head: strings.TrimSpace(names[ip]),
					}
					break
				}
			}
			continue
		}
		if r, ok := cols.report(d, splitRow(t, delim)); ok {
			r.Evidence = []string{strings.TrimRight(raw, "\r")}
			out = append(out, r)
		}
	}
	return out
}

func indexOf(names, wanted []string) int {
	for i, n := range names {
		if isOneOf(strings.Trim(strings.TrimSpace(n), `"`), wanted) {
			return i
		}
	}
	return -1
}
