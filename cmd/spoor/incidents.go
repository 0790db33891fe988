package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

func newIncidentsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "incidents",
		Aliases: []string{"incident"},
		Short:   "the desk's work: list, show, release, close …",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q\nhint: see spoor incidents --help", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newIncidentsListCmd(a), newIncidentsShowCmd(a))
	cmd.AddCommand(newIncidentActs(a)...)
	cmd.AddCommand(newIncidentsMergeCmd(a), newIncidentsDraftCmd(a), newIncidentsVerifyCmd(a))
	return cmd
}

// openIncidents opens the desk's store in this process, for when no daemon runs.
func openIncidents(_ context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	path := filepath.Join(cfg.Store.Dir, "mail.db")
	if _, err := os.Stat(path); err != nil {
		return nil, hint(fmt.Errorf("there are no incidents yet: %w", err), "start the daemon: spoor serve, or name another file: --config")
	}
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return nil, hint(err, "is a daemon with another control socket running?")
	}
	clerk, err := newClerk(cfg, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	control.Incidents(mux, store, clerk)
	return func() { _ = store.Close() }, nil // what was decided is on disk; closing adds nothing
}

func newClerk(cfg config.Config, store abusebox.Store) (*abusebox.Clerk, error) {
	secret, err := storeSecret(cfg.Store.Dir)
	if err != nil {
		return nil, err
	}
	signer, err := notify.NewSigner(secret, cfg.Notify.From)
	if err != nil {
		return nil, err
	}
	composer, err := newComposer(cfg, signer, instanceOf(secret), nil)
	if err != nil {
		return nil, err
	}
	policy := cfg.Incident.Policy(cfg.Notify.Delivery == "digest", cfg.Notify.Acknowledge, cfg.Notify.Expire.Std())
	return &abusebox.Clerk{Store: store, Policy: policy, Composer: composer, Raw: closedSpool{cfg}, KeepMail: cfg.Store.KeepMail.Std()}, nil
}

// A closedSpool is a spool that no daemon has open: it is opened for each question.
type closedSpool struct{ cfg config.Config }

// Scan implements abusebox.RawMails.
func (s closedSpool) Scan(ctx context.Context, from intake.ID, fn func(intake.ID, intake.Mail) error) (intake.ID, error) {
	spool := s.cfg.Store.Spool()
	if _, err := os.Stat(filepath.Join(s.cfg.Store.Dir, "spool")); errors.Is(err, os.ErrNotExist) {
		return from, nil
	}
	open, err := intake.OpenSpool(spool, intake.SpoolDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return from, err
	}
	next, err := open.Scan(ctx, from, fn)
	return next, errors.Join(err, open.Close())
}

// withIncidents asks the daemon, or the store itself.
func (a *app) withIncidents(ctx context.Context, do func(c *control.Client) error) error {
	client, done, err := a.connect(ctx, openIncidents)
	if err != nil {
		return err
	}
	defer done()
	return do(client)
}

// An incidentsList is one run of spoor incidents list.
type incidentsList struct {
	app          *app
	states       []string
	open         bool
	net          string
	holder, typ  string
	since, until string
	limit        int
}

