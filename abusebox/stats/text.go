package stats

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// maxColumns bounds the types that stand side by side; the others are summed up.
const maxColumns = 6

// WriteText writes a Report as tables for a person.
func WriteText(w io.Writer, r Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Complaints from %s to %s (UTC)\n", r.From, r.To)
	for _, section := range sections(r) {
		fmt.Fprintf(t, "\n%s\n", section.Title)
		if len(section.Rows) == 0 {
			fmt.Fprintln(t, "  none")
			continue
		}
		fmt.Fprintln(t, strings.ToUpper(strings.Join(section.Head, "\t")))
		for _, row := range section.Rows {
			for i := range row {
				row[i] = visible(row[i])
			}
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		if section.Note != "" {
			fmt.Fprintln(t, section.Note)
		}
	}
	return t.Flush()
}

// visible keeps what strangers wrote from steering a terminal.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return unicode.ReplacementChar
		}
		return c
	}, s)
}

// A section is one table as texts, for people: plain and in HTML.
type section struct {
	Title string
	Head  []string
	Rows  [][]string
	Note  string
}

// sections are the tables in the order of the manual.
func sections(r Report) []section {
	all := []section{hostsTable(r), listedTable(r), leadTable(r), bandTable(r)}
	for _, f := range r.Census {
		all = append(all, censusTable(f))
	}
	return append(all, timesTable(r), stoppedTable(r), bestTable("Top reporters", "reporter", "complaints", r.Reporters),
		bestTable("Top holders", "holder", "incidents", r.Holders), bestTable("Repeat offenders", "host", "incidents", r.Offenders),
		brokenTable(r), judgedTable(r))
}

func columns(r Report) (types []string, rest bool) {
	if len(r.Types) > maxColumns {
		return r.Types[:maxColumns], true
	}
	return r.Types, false
}

// hostsTable is Table 1: complained hosts by month and type.
func hostsTable(r Report) section {
	types, rest := columns(r)
	s := section{Title: "Table 1: hosts complained of", Head: append([]string{"month"}, types...)}
	if rest {
		s.Head = append(s.Head, "other types")
	}
	s.Head = append(s.Head, "complaints", "incidents", "found first")
	for _, m := range withTotal(r) {
		s.Rows = append(s.Rows, hostsRow(m, types, rest))
	}
	if len(r.Types) == 0 {
		s.Rows = nil
	}
	return s
}

func hostsRow(m Month, types []string, rest bool) []string {
	row := []string{m.Period}
	var others, complaints, incidents, found int64
	byType := map[string]Row{}
	for _, c := range m.Rows {
		byType[c.Type] = c
		complaints, incidents, found = complaints+c.Complaints, incidents+c.Incidents, found+c.Found
		others += c.Hosts
	}
	for _, name := range types {
		row = append(row, hostsText(byType[name]))
		others -= byType[name].Hosts
	}
	if rest {
		row = append(row, number(others))
	}
	return append(row, number(complaints), number(incidents), number(found))
}

func hostsText(r Row) string {
	if r.HostsAbout {
		return "~" + number(r.Hosts)
	}
	return number(r.Hosts)
}

func withTotal(r Report) []Month {
	if len(r.Months) < 2 {
		return r.Months
	}
	return append(append([]Month(nil), r.Months...), r.Total)
}

// listedTable is Table 2: which part of the complained hosts our lists knew before, beside chance.
func listedTable(r Report) section {
	s := section{
		Title: "Table 2: hosts that our lists knew before the complaint",
		Head:  []string{"month", "type", "list", "listed", "of", "share", "by chance"},
		Note:  "Only hosts that the list covered are counted; \"by chance\" is the part of our active hosts that was listed.",
	}
	for _, m := range withTotal(r) {
		for _, row := range m.Rows {
			for _, k := range row.Lists {
				s.Rows = append(s.Rows, []string{m.Period, row.Type, k.Profile, number(k.Listed), number(k.Covered), percent(k.Share), percent(k.Chance)})
			}
		}
	}
	return s
}

func leadTable(r Report) section {
	s := section{Title: "Lead: how long before the complaint they were listed", Head: []string{"type", "hosts", "half", "9 of 10", "99 of 100"}}
	for _, row := range r.Total.Rows {
		if row.Lead.N > 0 {
			s.Rows = append(s.Rows, append([]string{row.Type}, timesCells(row.Lead)...))
		}
	}
	return s
}

