package abusebox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	"spoor/abusebox/report"
	"spoor/internal/message"
)

// A reading is one mail as far as it was understood.
type reading struct {
	id     intake.ID
	mail   intake.Mail
	msg    *message.Message
	tag    notify.Tag // of the address it was sent to, if that was one of our signed ones
	tagged bool
	marks  []string // of desks like ours
	result report.Result
	now    time.Time
	cases  []incident.Case
	silent notify.Silence // why it must not be answered

	contacts []string // whose state the decision needs, beside the holders' contacts
}

// decide reads a mail, decides about it, and returns when the decision is on disk.
func (d *Desk) decide(ctx context.Context, id intake.ID, mail intake.Mail) error {
	r := &reading{id: id, mail: mail, now: d.now().UTC()}
	r.msg = message.Read(mail.Message(), message.DefaultLimits())
	r.marks = notify.Marks(r.msg.Header)
	for _, to := range mail.Recipients {
		if tag, ok := d.d.Signer.Read(to); ok {
			r.tag, r.tagged = tag, true
		}
	}
	r.silent = notify.MayAnswer(r.msg, mail.From, d.d.Recipients)
	switch {
	case r.tagged && r.tag.Bounce:
		return d.bounced(ctx, r)
	case r.tagged:
		return d.answered(ctx, r)
	case mail.Loop != "":
		return d.commit(ctx, r, record(incident.Looped, mail.Loop))
	case slices.Contains(r.marks, d.d.Instance):
		return d.commit(ctx, r, record(incident.Looped, "it bears our own mark"))
	}
	r.result = d.read(ctx, r.msg, mail)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(r.result.Reports) == 0 {
		return d.commit(ctx, r, d.withoutReport(r))
	}
	if err := d.cases(ctx, r); err != nil {
		return err
	}
	policy := d.policy()
	return d.commit(ctx, r, func(known incident.Known) (incident.Decision, error) {
		decision := policy.Decide(known, r.cases, r.now)
		d.acknowledge(r, known, &decision)
		return decision, nil
	})
}

// giveUp hands a mail to a person without reading it: its processing failed too often, or ended the process.
func (d *Desk) giveUp(ctx context.Context, t taken, cause error) error {
	r := &reading{id: t.id, mail: t.mail, now: d.now().UTC(), msg: &message.Message{}}
	why := "its processing failed too often"
	if cause != nil {
		line, _, _ := strings.Cut(cause.Error(), "\n")
		why += ", last with: " + cut(line, 200)
	}
	return d.commit(ctx, r, d.setAside(r, incident.Poisoned, why))
}

// How long others may take to answer: name servers while a mail is read, and each witness.
const (
	readFor    = 30 * time.Second
	testifyFor = 5 * time.Second
)

func (d *Desk) read(ctx context.Context, m *message.Message, mail intake.Mail) report.Result {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	return d.d.Read(ctx, m, mail)
}

// A deciding is what runs within the store's transaction; it is pure.
type deciding func(incident.Known) (incident.Decision, error)

func record(outcome incident.Outcome, why string) deciding {
	return func(known incident.Known) (incident.Decision, error) {
		if known.Repeat != "" {
			return repeated(known), nil
		}
		return incident.Decision{Outcome: outcome, Why: why}, nil
	}
}

func repeated(known incident.Known) incident.Decision {
	return incident.Decision{Outcome: incident.Repeated, Why: "the same mail came before as " + known.Repeat}
}

// withoutReport says what becomes of a mail that alleges nothing we could read.
func (d *Desk) withoutReport(r *reading) deciding {
	if _, ok := notify.ReadBounce(r.msg); ok {
		return record(incident.Bounced, "a delivery report that does not come to a signed address of ours; it changes nothing")
	}
	if notify.WantsNoMail(text(r.msg)) && r.mail.From != "" {
		return d.setAside(r, incident.Unread, "it asks for no more mail, but not at the signed address of a mail of ours: anybody could have written it")
	}
	if notify.IsAutomatic(r.msg.Header) && r.result.Rejected != "" {
		return record(incident.AutoText, r.result.Rejected)
	}
	if r.result.Rejected != "" {
		return record(incident.Rejected, r.result.Rejected)
	}
	return d.setAside(r, incident.Unread, "nobody could tell what it reports: "+candidates(r.result))
}

