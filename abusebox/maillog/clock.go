package maillog

import (
	"slices"
	"time"
)

// A clock turns the times of a log into UTC. Lines that tell year and zone need none of it. For the others the
// zone is the one that was set; else the one that our own MTA's queue ids show (they hold UTC); else the
// machine's. The year is the one that was set, or that queue ids show, or the latest that does not lie in the
// future of the file, and it goes on when December turns to January.
type clock struct {
	set   *time.Location // by the user; nil to find out
	local *time.Location // what to fall back to
	limit int64          // no line is later than this: the file's last change, and a day

	fixedYear bool
	year      int
	month     time.Month

	learned  bool
	offset   int64 // seconds east of UTC, once learned
	rival    int64 // another offset that queue ids show of late,
	rivals   int   // and how often in a row
	cacheKey int64 // quarter hour of the last look-up in a location,
	cacheOff int64 // and its offset
	guessed  int64 // times whose zone nothing showed
}

func newClock(set, local *time.Location, year int, limit time.Time) *clock {
	return &clock{set: set, local: local, limit: limit.Add(24 * time.Hour).Unix(), fixedYear: year != 0, year: year, cacheKey: -1 << 62}
}

// utc returns s in seconds since 1970, UTC.
func (c *clock) utc(s stamp) int64 {
	if s.zoned {
		return s.sec
	}
	civil := c.civil(s)
	switch {
	case c.set != nil:
		return civil - c.offsetIn(c.set, civil)
	case c.learned:
		return civil - c.offset
	}
	c.guessed++
	return civil - c.offsetIn(c.local, civil)
}

// civil is s on the log's own clock, with its year.
func (c *clock) civil(s stamp) int64 {
	if s.dated {
		return s.sec
	}
	if c.year == 0 {
		c.year = c.latestYear(s)
		c.month = s.month
	}
	year := c.year
	switch {
	case c.month == 0:
		c.month = s.month
	case c.month-s.month >= 6: // the new year
		c.year++
		year, c.month = c.year, s.month
	case s.month-c.month >= 6: // a line that comes late
		year--
	default:
		c.month = max(c.month, s.month)
	}
	return atYear(s, year)
}

func atYear(s stamp, year int) int64 {
	return daysBefore(year, s.month, int(s.day))*86400 + s.sec
}

// daysBefore counts the days from 1970 to a date of the Gregorian calendar; time.Date costs too much for every line.
func daysBefore(year int, month time.Month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y, m = y-1, m+12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + int64(day) - 1 - 719468
}

// latestYear is the last year in which s does not lie past the limit.
func (c *clock) latestYear(s stamp) int {
	year := time.Unix(c.limit, 0).UTC().Year()
	if atYear(s, year) > c.limit {
		year--
	}
	return year
}

func (c *clock) offsetIn(loc *time.Location, civil int64) int64 {
	if loc == time.UTC {
		return 0
	}
	if key := civil / 900; key != c.cacheKey {
		t := time.Unix(civil, 0).UTC()
		_, offset := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc).Zone()
		c.cacheKey, c.cacheOff = key, int64(offset)
	}
	return c.cacheOff
}

// Bounds of what a queue id shows: a line is written up to seven minutes after its id was made, and offsets are
// quarters of an hour between -1200 and +1400.
const (
	quarter     = 900
	maxIDAge    = 420
	minIDAge    = -60
	maxOffset   = 14 * 3600
	minOffset   = -12 * 3600
	changeAfter = 5 // ids in a row that show another offset, as when summer time begins
)

// learn hears that s stands in a line whose queue id was made at made, UTC.
func (c *clock) learn(s stamp, made int64) {
	if s.zoned || made == 0 || made > c.limit+365*86400 {
		return
	}
	year, civil := c.yearNear(s, made)
	age := civil - made
	offset := (age - minIDAge) / quarter * quarter
	if age-minIDAge < 0 && (age-minIDAge)%quarter != 0 {
		offset -= quarter
	}
	if late := age - offset; late > maxIDAge || late < minIDAge || offset > maxOffset || offset < minOffset {
		return
	}
	if !s.dated && !c.fixedYear && year != c.year {
		c.year, c.month = year, s.month
	}
	c.settle(offset)
}

// yearNear is the year in which s lies next to an instant, for a December line about a January id.
func (c *clock) yearNear(s stamp, instant int64) (year int, civil int64) {
	if s.dated {
		return 0, s.sec
	}
	year = time.Unix(instant, 0).UTC().Year()
	civil = atYear(s, year)
	const half = 183 * 86400
	if civil-instant > half {
		year--
	} else if instant-civil > half {
		year++
	}
	return year, atYear(s, year)
}

// settle takes the first offset at once and a change only when several ids agree on it.
func (c *clock) settle(offset int64) {
	switch {
	case !c.learned:
		c.learned, c.offset = true, offset
	case offset == c.offset:
		c.rivals = 0
	case offset != c.rival:
		c.rival, c.rivals = offset, 1
	default:
		if c.rivals++; c.rivals >= changeAfter {
			c.offset, c.rivals = offset, 0
		}
	}
}

// zone says in words which zone times without one were read in, and why.
func (c *clock) zone() (name, why string) {
	switch {
	case c.set != nil:
		return c.set.String(), "set"
	case c.learned:
		return time.Unix(0, 0).In(time.FixedZone("", int(c.offset))).Format("-0700"), "queue ids"
	case c.guessed > 0:
		return c.local.String(), "guessed"
	}
	return "UTC", "log"
}

// A zoneNote is the zone that several logs were read in: that of the weakest ground, since a guess anywhere must
// be said.
type zoneNote struct{ name, why string }

func (n zoneNote) with(c *clock) zoneNote {
	name, why := c.zone()
	if n.why == "" || weakness(why) >= weakness(n.why) {
		return zoneNote{name, why}
	}
	return n
}

func weakness(why string) int {
	return slices.Index([]string{"log", "set", "queue ids", "guessed"}, why)
}

// next is the clock of the next file, which keeps what this one learned of the zone.
func (c *clock) next(year int, limit time.Time) *clock {
	n := newClock(c.set, c.local, year, limit)
	n.learned, n.offset = c.learned, c.offset
	return n
}
