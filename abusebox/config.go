package abusebox

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
	"spoor/internal/unit"
)

// A Config is the section [desk] of spoor.toml: how the Desk works.
type Config struct {
	Workers      int           `toml:"workers"`       // mails processed at the same time; most of them wait for the disk together
	MaxInflight  unit.Size     `toml:"max_inflight"`  // bytes of mail in memory
	Attempts     int           `toml:"attempts"`      // after so many failures a mail goes to a person
	ReviewEvery  unit.Duration `toml:"review_every"`  // how often digests, deadlines and quiet are looked at
	ListingEvery unit.Duration `toml:"listing_every"` // how often our own lists are read for proactive notices
	Proactive    bool          `toml:"proactive"`     // tell contacts before anybody complains
	Education    bool          `toml:"education"`     // once a month tell contacts what was reported, without names, and what stops it
	KeepEvidence unit.Duration `toml:"keep_evidence"` // evidence and composed mails
	KeepPersonal unit.Duration `toml:"keep_personal"` // who complained
	KeepClosed   unit.Duration `toml:"keep_closed"`   // closed incidents
	KeepHistory  unit.Duration `toml:"keep_history"`  // what the history says; its chain stays
}

// DefaultConfig suits a machine with two cores.
func DefaultConfig() Config {
	day := unit.Duration(24 * time.Hour)
	return Config{Workers: 64, MaxInflight: 64 << 20, Attempts: 3, ReviewEvery: unit.Duration(time.Minute), ListingEvery: unit.Duration(5 * time.Minute),
		KeepEvidence: 90 * day, KeepPersonal: 90 * day, KeepClosed: 730 * day, KeepHistory: 730 * day}
}

// Purge is what the configured ages no longer allow.
func (c Config) Purge(now time.Time, dryRun bool) Purge {
	return Purge{Evidence: now.Add(-c.KeepEvidence.Std()), Personal: now.Add(-c.KeepPersonal.Std()), Closed: now.Add(-c.KeepClosed.Std()),
		History: now.Add(-c.KeepHistory.Std()), Counters: now.Add(-keepCounters), DryRun: dryRun}
}

// Validate reports every mistake.
func (c Config) Validate(bad func(key, problem, write string)) {
	if c.Workers < 1 || c.Workers > 256 {
		bad("workers", fmt.Sprintf("%d is not between 1 and 256", c.Workers), "workers = 64")
	}
	if c.MaxInflight < 1<<20 {
		bad("max_inflight", c.MaxInflight.String()+" is less than one mail may have", `max_inflight = "64MB"`)
	}
	if c.Attempts < 1 || c.Attempts > 100 {
		bad("attempts", fmt.Sprintf("%d is not between 1 and 100", c.Attempts), "attempts = 3")
	}
	for _, d := range []struct {
		key   string
		value unit.Duration
		least time.Duration
	}{
		{"review_every", c.ReviewEvery, time.Second}, {"listing_every", c.ListingEvery, time.Second}, {"keep_evidence", c.KeepEvidence, 24 * time.Hour},
		{"keep_personal", c.KeepPersonal, 24 * time.Hour}, {"keep_closed", c.KeepClosed, 8 * 24 * time.Hour}, {"keep_history", c.KeepHistory, 24 * time.Hour},
	} {
		if d.value.Std() < d.least {
			bad(d.key, d.value.String()+" is shorter than "+unit.Duration(d.least).String(), d.key+` = "90d"`)
		}
	}
}

// An IncidentConfig is the section [incident] of spoor.toml: how the Desk decides.
type IncidentConfig struct {
	Window      unit.Duration     `toml:"window"`       // after its last event an incident takes in new ones for so long
	V6Prefix    int               `toml:"v6_prefix"`    // IPv6 addresses of one prefix of this length are one incident
	Auto        []incident.Ground `toml:"auto"`         // grounds on which a notice goes out by itself
	OldEvents   unit.Duration     `toml:"old_events"`   // reports of older events wait for a person
	MaxReports  int               `toml:"max_reports"`  // reports of one mail that are filed
	MaxNotices  int               `toml:"max_notices"`  // notices of one mail; more cases of one contact share a mail
	PerReporter int               `toml:"per_reporter"` // notices that one authenticated reporter may cause in a day
	PerUnproven int               `toml:"per_unproven"` // notices that all others together may cause in a day
	Deadline    unit.Duration     `toml:"deadline"`     // by when a notice asks for an answer
	DigestEvery unit.Duration     `toml:"digest_every"` // how often later reports are told
	QuietAfter  unit.Duration     `toml:"quiet_after"`  // without events for so long an incident closes by itself
	Escalations int               `toml:"escalations"`  // steps after the first notice: 1 is a reminder, 2 also those above
	Rules       []incident.Rule   `toml:"rule"`
}

