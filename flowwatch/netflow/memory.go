package netflow

import (
	"net/netip"
	"time"
)

// A Memory is what exporters have said about their records and will not repeat for up to half an
// hour: a Decoder that takes it up after a restart reads on at once.
type Memory struct {
	Templates  []SavedTemplate  `json:"templates"`
	Rates      []SavedRate      `json:"rates"`
	Interfaces []SavedInterface `json:"interfaces,omitempty"`
}

// A SavedTemplate is a template as its exporter wrote it.
type SavedTemplate struct {
	Exporter netip.Addr `json:"exporter"`
	Domain   uint32     `json:"domain"`
	Version  uint16     `json:"version"`
	Options  bool       `json:"options,omitempty"`
	Sent     time.Time  `json:"sent"`
	Record   []byte     `json:"record"`
}

// A SavedRate is a sampling rate that an exporter's options told.
type SavedRate struct {
	Exporter netip.Addr `json:"exporter"`
	Domain   uint32     `json:"domain"`
	Version  uint16     `json:"version"`
	Named    bool       `json:"named,omitempty"` // of the sampler with the id
	Sampler  uint64     `json:"sampler,omitempty"`
	Rate     uint32     `json:"rate"`
	// Interface is the one that the rate is for, 0 for all.
	Interface uint32 `json:"interface,omitempty"`
}

// A SavedInterface is the name of an exporter's interface.
type SavedInterface struct {
	Exporter netip.Addr `json:"exporter"`
	Index    uint32     `json:"index"`
	Name     string     `json:"name"`
}

// Remember hands out what a Decoder after this one needs.
func (d *Decoder) Remember() (m Memory) {
	for _, e := range d.exporters {
		for key, t := range e.templates {
			m.Templates = append(m.Templates, SavedTemplate{e.addr, key.domain, key.version, t.options != nil, t.sent, t.raw})
		}
		for key, dom := range e.domains {
			if dom.sampling.Source == SourceOptions {
				m.Rates = append(m.Rates, SavedRate{Exporter: e.addr, Domain: key.id, Version: key.version, Rate: dom.sampling.Rate})
			}
			for _, s := range dom.samplers {
				m.Rates = append(m.Rates, SavedRate{Exporter: e.addr, Domain: key.id, Version: key.version, Named: true, Sampler: s.id, Rate: s.rate})
			}
			for ifIndex, rate := range dom.interfaces {
				m.Rates = append(m.Rates, SavedRate{Exporter: e.addr, Domain: key.id, Version: key.version, Rate: rate, Interface: ifIndex})
			}
		}
		for name, ifIndex := range e.names {
			m.Interfaces = append(m.Interfaces, SavedInterface{e.addr, ifIndex, name})
		}
	}
	return m
}

// Restore takes up what Remember handed out, as far as the exporters are still allowed.
func (d *Decoder) Restore(m Memory, now time.Time) {
	for _, t := range m.Templates {
		e, err := d.exporter(t.Exporter, now)
		if err != nil || now.Sub(t.Sent) > d.config.TemplateLife {
			continue
		}
		d.received = t.Sent.UnixMilli()
		switch {
		case !t.Options:
			err = d.templates(e, t.Version, t.Domain, t.Record)
		case t.Version == 9:
			err = d.optionsTemplatesV9(e, t.Domain, t.Record)
		default:
			err = d.optionsTemplatesIPFIX(e, t.Domain, t.Record)
		}
		if err != nil {
			e.badTemplates++
		}
	}
	for _, r := range m.Rates {
		e, err := d.exporter(r.Exporter, now)
		if err != nil {
			continue
		}
		dom := e.domain(r.Version, r.Domain, d.config.MaxDomains)
		if r.Interface != 0 {
			dom.learnInterface(r.Interface, r.Rate)
			continue
		}
		e.shared = Sampling{r.Rate, SourceOptions}
		if r.Named {
			dom.learn(r.Sampler, r.Rate)
		} else {
			dom.sampling = e.shared
		}
	}
	for _, i := range m.Interfaces {
		if e, err := d.exporter(i.Exporter, now); err == nil {
			e.name(i.Name, i.Index)
		}
	}
}
