package milter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func problems(c Config) (keys []string) {
	c.Validate(func(key, problem, write string) {
		if problem == "" || write == "" {
			keys = append(keys, key+" (says nothing)")
			return
		}
		keys = append(keys, key)
	})
	return keys
}

func TestDefaultIsValidAndHarmless(t *testing.T) {
	cfg := DefaultConfig()
	if got := problems(cfg); got != nil {
		t.Errorf("problems: %v", got)
	}
	if !cfg.DryRun || len(cfg.Rules) > 0 {
		t.Error("the default does more than add header fields")
	}
}

func TestValidateReportsEverything(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen = []string{"127.0.0.1", "/run/../run/x", "[::1]:8891", "host:25"}
	cfg.SocketMode = "0999"
	cfg.AuthservID = "not valid;"
	cfg.Deadline, cfg.MaxConnections, cfg.BodyLimit = 0, 0, 2<<20
	cfg.Rules = []RuleConfig{
		{Name: "a", Action: "drop"},
		{Name: "a", Action: ActionRateLimit},
		{Action: ActionHeader, Header: "X-Spoor-Origin: mine"},
		{Name: "b", Action: ActionReject, Header: "X: y", Text: "two\nlines", Direction: []Direction{"up"}, Is: []string{"!bad", "listed"},
			Strength: "huge", Recipients: -1, Body: []string{""}, Count: "bytes", Per: "week"},
	}
	want := []string{
		"listen[0]", "listen[1]", "listen[3]", "socket_mode", "authserv_id", "deadline", "max_connections", "body_limit",
		"rule[0].action", "rule[1].name", "rule[1].count", "rule[2].name", "rule[2].header",
		"rule[3].text", "rule[3].header", "rule[3].direction[0]", "rule[3].is[0]", "rule[3].strength", "rule[3].recipients",
		"rule[3].body[0]", "rule[3].count", "rule[3].per", "rule[3].over",
	}
	if diff := cmp.Diff(want, problems(cfg)); diff != "" {
		t.Error(diff)
	}
	cfg = DefaultConfig()
	cfg.Listen = nil
	cfg.Deadline = 60_000_000_000
	if got := strings.Join(problems(cfg), " "); got != "listen deadline" {
		t.Errorf("problems: %s", got)
	}
}
