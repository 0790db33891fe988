// Package unit holds the two quantities that people write into spoor.toml:
// lengths of time ("5m", "7d") and amounts of data ("64MB").
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time, written as in Go ("90s", "1h30m") or as whole days ("7d").
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText reads "90s", "1h30m" or "7d"; negative lengths are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	parsed, err := parseDuration(s)
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is no length of time, such as 30s, 5m, 12h or 7d", s)
	}
	*d = Duration(parsed)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseInt(days, 10, 32)
	if err == nil && (n < 0 || n > int64(math.MaxInt64/(24*time.Hour))) {
		err = strconv.ErrRange
	}
	return time.Duration(n) * 24 * time.Hour, err
}

// MarshalText writes d in the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes whole days as "7d" and trims the zero parts that time.Duration leaves ("5m0s").
func (d Duration) String() string {
	day := 24 * time.Hour
	if std := d.Std(); std != 0 && std%day == 0 {
		return strconv.FormatInt(int64(std/day), 10) + "d"
	}
	s := d.Std().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A Size is an amount of data in bytes, written "512", "64KB", "25MB" or "1GB" (powers of 1024).
type Size int64

// Bytes returns s as a plain number.
func (s Size) Bytes() int64 { return int64(s) }

var sizeUnits = []struct {
	suffix string
	factor int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText reads "512", "64KB", "25MB", "1GB" or "2TB".
func (s *Size) UnmarshalText(text []byte) error {
	in := strings.ToUpper(strings.TrimSpace(string(text)))
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(in, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.factor {
			break
		}
		*s = Size(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is no size, such as 64KB, 25MB or 1GB", string(text))
}

// MarshalText writes s in the form that UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes s with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if int64(s) >= u.factor && int64(s)%u.factor == 0 {
			return strconv.FormatInt(int64(s)/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
