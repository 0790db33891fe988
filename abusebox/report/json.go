package report

import (
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// readJSON reads JSON that is no XARF: an object or a list of objects whose
// members name the source, as "ip", "source_ip", "attacker" …
//
// Sources: honeypot operators, intrusion detection, cloud providers.
func readJSON(d *document) []Report {
	var out []Report
	docs := d.jsonDocuments()
	if t := strings.TrimSpace(d.body); strings.HasPrefix(t, "[") && strings.HasSuffix(t, "]") {
		docs = append(docs, []byte(t))
	}
	for _, b := range docs {
		var v any
		if json.Unmarshal(b, &v) == nil {
			out = d.jsonValue(v, out, 0, stamp{})
			continue
		}
		for _, l := range strings.Split(limitText(string(b), 8<<20), "\n") { // one object a line
			if json.Unmarshal([]byte(l), &v) == nil {
				out = d.jsonValue(v, out, 0, stamp{})
			}
		}
	}
	return dedupe(out)
}

// jsonValue looks for objects that name a source, at most eight levels down;
// when is the time that an object around them states.
func (d *document) jsonValue(v any, out []Report, depth int, when stamp) []Report {
	if depth > 8 || len(out) >= d.lim.MaxReports {
		return out
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			out = d.jsonValue(item, out, depth+1, when)
		}
	case map[string]any:
		if st, ok := stampOf(limitText(object(lowerKeys(v)).text(timeMembers...), maxStampText)); ok {
			when = st
		}
		r, column := d.jsonObject(v)
		d.setTime(&r, when)
		if column != "" && !isObserver(column) {
			return append(out, r)
		}
		before := len(out)
		out = d.jsonLists(v, out, when)
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			if !isObserver(strings.ToLower(k)) {
				out = d.jsonValue(v[k], out, depth+1, when)
			}
		}
		if column != "" && len(out) == before {
			out = append(out, r)
		}
	}
	return out
}

// jsonLists reads members that are lists of addresses: "sources": ["x", "y"].
// The object's time is that of each.
func (d *document) jsonLists(m map[string]any, out []Report, when stamp) []Report {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list, _ := m[k].([]any)
		if is := phraseBearing(strings.ToLower(k)); len(list) == 0 || is != source && is != generic && is != from {
			continue
		}
		for _, item := range list {
			s, _ := item.(string)
			if ip, ok := parseAddress(s); ok && len(s) < 64 && len(out) < d.lim.MaxReports {
				r := d.base(ip, Medium, "list "+strconv.Quote(k))
				d.setTime(&r, when)
				r.Evidence = []string{strconv.Quote(k) + ": " + s}
				out = append(out, r)
			}
		}
	}
	return out
}

// maxStampText is longer than any member that states a time.
const maxStampText = 200

// timeMembers name the time of an event, the surest first.
var timeMembers = []string{"event_time", "eventtime", "detecttime", "detect_time", "first_seen", "firstseen", "starttime", "start_time", "start", "timestamp", "@timestamp", "time", "datetime", "date", "last_seen", "lastseen", "seen", "observed", "createtime", "when"}

// isObserver tells members that describe who saw or suffered the event.
func isObserver(k string) bool {
	switch k {
	case "agent", "sensor", "observer", "reporter", "reporterinfo", "sender", "manager", "honeypot", "collector", "analyzer", "detector", "device", "server", "scanner":
		return true
	}
	if strings.HasSuffix(k, "edby") || strings.HasSuffix(k, "ed_by") || strings.HasSuffix(k, "ed-by") || strings.HasPrefix(k, "reporter") || strings.HasPrefix(k, "submitter") {
		return true // reported_by, detectedBy
	}
	return phraseBearing(k) == target
}

// jsonObject reads one object as a row whose columns are its members, and tells
// which of them names the accused; it is empty where none does.
func (d *document) jsonObject(m map[string]any) (Report, string) {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	sort.Strings(names)
	row := make([]string, len(names))
	for i, k := range names {
		row[i] = object(m).text(k)
	}
	cols, ok := mapColumns(names, row)
	if !ok {
		return Report{}, ""
	}
	if is := phraseBearing(strings.ToLower(names[cols.ip])); is != source && is != generic && is != from {
		return Report{}, ""
	}
	cols.head = names[cols.ip]
	r, ok := cols.report(d, row)
	if !ok {
		return Report{}, ""
	}
	if b, err := json.Marshal(m); err == nil {
		r.Evidence = []string{limitText(string(b), 2000)}
	}
	return r, strings.ToLower(cols.head)
}
