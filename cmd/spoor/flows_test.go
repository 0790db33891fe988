package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/flowwatch"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow/netflowtest"
)

// flowStore makes a history of two hours in which one host turns into a bot, and the configuration that names it.
func flowStore(t *testing.T) (config string) {
	t.Helper()
	dir := t.TempDir()
	store, err := history.Open(filepath.Join(dir, "flows.db"), history.DefaultKeep())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	c := flowwatch.DefaultConfig()
	c.Exporters, c.Networks = []string{"192.0.2.254"}, netflowtest.Ours()
	w, err := flowwatch.New(context.Background(), flowwatch.Deps{Config: c, Store: store, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	x := netflowtest.Exporter{Format: netflowtest.V9, Boot: now.Add(-time.Hour)}
	for i := range 24 {
		now = now.Add(5 * time.Minute)
		for _, b := range x.Encode(spam(now, 2+30*(i/12)), now) {
			if err := w.Receive(b, netip.MustParseAddr("192.0.2.254"), now); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.CloseInterval(context.Background(), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(dir, "spoor.toml")
	if err := os.WriteFile(config, []byte("[store]\ndir = \""+dir+"\"\n[flowwatch]\nmail_servers = [\"203.0.113.25/32\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

// spam are connections of one host to n others, every third of which answers nothing.
func spam(at time.Time, n int) (list []netflowtest.Record) {
	for i := range n {
		r := netflowtest.Record{
			Src: netip.MustParseAddr("192.0.2.7"), Dst: netip.AddrFrom4([4]byte{198, 18, 0, byte(i)}), SrcPort: uint16(2000 + i), DstPort: 25,
			Proto: 6, Flags: 0x1b, Packets: 9, Bytes: 560, In: 1, Out: 2, Start: at.Add(-time.Minute), End: at,
		}
		if i%3 == 2 {
			r.Flags, r.Packets, r.Bytes = 2, 3, 180
		}
		back := r
		back.Src, back.Dst, back.SrcPort, back.DstPort = r.Dst, r.Src, 25, r.SrcPort
		list = append(list, r)
		if i%3 != 2 {
			list = append(list, back)
		}
	}
	return list
}

// TestFlowsFromTheHistory asks every question of a history that no daemon holds.
func TestFlowsFromTheHistory(t *testing.T) {
	config := flowStore(t)
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"top":            {[]string{"top"}, []string{"192.0.2.7        408", "from spans of 1h0m0s and longer, 1 exporter, both directions seen"}},
		"top by peers":   {[]string{"top", "--by", "peers", "--json"}, []string{`{"host":"192.0.2.7","profile":"smtp","from":"2026-09-01T12:00:00Z","to":"2026-09-01T14:00:00Z","interval_s":3600,`, `"out":{"flows":408,`}},
		"top of replies": {[]string{"top", "--direction", "replies", "--csv"}, []string{"192.0.2.7,smtp,2026-09-01T12:00:00Z,2026-09-01T14:00:00Z,3600,408,"}},
		"hist":           {[]string{"hist"}, []string{"201-1000      1  100.00 %    408"}},
		"hist of pairs":  {[]string{"hist", "--by", "pair", "--csv"}, []string{"1-10,pair,408,408,"}},
		"anomalies":      {[]string{"anomalies"}, []string{"192.0.2.7  smtp intensive", "since 2026-09-01 13:05:00 and still", "no mail comes in that it answers"}},
		"anomalies json": {[]string{"anomalies", "--now", "--json"}, []string{`"since":"2026-09-01T13:05:00Z"`, `"reasons":[{"code":"fan-out"`}},
		"anomalies csv":  {[]string{"anomalies", "--csv"}, []string{"host,profile,kind,since,until", "192.0.2.7,smtp,intensive,2026-09-01T13:05:00Z,,"}},
		"show":           {[]string{"show", "192.0.2.7"}, []string{"sent 408 flows to 32 hosts", "2026-09-01 12:00  ███ ", "2026-09-01 13:00  ████████████████████████████████████████ 384 flows", "intensive"}},
		"show json":      {[]string{"show", "192.0.2.7", "--json"}, []string{`{"host":"192.0.2.7","profile":"smtp"`, `"hours":[{"host"`}},
		"show basis":     {[]string{"show", "192.0.2.7", "--json"}, []string{`"coverage":{"exporters":["192.0.2.254"],"silent":[],`}},
		"show nothing":   {[]string{"show", "192.0.2.8"}, []string{"nothing of it was counted"}},
		"evidence":       {[]string{"show", "192.0.2.7", "--evidence"}, []string{"192.0.2.7: 408 SMTP connections to 32 hosts ", "listed from 2026-09-01 13:05 UTC on, after that time began"}},
		"evidence json":  {[]string{"show", "192.0.2.7", "--evidence", "--json"}, []string{`"visibility":"seen"`, `"proven":true`, `"listed":true,"listed_before":false`}},
		"evidence csv": {[]string{"show", "192.0.2.7", "--evidence", "--csv"}, []string{"address,profile,from,to,visibility,flows,peers,",
			"192.0.2.7,smtp,2026-09-01T12:00:00Z,2026-09-01T14:00:00Z,seen,408,32,true,true,false,2026-09-01T13:05:00Z,"}},
		"exporters":      {[]string{"exporters"}, []string{"192.0.2.254  2026-09-01 14:00:00  NetFlow v9  1:1 (assumed)"}},
		"exporters json": {[]string{"exporters", "--json"}, []string{`"exporter":"192.0.2.254"`, `"lost":0`}},
		"servers":        {[]string{"servers"}, []string{"203.0.113.25/32", "configured"}},
		"servers json":   {[]string{"servers", "--json"}, []string{`{"host":"203.0.113.25/32","how":"configured"}`}},
		"exporters csv":  {[]string{"exporters", "--csv"}, []string{"exporter,last_seen", "192.0.2.254,2026-09-01T14:00:00Z,NetFlow v9,"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errw bytes.Buffer
			args := append([]string{"-c", config, "flows"}, ofTheTime(c.args)...)
			if code := run(context.Background(), args, strings.NewReader(""), &out, &errw); code != exitDone {
				t.Fatalf("exit %d: %s", code, errw.String())
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the output lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

// ofTheTime adds the time of flowStore to a question, where it is about a time.
func ofTheTime(args []string) []string {
	if args[0] == "exporters" || args[0] == "servers" {
		return args
	}
	return append(args, "--from", "2026-09-01T12:00:00Z", "--to", "2026-09-01T14:00:00Z")
}

// TestFlowsRefuse checks the exit code of questions that make no sense, and what is said to them.
func TestFlowsRefuse(t *testing.T) {
	config := flowStore(t)
	for want, args := range map[string][]string{
		"tells of now: --last does not apply":            {"exporters", "--last", "5m"},
		"tells of now: --profile does not apply":         {"servers", "--profile", "smtp"},
		"shows the open interval: --from does not apply": {"live", "--from", "2026-09-01"},
		`"pop3" is not among`:                            {"top", "--profile", "pop3"},
		"only single addresses and, of IPv6,":            {"show", "192.0.2.0/24"},
	} {
		var out, errw bytes.Buffer
		code := run(context.Background(), append([]string{"-c", config, "flows"}, args...), strings.NewReader(""), &out, &errw)
		if code != exitUsage || !strings.Contains(errw.String(), want) || out.Len() > 0 {
			t.Errorf("%v: exit %d, %q, output %q; want %d and %q", args, code, errw.String(), out.String(), exitUsage, want)
		}
	}
}

// TestFlowJSONIsDocumented holds every printed name, at any depth, against the section of docs/json.md.
func TestFlowJSONIsDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(manual), "\n## spoor flows\n")
	if !found {
		t.Fatal("docs/json.md has no section spoor flows")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	config := flowStore(t)
	for _, args := range [][]string{{"top"}, {"hist"}, {"anomalies"}, {"show", "192.0.2.7"}, {"show", "192.0.2.7", "--evidence"}, {"exporters"}, {"servers"}} {
		var out, errw bytes.Buffer
		args = append([]string{"-c", config, "flows", "--json"}, ofTheTime(args)...)
		if code := run(context.Background(), args, strings.NewReader(""), &out, &errw); code != exitDone || out.Len() == 0 {
			t.Fatalf("%v: exit %d: %s", args, code, errw.String())
		}
		decoder := json.NewDecoder(&out)
		for decoder.More() {
			var v any
			if err := decoder.Decode(&v); err != nil {
				t.Fatal(err)
			}
			for _, name := range namesIn(v) {
				if !strings.Contains(section, `"`+name+`"`) && !strings.Contains(section, "`"+name+"`") {
					t.Errorf("%v prints %q, which docs/json.md does not tell", args, name)
				}
			}
		}
	}
}

// namesIn lists the names of all objects in a JSON value.
func namesIn(v any) (names []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			names = append(append(names, name), namesIn(inner)...)
		}
	case []any:
		for _, inner := range v {
			names = append(names, namesIn(inner)...)
		}
	}
	return names
}
