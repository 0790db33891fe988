package stats

// A Pattern is what may be told to everybody of one type of complaint: no host, no holder, no reporter, and no
// number so small that somebody could be known by it.
type Pattern struct {
	Type      string
	Hosts     int64         // addresses complained of
	Incidents int64         // with a complaint
	Stopped   []PatternPart // what had been done before it stopped, the most frequent first
}

// A PatternPart is the part of the stopped incidents of which one measure had been taken.
type PatternPart struct {
	Measure string // StoppedByAnswer …
	Share   float64
}

// fewest is the smallest number of hosts, and of stopped incidents, that a Pattern tells of.
const fewest = 5

// Patterns is what a digest to all contacts may say of a range: types with at least five hosts, the most hosts first.
func (r Report) Patterns() (patterns []Pattern) {
	for _, row := range r.Total.Rows {
		if row.Hosts < fewest || row.Type == Others {
			continue
		}
		patterns = append(patterns, Pattern{row.Type, row.Hosts, row.Incidents, parts(row.Stopped)})
	}
	return patterns
}

func parts(stopped []Named) (parts []PatternPart) {
	total := int64(0)
	for _, n := range stopped {
		total += n.Count
	}
	if total < fewest {
		return nil
	}
	for _, n := range stopped {
		parts = append(parts, PatternPart{n.Name, float64(n.Count) / float64(total)})
	}
	return parts
}
