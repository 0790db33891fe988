package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/cmd/spoor/control"
)

// An incidentAct is one run of a command that changes incidents.
type incidentAct struct {
	app     *app
	command incident.Command
	verdict string
}

// newIncidentActs makes the commands that change incidents; each takes several cases, and says who and why.
func newIncidentActs(a *app) []*cobra.Command {
	var all []*cobra.Command
	for _, what := range []struct{ use, short, example string }{
		{"release", "send the notice of a held incident", `  spoor incidents release S-1042 --why "the port is in their log" --to customer-4711`},
		{"close", "close an incident with a verdict", `  spoor incidents close S-1042 --verdict confirmed --why "mailbox was stolen"`},
		{"ignore", "let nothing more happen about an incident", `  spoor incidents ignore S-1042 --why "our own scanner"`},
		{"reopen", "take a closed incident up again", `  spoor incidents reopen S-1042 --why "closed by mistake"`},
		{"assign", "say who works on an incident", `  spoor incidents assign S-1042 --to ann`},
		{"comment", "add an internal comment, which is never sent", `  spoor incidents comment S-1042 --why "called them"`},
		{"acknowledge", "note that the contact answered", `  spoor incidents acknowledge S-1042 --why "by telephone"`},
	} {
		act := &incidentAct{app: a, command: incident.Command{Do: what.use}}
		cmd := &cobra.Command{Use: what.use + " CASE…", Short: what.short, Example: what.example,
			RunE: func(cmd *cobra.Command, args []string) error { return act.run(cmd.Context(), args) }}
		f := cmd.Flags()
		f.StringVar(&act.command.Who, "who", "", "who does it (default you)")
		f.StringVar(&act.command.Why, "why", "", "why; it stays in the history")
		switch what.use {
		case "close":
			f.StringVar(&act.verdict, "verdict", "", "what was found: confirmed, false, wrong-holder or cannot-tell")
		case "release":
			f.StringVar(&act.command.To, "to", "", "which holder `ID`, where several fit, or the mail address of who is found")
		case "assign":
			f.StringVar(&act.command.To, "to", "", "whom")
		}
		all = append(all, cmd)
	}
	return all
}

func (act *incidentAct) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError("spoor incidents %s needs a case\nhint: name one such as S-1042; spoor incidents list shows them", act.command.Do)
	}
	for _, arg := range args {
		if _, err := incident.ParseID(arg); err != nil {
			return usageError("%w", err)
		}
	}
	c := act.command
	c.Verdict = incident.Verdict(act.verdict)
	c.Who = cmp.Or(c.Who, whoami())
	return act.app.withIncidents(ctx, func(client *control.Client) error {
		for _, id := range args {
			var reply json.RawMessage
			if err := client.Post(ctx, "/incidents/"+url.PathEscape(id)+"/command", c, &reply); err != nil {
				return err
			}
			if err := act.app.printChanged(reply); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) printChanged(reply json.RawMessage) error {
	if a.json {
		_, err := fmt.Fprintf(a.out, "%s\n", reply)
		return err
	}
	var i control.IncidentLine
	if err := json.Unmarshal(reply, &i); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "%s is %s\n", i.ID, i.State)
	return err
}

// whoami is the login of whoever runs the command, for the history.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "somebody"
}

