package report

import (
	"bytes"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"spoor/internal/message"
)

// A document is one complaint laid out for reading: the mail itself, or a mail
// within it that is the true complaint.
type document struct {
	opt     *Options
	lim     Limits
	root    *message.Part
	depth   int
	subject string
	from    string // address of the author, lower case
	domain  string // of from
	date    time.Time
	arrived time.Time

	body     string           // what a person reads
	files    []*message.Part  // attachments that are no mails
	mails    []*message.Part  // enclosed mails: the part whose header is the mail's
	feedback []message.Header // feedback reports
	status   bool             // a delivery status is enclosed
	html     bool             // the body comes from HTML
	lines    []line           // of the body, made on first use
	handed   int              // reports handed on in batches
	twins    map[int64]int    // offsets of times in the text by their reading of the clock
	zone     *zone            // stated for all times of the text, nil until looked for
	budget   *budget
	known    knownKind
	low      lowered     // the head of the text
	asked    knownAnswer // whether it asks for something
	unpacked map[packedName][][]byte
	weights  *weighing
	split    bool // pasted and forwarded mails were told from the text
	// innerSubjects and innerAuthor are those of mails forwarded within the text.
	innerSubjects []string
	innerAuthor   string
	pasted        []message.Header // headers of mails pasted into the text
}

// A budget is shared by all documents of one mail.
type budget struct {
	archives  int
	wrapped   int
	unread    []Unread
	unpacked  int64
	truncated string
}

// A line is one line of text: as the mail has it, and as it is read.
type line struct {
	raw    string
	text   string // without quoting, refanged
	quoted int
	hits   []hit
	// lead and trail are what the lines around say of the same sentence, where
	// a mail program broke it.
	lead, trail string
	// readings are what the line says about each hit, made on first use.
	readings []reading
	// spam marks lines of a pasted mail, which accuse nobody by themselves.
	spam bool
}

func newDocument(root *message.Part, opt *Options, depth int, b *budget) *document {
	d := &document{opt: opt, lim: opt.Limits.orDefault(), root: root, depth: depth, budget: b}
	d.subject = strings.Join(strings.Fields(root.Header.Text("Subject")), " ")
	d.from = authorOf(root.Header)
	if i := strings.LastIndexByte(d.from, '@'); i >= 0 {
		d.domain = d.from[i+1:]
	}
	d.arrived = opt.Arrived
	if st := findStamps(root.Header.Get("Date"), 1); len(st) == 1 && !st[0].yearless {
		d.date = st[0].at.Add(-time.Duration(st[0].zone.offset) * time.Second)
	}
	if d.date.IsZero() {
		d.date = receivedTime(root.Header)
	}
	if d.date.IsZero() {
		d.date = opt.Arrived
	}
	d.collect(root, false)
	if strings.Contains(d.body, "begin ") {
		d.takeUUFiles()
	}
	return d
}

// receivedTime takes the time of the topmost Received field.
func receivedTime(h message.Header) time.Time {
	f, ok := h.Field("Received")
	if !ok {
		return time.Time{}
	}
	v := f.Value()
	i := strings.LastIndexByte(v, ';')
	if i < 0 {
		return time.Time{}
	}
	if st := findStamps(v[i+1:], 1); len(st) == 1 && !st[0].yearless {
		return st[0].at.Add(-time.Duration(st[0].zone.offset) * time.Second)
	}
	return time.Time{}
}

// authorOf returns the address of From, or of Sender, in lower case.
func authorOf(h message.Header) string {
	for _, name := range [...]string{"From", "Sender", "Return-Path"} {
		if a := mailbox(h.Text(name)); a != "" {
			return a
		}
	}
	return ""
}

// mailbox returns the first address of a field in lower case, or "".
func mailbox(v string) string {
	if a, err := mail.ParseAddress(v); err == nil {
		return strings.ToLower(a.Address)
	}
	if i, j := strings.LastIndexByte(v, '<'), strings.LastIndexByte(v, '>'); i >= 0 && j > i && strings.Contains(v[i:j], "@") {
		return strings.ToLower(strings.TrimSpace(v[i+1 : j]))
	}
	for _, w := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" \t<>(),;:[]\"'", r) }) {
		if i := strings.IndexByte(w, '@'); i > 0 && i < len(w)-1 {
			return strings.ToLower(w)
		}
	}
	return ""
}

// collect sorts the parts of the tree into body, files, mails and feedback.
func (d *document) collect(p *message.Part, alternative bool) {
	switch {
	case p.IsMail():
		d.mails = append(d.mails, p.Children[0])
	case p.MediaType == "multipart/alternative":
		d.alternative(p)
	case p.IsMultipart() && len(p.Children) > 0:
		for _, c := range p.Children {
			d.collect(c, alternative)
		}
	case len(p.Groups) > 0:
		d.groups(p)
	case p.MediaType == "application/pgp-signature", p.MediaType == "application/pkcs7-signature", strings.HasPrefix(p.MediaType, "image/"):
	case isBody(p):
		d.addBody(p)
	case isText(p):
		d.files = append(d.files, p)
	case d.unwrap(p):
	default:
		d.noteUnreadable(p)
		d.files = append(d.files, p)
	}
	if p.IsMultipart() && len(p.Preamble) > 0 && d.body == "" && len(bytes.TrimSpace(p.Preamble)) > 200 {
		d.body = string(bytes.ToValidUTF8(p.Preamble, []byte("\uFFFD")))
	}
}

func (d *document) groups(p *message.Part) {
	if strings.HasSuffix(p.MediaType, "feedback-report") {
		d.feedback = append(d.feedback, p.Groups[0])
		return
	}
	if strings.HasSuffix(p.MediaType, "delivery-status") {
		d.status = true
	}
}

