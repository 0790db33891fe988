package milter

import (
	"strconv"
	"strings"
	"time"
)

// The names of our header fields.
const (
	fieldOrigin   = "X-Spoor-Origin"
	fieldFindings = "X-Spoor-Findings"
)

// isOurs says whether a field bears one of our names. White space before the
// colon is the obsolete form (RFC 5322 §4.5) and names the same field.
func isOurs(name string) bool {
	name = strings.TrimRight(name, " \t")
	return strings.EqualFold(name, fieldOrigin) || strings.EqualFold(name, fieldFindings)
}

// originValue writes where the message came from, in the form of RFC 8601 §2.2:
// whose word it is, then what is said.
func originValue(id string, v Verdict) string {
	o := v.Traced.Origin
	w := newFolder(id)
	switch {
	case v.Undecided != "":
		w.item("status", "undecided")
		w.item("reason", v.Undecided)
	case o == nil:
		w.item("status", string(v.Traced.Status))
	default:
		w.item("ip", o.IP.String())
		w.item("hop", strconv.Itoa(o.Hop))
		w.item("helo", o.HELO)
		if o.RDNS != "" {
			w.item("rdns", o.RDNS)
		} else {
			w.item("rdns-state", string(o.RDNSState))
		}
		if o.RecordedBy != "" {
			w.item("by", o.RecordedBy)
		}
		if o.Time.Known() {
			w.item("time", o.Time.UTC().Format(time.RFC3339))
		}
		w.item("confidence", string(o.Confidence))
	}
	return w.String()
}

// maxShownFindings bounds what a message with a hostile header adds to itself.
const maxShownFindings = 20

// findingsValue writes the score with its parts, and the findings.
func findingsValue(id string, v Verdict) string {
	w := newFolder(id)
	if v.Undecided != "" {
		w.item("status", "undecided")
		w.item("reason", v.Undecided)
		return w.String()
	}
	w.item("score", strconv.FormatFloat(v.Score, 'f', 2, 64))
	for _, p := range v.Parts[:min(len(v.Parts), maxShownFindings)] {
		w.item(p.Name, signed(p.Weight))
	}
	for _, f := range v.Traced.Findings[:min(len(v.Traced.Findings), maxShownFindings)] {
		where := "message"
		if f.Hop >= 0 {
			where = "hop " + strconv.Itoa(f.Hop)
		}
		w.item("finding", f.Code+" ("+string(f.Strength)+", "+where+")")
	}
	if n := len(v.Traced.Findings) - maxShownFindings; n > 0 {
		w.item("more", strconv.Itoa(n))
	}
	return w.String()
}

func signed(x float64) string {
	text := strconv.FormatFloat(x, 'f', 2, 64)
	if x >= 0 {
		return "+" + text
	}
	return text
}

// A folder writes "id; key=value; key=value" in printable ASCII, folded before
// the 78th column (RFC 5322 §2.1.1).
type folder struct {
	b     []byte
	begin int // of the line
}

// foldAt leaves room for the longest of our names before the first line.
const (
	foldAt    = 76
	nameWidth = len(fieldFindings) + 2
	tabWidth  = 8
	maxValue  = 255 // one value: more than any name of a host (RFC 1035 §2.3.4)
)

func newFolder(id string) *folder {
	return &folder{b: append(make([]byte, 0, 256), id...), begin: -nameWidth}
}

func (w *folder) item(key, value string) {
	w.b = append(w.b, ';', ' ')
	at := len(w.b)
	w.b = append(append(w.b, key...), '=')
	w.b = appendQuoted(w.b, value)
	if len(w.b)+1-w.begin <= foldAt {
		return
	}
	// Too long: the blank before the item becomes a fold.
	w.b = append(w.b, 0)
	copy(w.b[at+1:], w.b[at:])
	w.b[at-1], w.b[at] = '\n', '\t'
	w.begin = at + 1 - tabWidth
}

func (w *folder) String() string { return string(w.b) }

// appendQuoted leaves a token as it is and makes of everything else a quoted string (RFC 5322 §3.2.4) in
// ASCII: what a client said of itself cannot end the value, begin a new one or bring 8-bit bytes in.
func appendQuoted(b []byte, s string) []byte {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	if isToken(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(".-+:_[]", c) < 0 {
			return false
		}
	}
	return s != ""
}
