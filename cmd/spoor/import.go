package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox/intake"
	"spoor/abusebox/intake/mailbox"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

// An importCmd files whole mailboxes.
type importCmd struct {
	app     *app
	quoting string
}

func newImportCmd(a *app) *cobra.Command {
	i := &importCmd{app: a, quoting: string(mailbox.Auto)}
	cmd := &cobra.Command{
		Use:   "import PATH…",
		Short: "file a whole mbox or Maildir, with progress, resumable, never twice",
		Long: `Files every mail of mbox files, Maildirs and folders. It may be broken off at any point and begun again: a mail that was
imported before, from whichever path, is not filed again.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("import needs a path\nhint: spoor import /var/mail/abuse")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&i.quoting, "quoting", i.quoting, `how an mbox quotes "From " in texts: auto, mboxo, mboxrd or mboxcl`)
	return cmd
}

func (i *importCmd) run(ctx context.Context, paths []string) error {
	quoting := mailbox.Quoting(i.quoting)
	if !slices.Contains(mailbox.Quotings(), quoting) {
		return usageError("%q is no way of quoting\nhint: auto, mboxo, mboxrd or mboxcl", i.quoting)
	}
	cfg, err := i.app.config()
	if err != nil {
		return err
	}
	client, done, err := i.app.connect(ctx, openSpoolRoom)
	if err != nil {
		return err
	}
	defer done()
	progress := i.app.newImportProgress(paths)
	defer progress.stop()
	run := intake.Import{
		Workers: 64, // as many as the client keeps connections for
		Ledger:  filepath.Join(cfg.Store.Dir, "import", "ledger"),
		Options: mailbox.Options{MaxSize: cfg.Abusebox.MaxSize.Bytes(), Quoting: quoting},
		Put:     func(ctx context.Context, m intake.Mail) error { _, err := postMail(ctx, client, m); return err },
		Read:    progress.add,
		Skipped: func(m mailbox.Message) {
			fmt.Fprintf(i.app.errw, "spoor: %s at byte %d: the mail is larger than %s and is not filed\n", m.Path, m.Offset, cfg.Abusebox.MaxSize)
		},
	}
	imported, err := run.Run(ctx, paths)
	progress.stop()
	return i.report(imported, err)
}

func (i *importCmd) report(done intake.Imported, err error) error {
	if i.app.json {
		if err := i.app.emit(done); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(i.app.out, "%d filed, %d known already, %d too large\n", done.Filed, done.Known, done.TooLarge)
	}
	if err != nil {
		return hint(err, "what is filed stays filed: run the same command again to go on")
	}
	if done.TooLarge > 0 {
		return hint(fmt.Errorf("%d mails are too large", done.TooLarge), "raise abusebox.max_size and import again")
	}
	return nil
}

// openSpoolRoom opens the spool in this process, where no daemon owns it.
func openSpoolRoom(_ context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	spool, err := intake.OpenSpool(cfg.Store.Spool(), intake.SpoolDeps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, hint(err, "does a daemon run? then this user may not reach %s", cfg.ControlPath())
	}
	control.Intake(mux, spool, cfg.Abusebox.MaxSize.Bytes())
	return func() { spool.Close() }, nil
}

// An importProgress is the line that tells a person at a terminal how far the import is.
type importProgress struct {
	w     io.Writer
	total int64
	last  time.Time
	shown bool
}

func (a *app) newImportProgress(paths []string) *importProgress {
	p := &importProgress{}
	if !terminal(a.errw) {
		return p
	}
	p.w = a.errw
	for _, path := range paths {
		if n, err := mailbox.Size(path); err == nil { // the import itself says what is wrong with a path
			p.total += n
		}
	}
	return p
}

// add is called by one goroutine, after each mail.
func (p *importProgress) add(done, mails int64) {
	if p.w == nil || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.w, "\r%s\x1b[K", p.text(done, mails))
}

func (p *importProgress) text(done, mails int64) string {
	const width = 30
	filled := width
	if p.total > 0 {
		filled = int(min(done, p.total) * width / p.total)
	}
	bar := strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
	return fmt.Sprintf("%s %d mails, %.1f of %.1f MB", bar, mails, float64(done)/1e6, float64(p.total)/1e6)
}

func (p *importProgress) stop() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
