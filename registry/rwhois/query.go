package rwhois

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a query.
const (
	maxLine  = 1024
	maxTerms = 16
)

// query is a parsed query (RFC 2167 §3.2): terms of which all those of one alternative
// must hold.
type query struct {
	class        string
	alternatives [][]term
}

// term is one condition: a value that any attribute, or a named one, must have.
type term struct {
	attribute string // "" is any
	value     string // in lower case, without the trailing "*"
	prefix    bool   // the value may go on
	network   netip.Prefix
	isNetwork bool
}

// parseQuery reads "[class] term [and|or term …]". Terms that follow each other without
// a word between must all hold.
func parseQuery(line string) (query, *failure) {
	var q query
	if !utf8.ValidString(line) {
		return q, fail(350, "the query is no UTF-8")
	}
	words, bad := split(line)
	if bad != nil {
		return q, bad
	}
	if len(words) > 1 && slices.Contains(classes(), strings.ToLower(words[0].text)) && !words[0].quoted {
		if next := strings.ToLower(words[1].text); next != "and" && next != "or" {
			q.class = strings.ToLower(words[0].text)
			words = words[1:]
		}
	}
	if len(words) > 1 && !words[0].quoted && !words[0].hasValue && !isOperator(words[1].text) && isName(words[0].text) && words[1].hasValue {
		return q, fail(341, words[0].text)
	}
	return q, q.terms(words)
}

func isOperator(s string) bool { return strings.EqualFold(s, "and") || strings.EqualFold(s, "or") }

// isName reports whether a word looks like a class and not like a value that is searched.
func isName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-') }) < 0
}

func (q *query) terms(words []word) *failure {
	var all []term
	expect := true
	for _, w := range words {
		switch {
		case !w.quoted && !w.hasValue && isOperator(w.text):
			if expect {
				return fail(350, "a term is missing before "+w.text)
			}
			if strings.EqualFold(w.text, "or") {
				q.alternatives = append(q.alternatives, all)
				all = nil
			}
			expect = true
			continue
		case w.hasValue && !isAttribute(q.class, w.text):
			return fail(320, w.text)
		case w.hasValue:
			all = append(all, newTerm(fullName(w.text), w.value))
		default:
			all = append(all, newTerm("", w.text))
		}
		if all[len(all)-1].empty() {
			return fail(350, "a value is missing")
		}
		expect = false
	}
	if expect {
		return fail(350, "a term is missing")
	}
	q.alternatives = append(q.alternatives, all)
	total := 0
	for _, a := range q.alternatives {
		total += len(a)
	}
	if total > maxTerms {
		return fail(351, fmt.Sprintf("%d terms, at most %d are answered", total, maxTerms))
	}
	return nil
}

func newTerm(attribute, value string) term {
	t := term{attribute: attribute, value: strings.ToLower(value)}
	if cut, ok := strings.CutSuffix(t.value, "*"); ok {
		t.value, t.prefix = cut, true
		return t
	}
	if a, err := netip.ParseAddr(t.value); err == nil {
		a = a.Unmap().WithZone("")
		t.network, t.isNetwork = netip.PrefixFrom(a, a.BitLen()), true
	} else if p, err := netip.ParsePrefix(t.value); err == nil && !p.Addr().Is4In6() {
		t.network, t.isNetwork = p.Masked(), true
	}
	if t.isNetwork && t.attribute != "" && !strings.EqualFold(t.attribute, "IP-Network") {
		t.isNetwork = false
	}
	return t
}

func (t term) empty() bool { return t.value == "" && !t.isNetwork }

// word is one word of a line, with what stands behind its "=".
type word struct {
	text     string
	value    string
	hasValue bool
	quoted   bool // the text itself was quoted
}

// split cuts a line at blanks outside of double quotes.
func split(line string) ([]word, *failure) {
	var words []word
	i := 0
	for {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if i == len(line) {
			return words, nil
		}
		var w word
		var bad *failure
		if w.text, w.quoted, i, bad = token(line, i); bad != nil {
			return nil, bad
		}
		if i < len(line) && line[i] == '=' {
			if w.text == "" {
				return nil, fail(350, "an attribute is missing before =")
			}
			w.hasValue = true
			if w.value, _, i, bad = token(line, i+1); bad != nil {
				return nil, bad
			}
		}
		words = append(words, w)
	}
}

// token reads a quoted string, or up to a blank or "=".
func token(line string, i int) (text string, quoted bool, next int, bad *failure) {
	if i < len(line) && line[i] == '"' {
		end := strings.IndexByte(line[i+1:], '"')
		if end < 0 {
			return "", false, 0, fail(350, "a quote is not closed")
		}
		next = i + 1 + end + 1
		if next < len(line) && line[next] != ' ' && line[next] != '\t' && line[next] != '=' {
			return "", false, 0, fail(350, "text follows a closing quote")
		}
		return line[i+1 : next-1], true, next, nil
	}
	for next = i; next < len(line) && line[next] != ' ' && line[next] != '\t' && line[next] != '='; next++ {
		if line[next] == '"' {
			return "", false, 0, fail(350, "a quote stands inside a word")
		}
		if line[next] < ' ' || line[next] == 0x7f {
			return "", false, 0, fail(350, "the query holds control characters")
		}
	}
	return line[i:next], false, next, nil
}

// String writes the query so that it is read back as the same.
func (q query) String() string {
	var b strings.Builder
	b.WriteString(q.class)
	for i, all := range q.alternatives {
		if i > 0 {
			b.WriteString(" or")
		}
		for j, t := range all {
			if j > 0 {
				b.WriteString(" and")
			}
			b.WriteByte(' ')
			if t.attribute != "" {
				b.WriteString(t.attribute + "=")
			}
			value := t.value
			if t.prefix {
				value += "*"
			}
			b.WriteString(`"` + value + `"`)
		}
	}
	return strings.TrimSpace(b.String())
}

// failure is an answer "%error NNN text".
type failure struct {
	code   int
	detail string
}

func fail(code int, detail string) *failure { return &failure{code, oneLine(detail)} }

// errorText are the errors of RFC 2167 that this server gives.
func errorText(code int) string {
	switch code {
	case 230:
		return "No Objects Found"
	case 320:
		return "Invalid Attribute"
	case 330:
		return "Exceeded Max Objects Limit"
	case 331:
		return "Invalid Limit"
	case 332:
		return "Nothing To Transfer"
	case 338:
		return "Invalid Directive Syntax"
	case 340:
		return "Invalid Authority Area"
	case 341:
		return "Invalid Class"
	case 350:
		return "Invalid Query Syntax"
	case 351:
		return "Query Too Complex"
	case 400:
		return "Directive Not Available"
	case 401:
		return "Not Authorized For Directive"
	case 436:
		return "Invalid Display Format"
	case 501:
		return "Service Not Available"
	case 503:
		return "Idle Time Exceeded"
	}
	return "Unidentified Error"
}

func (f *failure) line() string {
	text := fmt.Sprintf("%%error %03d %s", f.code, errorText(f.code))
	if f.detail != "" {
		text += ": " + f.detail
	}
	return text + "\r\n"
}
