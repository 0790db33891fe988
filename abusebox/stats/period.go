package stats

import (
	"fmt"
	"time"
)

// A Period is a day, or a whole month where Day is 0, of UTC.
type Period struct {
	Year  int
	Month time.Month
	Day   int
}

// DayOf is the day of an instant.
func DayOf(t time.Time) Period {
	y, m, d := t.UTC().Date()
	return Period{y, m, d}
}

// Whole is the month of a period.
func (p Period) Whole() Period { return Period{p.Year, p.Month, 0} }

// Begin is the period's first instant.
func (p Period) Begin() time.Time {
	return time.Date(p.Year, p.Month, max(p.Day, 1), 0, 0, 0, 0, time.UTC)
}

// Next is the period of the same length that follows.
func (p Period) Next() Period {
	if p.Day == 0 {
		return DayOf(p.Begin().AddDate(0, 1, 0)).Whole()
	}
	return DayOf(p.Begin().AddDate(0, 0, 1))
}

// String writes "2026-10" or "2026-10-05", which sort as the periods do.
func (p Period) String() string {
	if p.Day == 0 {
		return fmt.Sprintf("%04d-%02d", p.Year, p.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", p.Year, p.Month, p.Day)
}

// ParsePeriod reads what String writes.
func ParsePeriod(s string) (Period, error) {
	if t, err := time.Parse("2006-01", s); err == nil {
		return DayOf(t).Whole(), nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Period{}, fmt.Errorf("%q is no month or day: write it like 2026-10 or 2026-10-05", s)
	}
	return DayOf(t), nil
}

// Cover lists the fewest periods that make up the days from first to last, in order: whole months where they fit.
func Cover(first, last Period) (periods []Period) {
	for day := first; !day.Begin().After(last.Begin()); {
		month := day.Whole()
		if day.Day == 1 && !month.Next().Begin().AddDate(0, 0, -1).After(last.Begin()) {
			periods = append(periods, month)
			day = DayOf(month.Next().Begin())
			continue
		}
		periods = append(periods, day)
		day = day.Next()
	}
	return periods
}
