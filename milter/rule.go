package milter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"spoor/internal/trace"
)

// An Action is what a rule does with a message that it matches.
type Action string

const (
	ActionNone       Action = "none"       // the message passes; no further rule is asked
	ActionHeader     Action = "header"     // adds a header field and goes on
	ActionReport     Action = "report"     // opens an incident from our own sighting and goes on
	ActionQuarantine Action = "quarantine" // the MTA keeps the message for a person
	ActionTempfail   Action = "tempfail"   // refused for now: the sender tries again
	ActionReject     Action = "reject"     // refused
	ActionRateLimit  Action = "rate-limit" // refused for now while the host is over its limit
)

func actions() []string {
	return []string{"none", "header", "report", "quarantine", "tempfail", "reject", "rate-limit"}
}

// ends says whether no further rule is asked after a match.
func (a Action) ends() bool { return a != ActionHeader && a != ActionReport }

// refuses says whether the action is a reply to the sending host.
func (a Action) refuses() bool {
	return a == ActionTempfail || a == ActionReject || a == ActionRateLimit
}

// stops says whether the action keeps a message from its receivers: then only
// proven facts may lead to it.
func (a Action) stops() bool { return a.refuses() || a == ActionQuarantine }

// A Direction is a way through the MTA.
type Direction string

const (
	DirectionIn         Direction = "in"         // from a host that is not ours
	DirectionOut        Direction = "out"        // from a host of ours
	DirectionSubmission Direction = "submission" // from a person who logged in, or from the MTA's own machine
)

// A RuleConfig is one [[milter.rule]]: all its conditions must hold. A
// condition that is absent holds always.
type RuleConfig struct {
	Name   string `toml:"name"`
	Action Action `toml:"action"`
	// Text is the reply of a refusal, the reason of a quarantine or of a report.
	Text string `toml:"text"`
	// Header is the field that the action "header" adds: "X-Spam-Flag: YES".
	Header string `toml:"header"`

	Direction []Direction `toml:"direction"`
	// Is holds facts about the source, each of which a "!" in front negates:
	// listed, blocked, ours, mail_server, authenticated, rdns.
	Is []string `toml:"is"`
	// Findings holds codes, of which one must be present.
	Findings []string `toml:"findings"`
	// Strength is the least strength that one finding must have: weak, medium or strong.
	Strength trace.Strength `toml:"strength"`
	Score    float64        `toml:"score"`
	// Holder holds names of the registry's holders, of which the source must have one.
	Holder []string `toml:"holder"`
	// Recipients is how many the message must have at least.
	Recipients int `toml:"recipients"`
	// Body holds texts, of which one must occur in the beginning of the raw body, in any case of letters.
	Body []string `toml:"body"`
	// Count (messages, recipients or refusals), Per (minute, hour or day) and
	// Over say how much the source must have sent.
	Count string `toml:"count"`
	Per   string `toml:"per"`
	Over  int    `toml:"over"`
}

func isWords() []string {
	return []string{"listed", "blocked", "ours", "mail_server", "authenticated", "rdns"}
}

func (r RuleConfig) validate(bad func(key, problem, write string)) {
	if r.Name == "" || !validText(r.Name, 64) {
		bad("name", fmt.Sprintf("%q is no name for logs and metrics", r.Name), "a few plain letters")
	}
	if !slices.Contains(actions(), string(r.Action)) {
		bad("action", fmt.Sprintf("%q is no action", r.Action), oneOf(actions()))
	}
	r.validateAction(bad)
	r.validateConditions(bad)
	r.validateRate(bad)
}

func (r RuleConfig) validateAction(bad func(key, problem, write string)) {
	if !validText(r.Text, 400) {
		bad("text", "it cannot stand in an SMTP reply", "at most 400 plain ASCII letters on one line")
	}
	if r.Action == ActionHeader {
		name, value, ok := strings.Cut(r.Header, ":")
		if !ok || !validFieldName(name) || !validText(value, 900) || isOurs(name) {
			bad("header", fmt.Sprintf("%q is no header field", r.Header), `name and text, such as "X-Spam-Flag: YES"`)
		}
	} else if r.Header != "" {
		bad("header", "only the action \"header\" adds a field", "nothing here")
	}
}

func (r RuleConfig) validateConditions(bad func(key, problem, write string)) {
	validateDirections("direction", r.Direction, bad)
	for i, word := range r.Is {
		if !slices.Contains(isWords(), strings.TrimPrefix(word, "!")) {
			bad(index("is", i), fmt.Sprintf("%q is unknown", word), oneOf(isWords())+`, with "!" in front for the contrary`)
		}
	}
	if r.Strength != "" && strengthRank(r.Strength) == 0 {
		bad("strength", fmt.Sprintf("%q is no strength", r.Strength), oneOf([]string{"weak", "medium", "strong"}))
	}
	if r.Recipients < 0 {
		bad("recipients", "it is below nothing", "a number of recipients, or leave it out")
	}
	for i, text := range r.Body {
		if text == "" || len(text) > maxNeedle {
			bad(index("body", i), "nothing to look for, or too much", fmt.Sprintf("1 to %d bytes", maxNeedle))
		}
	}
}

func validateDirections(key string, directions []Direction, bad func(key, problem, write string)) {
	for i, d := range directions {
		if d != DirectionIn && d != DirectionOut && d != DirectionSubmission {
			bad(index(key, i), fmt.Sprintf("%q is no direction", d), oneOf([]string{"in", "out", "submission"}))
		}
	}
}

// maxNeedle bounds a text of a body condition.
const maxNeedle = 256

func (r RuleConfig) validateRate(bad func(key, problem, write string)) {
	if r.Count == "" && r.Per == "" && r.Over == 0 {
		if r.Action == ActionRateLimit {
			bad("count", "a rate limit needs count, per and over", `count = "messages", per = "hour", over = 100`)
		}
		return
	}
	if _, ok := parseCount(r.Count); !ok {
		bad("count", fmt.Sprintf("%q is not counted", r.Count), oneOf([]string{"messages", "recipients", "refusals"}))
	}
	if _, ok := parseWindow(r.Per); !ok {
		bad("per", fmt.Sprintf("%q is no window", r.Per), oneOf([]string{"minute", "hour", "day"}))
	}
	if r.Over < 1 {
		bad("over", fmt.Sprintf("%d holds always or never", r.Over), "a number of 1 or more")
	}
}

func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	return strings.Join(quoted, ", ")
}

// validText says whether s is printable ASCII of at most limit bytes.
func validText(s string, limit int) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return len(s) <= limit
}

// validFieldName follows RFC 5322 §3.6.8.
func validFieldName(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// strengthRank orders findings by strength; 0 stands for a note or an unknown word.
func strengthRank(strength trace.Strength) int {
	switch strength {
	case trace.Weak:
		return 1
	case trace.Medium:
		return 2
	case trace.Strong:
		return 3
	}
	return 0
}
