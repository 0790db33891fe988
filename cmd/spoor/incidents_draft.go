package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"spoor/abusebox/incident"
	"spoor/cmd/spoor/control"
)

func newIncidentsDraftCmd(a *app) *cobra.Command {
	var c incident.Command
	send := false
	cmd := &cobra.Command{
		Use:   "draft CASE --to ADDRESS",
		Short: "draft a report to somebody outside, such as the network that a foreign address belongs to",
		Long: `Draft prints a report about an incident to somebody outside: a feedback report where it is
about one message, XARF otherwise. Nothing is sent without --send: a person reads it first.`,
		Example: `  spoor lookup --outside 203.0.113.9
  spoor incidents draft S-1042 --to abuse@isp.example
  spoor incidents draft S-1042 --to abuse@isp.example --send --why "read and checked"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || c.To == "" {
				return usageError("spoor incidents draft needs one case and --to\nhint: spoor lookup --outside names the contact of a foreign address")
			}
			c.Who = cmp.Or(c.Who, whoami())
			return a.withIncidents(cmd.Context(), func(client *control.Client) error { return a.draft(cmd.Context(), client, args[0], c, send) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.To, "to", "", "the `address` that it goes to")
	f.BoolVar(&send, "send", false, "queue it for sending")
	f.StringVar(&c.Who, "who", "", "who does it (default you)")
	f.StringVar(&c.Why, "why", "", "why; it stays in the history")
	return cmd
}

func (a *app) draft(ctx context.Context, client *control.Client, id string, c incident.Command, send bool) error {
	path := "/incidents/" + url.PathEscape(id) + "/draft"
	if send {
		path += "?send=yes"
	}
	var n control.NoticeMail
	if err := client.Post(ctx, path, c, &n); err != nil {
		return asUsage(err)
	}
	if a.json {
		return a.emit(n)
	}
	if send {
		_, err := fmt.Fprintf(a.out, "queued for %s: %s\n", words(n.To), n.Subject)
		return err
	}
	_, err := fmt.Fprint(a.out, strings.ReplaceAll(n.Raw, "\r\n", "\n"))
	return err
}

func newExportCmd(a *app) *cobra.Command {
	var holder, person string
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "everything that is kept about one holder or one person, as JSON lines",
		Example: "  spoor export --person jane@example.org > jane.jsonl\n  spoor purge --person jane@example.org",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (holder == "") == (person == "") {
				return usageError("spoor export needs --holder or --person\nhint: spoor export --person jane@example.org")
			}
			return a.withIncidents(cmd.Context(), func(c *control.Client) error {
				return c.Get(cmd.Context(), "/export", url.Values{"holder": {holder}, "person": {person}}, func(line json.RawMessage) error {
					_, err := fmt.Fprintf(a.out, "%s\n", line)
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&holder, "holder", "", "everything about this holder `ID`")
	cmd.Flags().StringVar(&person, "person", "", "everything that names this `address`")
	return cmd
}
