package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
	flowhistory "spoor/flowwatch/history"
	file "spoor/internal/bolt"
	registryhistory "spoor/registry/history"
)

func newCheckCmd(a *app) *cobra.Command {
	var printIt, repairIt bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "check the configuration and the stores, and say what to mend",
		Long: "Check reads the configuration and every file that it names, looks for broken invariants in the stores (asking the daemon\n" +
			"where one runs) and, where notices are sent, whether the smarthost answers. The exit code is 2 for a mistake in the\n" +
			"configuration and 1 for anything else that needs mending. With --repair it first makes the indexes of mail.db anew,\n" +
			"which hold nothing that its records do not; no daemon may run then.",
		Example: "  spoor check\n  spoor check --print\n  spoor check --repair",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if printIt {
				return cfg.PrintChanged(a.out)
			}
			if repairIt {
				if err := a.repair(cmd.Context(), cfg); err != nil {
					return err
				}
			}
			return a.check(cmd.Context(), cfg)
		},
	}
	cmd.Flags().BoolVar(&repairIt, "repair", false, "make the indexes of mail.db anew before the stores are checked; the daemon must not run")
	cmd.Flags().BoolVar(&printIt, "print", false, "print what differs from the defaults, with secrets hidden, and check nothing else")
	return cmd
}

// check looks at the files, the stores and the way out, in this order, and tells everything that is wrong.
func (a *app) check(ctx context.Context, cfg config.Config) error {
	found := 0
	tell := func(f control.Finding) error {
		found++
		if a.json {
			return a.emit(f)
		}
		_, err := fmt.Fprintf(a.out, "%s: %s\n  to mend it: %s\n", f.Where, f.Problem, f.Mend)
		return err
	}
	for _, f := range checkFiles(ctx, cfg) {
		if err := tell(f); err != nil {
			return err
		}
	}
	if err := a.checkStores(ctx, tell); err != nil {
		return err
	}
	if f, bad := checkSmarthost(ctx, cfg); bad {
		if err := tell(f); err != nil {
			return err
		}
	}
	if found > 0 {
		return fmt.Errorf("%s to mend", plural(found, "thing"))
	}
	if !a.json {
		fmt.Fprintf(a.out, "%s and the stores in %s are sound\n", orDefaultPath(cfg.Path), cfg.Store.Dir)
	}
	return nil
}

// checkFiles reads what the configuration names.
func checkFiles(ctx context.Context, cfg config.Config) (found []control.Finding) {
	add := func(where string, err error, mend string) {
		if err != nil {
			found = append(found, control.Finding{Where: where, Problem: err.Error(), Mend: mend})
		}
	}
	room, err := openRegistryFiles(ctx, cfg)
	add("registry", err, "mend the files that [registry] names")
	if room != nil {
		add("registry", room.Close(), "")
	}
	templates, err := notify.LoadTemplates(cfg.Notify.Templates)
	if err == nil {
		err = templates.Check()
	}
	add("notify.templates", err, "mend the template, or take it out so that ours is used")
	if f, bad := checkAnswers(cfg); bad {
		found = append(found, f)
	}
	found = append(found, checkMilter(cfg)...)
	for where, path := range map[string]string{"notify.dkim_key": cfg.Notify.DKIMKey, "notify.password_file": cfg.Notify.PasswordFile,
		"abusebox.tls_cert": cfg.Abusebox.TLSCert, "abusebox.tls_key": cfg.Abusebox.TLSKey} {
		if path != "" {
			f, err := os.Open(path)
			add(where, err, "make the file readable for the daemon's user")
			if err == nil {
				_ = f.Close() // it was only opened to see that it can be
			}
		}
	}
	return found
}

// checkAnswers sees whether our own intake takes what comes back to our notices: answers and delivery reports.
func checkAnswers(cfg config.Config) (control.Finding, bool) {
	taken := func(to string) bool { return strings.EqualFold(to, cfg.Notify.From) }
	if !cfg.Has("abusebox") || !cfg.Has("notify") || len(cfg.Abusebox.Recipients) == 0 || slices.ContainsFunc(cfg.Abusebox.Recipients, taken) {
		return control.Finding{}, false
	}
	return control.Finding{Where: "notify.from", Problem: cfg.Notify.From + " is not among abusebox.recipients, so answers and delivery reports would be refused",
		Mend: "add it to abusebox.recipients"}, true
}

// openRegistryFiles reads the registry's files and leaves its store alone, which checkStores looks at.
func openRegistryFiles(ctx context.Context, cfg config.Config) (*registryRoom, error) {
	cfg.Store.Dir = filepath.Join(cfg.Store.Dir, "none")
	return openRegistry(ctx, cfg, slog.New(slog.DiscardHandler), nil, false)
}

