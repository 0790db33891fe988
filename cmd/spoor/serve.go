package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"spoor/abusebox/intake"
	"spoor/cmd/spoor/config"
)

// serviceNames are what `serve --only` takes: the sections that turn services on.
func serviceNames() []string { return []string{"abusebox", "registry", "milter", "flowwatch"} }

func newServeCmd(a *app) *cobra.Command {
	var only []string
	var logJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the services that the configuration turns on",
		Long: "Serve runs the services whose sections the configuration has: [abusebox], [registry], [milter], [flowwatch], [metrics].\n" +
			"SIGTERM lets them finish what they have begun; a second one ends at once, and still loses nothing.",
		Example: "  spoor serve\n  spoor serve --only milter",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range only {
				if !slices.Contains(serviceNames(), name) {
					return usageError("unknown service %q\nhint: --only takes %v", name, serviceNames())
				}
			}
			cfg, err := a.config()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, only, a.logger(logJSON, verbose))
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "run only these `services`")
	cmd.Flags().BoolVar(&logJSON, "log-json", false, "write the log as JSON lines")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log what is usual, too")
	return cmd
}

// serve runs a daemon until ctx ends.
func serve(ctx context.Context, cfg config.Config, only services, log *slog.Logger) error {
	intake.SpareProcessor()
	d, err := newDaemon(ctx, cfg, only, log)
	if err != nil {
		return err
	}
	names := make([]string, len(d.services))
	for i, s := range d.services {
		names[i] = s.name
	}
	err = d.run(ctx, func() { log.Info("spoor serves", "services", fmt.Sprint(names), "control", cfg.ControlPath()) })
	return errors.Join(err, d.close())
}

// logger writes the operator's log to standard error.
func (a *app) logger(asJSON, verbose bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if verbose {
		options.Level = slog.LevelDebug
	}
	if asJSON {
		return slog.New(slog.NewJSONHandler(a.errw, options))
	}
	return slog.New(slog.NewTextHandler(a.errw, options))
}