func newIncidentsListCmd(a *app) *cobra.Command {
	l := &incidentsList{app: a}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list incidents, newest first",
		Example: `  spoor incidents list --state held
  spoor incidents list --net 192.0.2.0/24 --since 2026-09-01
  spoor incidents list --json | jq 'select(.proof == "none")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&l.states, "state", nil, "only these `states`: open, held, unassigned, foreign, notified, acknowledged, resolved, ignored, merged")
	f.BoolVar(&l.open, "open", false, "only what is not closed")
	f.StringVar(&l.net, "net", "", "only about this `address or network`")
	f.StringVar(&l.holder, "holder", "", "only of this holder `ID`")
	f.StringVar(&l.typ, "type", "", "only of this XARF `type`, such as spam")
	f.StringVar(&l.since, "since", "", "only with events at or after this `time`")
	f.StringVar(&l.until, "until", "", "only with events at or before this `time`")
	f.IntVar(&l.limit, "limit", 0, "at most so many (default all)")
	return cmd
}

func (l *incidentsList) run(ctx context.Context) error {
	q := url.Values{"state": l.states, "net": {l.net}, "holder": {l.holder}, "type": {l.typ}}
	if l.open {
		q["state"] = append(q["state"], "open", "held", "unassigned", "foreign", "notified", "acknowledged")
	}
	for key, at := range map[string]string{"since": l.since, "until": l.until} {
		moment, err := parseMoment(at)
		if err != nil {
			return usageError("--%s %w", key, err)
		}
		q.Set(key, moment)
	}
	if l.limit > 0 {
		q.Set("limit", strconv.Itoa(l.limit))
	}
	return l.app.withIncidents(ctx, func(c *control.Client) error {
		if l.app.json {
			return c.Get(ctx, "/incidents", q, func(line json.RawMessage) error {
				_, err := fmt.Fprintf(l.app.out, "%s\n", line)
				return err
			})
		}
		return l.print(ctx, c, q)
	})
}

func (l *incidentsList) print(ctx context.Context, c *control.Client, q url.Values) error {
	t := l.app.table("CASE", "CUSTOMER", "IP", "TYPE", "LAST (UTC)", "REPORTS", "PROOF", "STATE", "NOTICE")
	n := 0
	err := c.Get(ctx, "/incidents", q, func(line json.RawMessage) error {
		var i control.IncidentLine
		if err := json.Unmarshal(line, &i); err != nil {
			return err
		}
		n++
		t.AppendRow([]any{i.ID, dash(i.Holder), dash(i.IP), i.Type, i.Last.Format("2006-01-02 15:04:05"), i.Reports, i.Proof, i.State, i.Notice})
		return nil
	})
	if err != nil {
		return asUsage(err)
	}
	if n == 0 {
		_, err := fmt.Fprintln(l.app.out, "no incidents")
		return err
	}
	t.Render()
	return nil
}

// asUsage gives an answer that blames the question the exit code for that.
func asUsage(err error) error {
	if answer, ok := errors.AsType[*control.Error](err); ok && answer.Status == http.StatusBadRequest {
		return exitWith(exitUsage, err)
	}
	return err
}

func dash(s string) string {
	if s == "" {
		return "???"
	}
	return s
}

func newIncidentsShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show CASE…",
		Short:   "show incidents with their evidence, mails and history",
		Example: "  spoor incidents show S-1042",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("spoor incidents show needs a case\nhint: name one such as S-1042; spoor incidents list shows them")
			}
			return a.withIncidents(cmd.Context(), func(c *control.Client) error {
				for _, id := range args {
					if err := a.showIncident(cmd.Context(), c, id); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func (a *app) showIncident(ctx context.Context, c *control.Client, id string) error {
	return asUsage(c.Get(ctx, "/incidents/"+url.PathEscape(id), nil, func(line json.RawMessage) error {
		if a.json {
			_, err := fmt.Fprintf(a.out, "%s\n", line)
			return err
		}
		var i control.IncidentFull
		if err := json.Unmarshal(line, &i); err != nil {
			return err
		}
		return printIncident(a.out, i)
	}))
}

func newIncidentsVerifyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "check that nobody altered the history",
		Long: `Verify walks the whole history, whose entries form a chain of hashes. Write the head down
elsewhere: as long as it is found again, nothing before it was altered or cut off.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withIncidents(cmd.Context(), func(c *control.Client) error {
				return c.Get(cmd.Context(), "/history", nil, func(line json.RawMessage) error { return a.printChain(line) })
			})
		},
	}
}

func (a *app) printChain(line json.RawMessage) error {
	var chain abusebox.Chain
	if err := json.Unmarshal(line, &chain); err != nil {
		return err
	}
	if a.json {
		fmt.Fprintf(a.out, "%s\n", line)
	} else {
		fmt.Fprintf(a.out, "%d entries, %d of them erased, head %x\n", chain.Entries, chain.Erased, chain.Head)
	}
	if chain.Broken != "" {
		return hint(errors.New(chain.Broken), "compare the store with a backup")
	}
	return nil
}

// utcStamp is a time as a person reads it, or a dash.
func utcStamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func words(list []string) string { return strings.Join(list, ", ") }

// momentOf is a moment that a person wrote, as a time.
func momentOf(s string) (time.Time, error) {
	moment, err := parseMoment(s)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, moment)
}
