package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"spoor/internal/trace"
)

// ladderWidth is the width of the view, on a terminal and in a pipe alike.
const ladderWidth = 80

// A ladderView draws one Result for a person.
type ladderView struct {
	w       io.Writer
	r       *trace.Result
	colour  bool
	days    bool // times of more than one day
	host    int  // width of the column of hosts
	ip      int  // width of the column of addresses
	clock   int  // width of the column of times
	explain bool
}

// ladder draws r.
func (t *traceCmd) ladder(w io.Writer, r *trace.Result) {
	v := &ladderView{w: w, r: r, colour: t.app.colour(), explain: t.explain}
	v.measure()
	v.title(t.oldestFirst)
	v.verdict()
	if len(r.Hops) > 0 {
		v.rungs(t.oldestFirst)
	}
	v.notes()
	if t.explain {
		v.walk()
	}
}

// measure chooses the columns' widths.
func (v *ladderView) measure() {
	v.ip, v.clock = 15, 8
	var days []string
	for i := range v.r.Hops {
		h := &v.r.Hops[i]
		if h.IP.IsValid() {
			v.ip = max(v.ip, len(h.IP.String()))
		}
		if !h.Time.IsZero() {
			days = append(days, h.Time.Format(time.DateOnly))
			if h.Time.Local {
				v.clock = 9 // a question mark behind the time
			}
		}
	}
	v.ip = min(v.ip, 24) // the longest addresses are shown whole by --explain
	slices.Sort(days)
	if len(slices.Compact(days)) > 1 {
		v.days, v.clock = true, 11
	}
	v.host = max(12, min(24, ladderWidth-7-1-v.ip-1-v.clock-1-7-1-10))
}

// title names the message and its day.
func (v *ladderView) title(oldestFirst bool) {
	r := v.r
	name := cutMiddle(safeText(r.Source), 24)
	if r.Message > 1 {
		name = fmt.Sprintf("%s:%d", name, r.Message)
	}
	order := "newest hop first"
	if oldestFirst {
		order = "oldest hop first"
	}
	right := order
	if day := v.day(); day != "" {
		right = day + " UTC, " + order
	}
	left := name
	if r.Subject != "" {
		left += fmt.Sprintf("  %q", safeText(r.Subject))
	}
	fmt.Fprintf(v.w, "%s  %s\n", padTo(cutTo(left, ladderWidth-2-columns(right)), ladderWidth-2-columns(right)), right)
}

// day is the day of the newest hop.
func (v *ladderView) day() string {
	for i := range v.r.Hops {
		if h := &v.r.Hops[i]; h.Time.Known() {
			return h.Time.Format(time.DateOnly)
		}
	}
	return ""
}

// line prints left and right at both ends of the width.
func (v *ladderView) line(left, right string) {
	room := ladderWidth - columns(right) - 2
	fmt.Fprintf(v.w, "%s  %s\n", padTo(cutTo(left, room), room), v.bold(right))
}

// item prints a labelled text, wrapped.
func (v *ladderView) item(label, text string) {
	for i, l := range wrapText(safeText(text), ladderWidth-9) {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(v.w, "  %-6s %s\n", label, l)
	}
}

// rungs draws the hops, with a line where trust ends.
func (v *ladderView) rungs(oldestFirst bool) {
	fmt.Fprintln(v.w)
	head := fmt.Sprintf("%-6s %s %s %s %7s %s", "HOP", padTo("WRITTEN BY", v.host), padTo("SAW PEER IP", v.ip), padTo("TIME", v.clock), "SINCE", "PROOF")
	fmt.Fprintln(v.w, strings.TrimRight(head, " "))
	order := make([]int, len(v.r.Hops))
	for i := range order {
		order[i] = i
	}
	if oldestFirst {
		slices.Reverse(order)
	}
	starred := false
	for k, i := range order {
		v.rung(&v.r.Hops[i])
		starred = starred || strings.HasPrefix(since(&v.r.Hops[i]), "*")
		if k+1 < len(order) && v.trusted(i) != v.trusted(order[k+1]) {
			v.ends(oldestFirst)
		}
	}
	if starred {
		v.item("*", "days passed, or this line is dated before the older one: a clock is wrong, the mail waited, or a line is false")
	}
}

// trusted tells whether a hop is above the boundary or on it.
func (v *ladderView) trusted(i int) bool {
	t := v.r.Hops[i].Trust
	return t != trace.TrustClaimed && t != trace.TrustForged
}

// ends draws the boundary.
func (v *ladderView) ends(oldestFirst bool) {
	text := "===|== TRUST ENDS: what follows came from outside and is a claim "
	if oldestFirst {
		text = "===|== TRUST BEGINS: what stands above came from outside and is a claim "
	}
	fmt.Fprintln(v.w, v.bold(text+strings.Repeat("=", ladderWidth-len(text))))
}

