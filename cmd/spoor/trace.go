package main

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
	"spoor/internal/trace"
)

// A traceCmd is one run of spoor trace.
type traceCmd struct {
	app                *app
	trustHosts         []string
	trustNets          []string
	complaint          bool
	oldestFirst        bool
	explain            bool
	summary            bool
	recipient          string
	dns                bool
	dnsServer          string
	dnsTimeout         string
	workers            int
	resolver           *trace.Resolver
	registry           *traceRegistry // nil where none is configured
	report             traceReport
	tracer             *trace.Tracer
	messages, failures int
}

func newTraceCmd(a *app) *cobra.Command {
	t := &traceCmd{app: a, workers: runtime.GOMAXPROCS(0)}
	cmd := &cobra.Command{
		Use:   "trace PATH…",
		Short: "the true origin of messages: files, mbox, Maildir, folders, - for stdin",
		Long: "The true origin of messages: files, mbox, Maildir, folders, - for stdin.\n\n" +
			"The Received lines are read from the newest downwards while trusted hosts wrote them; the first outside peer that they\n" +
			"recorded is the origin, and what stands below is a claim (docs/trace.md). Hosts are trusted by `[site]` and\n" +
			"`--trust-host`; without either the newest line's host is, and its organisation's. Who answers for an address comes from\n" +
			"the registry where one is configured. No map is drawn: where an address is cannot be told without outside data, and\n" +
			"that is wrong too often to stand beside evidence.",
		Example: `  spoor trace spam.eml
  spoor trace --json --trust-host example.net --trust-net 192.0.2.0/24 Maildir/
  spoor trace --summary spam.mbox
  spoor trace --report --to abuse@isp.example spam.eml > draft.mbox
  pbpaste | spoor trace -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("spoor trace needs at least one path\nhint: a file, a mbox, a Maildir, a folder, or - for standard input")
			}
			if err := t.report.check(t.summary); err != nil {
				return err
			}
			return t.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&t.trustHosts, "trust-host", nil, "believe the lines of this host and all names below it (repeatable)")
	f.StringArrayVar(&t.trustNets, "trust-net", nil, "believe the hosts in this `network` (repeatable)")
	f.BoolVar(&t.complaint, "complaint", false, "read as a complaint: the topmost host is the complainant's, not ours")
	f.BoolVar(&t.oldestFirst, "oldest-first", false, "show the oldest hop first")
	f.BoolVar(&t.explain, "explain", false, "show every line with what was read from it and why it is believed")
	f.BoolVar(&t.summary, "summary", false, "count origins and findings of all messages instead of showing each")
	f.StringVar(&t.recipient, "for", "", "the `mailbox` that the mail arrived in, to see blind copies")
	f.BoolVar(&t.dns, "dns", false, "ask the DNS whether names and addresses agree")
	f.StringVar(&t.dnsServer, "dns-server", "", "ask this `resolver` (address or address:port) instead of the system's")
	f.StringVar(&t.dnsTimeout, "dns-timeout", "3s", "time limit of each question")
	t.report.flags(cmd)
	return cmd
}

// run traces every message below the paths, with the registry where one is configured.
func (t *traceCmd) run(ctx context.Context, paths []string) error {
	cfg, err := t.app.config()
	if err != nil {
		return err
	}
	if !cfg.Has("registry") {
		return t.runWith(ctx, cfg, paths)
	}
	return t.app.withRegistry(ctx, false, func(c *control.Client) error {
		t.registry = &traceRegistry{client: c, answers: map[orgKey]orgAnswer{}}
		return t.runWith(ctx, cfg, paths)
	})
}

func (t *traceCmd) runWith(ctx context.Context, cfg config.Config, paths []string) error {
	if err := t.prepare(ctx, cfg); err != nil {
		return err
	}
	if t.report.on {
		return t.runReport(ctx, cfg, paths)
	}
	if t.summary {
		return t.runSummary(ctx, paths)
	}
	return t.runEach(ctx, paths)
}

// prepare puts the tracer together from configuration and flags.
func (t *traceCmd) prepare(ctx context.Context, cfg config.Config) error {
	nets, err := parseNetworks(t.trustNets)
	if err != nil {
		return err
	}
	for _, h := range t.trustHosts {
		if a, err := netip.ParseAddr(h); err == nil { // an address vouches for its host
			nets = append(nets, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		if strings.ContainsAny(h, " /@") || h == "" {
			return usageError("--trust-host %q is no host name\nhint: write a name such as example.net; networks go to --trust-net", h)
		}
	}
	o := trace.Options{
		Hosts: cfg.Site.Hosts, Networks: cfg.Site.Networks,
		TrustHosts: t.trustHosts, TrustNetworks: nets,
		Complaint: t.complaint, For: t.recipient,
	}
	if t.registry != nil {
		o.Ours = t.registry.ours(ctx)
	}
	t.tracer = trace.NewTracer(o)
	return t.prepareDNS()
}

// parseNetworks reads networks and lone addresses.
func parseNetworks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, usageError("--trust-net %q is no network\nhint: write an address and a length, such as 192.0.2.0/24", s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// failed reports a message that could not be read and goes on.
func (t *traceCmd) failed(name string, err error) {
	t.failures++
	fmt.Fprintf(t.app.errw, "spoor: trace %s: %v\n", name, err)
}
