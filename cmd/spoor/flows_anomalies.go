package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch/anomaly"
)

func newFlowsAnomaliesCmd(f *flowsCmd) *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "anomalies",
		Short: "the hosts that behave like spammers, since when, and why",
		Example: `  spoor flows anomalies --now
  spoor flows anomalies --from 2026-10-01 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			every := !cmd.Flags().Changed("profile")
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.anomalies(cmd.Context(), c, now, every) })
		},
	}
	cmd.Flags().BoolVar(&now, "now", false, "only those that are on the list still")
	return cmd
}

func (f *flowsCmd) anomalies(ctx context.Context, c *control.Client, now, every bool) error {
	q, err := f.query()
	if err != nil {
		return err
	}
	if every {
		q.Del("profile")
	}
	list, err := getAll[anomaly.Anomaly](ctx, c, "/flows/anomalies", q)
	if err != nil {
		return err
	}
	if now {
		kept := list[:0]
		for _, a := range list {
			if a.Until.IsZero() {
				kept = append(kept, a)
			}
		}
		list = kept
	}
	return f.printAnomalies(list)
}

func (f *flowsCmd) printAnomalies(list []anomaly.Anomaly) error {
	switch {
	case f.app.json:
		return each(f.app, list)
	case f.csv:
		var rows [][]string
		for _, a := range list {
			rows = append(rows, []string{a.Name, a.Profile, string(a.Kind), moment(a.Since), moment(a.Until), fmt.Sprint(a.Peak),
				fmt.Sprint(a.Flows), fmt.Sprint(a.Peers), fmt.Sprint(a.Proven), a.Allowed, strings.Join(texts(a), "; ")})
		}
		return f.values([]string{"host", "profile", "kind", "since", "until", "peak", "flows", "peers", "proven", "allowed", "reasons"}, rows)
	case len(list) == 0:
		_, err := fmt.Fprintln(f.app.out, "no host stood on the list in that time")
		return err
	}
	for _, a := range list {
		if err := f.printAnomaly(a); err != nil {
			return err
		}
	}
	return nil
}

func (f *flowsCmd) printAnomaly(a anomaly.Anomaly) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %s, score %.1f, since %s", a.Name, a.Profile, a.Kind, a.Peak, stamp(a.Since))
	if a.Until.IsZero() {
		b.WriteString(" and still")
	} else {
		fmt.Fprintf(&b, " until %s", stamp(a.Until))
	}
	fmt.Fprintf(&b, ", %d flows\n", a.Flows)
	for _, text := range texts(a) {
		fmt.Fprintf(&b, "    %s\n", text)
	}
	if !a.Proven {
		b.WriteString("    not proven: no two-way exchange was seen, the source address may be forged\n")
	}
	for _, blind := range a.Blind {
		fmt.Fprintf(&b, "    not looked at: %s\n", blind)
	}
	if a.Allowed != "" {
		fmt.Fprintf(&b, "    tolerated: %s\n", a.Allowed)
	}
	_, err := fmt.Fprintln(f.app.out, b.String())
	return err
}

func texts(a anomaly.Anomaly) (list []string) {
	for _, r := range a.Reasons {
		list = append(list, r.Text)
	}
	return list
}

// moment is a time for machines, empty where there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// stamp is a time for people.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
