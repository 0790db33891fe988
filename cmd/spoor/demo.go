package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/config"
	"spoor/testdata/demo"
)

func newDemoCmd(a *app) *cobra.Command {
	var once, verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the whole path on loopback with sample data",
		Long: "Demo starts a daemon and a mail sink on free loopback ports in a temporary folder, sends sample complaints by SMTP and by the\n" +
			"pipe, and shows what came of them: the source of each, how we know, who answers for it, and the mail that was written. Then\n" +
			"a spam passes the milter, from a host that flow records have put on the list.\n" +
			"Nothing leaves this machine. It stays up until Ctrl-C, so that you can look around.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), once, verbose) },
	}
	cmd.Flags().BoolVar(&once, "once", false, "end when everything is done; the exit code is 0 only if every expected notice arrived")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the daemon's log")
	return cmd
}

// A tour is one run of the demo.
type tour struct {
	app    *app
	dir    string
	daemon *daemon
	sink   *sink
	sent   []sentSample
}

func (a *app) demo(ctx context.Context, once, verbose bool) (err error) {
	dir, err := os.MkdirTemp("", "spoor-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := &tour{app: a, dir: dir}
	log := slog.New(slog.DiscardHandler)
	if verbose {
		log = a.logger(false, true)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended, err := t.start(ctx, log)
	if err != nil {
		return err
	}
	err = t.show(ctx)
	if err == nil && !once {
		fmt.Fprintf(a.out, "\nEverything lies in %s until you press Ctrl-C. Look around from another terminal:\n%s", dir, t.hints())
		<-ctx.Done()
	}
	cancel()
	return errors.Join(err, <-ended)
}

// start brings up the sink and the daemon; the channel gives the daemon's end.
func (t *tour) start(ctx context.Context, log *slog.Logger) (<-chan error, error) {
	var err error
	if t.sink, err = startSink(ctx, filepath.Join(t.dir, "sent")); err != nil {
		return nil, err
	}
	for _, name := range []string{"routes.txt", "contacts.toml"} {
		data, err := demo.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(t.dir, name), data, 0o600); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(t.dir, "spoor.toml")
	if err := os.WriteFile(path, []byte(t.config()), 0o600); err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	if t.daemon, err = newDaemon(ctx, cfg, nil, log); err != nil {
		return nil, err
	}
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() {
		err := t.daemon.run(ctx, func() { close(ready) })
		ended <- errors.Join(err, t.daemon.close())
	}()
	select {
	case <-ready:
		return ended, nil
	case err := <-ended:
		return nil, errors.Join(err, errors.New("the demo's daemon ended before it began"))
	}
}

// config is the demo's spoor.toml: a regional network that sends its notices into the sink.
func (t *tour) config() string {
	return fmt.Sprintf(`[site]
name     = "Example Regional Network"
hosts    = ["example.net"]
networks = ["192.0.2.0/24"]
desk     = "abuse-desk@example.net"
[store]
dir      = %q
min_free = "1MB"
[abusebox]
smtp       = ["127.0.0.1:0"]
hostname   = "mx.example.net"
recipients = ["abuse@example.net", "spam@example.net", "security@example.net", "postmaster@example.net"]
[report]
authenticate = false
[registry]
routes   = ["routes.txt"]
contacts = ["contacts.toml"]
[notify]
from      = "abuse@example.net"
name      = "Example Regional Network Abuse Desk"
smarthost = %q
starttls  = "never"
send      = true
[flowwatch]
listen    = ["127.0.0.1:0"]
exporters = ["127.0.0.1"]
[milter]
listen  = [%q]
dry_run = false
[[milter.rule]]
name   = "our listed hosts"
is     = ["listed", "ours"]
action = "header"
header = "X-Spam-Flag: YES"
`, filepath.Join(t.dir, "store"), t.sink.addr, t.milterSocket())
}

func (t *tour) milterSocket() string { return filepath.Join(t.dir, "milter.sock") }

// hints are commands to try while the demo is up.
func (t *tour) hints() string {
	spoor := fmt.Sprintf("%s -c %s", os.Args[0], filepath.Join(t.dir, "spoor.toml"))
	return fmt.Sprintf("  %[1]s incidents list\n  %[1]s incidents show S-1\n  %[1]s lookup 140.115.17.89\n  less %[2]s\n", spoor, filepath.Join(t.sink.dir, "new", "*"))
}

// settleTimeout bounds how long the demo waits for the desk.
const settleTimeout = 90 * time.Second