func newIncidentsMergeCmd(a *app) *cobra.Command {
	var c incident.Command
	cmd := &cobra.Command{
		Use:     "merge INTO FROM",
		Short:   "move everything about one incident into another of the same address and subject",
		Example: `  spoor incidents merge S-1042 S-1043 --why "the same mails under two types"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError("spoor incidents merge needs two cases\nhint: the first takes the second in: spoor incidents merge S-1042 S-1043")
			}
			if c.Why == "" {
				return usageError("spoor incidents merge needs --why\nhint: say why the two are one; it stays in the history")
			}
			c.Who = cmp.Or(c.Who, whoami())
			return a.withIncidents(cmd.Context(), func(client *control.Client) error {
				var reply json.RawMessage
				path := "/incidents/" + url.PathEscape(args[0]) + "/merge/" + url.PathEscape(args[1])
				if err := client.Post(cmd.Context(), path, c, &reply); err != nil {
					return asUsage(err)
				}
				return a.printChanged(reply)
			})
		},
	}
	cmd.Flags().StringVar(&c.Who, "who", "", "who does it (default you)")
	cmd.Flags().StringVar(&c.Why, "why", "", "why; it stays in the history")
	return cmd
}

func newPurgeCmd(a *app) *cobra.Command {
	var p abusebox.Purge
	var before string
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "erase evidence, persons and closed incidents; spoor export shows them before",
		Long: `Purge erases what the configured ages ([desk] keep_…) no longer allow, which the daemon does every
hour as well; with --before everything older; with --person or --holder everything about one of
them. The history keeps its chain: what was written in it is erased, not that something was.
Raw mails lie in the spool by whole days and leave it by age alone (store.keep_mail): of a person it says which remain,
and until when. A wish for no more mail is kept, or nobody could honour it.`,
		Example: `  spoor purge --dry-run
  spoor purge --before 2026-01-01 --dry-run
  spoor purge --person jane@example.org`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if before == "" && p.Person == "" && p.Holder == "" {
				cfg, err := a.config()
				if err != nil {
					return err
				}
				p = cfg.Desk.Purge(time.Now(), p.DryRun)
			}
			if before != "" {
				at, err := momentOf(before)
				if err != nil {
					return usageError("--before %w", err)
				}
				p.Evidence, p.Personal, p.Closed, p.History = at, at, at, at
			}
			return a.withIncidents(cmd.Context(), func(c *control.Client) error { return a.purge(cmd.Context(), c, p) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&before, "before", "", "everything older than this `time`")
	f.StringVar(&p.Person, "person", "", "everything that names this `address`")
	f.StringVar(&p.Holder, "holder", "", "everything about this holder `ID`")
	f.BoolVar(&p.DryRun, "dry-run", false, "only say how much it would be")
	return cmd
}

func (a *app) purge(ctx context.Context, c *control.Client, p abusebox.Purge) error {
	var out control.PurgeReport
	if err := c.Post(ctx, "/purge", p, &out); err != nil {
		return err
	}
	if a.json {
		return a.emit(out)
	}
	verb := "erased"
	if p.DryRun {
		verb = "would erase"
	}
	_, err := fmt.Fprintf(a.out, "%s %s of evidence, %s, %s, %s, the persons of %s, %s of the history", verb, plural(out.Evidence, "piece"),
		plural(out.Notices, "notice"), plural(out.Mails, "mail record"), plural(out.Incidents, "incident"), plural(out.Reporters, "incident"),
		countedAs(int64(out.History), "entry", "entries"))
	if err == nil && p.Person != "" {
		_, err = fmt.Fprintf(a.out, ", the addresses of %s, %s, %s of the statistics\n%s", plural(out.Tasks, "task"), plural(out.Contacts, "contact"),
			plural(out.Tables, "table"), remains(*out.Raw))
	}
	_, end := fmt.Fprintln(a.out)
	return errors.Join(err, end)
}

// remains says which raw mails still name a person, and until when.
func remains(r abusebox.Remains) string {
	switch {
	case r.Mails == 0:
		return "no raw mail in the spool names them"
	case r.Kept:
		return fmt.Sprintf("%s in the spool %s them and %s for good, since store.keep_mail is off: %s", plural(r.Mails, "raw mail"), verbOf(r.Mails, "name"),
			verbOf(r.Mails, "stay"), words(r.IDs))
	}
	return fmt.Sprintf("%s in the spool %s them still; a day of raw mails is erased as a whole, the last on %s (store.keep_mail): %s",
		plural(r.Mails, "raw mail"), verbOf(r.Mails, "name"), r.Until.Format(time.DateOnly), words(r.IDs))
}

// verbOf is a verb as it stands behind a count.
func verbOf(n int, verb string) string {
	if n == 1 {
		return verb + "s"
	}
	return verb
}
