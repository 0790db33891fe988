package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
	"spoor/internal/message"
	"spoor/internal/trace"
	"spoor/milter"
)

func newMilterCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "milter",
		Short: "the plug-in of Postfix and sendmail",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q\nhint: see spoor milter --help", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newMilterExplainCmd(a))
	return cmd
}

// A milterExplainCmd is one run of spoor milter explain.
type milterExplainCmd struct {
	app    *app
	client string
	at     string
	skip   int
	c      milter.Case
}

func newMilterExplainCmd(a *app) *cobra.Command {
	e := &milterExplainCmd{app: a}
	cmd := &cobra.Command{
		Use:   "explain FILE --client IP",
		Short: "the verdict on a saved message, rule by rule",
		Long: `Explain judges a saved message as if it came from a client now, rule by rule, and changes nothing.

A message from a mailbox bears the Received line of our own MTA on top, which the
milter never sees: leave it out with --skip 1. With "-" the message is read from
standard input.`,
		Example: `  spoor milter explain spam.eml --client 192.0.2.7 --helo pc.example.org
  spoor milter explain - --client 192.0.2.7 --name mail.example.org --auth alice --json < mail.eml`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&e.client, "client", "", "the `address` that the message came from (required)")
	f.StringVar(&e.c.Peer.HELO, "helo", "", "what the client called itself")
	f.StringVar(&e.c.Peer.RDNS, "name", "", "the client's verified name, if it has one")
	f.StringVar(&e.c.Peer.Auth, "auth", "", "who logged in")
	f.StringVar(&e.c.Peer.TLS, "tls", "", "the TLS version")
	f.Uint16Var(&e.c.Peer.DaemonPort, "port", 25, "the port of the MTA that the client came to")
	f.StringVar(&e.c.By, "by", "", "the MTA's name (default authserv_id)")
	f.StringVar(&e.c.From, "from", "", "the envelope sender")
	f.IntVar(&e.c.Recipients, "recipients", 1, "how many recipients")
	f.StringVar(&e.at, "at", "", "when it came, such as 2026-10-01T08:14:00Z (default the topmost Received line's time, or now)")
	f.IntVar(&e.skip, "skip", 0, "leave out the `N` topmost Received lines")
	return cmd
}

func (e *milterExplainCmd) run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return usageError("spoor milter explain needs one message\nhint: name a file, or \"-\" for standard input")
	}
	addr, err := netip.ParseAddr(e.client)
	if err != nil {
		return usageError("--client %q is no IP address\nhint: write one such as 192.0.2.7 or 2001:db8::7", e.client)
	}
	e.c.Peer.Addr = addr.Unmap()
	if e.c.Recipients < 1 || e.skip < 0 {
		return usageError("--recipients and --skip count from 1 and from 0")
	}
	text, err := e.read(args[0])
	if err != nil {
		return err
	}
	h, _, _ := message.ReadHeader(text, message.DefaultLimits())
	if !slices.ContainsFunc(h.Fields, func(f message.Field) bool { return f.Name != "" }) {
		fmt.Fprintf(e.app.errw, "spoor: %s has no header field: is it a message?\n", args[0])
	}
	if err := e.readTime(text); err != nil {
		return err
	}
	client, done, err := e.app.connect(ctx, e.app.openMilter)
	if err != nil {
		return err
	}
	defer done()
	var answer milter.Explanation
	path := "/milter/explain?" + control.MilterQuery(e.c).Encode()
	if err := client.PostRaw(ctx, path, "message/rfc822", bytes.NewReader(skipReceived(text, e.skip)), &answer); err != nil {
		return err
	}
	if e.app.json {
		return e.app.emit(answer)
	}
	return e.print(answer)
}

func (e *milterExplainCmd) readTime(text []byte) error {
	at, err := parseMoment(e.at)
	if err != nil {
		return usageError("--at %w", err)
	}
	if at != "" {
		return e.c.At.UnmarshalText([]byte(at))
	}
	h, _, _ := message.ReadHeader(text, message.DefaultLimits())
	if f, ok := h.Field("Received"); ok {
		if hop := trace.ParseReceived(f.Raw); hop.Time.Known() {
			e.c.At = hop.Time.Time
		}
	}
	return nil
}