// rung draws one hop.
func (v *ladderView) rung(h *trace.Hop) {
	by, ip := safeText(h.By), "-"
	if by == "" {
		by = "???"
	}
	if h.IP.IsValid() {
		ip = cutMiddle(h.IP.String(), v.ip)
	}
	proof := v.proof(h)
	room := max(4, ladderWidth-7-v.host-1-v.ip-1-v.clock-1-7-1)
	text := fmt.Sprintf("%2d.|-- %s %s %s %7s %s", h.Index, padTo(cutMiddle(by, v.host), v.host), padTo(ip, v.ip), padTo(v.time(h), v.clock), since(h), cutTo(proof, room))
	text = strings.TrimRight(text, " ")
	if !v.trusted(h.Index) {
		text = v.dim(text)
	}
	fmt.Fprintln(v.w, text)
}

// proof says in a word or two what the line is worth.
func (v *ladderView) proof(h *trace.Hop) string {
	switch {
	case h.Trust == trace.TrustForged:
		return "FORGED"
	case h.Trust == trace.TrustClaimed:
		return "claim"
	case v.r.Origin != nil && v.r.Origin.Hop == h.Index:
		return "origin"
	case h.Skip != trace.SkipNone:
		return string(h.Role)
	case h.Trust == trace.TrustOwn:
		return "our " + string(h.Role)
	}
	return string(h.Role)
}

// time shows a hop's clock; "?" marks one without zone.
func (v *ladderView) time(h *trace.Hop) string {
	if h.Time.IsZero() {
		return "-"
	}
	layout := "15:04:05"
	if v.days {
		layout = "01-02 15:04"
	}
	text := h.Time.Format(layout)
	if h.Time.Local {
		text += "?"
	}
	return text
}

// since shows a hop's delay; a star marks the unexpected.
func since(h *trace.Hop) string {
	if h.Delay == nil {
		return "-"
	}
	d := *h.Delay
	mark, sign := "", "+"
	if d < -300 || d > 4*86400 {
		mark = "*"
	}
	if d < 0 {
		sign, d = "-", -d
	}
	switch {
	case d >= 2*86400:
		return fmt.Sprintf("%s%s%dd", mark, sign, d/86400)
	case d >= 2*3600:
		return fmt.Sprintf("%s%s%dh", mark, sign, d/3600)
	case d >= 120:
		return fmt.Sprintf("%s%s%dm", mark, sign, d/60)
	}
	return fmt.Sprintf("%s%s%ds", mark, sign, d)
}

// notes lists findings and clues.
func (v *ladderView) notes() {
	r := v.r
	if len(r.Findings)+len(r.Clues) > 0 {
		fmt.Fprintln(v.w)
	}
	for _, f := range r.Findings {
		where := ""
		if f.Hop >= 0 {
			where = fmt.Sprintf(" (line %d)", f.Hop)
		}
		v.item(string(f.Strength), f.Explain+where+" ["+f.Code+"]")
		if f.Quote != "" && f.Strength != trace.Note {
			v.item("", "“"+oneLine(f.Quote)+"”")
		}
		if v.explain && f.Benign != "" {
			v.item("", "or: "+f.Benign)
		}
	}
	for _, c := range r.Clues {
		text := c.Kind + " " + oneLine(c.Value)
		if c.Note != "" {
			text += " (" + c.Note + ")"
		}
		v.item("clue", text)
	}
}

// walk shows every line with what was read from it and why it is believed.
func (v *ladderView) walk() {
	for i := range v.r.Hops {
		h := &v.r.Hops[i]
		fmt.Fprintf(v.w, "\nLINE %d  %s, %s, %s\n", h.Index, h.Dialect, h.Role, h.Trust)
		for _, l := range wrapText(safeText(oneLine(h.Raw)), ladderWidth-4) {
			fmt.Fprintf(v.w, "  | %s\n", l)
		}
		peer := ""
		if h.IP.IsValid() {
			peer = h.IP.String()
		}
		fields := [][2]string{{"saw", peer}, {"whose", h.Organisation}, {"rdns", h.RDNS}, {"told", h.HELO}, {"ident", h.Ident}, {"auth", h.Auth}, {"tls", h.TLS}, {"with", h.With},
			{"id", h.ID}, {"from", h.EnvelopeFrom}, {"for", h.For}, {"time", h.TimeRaw}, {"zones", strings.Join(h.Zones, " ")}, {"skip", string(h.Skip)}}
		for _, f := range fields {
			if f[1] != "" {
				v.item(f[0], oneLine(f[1]))
			}
		}
		if h.Rule != "" {
			v.item("trust", h.Rule)
			v.item("peer", h.Peer)
		} else {
			v.item("trust", "none: below the boundary")
		}
	}
	if v.r.TotalDelay != nil {
		fmt.Fprintf(v.w, "\nWHOLE WAY  %d s from the oldest line to the newest\n", *v.r.TotalDelay)
	}
}

func (v *ladderView) bold(s string) string { return v.paint("1", s) }
func (v *ladderView) dim(s string) string  { return v.paint("2", s) }

func (v *ladderView) paint(code, s string) string {
	if !v.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
