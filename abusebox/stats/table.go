package stats

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Table holds the counts of one period.
type Table struct {
	Period Period
	types  map[string]*typeCounts
	census map[string]*[bandCount]bandSum
	times  map[string]*Histogram // "notice", "acknowledgement", "quiet"
	tops   map[string]*Tops      // "reporters", "holders", "offenders"
	judged map[judgedKey]judged
	broken map[string]brokenState
}

// typeCounts are the counts of one type of complaint.
type typeCounts struct {
	complaints, opened, found, reopened, notices int64
	hosts                                        Set
	lists                                        map[string]*listCounts
	leads                                        Histogram
	stopped                                      Tops             // what was done before it stopped
	bands                                        [bandCount]int64 // complained incidents by the flows of their host
}

// listCounts are what one of our lists knew of complained hosts of one type.
type listCounts struct {
	covered Set // hosts that the list could have known
	listed  Set // hosts that it knew before the complaint
	n       int64
	share   float64 // sum over n incidents
}

// bandSum is one flow band of a census.
type bandSum struct{ hosts, flows, bytes int64 }

// A judgedKey names what let notices go: a rule, a reporter or a format.
type judgedKey struct{ kind, name string }

// judged counts the incidents with a notice that a person judged.
type judged struct{ all, wrong int64 }

// brokenState is what was last heard of a contact in the period.
type brokenState struct {
	broken bool
	at     int64
}

// Bounds of a table. What is beyond them is counted under Others.
const (
	maxTypes    = 64
	maxProfiles = 16
	maxJudged   = 2000
	maxBroken   = 2000
)

// Others names what there was no room to tell apart.
const Others = "(others)"

// NewTable is an empty table.
func NewTable(p Period) *Table {
	return &Table{
		Period: p, types: map[string]*typeCounts{}, census: map[string]*[bandCount]bandSum{}, times: map[string]*Histogram{},
		tops: map[string]*Tops{}, judged: map[judgedKey]judged{}, broken: map[string]brokenState{},
	}
}

// entry returns what a bounded map holds of a name, made where it is new.
func entry[V any](m map[string]*V, name string, limit int) *V {
	if v := m[name]; v != nil {
		return v
	}
	if len(m) >= limit {
		name = Others
		if v := m[name]; v != nil {
			return v
		}
	}
	v := new(V)
	m[bounded(name)] = v
	return v
}

// Add counts one event.
func (t *Table) Add(e Event) {
	switch e.Kind {
	case Complaint:
		c := entry(t.types, e.Type, maxTypes)
		c.complaints++
		c.host(e)
		t.top("reporters", e.Reporter)
	case Opened:
		t.opened(e)
	case Found:
		entry(t.types, e.Type, maxTypes).found++
	case Reopened:
		entry(t.types, e.Type, maxTypes).reopened++
		t.top("offenders", hostName(e))
	case Notified:
		entry(t.types, e.Type, maxTypes).notices++
		t.took("notice", e.Took)
	case Acknowledged:
		t.took("acknowledgement", e.Took)
	case Quiet:
		t.took("quiet", e.Took)
		entry(t.types, e.Type, maxTypes).stopped.Add(e.Stopped, 1)
	case Judged:
		t.judge(e)
	case Broken, Mended:
		t.contact(e)
	case Census:
		if e.Band >= 0 && e.Band < bandCount {
			b := &entry(t.census, e.Profile, maxProfiles)[e.Band]
			b.hosts, b.flows, b.bytes = b.hosts+e.Hosts, b.flows+e.Sum, b.bytes+e.Bytes
		}
	}
}

// host counts the host of an event; a complaint about a site or a file may name none.
func (c *typeCounts) host(e Event) uint64 {
	b, err := e.Host.MarshalBinary()
	if err != nil || !e.Host.IsValid() {
		return 0
	}
	hash := hashOf(b)
	c.hosts.Add(hash)
	return hash
}

func hostName(e Event) string {
	switch {
	case !e.Host.IsValid():
		return ""
	case e.Host.IsSingleIP():
		return e.Host.Addr().String()
	}
	return e.Host.String()
}

func (t *Table) top(list, name string) {
	if name != "" {
		entry(t.tops, list, 8).Add(name, 1)
	}
}

func (t *Table) took(what string, d time.Duration) {
	if d >= 0 {
		entry(t.times, what, 8).Add(d)
	}
}