// DefaultIncidentConfig says what incident.DefaultPolicy says.
func DefaultIncidentConfig() IncidentConfig {
	p := incident.DefaultPolicy()
	return IncidentConfig{Window: unit.Duration(p.Window), V6Prefix: p.V6Bits, Auto: p.Floor, OldEvents: unit.Duration(p.OldEvents),
		MaxReports: p.MaxReports, MaxNotices: p.MaxNotices, PerReporter: p.PerReporter, PerUnproven: p.PerUnproven,
		Deadline: unit.Duration(p.Deadline), DigestEvery: unit.Duration(p.DigestEvery), QuietAfter: unit.Duration(p.QuietAfter), Escalations: p.Escalations}
}

// Policy is what the configuration comes to. digest, acknowledge and expire come from the section [notify].
func (c IncidentConfig) Policy(digest, acknowledge bool, expire time.Duration) incident.Policy {
	return incident.Policy{Window: c.Window.Std(), V6Bits: c.V6Prefix, Floor: c.Auto, OldEvents: c.OldEvents.Std(), MaxReports: c.MaxReports,
		MaxNotices: c.MaxNotices, PerReporter: c.PerReporter, PerUnproven: c.PerUnproven, Deadline: c.Deadline.Std(),
		DigestEvery: c.DigestEvery.Std(), QuietAfter: c.QuietAfter.Std(), Escalations: c.Escalations, Acknowledge: acknowledge,
		Expires: expire, Digest: digest, Rules: c.Rules}
}

// Validate reports every mistake.
func (c IncidentConfig) Validate(bad func(key, problem, write string)) {
	if c.V6Prefix < 32 || c.V6Prefix > 128 {
		bad("v6_prefix", fmt.Sprintf("%d is not between 32 and 128", c.V6Prefix), "v6_prefix = 64")
	}
	for n, g := range c.Auto {
		if !slices.Contains(incident.Grounds(), g) {
			bad(fmt.Sprintf("auto[%d]", n), fmt.Sprintf("%q is no ground", g), `"authenticated", "structured" or "evidence"`)
		}
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"max_reports", c.MaxReports}, {"max_notices", c.MaxNotices}, {"per_reporter", c.PerReporter}, {"per_unproven", c.PerUnproven}} {
		if n.value < 1 {
			bad(n.key, "it must be at least 1", n.key+" = 5")
		}
	}
	if c.Escalations < 0 || c.Escalations > 2 {
		bad("escalations", fmt.Sprintf("%d is not 0, 1 or 2", c.Escalations), "escalations = 2")
	}
	for _, d := range []struct {
		key   string
		value unit.Duration
	}{{"window", c.Window}, {"old_events", c.OldEvents}, {"deadline", c.Deadline}, {"digest_every", c.DigestEvery}, {"quiet_after", c.QuietAfter}} {
		if d.value.Std() < time.Minute {
			bad(d.key, d.value.String()+" is too short", d.key+` = "24h"`)
		}
	}
	for n, r := range c.Rules {
		validateRule(fmt.Sprintf("rule[%d]", n), r, bad)
	}
}

func validateRule(at string, r incident.Rule, bad func(key, problem, write string)) {
	if r.Name == "" {
		bad(at+".name", "a rule needs a name, which the history shows", `name = "hold-copyright"`)
	}
	if !slices.Contains(incident.Actions(), r.Do) {
		bad(at+".do", fmt.Sprintf("%q is no action", r.Do), `"notify", "hold", "escalate", "block", "hook" or "ignore"`)
	}
	if r.Do == incident.DoHook && !strings.HasPrefix(r.Hook, "/") {
		bad(at+".hook", "a hook needs the absolute path of its program", `hook = "/usr/local/bin/on-incident"`)
	}
	if _, _, ok := incident.ParseHours(r.Hours); r.Hours != "" && !ok {
		bad(at+".hours", fmt.Sprintf("%q is no span of hours", r.Hours), `hours = "08:00-18:00"`)
	}
	if r.Confidence != "" && !slices.Contains([]incident.Level{incident.Low, incident.Medium, incident.High}, r.Confidence) {
		bad(at+".confidence", fmt.Sprintf("%q is no confidence", r.Confidence), `"low", "medium" or "high"`)
	}
	for _, patterns := range [][]string{r.Types, r.Holders, r.Formats, r.Reporters} {
		for _, p := range patterns {
			if _, err := path.Match(p, ""); err != nil {
				bad(at, fmt.Sprintf("the pattern %q is broken", p), `letters with * for any others`)
			}
		}
	}
}
