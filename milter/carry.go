package milter

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	gomilter "github.com/emersion/go-milter"

	"spoor/internal/trace"
)

// ask judges at a stage before the end, where the rules can decide there, and carries out a refusal.
func (c *session) ask(s stage) reply {
	if !c.s.stages[s] {
		return c.pass(s)
	}
	v, ok := c.judge(s)
	final := v.decision.final
	if !ok || !v.decision.decided || final == nil || !final.Action.refuses() {
		return c.pass(s)
	}
	c.tell(*final, s)
	if c.s.dryRun || c.terms.silent[s] {
		return c.pass(s)
	}
	if s == stageMail {
		c.count(countRefusals, 1)
		c.s.ledger.sight(c.peer.Addr, Sighting{Rejected: 1}, c.msg.env.from, true)
		c.endLetter("refused")
	}
	return refusal(*final)
}

// judge asks for a verdict. Where it is not ok, the deadline has passed, another
// session has taken the connection over, and this one must leave everything alone.
func (c *session) judge(s stage) (v Verdict, ok bool) {
	v, ok = c.s.judge.judge(c.snapshot(), s, func(why Verdict) { c.rescue(s, why) })
	if !ok {
		c.rescued, c.wire.detached = true, true
	}
	return v, ok
}

// rescue goes on with the connection whose session is stuck in a judgement: the
// message passes, and a new session serves what follows.
func (c *session) rescue(s stage, v Verdict) {
	next := &session{s: c.s, wire: c.wire.takeOver(), terms: c.terms, by: c.by, peer: c.peer, macros: c.macros, msg: c.msg}
	r := next.contain(s, func() reply {
		switch s {
		case stageEnd:
			return next.conclude(v)
		case stageRcpt:
			c.s.counters.accepted.Inc()
		}
		return next.pass(s)
	})
	next.say(r)
	next.run()
}

// finish judges the whole message and carries the verdict out.
func (c *session) finish() reply {
	start := time.Now()
	v, ok := c.judge(stageEnd)
	c.s.counters.judgement.Observe(time.Since(start).Seconds())
	if !ok {
		return reply{}
	}
	return c.conclude(v)
}

// conclude carries out a verdict on a whole message.
func (c *session) conclude(v Verdict) reply {
	c.sight(v)
	outcome, r := "passed", reply{code: replyContinue}
	if v.Undecided != "" {
		outcome = "undecided"
		c.s.undecided(c.msg.queueID, v.Undecided)
	}
	for _, match := range v.decision.along {
		c.tell(match, stageEnd)
		if match.Action == ActionReport && !c.s.dryRun {
			c.report(match, v)
		}
	}
	if final := v.decision.final; final != nil && final.Action != ActionNone {
		c.tell(*final, stageEnd)
		if !c.s.dryRun {
			outcome, r = c.carryOut(*final)
		}
	}
	if !r.refused() {
		c.mark(v)
	}
	c.endLetter(outcome)
	return r
}

func (c *session) carryOut(final Match) (outcome string, r reply) {
	if final.Action.refuses() {
		c.count(countRefusals, 1)
		return "refused", refusal(final)
	}
	if c.terms.actions&gomilter.OptQuarantine == 0 {
		c.s.log.Error("the MTA knows no quarantine, the message passes", "queue_id", c.msg.queueID, "rule", final.Rule)
		return "passed", reply{code: replyContinue}
	}
	reason := final.Text
	if reason == "" {
		reason = "spoor: rule " + final.Rule
	}
	c.wire.quarantine(reason)
	return "quarantined", reply{code: replyContinue}
}

// mark removes forged fields and puts ours on top.
func (c *session) mark(v Verdict) {
	if c.terms.actions&gomilter.OptChangeHeader != 0 && len(c.msg.forged) > 0 {
		// From the last, so that those before keep their places.
		for i := len(c.msg.forged) - 1; i >= 0; i-- {
			c.wire.removeHeader(c.msg.forged[i].index, c.msg.forged[i].name)
		}
		c.s.counters.forged.Add(float64(len(c.msg.forged)))
	}
	if c.terms.actions&gomilter.OptAddHeader == 0 {
		return
	}
	insert := func(name, value string) {
		if c.terms.leadingSpace {
			value = " " + value
		}
		c.wire.insertHeader(name, value)
	}
	for _, match := range v.decision.along {
		if match.Action == ActionHeader && !c.s.dryRun {
			name, value, _ := strings.Cut(match.Header, ":")
			insert(name, strings.TrimSpace(value))
		}
	}
	if v.Undecided != "" || slices.Contains(c.s.cfg.Mark, v.Direction) {
		id := c.s.id(c.by)
		insert(fieldFindings, findingsValue(id, v))
		insert(fieldOrigin, originValue(id, v))
	}
}

