package report

import (
	"encoding/json"
	"regexp"
	"strings"
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

func (s *stix) bundle(objects []map[string]any) []Report {
	for _, m := range objects {
		s.remember(object(m).text("id"), object(m))
	}
	for _, m := range objects {
		if o := object(m); o.text("type") == "network-traffic" {
			s.traffic(o, o)
		} else if o.text("type") == "observed-data" {
			s.observed(o)
		}
	}
	for _, m := range objects {
		if o := object(m); o.text("type") == "indicator" {
			s.indicator(o)
		}
	}
	return s.out[:min(len(s.out), s.d.lim.MaxReports)]
}

func (s *stix) remember(id string, o object) {
	if t := o.text("type"); t == "ipv4-addr" || t == "ipv6-addr" {
		if ip, ok := parseAddress(o.text("value")); ok {
			s.refs[id] = ip
		}
	}
}

// observed reads one observation: its traffic, else its lone addresses.
func (s *stix) observed(o object) {
	inner, _ := o["objects"].(map[string]any)
	before := len(s.out)
	for id, v := range inner {
		if m, ok := v.(map[string]any); ok {
			s.remember(id, m)
		}
	}
	for id := range inner {
		if t := o.object("objects").object(id); t.text("type") == "network-traffic" {
			s.traffic(t, o)
		}
	}
	if ip, ok := s.lone(inner); ok && len(s.out) == before {
		s.add(ip, o, "observed address")
	}
	for id := range inner {
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

// traffic reads who sent; when is the object that says at what time.
func (s *stix) traffic(t, when object) {
	if dst, ok := s.refs[t.text("dst_ref")]; ok {
		s.targets[dst] = true
	}
	if src, ok := s.refs[t.text("src_ref")]; ok {
		r := s.add(src, when, "src_ref of network-traffic")
		r.Port, r.DstPort = t.port("src_port"), t.port("dst_port")
		if dst, ok := s.refs[t.text("dst_ref")]; ok {
			r.Destination = dst.String()
		}
	}
}

// patternAddress matches what an indicator's pattern compares an address with.
var patternAddress = regexp.MustCompile(`(?:ipv[46]-addr:value|src_ref\.value|dst_ref\.value)\s*(?:=|IN)\s*\(?'([0-9A-Fa-f:./]{3,64})'`)

// indicator takes the addresses of a pattern, but for those that were attacked.
func (s *stix) indicator(o object) {
	for _, m := range patternAddress.FindAllStringSubmatch(limitText(o.text("pattern"), 1<<16), 1000) {
		if ip, ok := parseAddress(m[1]); ok && !s.targets[ip] {
			s.add(ip, o, "pattern of an indicator")
		}
	}
}

func (s *stix) add(ip addr, when object, why string) *Report {
	r := s.d.base(ip, Medium, why)
	if st, ok := stampOf(when.text("first_observed", "start", "first_seen", "valid_from", "created")); ok {
		s.d.setTime(&r, st)
	}
	r.Category, r.Type = kindOfText(strings.Join([]string{when.text("name"), when.text("description")}, " "))
	if b, err := json.Marshal(when); err == nil {
		r.Evidence = []string{limitText(string(b), 2000)}
	}
	s.out = append(s.out, r)
	return &s.out[len(s.out)-1]
}
