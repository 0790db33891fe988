package report

import "strings"

// pairInLog reads a line of a device's log whose addresses no word tells apart:
// a time or a port, and several addresses in a row. Devices write the source
// first; where only one address is public, or ours, that is the source. It is
// nil where the line is none of these.
func pairInLog(l *line, ours func(addr) bool) []reading {
	if len(l.hits) < 2 || len(l.hits) > 6 || l.hits[0].ip == l.hits[1].ip {
		return nil
	}
	if r := pairLabel(l); r != nil {
		return r
	}
	if !hasClock(l.text) && !hasEpoch(l.text) && !isRow(l) && !isTimedRow(l) {
		return nil
	}
	first := 0
	if namesHost(l.text[l.hits[0].full:]) {
		first = 1 // the host that wrote the line
	}
	for k, r := range l.read() {
		h := l.hits[k]
		if r.is != neutral || r.weight > weightBare || h.inURL || h.bits >= 0 || h.start > 0 && (l.text[h.start-1] == '(' || l.text[h.start-1] == '[') {
			return nil
		}
	}
	if first+1 >= len(l.hits) {
		return nil
	}
	src := sourceOfPair(l.hits[first:], ours) + first
	out := make([]reading, len(l.hits))
	for k := range out {
		out[k] = reading{is: target, weight: weightLog - 10, word: "second address of a log line", log: true}
	}
	out[src] = reading{is: source, weight: weightLog - 10, word: "first address of a log line", log: true}
	return out
}

// isRow tells a row of two addresses and numbers without a time.
func isRow(l *line) bool {
	if len(l.hits) != 2 || strings.TrimSpace(l.text[l.hits[0].full:l.hits[1].start]) != "" {
		return false
	}
	rest := strings.TrimSpace(l.text[l.hits[1].full:])
	return rest != "" && strings.Trim(rest, "0123456789/ \ttcpudTCPUD") == "" && strings.Trim(l.text[:l.hits[0].start], " \t") == ""
}

// isTimedRow tells a row of a table with a time to the minute and two addresses
// in columns of their own.
func isTimedRow(l *line) bool {
	if len(l.hits) != 2 || strings.Trim(l.text[l.hits[0].full:l.hits[1].start], " \t|;,") != "" {
		return false
	}
	st := findStamps(l.text, 1)
	return len(st) == 1 && st[0].clock && len(wordsOf(l.text)) < 4
}

// pairLabel reads "src/dst: x / y".
func pairLabel(l *line) []reading {
	label, _, ok := strings.Cut(strings.ToLower(l.text[:l.hits[0].start]), ":")
	if !ok || len(label) > 40 || len(l.hits) != 2 || strings.Contains(label, " to ") {
		return nil
	}
	var parts []bearing
	for _, w := range strings.FieldsFunc(label, func(r rune) bool { return r < 0x80 && !isAlnum(byte(r)) }) {
		if is := bearingOf(w); is == source || is == target {
			parts = append(parts, is)
		}
	}
	if len(parts) != 2 || parts[0] == parts[1] {
		return nil
	}
	out := make([]reading, 2)
	for k := range out {
		out[k] = reading{is: parts[k], weight: weightLabel, word: "label of both sides", label: true}
	}
	return out
}

func sourceOfPair(hits []hit, ours func(addr) bool) int {
	for _, is := range [...]func(addr) bool{ours, public} {
		if is == nil {
			continue
		}
		at, n := 0, 0
		for k, h := range hits {
			if is(h.ip) {
				if n == 0 {
					at = k
				}
				n++
			}
		}
		if n == 1 {
			return at
		}
	}
	return 0
}

// namesHost tells whether a syslog tag follows an address: " sshd[7]: ".
func namesHost(after string) bool {
	t := strings.TrimLeft(after, " ")
	if len(t) == len(after) {
		return false
	}
	i := 0
	for i < len(t) && (isAlnum(t[i]) || t[i] == '-' || t[i] == '_' || t[i] == '/' || t[i] == '[' || t[i] == ']') {
		i++
	}
	return i > 1 && i < len(t) && t[i] == ':' && isAlpha(t[0])
}

// hasClock tells whether hh:mm:ss stands near the front of a line.
func hasClock(t string) bool {
	t = t[:min(len(t), 80)]
	for i := 0; i+8 <= len(t); i++ {
		if t[i+2] == ':' && t[i+5] == ':' && isDigit(t[i]) && isDigit(t[i+1]) && isDigit(t[i+3]) && isDigit(t[i+4]) && isDigit(t[i+6]) && isDigit(t[i+7]) &&
			(i == 0 || !isAlnum(t[i-1]) && t[i-1] != ':' || t[i-1] == 'T' || t[i-1] == ':' && i > 4 && isDigit(t[i-2]) && isDigit(t[i-4])) && (i+8 == len(t) || t[i+8] != ':') {
			return true
		}
	}
	return false
}

// hasEpoch tells whether seconds since 1970 stand as a word in a line.
func hasEpoch(t string) bool {
	for _, w := range strings.Fields(t[:min(len(t), 200)]) {
		if _, ok := epoch(w); ok {
			return true
		}
	}
	return false
}

// maxSignature bounds the lines of a signature.
const maxSignature = 12

// signatureAt returns the line of "-- " that begins the signature (RFC 3676
// §4.3), where addresses stand before it; 0 where there is none.
func signatureAt(lines []line) int {
	end := len(lines)
	for end > 0 && strings.TrimSpace(lines[end-1].text) == "" {
		end--
	}
	for i := end - 1; i > 0 && i >= end-1-maxSignature; i-- {
		if t := lines[i].text; t != "--" && t != "-- " && t != "__" {
			continue
		}
		for _, l := range lines[:i] {
			if len(l.hits) > 0 && !l.spam {
				return i
			}
		}
	}
	return 0
}

// closings end letters, above the author's name and numbers.
var closings = []string{"regards", "kind regards", "best regards", "with kind regards", "warm regards", "sincerely", "yours sincerely", "yours faithfully", "best", "cheers", "mit freundlichen grüßen", "mit freundlichen gruessen", "mit freundlichem gruß", "freundliche grüße", "viele grüße", "beste grüße", "cordialement", "bien cordialement", "salutations", "un saludo", "saludos", "saludos cordiales", "atentamente", "atenciosamente", "cumprimentos", "cordiali saluti", "distinti saluti", "met vriendelijke groet", "met vriendelijke groeten", "vriendelijke groeten", "pozdrawiam", "z poważaniem", "s pozdravem", "с уважением", "з повагою", "med vänlig hälsning", "med venlig hilsen", "vennlig hilsen", "ystävällisin terveisin", "üdvözlettel", "tisztelettel", "saygılarımla", "saygılar", "iyi çalışmalar", "cu stimă"}

// closingAt returns the line of the closing formula that ends a letter, where
// addresses stand before it and no log follows; 0 where there is none.
func closingAt(lines []line) int {
	end := len(lines)
	for end > 0 && strings.TrimSpace(lines[end-1].text) == "" {
		end--
	}
	for i := end - 1; i > 0 && i >= end-1-maxSignature; i-- {
		if len(lines[i].hits) > 0 && stamped(lines[i].text) {
			return 0
		}
		if t := strings.TrimRight(strings.TrimSpace(lines[i].text), ",.! "); len(t) > 48 || !isOneOf(strings.ToLower(t), closings) {
			continue
		}
		for _, l := range lines[:i] {
			if len(l.hits) > 0 && !l.spam {
				return i
			}
		}
	}
	return 0
}
