package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"spoor/abusebox/intake"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

// fileTime is how long the daemon may take for one mail before the drop folder is used instead.
const fileTime = 2 * time.Minute

// A filed mail is what `spoor file --json` prints.
type filed struct {
	ID   string `json:"id"`   // of the mail; empty where it waits in the drop folder
	Drop bool   `json:"drop"` // it waits for the daemon
}

// A fileCmd hands one mail to the desk.
type fileCmd struct {
	app        *app
	sender     string
	recipients []string
}

func newFileCmd(a *app) *cobra.Command {
	f := &fileCmd{app: a}
	cmd := &cobra.Command{
		Use:   "file",
		Short: "hand one mail on stdin to the desk: procmail, .forward, aliases, Sieve pipes",
		Long: `Reads one mail from the standard input and keeps it: by the daemon or, where none runs, in the drop folder below
store.dir, which the daemon empties. Ends with 0 only when the mail is on disk, with 75 (try again later) when it could not
be kept, so that the MTA keeps it, and with 1 when it never will be: when it is larger than abusebox.max_size, or when there
is nothing on the standard input.`,
		Args: func(cmd *cobra.Command, args []string) error { return tryLater(noArgs(cmd, args)) },
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.sender, "from", "f", "", "envelope sender (default: what a From_ line before the mail says, or $SENDER)")
	flags.StringArrayVar(&f.recipients, "rcpt", nil, "envelope recipient; may be repeated (default: $RECIPIENT)")
	// A mistake in an alias must not bounce the mail.
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return tryLater(err) })
	return cmd
}

// tryLater gives an error the exit code at which an MTA keeps the mail.
func tryLater(err error) error {
	if err == nil {
		return nil
	}
	return exitWith(exitTryLater, err)
}

func (f *fileCmd) run(ctx context.Context) error {
	cfg, err := f.app.config()
	if err != nil {
		return tryLater(err)
	}
	limit := cfg.Abusebox.MaxSize.Bytes()
	raw, err := io.ReadAll(io.LimitReader(f.app.in, limit+1))
	if err != nil {
		return tryLater(fmt.Errorf("read the mail: %w", err))
	}
	if int64(len(raw)) > limit {
		return hint(fmt.Errorf("the mail is larger than %s", cfg.Abusebox.MaxSize), "raise abusebox.max_size")
	}
	if len(raw) == 0 {
		return hint(errors.New("the standard input is empty: there is no mail to keep"), "pipe one in: spoor file < mail.eml")
	}
	done, err := f.keep(ctx, cfg, f.mail(raw))
	if err != nil {
		return tryLater(err)
	}
	if f.app.json {
		return f.app.emit(done)
	}
	return nil
}

// mail puts the envelope together: from the flags, a From_ line, or what Postfix's local(8) and Pigeonhole set for their
// programs.
func (f *fileCmd) mail(raw []byte) intake.Mail {
	m := intake.FromPipe(raw, f.sender, f.recipients)
	if sender := os.Getenv("SENDER"); m.From == "" && f.sender == "" && !strings.EqualFold(sender, "MAILER-DAEMON") {
		m.From = sender
	}
	if to := os.Getenv("RECIPIENT"); len(m.Recipients) == 0 && to != "" {
		m.Recipients = []string{to}
	}
	return m
}

// keep asks the daemon. Without one, or when it does not answer, the drop folder keeps the mail: one that the daemon had
// kept nevertheless is recognised when it comes again.
func (f *fileCmd) keep(ctx context.Context, cfg config.Config, m intake.Mail) (filed, error) {
	client, err := control.Dial(cfg.ControlPath())
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, fileTime)
		defer cancel()
		id, err := postMail(ctx, client, m)
		var refused *control.Error
		if err == nil {
			return filed{ID: id}, nil
		}
		if errors.As(err, &refused) && refused.Status == http.StatusInsufficientStorage {
			return filed{}, err
		}
	}
	if err := roomToDrop(cfg, len(m.Raw)); err != nil {
		return filed{}, err
	}
	m.Arrived = time.Now().UTC()
	if err := intake.NewDrop(cfg.Store.Dir, cfg.Abusebox.MaxSize.Bytes()).Put(m); err != nil {
		return filed{}, hint(err, "the user that runs this must be able to write to %s", cfg.Store.Dir)
	}
	return filed{Drop: true}, nil
}

// roomToDrop leaves min_free alone, as the daemon does.
func roomToDrop(cfg config.Config, size int) error {
	var st unix.Statfs_t
	if err := unix.Statfs(cfg.Store.Dir, &st); err != nil {
		return nil // the folder is not there yet: Put makes it, or says why not
	}
	if int64(st.Bavail)*st.Bsize-int64(size) < cfg.Store.MinFree.Bytes() {
		return hint(fmt.Errorf("the disk of %s has less than store.min_free (%s) left", cfg.Store.Dir, cfg.Store.MinFree), "free some space")
	}
	return nil
}

// postMail hands a mail to the daemon, or to the spool that this process has opened.
func postMail(ctx context.Context, client *control.Client, m intake.Mail) (id string, err error) {
	q := url.Values{"source": {string(m.Source)}, "from": {m.From}, "rcpt": m.Recipients}
	if m.Mailbox != "" {
		q.Set("mailbox", m.Mailbox)
	}
	if !m.Delivered.IsZero() {
		q.Set("delivered", m.Delivered.UTC().Format(time.RFC3339))
	}
	var kept control.IntakeKept
	err = client.PostRaw(ctx, "/intake/mail?"+q.Encode(), "message/rfc822", bytes.NewReader(m.Raw), &kept)
	return kept.ID, err
}
