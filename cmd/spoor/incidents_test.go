package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/control"
)

// seeded writes a configuration and a store with three incidents: one notified, one held, one of the same address.
func seeded(t *testing.T) (configPath string) {
	t.Helper()
	dir := t.TempDir()
	configPath = filepath.Join(dir, "spoor.toml")
	text := fmt.Sprintf("[site]\nname = \"Example Network\"\ndesk = \"desk@example.net\"\n[store]\ndir = %q\n[notify]\nfrom = \"abuse@example.net\"\n", filepath.Join(dir, "store"))
	if err := os.WriteFile(configPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "store"), 0o750); err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(filepath.Join(dir, "store", "mail.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	policy := incident.DefaultPolicy()
	for n, c := range []struct {
		ip, typ string
		certain bool
	}{{"192.0.2.25", "spam", true}, {"192.0.2.77", "spam", false}, {"192.0.2.25", "bulk-messaging", true}} {
		one := incident.Case{Ours: true, Why: "a port is needed", Holders: []incident.Holder{{ID: "4711", Name: "Example School", Certain: c.certain,
			Chain: []string{"192.0.2.0/24 is routed to 4711"}, Contact: incident.Contact{Addresses: []string{"noc@school.example"}}}},
			Evidence: incident.Evidence{Kind: incident.FromReport, Addr: netip.MustParseAddr(c.ip), From: at, Received: at, ZoneKnown: true,
				Category: "messaging", Type: c.typ, Step: "structure", Level: incident.High, Lines: []string{"Source-IP: " + c.ip, "\x1b[31mred"},
				Reporter: incident.Reporter{Address: "fbl@reporter.example", Domain: "reporter.example", Authenticated: "dkim"}}}
		ask := abusebox.Ask{Mail: intake.ID(n + 1), Keys: []incident.Key{incident.KeyOf(one, 128)}, Record: abusebox.MailRecord{Decided: at}}
		_, err := store.Decide(context.Background(), ask, func(k incident.Known) (incident.Decision, error) {
			return policy.Decide(k, []incident.Case{one}, at), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return configPath
}

// spoor runs the command in this process.
func spoor(t *testing.T, configPath string, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), append([]string{"--config", configPath}, args...), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

func TestIncidentCommands(t *testing.T) {
	cfg := seeded(t)
	for _, tc := range []struct {
		args string
		code int
		out  []string
		errs string
	}{
		{"incidents list", 0, []string{"CASE", "S-1 ", "192.0.2.25", "authenticated", "held", "queued"}, ""},
		{"incidents list --state held", 0, []string{"S-2 "}, ""},
		{"incidents list --net 192.0.2.77", 0, []string{"S-2 "}, ""},
		{"incidents list --net 198.51.100.0/24", 0, []string{"no incidents"}, ""},
		{"incidents list --state asleep", 2, nil, "is no state"},
		{"incidents list --net x", 2, nil, "is no net"},
		{"incidents list --since yesterday", 2, nil, "is no time"},
		{"incidents show S-2", 0, []string{"S-2  HELD  192.0.2.77", "a port is needed", "because 192.0.2.0/24 is routed to 4711", "| Source-IP: 192.0.2.77", "·[31mred", "history"}, ""},
		{"incidents show S-99", 1, nil, "not found"},
		{"incidents show rubbish", 2, nil, "is no incident"},
		{"incidents release S-2 --who ann --why port-known", 0, []string{"S-2 is notified"}, ""},
		{"incidents release S-2 --who ann", 1, nil, "only what is held"},
		{"incidents comment S-2 --who ann --why called-them", 0, []string{"S-2 is notified"}, ""},
		{"incidents comment S-2 --who ann", 1, nil, "the comment"},
		{"incidents assign S-2 --who ann --to bob", 0, []string{"S-2 is"}, ""},
		{"incidents merge S-1 S-3 --who ann", 2, nil, "needs --why"},
		{"incidents merge S-1 S-2 --who ann --why x", 1, nil, "different addresses"},
		{"incidents merge S-1 S-3 --who ann --why same", 0, []string{"S-1 is notified"}, ""},
		{"incidents close S-1 --who ann --why done", 1, nil, "verdict"},
		{"incidents close S-1 --who ann --verdict confirmed", 0, []string{"S-1 is resolved"}, ""},
		{"incidents reopen S-1 --who ann --why again", 0, []string{"S-1 is held"}, ""},
		{"incidents ignore S-1 --who ann --why ours", 0, []string{"S-1 is ignored"}, ""},
		{"incidents show S-1", 0, []string{"S-1  IGNORED", "ann merge", "ann close"}, ""},
		{"incidents close", 2, nil, "needs a case"},
		{"incidents verify", 0, []string{"entries, 0 of them erased, head "}, ""},
		{"notice preview S-2", 0, []string{"To: noc@school.example", "[S-2]", "192.0.2.77", "reported"}, ""},
		{"notice preview S-2 --raw", 0, []string{"X-Spoor-Instance:", "Auto-Submitted: auto-generated"}, ""},
		{"incidents draft S-2", 2, nil, "--to"},
		{"incidents draft S-2 --send", 2, nil, "--to with --send"},
		{"incidents draft S-2 --to abuse@isp.example", 0, []string{"To: <abuse@isp.example>", "in your network", "Auto-Submitted: auto-generated"}, ""},
		{"incidents draft S-2 --to abuse@isp.example --send --who ann", 0, []string{"queued for abuse@isp.example"}, ""},
		{"export", 2, nil, "--holder or --person"},
		{"export --person fbl@reporter.example", 0, []string{`"kind":"incident"`, `"kind":"evidence"`}, ""},
		{"export --person nobody@example.org", 0, nil, ""},
		{"export --holder 4711", 0, []string{`"kind":"history"`, `"kind":"task"`}, ""},
		{"notice list", 0, []string{"NUMBER", "notice", "queued", "noc@school.example"}, ""},
		{"notice list --case S-2", 0, []string{"S-2"}, ""},
		{"notice show 1", 1, nil, "not written yet"},
		{"notice show 1x", 2, nil, "is no number of a notice"},
		{"purge --dry-run", 0, []string{"would erase 0 pieces"}, ""},
		{"purge --before yesterday", 2, nil, "is no time"},
		{"purge --person fbl@reporter.example --dry-run", 0, []string{"would erase 3 pieces"}, ""},
		{"purge --person fbl@reporter.example", 0, []string{"erased 3 pieces", "no raw mail in the spool names them"}, ""},
		{"purge --holder 4711", 0, []string{"erased"}, ""},
		{"incidents list", 0, []string{"no incidents"}, ""},
	} {
		out, errs, code := spoor(t, cfg, strings.Fields(tc.args)...)
		if code != tc.code {
			t.Errorf("spoor %s: exit %d, want %d\n%s%s", tc.args, code, tc.code, out, errs)
		}
		for _, want := range tc.out {
			if !strings.Contains(out, want) {
				t.Errorf("spoor %s: does not print %q:\n%s", tc.args, want, out)
			}
		}
		if !strings.Contains(errs, tc.errs) {
			t.Errorf("spoor %s: error does not say %q:\n%s", tc.args, tc.errs, errs)
		}
	}
}

// TestIncidentJSONIsDocumented holds the printed names against docs/json.md.
func TestIncidentJSONIsDocumented(t *testing.T) {
	cfg := seeded(t)
	manual, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"incidents", "list", "--json"}, {"incidents", "show", "S-1", "--json"}, {"notice", "list", "--json"}, {"notice", "preview", "S-1", "--json"}, {"incidents", "verify", "--json"}} {
		out, errs, code := spoor(t, cfg, args...)
		if code != 0 {
			t.Fatalf("%v: %s", args, errs)
		}
		for line := range strings.Lines(out) {
			var object map[string]json.RawMessage
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Fatalf("%v prints %q: %v", args, line, err)
			}
			for name := range object {
				if !bytes.Contains(manual, []byte(`"`+name+`"`)) && !bytes.Contains(manual, []byte("`"+name+"`")) {
					t.Errorf("%v prints %q, which docs/json.md does not tell", args, name)
				}
			}
		}
	}
	var _ control.IncidentLine
}