func timesCells(t Times) []string {
	if t.N == 0 {
		return []string{"0", "-", "-", "-"}
	}
	return []string{number(t.N), span(t.P50), span(t.P90), span(t.P99)}
}

func bandTable(r Report) section {
	types, _ := columns(r)
	s := section{Title: "Complained incidents by the flows of their host", Head: append([]string{"flows"}, types...)}
	seen := false
	for _, b := range r.Bands {
		row := []string{b.Band}
		for _, name := range types {
			row = append(row, number(b.Counts[name]))
			seen = seen || b.Counts[name] > 0
		}
		s.Rows = append(s.Rows, row)
	}
	if !seen {
		s.Rows = nil
	}
	return s
}

func censusTable(f Flows) section {
	s := section{Title: "All hosts by their " + f.Profile + " flows", Head: []string{"flows", "hosts", "of all hosts", "of all bytes"}}
	for _, b := range f.Bands {
		s.Rows = append(s.Rows, []string{b.Band, number(b.Hosts), percent(b.HostShare), percent(b.ByteShare)})
	}
	return s
}

func timesTable(r Report) section {
	s := section{Title: "Times", Head: []string{"until", "number", "half", "9 of 10", "99 of 100"}}
	names := map[string]string{"notice": "notice (from the first complaint)", "acknowledgement": "acknowledgement (from the notice)", "quiet": "quiet (from the notice)"}
	for _, t := range r.Times {
		s.Rows = append(s.Rows, append([]string{names[t.Name]}, timesCells(t)...))
	}
	return s
}

// measures are what a stopped table has columns for.
func measures() []string {
	return []string{StoppedByBlock, StoppedByAnswer, StoppedByNotice, StoppedByItself}
}

func stoppedTable(r Report) section {
	s := section{
		Title: "What stopped, by what had been done before", Head: append([]string{"type"}, measures()...),
		Note: "What came after a measure is not shown to be caused by it.",
	}
	for _, row := range r.Total.Rows {
		counts := map[string]int64{}
		for _, n := range row.Stopped {
			counts[n.Name] = n.Count
		}
		if len(counts) == 0 {
			continue
		}
		cells := []string{row.Type}
		for _, m := range measures() {
			cells = append(cells, number(counts[m]))
		}
		s.Rows = append(s.Rows, cells)
	}
	return s
}

func bestTable(title, name, count string, b Best) section {
	s := section{Title: title, Head: []string{name, count}}
	for _, n := range b.Names {
		s.Rows = append(s.Rows, []string{n.Name, number(n.Count)})
	}
	if b.Missed > 0 && len(b.Names) > 0 {
		s.Note = fmt.Sprintf("Counts may be too small by at most %d.", b.Missed)
	}
	return s
}

func brokenTable(r Report) section {
	s := section{Title: "Contacts that mail does not reach", Head: []string{"contact", "since (UTC)"}}
	for _, b := range r.Broken {
		s.Rows = append(s.Rows, []string{b.Contact, b.Since.Format(time.DateTime)})
	}
	return s
}

// maxJudgedRows bounds the rows for people; JSON and CSV have all.
const maxJudgedRows = 20

func judgedTable(r Report) section {
	s := section{
		Title: "False notices by what let them go", Head: []string{"what", "name", "judged", "false", "rate", "at least"},
		Note: "\"At least\" is the rate that the sample proves with 95 % confidence; the breaker goes by it.",
	}
	for _, j := range r.Judged[:min(len(r.Judged), maxJudgedRows)] {
		s.Rows = append(s.Rows, []string{j.Kind, j.Name, number(j.Judged), number(j.False), percent(j.Rate), percent(j.Least)})
	}
	return s
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func percent(f float64) string {
	if f > 0 && f < 0.0995 {
		return strconv.FormatFloat(f*100, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(f*100, 'f', 0, 64) + " %"
}

// span writes seconds with the two largest units: "3h 20m", "2d 5h".
func span(seconds int64) string {
	units := []struct {
		name string
		of   int64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}
	for i, u := range units {
		if seconds < u.of {
			continue
		}
		text := number(seconds/u.of) + u.name
		if rest := seconds % u.of; i+1 < len(units) && rest/units[i+1].of > 0 {
			text += " " + number(rest/units[i+1].of) + units[i+1].name
		}
		return text
	}
	return "0s"
}
