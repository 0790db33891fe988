package registry

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time in the configuration, written "30s", "15m" or "7d".
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText reads "90s", "1h30m" or whole days, "7d"; negative lengths are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	parsed, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		n, err = strconv.ParseInt(days, 10, 32)
		if n > 100_000 {
			err = strconv.ErrRange
		}
		parsed = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is no length of time: write it like \"30s\", \"15m\", \"12h\" or \"7d\"", s)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes whole days as "7d" and leaves out zero parts.
func (d Duration) String() string {
	const day = 24 * time.Hour
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
