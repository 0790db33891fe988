package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"spoor/abusebox/incident"
	"spoor/abusebox/notify"
	"spoor/cmd/spoor/config"
	"spoor/internal/message"
	"spoor/internal/trace"
)

// A traceReport drafts, of each traced mail, a report to those who answer for the hosts outside that it came from.
// Nothing is sent.
type traceReport struct {
	on       bool
	to       []string
	from     string
	networks []netip.Prefix // ours
	composer *notify.Composer
	now      func() time.Time
}

// A traceDraft is one report as `spoor trace --report --json` prints it.
type traceDraft struct {
	Source    string     `json:"source"`
	Message   int        `json:"message"`
	IP        netip.Addr `json:"ip"`
	Role      string     `json:"role"`
	Proven    bool       `json:"proven"`
	To        []string   `json:"to"`
	NamedBy   string     `json:"named_by"` // who says that these take complaints; empty for --to
	MessageID string     `json:"message_id"`
	Subject   string     `json:"subject"`
	Text      string     `json:"text"`
	Raw       string     `json:"raw"`
}

func (r *traceReport) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&r.on, "report", false, "draft reports to the networks outside that the mail came from, as a mbox; nothing is sent")
	f.StringArrayVar(&r.to, "to", nil, "with --report: the `address` that it goes to (default whom [registry.outside] names; repeatable)")
	f.StringVar(&r.from, "from", "", "with --report: the `address` that it comes from (default notify.from)")
}

// check refuses flags that mean nothing together.
func (r *traceReport) check(summary bool) error {
	switch {
	case !r.on && (len(r.to) > 0 || r.from != ""):
		return usageError("--to and --from are of reports\nhint: add --report")
	case r.on && summary:
		return usageError("--report drafts a mail for each message and --summary shows none\nhint: leave one of them out")
	}
	return nil
}

// headerOf keeps the header of a mail that will be reported.
func (r *traceReport) headerOf(m *message.Message) string {
	if !r.on {
		return ""
	}
	var b strings.Builder
	for _, f := range m.Header.Fields {
		if f.Name != "" {
			b.WriteString(strings.ReplaceAll(strings.ReplaceAll(string(f.Raw), "\r\n", "\n"), "\n", "\r\n") + "\r\n")
		}
	}
	return b.String()
}

// prepare makes what writes the mails. The store's secret marks them as ours where this user may read it.
func (r *traceReport) prepare(cfg config.Config) error {
	if r.from == "" && cfg.Has("notify") {
		r.from = cfg.Notify.From
	}
	if r.from == "" {
		return usageError("a report needs a sender\nhint: name one with --from, or set notify.from")
	}
	if len(r.to) == 0 && len(cfg.Registry.Outside.Sources) == 0 {
		return usageError("nobody is known to report to\nhint: name one with --to, or sources in [registry.outside]")
	}
	secret, err := os.ReadFile(filepath.Join(cfg.Store.Dir, "secret"))
	if err != nil || len(secret) != secretSize {
		sum := sha256.Sum256([]byte("spoor trace " + r.from))
		secret = sum[:]
	}
	signer, err := notify.NewSigner(secret, r.from)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	templates, err := notify.LoadTemplates(cfg.Notify.Templates)
	if err != nil {
		return exitWith(exitUsage, hint(err, "mend the files in %s", cfg.Notify.Templates))
	}
	own := cfg.Notify
	own.From = r.from
	r.networks = cfg.Site.Networks
	if r.now == nil {
		r.now = time.Now
	}
	r.composer, err = notify.NewComposer(notify.Deps{Config: own, Site: cmp.Or(cfg.Site.Name, r.from), Desk: cfg.Site.Desk,
		Instance: instanceOf(secret), Templates: templates, Signer: signer})
	return err
}

// runReport drafts the reports of every message.
func (t *traceCmd) runReport(ctx context.Context, cfg config.Config, paths []string) error {
	if err := t.report.prepare(cfg); err != nil {
		return err
	}
	err := t.pipeline(ctx, paths, false, func(j *traceJob) error {
		if j.mail.err != nil {
			t.failed(j.mail.source, j.mail.err)
			return nil
		}
		return t.reportOne(ctx, j)
	})
	return t.outcome(err)
}

// reportOne drafts a report for each host outside that had a part in a mail.
func (t *traceCmd) reportOne(ctx context.Context, j *traceJob) error {
	accused := t.report.accused(&j.result)
	if len(accused) == 0 {
		t.failed(j.mail.source, fmt.Errorf("no host outside to report: the trace says %s", j.result.Status))
	}
	for _, s := range accused {
		to, namedBy, err := t.contacts(ctx, s.IP)
		if err != nil {
			t.failed(j.mail.source, err)
			continue
		}
		draft, err := t.report.draft(ctx, j, s, to)
		if err != nil {
			return err
		}
		draft.NamedBy = namedBy
		if err := t.printDraft(draft); err != nil {
			return err
		}
	}
	return nil
}

