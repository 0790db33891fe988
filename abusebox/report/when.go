package report

import (
	"time"
)

// maxSkew is how far a stated time may lie after the mail's own.
const maxSkew = 36 * time.Hour

// setTime puts a stated time into r: its year and order of day and month are
// settled by the mail's own time, its offset by what is stated, by the text's
// zone or by the reporter's habit; otherwise it stays unknown.
func (d *document) setTime(r *Report, st stamp) {
	if r.TimeRaw != "" || st.raw == "" {
		return
	}
	at := d.settle(st)
	var offset int
	known := st.zone.known
	switch {
	case known:
		offset = st.zone.at(at).offset
	case len(st.zone.choices) > 0:
		known, offset = d.chooseZone(st.zone, &r.Zones)
	default:
		known, offset = d.defaultZone(at, &r.Zones)
	}
	at = at.Add(-time.Duration(offset) * time.Second)
	if d.future(at) {
		return
	}
	r.Time, r.TimeRaw, r.TimeZoneKnown = at, st.raw, known
	r.TimeUncertaintyS = 0
	if !st.clock {
		r.TimeUncertaintyS = 24 * 3600
	}
}

// setEnd puts the end of a stated span into r.
func (d *document) setEnd(r *Report, st stamp) {
	var end Report
	d.setTime(&end, st)
	if end.TimeRaw != "" && !end.Time.Before(r.Time) {
		r.TimeEnd = end.Time
	}
}

// future tells whether a time lies beyond what clocks explain.
func (d *document) future(at time.Time) bool {
	now := d.now()
	return !now.IsZero() && at.After(now.Add(maxSkew))
}

func (d *document) now() time.Time {
	if d.arrived.After(d.date) {
		return d.arrived
	}
	return d.date
}

// settle finds the year of a time without one, and the likelier order of day and month.
func (d *document) settle(st stamp) time.Time {
	now := d.now()
	if now.IsZero() {
		return st.at
	}
	at := st.at
	if st.yearless {
		at = time.Date(now.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
		if at.After(now.Add(maxSkew)) {
			at = at.AddDate(-1, 0, 0)
		}
	}
	if st.swappable {
		other := time.Date(at.Year(), time.Month(at.Day()), int(at.Month()), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
		if d.future(at) || !d.future(other) && now.Sub(other).Abs() < now.Sub(at).Abs() {
			at = other
		}
	}
	return at
}

// chooseZone settles an ambiguous zone name by the offset of the mail's Date.
func (d *document) chooseZone(z zone, zones *[]string) (known bool, offset int) {
	if st := findStamps(d.root.Header.Get("Date"), 1); len(st) == 1 && st[0].zone.known {
		for _, c := range z.choices {
			if c == st[0].zone.offset {
				return true, c
			}
		}
	}
	for _, c := range z.choices {
		*zones = append(*zones, zoneString(c))
	}
	return false, z.choices[0]
}

// defaultZone is the offset of times that state none.
func (d *document) defaultZone(at time.Time, zones *[]string) (known bool, offset int) {
	if z := d.statedZone(); z.known {
		if loc, err := time.LoadLocation(z.name); err == nil && locationName(z.name) != "" {
			_, off := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, loc).Zone()
			return true, off
		}
		return true, z.offset
	}
	if off, ok := d.twinOffset(at); ok {
		return true, off
	}
	if off, ok := d.nearOffset(at); ok {
		return true, off
	}
	for dom := d.domain; dom != ""; dom = parentDomain(dom) {
		if loc := d.opt.Habits[dom]; loc != nil {
			_, off := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, loc).Zone()
			return true, off
		}
	}
	*zones = append(*zones, zoneString(0))
	if st := findStamps(d.root.Header.Get("Date"), 1); len(st) == 1 && st[0].zone.known && st[0].zone.offset != 0 {
		*zones = append(*zones, zoneString(st[0].zone.offset))
	}
	return false, 0
}

