package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/internal/message"
)

// A demoCase is one incident with what was written about it.
type demoCase struct {
	incident incident.Incident
	evidence []incident.Evidence
	mails    []incident.Task
}

// show runs the tour and prints it.
func (t *tour) show(ctx context.Context) error {
	out := t.app.out
	fmt.Fprintf(out, "Spoor on loopback: SMTP on %s, notices go to a sink, nothing leaves this machine.\n\n", t.daemon.desk.intake.Addrs()[0])
	begin := time.Now()
	if err := t.send(ctx); err != nil {
		return err
	}
	took := time.Since(begin)
	cases, err := t.cases(ctx)
	if err != nil {
		return err
	}
	t.showMails(cases)
	t.showCases(cases)
	if err := t.showNotice(); err != nil {
		return err
	}
	mails, err := t.sink.mails()
	if err != nil {
		return err
	}
	wrong := checkDemo(cases, t.sent)
	missing, err := t.showTransit(ctx)
	if err != nil {
		return err
	}
	wrong = append(wrong, missing...)
	t.showCounts(cases, len(mails), took)
	if delivered := countDelivered(cases); delivered != len(mails) {
		wrong = append(wrong, fmt.Sprintf("%d mails were delivered, but the sink holds %d", delivered, len(mails)))
	}
	if len(wrong) > 0 {
		return errors.New("the demo did not come out as it must:\n  " + strings.Join(wrong, "\n  "))
	}
	return nil
}

// cases reads every incident with its evidence and its mails, oldest first.
func (t *tour) cases(ctx context.Context) ([]demoCase, error) {
	store := t.daemon.desk.store
	var out []demoCase
	for i, err := range store.Incidents(ctx, abusebox.Filter{}) {
		if err != nil {
			return nil, err
		}
		c := demoCase{incident: i}
		for e, err := range store.Evidence(ctx, i.ID) {
			if err != nil {
				return nil, err
			}
			c.evidence = append(c.evidence, e)
		}
		for task, err := range store.Tasks(ctx, i.ID) {
			if err != nil {
				return nil, err
			}
			if task.IsMail() {
				c.mails = append(c.mails, task)
			}
		}
		out = append(out, c)
	}
	slices.Reverse(out)
	return out, nil
}

// showMails says what was read in each mail, and how.
func (t *tour) showMails(cases []demoCase) {
	fmt.Fprintln(t.app.out, "COMPLAINTS IN")
	table := t.app.table("mail", "by", "read as", "source", "because")
	for _, s := range t.sent {
		source, because := "-", s.record.Why
		if e, ok := reportOf(cases, s.record); ok {
			source, because = "-", e.Why
			if e.Addr.IsValid() {
				source = e.Addr.String()
			}
		}
		if because == "" {
			because = string(s.record.Outcome)
		}
		table.AppendRow([]any{s.name, s.way, orDash(s.record.Format), source, short(because, 60)})
	}
	table.Render()
	fmt.Fprintln(t.app.out)
}

// reportOf finds what one mail alleges: of several reports the one that does not rest on a claim.
func reportOf(cases []demoCase, record abusebox.MailRecord) (found incident.Evidence, ok bool) {
	for _, c := range cases {
		for _, e := range c.evidence {
			if e.Kind == incident.FromReport && e.Mail == record.Mail.String() && (!ok || found.Claimed) {
				found, ok = e, true
			}
		}
	}
	return found, ok
}

// showCases says what the desk made of them.
func (t *tour) showCases(cases []demoCase) {
	fmt.Fprintln(t.app.out, "CASES")
	table := t.app.table("case", "who answers", "ip", "type", "last (utc)", "reports", "naive blames", "state", "mail to")
	for _, c := range cases {
		i := c.incident
		table.AppendRow([]any{i.ID, orDash(i.Holder.Name), address(i), orDash(i.Key.Type), i.Last.UTC().Format("15:04:05"), i.Reports,
			t.naive(c), strings.ToUpper(string(i.State)), orDash(c.mailTo())})
	}
	table.Render()
	fmt.Fprintln(t.app.out)
	for _, c := range cases {
		if why := c.incident.Why; len(why) > 0 && len(c.mails) == 0 {
			fmt.Fprintf(t.app.out, "%s is %s: %s\n", c.incident.ID, c.incident.State, why[len(why)-1])
		}
	}
	fmt.Fprintln(t.app.out)
}