// accused are the hosts outside that sent a mail or relayed it. Who forwards or runs a list sent nothing of its own;
// an address that is only claimed is no matter for whoever --to names.
func (r *traceReport) accused(result *trace.Result) (hosts []trace.Source) {
	for _, s := range result.Sources {
		ours := s.Ours || slices.ContainsFunc(r.networks, func(p netip.Prefix) bool { return p.Contains(s.IP) })
		sent := s.Role == trace.SourceInjector || s.Role == trace.SourceRelay || s.Role == trace.SourceSender
		known := slices.ContainsFunc(hosts, func(h trace.Source) bool { return h.IP == s.IP })
		if sent && !ours && !known && s.IP.IsGlobalUnicast() && !s.IP.IsPrivate() && (s.Proven || len(r.to) == 0) {
			hosts = append(hosts, s)
		}
	}
	return hosts
}

// maxAbuse bounds the contacts of one network that a report goes to.
const maxAbuse = 3

// contacts are who takes complaints about an address, and who says so.
func (t *traceCmd) contacts(ctx context.Context, ip netip.Addr) (to []string, namedBy string, err error) {
	if len(t.report.to) > 0 {
		return t.report.to, "", nil
	}
	if t.registry == nil {
		return nil, "", hint(fmt.Errorf("nobody is known to report %s to", ip), "name one with --to, or sources in [registry.outside]")
	}
	found, err := askOutside(ctx, t.registry.client, ip.String())
	switch {
	case err != nil:
		return nil, "", err
	case found.Outside == nil:
		return nil, "", fmt.Errorf("%s is ours, or no address that others answer for: it is not reported outside", ip)
	case len(found.Outside.Abuse) == 0:
		return nil, "", hint(fmt.Errorf("no source outside names a contact for %s: %s", ip, found.Outside.Error), "name it yourself with --to")
	}
	return found.Outside.Abuse[:min(len(found.Outside.Abuse), maxAbuse)], found.Outside.Source, nil
}

// draft writes the report about one host. The same mail, host and receivers give the same Message-ID.
func (r *traceReport) draft(ctx context.Context, j *traceJob, s trace.Source, to []string) (traceDraft, error) {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{j.header, s.IP.String()}, to...), "\n")))
	task := incident.Task{ID: binary.BigEndian.Uint64(sum[:8]), Kind: incident.Outward, Contact: incident.Contact{Addresses: to}, Incidents: []incident.ID{0}}
	now := r.now().UTC()
	n, err := r.composer.Compose(ctx, notify.Job{Task: task, Incidents: []incident.Incident{tracedIncident(j, s, now)}, Now: now})
	if errors.Is(err, notify.ErrNobody) {
		return traceDraft{}, usageError("%w\nhint: write an address such as abuse@isp.example", err)
	}
	return traceDraft{Source: j.mail.source, Message: j.mail.number, IP: s.IP, Role: string(s.Role), Proven: s.Proven,
		To: n.To, MessageID: n.MessageID, Subject: n.Subject, Text: n.Text, Raw: string(n.Raw)}, err
}

// tracedIncident is what a trace says about one host, in the form that mails are made of; it is no case of the desk.
func tracedIncident(j *traceJob, s trace.Source, now time.Time) incident.Incident {
	at := hopTime(&j.result, s)
	header := incident.Evidence{Kind: incident.FromReport, Addr: s.IP, ZoneKnown: !at.Local, Received: now, Category: "messaging", Type: "spam",
		Header: j.header, Claimed: !s.Proven, Undated: at.IsZero()}
	if !at.IsZero() {
		header.From = at.Time
	}
	seen := incident.Evidence{Kind: incident.FromTrace, Claimed: !s.Proven, Why: tracedWhy(&j.result, s)}
	when := header.When()
	return incident.Incident{Key: incident.Key{Net: incident.NetOf(s.IP, 128), Type: "spam"}, Category: "messaging", State: incident.Foreign,
		First: when, Last: when, Reports: 1, Events: 1, Samples: []incident.Evidence{header.Bounded(), seen}}
}

// hopTime is when the host handed the mail on, as the line says that names it.
func hopTime(r *trace.Result, s trace.Source) trace.Stamp {
	if s.Hop >= 0 && s.Hop < len(r.Hops) {
		return r.Hops[s.Hop].Time
	}
	return trace.Stamp{}
}

func tracedWhy(r *trace.Result, s trace.Source) string {
	if s.Proven && r.Origin != nil {
		return fmt.Sprintf("the trace of the mail ends at %s, as its %s: %s (confidence %s)", s.IP, s.Role, r.Origin.Why, r.Origin.Confidence)
	}
	return fmt.Sprintf("the relay that handed the mail in names %s in a line of its own; nobody else vouches for it", s.IP)
}

// printDraft writes one report: an object, or a mail of a mbox, which every mail program opens for a person to read and send.
func (t *traceCmd) printDraft(d traceDraft) error {
	if t.app.json {
		return t.app.emit(d)
	}
	if d.NamedBy != "" {
		fmt.Fprintf(t.app.errw, "spoor: %s names %s for %s\n", d.NamedBy, words(d.To), d.IP)
	}
	_, err := t.app.out.Write(mboxEntry(d.Raw, t.report.from, t.report.now()))
	return err
}

// mboxEntry is a mail as a mbox holds it (RFC 4155), with its own "From " lines quoted so that they can be read back.
func mboxEntry(raw, from string, at time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From %s %s\n", from, at.UTC().Format(time.ANSIC))
	for line := range strings.Lines(strings.ReplaceAll(raw, "\r\n", "\n")) {
		if strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
			b.WriteByte('>')
		}
		b.WriteString(line)
	}
	b.WriteByte('\n')
	return b.Bytes()
}
