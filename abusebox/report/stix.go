package report

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
)

// readSTIX reads bundles of STIX 2: the sources of observed traffic, and the
// addresses of indicators where nothing was observed. Both ways of writing
// observations are read: objects within observed-data (2.0) and beside it (2.1).
//
// Sources: ISACs, threat intelligence platforms (MISP, OpenCTI exports).
func readSTIX(d *document) []Report {
	var out []Report
	for _, b := range d.jsonDocuments() {
		var bundle struct {
			Type    string           `json:"type"`
			Objects []map[string]any `json:"objects"`
		}
		if json.Unmarshal(b, &bundle) != nil || bundle.Type != "bundle" {
			continue
		}
		s := stix{d: d, refs: map[string]addr{}, targets: map[addr]bool{}}
		out = append(out, s.bundle(bundle.Objects)...)
	}
	return dedupe(out)
}

// A stix is one bundle being read.
type stix struct {
	d       *document
	out     []Report
	refs    map[string]addr // addresses by the name that traffic refers to
	targets map[addr]bool   // of observed traffic
}

// A stixSaid is what an object says of all addresses in it.
type stixSaid struct {
	when          stamp
	category, typ string
	evidence      string
}

func (s *stix) said(o object) stixSaid {
	var out stixSaid
	out.when, _ = stampOf(limitText(o.text("first_observed", "start", "first_seen", "valid_from", "created"), maxStampText))
	out.category, out.typ = kindOfText(limitText(o.text("name")+" "+o.text("description"), maxXMLText))
	if b, err := json.Marshal(o); err == nil {
		out.evidence = limitText(string(b), 2000)
	}
	return out
}

func (s *stix) bundle(objects []map[string]any) []Report {
	for _, m := range objects {
		s.remember(object(m).text("id"), object(m))
	}
	for _, m := range objects {
		if o := object(m); o.text("type") == "network-traffic" {
			s.traffic(o, s.said(o))
		} else if o.text("type") == "observed-data" {
			s.observed(o)
		}
	}
	for _, m := range objects {
		if o := object(m); o.text("type") == "indicator" {
			s.indicator(o)
		}
	}
	return s.out
}

func (s *stix) remember(id string, o object) {
	if t := o.text("type"); t == "ipv4-addr" || t == "ipv6-addr" {
		if ip, ok := parseAddress(o.text("value")); ok {
			s.refs[id] = ip
		}
	}
}

// observed reads one observation: its traffic, else its lone address.
func (s *stix) observed(o object) {
	inner, _ := o["objects"].(map[string]any)
	ids := slices.Sorted(maps.Keys(inner))
	var traffic []object
	for _, id := range ids {
		m, _ := inner[id].(map[string]any)
		s.remember(id, m)
		if object(m).text("type") == "network-traffic" {
			traffic = append(traffic, m)
		}
	}
	before, said := len(s.out), s.said(o)
	for _, t := range traffic {
		about := said
		if len(traffic) > 1 {
			about.evidence = s.said(t).evidence // which shows nobody the others
		}
		s.traffic(t, about)
	}
	if ip, ok := s.lone(inner); ok && len(s.out) == before && !s.targets[ip] {
		s.add(ip, said, "observed address")
	}
	for _, id := range ids {
		delete(s.refs, id) // "0", "1" mean others in the next observation
	}
}

// lone returns the only address of an observation.
func (s *stix) lone(inner map[string]any) (only addr, ok bool) {
	n := 0
	for id := range inner {
		if ip, found := s.refs[id]; found {
			only, n = ip, n+1
		}
	}
	return only, n == 1
}

// traffic reads who sent; said is what the object around it says.
func (s *stix) traffic(t object, said stixSaid) {
	dst, known := s.refs[t.text("dst_ref")]
	if known {
		s.targets[dst] = true
	}
	src, ok := s.refs[t.text("src_ref")]
	if !ok {
		return
	}
	if r := s.add(src, said, "src_ref of network-traffic"); r != nil {
		r.Port, r.DstPort = t.port("src_port"), t.port("dst_port")
		if known {
			r.Destination = dst.String()
		}
	}
}

// patternAddress matches what an indicator's pattern compares an address with.
var patternAddress = regexp.MustCompile(`(?:ipv[46]-addr:value|src_ref\.value|dst_ref\.value)\s*(?:=|IN)\s*\(?'([0-9A-Fa-f:./]{3,64})'`)

// indicator takes the addresses of a pattern, but for those that were attacked.
func (s *stix) indicator(o object) {
	found := patternAddress.FindAllStringSubmatch(limitText(o.text("pattern"), 1<<16), 1000)
	if len(found) == 0 {
		return
	}
	said := s.said(o)
	for _, m := range found {
		if len(found) > 1 {
			said.evidence = m[0]
		}
		if ip, ok := parseAddress(m[1]); ok && !s.targets[ip] {
			s.add(ip, said, "pattern of an indicator")
		}
	}
}

// add makes a report; it returns nil where there are too many.
func (s *stix) add(ip addr, said stixSaid, why string) *Report {
	if len(s.out) >= s.d.lim.MaxReports {
		return nil
	}
	r := s.d.base(ip, Medium, why)
	s.d.setTime(&r, said.when)
	r.Category, r.Type = said.category, said.typ
	if said.evidence != "" {
		r.Evidence = []string{said.evidence}
	}
	s.out = append(s.out, r)
	return &s.out[len(s.out)-1]
}
