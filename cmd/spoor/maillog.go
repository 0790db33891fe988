package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox/maillog"
)

// A maillogCmd is one run of spoor maillog.
type maillogCmd struct {
	app      *app
	zone     string
	since    string
	until    string
	csv      string
	follow   bool
	evidence bool
	poll     time.Duration
	opts     maillog.Options
}

func newMaillogCmd(a *app) *cobra.Command {
	m := &maillogCmd{app: a}
	cmd := &cobra.Command{
		Use:   "maillog PATH…",
		Short: "find suspects in sendmail and Postfix logs",
		Long: `Maillog reads logs of sendmail and Postfix, plain or gzip, in any order, and says
per relay and account how many messages, recipients, refusals and viruses there
were, and which bursts of mail stand out. "-" is standard input.`,
		Example: `  spoor maillog /var/log/mail.log*
  spoor maillog --since 2026-10-01T06:00:00Z --evidence /var/log/maillog
  spoor maillog --follow /var/log/mail.log`,
		RunE: func(cmd *cobra.Command, args []string) error { return m.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.IntVar(&m.opts.Top, "top", 20, "rows of each table")
	f.StringVar(&m.zone, "zone", "", "zone of times without one: Asia/Taipei, +0800, local (default: as queue ids show)")
	f.IntVar(&m.opts.Year, "year", 0, "year of the first line, where lines tell none (default: as queue ids show)")
	f.StringVar(&m.since, "since", "", "count nothing before this time, such as 2026-10-01T08:00:00Z")
	f.StringVar(&m.until, "until", "", "count nothing from this time on")
	f.IntVar(&m.opts.Burst, "burst", 4, "messages that make a burst")
	f.DurationVar(&m.opts.BurstGap, "burst-gap", 10*time.Second, "pause that ends a burst")
	f.BoolVar(&m.evidence, "evidence", false, "print the log lines behind each row")
	f.StringVar(&m.csv, "csv", "", "print one `table` as CSV: relays, accounts, bursts or viruses")
	f.BoolVarP(&m.follow, "follow", "f", false, "go on with a live log, and tell of bursts and viruses at once")
	f.DurationVar(&m.poll, "poll", time.Second, "with --follow: how often to look")
	return cmd
}

// options turns the flags into what the reader takes.
func (m *maillogCmd) options() error {
	if m.zone != "" {
		zone, err := maillog.ParseZone(m.zone)
		if err != nil {
			return usageError("--zone %w", err)
		}
		m.opts.Zone = zone
	}
	for _, limit := range []struct {
		flag, text string
		into       *time.Time
	}{{"--since", m.since, &m.opts.Since}, {"--until", m.until, &m.opts.Until}} {
		moment, err := parseMoment(limit.text)
		if err != nil {
			return usageError("%s %w", limit.flag, err)
		}
		if moment != "" {
			*limit.into, _ = time.Parse(time.RFC3339, moment)
		}
	}
	switch {
	case m.opts.Year != 0 && (m.opts.Year < 1970 || m.opts.Year > 2200):
		return usageError("--year %d is no year of a mail log\nhint: write it like 2026", m.opts.Year)
	case m.opts.Burst < 2 || m.opts.BurstGap < time.Second:
		return usageError("a burst has at least 2 messages, and its gap at least 1s\nhint: leave --burst and --burst-gap out")
	case m.opts.Top < 1 || m.opts.Top > 10000:
		return usageError("--top takes 1 to 10000")
	case m.poll < 10*time.Millisecond:
		return usageError("--poll is too short\nhint: write it like 1s")
	}
	return nil
}

func (m *maillogCmd) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError("spoor maillog needs a log\nhint: spoor maillog /var/log/mail.log*")
	}
	if m.csv != "" && !strings.Contains(" relays accounts bursts viruses ", " "+m.csv+" ") {
		return usageError("--csv %q is no table\nhint: relays, accounts, bursts or viruses", m.csv)
	}
	if err := m.options(); err != nil {
		return err
	}
	if m.follow {
		return m.live(ctx, args)
	}
	progress := m.app.newMaillogProgress(args)
	m.opts.Read = progress.add
	tally := maillog.NewTally(m.opts)
	err := m.read(ctx, tally, args)
	progress.stop()
	if err != nil {
		return hint(err, "name files that can be read; packed ones may be gzip")
	}
	return m.print(tally.Report())
}

// read reads standard input by itself and the files in the order of their age.
func (m *maillogCmd) read(ctx context.Context, tally *maillog.Tally, args []string) error {
	var files []string
	for _, arg := range args {
		if arg != "-" {
			files = append(files, arg)
			continue
		}
		if err := tally.Read(ctx, m.app.in, time.Now()); err != nil {
			return err
		}
	}
	return tally.ReadFiles(ctx, files...)
}

// live follows one log until the command is interrupted, and then prints what was counted.
func (m *maillogCmd) live(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] == "-" {
		return usageError("--follow takes one file\nhint: run spoor maillog once for each")
	}
	var printErr error
	m.opts.Alert = func(a maillog.Alert) { printErr = errors.Join(printErr, m.alert(a)) }
	tally := maillog.NewTally(m.opts)
	if err := tally.Follow(ctx, args[0], m.poll); err != nil {
		return hint(err, "name a file that can be read")
	}
	if printErr != nil {
		return printErr
	}
	return m.print(tally.Report())
}
