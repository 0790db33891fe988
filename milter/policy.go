package milter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"spoor/internal/trace"
)

// A policy is the rules in their order, made ready.
type policy struct {
	rules   []rule
	weights Weights
}

// A rule is one RuleConfig, with the stage at which its conditions can first all be known.
type rule struct {
	RuleConfig
	needles [][]byte
	count   count
	window  window
	stage   stage
}

func newPolicy(cfg Config) policy {
	p := policy{weights: cfg.Score}
	for _, rc := range cfg.Rules {
		r := rule{RuleConfig: rc, stage: rc.stage()}
		r.count, _ = parseCount(rc.Count)
		r.window, _ = parseWindow(rc.Per)
		for _, text := range rc.Body {
			r.needles = append(r.needles, bytes.ToLower([]byte(text)))
		}
		p.rules = append(p.rules, r)
	}
	return p
}

// stage is the earliest at which all conditions can be known, unless a trusted peer hides the origin.
func (r RuleConfig) stage() stage {
	s := stageConnect
	at := func(applies bool, needs stage) {
		if applies {
			s = max(s, needs)
		}
	}
	at(len(r.Direction) > 0, stageMail)
	for _, word := range r.Is {
		at(strings.TrimPrefix(word, "!") == "authenticated", stageMail)
	}
	at(r.Count != "", stageMail)
	at(r.Count == "recipients", stageRcpt)
	at(r.Recipients > 0, stageRcpt)
	at(r.Strength != "" || len(r.Findings) > 0 || r.Score != 0 || len(r.Body) > 0, stageEnd)
	return s
}

// judges returns the stages at which some rule may decide. Those that add to
// the message alone can wait for its end.
func (p policy) judges() (at [stages]bool) {
	at[stageEnd] = true
	if !slices.ContainsFunc(p.rules, func(r rule) bool { return r.Action.refuses() }) {
		return at
	}
	for _, r := range p.rules {
		at[r.stage] = true
	}
	return at
}

// wantsBody says whether a rule looks at bodies.
func (p policy) wantsBody() bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool { return len(r.Body) > 0 })
}

// A Match is a rule that holds, with the facts that made it hold.
type Match struct {
	Rule   string
	Action Action
	Text   string
	Header string
	Why    []string
}

// A Step is one rule's outcome in a judgement.
type Step struct {
	Match
	Holds string // yes, no, later, or skipped behind the rule that decided
	Not   string // the condition that did not hold, or is not known yet
}

// A decision is what the rules say at a stage.
type decision struct {
	decided bool   // false: a later stage will tell
	final   *Match // nil: pass
	along   []Match
	steps   []Step
}

// decide asks the rules in order. A rule that would end the search but cannot
// be answered yet holds back those behind it.
func (p policy) decide(f *facts, explain bool) decision {
	var d decision
	d.decided = true
	for i := range p.rules {
		r := &p.rules[i]
		if d.final != nil || !d.decided {
			d.note(explain, Step{Match: r.match(nil), Holds: "skipped"})
			continue
		}
		a, why, not := r.holds(f, p.weights)
		d.note(explain, Step{Match: r.match(why), Holds: a.String(), Not: not})
		switch {
		case a == later && r.Action.ends():
			d.decided = false
		case a == yes && r.Action.ends():
			m := r.match(why)
			d.final = &m
		case a == yes:
			d.along = append(d.along, r.match(why))
		}
	}
	return d
}

func (d *decision) note(explain bool, s Step) {
	if explain {
		d.steps = append(d.steps, s)
	}
}

func (a answer) String() string { return [...]string{"no", "yes", "later"}[a] }

func (r *rule) match(why []string) Match {
	return Match{Rule: r.Name, Action: r.Action, Text: r.Text, Header: r.Header, Why: why}
}

// holds asks every condition; why lists those that hold, not names the first that does not.
func (r *rule) holds(f *facts, w Weights) (a answer, why []string, not string) {
	a = yes
	r.conditions(f, w, func(name string, c answer, because string) bool {
		if c == yes {
			why = append(why, because)
		} else if not == "" || c == no {
			not = name
		}
		a = a.and(c)
		return a != no
	})
	return a, why, not
}

// conditions visits those that the rule has, the cheap ones first, until visit says no.
func (r *rule) conditions(f *facts, w Weights, visit func(name string, a answer, because string) bool) {
	if len(r.Direction) > 0 && !visit(r.directionHolds(f)) {
		return
	}
	for _, word := range r.Is {
		if !visit("is "+word, f.is(word), f.because(word)) {
			return
		}
	}
	if len(r.Holder) > 0 {
		a := f.of(func(s *source) bool { return slices.Contains(r.Holder, s.holder) })
		if !visit("holder", a, "the registry's holder is one of "+strings.Join(r.Holder, ", ")) {
			return
		}
	}
	if r.Recipients > 0 && !visit("recipients", f.from(stageRcpt, f.env.recipients >= r.Recipients),
		fmt.Sprintf("%d recipients", f.env.recipients)) {
		return
	}
	if r.Count != "" && !visit(fmt.Sprintf("over %d %s a %s", r.Over, r.Count, r.Per), f.over(r.count, r.window, r.Over),
		fmt.Sprintf("over %d %s in the last %s", r.Over, r.Count, r.Per)) {
		return
	}
	r.contentConditions(f, w, visit)
}

func (r *rule) contentConditions(f *facts, w Weights, visit func(name string, a answer, because string) bool) {
	onlyProven := r.Action.stops()
	if len(r.Findings) > 0 || r.Strength != "" {
		code, found := r.finding(f.findings(onlyProven))
		if !visit("findings", f.from(stageEnd, found), "finding "+code) {
			return
		}
	}
	if r.Score != 0 {
		total, _ := f.score(w, onlyProven)
		if !visit(fmt.Sprintf("score %g", r.Score), f.from(stageEnd, total >= r.Score), fmt.Sprintf("score %.2f", total)) {
			return
		}
	}
	if len(r.needles) > 0 {
		i := slices.IndexFunc(r.needles, func(n []byte) bool { return bytes.Contains(f.body, n) })
		because := ""
		if i >= 0 {
			because = fmt.Sprintf("the body holds %q", r.Body[i])
		}
		visit("body", f.from(stageEnd, i >= 0), because)
	}
}

func (r *rule) directionHolds(f *facts) (name string, a answer, because string) {
	a = no
	for _, d := range r.Direction {
		switch f.direction(d) {
		case yes:
			return "direction", yes, "direction " + string(d)
		case later:
			a = later
		}
	}
	return "direction", a, ""
}

// finding returns the first that has one of the codes, where there are codes, and the strength.
func (r *rule) finding(all []trace.Finding) (code string, found bool) {
	for _, x := range all {
		if (len(r.Findings) == 0 || slices.Contains(r.Findings, x.Code)) && strengthRank(x.Strength) >= strengthRank(r.Strength) {
			return x.Code, true
		}
	}
	return "", false
}

// because says a fact with its reason.
func (f *facts) because(word string) string {
	for _, s := range []*source{f.connection(), f.proven()} {
		switch {
		case s == nil:
		case word == "listed" && s.isListed:
			return fmt.Sprintf("%s is listed: %s", s.addr, s.listed)
		case word == "blocked" && s.isBlocked:
			return fmt.Sprintf("%s is blocked: %s", s.addr, s.blocked)
		}
	}
	return word
}
