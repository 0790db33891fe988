package report

import (
	"strconv"
	"strings"
)

// detail fills in what the text says about a chosen address: its own lines,
// time, ports and URLs.
func (w *weighing) detail(r *Report, c *weighed) {
	r.Port = c.port
	var first, last stamp
	events := 0
	for _, i := range c.lines {
		l := &w.lines[i]
		if w.namesOther(l, c.ip) {
			continue
		}
		if len(r.Evidence) < w.d.lim.MaxEvidence {
			r.Evidence = appendNew(r.Evidence, l.raw)
		}
		w.lineDetail(r, w.unfold(i), c.ip)
		if st := stampsOfLog(l.text); len(st) > 0 && st[0].clock {
			if first.raw == "" {
				first = st[0]
			}
			last = st[0]
			events++
		}
	}
	block := w.block(c)
	w.blockDetail(r, block)
	if st, ok := w.labelledTime(block); ok && !c.logged {
		w.d.setTime(r, st)
	}
	if first.raw != "" {
		w.d.setTime(r, first)
	}
	if st, ok := w.labelledTime(block); ok {
		w.d.setTime(r, st)
	}
	if events > 1 {
		w.d.setEnd(r, last)
		if r.Count <= 1 {
			r.Count = events
		}
	}
	if r.TimeRaw == "" {
		w.epochTime(r, c)
	}
	if r.TimeRaw == "" && len(w.taken) <= 1 {
		if st, ok := w.anyTime(); ok {
			w.d.setTime(r, st)
		}
	}
}

// stampsOfLog finds the time of a log line, also "date=2026-10-01 time=08:14:00".
func stampsOfLog(t string) []stamp {
	st := findStamps(t, 1)
	if len(st) == 0 || st[0].clock {
		return st
	}
	rest := strings.TrimLeft(t[st[0].end:], "\" ,;|\t")
	for _, key := range [...]string{"time=", "time:", "Time:", "Time="} {
		v, ok := strings.CutPrefix(rest, key)
		if !ok {
			continue
		}
		v = strings.TrimLeft(v, "\" ")
		if i := strings.IndexAny(v, "\" ,;|\t"); i > 0 {
			v = v[:i]
		}
		if joined := findStamps(st[0].raw+" "+v, 1); len(joined) > 0 && joined[0].clock {
			joined[0].start = st[0].start
			return joined
		}
	}
	return st
}

// epochTime takes seconds since 1970 from the address's own lines.
func (w *weighing) epochTime(r *Report, c *weighed) {
	for _, i := range c.lines {
		if st, ok := w.d.epochIn(w.lines[i].text); ok && !w.namesOther(&w.lines[i], c.ip) {
			w.d.setTime(r, st)
			return
		}
	}
}

// namesOther tells whether a line names another of the accused.
func (w *weighing) namesOther(l *line, ip addr) bool {
	for _, h := range l.hits {
		if h.ip != ip && w.taken[h.ip] {
			return true
		}
	}
	return false
}

// block returns the lines that surround the address's first mention, up to
// another chosen address.
func (w *weighing) block(c *weighed) []int {
	if len(c.lines) == 0 {
		if len(w.taken) > 1 {
			return nil
		}
		return w.span(0, min(len(w.lines), 400), c.ip)
	}
	at := w.labelLine(c)
	if len(w.taken) > 1 {
		if out := w.paragraph(at, c.ip); len(out) > 0 {
			return out
		}
		return w.span(at, min(len(w.lines), at+60), c.ip)
	}
	out := w.span(at, min(len(w.lines), at+60), c.ip)
	for i := at - 1; i >= max(0, at-40); i-- {
		if w.namesOther(&w.lines[i], c.ip) {
			break
		}
		out = append(out, i)
	}
	return out
}

