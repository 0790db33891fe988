package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch/netflow"
)

func newFlowsExportersCmd(f *flowsCmd) *cobra.Command {
	return &cobra.Command{
		Use:   "exporters",
		Short: "the health of each exporter: what came, what is missing, which sampling is in force",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(noArgs(cmd, args), without(cmd, "tells of now", "from", "to", "last", "profile")); err != nil {
				return err
			}
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.exporters(cmd.Context(), c) })
		},
	}
}

func (f *flowsCmd) exporters(ctx context.Context, c *control.Client) error {
	list, err := getAll[netflow.Exporter](ctx, c, "/flows/exporters", nil)
	if err != nil {
		return err
	}
	switch {
	case f.app.json:
		return each(f.app, list)
	case f.csv:
		var rows [][]string
		for _, e := range list {
			rows = append(rows, []string{e.Addr.String(), e.LastSeen.UTC().Format(time.RFC3339), strings.Join(e.Versions, " "), sampling(e),
				fmt.Sprint(e.Datagrams), fmt.Sprint(e.Flows), fmt.Sprint(e.Lost), fmt.Sprint(e.Malformed), fmt.Sprint(e.NoTemplate)})
		}
		return f.values([]string{"exporter", "last_seen", "versions", "sampling", "datagrams", "flows", "lost", "malformed", "no_template"}, rows)
	case len(list) == 0:
		_, err := fmt.Fprintln(f.app.out, "no exporter was heard")
		return err
	}
	t := f.app.table("exporter", "last seen", "versions", "sampling", "datagrams", "flows", "lost", "wrong")
	for _, e := range list {
		t.AppendRow([]any{e.Addr, stamp(e.LastSeen), strings.Join(e.Versions, ", "), sampling(e), e.Datagrams, e.Flows, e.Lost, faults(e)})
	}
	t.Render()
	return f.strangers(ctx, c)
}

// sampling says the rates in force and who told them.
func sampling(e netflow.Exporter) string {
	var list []string
	for _, s := range e.Sampling {
		list = append(list, fmt.Sprintf("1:%d (%s)", s.Rate, s.Source))
	}
	return strings.Join(list, ", ")
}

// faults names what is not 0 of what ought to be.
func faults(e netflow.Exporter) string {
	var list []string
	add := func(n uint64, text string) {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, text))
		}
	}
	add(e.Malformed, "malformed")
	add(e.UnknownVersion, "of unknown version")
	add(e.NoTemplate, "before their template")
	add(e.BadTemplates+e.TemplatesFull, "templates refused")
	add(e.Restarts, "restarts")
	add(e.Reordered, "late")
	add(e.BadTimes, "impossible times")
	if e.ClockSkewSeconds != 0 {
		list = append(list, "clock off by "+skew(time.Duration(e.ClockSkewSeconds*float64(time.Second))))
	}
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}

// skew writes how far off a clock is, in days where these are many.
func skew(d time.Duration) string {
	const day = 24 * time.Hour
	if d.Abs() >= 2*day {
		return fmt.Sprintf("%d days", d.Round(day)/day)
	}
	return d.Round(time.Second).String()
}

func (f *flowsCmd) strangers(ctx context.Context, c *control.Client) error {
	list, err := getAll[netflow.Refusal](ctx, c, "/flows/refused", nil)
	if err != nil || len(list) == 0 {
		return err
	}
	fmt.Fprintln(f.app.out, "\nnot heard, since flowwatch.exporters does not name them:")
	for _, r := range list {
		if _, err := fmt.Fprintf(f.app.out, "%s  %s, last %s\n", r.Addr, plural(int(r.Datagrams), "datagram"), stamp(r.Last)); err != nil {
			return err
		}
	}
	return nil
}
