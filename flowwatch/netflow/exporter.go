package netflow

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// An exporter is what the Decoder knows of one source of datagrams.
type exporter struct {
	addr     netip.Addr
	config   uint32 // sampling rate by configuration; 0 is none
	since    time.Time
	lastSeen time.Time

	domains   map[domainKey]*domain
	spare     *domain // stands in for the domains past the limit
	lastDom   *domain
	templates map[templateKey]*template
	names     map[string]uint32 // interfaces by name, as options told
	shared    Sampling          // the last rate an options record gave for any domain

	clockSkew time.Duration

	datagrams, bytes, flows               uint64
	malformed, unknownVersion             uint64
	lost, reordered, restarts             uint64
	skewed, badTimes                      uint64
	noTemplate, badTemplates, manyDomains uint64
	templatesFull, templatesExpired       uint64
	unreadable                            uint64 // records without an address pair
}

type domainKey struct {
	version uint16
	id      uint32
}

// A domain is one numbering space of an exporter: of sequence numbers and of sampling.
type domain struct {
	key      domainKey
	next     uint32 // the sequence number expected
	last     uint32 // the one that came last
	synced   bool
	resync   bool // the last datagram held records that could not be counted
	sampling Sampling
	samplers []sampler
	// interfaces are the rates of single ones, by ifIndex.
	interfaces map[uint32]uint32
}

// A sampler is one entry of an exporter's sampler table (IE 48 or 302).
type sampler struct {
	id   uint64
	rate uint32
}

const maxSamplers = 64

func newExporter(addr netip.Addr, rate uint32, at time.Time) *exporter {
	return &exporter{
		addr: addr, config: rate, since: at,
		domains:   make(map[domainKey]*domain),
		templates: make(map[templateKey]*template),
		names:     make(map[string]uint32),
	}
}

func (e *exporter) domain(version uint16, id uint32, limit int) *domain {
	key := domainKey{version, id}
	if e.lastDom != nil && e.lastDom.key == key {
		return e.lastDom
	}
	dom := e.domains[key]
	if dom == nil {
		if len(e.domains) >= limit {
			e.manyDomains++
			// A fresh stand-in keeps one domain's rates from being applied to another's.
			e.spare = &domain{key: key}
			return e.spare
		}
		dom = &domain{key: key}
		e.domains[key] = dom
	}
	e.lastDom = dom
	return dom
}

// How far a sequence number may stray before it means a restart rather than loss or reordering.
const (
	maxGap     = 1 << 20
	maxReorder = 1 << 12
)

// sequence compares a datagram's number with the one expected; units is by how much it advances.
func (e *exporter) sequence(dom *domain, seq, units uint32) {
	if dom.synced && !dom.resync {
		switch gap := int32(seq - dom.next); {
		case gap == 0:
		case gap > 0 && gap <= maxGap:
			e.lost += uint64(gap)
		case gap < 0 && gap >= -maxReorder:
			// A late datagram was counted as lost before; it must not move the expectation back.
			e.reordered++
			e.lost -= min(e.lost, uint64(units))
			return
		default:
			e.restarts++
		}
	}
	dom.synced, dom.resync = true, false
	dom.next, dom.last = seq+units, seq
}

// inForce is the sampling that applies to a record without a sampler of its own.
func (e *exporter) inForce(dom *domain) Sampling {
	switch {
	case e.config > 0:
		return Sampling{e.config, SourceConfig}
	case dom.sampling.Rate > 0:
		return dom.sampling
	case e.shared.Rate > 0:
		return e.shared
	}
	return Sampling{1, SourceNone}
}

// orConfig is a rate unless the configuration overrides it.
func (e *exporter) orConfig(s Sampling) Sampling {
	if e.config > 0 {
		return Sampling{e.config, SourceConfig}
	}
	return s
}

// ofInterface is the sampling of a flow where an interface that it passed has a rate of its own.
func (e *exporter) ofInterface(dom *domain, f *Flow, s Sampling) Sampling {
	rate := dom.interfaces[f.In]
	if rate == 0 {
		rate = dom.interfaces[f.Out]
	}
	if rate == 0 {
		return s
	}
	return e.orConfig(Sampling{rate, SourceOptions})
}

func (e *exporter) sampler(dom *domain, id uint64) Sampling {
	if e.config == 0 {
		for _, s := range dom.samplers {
			if s.id == id {
				return Sampling{s.rate, SourceOptions}
			}
		}
	}
	return e.inForce(dom)
}