func (t *Table) opened(e Event) {
	c := entry(t.types, e.Type, maxTypes)
	c.opened++
	hash := c.host(e)
	t.top("holders", e.Holder)
	t.top("offenders", hostName(e))
	if band := BandOf(e.Flows); band >= 0 {
		c.bands[band]++
	}
	lead := time.Duration(-1)
	for _, l := range e.Lists {
		if hash == 0 {
			break
		}
		if c.lists == nil {
			c.lists = map[string]*listCounts{}
		}
		list := entry(c.lists, l.Profile, maxProfiles)
		list.covered.Add(hash)
		list.n++
		list.share += l.Share
		if l.Listed {
			list.listed.Add(hash)
			lead = max(lead, l.Lead)
		}
	}
	if lead >= 0 {
		c.leads.Add(lead)
	}
}

// judge counts a verdict on an incident that a notice had gone out about, against all that let it go.
func (t *Table) judge(e Event) {
	if !e.Noticed || e.Verdict != "false" && e.Verdict != "confirmed" && e.Verdict != "wrong-holder" {
		return
	}
	keys := []judgedKey{{"reporter", e.Reporter}, {"format", e.Format}}
	for _, rule := range e.Rules {
		keys = append(keys, judgedKey{"rule", rule})
	}
	for _, key := range keys {
		if key.name == "" {
			continue
		}
		key.name = bounded(key.name)
		j, known := t.judged[key]
		if !known && len(t.judged) >= maxJudged {
			t.pruneJudged()
		}
		j.all++
		if e.Verdict != "confirmed" {
			j.wrong++
		}
		t.judged[key] = j
	}
}

// pruneJudged drops the half with the fewest false notices, and of these the fewest judged: they cannot trip a breaker soon.
func (t *Table) pruneJudged() {
	keys := make([]judgedKey, 0, len(t.judged))
	for key := range t.judged {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(x, y judgedKey) int {
		a, b := t.judged[x], t.judged[y]
		return cmp.Or(cmp.Compare(a.wrong, b.wrong), cmp.Compare(a.all, b.all), strings.Compare(x.kind+x.name, y.kind+y.name))
	})
	for _, key := range keys[:len(keys)/2] {
		delete(t.judged, key)
	}
}

func (t *Table) contact(e Event) {
	name := bounded(e.Contact)
	if name == "" {
		return
	}
	state := brokenState{e.Kind == Broken, e.At.Unix()}
	if old, known := t.broken[name]; known && old.at > state.at || !known && len(t.broken) >= maxBroken {
		return
	}
	t.broken[name] = state
}

// Counts reports whether the table holds a census of a profile's flows already.
func (t *Table) Counts(profile string) bool { return t.census[bounded(profile)] != nil }

// Merge adds all of o.
func (t *Table) Merge(o *Table) {
	for name, c := range o.types {
		entry(t.types, name, maxTypes).merge(c)
	}
	for name, bands := range o.census {
		mine := entry(t.census, name, maxProfiles)
		for i, b := range bands {
			mine[i] = bandSum{mine[i].hosts + b.hosts, mine[i].flows + b.flows, mine[i].bytes + b.bytes}
		}
	}
	for name, h := range o.times {
		entry(t.times, name, 8).Merge(*h)
	}
	for name, tops := range o.tops {
		entry(t.tops, name, 8).Merge(tops)
	}
	for key, j := range o.judged {
		mine, known := t.judged[key]
		if !known && len(t.judged) >= maxJudged {
			t.pruneJudged()
		}
		t.judged[key] = judged{mine.all + j.all, mine.wrong + j.wrong}
	}
	for name, state := range o.broken {
		if mine, known := t.broken[name]; known && mine.at > state.at || !known && len(t.broken) >= maxBroken {
			continue
		}
		t.broken[name] = state
	}
}

func (c *typeCounts) merge(o *typeCounts) {
	c.complaints += o.complaints
	c.opened += o.opened
	c.found += o.found
	c.reopened += o.reopened
	c.notices += o.notices
	c.hosts.Merge(&o.hosts)
	c.leads.Merge(o.leads)
	c.stopped.Merge(&o.stopped)
	for i, n := range o.bands {
		c.bands[i] += n
	}
	for name, l := range o.lists {
		if c.lists == nil {
			c.lists = map[string]*listCounts{}
		}
		mine := entry(c.lists, name, maxProfiles)
		mine.covered.Merge(&l.covered)
		mine.listed.Merge(&l.listed)
		mine.n += l.n
		mine.share += l.share
	}
}
