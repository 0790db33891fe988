package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"spoor/cmd/spoor/config"
)

// TestCommandManual holds docs/commands.md against the commands themselves; -update writes it anew.
func TestCommandManual(t *testing.T) {
	var page bytes.Buffer
	page.WriteString("# The commands\n\nOne binary, `spoor`. Every command that prints data takes `--json`: one object a line, with stable names\n" +
		"([json.md](json.md)). Exit codes: 0 done, 1 failed, 2 usage or configuration; filters such as `spoor file` end with 75 when the\n" +
		"mail could not be kept, so that an MTA tries again later. `--config FILE` (or `$SPOOR_CONFIG`) names the configuration.\n")
	root := newRoot(&app{})
	root.InitDefaultHelpCmd()
	describeCommands(&page, root)
	path := filepath.Join(projectRoot(t), "docs", "commands.md")
	if *update {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page.String(), string(have)); diff != "" {
		t.Errorf("docs/commands.md is not what the commands say (go test ./cmd/spoor -run TestCommandManual -update writes it):\n%s", diff)
	}
}

func describeCommands(w *bytes.Buffer, parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if cmd.Runnable() {
			describeCommand(w, cmd)
		}
		describeCommands(w, cmd)
	}
}

func describeCommand(w *bytes.Buffer, cmd *cobra.Command) {
	fmt.Fprintf(w, "\n## %s\n\n`%s`\n\n", cmd.CommandPath(), cmd.UseLine())
	text := cmd.Long
	if text == "" {
		text = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
	}
	fmt.Fprintf(w, "%s\n", strings.TrimSpace(text))
	if flags := cmd.LocalNonPersistentFlags().FlagUsagesWrapped(110); flags != "" {
		fmt.Fprintf(w, "\n```\n%s```\n", flags)
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n```\n%s\n```\n", strings.TrimRight(cmd.Example, "\n"))
	}
}

// TestMetricsManual holds docs/metrics.md against what a daemon with every service on exposes.
func TestMetricsManual(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(projectRoot(t), "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg, err := config.Parse("spoor.toml", fmt.Appendf(nil, "[site]\nnetworks=[\"192.0.2.0/24\"]\n[store]\ndir=%q\n[abusebox]\nsmtp=[\"127.0.0.1:0\"]\nhostname=\"mx.example.net\"\n"+
		"recipients=[\"abuse@example.net\"]\n[maillog]\n[milter]\nlisten=[%q]\n[flowwatch]\nlisten=[\"127.0.0.1:0\"]\nexporters=[\"127.0.0.1\"]\n[registry]\n",
		filepath.Join(dir, "store"), filepath.Join(dir, "milter.sock")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d, err := newDaemon(ctx, cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	names := map[string]bool{}
	for _, name := range metricNames(t, d) {
		names[name] = true
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/metrics.md does not explain %s", name)
		}
	}
	for _, name := range regexp.MustCompile("`(spoor_[a-z0-9_]+)`").FindAllStringSubmatch(string(page), -1) {
		if !names[name[1]] {
			t.Errorf("docs/metrics.md explains %s, which no service exposes", name[1])
		}
	}
}

// metricNames are the metrics of ours that are described to the registry, with or without samples yet.
func metricNames(t *testing.T, d *daemon) (names []string) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		d.metrics.Describe(descs)
		close(descs)
	}()
	for desc := range descs {
		if m := metricName.FindStringSubmatch(desc.String()); m != nil {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatal("no metrics are described")
	}
	return names
}

// metricName finds the name in the text of a description, which has no other way to tell it.
var metricName = regexp.MustCompile(`fqName: "(spoor_[a-z0-9_]+)"`)
