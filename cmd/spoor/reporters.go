package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox/report"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

func newReportersCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reporters",
		Short: "who complains, and whether its reports were borne out",
		Long: `Reporters lists those who complain and are proven to be who they say: the form of
their mails, how many were understood and how many not, how many of their reports
our own flows, logs and milter bore out, and how many they would have seen and did
not. Who seems to have changed its form stands first. Nothing is decided by it.`,
		Example: `  spoor reporters
  spoor reporters --json | jq 'select(.drifted)'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.reporters(cmd.Context()) },
	}
}

func (a *app) reporters(ctx context.Context) error {
	client, done, err := a.connect(ctx, openReporterList)
	if err != nil {
		return err
	}
	defer done()
	return client.Get(ctx, "/reporters", nil, func(line json.RawMessage) error {
		var all []control.Reporter
		if err := json.Unmarshal(line, &all); err != nil {
			return err
		}
		return a.printReporters(all)
	})
}

func (a *app) printReporters(all []control.Reporter) error {
	if a.json {
		for _, r := range all {
			if err := a.emit(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		fmt.Fprintln(a.out, "no reporter that is proven to be who it says has written yet")
		return nil
	}
	t := a.table("reporter", "form", "understood", "not", "borne out", "not seen", "last", "")
	for _, r := range all {
		note := ""
		if r.Drifted {
			note = fmt.Sprintf("changed its form? the last %d gave no report", r.Row)
		}
		t.AppendRow([]any{clean(r.Domain), r.Format, r.Understood, r.Unread, r.Corroborated, r.Unconfirmed, lastDay(r.Last), note})
	}
	t.Render()
	return nil
}

func lastDay(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// openReporterList reads what the daemon last saved.
func openReporterList(_ context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	states, err := readReporters(reportersFile(cfg))
	if err != nil {
		return nil, err
	}
	control.Reporters(mux, func() map[string]report.DriftState { return states })
	return func() {}, nil
}