// isText tells whether a part is text of some kind.
func isText(p *message.Part) bool {
	return strings.HasPrefix(p.MediaType, "text/") || p.MediaType == "application/json" || p.MediaType == "application/xml"
}

// isBody tells whether a part is text that a mail program shows.
func isBody(p *message.Part) bool {
	if p.MediaType != "text/plain" && p.MediaType != "text/html" && p.MediaType != "text/x-amp-html" && p.MediaType != "text/enriched" {
		return false
	}
	if p.Disposition == "attachment" {
		return false
	}
	return p.Filename == "" || p.Disposition == "inline" && !strings.Contains(p.Filename, ".")
}

func (d *document) addBody(p *message.Part) {
	if p.MediaType == "text/html" {
		if d.body == "" || d.html {
			d.appendBody(htmlText(d.shownText(p), d.lim.MaxText))
			d.html = true
		} else if text := htmlText(d.shownText(p), d.lim.MaxText); len(findAddresses(refang(d.body))) == 0 {
			d.appendBody(text)
		}
		return
	}
	text := d.shownText(p)
	if looksHTML(text) {
		text = htmlText(text, d.lim.MaxText)
	}
	d.appendBody(text)
}

// shownText returns a part's text, of which markup may be the larger part.
func (d *document) shownText(p *message.Part) string {
	n := 4 * d.lim.MaxText
	if len(p.Raw) > 2*n {
		d.budget.truncated = "text"
	}
	return headText(p, n)
}

// looksHTML knows HTML sent as plain text.
func looksHTML(s string) bool {
	head := strings.ToLower(strings.TrimSpace(s[:min(len(s), 512)]))
	return strings.HasPrefix(head, "<!doctype html") || strings.HasPrefix(head, "<html") ||
		strings.HasPrefix(head, "<div") || strings.HasPrefix(head, "<p>") || strings.HasPrefix(head, "<table")
}

func (d *document) appendBody(s string) {
	if room := d.lim.MaxText - len(d.body); len(s) > room {
		s = strings.ToValidUTF8(s[:max(room, 0)], "")
		d.budget.truncated = "text"
	}
	if d.body == "" {
		d.body = s
		return
	}
	if s != "" {
		d.body += "\n" + s
	}
}

// alternative takes the plain text where it says something, else the HTML.
func (d *document) alternative(p *message.Part) {
	var plain, rich *message.Part
	for _, c := range p.Children {
		switch {
		case c.MediaType == "text/plain" && plain == nil:
			plain = c
		case c.MediaType == "text/html" && rich == nil:
			rich = c
		case c.MediaType == "text/html", c.MediaType == "text/plain":
		default:
			d.collect(c, true)
		}
	}
	text := ""
	if plain != nil {
		text = d.shownText(plain)
		if looksHTML(text) {
			text = htmlText(text, d.lim.MaxText)
		}
	}
	if rich != nil && (len(strings.TrimSpace(text)) < 16 || len(findAddresses(refang(text))) == 0) {
		if seen := htmlText(d.shownText(rich), d.lim.MaxText); len(strings.TrimSpace(seen)) > len(strings.TrimSpace(text)) || len(findAddresses(refang(seen))) > 0 {
			text, d.html = seen, true
		}
	}
	d.appendBody(text)
}

// bodyLines splits the body, once.
func (d *document) bodyLines() []line {
	if d.lines == nil {
		d.lines = splitLines(d.body)
	}
	return d.lines
}

// maxLine bounds how much of one line is looked at.
const maxLine = 16 << 10

func splitLines(s string) []line {
	lines := make([]line, 0, 8+len(s)/40)
	for len(s) > 0 {
		var raw string
		raw, s, _ = strings.Cut(s, "\n")
		raw = strings.TrimRight(raw, "\r")
		for strings.IndexByte(raw, '\r') >= 0 {
			var first string
			first, raw, _ = strings.Cut(raw, "\r")
			lines = append(lines, newLine(first))
		}
		lines = append(lines, newLine(raw))
	}
	return lines
}

func newLine(raw string) line {
	if len(raw) > maxLine {
		raw = strings.ToValidUTF8(raw[:maxLine], "")
	}
	l := line{raw: raw}
	l.text, l.quoted = unquote(raw)
	l.text = withoutLeader(unveil(refang(l.text)))
	l.hits = findAddresses(l.text)
	return l
}

// withoutLeader writes "Port ....... 22" and "Port.......: 22" as "Port: 22".
func withoutLeader(t string) string {
	i := strings.Index(t, "...")
	if i < 2 || i > 40 || strings.ContainsAny(t[:i], ":=") {
		return t
	}
	j := i
	for j < len(t) && t[j] == '.' {
		j++
	}
	rest := strings.TrimLeft(t[j:], " \t")
	if j-i < 5 && t[i-1] != ' ' && !strings.HasPrefix(rest, ":") || rest == "" {
		return t
	}
	return strings.TrimRight(t[:i], " ") + ": " + strings.TrimLeft(rest, ": ")
}

// unquote strips "> " quoting and returns its depth.
func unquote(s string) (string, int) {
	depth := 0
	for depth < 16 {
		t := strings.TrimLeft(s, " \t")
		if strings.HasPrefix(t, "|>") {
			t = t[1:]
		}
		if !strings.HasPrefix(t, ">") {
			break
		}
		s = strings.TrimPrefix(t[1:], " ")
		depth++
	}
	return s, depth
}

// named tells whether an address belongs to the mail's own transport, so that
// its appearance in the text accuses nobody.
func (d *document) transport() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, f := range d.root.Header.All("Received") {
		for _, h := range findAddresses(f.Value()) {
			out[h.ip] = true
		}
	}
	return out
}
