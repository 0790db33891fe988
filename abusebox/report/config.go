package report

import (
	"fmt"
	"strings"
	"time"
)

// A Config is the section [report] of spoor.toml.
type Config struct {
	// Formats is the folder of the operator's own formats, relative to spoor.toml.
	Formats string `toml:"formats"`
	// TimeZones are habits of reporters: "reporter.example=Europe/Berlin".
	TimeZones []string `toml:"time_zones"`
	// Authenticate looks up DKIM keys and SPF records in the DNS.
	Authenticate bool `toml:"authenticate"`
	// AuthservIDs are the names under which our own hosts write
	// Authentication-Results; they must strip foreign ones under these names.
	AuthservIDs []string `toml:"authserv_ids"`
	// ResolveSites looks up host names of reported sites that come without an address.
	ResolveSites bool `toml:"resolve_sites"`
	// DriftAfter is how many mails without a report, from a reporter that used to
	// give some, raise the alarm.
	DriftAfter int `toml:"drift_after"`
	// MaxUnpacked bounds, in bytes, what one mail's archives unpack to.
	MaxUnpacked int64 `toml:"max_unpacked"`
}

// DefaultConfig authenticates reporters, and resolves nothing they name.
func DefaultConfig() Config {
	return Config{
		Formats:      "formats.d",
		Authenticate: true,
		DriftAfter:   3,
		MaxUnpacked:  DefaultLimits().MaxUnpacked,
	}
}

// Validate reports every mistake: the key, what is wrong, and what to write.
func (c Config) Validate(bad func(key, problem, write string)) {
	if strings.TrimSpace(c.Formats) == "" {
		bad("formats", "the folder has no name", `a folder, such as "formats.d"`)
	}
	for i, z := range c.TimeZones {
		if _, _, err := splitHabit(z); err != nil {
			bad(fmt.Sprintf("time_zones[%d]", i), err.Error(), `a domain and a zone, such as "reporter.example=Europe/Berlin"`)
		}
	}
	for i, id := range c.AuthservIDs {
		if id == "" || strings.ContainsAny(id, " \t;") {
			bad(fmt.Sprintf("authserv_ids[%d]", i), fmt.Sprintf("%q is no authserv-id", id), `a name as it stands first in Authentication-Results, such as "mx.example.net"`)
		}
	}
	if c.DriftAfter < 1 || c.DriftAfter > 1000 {
		bad("drift_after", fmt.Sprintf("%d is out of range", c.DriftAfter), "a number from 1 to 1000")
	}
	if c.MaxUnpacked < 1<<20 || c.MaxUnpacked > 1<<34 {
		bad("max_unpacked", fmt.Sprintf("%d is out of range", c.MaxUnpacked), "a number of bytes from 1048576 to 17179869184")
	}
}

// Habits returns the time zones by domain; what Validate refuses is left out.
func (c Config) Habits() map[string]*time.Location {
	out := map[string]*time.Location{}
	for _, z := range c.TimeZones {
		if domain, loc, err := splitHabit(z); err == nil {
			out[domain] = loc
		}
	}
	return out
}

func splitHabit(s string) (domain string, loc *time.Location, err error) {
	domain, name, ok := strings.Cut(s, "=")
	domain = strings.ToLower(strings.TrimSpace(domain))
	if !ok || domain == "" {
		return "", nil, fmt.Errorf("%q names no domain and zone", s)
	}
	loc, err = time.LoadLocation(strings.TrimSpace(name))
	if err != nil || strings.TrimSpace(name) == "" {
		return "", nil, fmt.Errorf("%q is no zone of the tz database", name)
	}
	return domain, loc, nil
}