// candidates sums up what was weighed and not taken, for the person who reads the mail.
func candidates(result report.Result) string {
	if len(result.Candidates) == 0 {
		return "no address was found in it"
	}
	var all []string
	for _, c := range result.Candidates[:min(len(result.Candidates), 5)] {
		all = append(all, fmt.Sprintf("%s (%s)", c.IP, c.WhyNot))
	}
	return "not taken were " + strings.Join(all, ", ")
}

// setAside makes a mail a case for a person: an unassigned incident of its own.
func (d *Desk) setAside(r *reading, outcome incident.Outcome, why string) deciding {
	return func(known incident.Known) (incident.Decision, error) {
		if known.Repeat != "" {
			return repeated(known), nil
		}
		e := incident.Evidence{Kind: incident.FromReport, Mail: r.id.String(), Received: r.mail.Arrived, Type: "unread", Why: why,
			Subject: incident.Subject{Title: r.msg.Header.Text("Subject")}, Source: "mail:" + r.id.String(), Lines: firstLines(text(r.msg), 10),
			Reporter: incident.Reporter{Address: r.mail.From, Authenticated: "none"}}
		e.Hash = proofHash(e)
		decision := d.d.Policy.Decide(known, []incident.Case{{Evidence: e, Why: why}}, r.now)
		decision.Outcome, decision.Why = outcome, why
		return decision, nil
	}
}

// maxAsked bounds how many addresses of one mail are held against our own sources.
const maxAsked = 64

// cases asks, for each report, who answered for the address then, and what our own sources saw.
func (d *Desk) cases(ctx context.Context, r *reading) error {
	type asked struct {
		answer      Answer
		testimonies []incident.Testimony
	}
	type question struct {
		Whose
		typ string
	}
	answers := map[question]asked{}
	for _, one := range r.result.Reports[:min(len(r.result.Reports), d.d.Policy.MaxReports+1)] {
		e := d.evidence(r, one)
		c := incident.Case{Evidence: e, Why: "the complaint names no address of ours: " + e.Source}
		if e.Addr.IsValid() {
			q := question{whose(e), e.Type}
			known, ok := answers[q]
			if !ok {
				answer, err := d.d.Holders.Holders(ctx, q.Whose)
				if err != nil {
					return fmt.Errorf("holder of %s: %w", e.Addr, err)
				}
				known.answer = answer
				if len(answers) < maxAsked && answer.Ours {
					known.testimonies = d.ask(ctx, incident.Ask(e))
				}
				answers[q] = known
			}
			c.Ours, c.Holders, c.Why, c.Testimonies = known.answer.Ours, known.answer.Holders, known.answer.Why, known.testimonies
		}
		r.cases = append(r.cases, c)
	}
	return nil
}

// ask collects what every witness says. One that fails says nothing, and that is no evidence of innocence.
func (d *Desk) ask(ctx context.Context, q incident.Question) (all []incident.Testimony) {
	for _, w := range d.d.Witnesses {
		t, err := testify(ctx, w, q)
		if err != nil {
			d.metrics.failures.WithLabelValues("witness").Inc()
			d.log.Warn("desk: a witness failed", "addr", q.Addr, "err", err)
			continue
		}
		all = append(all, t)
	}
	return d.askBlocks(ctx, q, all)
}