// paragraph returns the lines around line at, up to blank lines and to those
// that name another of the accused; nothing where no line of it is labelled.
func (w *weighing) paragraph(at int, ip addr) []int {
	lo, hi := at, at+1
	ends := func(i int) bool { return strings.TrimSpace(w.lines[i].text) == "" || w.namesOther(&w.lines[i], ip) }
	for lo > 0 && at-lo < 40 && !ends(lo-1) {
		lo--
	}
	for hi < len(w.lines) && hi-at < 60 && !ends(hi) {
		hi++
	}
	lo, hi = w.record(lo, at, hi)
	var out []int
	labelled := false
	for i := lo; i < hi; i++ {
		out = append(out, i)
		labelled = labelled || i != at && valueOf(w.lines[i].text) != ""
	}
	if !labelled {
		return nil
	}
	return out
}

// record narrows a paragraph to the lines of one of several records in it, which
// all begin with the label of the first.
func (w *weighing) record(lo, at, hi int) (int, int) {
	top := lo
	for top > 0 && lo-top < 200 && strings.TrimSpace(w.lines[top-1].text) != "" {
		top--
	}
	begin := recordLabel(w.lines[top].text)
	if begin == "" || top == lo {
		return lo, w.nextRecord(begin, at, hi)
	}
	for i := at; i >= lo; i-- {
		if recordLabel(w.lines[i].text) == begin {
			return i, w.nextRecord(begin, at, hi)
		}
	}
	return lo, hi
}

// nextRecord returns where behind line at the next record begins, at most hi.
func (w *weighing) nextRecord(begin string, at, hi int) int {
	for i := at + 1; i < hi && begin != ""; i++ {
		if recordLabel(w.lines[i].text) == begin {
			return i
		}
	}
	return hi
}

// recordLabel returns the label, or the words before a number, that a line begins with.
func recordLabel(t string) string {
	t = strings.TrimLeft(t, " \t-*•|#=>")
	i := strings.IndexAny(t, ":#0123456789")
	if i < 2 || i > 30 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(t[:i]))
}

// labelLine returns the line that labels the address, else its first.
func (w *weighing) labelLine(c *weighed) int {
	for _, i := range c.lines {
		l := &w.lines[i]
		for k, h := range l.hits {
			if h.ip == c.ip && l.read()[k].label {
				return i
			}
		}
	}
	return c.lines[0]
}

func (w *weighing) span(lo, hi int, ip addr) []int {
	var out []int
	for i := lo; i < hi; i++ {
		if w.namesOther(&w.lines[i], ip) {
			break
		}
		out = append(out, i)
	}
	return out
}

// labelledTime finds "Date: …", "Timestamp: …" in a block; "Last seen: …" only
// where there is no other.
func (w *weighing) labelledTime(block []int) (stamp, bool) {
	var last stamp
	for _, i := range block {
		st, ok := w.timeOfLine(block, i)
		switch {
		case !ok:
		case !isLastLabel(w.lines[i].text):
			return st, true
		case last.raw == "":
			last = st
		}
	}
	return last, last.raw != ""
}

// timeOfLine reads a line that labels a time.
func (w *weighing) timeOfLine(block []int, i int) (stamp, bool) {
	l := &w.lines[i]
	if l.spam || len(l.text) > 400 || !w.isTimeLabel(l.text) {
		return stamp{}, false
	}
	if st := stampsOfLog(l.text); len(st) > 0 && (st[0].clock || st[0].start < 40) {
		return w.joinClock(st[0], block, i), true
	}
	return epoch(strings.TrimSpace(valueOf(l.text)))
}

// isLastLabel tells the label of the end of a span.
func isLastLabel(t string) bool {
	low := strings.ToLower(strings.TrimLeft(t[:min(len(t), 40)], " \t-*•|#>"))
	return strings.HasPrefix(low, "last") || strings.HasPrefix(low, "end") || strings.HasPrefix(low, "recent") || strings.HasPrefix(low, "to:")
}