// mailTo is who received a mail about the case.
func (c demoCase) mailTo() string {
	for _, m := range c.mails {
		if m.State != incident.Sent {
			continue
		}
		if len(m.Contact.Addresses) > 0 {
			return m.Contact.Addresses[0]
		}
		return "the desk"
	}
	return ""
}

// naive is the address that a reader would blame who believes the oldest Received line or, without one, takes the
// first address of the text.
func (t *tour) naive(c demoCase) string {
	for _, s := range t.sent {
		if len(c.evidence) > 0 && s.record.Mail.String() == c.evidence[0].Mail {
			if ip := naiveBlame(s.mail); ip.IsValid() {
				return ip.String()
			}
		}
	}
	return "-"
}

func naiveBlame(mail []byte) netip.Addr {
	if at := bytes.LastIndex(mail, []byte("Received: ")); at >= 0 {
		field, _, _ := bytes.Cut(mail[at:], []byte(";"))
		if ip := firstAddress(string(field)); ip.IsValid() {
			return ip
		}
	}
	return firstAddress(string(mail))
}

func firstAddress(text string) netip.Addr {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !(r == '.' || r >= '0' && r <= '9') }) {
		if ip, err := netip.ParseAddr(strings.Trim(word, ".")); err == nil {
			return ip
		}
	}
	return netip.Addr{}
}

// showNotice prints the text of the first notice, as its receiver reads it.
func (t *tour) showNotice() error {
	mails, err := t.sink.mails()
	if err != nil || len(mails) == 0 {
		return err
	}
	slices.Sort(mails)
	data, err := os.ReadFile(mails[0])
	if err != nil {
		return err
	}
	m := message.Read(data, message.DefaultLimits())
	fmt.Fprintln(t.app.out, "ONE NOTICE, AS IT ARRIVED")
	for _, name := range []string{"From", "To", "Subject"} {
		fmt.Fprintf(t.app.out, "| %s: %s\n", name, m.Header.Text(name))
	}
	fmt.Fprintln(t.app.out, "|")
	for line := range strings.Lines(firstText(&m.Part)) {
		fmt.Fprintf(t.app.out, "| %s\n", strings.TrimRight(line, "\r\n"))
	}
	fmt.Fprintln(t.app.out)
	return nil
}

// firstText is the text that a mail reader shows first.
func firstText(root *message.Part) (text string) {
	root.Walk(func(p *message.Part) bool {
		if text == "" && p.MediaType == "text/plain" && !p.IsMultipart() {
			text = p.Text()
		}
		return text == ""
	})
	return text
}

// showCounts says what became of every mail, so that the sums can be checked.
func (t *tour) showCounts(cases []demoCase, arrived int, took time.Duration) {
	outcomes := map[incident.Outcome]int{}
	for _, s := range t.sent {
		outcomes[s.record.Outcome]++
	}
	var parts []string
	for _, o := range []incident.Outcome{incident.Filed, incident.Bounced, incident.AutoText, incident.Unread, incident.Repeated, incident.Looped, incident.Rejected, incident.Poisoned} {
		if n := outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	traced, naiveWrong := 0, 0
	for _, c := range cases {
		if !c.incident.Key.Net.IsValid() || len(c.evidence) == 0 || c.evidence[0].Claimed {
			continue // it names no address, or none that we hold for true
		}
		traced++
		if t.naive(c) != address(c.incident) {
			naiveWrong++
		}
	}
	fmt.Fprintf(t.app.out, "%d mails = %s. %d cases, %d mails written, lost %d. A naive reader would have blamed the wrong address in %d of %d cases. It took %s.\n",
		len(t.sent), strings.Join(parts, " + "), len(cases), arrived, len(t.sent)-sum(outcomes), naiveWrong, traced, took.Round(time.Millisecond))
}

func countDelivered(cases []demoCase) int {
	sent := map[uint64]bool{}
	for _, c := range cases {
		for _, m := range c.mails {
			if m.State == incident.Sent {
				sent[m.ID] = true
			}
		}
	}
	return len(sent)
}

func sum(counts map[incident.Outcome]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// address is the incident's address, or its prefix where it stands for one.
func address(i incident.Incident) string {
	if i.Key.Net.IsSingleIP() {
		return i.Key.Net.Addr().String()
	}
	if !i.Key.Net.IsValid() {
		return "-"
	}
	return i.Key.Net.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func short(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}