// askBlocks adds what our own blocks of the address say; where there were none, they say nothing.
func (d *Desk) askBlocks(ctx context.Context, q incident.Question, all []incident.Testimony) []incident.Testimony {
	if d.d.Blocks == nil {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, testifyFor)
	defer cancel()
	found, err := d.d.Blocks.Restrictions(ctx, q)
	if err != nil {
		d.metrics.failures.WithLabelValues("blocks").Inc()
		d.log.Warn("desk: the blocks of an address are not known", "addr", q.Addr, "err", err)
	}
	if err != nil || len(found) == 0 {
		return all
	}
	return append(all, incident.Testimony{Source: incident.FromBlock, Restricted: found})
}

func testify(ctx context.Context, w Witness, q incident.Question) (incident.Testimony, error) {
	ctx, cancel := context.WithTimeout(ctx, testifyFor)
	defer cancel()
	return w.Testify(ctx, q)
}

// evidence is a report in the words of incidents.
func (d *Desk) evidence(r *reading, one report.Report) incident.Evidence {
	e := incident.Evidence{
		Kind: incident.FromReport, Side: incident.For, Mail: r.id.String(), Format: r.result.Format, ReportID: one.ReportID,
		Reporter: incident.Reporter{Address: r.result.Reporter.Address, Domain: r.result.Reporter.Domain, Authenticated: string(r.result.Reporter.Authenticated)},
		Addr:     one.IP.Unmap(), Port: one.Port, From: one.Time, To: one.TimeEnd, ZoneKnown: one.TimeZoneKnown,
		Uncertainty: time.Duration(one.TimeUncertaintyS) * time.Second, Received: r.mail.Arrived, Category: one.Category, Type: one.Type,
		Subject:  incident.Subject{Account: one.Subject.Account, Site: one.Subject.Site, File: one.Subject.File, Title: one.Subject.Title, Hash: one.Subject.Hash},
		Protocol: one.Protocol, DstPort: one.DstPort, Destination: one.Destination, URLs: one.URLs, Domains: one.Domains, Count: one.Count,
		Source: one.Source, Step: string(one.Step), Level: incident.Level(one.Confidence), Lines: one.Evidence, Redact: one.Redact, Why: one.Why,
		Claimed: one.Claimed, Undated: one.TimeRaw == "", Via: r.marks,
	}
	if e.Source == "" && one.Prefix.IsValid() {
		e.Source = one.Prefix.String()
	}
	if e.Received.IsZero() {
		e.Received = r.now
	}
	if e.Type == "" {
		e.Type = "other"
	}
	if one.TimeRaw == "" && e.From.IsZero() {
		e.From = e.Received
	}
	if enclosed := enclosedMail(r.msg); enclosed != nil && len(r.result.Reports) == 1 {
		e.Header = headerText(enclosed)
	}
	e.Hash = proofHash(e)
	return e
}

// proofHash is the SHA-256 of what this evidence shows, before anything of it is hidden: the reported message's
// header, else its lines. Never of the complaint, which speaks of others too.
func proofHash(e incident.Evidence) string {
	proof := e.Header
	if proof == "" {
		proof = strings.Join(e.Lines, "\n")
	}
	if proof == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(proof))
	return hex.EncodeToString(sum[:])
}

// enclosedMail finds the reported message, where a complaint about one message encloses it.
func enclosedMail(m *message.Message) (found *message.Part) {
	m.Walk(func(p *message.Part) bool {
		if found == nil && p.Depth > 0 {
			switch {
			case p.IsMail() && len(p.Children) == 1:
				found = p.Children[0]
			case p.MediaType == "text/rfc822-headers" || p.MediaType == "message/rfc822-headers":
				head, _, _ := message.ReadHeader(append(slices.Clone(p.Body()), "\r\n\r\n"...), message.DefaultLimits())
				found = &message.Part{Header: head}
			}
		}
		return found == nil
	})
	return found
}

// maxHeaderText bounds the header that is kept of a reported message.
const maxHeaderText = 32 << 10