// joinClock adds a "Time: 08:14" that stands apart from its "Date:".
func (w *weighing) joinClock(st stamp, block []int, at int) stamp {
	if st.clock {
		return st
	}
	for _, i := range block {
		if i == at || i < at-2 || i > at+2 || w.lines[i].spam {
			continue
		}
		v := valueOf(w.lines[i].text)
		c := clock{s: v}
		if v == "" || !w.isTimeLabel(w.lines[i].text) {
			continue
		}
		half := c.halfDay()
		h, m, s, _, ok := c.hms()
		if !ok {
			continue
		}
		if half == 0 {
			half = c.halfDay()
		}
		y, mo, d := st.at.Date()
		st.at = timeAt(y, mo, d, to24(h, half), m, s)
		st.clock = true
		c.zoneInto(&st)
		st.raw += " " + strings.TrimSpace(v)
		return st
	}
	return st
}

// timeLabels begin the label of a time, in the languages of complaints.
var timeLabels = []string{"date", "time", "timestamp", "when", "event", "seen", "detected", "occurred", "first", "last", "start", "logged", "recorded", "captured", "sighted", "received", "attack time", "incident time", "observed",
	"zeit", "datum", "uhrzeit", "fecha", "hora", "heure", "data", "tijd", "時間", "时间", "日期", "日時", "дата", "время", "发生", "發生", "発生", "检测", "偵測", "検知", "觀測", "観測", "確認", "时刻", "時刻", "moment", "horodatage", "zeitpunkt", "tijdstip", "inizio", "début", "beginn", "inicio", "início", "начало", "horário", "godzina", "czas", "tarih", "utc", "gmt", "on ", "at ", "um ", "am ", "el ", "le ", "op "}

// isNoticeTime tells a line whose label names another time than the event's.
func isNoticeTime(t string) bool {
	label := strings.ToLower(strings.TrimLeft(t[:min(len(t), 64)], " \t-*•|#"))
	if i := strings.IndexByte(label, ':'); i >= 0 {
		label = label[:i]
	}
	for _, w := range [...]string{"date of notice", "notice date", "sent", "updated", "created", "report date", "last update"} {
		if strings.HasPrefix(label, w) {
			return true
		}
	}
	return containsAny(label, notEventLabels)
}

// notEventLabels are parts of the labels of times that are still to come.
var notEventLabels = []string{"deadline", "expires", "expiry", "due date", "frist", "blocked until", "reply by", "respond by"}

// isTimeLabel tells whether a line labels a time.
func (w *weighing) isTimeLabel(t string) bool {
	label, _, ok := strings.Cut(t, ":")
	if !ok || len(label) > 64 {
		i := strings.IndexAny(t, "：=\t")
		if i < 0 || i > 64 {
			return false
		}
		label = t[:i]
	}
	if isNoticeTime(label) {
		return false
	}
	label = strings.ToLower(strings.TrimLeft(label, " \t-*•|#"))
	for _, l := range timeLabels {
		if strings.Contains(label, l) {
			return true
		}
	}
	return false
}

// valueOf returns what stands behind the label of a line.
func valueOf(t string) string {
	if open, end := strings.IndexByte(t, '('), strings.IndexByte(t, ')'); open >= 0 && open < end && end < 56 && strings.IndexAny(t[:end], ":=\t") > open {
		t = t[end+1:] // "Time (hh:mm): 15:37"
	}
	if i := strings.IndexAny(t, ":=\t"); i >= 0 && i < 64 {
		return strings.TrimSpace(t[i+1:])
	}
	if i := strings.Index(t, "："); i >= 0 {
		return strings.TrimSpace(t[i+len("："):])
	}
	return ""
}

// anyTime takes the first full time of the text.
func (w *weighing) anyTime() (stamp, bool) {
	for i := range w.lines {
		if w.lines[i].spam || i > 3000 || isNoticeTime(w.lines[i].text) {
			continue
		}
		if st := findStamps(w.lines[i].text, 1); len(st) > 0 && st[0].clock {
			return st[0], true
		}
	}
	if st := findStamps(w.d.subject, 1); len(st) > 0 {
		return st[0], true
	}
	return stamp{}, false
}