// An Exporter is the health of one exporter, as shown to the operator.
type Exporter struct {
	Addr             netip.Addr    `json:"exporter"`
	Since            time.Time     `json:"since"`
	LastSeen         time.Time     `json:"last_seen"`
	Versions         []string      `json:"versions"`
	Sampling         []Sampling    `json:"sampling"`
	Datagrams        uint64        `json:"datagrams"`
	Bytes            uint64        `json:"bytes"`
	Flows            uint64        `json:"flows"`
	Lost             uint64        `json:"lost"`
	Reordered        uint64        `json:"reordered"`
	Restarts         uint64        `json:"restarts"`
	Malformed        uint64        `json:"malformed"`
	UnknownVersion   uint64        `json:"unknown_version"`
	Templates        int           `json:"templates"`
	NoTemplate       uint64        `json:"no_template"`
	BadTemplates     uint64        `json:"bad_templates"`
	TemplatesFull    uint64        `json:"templates_refused"`
	TemplatesExpired uint64        `json:"templates_expired"`
	DomainsFull      uint64        `json:"domains_refused"`
	Unreadable       uint64        `json:"unreadable"`
	BadTimes         uint64        `json:"bad_times"`
	ClockOffDatagram uint64        `json:"clock_off"`
	ClockSkew        time.Duration `json:"-"`
	ClockSkewSeconds float64       `json:"clock_skew_s"`
}

// Exporters tells the health of each exporter, in the order of their addresses.
func (d *Decoder) Exporters() []Exporter {
	list := make([]Exporter, 0, len(d.exporters))
	for _, e := range d.exporters {
		list = append(list, e.snapshot())
	}
	slices.SortFunc(list, func(a, b Exporter) int { return a.Addr.Compare(b.Addr) })
	return list
}

func (e *exporter) snapshot() Exporter {
	return Exporter{
		Addr: e.addr, Since: e.since, LastSeen: e.lastSeen,
		Versions: e.versions(), Sampling: e.rates(),
		Datagrams: e.datagrams, Bytes: e.bytes, Flows: e.flows,
		Lost: e.lost, Reordered: e.reordered, Restarts: e.restarts,
		Malformed: e.malformed, UnknownVersion: e.unknownVersion,
		Templates: len(e.templates), NoTemplate: e.noTemplate, BadTemplates: e.badTemplates,
		TemplatesFull: e.templatesFull, TemplatesExpired: e.templatesExpired,
		DomainsFull: e.manyDomains, Unreadable: e.unreadable, BadTimes: e.badTimes,
		ClockOffDatagram: e.skewed, ClockSkew: e.clockSkew, ClockSkewSeconds: e.clockSkew.Seconds(),
	}
}

func (e *exporter) versions() []string {
	names := map[uint16]string{5: "NetFlow v5", 9: "NetFlow v9", 10: "IPFIX", sflowKey: "sFlow v5"}
	list := []string{}
	for key := range e.domains {
		if name := names[key.version]; !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// rates lists the different rates in force over the exporter's domains and samplers.
func (e *exporter) rates() []Sampling {
	list := []Sampling{}
	add := func(s Sampling) {
		if !slices.Contains(list, s) && len(list) < maxSamplers {
			list = append(list, s)
		}
	}
	for _, dom := range e.domains {
		add(e.inForce(dom))
		for _, s := range dom.samplers {
			add(e.sampler(dom, s.id))
		}
		for _, rate := range dom.interfaces {
			add(e.orConfig(Sampling{rate, SourceOptions}))
		}
	}
	slices.SortFunc(list, func(a, b Sampling) int {
		return cmp.Or(cmp.Compare(a.Rate, b.Rate), cmp.Compare(a.Source, b.Source))
	})
	return list
}

// Expire drops templates that their exporters have not repeated within TemplateLife.
func (d *Decoder) Expire(now time.Time) {
	for _, e := range d.exporters {
		for key, t := range e.templates {
			if now.Sub(t.sent) > d.config.TemplateLife {
				delete(e.templates, key)
				e.templatesExpired++
			}
		}
	}
}

// A Refusal is a source of datagrams that is not allowed to export to us.
type Refusal struct {
	Addr      netip.Addr `json:"exporter"`
	Datagrams uint64     `json:"datagrams"`
	Last      time.Time  `json:"last"`
}

// refusals counts datagrams of strangers; it names only the first maxRefusals of them,
// since a UDP source can be forged at will.
type refusals struct {
	total uint64
	named map[netip.Addr]*Refusal
}

const maxRefusals = 64

func (r *refusals) count(addr netip.Addr, at time.Time) {
	r.total++
	entry := r.named[addr]
	if entry == nil {
		if len(r.named) >= maxRefusals {
			return
		}
		if r.named == nil {
			r.named = make(map[netip.Addr]*Refusal)
		}
		entry = &Refusal{Addr: addr}
		r.named[addr] = entry
	}
	entry.Datagrams++
	entry.Last = at
}

// Refused tells how many datagrams of strangers were dropped, and names some of these.
func (d *Decoder) Refused() (total uint64, named []Refusal) {
	named = make([]Refusal, 0, len(d.refused.named))
	for _, r := range d.refused.named {
		named = append(named, *r)
	}
	slices.SortFunc(named, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(b.Datagrams, a.Datagrams), a.Addr.Compare(b.Addr))
	})
	return d.refused.total, named
}