func headerText(p *message.Part) string {
	var b strings.Builder
	for _, f := range p.Header.Fields {
		if f.Name != "" && b.Len()+len(f.Raw) < maxHeaderText {
			b.Write(f.Raw)
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

// commit asks the store for one transaction, and tells the metrics and the outbox.
func (d *Desk) commit(ctx context.Context, r *reading, decide deciding) error {
	ask := Ask{Mail: r.id, Fingerprint: fingerprint(r), Record: d.remember(r), Contacts: slices.Clone(r.contacts)}
	for _, c := range r.cases {
		key := incident.KeyOf(c, d.d.Policy.V6Bits)
		if !slices.Contains(ask.Keys, key) {
			ask.Keys = append(ask.Keys, key)
		}
		for _, h := range c.Holders {
			if contact := h.Contact.Key(); contact != "" && !slices.Contains(ask.Contacts, contact) {
				ask.Contacts = append(ask.Contacts, contact)
			}
		}
		if name := incident.Counter(c.Evidence.Reporter, r.now); !slices.Contains(ask.Counters, name) {
			ask.Counters = append(ask.Counters, name)
		}
	}
	if from := complainant(r); from != "" {
		ask.Contacts = append(ask.Contacts, from)
		ask.Counters = append(ask.Counters, ackCounter(r))
	}
	decision, err := d.d.Store.Decide(ctx, ask, decide)
	if errors.Is(err, ErrMailDone) {
		return err
	}
	if err != nil {
		return storeFault{fmt.Errorf("decide: %w", err)}
	}
	d.count(r, decision)
	return nil
}

func (d *Desk) count(r *reading, decision incident.Decision) {
	d.metrics.mails.WithLabelValues(string(decision.Outcome)).Inc()
	if decision.Outcome == incident.Filed {
		d.metrics.reports.WithLabelValues(r.result.Format).Add(float64(len(r.cases)))
		d.judgeReporter(r)
	}
	for _, c := range decision.Changes {
		d.metrics.states.WithLabelValues(string(c.Incident.State)).Inc()
	}
	if !r.mail.Arrived.IsZero() {
		d.metrics.waited.Observe(d.now().Sub(r.mail.Arrived).Seconds())
	}
	d.log.Info("mail", "id", r.id, "outcome", decision.Outcome, "why", decision.Why, "format", r.result.Format,
		"reports", len(r.cases), "incidents", incidentIDs(decision.Changes))
	if len(decision.Tasks) > 0 {
		d.poke()
	}
}

// maxLogged bounds the incidents named in one log line.
const maxLogged = 10

func incidentIDs(changes []incident.Change) (ids []string) {
	for _, c := range changes[:min(len(changes), maxLogged)] {
		ids = append(ids, c.Incident.ID.String()+" "+string(c.Incident.State))
	}
	return ids
}

func (d *Desk) remember(r *reading) MailRecord {
	return MailRecord{Source: string(r.mail.Source), Arrived: r.mail.Arrived, Decided: r.now, Format: r.result.Format,
		Subject: cut(r.msg.Header.Text("Subject"), 200), Reports: len(r.result.Reports),
		Reporter: incident.Reporter{Address: r.result.Reporter.Address, Domain: r.result.Reporter.Domain, Authenticated: string(r.result.Reporter.Authenticated)}}
}

// fingerprint names a mail by its sender and content, whichever way it came in.
func fingerprint(r *reading) string {
	if r.mail.SHA256 == ([32]byte{}) {
		r.mail.SHA256 = sha256.Sum256(r.mail.Message())
	}
	sum := sha256.Sum256(append([]byte(strings.ToLower(r.mail.From)+"\x00"), r.mail.SHA256[:]...))
	return string(sum[:])
}

func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// text is what a person reads of a mail: its first part of plain text.
func text(m *message.Message) (s string) {
	m.Walk(func(p *message.Part) bool {
		if p.IsMail() {
			return false
		}
		if s == "" && p.MediaType == "text/plain" && p.Disposition != "attachment" && !p.IsMultipart() {
			s = p.Text()
		}
		return s == ""
	})
	return s
}

func firstLines(s string, n int) (lines []string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, cut(line, 400))
		}
		if len(lines) == n {
			break
		}
	}
	return lines
}
