package trace

import (
	"strings"
	"time"
)

// Thresholds of the time signals, as measured on real mail.
const (
	skewSilent    = 5 * time.Minute
	skewMedium    = 2 * time.Hour
	skewStrong    = 24 * time.Hour
	gapLong       = 4 * 24 * time.Hour
	oldSpamBefore = 2010
)

// dateFindings judges the Date field by itself and against the first line.
func (r *Result) dateFindings(c *facts) {
	raw := c.h.Get("Date")
	switch {
	case raw == "" && !c.h.Has("Date"):
		if len(c.h.Fields) > len(r.Hops) { // a lone Received line has no Date to miss
			r.add(kDateMissing, -1, "", "the header has no Date field")
		}
		return
	case !c.dateOK:
		r.add(kDateUnreadable, -1, "Date: "+raw, "Date cannot be read")
		return
	}
	r.dateShape(c.date, -1)
	if !c.date.HasZone {
		return
	}
	first := r.firstKnown()
	if first < 0 {
		return
	}
	h := &r.Hops[first]
	quote := "Date: " + raw + " / " + h.TimeRaw
	switch d := c.date.Time.Sub(h.Time.Time); {
	case d > skewMedium:
		s := Medium
		if h.Time.Year() < oldSpamBefore {
			s = Strong
		}
		r.addAs(kDateAfter, s, -1, quote, "Date is %s after the first line was written", spell(d))
	case d < -skewStrong:
		r.add(kDateBefore, -1, quote, "Date is %s before the first line was written", spell(-d))
	}
}

// firstKnown returns the oldest line with a known time, or -1.
func (r *Result) firstKnown() int {
	for i := len(r.Hops) - 1; i >= 0; i-- {
		if r.Hops[i].Time.Known() {
			return i
		}
	}
	return -1
}

// dateShape judges a date by nothing but itself; hop is -1 for the Date field.
func (r *Result) dateShape(d Date, hop int) {
	if d.BadOffset {
		r.add(kOffsetAbsurd, hop, d.Raw, "no zone has the offset %s", d.ZoneRaw)
	}
	if d.BadWeekday {
		r.add(kWeekdayWrong, hop, d.Raw, "%s was a %s", d.Time.Add(time.Duration(d.Offset)*time.Second).Format("2 January 2006"),
			d.Time.Add(time.Duration(d.Offset)*time.Second).Weekday())
	}
	if d.NameContradicts {
		quote := d.ZoneRaw + " (" + d.ZoneName + ")"
		if offsets := zoneOffsetsText(d.ZoneName); offsets != "" {
			r.add(kZoneName, hop, quote, "%s is %s", strings.ToUpper(d.ZoneName), offsets)
		} else {
			r.add(kZoneName, hop, quote, "the zone named is not %s", d.ZoneRaw)
		}
	}
	if d.Chinese {
		r.add(kDateForeign, hop, d.Raw, "the date is written in Chinese")
	}
}

// delayFindings judges the times of neighbouring lines.
func (r *Result) delayFindings() {
	for i := range r.Hops {
		h := &r.Hops[i]
		if h.Delay == nil {
			continue
		}
		j := i + 1
		for j < len(r.Hops) && !r.Hops[j].Time.Known() {
			j++
		}
		if j >= len(r.Hops) {
			continue
		}
		n := &r.Hops[j]
		d := time.Duration(*h.Delay) * time.Second
		quote := n.TimeRaw + " / " + h.TimeRaw
		switch {
		case d < -skewStrong:
			r.addAs(kTimeBackwards, Strong, j, quote, "line %d is dated %s after the newer line %d", j, spell(-d), i)
		case d < -skewMedium:
			r.addAs(kTimeBackwards, Medium, j, quote, "line %d is dated %s after the newer line %d", j, spell(-d), i)
		case d < -skewSilent:
			r.addAs(kTimeBackwards, Weak, j, quote, "the clocks of lines %d and %d differ by %s", j, i, spell(-d))
		case d > gapLong:
			r.add(kHopGap, i, quote, "%s lie between lines %d and %d", spell(d), j, i)
		}
	}
	if len(r.Hops) >= 50 {
		r.add(kManyHops, -1, "", "the header has %d Received lines", len(r.Hops))
	}
}

