package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/activity"
)

// A ranking is the flags of top and live.
type ranking struct {
	by        string
	direction string
	limit     int
	prefixes  bool
}

// maxLimit is how many hosts the control socket gives at most.
const maxLimit = 100_000

func (r *ranking) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.by, "by", "flows", "the `counter`: "+strings.Join(flowwatch.Counters(), ", "))
	f.StringVar(&r.direction, "direction", "out", "out, replies, in or answers")
	f.IntVarP(&r.limit, "limit", "n", 20, "how many hosts")
	f.BoolVar(&r.prefixes, "prefixes", false, "rank delegated IPv6 prefixes, too")
}

func (r *ranking) add(q url.Values) error {
	if _, err := control.FlowDirection(r.direction); err != nil {
		return usageError("--direction %w", err)
	}
	known := false
	for _, c := range flowwatch.Counters() {
		known = known || c == r.by
	}
	if !known {
		return usageError("--by %q is no counter\nhint: use one of %s", r.by, strings.Join(flowwatch.Counters(), ", "))
	}
	if r.limit < 1 || r.limit > maxLimit {
		return usageError("--limit %d is out of range\nhint: use 1 to %d", r.limit, maxLimit)
	}
	q.Set("by", r.by)
	q.Set("direction", r.direction)
	q.Set("limit", strconv.Itoa(r.limit))
	if r.prefixes {
		q.Set("prefixes", "1")
	}
	return nil
}

func newFlowsTopCmd(f *flowsCmd) *cobra.Command {
	r := &ranking{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "the hosts with the most of something",
		Example: `  spoor flows top --last 1h
  spoor flows top --by peers --from 2026-10-01 --to 2026-10-02 --csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.top(cmd.Context(), c, r) })
		},
	}
	r.flags(cmd)
	return cmd
}

func (f *flowsCmd) top(ctx context.Context, c *control.Client, r *ranking) error {
	q, err := f.query()
	if err == nil {
		err = r.add(q)
	}
	if err != nil {
		return err
	}
	top, err := get[flowwatch.Top](ctx, c, "/flows/top", q)
	if err != nil {
		return err
	}
	return f.printTop(top, r.direction)
}

func (f *flowsCmd) printTop(top flowwatch.Top, direction string) error {
	switch {
	case f.app.json:
		return each(f.app, top.Rows)
	case f.csv:
		var rows [][]string
		for _, r := range top.Rows {
			rows = append(rows, rowValues(r))
		}
		return f.values(rowHeading(), rows)
	}
	f.topTable(top, direction)
	_, err := fmt.Fprintf(f.app.out, "\n%d of %s, %s\n", len(top.Rows), plural(top.Hosts, "host"), basis(top.Basis))
	return err
}

func (f *flowsCmd) topTable(top flowwatch.Top, direction string) {
	t := f.app.table("host", direction+" flows", "packets", "bytes", "bytes/packet", "peers", "clients", "failed", "tiny")
	for _, r := range top.Rows {
		c := countsOf(r, direction)
		t.AppendRow([]any{r.Host, c.Flows, c.Packets, c.Bytes, int(c.PerPacket() + 0.5), estimate(r.Peers, r.PeersExact), r.Clients,
			percent(r.Failed, r.Out.Flows), percent(r.Tiny, r.Out.Flows)})
	}
	t.Render()
}

func countsOf(r flowwatch.Row, direction string) activity.Counts {
	switch direction {
	case "replies":
		return r.Replies
	case "in":
		return r.In
	case "answers":
		return r.Answers
	}
	return r.Out
}

// estimate marks a number of peers that is not exact.
func estimate(n int, exact bool) string {
	if exact {
		return strconv.Itoa(n)
	}
	return "~" + strconv.Itoa(n)
}

func percent(n, of uint64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", n*100/of)
}

func rowHeading() []string {
	return []string{"host", "profile", "from", "to", "interval_s", "out_flows", "out_packets", "out_bytes", "replies_flows", "replies_packets",
		"replies_bytes", "in_flows", "in_packets", "in_bytes", "answers_flows", "answers_packets", "answers_bytes", "peers", "peers_exact",
		"replied", "clients", "relay", "failed", "syn_only", "tiny", "established", "forged", "sampling", "active"}
}

func rowValues(r flowwatch.Row) []string {
	list := []string{r.Host, r.Profile, r.From.Format("2006-01-02T15:04:05Z"), r.To.Format("2006-01-02T15:04:05Z"), fmt.Sprint(r.IntervalS)}
	for _, c := range []activity.Counts{r.Out, r.Replies, r.In, r.Answers} {
		list = append(list, fmt.Sprint(c.Flows), fmt.Sprint(c.Packets), fmt.Sprint(c.Bytes))
	}
	for _, v := range []any{r.Peers, r.PeersExact, r.Replied, r.Clients, r.Relay, r.Failed, r.SYNOnly, r.Tiny, r.Established, r.Forged, r.Sampling, r.Active} {
		list = append(list, fmt.Sprint(v))
	}
	return list
}
