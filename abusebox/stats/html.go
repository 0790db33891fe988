package stats

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed report.html
var reportHTML string

// WriteHTML writes a Report as one page that needs nothing else: no script, no picture, no font from elsewhere.
func WriteHTML(w io.Writer, r Report) error {
	page, err := template.New("report").Parse(reportHTML)
	if err != nil {
		return err
	}
	return page.Execute(w, struct {
		Report   Report
		Sections []section
		Chart    []bar
	}{r, sections(r), chart(r)})
}

// A bar is one month of the chart: hosts complained of, and the part of them that our lists knew.
type bar struct {
	Month        string
	Hosts        int64
	Height, Lies int // of the whole bar and of its listed part, in hundredths
}

// chart draws the months side by side.
func chart(r Report) (bars []bar) {
	most := int64(1)
	for _, m := range r.Months {
		hosts, listed := int64(0), int64(0)
		for _, row := range m.Rows {
			hosts += row.Hosts
			known := int64(0)
			for _, k := range row.Lists {
				known = max(known, k.Listed)
			}
			listed += known
		}
		most = max(most, hosts)
		bars = append(bars, bar{m.Period, hosts, 0, int(listed)})
	}
	for i := range bars {
		bars[i].Lies = int(min(int64(bars[i].Lies), bars[i].Hosts) * 100 / most)
		bars[i].Height = int(bars[i].Hosts * 100 / most)
	}
	return bars
}