// lineDetail reads ports and the other side from a line that names the address.
func (w *weighing) lineDetail(r *Report, l *line, ip addr) {
	for k, h := range l.hits {
		if h.ip != ip {
			if rd := l.read()[k]; rd.is == target && r.Destination == "" {
				r.Destination = h.ip.String()
				r.DstPort = h.port
				if h.port == 0 && h.bits >= 0 && r.Port != 0 {
					r.DstPort = uint16(h.bits) // address/port on both sides of an arrow
				}
			}
			continue
		}
		if r.Port == 0 {
			r.Port = portBehind(l.text[h.full:])
		}
	}
	arrowPorts(r, l)
	filterPorts(r, l)
	for _, key := range [...]string{"SPT=", "spt=", "sport=", "srcport=", "src_port=", "sourceport=", "s_port="} {
		if n, ok := numberBehind(l.text, key); ok && r.Port == 0 {
			r.Port = n
		}
	}
	for _, key := range [...]string{"DPT=", "dpt=", "dport=", "dstport=", "dst_port=", "destport=", "d_port="} {
		if n, ok := numberBehind(l.text, key); ok && r.DstPort == 0 {
			r.DstPort = n
		}
	}
	if r.Protocol == "" {
		r.Protocol = protocolIn(l.text)
	}
	for _, u := range findURLs(l.text, 4) {
		if host := hostOf(u); !w.d.isReferenceSite(host) && !strings.Contains(u, "abuse") {
			r.URLs = appendNew(r.URLs, u)
			r.Domains = appendNew(r.Domains, domainOnly(host))
		}
	}
}

// portBehind reads " port 51234" right behind an address.
func portBehind(after string) uint16 {
	t := strings.TrimLeft(after, " \t,;:)]")
	for _, w := range [...]string{"on ", "using ", "via ", "and ", "source ", "src ", "with ", "(", "tcp ", "udp "} {
		if len(t) > len(w) && strings.EqualFold(t[:len(w)], w) {
			t = t[len(w):]
		}
	}
	if len(t) < 6 || !strings.EqualFold(t[:4], "port") {
		return 0
	}
	n, _ := number(strings.TrimLeft(t[4:], " :=#"), 0, 65535, 0)
	return n
}

// arrowPorts reads "x 4000 -> y 22" and "x:4000 -> y:22".
func arrowPorts(r *Report, l *line) {
	for k, h := range l.hits[:max(0, len(l.hits)-1)] {
		next := l.hits[k+1]
		between := strings.TrimSpace(l.text[h.full:next.start])
		if h.ip != r.IP || len(between) > 20 || !strings.HasSuffix(between, ">") || strings.Trim(between, "0123456789-=> \t") != "" {
			continue
		}
		far := strings.TrimLeft(l.text[next.full:], " \t")
		port, dst := portCell(firstWord(between)), portCell(firstWord(far))
		if h.port != 0 {
			port, dst = h.port, next.port
		}
		if port != 0 && r.Port == 0 {
			r.Port = port
		}
		if dst != 0 && r.DstPort == 0 {
			r.DstPort = dst
		}
		if r.Destination == "" {
			r.Destination = next.ip.String()
		}
	}
}

// filterPorts reads "x,y,4000,22," of pf's filter log in CSV.
func filterPorts(r *Report, l *line) {
	for k, h := range l.hits[:max(0, len(l.hits)-1)] {
		next := l.hits[k+1]
		if h.ip != r.IP || l.text[h.full:next.start] != "," {
			continue
		}
		f := strings.SplitN(strings.TrimPrefix(l.text[next.full:], ","), ",", 3)
		if len(f) < 2 || r.Port != 0 || r.DstPort != 0 {
			continue
		}
		if src, dst := portCell(f[0]), portCell(f[1]); src != 0 && dst != 0 {
			r.Port, r.DstPort = src, dst
		}
	}
}

// unfold returns a line together with those on which its "DST=… DPT=…" goes on,
// where a mail program has broken it.
func (w *weighing) unfold(i int) *line {
	l := &w.lines[i]
	if !strings.Contains(l.text, "SRC=") || strings.Contains(l.text, "PROTO=") {
		return l
	}
	text := l.text
	for j := i + 1; j < min(len(w.lines), i+4); j++ {
		next := w.lines[j].text
		if strings.TrimSpace(next) == "" || strings.Contains(next, "SRC=") {
			break
		}
		text += " " + strings.TrimSpace(next)
		if strings.Contains(next, "DPT=") {
			break
		}
	}
	if text == l.text {
		return l
	}
	joined := newLine(text)
	return &joined
}

