package stats

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WriteCSV writes a Report as one table (RFC 4180): table, period, type, name, value.
func WriteCSV(w io.Writer, r Report) error {
	c := csvWriter{csv.NewWriter(w)}
	c.row("table", "period", "type", "name", "value")
	for _, m := range append(slices.Clone(r.Months), r.Total) {
		for _, row := range m.Rows {
			c.month(m.Period, row)
		}
	}
	for _, b := range r.Bands {
		for _, name := range r.Types {
			c.number("bands", "total", name, b.Band, b.Counts[name])
		}
	}
	for _, f := range r.Census {
		for _, b := range f.Bands {
			c.number("census_hosts", "total", f.Profile, b.Band, b.Hosts)
			c.number("census_flows", "total", f.Profile, b.Band, b.FlowsTotal)
		}
	}
	for _, t := range r.Times {
		c.times("times", "total", t.Name, t)
	}
	for _, list := range []struct {
		name string
		best Best
	}{{"reporters", r.Reporters}, {"holders", r.Holders}, {"offenders", r.Offenders}} {
		for _, n := range list.best.Names {
			c.number(list.name, "total", "", n.Name, n.Count)
		}
	}
	for _, b := range r.Broken {
		c.row("broken_contacts", "total", "", b.Contact, b.Since.Format(time.RFC3339))
	}
	for _, j := range r.Judged {
		c.number("judged", "total", j.Kind, j.Name, j.Judged)
		c.number("judged_false", "total", j.Kind, j.Name, j.False)
	}
	c.w.Flush()
	return c.w.Error()
}

// A csvWriter writes rows; csv.Writer keeps the first error.
type csvWriter struct{ w *csv.Writer }

func (c csvWriter) row(cells ...string) {
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	_ = c.w.Write(cells)
}

func (c csvWriter) number(table, period, typ, name string, n int64) {
	c.row(table, period, typ, name, number(n))
}

func (c csvWriter) month(period string, row Row) {
	for _, v := range []struct {
		name string
		n    int64
	}{
		{"hosts", row.Hosts}, {"complaints", row.Complaints}, {"incidents", row.Incidents}, {"found", row.Found},
		{"reopened", row.Reopened}, {"notices", row.Notices},
	} {
		c.number("hosts", period, row.Type, v.name, v.n)
	}
	for _, k := range row.Lists {
		c.number("listed", period, row.Type, k.Profile, k.Listed)
		c.number("covered", period, row.Type, k.Profile, k.Covered)
		c.row("chance", period, row.Type, k.Profile, strconv.FormatFloat(k.Chance, 'f', 6, 64))
	}
	for _, n := range row.Stopped {
		c.number("stopped", period, row.Type, n.Name, n.Count)
	}
	c.times("lead", period, row.Type, row.Lead)
}

func (c csvWriter) times(table, period, typ string, t Times) {
	for _, v := range []struct {
		name string
		n    int64
	}{{"n", t.N}, {"p50_s", t.P50}, {"p90_s", t.P90}, {"p99_s", t.P99}} {
		c.number(table, period, typ, v.name, v.n)
	}
}

// plain keeps a text that strangers chose from being taken for a formula by a spreadsheet.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t", rune(s[0])) {
		return "'" + s
	}
	return s
}
