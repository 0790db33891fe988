package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"spoor/abusebox/incident"
	"spoor/cmd/spoor/control"
)

func newNoticeCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notice",
		Short: "see the mails of the desk: preview, list, show",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q\nhint: see spoor notice --help", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newNoticePreviewCmd(a), newNoticeListCmd(a), newNoticeShowCmd(a))
	return cmd
}

func newNoticePreviewCmd(a *app) *cobra.Command {
	raw := false
	cmd := &cobra.Command{
		Use:     "preview CASE",
		Short:   "show the mail that an incident's next notice would be; nothing is sent",
		Example: "  spoor notice preview S-1042",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("spoor notice preview needs one case\nhint: spoor incidents list shows them")
			}
			return a.withIncidents(cmd.Context(), func(c *control.Client) error {
				return a.printNotice(cmd.Context(), c, "/incidents/"+url.PathEscape(args[0])+"/preview", raw)
			})
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "the whole mail as it would be sent")
	return cmd
}

func newNoticeShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show NUMBER",
		Short:   "print a mail as it was sent, or would have been",
		Example: "  spoor notice show 17",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("spoor notice show needs one number\nhint: spoor notice list shows them")
			}
			return a.withIncidents(cmd.Context(), func(c *control.Client) error {
				return a.printNotice(cmd.Context(), c, "/notices/"+url.PathEscape(args[0])+"/mail", true)
			})
		},
	}
}

func (a *app) printNotice(ctx context.Context, c *control.Client, path string, raw bool) error {
	return asUsage(c.Get(ctx, path, nil, func(line json.RawMessage) error {
		if a.json {
			_, err := fmt.Fprintf(a.out, "%s\n", line)
			return err
		}
		var n control.NoticeMail
		if err := json.Unmarshal(line, &n); err != nil {
			return err
		}
		if raw {
			_, err := fmt.Fprint(a.out, strings.ReplaceAll(n.Raw, "\r\n", "\n"))
			return err
		}
		_, err := fmt.Fprintf(a.out, "To: %s\nSubject: %s\n\n%s", words(n.To), n.Subject, n.Text)
		return err
	}))
}

func newNoticeListCmd(a *app) *cobra.Command {
	id := ""
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list what the desk sent, keeps as a dry run, or is to do",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if id != "" {
				q.Set("incident", id)
			}
			return a.withIncidents(cmd.Context(), func(c *control.Client) error { return a.listNotices(cmd.Context(), c, q) })
		},
	}
	cmd.Flags().StringVar(&id, "case", "", "only about this `case`")
	return cmd
}

func (a *app) listNotices(ctx context.Context, c *control.Client, q url.Values) error {
	t := a.table("NUMBER", "KIND", "STATE", "CASES", "TO", "CREATED (UTC)", "TRIES", "SAID")
	n := 0
	err := c.Get(ctx, "/notices", q, func(line json.RawMessage) error {
		if a.json {
			_, err := fmt.Fprintf(a.out, "%s\n", line)
			return err
		}
		var task incident.Task
		if err := json.Unmarshal(line, &task); err != nil {
			return err
		}
		n++
		t.AppendRow([]any{task.ID, task.Kind, task.State, cases(task.Incidents), dash(words(task.Contact.Addresses)), utcStamp(task.Created), task.Attempts, printable(task.Last)})
		return nil
	})
	if err != nil || a.json {
		return asUsage(err)
	}
	if n == 0 {
		_, err := fmt.Fprintln(a.out, "no notices")
		return err
	}
	t.Render()
	return nil
}

// cases names the first incident and counts the others.
func cases(ids []incident.ID) string {
	switch len(ids) {
	case 0:
		return "-"
	case 1:
		return ids[0].String()
	}
	return fmt.Sprintf("%s +%d", ids[0], len(ids)-1)
}
