package stats

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is what the tables say of some days.
type Report struct {
	From      string      `json:"from"` // first day
	To        string      `json:"to"`   // last day, included
	Types     []string    `json:"types"`
	Months    []Month     `json:"months"` // oldest first; the first and last may be cut by From and To
	Total     Month       `json:"total"`
	Bands     []BandRow   `json:"bands"`
	Census    []Flows     `json:"census,omitempty"`
	Times     []Times     `json:"times"`
	Reporters Best        `json:"reporters"`
	Holders   Best        `json:"holders"`
	Offenders Best        `json:"offenders"` // hosts with more than one incident
	Broken    []BrokenAt  `json:"broken_contacts"`
	Judged    []Judgement `json:"judged"`
}

// A Month is one row of Tables 1 and 2.
type Month struct {
	Period string `json:"period"`
	Rows   []Row  `json:"types"`
}

// A Row is what a month says of one type of complaint.
type Row struct {
	Type       string  `json:"type"`
	Hosts      int64   `json:"hosts"`       // distinct addresses complained of
	HostsAbout bool    `json:"hosts_about"` // estimated within about 1.2 %, there being very many
	Complaints int64   `json:"complaints"`
	Incidents  int64   `json:"incidents"`
	Found      int64   `json:"found"` // by our own lists, before any complaint
	Reopened   int64   `json:"reopened"`
	Notices    int64   `json:"notices"`
	Lists      []Known `json:"lists"`
	Stopped    []Named `json:"stopped"` // incidents that ended, by what had been done: "block", "answer", "notice" or "by itself"
	Lead       Times   `json:"lead"`    // of those that were listed, how long before the complaint
}

// Known is what one of our lists knew of complained hosts before the complaint.
type Known struct {
	Profile string  `json:"profile"`
	Covered int64   `json:"covered"` // hosts that the list could have known
	Listed  int64   `json:"listed"`  // hosts that it knew
	Share   float64 `json:"share"`   // listed ÷ covered
	Chance  float64 `json:"chance"`  // what a list of that size would have hit by chance alone
}

// Times are quantiles of a length of time, in seconds, right within 5 %.
type Times struct {
	Name string `json:"name"`
	N    int64  `json:"n"`
	P50  int64  `json:"p50_s"`
	P90  int64  `json:"p90_s"`
	P99  int64  `json:"p99_s"`
}

// A BandRow is how many complained incidents had hosts in one band of flows.
type BandRow struct {
	Band   string           `json:"band"`
	Counts map[string]int64 `json:"incidents"` // by type
}

// Flows are the bands of all hosts of one profile, as the flows counted them.
type Flows struct {
	Profile string     `json:"profile"`
	Bands   []FlowBand `json:"bands"`
}

// A FlowBand is the part of hosts and of bytes that one band makes up.
type FlowBand struct {
	Band       string  `json:"band"`
	Hosts      int64   `json:"hosts"`
	HostShare  float64 `json:"host_share"`
	ByteShare  float64 `json:"byte_share"`
	FlowsTotal int64   `json:"flows"`
}

// Best is a list of names with the most counts. A count may be too small by at most Missed.
type Best struct {
	Names  []Named `json:"names"`
	Missed int64   `json:"missed"`
}

// BrokenAt is a contact that mail does not reach, and since when.
type BrokenAt struct {
	Contact string    `json:"contact"`
	Since   time.Time `json:"since"`
}

// Query says what a Report is about: all days from From to To, and how long its lists are.
type Query struct {
	From, To Period // days, both included
	Top      int
}

// maxPeriods bounds a query: ten years of months and the days around them.
const maxPeriods = 200

// Read makes a Report of the tables in store. What is recorded but not counted yet is not in it.
func Read(ctx context.Context, store Store, q Query) (Report, error) {
	periods := Cover(q.From, q.To)
	if len(periods) == 0 || len(periods) > maxPeriods {
		return Report{}, fmt.Errorf("stats: from %s to %s is no range of at most ten years", q.From, q.To)
	}
	tables, err := store.Tables(ctx, periods...)
	if err != nil {
		return Report{}, err
	}
	return newReport(q, tables), nil
}