// id is whose word our fields are: the configured one, or the MTA's own name.
func (s *Server) id(mta string) string {
	switch {
	case s.authservID != "":
		return s.authservID
	case mta != "" && validID(mta):
		return mta
	}
	return s.hostname
}

// source is the host that a message is counted for: the proven origin, else the peer.
func (c *session) source(v Verdict) netip.Addr {
	if o := v.Traced.Origin; o != nil && o.Confidence == trace.ConfidenceHigh && c.s.judge.tracer.Trusts(c.peer) {
		return o.IP
	}
	return c.peer.Addr
}

func (c *session) sight(v Verdict) {
	l, host := c.msg, c.source(v)
	rejected := l.rejected
	if f := v.decision.final; f != nil && f.Action.refuses() && !c.s.dryRun {
		rejected++
	}
	c.s.ledger.sight(host, Sighting{Messages: 1, Recipients: l.env.recipients, Rejected: rejected}, l.env.from, true)
	if host != c.peer.Addr {
		at := c.s.now()
		c.s.judge.rates.add(host, countMessages, 1, at)
		c.s.judge.rates.add(host, countRecipients, l.env.recipients, at)
		c.s.judge.rates.add(host, countRefusals, rejected, at)
	}
}

// maxReportHeader bounds what one report holds of a header.
const maxReportHeader = 64 << 10

func (c *session) report(match Match, v Verdict) {
	r := Report{
		Rule: match.Rule, Text: match.Text, IP: c.source(v), Time: c.msg.at, QueueID: c.msg.queueID,
		Origin: v.Traced.Origin, Score: v.Score, Why: match.Why,
	}
	for _, f := range c.msg.fields {
		if len(r.Header)+len(f.Raw) > maxReportHeader {
			break
		}
		r.Header = append(append(r.Header, f.Raw...), '\n')
	}
	if r.IP.IsValid() {
		c.s.ledger.report(r)
	}
}

// tell logs and counts a rule that matched.
func (c *session) tell(match Match, s stage) {
	c.s.counters.actions.WithLabelValues(match.Rule, string(match.Action), strconv.FormatBool(c.s.dryRun)).Inc()
	level := slog.LevelInfo
	if match.Action == ActionHeader {
		level = slog.LevelDebug // it may match every message
	}
	c.s.log.Log(context.Background(), level, "rule matched", "rule", match.Rule, "action", match.Action, "dry_run", c.s.dryRun, "stage", s.String(),
		"client", c.peer.Addr, "queue_id", c.msg.queueID, "from", c.msg.env.from, "why", match.Why)
}

// refusal is the reply of a match (RFC 5321 §4.2, RFC 3463).
func refusal(match Match) reply {
	code, enhanced, text := "451", "4.7.1", "try again later"
	switch match.Action {
	case ActionReject:
		code, enhanced, text = "550", "5.7.1", "refused by policy"
	case ActionRateLimit:
		text = "too much mail, try again later"
	}
	if match.Text != "" {
		text = match.Text
	}
	if startsEnhanced(text, enhanced[0]) {
		enhanced, text, _ = strings.Cut(text, " ")
	}
	// The MTA reads the text as a format: a lone percent sign would spoil it.
	return reply{replyText, code + " " + enhanced + " " + strings.ReplaceAll(text, "%", "%%")}
}

// startsEnhanced says whether text begins with an enhanced status code of the class.
func startsEnhanced(text string, class byte) bool {
	word, _, _ := strings.Cut(text, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != string(class) {
		return false
	}
	for _, p := range parts[1:] {
		if n, err := strconv.Atoi(p); err != nil || n < 0 || n > 999 {
			return false
		}
	}
	return true
}