// spell writes a duration in words: its two largest units.
func spell(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	s := int64(d / time.Second)
	switch {
	case s >= 48*3600:
		return plural(s/86400, "day") + and(s%86400/3600, "h")
	case s >= 3600:
		return plural(s/3600, "h") + and(s%3600/60, "min")
	case s >= 60:
		return plural(s/60, "min") + and(s%60, "s")
	}
	return plural(s, "s")
}

func plural(n int64, unit string) string {
	text := itoa(n) + " " + unit
	if unit == "day" && n != 1 {
		text += "s"
	}
	return text
}

func and(n int64, unit string) string {
	if n == 0 {
		return ""
	}
	return " " + itoa(n) + " " + unit
}

// zonesFit names the zones of times that have none, by the times around them.
func (r *Result) zonesFit(c *facts) {
	for i := range r.Hops {
		h := &r.Hops[i]
		if !h.Time.Local || h.Time.IsZero() {
			continue
		}
		upper, ok := r.around(i, -1)
		if !ok {
			if len(h.Zones) == 0 {
				r.add(kTimeNoZone, i, h.TimeRaw, "the time has no zone, and nothing tells it")
			}
			continue
		}
		lower, low := r.around(i, 1)
		if !low && c.dateOK && c.date.HasZone {
			lower, low = c.date.Time, true
		}
		if !low || upper.Sub(lower) > 14*time.Hour {
			lower = upper.Add(-skewMedium)
		}
		if lower.After(upper) {
			lower, upper = upper, lower
		}
		r.fitZones(i, lower, upper)
	}
}

// around returns the next known time in a direction: -1 is newer, 1 is older.
func (r *Result) around(i, step int) (time.Time, bool) {
	for j := i + step; j >= 0 && j < len(r.Hops); j += step {
		if r.Hops[j].Time.Known() {
			return r.Hops[j].Time.Time, true
		}
	}
	return time.Time{}, false
}

// fitZones tries every offset, or those of the zone's name, between two times.
func (r *Result) fitZones(i int, lower, upper time.Time) {
	h := &r.Hops[i]
	candidates := zoneOffsets(h.Date.ZoneName)
	if candidates == nil {
		for m := -12 * 60; m <= 14*60; m += 60 {
			candidates = append(candidates, m)
		}
	}
	var fit, near []string
	for _, m := range candidates {
		t := h.Time.Add(-time.Duration(m) * time.Minute)
		text := offsetText(m * 60)
		switch before, after := lower.Sub(t), t.Sub(upper); {
		case before <= skewSilent && after <= skewSilent:
			fit = append(fit, text)
		case before > 0 && before < time.Hour:
			near = append(near, text+" would be "+t.Format("15:04:05")+"Z, "+spell(before)+" too early")
		case after > 0 && after < time.Hour:
			near = append(near, text+" would be "+t.Format("15:04:05")+"Z, "+spell(after)+" too late")
		}
	}
	if len(fit) > 0 {
		h.Zones = fit
		r.add(kTimeNoZone, i, h.TimeRaw, "the time has no zone; it fits if this host is at %s", strings.Join(fit, " or "))
		return
	}
	h.Zones = nil
	what := "no whole-hour zone"
	if zoneOffsets(h.Date.ZoneName) != nil {
		what = "no zone named " + h.Date.ZoneName
	}
	r.add(kZoneFitsNone, i, h.TimeRaw, "%s puts this time between %sZ and %sZ; nearest: %s", what,
		lower.Format("15:04:05"), upper.Format("15:04:05"), strings.Join(near, "; "))
}
