package maillog

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"spoor/internal/unit"
)

// A Config is the section [maillog]: which logs the daemon follows for the desk.
type Config struct {
	Paths   []string      `toml:"paths"`
	Zone    string        `toml:"zone"`
	Poll    unit.Duration `toml:"poll"`
	Keep    unit.Duration `toml:"keep"`
	Entries int           `toml:"entries"`
}

// DefaultConfig follows nothing.
func DefaultConfig() Config {
	return Config{Poll: unit.Duration(2 * time.Second), Keep: unit.Duration(7 * 24 * time.Hour), Entries: 100_000}
}

// Validate tells bad of everything that is wrong.
func (c Config) Validate(bad func(key, problem, write string)) {
	for i, path := range c.Paths {
		if !filepath.IsAbs(path) {
			bad(fmt.Sprintf("paths[%d]", i), strconv.Quote(path)+" is no absolute path", `a path from the root, such as "/var/log/mail.log"`)
		}
	}
	if c.Zone != "" {
		if _, err := ParseZone(c.Zone); err != nil {
			bad("zone", strconv.Quote(c.Zone)+" is no time zone", `"Asia/Taipei", "UTC", "local" or "+0800"; or leave it out`)
		}
	}
	if c.Poll.Std() < 100*time.Millisecond || c.Poll.Std() > time.Minute {
		bad("poll", "logs are looked at between every 100ms and every 1m", `"2s"`)
	}
	if c.Keep.Std() < time.Hour || c.Keep.Std() > 90*24*time.Hour {
		bad("keep", "what logs say is kept between 1h and 90d", `"7d"`)
	}
	if c.Entries < 1000 || c.Entries > 10_000_000 {
		bad("entries", "the index holds between 1000 and 10000000 entries", "100000")
	}
}
