package stats

import (
	"time"

	"spoor/internal/unit"
)

// A Config is the section [stats].
type Config struct {
	KeepDays  unit.Duration `toml:"keep_days"`
	MaxFalse  float64       `toml:"max_false"`
	MinJudged int           `toml:"min_judged"`
	Window    unit.Duration `toml:"window"`
}

const day = 24 * time.Hour

// DefaultConfig keeps days for 400 days and holds what is more than 5 % false.
func DefaultConfig() Config {
	return Config{KeepDays: unit.Duration(400 * day), MaxFalse: 0.05, MinJudged: 5, Window: unit.Duration(90 * day)}
}

// Breaker is the breaker that the configuration asks for.
func (c Config) Breaker() Breaker { return Breaker{c.MaxFalse, int64(c.MinJudged)} }

// Validate tells bad of everything that is wrong.
func (c Config) Validate(bad func(key, problem, write string)) {
	if c.KeepDays.Std() < 31*day {
		bad("keep_days", "tables of days are kept for at least 31 days", `"400d"`)
	}
	if c.MaxFalse <= 0 || c.MaxFalse > 1 {
		bad("max_false", "the limit of false notices is a part of all, above 0 and at most 1", "0.05")
	}
	if c.MinJudged < 1 {
		bad("min_judged", "a breaker needs at least one judgement", "5")
	}
	if c.Window.Std() < day || c.Window.Std() > 400*day {
		bad("window", "the breaker looks back between 1d and 400d", `"90d"`)
	}
}