// checkStores asks the daemon or, where none runs, opens what there is.
func (a *app) checkStores(ctx context.Context, tell func(control.Finding) error) error {
	client, done, err := a.connect(ctx, openCheckers)
	if err != nil {
		return err
	}
	defer done()
	return client.Get(ctx, "/check", nil, func(line json.RawMessage) error {
		var f control.Finding
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		return tell(f)
	})
}

// openCheckers opens every store that exists in this process.
func openCheckers(_ context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	var checkers []control.Checker
	var closers []func() error
	open := func(name string, open func(path string) (control.Checker, func() error, error)) error {
		path := filepath.Join(cfg.Store.Dir, name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		checker, closer, err := open(path)
		if errors.Is(err, file.ErrNewer) { // it says what to do, and a backup would be of no use
			return err
		}
		if err != nil {
			return hint(err, "is a daemon with another control socket running? Otherwise restore %s from a backup", path)
		}
		checkers, closers = append(checkers, checker), append(closers, closer)
		return nil
	}
	log := slog.New(slog.DiscardHandler)
	var spool *intake.Spool
	err := errors.Join(
		open("spool", func(string) (check control.Checker, closer func() error, err error) {
			if spool, err = intake.OpenSpool(cfg.Store.Spool(), intake.SpoolDeps{Logger: log}); err != nil {
				return nil, nil, err
			}
			return spool.Check, spool.Close, nil
		}),
		open("mail.db", func(path string) (control.Checker, func() error, error) {
			store, err := bolt.Open(path, bolt.Options{Logger: log})
			if err != nil {
				return nil, nil, err
			}
			if spool != nil {
				checkers = append(checkers, checkApart(spool, store))
			}
			return store.Check, store.Close, nil
		}),
		open("drop", func(string) (control.Checker, func() error, error) {
			return checkDrop(intake.NewDrop(cfg.Store.Dir, cfg.Abusebox.MaxSize.Bytes())), func() error { return nil }, nil
		}),
		open("flows.db", func(path string) (control.Checker, func() error, error) {
			store, err := flowhistory.Open(path, cfg.Flowwatch.Keep())
			if err != nil {
				return nil, nil, err
			}
			return control.Errors("flows.db", "restore flows.db from a backup, or remove it and begin anew", store.Check), store.Close, nil
		}),
		open("registry.db", func(path string) (control.Checker, func() error, error) {
			store, err := registryhistory.Open(path, cfg.Registry.KeepHistory.Std(), false)
			if err != nil {
				return nil, nil, err
			}
			return control.Errors("registry.db", "restore registry.db from a backup, or remove it: the routers are asked again", store.Check), store.Close, nil
		}),
	)
	closeAll := func() {
		for _, c := range closers {
			_ = c() // nothing was written
		}
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	control.Check(mux, func() []control.Checker { return checkers })
	return closeAll, nil
}

// checkers are those of the stores that the daemon has open.
func (d *daemon) checkers() (all []control.Checker) {
	if d.desk != nil {
		all = append(all, d.desk.spool.Check, checkApart(d.desk.spool, d.desk.store), d.desk.store.Check,
			checkDrop(intake.NewDrop(d.cfg.Store.Dir, d.cfg.Abusebox.MaxSize.Bytes())))
	}
	if d.flowStore != nil {
		all = append(all, control.Errors("flows.db", "stop the daemon and restore flows.db from a backup, or remove it and begin anew", d.flowStore.Check))
	}
	if d.registry != nil && d.registry.store != nil {
		all = append(all, control.Errors("registry.db", "stop the daemon and remove registry.db: the routers are asked again", d.registry.store.Check))
	}
	return all
}

// smarthostTimeout is how long the smarthost may take to answer.
const smarthostTimeout = 5 * time.Second

// checkSmarthost says whether the next server answers, where notices are sent at all.
func checkSmarthost(ctx context.Context, cfg config.Config) (f control.Finding, bad bool) {
	if !cfg.Has("notify") || !cfg.Notify.Send || cfg.Notify.Smarthost == "" {
		return f, false
	}
	dialer := net.Dialer{Timeout: smarthostTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", cfg.Notify.Smarthost)
	if err != nil {
		return control.Finding{Where: "notify.smarthost", Problem: err.Error(), Mend: "start the mail server there, or name another; until then notices wait"}, true
	}
	_ = conn.Close() // it answered, and that was the question
	return f, false
}
