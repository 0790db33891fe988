package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch/anomaly"
)

func newFlowsServersCmd(f *flowsCmd) *cobra.Command {
	return &cobra.Command{
		Use:   "servers",
		Short: "the mail servers that are judged against their own past, and until when",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(noArgs(cmd, args), without(cmd, "tells of now", "from", "to", "last", "profile")); err != nil {
				return err
			}
			return f.ask(cmd.Context(), func(c *control.Client) error { return f.servers(cmd.Context(), c) })
		},
	}
}

func (f *flowsCmd) servers(ctx context.Context, c *control.Client) error {
	list, err := getAll[anomaly.MailServer](ctx, c, "/flows/servers", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, m := range list {
		rows = append(rows, []string{m.Host.String(), string(m.How), moment(m.Since), moment(m.Seen), moment(m.Until)})
	}
	switch {
	case f.app.json:
		return each(f.app, list)
	case f.csv:
		return f.values([]string{"host", "how", "since", "seen", "until"}, rows)
	case len(list) == 0:
		_, err := fmt.Fprintln(f.app.out, "no mail server is known")
		return err
	}
	t := f.app.table("host", "how", "since", "last seen", "forgotten")
	for _, m := range list {
		t.AppendRow([]any{m.Host, m.How, stamp(m.Since), stamp(m.Seen), stamp(m.Until)})
	}
	t.Render()
	return nil
}
