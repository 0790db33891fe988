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
		Use:   "draft CASE",
		Short: "draft a report to somebody outside, such as the network that a foreign address belongs to",
		Long: `Draft prints a report about an incident to somebody outside: a feedback report where it is
about one message, XARF otherwise. Without --to the sources of [registry.outside] are asked for the contact of the
network that the address belongs to. Nothing is sent without --send and --to: a person reads it first.`,
		Example: `  spoor incidents draft S-1042
  spoor incidents draft S-1042 --to abuse@isp.example
  spoor incidents draft S-1042 --to abuse@isp.example --send --why "read and checked"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || send && c.To == "" {
				return usageError("spoor incidents draft needs one case, and --to with --send\nhint: without --send it names the contact that the sources outside give")
			}
			c.Who = cmp.Or(c.Who, whoami())
			if c.To == "" {
				if err := a.findOutside(cmd.Context(), args[0], &c.To); err != nil {
					return err
				}
			}
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

// findOutside asks who takes complaints about the address of a case, by the sources of [registry.outside].
func (a *app) findOutside(ctx context.Context, id string, to *string) error {
	var i control.IncidentFull
	err := a.withIncidents(ctx, func(c *control.Client) error {
		return asUsage(c.Get(ctx, "/incidents/"+url.PathEscape(id), nil, func(line json.RawMessage) error { return json.Unmarshal(line, &i) }))
	})
	if err != nil {
		return err
	}
	var found control.Lookup
	err = a.withRegistry(ctx, false, func(c *control.Client) error {
		found, err = askOutside(ctx, c, i.IP)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case found.Outside == nil:
		return usageError("%s is ours, or no address that others answer for: a report outside needs --to\nhint: spoor incidents draft %s --to abuse@isp.example", i.IP, id)
	case len(found.Outside.Abuse) == 0:
		return usageError("no source outside names a contact for %s: %s\nhint: name it yourself with --to", i.IP, found.Outside.Error)
	}
	*to = found.Outside.Abuse[0]
	if !a.json {
		fmt.Fprintf(a.errw, "spoor: %s names %s for %s\n", found.Outside.Source, *to, i.IP)
	}
	return nil
}

// askOutside looks an address up, at the sources outside where it is not ours.
func askOutside(ctx context.Context, c *control.Client, ip string) (found control.Lookup, err error) {
	q := url.Values{"ip": {ip}, "outside": {"1"}}
	err = c.Get(ctx, "/registry/lookup", q, func(line json.RawMessage) error { return json.Unmarshal(line, &found) })
	if err != nil {
		return found, fmt.Errorf("who answers for %s: %w", ip, err)
	}
	return found, nil
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
