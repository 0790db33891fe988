package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/anomaly"
)

func newFlowsLiveCmd(f *flowsCmd) *cobra.Command {
	r := &ranking{}
	every, once := 2*time.Second, false
	cmd := &cobra.Command{
		Use:   "live",
		Short: "a page that shows the open interval and the list, and refreshes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(noArgs(cmd, args), without(cmd, "shows the open interval", "from", "to", "last")); err != nil {
				return err
			}
			if every < 100*time.Millisecond {
				return usageError("--every %v is too often\nhint: use 2s or more", every)
			}
			once = once || f.app.json || f.csv || !terminal(f.app.out)
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.live(cmd.Context(), c, r, every, once) })
		},
	}
	r.flags(cmd)
	cmd.Flags().DurationVar(&every, "every", every, "how often it refreshes")
	cmd.Flags().BoolVar(&once, "once", false, "print it once, as where the output is no terminal")
	return cmd
}

func (f *flowsCmd) live(ctx context.Context, c *control.Client, r *ranking, every time.Duration, once bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if !once {
			fmt.Fprint(f.app.out, "\x1b[H\x1b[2J") // home, clear (ECMA-48 §8.3.21, §8.3.39)
		}
		if err := f.page(ctx, c, r); err != nil || once {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (f *flowsCmd) page(ctx context.Context, c *control.Client, r *ranking) error {
	q, err := f.query()
	if err == nil {
		err = r.add(q)
	}
	if err != nil {
		return err
	}
	top, err := get[flowwatch.Top](ctx, c, "/flows/live", q)
	if err != nil {
		return err
	}
	if err := f.printTop(top, r.direction); err != nil || f.app.json || f.csv {
		return err
	}
	list, err := getAll[anomaly.Anomaly](ctx, c, "/flows/anomalies", q)
	if err != nil {
		return err
	}
	fmt.Fprintln(f.app.out)
	t := f.app.table("listed", "kind", "score", "since", "flows", "why")
	for _, a := range list {
		if !a.Until.IsZero() || len(a.Reasons) == 0 {
			continue
		}
		t.AppendRow([]any{a.Name, a.Kind, fmt.Sprintf("%.1f", a.Score), stamp(a.Since), a.Flows, a.Reasons[0].Text})
	}
	t.Render()
	return nil
}
