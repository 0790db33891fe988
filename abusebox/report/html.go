package report

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlText returns the text of an HTML part as a person sees it: entities
// decoded, hidden text left out, table cells parted by tabs.
func htmlText(src string, limit int) string {
	if len(src) > limit {
		src = src[:limit]
	}
	w := htmlWriter{z: html.NewTokenizer(strings.NewReader(src))}
	w.z.SetMaxBuf(1 << 20)
	for {
		switch w.z.Next() {
		case html.ErrorToken:
			return w.out.String()
		case html.TextToken:
			w.text()
		case html.StartTagToken:
			w.start(false)
		case html.SelfClosingTagToken:
			w.start(true)
		case html.EndTagToken:
			name, _ := w.z.TagName()
			w.end(atom.Lookup(name))
		}
	}
}

// An htmlWriter turns a token stream into text.
type htmlWriter struct {
	z      *html.Tokenizer
	out    strings.Builder
	hidden int       // depth inside a hidden element, 0 when visible
	raw    atom.Atom // the script, style or head being skipped
	pre    int
	space  bool // white space is pending
	last   byte
	cells  int
}

func (w *htmlWriter) text() {
	if w.hidden > 0 || w.raw != 0 {
		return
	}
	t := string(w.z.Text())
	if strings.Contains(t, "&") {
		t = html.UnescapeString(t)
	}
	if w.pre > 0 {
		w.write(t)
		return
	}
	for len(t) > 0 {
		i := strings.IndexAny(t, " \t\r\n\u00a0")
		if i < 0 {
			w.write(t)
			return
		}
		w.write(t[:i])
		if hard, ok := strings.CutPrefix(t[i:], "\u00a0"); ok { // stays, as columns made of it do
			w.write(" ")
			t = hard
			continue
		}
		w.space = true
		t = t[i+1:]
	}
}

func (w *htmlWriter) write(s string) {
	if s == "" {
		return
	}
	if w.space && w.last != 0 && w.last != '\n' && w.last != '\t' && w.last != ' ' {
		w.out.WriteByte(' ')
	}
	w.space = false
	w.out.WriteString(s)
	w.last = s[len(s)-1]
}

func (w *htmlWriter) newline() {
	w.space = false
	w.out.WriteByte('\n')
	w.last = '\n'
}

func (w *htmlWriter) start(selfClosing bool) {
	name, more := w.z.TagName()
	a := atom.Lookup(name)
	if w.raw != 0 {
		return
	}
	void := selfClosing || isVoid(a)
	if w.hidden > 0 {
		if !void {
			w.hidden++
		}
		return
	}
	if more && w.isHidden() && !void && a != atom.Html && a != atom.Body {
		w.hidden = 1
		return
	}
	w.open(a, void)
}

func (w *htmlWriter) open(a atom.Atom, void bool) {
	switch a {
	case atom.Script, atom.Style, atom.Head, atom.Title, atom.Template, atom.Noscript:
		if !void {
			w.raw = a
		}
	case atom.Br, atom.P, atom.Div, atom.Li, atom.H1, atom.H2, atom.H3, atom.H4, atom.Table, atom.Blockquote, atom.Dt, atom.Dd, atom.Ul, atom.Ol, atom.Section, atom.Article:
		if w.last != 0 && (w.last != '\n' || a == atom.Br) {
			w.newline()
		}
	case atom.Hr: // as a blank line
		w.newline()
		w.newline()
	case atom.Tr:
		if w.last != 0 && w.last != '\n' {
			w.newline()
		}
		w.cells = 0
	case atom.Td, atom.Th:
		if w.cells > 0 {
			w.space = false
			w.out.WriteByte('\t')
			w.last = '\t'
		}
		w.cells++
	case atom.Pre, atom.Textarea:
		w.pre++
		w.newline()
	}
}

func (w *htmlWriter) end(a atom.Atom) {
	if w.raw != 0 {
		if a == w.raw || a == atom.Body || w.raw == atom.Head && a == atom.Html {
			w.raw = 0
		}
		return
	}
	if w.hidden > 0 {
		if !isVoid(a) {
			w.hidden--
		}
		return
	}
	switch a {
	case atom.P, atom.Div, atom.Li, atom.Tr, atom.Table, atom.H1, atom.H2, atom.H3, atom.H4, atom.Blockquote, atom.Dd:
		if w.last != 0 && w.last != '\n' {
			w.newline()
		}
	case atom.Pre, atom.Textarea:
		w.pre = max(0, w.pre-1)
		w.newline()
	}
}

func isVoid(a atom.Atom) bool {
	switch a {
	case atom.Br, atom.Hr, atom.Img, atom.Input, atom.Meta, atom.Link, atom.Area, atom.Base, atom.Col, atom.Embed, atom.Source, atom.Wbr:
		return true
	}
	return false
}

// isHidden reads the attributes of the current tag.
func (w *htmlWriter) isHidden() bool {
	for {
		key, val, more := w.z.TagAttr()
		switch string(key) {
		case "hidden":
			return true
		case "style":
			s := strings.ToLower(strings.ReplaceAll(string(val), " ", ""))
			if strings.Contains(s, "display:none") || strings.Contains(s, "visibility:hidden") || strings.Contains(s, "font-size:0;") ||
				strings.HasSuffix(s, "font-size:0") || strings.Contains(s, "font-size:0px") || strings.Contains(s, "opacity:0;") || strings.HasSuffix(s, "opacity:0") {
				return true
			}
		}
		if !more {
			return false
		}
	}
}
