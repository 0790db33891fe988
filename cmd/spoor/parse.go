package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

// A parseCmd is one run of spoor parse.
type parseCmd struct {
	app     *app
	formats string
	explain bool
	redact  bool
	workers int
	options report.Options
}

func newParseCmd(a *app) *cobra.Command {
	p := &parseCmd{app: a, workers: runtime.GOMAXPROCS(0)}
	cmd := &cobra.Command{
		Use:   "parse PATH...",
		Short: "what complaints say, filing nothing",
		Long: `Parse reads complaints and prints what they say: which address did what, when, by
whose word, and which lines of the mail say so. It files nothing and asks nobody.
A path is a mail, an mbox, a Maildir, a folder, or - for standard input.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("parse needs a path\nhint: spoor parse complaint.eml, or spoor parse - for standard input")
			}
			return p.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.formats, "formats", "", "`folder` of your own formats (default formats.d beside the configuration)")
	flags.BoolVar(&p.explain, "explain", false, "say which formats were tried and why they fit or not")
	flags.BoolVar(&p.redact, "redact", false, "write a copy of each mail with people and addresses replaced, safe to share as a test case")
	return cmd
}

// parseMemory is what a run tries to keep within: a mail of the largest size is
// held once, and the collector shall not wait until as much again is garbage.
const parseMemory = 144 << 20

func (p *parseCmd) run(ctx context.Context, paths []string) error {
	if have := debug.SetMemoryLimit(-1); have > parseMemory && os.Getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(parseMemory))
	}
	if err := p.prepare(); err != nil {
		return err
	}
	if p.redact {
		return p.runRedact(ctx, paths)
	}
	failed := 0
	err := p.parseAll(ctx, paths, func(o parseOutcome) error {
		if o.err != nil {
			failed++
			fmt.Fprintf(p.app.errw, "spoor: %s: %v\n", o.mail.source, o.err)
			return nil
		}
		defer o.spill.close()
		switch {
		case p.app.json && o.spill.n > 0:
			return o.spill.writeJSON(p.app.out, o.result)
		case p.app.json:
			return p.app.emit(o.result)
		}
		p.print(o)
		return nil
	})
	if err == nil && failed > 0 {
		return errors.New("some paths could not be read")
	}
	return err
}

// prepare reads configuration and formats.
func (p *parseCmd) prepare() error {
	cfg, err := p.app.config()
	if err != nil {
		return err
	}
	dir := p.formats
	if dir == "" && cfg.Path != "" {
		dir = filepath.Join(filepath.Dir(cfg.Path), cfg.Report.Formats)
	}
	if dir != "" {
		if p.options.Formats, err = report.LoadFormats(dir); err != nil {
			return exitWith(exitUsage, err)
		}
	}
	p.options.Hosts = cfg.Site.Hosts
	p.options.AuthservIDs = cfg.Report.AuthservIDs
	p.options.Habits = cfg.Report.Habits()
	p.options.Domains = cfg.Site.Hosts
	if nets := cfg.Site.Networks; len(nets) > 0 {
		p.options.Ours = func(ip netip.Addr) bool {
			for _, n := range nets {
				if n.Contains(ip) {
					return true
				}
			}
			return false
		}
	}
	return nil
}

// A parseOutcome is one mail and what it says.
type parseOutcome struct {
	mail   parsedMail
	result report.Result
	steps  []string
	spill  *spill
	err    error
}

// parseAll reads on several cores and calls take in the order of the input.
func (p *parseCmd) parseAll(ctx context.Context, paths []string, take func(parseOutcome) error) error {
	g, ctx := errgroup.WithContext(ctx)
	order := make(chan chan parseOutcome, 4*p.workers)
	slots := make(chan struct{}, p.workers)
	g.Go(func() error {
		defer close(order)
		return p.complaintFiles(ctx, paths, func(m parsedMail) error {
			done := make(chan parseOutcome, 1)
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				defer func() { <-slots }()
				done <- p.parse(ctx, m)
				return nil
			})
			select {
			case order <- done:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	g.Go(func() error {
		for done := range order {
			if err := take(<-done); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// parse reads one mail.
func (p *parseCmd) parse(ctx context.Context, m parsedMail) parseOutcome {
	o := parseOutcome{mail: m, spill: &spill{}, err: m.err}
	if m.err != nil {
		return o
	}
	opt := p.options
	opt.Each = o.spill.add
	if p.explain {
		opt.Explain = func(step string) { o.steps = append(o.steps, step) }
	}
	o.result = report.Parse(ctx, message.Read(m.raw, message.DefaultLimits()), opt)
	o.result.Source, o.result.Message = m.source, m.number
	o.mail.raw = nil // outcomes wait for their turn to be printed
	return o
}