func numberBehind(s, key string) (uint16, bool) {
	i := strings.Index(s, key)
	if i < 0 {
		return 0, false
	}
	n, end := number(strings.TrimLeft(s[i+len(key):], `"`), 0, 65535, 0)
	return n, end > 0
}

func protocolIn(s string) string {
	low := lowerASCII(s)
	for _, p := range [...]string{"tcp", "udp", "icmp"} {
		if i := strings.Index(low, p); i >= 0 && (i == 0 || !isAlnum(s[i-1])) && (i+len(p) >= len(s) || !isAlpha(s[i+len(p)])) {
			return p
		}
	}
	return ""
}

// blockDetail reads labelled fields around the address.
func (w *weighing) blockDetail(r *Report, block []int) {
	for _, i := range block {
		l := &w.lines[i]
		if l.spam || len(l.text) > 600 {
			continue
		}
		w.otherSide(r, l)
		label, value, ok := cutLabel(l.text)
		if !ok {
			continue
		}
		w.field(r, label, value)
	}
}

// otherSide takes a labelled destination.
func (w *weighing) otherSide(r *Report, l *line) {
	if r.Destination != "" {
		return
	}
	for k, h := range l.hits {
		if rd := l.read()[k]; rd.is == target && rd.label && rd.weight >= 80 {
			r.Destination = h.ip.String()
			if h.port != 0 && r.DstPort == 0 {
				r.DstPort = h.port
			}
			return
		}
	}
}

// field takes one labelled value.
func (w *weighing) field(r *Report, label, value string) {
	n, end := number(value, 0, 65535, 0)
	switch {
	case value == "":
	case isPortLabel(label) && end > 0:
		if isFarLabel(label) {
			if r.DstPort == 0 {
				r.DstPort = n
			}
		} else if r.Port == 0 && !strings.Contains(label, "report") {
			r.Port = n
		}
	case isProtocolLabel(label) && r.Protocol == "":
		r.Protocol = strings.ToLower(firstWord(value))
	case strings.Contains(label, "url") || strings.Contains(label, "uri") || label == "link":
		for _, u := range findURLs(refang(value), 4) {
			if !w.d.isReferenceSite(hostOf(u)) {
				r.URLs = appendNew(r.URLs, u)
				r.Domains = appendNew(r.Domains, domainOnly(hostOf(u)))
			}
		}
	case (label == "domain" || label == "domain name" || label == "fqdn") && domainOnly(value) != "":
		r.Domains = appendNew(r.Domains, domainOnly(value))
	case (strings.Contains(label, "count") || strings.Contains(label, "attempts") || strings.Contains(label, "hits")) && end > 0 && !strings.Contains(label, "country") && !strings.Contains(label, "account"):
		if k, err := strconv.Atoi(firstWord(value)); err == nil && k > 0 && r.Count <= 1 {
			r.Count = k
		}
	case strings.Contains(label, "file name") || strings.Contains(label, "filename") || label == "infringing file" || containsAny(label, fileLabels):
		if r.Subject.File == "" {
			r.Subject.File = value
		}
	case strings.Contains(label, "title") || strings.Contains(label, "infringed work") || strings.Contains(label, "work:") || isOneOf(label, titleLabels):
		if r.Subject.Title == "" {
			r.Subject.Title = value
		}
	case (strings.Contains(label, "hash") || containsAny(label, hashLabels)) && r.Subject.Hash == "":
		r.Subject.Hash = value
	case strings.Contains(label, "report id") || strings.Contains(label, "case id") || strings.Contains(label, "case #") || strings.Contains(label, "notice id") || strings.Contains(label, "reference number") || strings.Contains(label, "ticket id") || containsAny(label, caseLabels):
		if r.ReportID == "" {
			r.ReportID = value
		}
	}
}
