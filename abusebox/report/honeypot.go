package report

import (
	"strings"
)

// readHoneyPot reads Project Honey Pot's monitor reports: sections "IPs Engaged
// In … On Your Network:", below them one address a line; paid accounts get
// times and subjects indented under each.
//
// Source: monitor-bounce@projecthoneypot.org.
func readHoneyPot(d *document) []Report {
	if !strings.Contains(d.body, "IPs Engaged In") {
		return nil
	}
	var out []Report
	kind := [2]string{}
	active := false
	for _, l := range d.bodyLines() {
		t := strings.TrimSpace(l.text)
		switch {
		case strings.HasSuffix(t, "On Your Network:"):
			kind, active = honeyPotKind(t), true
		case strings.HasPrefix(t, "-----"):
			active = false
		case !active || t == "":
		case len(l.hits) == 1 && strings.HasPrefix(t, l.text[l.hits[0].start:l.hits[0].end]):
			r := d.base(l.hits[0].ip, High, "listed by Project Honey Pot")
			r.Category, r.Type = kind[0], kind[1]
			r.Evidence = []string{l.raw}
			out = append(out, r)
		case strings.HasPrefix(t, "-") && len(out) > 0:
			r := &out[len(out)-1]
			r.Evidence = append(r.Evidence, l.raw)
			if st := findStamps(t, 1); len(st) > 0 && st[0].clock {
				if r.TimeRaw != "" {
					r.Count++
				}
				d.setTime(r, st[0])
			}
		}
	}
	return out
}

func honeyPotKind(section string) [2]string {
	switch {
	case strings.Contains(section, "Harvesting"):
		return [2]string{"connection", "scraping"}
	case strings.Contains(section, "Dictionary"):
		return [2]string{"messaging", "spam"}
	case strings.Contains(section, "Suspicious"):
		return [2]string{"connection", "reconnaissance"}
	}
	return [2]string{"messaging", "spam"}
}
