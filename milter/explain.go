package milter

import (
	"slices"
	"strings"
	"time"

	"spoor/internal/message"
	"spoor/internal/trace"
)

// A Case is a saved message and the session in which it would come.
type Case struct {
	Peer       Peer
	By         string // the MTA's name
	From       string
	Recipients int
	At         time.Time
	Message    []byte // as the MTA would get it: without the Received field of its own
}

// An Explanation is the verdict on a Case, rule by rule.
type Explanation struct {
	Client    string           `json:"client"`
	HELO      string           `json:"helo"`
	Direction Direction        `json:"direction"`
	Status    trace.Status     `json:"status"`
	Origin    *trace.Origin    `json:"origin"`
	Score     float64          `json:"score"`
	Proven    float64          `json:"score_proven"` // what rules that stop mail go by
	Parts     []ExplainedPart  `json:"parts"`
	Findings  []ExplainedFound `json:"findings"`
	Rules     []ExplainedRule  `json:"rules"`
	Action    Action           `json:"action"` // none where no rule stops the message
	Rule      string           `json:"rule"`
	Stage     string           `json:"stage"` // at which it is decided
	Reply     string           `json:"reply"` // to the sending host, of a refusal
	DryRun    bool             `json:"dry_run"`
	Headers   []string         `json:"headers"` // that the message would get; folded
}

// An ExplainedPart is one summand of the score.
type ExplainedPart struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
	Why    string  `json:"why"`
}

// An ExplainedFound is a finding, and whether a rule that stops mail may use it.
type ExplainedFound struct {
	trace.Finding
	Proven bool `json:"proven"`
}

// An ExplainedRule is one rule's outcome.
type ExplainedRule struct {
	Name   string   `json:"name"`
	Action Action   `json:"action"`
	Holds  string   `json:"holds"` // yes, no, or skipped behind the rule that decided
	Not    string   `json:"not"`   // the condition that does not hold
	Why    []string `json:"why"`   // the conditions that do
}

// Explain judges a case as the server would judge the message, without deadline,
// and touches no count and no message.
func (s *Server) Explain(c Case) Explanation {
	h, body, _ := message.ReadHeader(c.Message, message.DefaultLimits())
	if c.By == "" {
		c.By = s.id("")
	}
	m := mail{peer: c.Peer, by: c.By, at: c.At, fields: h.Fields, body: body[:min(len(body), s.bodyLimit)]}
	m.env.from, m.env.recipients = c.From, c.Recipients
	at := stageConnect
	var v Verdict
	for ; ; at++ {
		if !s.stages[at] {
			continue
		}
		v = s.judge.think(m, at, true)
		final := v.decision.final
		if at == stageEnd || v.decision.decided && final != nil && final.Action.refuses() {
			break
		}
	}
	whole := v
	if at != stageEnd {
		whole = s.judge.think(m, stageEnd, true)
	}
	e := s.explain(m, whole)
	e.decide(v, at)
	if e.Reply == "" || s.dryRun {
		e.Headers = s.headers(m, whole)
	}
	return e
}

// explain writes down what is known at the message's end.
func (s *Server) explain(m mail, v Verdict) Explanation {
	e := Explanation{
		Client: m.peer.Addr.String(), HELO: m.peer.HELO, Direction: v.Direction, Status: v.Traced.Status, Origin: v.Traced.Origin, Score: v.Score,
		Parts: []ExplainedPart{}, Findings: []ExplainedFound{}, Rules: []ExplainedRule{}, Headers: []string{},
		Action: ActionNone, Stage: stageEnd.String(), DryRun: s.dryRun,
	}
	f := &facts{
		stage: stageEnd, peer: m.peer, env: m.env, lookups: s.judge.lookups,
		trusted: s.judge.tracer.Trusts(m.peer), traced: v.Traced,
	}
	e.Proven, _ = f.score(s.judge.policy.weights, true)
	for _, p := range v.Parts {
		e.Parts = append(e.Parts, ExplainedPart(p))
	}
	for _, x := range v.Traced.Findings {
		e.Findings = append(e.Findings, ExplainedFound{x, proven(v.Traced, x)})
	}
	return e
}

func (e *Explanation) decide(v Verdict, at stage) {
	for _, step := range v.decision.steps {
		rule := ExplainedRule{Name: step.Rule, Action: step.Action, Holds: step.Holds, Not: step.Not, Why: step.Why}
		if rule.Why == nil || rule.Holds != "yes" {
			rule.Why = []string{}
		}
		e.Rules = append(e.Rules, rule)
	}
	final := v.decision.final
	if final == nil {
		return
	}
	e.Action, e.Rule, e.Stage = final.Action, final.Rule, at.String()
	if final.Action.refuses() {
		e.Reply = strings.ReplaceAll(refusal(*final).text, "%%", "%")
	}
}

// headers are the fields that the message would get, from the top.
func (s *Server) headers(m mail, v Verdict) []string {
	all := []string{}
	if id := s.id(m.by); slices.Contains(s.cfg.Mark, v.Direction) {
		all = append(all, fieldOrigin+": "+originValue(id, v), fieldFindings+": "+findingsValue(id, v))
	}
	for _, match := range v.decision.along {
		if match.Action == ActionHeader && !s.dryRun {
			all = append(all, match.Header)
		}
	}
	return all
}