func (e *milterExplainCmd) read(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(e.app.in)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, hint(err, "is the name right?")
	}
	return text, err
}

// skipReceived cuts off the message's beginning up to behind its nth Received line.
func skipReceived(text []byte, n int) []byte {
	for ; n > 0; n-- {
		rest := text
		for len(rest) > 0 && !hasFieldName(rest, "received:") {
			if rest[0] == '\n' || rest[0] == '\r' {
				return text // the header is over
			}
			_, rest, _ = bytes.Cut(rest, []byte("\n"))
		}
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			_, rest, _ = bytes.Cut(rest, []byte("\n"))
		}
		text = rest
	}
	return text
}

func hasFieldName(text []byte, name string) bool {
	return len(text) >= len(name) && strings.EqualFold(string(text[:len(name)]), name)
}

// openMilter makes a milter that knows the configuration and the registry, where no daemon with its lists runs.
func (a *app) openMilter(ctx context.Context, cfg config.Config, mux *http.ServeMux) (func(), error) {
	log := slog.New(slog.DiscardHandler)
	room, err := openRegistry(ctx, cfg, log, nil, false)
	if room == nil {
		return nil, err
	}
	if err != nil {
		fmt.Fprintf(a.errw, "spoor: %v\n", err)
	}
	control.Milter(mux, newMilter(cfg, log, nil, milter.Lookups{Holders: milterHolders{room}}, nil))
	return func() { _ = room.Close() }, nil // nothing was written
}

// print shows the verdict for a person: first what happens, then why.
func (e *milterExplainCmd) print(x milter.Explanation) error {
	w := &bytes.Buffer{}
	fmt.Fprintln(w, milterVerdict(x))
	if o := x.Origin; o != nil {
		fmt.Fprintf(w, "  origin     %s, hop %d, %s confidence: %s\n", o.IP, o.Hop, o.Confidence, safeText(o.Why))
	} else {
		fmt.Fprintf(w, "  origin     none (%s)\n", x.Status)
	}
	fmt.Fprintf(w, "  direction  %s\n", x.Direction)
	fmt.Fprintf(w, "  score      %.2f, of which proven %.2f\n", x.Score, x.Proven)
	for _, p := range x.Parts {
		fmt.Fprintf(w, "    %+6.2f  %-16s %s\n", p.Weight, p.Name, safeText(p.Why))
	}
	for _, f := range x.Findings {
		word := "claimed"
		if f.Proven {
			word = "proven"
		}
		fmt.Fprintf(w, "  finding    %s (%s, %s): %s\n", f.Code, f.Strength, word, safeText(f.Explain))
	}
	printMilterRules(w, x)
	for _, h := range x.Headers {
		fmt.Fprintf(w, "  adds       %s\n", strings.ReplaceAll(h, "\n\t", "\n             "))
	}
	_, err := w.WriteTo(e.app.out)
	return err
}

func milterVerdict(x milter.Explanation) string {
	text := "passes with header fields: no rule stops it"
	switch {
	case x.Rule != "" && x.Action == milter.ActionNone:
		text = fmt.Sprintf("passes with header fields by rule %q", x.Rule)
	case x.Rule != "":
		text = fmt.Sprintf("%s by rule %q at %s", x.Action, x.Rule, x.Stage)
	}
	if x.Reply != "" {
		text += ": " + x.Reply
	}
	if x.DryRun && x.Rule != "" && x.Action != milter.ActionNone {
		text += " (dry run: it passes)"
	}
	return text
}

func printMilterRules(w io.Writer, x milter.Explanation) {
	if len(x.Rules) == 0 {
		fmt.Fprintln(w, "  rules      none are configured")
	}
	for i, r := range x.Rules {
		because := strings.Join(r.Why, "; ")
		if r.Holds == "no" || r.Holds == "later" {
			because = "not: " + r.Not
		}
		line := fmt.Sprintf("  rule %-5d %-8s %s → %s  %s", i+1, r.Holds, r.Name, r.Action, safeText(because))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}
