package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/activity"
)

func newFlowsHistCmd(f *flowsCmd) *cobra.Command {
	by := "host"
	cmd := &cobra.Command{
		Use:   "hist",
		Short: "how many hosts, or pairs, send how many flows: the 2003 table",
		Long: `Hist sorts hosts by their outgoing flows in the whole time, or pairs of host and peer by
their flows within each interval, into the bands 1-10, 11-30, 31-70, 71-100, 101-200, 201-1000 and above.`,
		Example: "  spoor flows hist --by pair --last 24h",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			if by != "host" && by != "pair" {
				return usageError("--by %q is not known\nhint: use host or pair", by)
			}
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.hist(cmd.Context(), c, by) })
		},
	}
	cmd.Flags().StringVar(&by, "by", by, "host or pair")
	return cmd
}

// A band is one line of `spoor flows hist --json`.
type band struct {
	Band    string    `json:"band"`
	By      string    `json:"by"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Entries uint64    `json:"entries"`
	activity.Counts
	EntriesShare float64 `json:"entries_share"`
	FlowsShare   float64 `json:"flows_share"`
	PacketsShare float64 `json:"packets_share"`
	BytesShare   float64 `json:"bytes_share"`
}

func bands(h flowwatch.Hist) []band {
	total := h.Bars.Total()
	share := func(n, of uint64) float64 {
		if of == 0 {
			return 0
		}
		return float64(n) / float64(of)
	}
	var list []band
	for i, b := range h.Bars {
		list = append(list, band{
			Band: activity.BandName(i), By: h.By, From: h.Basis.From, To: h.Basis.To, Entries: b.Entries, Counts: b.Counts,
			EntriesShare: share(b.Entries, total.Entries), FlowsShare: share(b.Flows, total.Flows),
			PacketsShare: share(b.Packets, total.Packets), BytesShare: share(b.Bytes, total.Bytes),
		})
	}
	return list
}

func (f *flowsCmd) hist(ctx context.Context, c *control.Client, by string) error {
	q, err := f.query()
	if err != nil {
		return err
	}
	q.Set("by", by)
	h, err := get[flowwatch.Hist](ctx, c, "/flows/hist", q)
	if err != nil {
		return err
	}
	list := bands(h)
	switch {
	case f.app.json:
		return each(f.app, list)
	case f.csv:
		var rows [][]string
		for _, b := range list {
			rows = append(rows, []string{b.Band, b.By, fmt.Sprint(b.Entries), fmt.Sprint(b.Flows), fmt.Sprint(b.Packets), fmt.Sprint(b.Bytes)})
		}
		return f.values([]string{"band", "by", "entries", "flows", "packets", "bytes"}, rows)
	}
	t := f.app.table("flows", by+"s", "share", "flows", "share", "packets", "share", "bytes", "share")
	for _, b := range list {
		t.AppendRow([]any{b.Band, b.Entries, share2(b.EntriesShare), b.Flows, share2(b.FlowsShare), b.Packets, share2(b.PacketsShare), b.Bytes, share2(b.BytesShare)})
	}
	t.Render()
	unit := "in the whole time"
	if by == "pair" {
		unit = "within each interval"
	}
	_, err = fmt.Fprintf(f.app.out, "\nby %s, flows %s; %s\n", by, unit, basis(h.Basis))
	return err
}

func share2(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