// twinOffset finds the same reading of the clock written with its offset
// elsewhere in the text ("event time 2026-10-01 08:14:00 +02:00").
func (d *document) twinOffset(at time.Time) (int, bool) {
	if d.twins == nil {
		d.twins = map[int64]int{}
		lines := d.bodyLines()
		for _, l := range lines[:min(len(lines), 200)] {
			for _, st := range findStamps(l.text, 4) {
				if st.zone.known && st.clock && !st.yearless {
					d.twins[st.at.Unix()] = st.zone.offset
				}
			}
		}
	}
	off, ok := d.twins[at.Unix()]
	return off, ok
}

// maxLag is how long before the stated time of a report its log lines may lie.
const maxLag = 20 * time.Minute

// nearOffset takes the offset of a time in the text that follows this reading of
// the clock closely, as a report's own time follows its log lines; all such
// times must agree.
func (d *document) nearOffset(at time.Time) (off int, ok bool) {
	for local, offset := range d.twins {
		lag := time.Unix(local, 0).Sub(at)
		if lag < -time.Minute || lag > maxLag {
			continue
		}
		if ok && offset != off {
			return 0, false
		}
		off, ok = offset, true
	}
	return off, ok
}

// epochIn finds seconds since 1970 behind a label or in a column of a line, if
// they are near the mail's own time.
func (d *document) epochIn(t string) (stamp, bool) {
	for i := 0; i+10 <= len(t); i++ {
		if !isDigit(t[i]) || i > 0 && (isAlnum(t[i-1]) || t[i-1] == '.' || t[i-1] == '-' || t[i-1] == '+') {
			continue
		}
		j := i
		for j < len(t) && isDigit(t[j]) {
			j++
		}
		if st, ok := epoch(t[i:j]); ok && (j == len(t) || !isAlpha(t[j]) && t[j] != '-') && d.plausible(st.at) {
			return st, true
		}
		i = j
	}
	return stamp{}, false
}

// plausible tells whether a number can be the time of what a mail reports.
func (d *document) plausible(at time.Time) bool {
	now := d.now()
	return !now.IsZero() && at.Before(now.Add(maxSkew)) && now.Sub(at) < 400*24*time.Hour
}

// statedZone finds the zone that the text states for all its times, once.
func (d *document) statedZone() zone {
	if d.zone == nil {
		z, _ := zoneOfText(d.body[:min(len(d.body), 64<<10)])
		d.zone = &z
	}
	return *d.zone
}

func parentDomain(dom string) string {
	for i := 0; i < len(dom); i++ {
		if dom[i] == '.' {
			return dom[i+1:]
		}
	}
	return ""
}

// fallBackTime takes the mail's own time where none is stated. TimeRaw stays
// empty, which says so.
func (d *document) fallBackTime(r *Report) {
	if r.TimeRaw != "" || d.date.IsZero() && d.arrived.IsZero() {
		return
	}
	r.Time = d.date
	if r.Time.IsZero() || d.future(r.Time) {
		r.Time = d.arrived
	}
	r.TimeZoneKnown = true
	r.TimeUncertaintyS = 24 * 3600
}

// epoch reads seconds or milliseconds since 1970.
func epoch(s string) (stamp, bool) {
	n := int64(0)
	whole := s
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			whole = s[:i]
			break
		}
		if !isDigit(s[i]) {
			return stamp{}, false
		}
	}
	for i := 0; i < len(whole); i++ {
		n = n*10 + int64(whole[i]-'0')
	}
	switch {
	case len(whole) == 13:
		n /= 1000
	case len(whole) != 10:
		return stamp{}, false
	}
	if n < 800_000_000 || n > 4_000_000_000 {
		return stamp{}, false
	}
	return stamp{at: time.Unix(n, 0).UTC(), zone: zone{known: true, name: "epoch"}, raw: s, clock: true, end: len(s)}, true
}

// stampOf reads a field that should hold one time.
func stampOf(s string) (stamp, bool) {
	if st := findStamps(s, 1); len(st) > 0 {
		return st[0], true
	}
	return epoch(s)
}

func timeAt(y int, m time.Month, d, hour, minute, second int) time.Time {
	return time.Date(y, m, d, hour, minute, second, 0, time.UTC)
}