func newReport(q Query, tables []*Table) Report {
	r := Report{From: q.From.String(), To: q.To.String()}
	total := NewTable(Period{})
	for _, month := range byMonth(tables) {
		r.Months = append(r.Months, month.row())
		total.Merge(month)
	}
	r.Total = total.row()
	r.Total.Period = "total"
	for _, row := range r.Total.Rows {
		r.Types = append(r.Types, row.Type)
	}
	r.Bands, r.Census = total.bandRows(), total.flows()
	for _, name := range []string{"notice", "acknowledgement", "quiet"} {
		h := total.times[name]
		if h == nil {
			h = new(Histogram)
		}
		r.Times = append(r.Times, timesOf(name, *h))
	}
	r.Reporters, r.Holders = total.best("reporters", q.Top, 1), total.best("holders", q.Top, 1)
	r.Offenders = total.best("offenders", q.Top, 2)
	r.Broken = total.brokenNow(q.Top)
	r.Judged = total.judgements()
	return r
}

// byMonth adds up the tables of each month; they come in the order of their periods.
func byMonth(tables []*Table) (months []*Table) {
	for _, t := range tables {
		whole := t.Period.Whole()
		if n := len(months); n > 0 && months[n-1].Period == whole {
			months[n-1].Merge(t)
			continue
		}
		if t.Period == whole {
			months = append(months, t)
			continue
		}
		month := NewTable(whole)
		month.Merge(t)
		months = append(months, month)
	}
	return months
}

// row lists the types of a table, the most hosts first.
func (t *Table) row() Month {
	m := Month{Period: t.Period.String(), Rows: []Row{}}
	for name, c := range t.types {
		m.Rows = append(m.Rows, c.row(name))
	}
	slices.SortFunc(m.Rows, func(a, b Row) int { return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), strings.Compare(a.Type, b.Type)) })
	return m
}

func (c *typeCounts) row(name string) Row {
	hosts, about := c.hosts.Len()
	r := Row{
		Type: name, Hosts: hosts, HostsAbout: about, Complaints: c.complaints, Incidents: c.opened, Found: c.found,
		Reopened: c.reopened, Notices: c.notices, Lists: []Known{}, Stopped: c.stopped.Best(10), Lead: timesOf("lead", c.leads),
	}
	for _, profile := range slices.Sorted(maps.Keys(c.lists)) {
		l := c.lists[profile]
		k := Known{Profile: profile}
		k.Covered, _ = l.covered.Len()
		k.Listed, _ = l.listed.Len()
		k.Share, k.Chance = ratio(k.Listed, k.Covered), l.share/float64(max(l.n, 1))
		r.Lists = append(r.Lists, k)
	}
	return r
}

// ratio is at most 1, since estimates of a part and its whole may cross.
func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return min(float64(part)/float64(whole), 1)
}

func timesOf(name string, h Histogram) Times {
	seconds := func(q float64) int64 { return int64(h.Quantile(q) / time.Second) }
	return Times{name, h.N(), seconds(0.5), seconds(0.9), seconds(0.99)}
}

// String writes a band as people do.
func (b Band) String() string {
	if b.To == 0 {
		return fmt.Sprintf(">%d", b.From-1)
	}
	return fmt.Sprintf("%d-%d", b.From, b.To)
}

func (t *Table) bandRows() (rows []BandRow) {
	for i, band := range Bands() {
		row := BandRow{band.String(), map[string]int64{}}
		for name, c := range t.types {
			if c.bands[i] > 0 {
				row.Counts[name] = c.bands[i]
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func (t *Table) flows() (all []Flows) {
	for _, profile := range slices.Sorted(maps.Keys(t.census)) {
		var hosts, bytes int64
		for _, b := range t.census[profile] {
			hosts, bytes = hosts+b.hosts, bytes+b.bytes
		}
		f := Flows{Profile: profile}
		for i, b := range t.census[profile] {
			f.Bands = append(f.Bands, FlowBand{Bands()[i].String(), b.hosts, ratio(b.hosts, hosts), ratio(b.bytes, bytes), b.flows})
		}
		all = append(all, f)
	}
	return all
}

func (t *Table) best(list string, n int, least int64) Best {
	tops := t.tops[list]
	if tops == nil {
		return Best{Names: []Named{}}
	}
	names := tops.Best(n)
	for len(names) > 0 && names[len(names)-1].Count < least {
		names = names[:len(names)-1]
	}
	return Best{names, tops.Missed()}
}

func (t *Table) brokenNow(n int) []BrokenAt {
	list := []BrokenAt{}
	for name, state := range t.broken {
		if state.broken {
			list = append(list, BrokenAt{name, time.Unix(state.at, 0).UTC()})
		}
	}
	slices.SortFunc(list, func(a, b BrokenAt) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Contact, b.Contact))
	})
	return list[:min(len(list), n)]
}
