package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/history"
)

// A flowsCmd is one run of spoor flows: what every question about flows has.
type flowsCmd struct {
	app     *app
	profile string
	from    string
	to      string
	last    string
	csv     bool
}

func newFlowsCmd(a *app) *cobra.Command {
	f := &flowsCmd{app: a}
	cmd := &cobra.Command{
		Use:   "flows",
		Short: "what the flow exports say",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q\nhint: see spoor flows --help", args[0])
			}
			return cmd.Help()
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.profile, "profile", "smtp", "which `profile` of traffic")
	flags.StringVar(&f.from, "from", "", "beginning of the time, such as 2026-10-01T08:00:00Z")
	flags.StringVar(&f.to, "to", "", "end of the time (default now)")
	flags.StringVar(&f.last, "last", "24h", "the time before its end, where --from is not given")
	flags.BoolVar(&f.csv, "csv", false, "print comma-separated values with a heading")
	cmd.AddCommand(newFlowsTopCmd(f), newFlowsHistCmd(f), newFlowsAnomaliesCmd(f), newFlowsShowCmd(f),
		newFlowsLiveCmd(f), newFlowsReadCmd(f), newFlowsExportersCmd(f), newFlowsServersCmd(f))
	return cmd
}

// ask calls use with a client of the daemon, or of the history opened here where no daemon runs.
func (f *flowsCmd) ask(ctx context.Context, use func(c *control.Client) error) error {
	if f.csv && f.app.json {
		return usageError("--csv and --json exclude each other")
	}
	client, done, err := f.app.connect(ctx, openFlowArchive)
	if err != nil {
		return err
	}
	defer done()
	err = use(client)
	if refused := new(control.Error); errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		return usageError("%w", err)
	}
	return err
}

// without refuses flags that every question about flows takes and this one would not heed.
func without(cmd *cobra.Command, why string, flags ...string) error {
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return usageError("%s %s: --%s does not apply", cmd.CommandPath(), why, name)
		}
	}
	return nil
}

// openFlowArchive opens the history for questions alone.
func openFlowArchive(_ context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	path := filepath.Join(cfg.Store.Dir, "flows.db")
	var store *history.Store
	if _, err := os.Stat(path); err == nil {
		if store, err = history.OpenReadOnly(path); err != nil {
			return nil, err
		}
	}
	control.Flows(mux, flowwatch.NewArchive(store, cfg.Flowwatch, time.Now))
	return func() {
		if store != nil {
			_ = store.Close() // it was only read
		}
	}, nil
}

// query is the scope as the control socket reads it.
func (f *flowsCmd) query() (url.Values, error) {
	q := url.Values{"profile": {f.profile}}
	to, err := parseMoment(f.to)
	if err != nil {
		return nil, usageError("--to %w", err)
	}
	from, err := parseMoment(f.from)
	if err != nil {
		return nil, usageError("--from %w", err)
	}
	if from == "" {
		last, err := parseLast(f.last)
		if err != nil {
			return nil, err
		}
		end := time.Now().UTC()
		if to != "" {
			end, _ = time.Parse(time.RFC3339, to) // parseMoment wrote it
		}
		from = end.Add(-last).Format(time.RFC3339)
	}
	if to != "" && from >= to { // both are RFC 3339 in UTC
		return nil, usageError("--from %s is not before --to %s", from, to)
	}
	if to != "" {
		q.Set("to", to)
	}
	q.Set("from", from)
	return q, nil
}

func parseLast(s string) (time.Duration, error) {
	var days int
	if n, err := fmt.Sscanf(s, "%dd", &days); n == 1 && err == nil && days > 0 && fmt.Sprintf("%dd", days) == s {
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, usageError("--last %q is no length of time\nhint: write it like 90m, 24h or 7d", s)
	}
	return d, nil
}

// get asks for one object.
func get[T any](ctx context.Context, c *control.Client, path string, q url.Values) (v T, err error) {
	err = c.Get(ctx, path, q, func(line json.RawMessage) error { return json.Unmarshal(line, &v) })
	return v, err
}

// getAll asks for a list of objects.
func getAll[T any](ctx context.Context, c *control.Client, path string, q url.Values) (list []T, err error) {
	err = c.Get(ctx, path, q, func(line json.RawMessage) error {
		var v T
		err := json.Unmarshal(line, &v)
		list = append(list, v)
		return err
	})
	return list, err
}

// values prints a heading and rows as CSV.
func (f *flowsCmd) values(heading []string, rows [][]string) error {
	w := csv.NewWriter(f.app.out)
	_ = w.Write(heading) // Flush's error is that of all writes
	for _, r := range rows {
		_ = w.Write(r)
	}
	w.Flush()
	return w.Error()
}

// each prints a list as JSON, one object a line.
func each[T any](a *app, list []T) error {
	for _, v := range list {
		if err := a.emit(v); err != nil {
			return err
		}
	}
	return nil
}

// basis says on what an answer rests: its time, interval and coverage.
func basis(b history.Basis) string {
	if b.Spans == 0 {
		return "nothing is stored of that time"
	}
	c := b.Coverage
	parts := []string{fmt.Sprintf("%s to %s UTC", b.From.Format("2006-01-02 15:04"), b.To.Format("2006-01-02 15:04"))}
	if b.Length() > 0 {
		parts = append(parts, fmt.Sprintf("from spans of %v and longer", max(b.Length().Round(time.Second), time.Second)))
	}
	if n := len(c.Exporters); n > 0 {
		parts = append(parts, plural(n, "exporter"))
	}
	switch {
	case c.Out+c.Replies == 0:
	case c.BothWays():
		parts = append(parts, "both directions seen")
	default:
		parts = append(parts, "one direction seen")
	}
	if c.Sampling > 1 {
		parts = append(parts, fmt.Sprintf("one packet in %d sampled", c.Sampling))
	}
	if n := c.Lost + c.Dropped; n > 0 {
		parts = append(parts, fmt.Sprintf("%d exports lost", n))
	}
	if c.Overflow.Flows > 0 {
		parts = append(parts, fmt.Sprintf("%d flows of about %d hosts past the limit", c.Overflow.Flows, c.Overflow.Hosts))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
