package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
)

func newFlowsShowCmd(f *flowsCmd) *cobra.Command {
	var evidence bool
	cmd := &cobra.Command{
		Use:   "show IP",
		Short: "what one host did, hour by hour, and why it was listed",
		Example: `  spoor flows show 192.0.2.7
  spoor flows show 2001:db8:0:1::/64 --last 7d
  spoor flows show 192.0.2.7 --evidence --from 2026-10-01T02:00:00Z --to 2026-10-01T03:00:00Z`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("spoor flows show needs one address or prefix\nhint: write it like 192.0.2.7 or 2001:db8::/64")
			}
			if evidence && f.profile != "smtp" {
				return usageError("--evidence is of the profile smtp, not of %q", f.profile)
			}
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.show(cmd.Context(), c, args[0], evidence) })
		},
	}
	cmd.Flags().BoolVar(&evidence, "evidence", false, "what the desk is told: the sum, its coverage, and whether it was listed before")
	return cmd
}

func (f *flowsCmd) show(ctx context.Context, c *control.Client, host string, evidence bool) error {
	q, err := f.query()
	if err != nil {
		return err
	}
	if _, err := control.FlowHost(host); err != nil {
		return usageError("%w", err)
	}
	if evidence {
		q.Set("address", host)
		e, err := get[flowwatch.Evidence](ctx, c, "/flows/evidence", q)
		if err != nil {
			return err
		}
		return f.printEvidence(e)
	}
	q.Set("host", host)
	s, err := get[flowwatch.Show](ctx, c, "/flows/show", q)
	if err != nil {
		return err
	}
	switch {
	case f.app.json:
		return f.app.emit(s)
	case f.csv:
		var rows [][]string
		for _, r := range s.Hours {
			rows = append(rows, rowValues(r))
		}
		return f.values(rowHeading(), rows)
	}
	return f.printShow(s)
}

func (f *flowsCmd) printShow(s flowwatch.Show) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s", s.Host, s.Profile)
	if s.Server != "" {
		fmt.Fprintf(&b, ", %s mail server", s.Server)
	}
	b.WriteString("\n")
	if s.Sum == nil {
		b.WriteString("nothing of it was counted\n")
	} else {
		r := s.Sum
		fmt.Fprintf(&b, "sent %d flows to %s hosts, %s failed, %s tiny, %.0f bytes a packet; %d hosts answered\n", r.Out.Flows,
			estimate(r.Peers, r.PeersExact), percent(r.Failed, r.Out.Flows), percent(r.Tiny, r.Out.Flows), r.Out.PerPacket(), r.Replied)
		fmt.Fprintf(&b, "took in %d flows from %d clients\n", r.In.Flows, r.Clients)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	fmt.Fprintf(&b, "%s\n", basis(s.Basis))
	hourBars(&b, s)
	if s.Open != nil {
		fmt.Fprintf(&b, "since %s: %d flows to %s hosts\n", s.Open.From.Format("15:04"), s.Open.Out.Flows, estimate(s.Open.Peers, s.Open.PeersExact))
	}
	if _, err := fmt.Fprintln(f.app.out, b.String()); err != nil {
		return err
	}
	for _, a := range s.Anomalies {
		if err := f.printAnomaly(a); err != nil {
			return err
		}
	}
	return nil
}

// hourBars draws a line for each hour: flows as a bar, as long as its share of the busiest.
func hourBars(b *strings.Builder, s flowwatch.Show) {
	most := uint64(0)
	for _, r := range s.Hours {
		most = max(most, r.Out.Flows)
	}
	if most == 0 {
		return
	}
	const width = 40
	b.WriteString("\n")
	layout := "2006-01-02 15:04"
	if s.Hours[0].IntervalS < 60 {
		layout = time.DateTime
	}
	for _, r := range s.Hours {
		n := int((r.Out.Flows*width + most - 1) / most)
		fmt.Fprintf(b, "%s  %-*s %d flows, %s hosts\n", r.From.Format(layout), width, strings.Repeat("█", n), r.Out.Flows, estimate(r.Peers, r.PeersExact))
	}
}

// evidenceHeading names the columns of what evidenceValues writes.
func evidenceHeading() []string {
	return []string{"address", "profile", "from", "to", "visibility", "flows", "peers", "proven", "listed", "listed_before", "listed_since", "lead_s", "chance", "limits", "text"}
}

func evidenceValues(e flowwatch.Evidence) []string {
	var flows uint64
	var peers int
	if e.Row != nil {
		flows, peers = e.Row.Out.Flows, e.Row.Peers
	}
	return []string{e.Addr.String(), e.Profile, moment(e.From), moment(e.To), string(e.Visibility), fmt.Sprint(flows), fmt.Sprint(peers), fmt.Sprint(e.Proven),
		fmt.Sprint(e.Listed), fmt.Sprint(e.Before), moment(e.Since), fmt.Sprint(e.LeadS), fmt.Sprint(e.Chance), strings.Join(e.Limits, "; "), e.Text}
}

func (f *flowsCmd) printEvidence(e flowwatch.Evidence) error {
	switch {
	case f.app.json:
		return f.app.emit(e)
	case f.csv:
		return f.values(evidenceHeading(), [][]string{evidenceValues(e)})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Addr, e.Text)
	if e.Listed {
		fmt.Fprintf(&b, "    an active host picked at random was listed with a chance of %.1f %%\n", 100*e.Chance)
	}
	for _, l := range e.Limits {
		fmt.Fprintf(&b, "    %s\n", l)
	}
	_, err := fmt.Fprint(f.app.out, b.String())
	return err
}
