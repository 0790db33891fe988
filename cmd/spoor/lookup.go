package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
)

// A lookupCmd is one run of spoor lookup.
type lookupCmd struct {
	app    *app
	at     string
	within string
	port   uint16
	proto  string
	abroad bool
	failed int
}

func newLookupCmd(a *app) *cobra.Command {
	l := &lookupCmd{app: a}
	cmd := &cobra.Command{
		Use:   "lookup IP…",
		Short: "who answers for an address at a time, and how we know",
		Long: `Lookup says who answers for an address, by which route, lease and record.

Without an address, or with "-", it reads them from standard input, one a line:
an address, and after blanks the port and the time where they are known.`,
		Example: `  spoor lookup 192.0.2.7
  spoor lookup 192.0.2.7 --port 40123 --at 2026-10-01T08:14:00+08:00 --within 2m
  cut -d, -f1 suspects.csv | spoor lookup --json`,
		RunE: func(cmd *cobra.Command, args []string) error { return l.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&l.at, "at", "", "when it happened, such as 2026-10-01T08:14:00Z (default now)")
	f.StringVar(&l.within, "within", "0s", "how uncertain that time is, either way")
	f.Uint16Var(&l.port, "port", 0, "the source `port`, for addresses that many share")
	f.StringVar(&l.proto, "proto", "", "its protocol: tcp or udp")
	f.BoolVar(&l.abroad, "outside", false, "ask the sources of [registry.outside] about addresses that are not ours")
	return cmd
}

func (l *lookupCmd) run(ctx context.Context, args []string) error {
	if d, err := time.ParseDuration(l.within); err != nil || d < 0 {
		return usageError("--within %q is no length of time\nhint: write it like 30s or 5m", l.within)
	}
	if _, err := parseMoment(l.at); err != nil {
		return usageError("--at %w", err)
	}
	for _, arg := range args {
		if _, err := netip.ParseAddr(arg); err != nil && arg != "-" {
			return usageError("%q is no IP address\nhint: write one such as 192.0.2.7 or 2001:db8::7", arg)
		}
	}
	if len(args) == 0 && typed(l.app.in) {
		return usageError("spoor lookup needs an address\nhint: name one, or give a list on standard input")
	}
	return l.app.withRegistry(ctx, false, func(c *control.Client) error {
		if len(args) == 0 {
			args = []string{"-"}
		}
		for _, arg := range args {
			if err := l.each(ctx, c, arg); err != nil {
				return err
			}
		}
		if l.failed > 0 {
			return fmt.Errorf("%d lines could not be read", l.failed)
		}
		return nil
	})
}

func (l *lookupCmd) each(ctx context.Context, c *control.Client, arg string) error {
	if arg != "-" {
		return l.ask(ctx, c, arg, portText(l.port), l.at)
	}
	s := bufio.NewScanner(l.app.in)
	s.Buffer(nil, 64<<10)
	for n := 1; s.Scan(); n++ {
		fields := strings.Fields(s.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		port, at := portText(l.port), l.at
		if len(fields) > 1 {
			port = fields[1]
		}
		if len(fields) > 2 {
			at = strings.Join(fields[2:], " ")
		}
		if err := l.ask(ctx, c, fields[0], port, at); err != nil {
			l.failed++
			fmt.Fprintf(l.app.errw, "spoor: lookup: line %d: %v\n", n, err)
		}
	}
	return s.Err()
}

func portText(port uint16) string {
	if port == 0 {
		return ""
	}
	return strconv.Itoa(int(port))
}

// parseMoment reads a time as people write it; without a zone it is UTC.
func parseMoment(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Format(time.RFC3339), nil
		}
	}
	return "", fmt.Errorf("%q is no time\nhint: write it like 2026-10-01T08:14:00Z; without a zone it is UTC", s)
}

func (l *lookupCmd) ask(ctx context.Context, c *control.Client, ip, port, at string) error {
	at, err := parseMoment(at)
	if err != nil {
		return err
	}
	q := url.Values{"ip": {ip}, "port": {port}, "at": {at}, "within": {l.within}, "proto": {l.proto}}
	if l.abroad {
		q.Set("outside", "1")
	}
	return c.Get(ctx, "/registry/lookup", q, func(line json.RawMessage) error {
		if l.app.json {
			_, err := fmt.Fprintf(l.app.out, "%s\n", line)
			return err
		}
		var answer control.Lookup
		if err := json.Unmarshal(line, &answer); err != nil {
			return err
		}
		return l.print(answer)
	})
}

// print shows one answer: the verdict in a line, then the chain, the most specific reason first.
func (l *lookupCmd) print(a control.Lookup) error {
	w := bufio.NewWriter(l.app.out)
	fmt.Fprintf(w, "%s  %s\n", a.IP, verdict(a))
	fmt.Fprintf(w, "  %s\n", a.Why)
	if a.Holder != nil {
		printHolder(w, *a.Holder)
	}
	for _, h := range a.Candidates {
		fmt.Fprintf(w, "  candidate: %s\n", holderName(h))
	}
	if a.Outside != nil {
		printOutside(w, *a.Outside)
	}
	if len(a.Chain) > 0 {
		fmt.Fprintln(w, "  because")
	}
	for _, s := range a.Chain {
		fmt.Fprintf(w, "    %-10s %s\n", s.Kind, strings.Join(present(s.Prefix, s.Text, bracket(s.Source)), "  "))
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func verdict(a control.Lookup) string {
	switch a.Status {
	case "held":
		return "is " + holderName(*a.Holder) + "'s (" + a.Holder.Certainty + ")"
	case "several":
		return "could be any of several"
	case "need_port":
		return "cannot be told without the port"
	case "need_lease":
		return "cannot be told without a lease"
	case "unassigned":
		return "is ours, and nobody answers for it"
	case "foreign":
		return "is not ours"
	}
	return a.Status
}

func holderName(h control.RegistryHolder) string {
	name := h.Contact.Org
	if name == "" && len(h.Mails) > 0 {
		name = h.Mails[0]
	}
	if name == "" {
		name = h.ID
	}
	if h.Subscriber != "" {
		name = h.Subscriber + " of " + name
	}
	return name
}

func printHolder(w io.Writer, h control.RegistryHolder) {
	c := h.Contact
	fmt.Fprintf(w, "  notices go to %s\n", strings.Join(h.Mails, ", "))
	facts := present(c.Org, c.Address, c.City, c.Country, c.Tel)
	if len(facts) > 0 {
		fmt.Fprintf(w, "  %s\n", strings.Join(facts, ", "))
	}
	if !c.Updated.IsZero() || c.UpdatedBy != "" {
		fmt.Fprintf(w, "  record of %s\n", strings.Join(present(dayOf(c.Updated), c.UpdatedBy, bracket(c.Source)), ", "))
	}
}

func printOutside(w io.Writer, o control.RegistryOutside) {
	if o.Error != "" {
		fmt.Fprintf(w, "  outside: %s\n", o.Error)
		return
	}
	fmt.Fprintf(w, "  outside: %s\n", strings.Join(present(o.Prefix, o.Org, strings.Join(o.Abuse, ", "), bracket(o.Source)), "  "))
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// typed says whether input comes from a person at a terminal.
func typed(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && terminal(f)
}

// present drops empty strings.
func present(all ...string) []string {
	var out []string
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
