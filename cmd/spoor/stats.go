package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox/stats"
	"spoor/abusebox/store/bolt"
	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

// A statsCmd is one run of spoor stats.
type statsCmd struct {
	app      *app
	month    string
	from, to string
	html     string
	csv      bool
	held     bool
	top      int
	now      func() time.Time
}

func newStatsCmd(a *app) *cobra.Command {
	s := &statsCmd{app: a, now: time.Now}
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "the monthly tables",
		Long: `Stats prints the tables of a month or of any days: hosts complained of, the part
of them that our own lists knew before beside what chance would give, lead
times, times to notice, answer and quiet, who complains, who repeats, and which
rule accuses wrongly. Without a range it is this month.`,
		Example: `  spoor stats --month 2026-10
  spoor stats --from 2026-01 --to 2026-12 --html year.html
  spoor stats --from 2026-10-05 --to 2026-10-11 --csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&s.month, "month", "", "one `month`, such as 2026-10")
	f.StringVar(&s.from, "from", "", "first `day` or month")
	f.StringVar(&s.to, "to", "", "last day or month, included (default today)")
	f.IntVar(&s.top, "top", 20, "length of the lists")
	f.BoolVar(&s.csv, "csv", false, "print all tables as one CSV")
	f.StringVar(&s.html, "html", "", "write a page to this `file`; - is standard output")
	f.BoolVar(&s.held, "held", false, "print only what the breaker of the running daemon holds")
	return cmd
}

// days is the range that the flags ask for.
func (s *statsCmd) days() (from, to string, err error) {
	switch {
	case s.month != "" && (s.from != "" || s.to != ""):
		return "", "", usageError("--month goes without --from and --to")
	case s.month != "":
		from, to = s.month, s.month
	case s.from == "" && s.to != "":
		return "", "", usageError("--to needs --from")
	case s.from == "":
		from, to = stats.DayOf(s.now()).Whole().String(), stats.DayOf(s.now()).Whole().String()
	default:
		from, to = s.from, s.to
		if to == "" {
			to = stats.DayOf(s.now()).String()
		}
	}
	for _, text := range []string{from, to} {
		if _, err := stats.ParsePeriod(text); err != nil {
			return "", "", usageError("%w", err)
		}
	}
	return from, to, nil
}

func (s *statsCmd) run(ctx context.Context) error {
	from, to, err := s.days()
	if err != nil {
		return err
	}
	if s.top < 1 || s.top > 1000 {
		return usageError("--top takes 1 to 1000")
	}
	client, done, err := s.app.connect(ctx, openStatistics)
	if err != nil {
		return err
	}
	defer done()
	if s.held {
		return s.printHeld(ctx, client)
	}
	query := url.Values{"from": {from}, "to": {to}, "top": {strconv.Itoa(s.top)}}
	return client.Get(ctx, "/stats", query, func(line json.RawMessage) error {
		var report stats.Report
		if err := json.Unmarshal(line, &report); err != nil {
			return err
		}
		return s.print(report, line)
	})
}

// print writes a report in the form that was asked for.
func (s *statsCmd) print(report stats.Report, line json.RawMessage) error {
	switch {
	case s.html == "-":
		return stats.WriteHTML(s.app.out, report)
	case s.html != "":
		var page bytes.Buffer
		if err := stats.WriteHTML(&page, report); err != nil {
			return err
		}
		return os.WriteFile(s.html, page.Bytes(), 0o644)
	case s.csv:
		return stats.WriteCSV(s.app.out, report)
	case s.app.json:
		_, err := fmt.Fprintf(s.app.out, "%s\n", line)
		return err
	}
	return stats.WriteText(s.app.out, report)
}

func (s *statsCmd) printHeld(ctx context.Context, client *control.Client) error {
	return client.Get(ctx, "/stats/held", nil, func(line json.RawMessage) error {
		var trips []stats.Trip
		if err := json.Unmarshal(line, &trips); err != nil {
			return err
		}
		for _, t := range trips {
			if s.app.json {
				if err := s.app.emit(t); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(s.app.out, "%s %s is held: %s\n", t.Kind, t.Name, t.Why)
		}
		if len(trips) == 0 && !s.app.json {
			fmt.Fprintln(s.app.out, "the breaker holds nothing")
		}
		return nil
	})
}

// openStatistics opens the desk's store in this process, for when no daemon runs. What the breaker would hold is
// asked anew.
func openStatistics(ctx context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	path := filepath.Join(cfg.Store.Dir, "mail.db")
	if _, err := os.Stat(path); err != nil {
		return nil, hint(fmt.Errorf("there is nothing to count yet: %w", err), "start the daemon: spoor serve, or name another file: --config")
	}
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return nil, hint(err, "is a daemon with another control socket running?")
	}
	held := func() []stats.Trip {
		trips, err := cfg.Stats.Breaker().Check(ctx, store.Statistics(), cfg.Stats.Window.Std(), time.Now())
		if err != nil {
			return nil
		}
		return trips
	}
	control.Statistics(mux, store.Statistics(), held)
	return func() { _ = store.Close() }, nil
}
