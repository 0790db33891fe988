package trace

import (
	"strings"

	"spoor/internal/message"
)

// maxClues bounds the clues of one message.
const maxClues = 40

func (r *Result) clue(kind, value, note string) {
	value = clip(value)
	if value == "" || len(r.Clues) >= maxClues {
		return
	}
	for _, c := range r.Clues {
		if c.Kind == kind && c.Value == value {
			return
		}
	}
	r.Clues = append(r.Clues, Clue{Kind: kind, Value: value, Note: note})
}

// clues lists what a person may follow up in the header. They never change the
// origin.
func (r *Result) clues(c *facts) {
	if to := addressIn(c.h.Get("Reply-To")); to != "" && !strings.EqualFold(to, c.from) {
		r.clue("reply-to", to, "the one address that the sender may want answered")
	}
	if mailer := c.mailer(); mailer != "" {
		r.clue("mailer", mailer, mailerFamily(mailer))
	}
	for _, f := range c.h.Fields {
		if note := scannerField(f.Name); note != "" {
			r.clue("scanner", f.Name+": "+f.Value(), note)
		}
	}
	r.messageIDClue(c)
	r.bccClue(c)
}

// messageIDClue shows the Message-ID's parts.
func (r *Result) messageIDClue(c *facts) {
	if c.mid == "" {
		return
	}
	m := ParseMessageID(c.mid)
	var parts []string
	for _, p := range [][2]string{{"date", m.Date}, {"time", m.Time}, {"id", m.ID}, {"user", m.User}, {"domain", m.Domain}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	note := strings.Join(parts, ", ")
	if m.Impossible != "" {
		note += "; " + m.Impossible + " cannot be"
	}
	r.clue("message-id", m.Raw, note)
}

// bccClue notes that the mailbox it arrived in is not among the recipients shown.
func (r *Result) bccClue(c *facts) {
	box, how := c.mailbox(r)
	if box == "" || c.list != "" || len(c.h.Fields) <= len(r.Hops) {
		return
	}
	for _, name := range []string{"To", "Cc", "Resent-To", "Resent-Cc", "Bcc", "Apparently-To"} {
		for _, f := range c.h.All(name) {
			if indexFold(f.Value(), strings.ToLower(box)) >= 0 {
				return
			}
		}
	}
	r.clue("bcc", box, "the mail arrived for this mailbox ("+how+"), which is not among the recipients shown: a blind copy, an alias, a list, or forwarding")
}

// mailbox returns where the mail arrived, and how that is known.
func (c *facts) mailbox(r *Result) (box, how string) {
	if c.o.For != "" {
		return c.o.For, "as told"
	}
	for _, name := range []string{"Delivered-To", "X-Envelope-To", "X-Original-To", "Envelope-To"} {
		if a := addressIn(c.h.Get(name)); a != "" {
			return a, name
		}
	}
	for i := range r.Hops {
		if h := &r.Hops[i]; strings.IndexByte(h.For, '@') > 0 {
			return h.For, "for clause of line " + itoa(int64(i))
		}
	}
	return "", ""
}

// mailerFamily sorts what software calls itself.
func mailerFamily(v string) string {
	for _, f := range mailerFamilies {
		if indexFold(v, f.word) >= 0 {
			return f.family
		}
	}
	return "unknown program; the name is the sender's word"
}

var mailerFamilies = []struct{ word, family string }{
	{"outlook express", "Microsoft mailer, imitated by spam tools"}, {"outlook", "Microsoft mailer"}, {"exchange", "Microsoft server"},
	{"foxmail", "Chinese mailer, imitated by spam tools"}, {"the bat", "mailer, imitated by spam tools"}, {"thunderbird", "Mozilla mailer"}, {"mozilla", "Mozilla mailer"},
	{"apple mail", "Apple mailer"}, {"iphone", "Apple mailer"}, {"phpmailer", "web script"}, {"php", "web script"}, {"swiftmailer", "web script"}, {"wordpress", "web script"},
	{"roundcube", "webmail"}, {"squirrelmail", "webmail"}, {"horde", "webmail"}, {"coremail", "Chinese webmail"}, {"zimbra", "groupware"}, {"webmail", "webmail"},
	{"mutt", "Unix mailer"}, {"evolution", "Unix mailer"}, {"kmail", "Unix mailer"}, {"claws", "Unix mailer"}, {"gnus", "Unix mailer"}, {"git-send-email", "developer's tool"}, {"python", "script"}, {"perl", "script"},
	{"mailchimp", "mailing service"}, {"sendgrid", "mailing service"}, {"mailjet", "mailing service"}, {"acymailing", "mailing service"}, {"bulk", "bulk mailer"},
}

// scannerField says what a virus or spam scanner's field tells, "" for other fields.
func scannerField(name string) string {
	switch {
	case len(name) < 8:
	case hasFoldPrefix(name, "x-virus-scan"), hasFoldPrefix(name, "x-amavis-alert"), hasFoldPrefix(name, "x-virus-status"):
		return "a virus scanner's word; below the boundary the sender may have written it"
	case hasFoldPrefix(name, "x-quarantine"):
		return "kept in quarantine by a scanner"
	case equalFold(name, "x-spam-status") || equalFold(name, "x-spam-flag") || equalFold(name, "x-spam-score"):
		return "a spam filter's word"
	case hasFoldPrefix(name, "x-php-script") || hasFoldPrefix(name, "x-php-originating-script"):
		return "the web script that sent it, as the server noted"
	}
	return ""
}

// maxBodyScan is how much of a mail's text is searched for clues.
const maxBodyScan = 64 << 10

// bodyClues finds what a commercial body wants called or visited.
func (r *Result) bodyClues(m *message.Message) {
	left := maxBodyScan
	m.Walk(func(p *message.Part) bool {
		if left <= 0 || p.IsMail() {
			return false
		}
		if strings.HasPrefix(p.MediaType, "text/") && p.Disposition != "attachment" {
			text := p.Text()
			if len(text) > left {
				text = text[:left]
			}
			left -= len(text)
			r.textClues(text)
		}
		return true
	})
}

// textClues walks over the words of a text once.
func (r *Result) textClues(s string) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case (c == 'h' || c == 'H') && (hasFoldPrefix(s[i:], "http://") || hasFoldPrefix(s[i:], "https://")), (c == 'w' || c == 'W') && hasFoldPrefix(s[i:], "www.") && (i == 0 || !isWordByte(s[i-1])):
			j := urlEnd(s, i)
			r.clue("url", strings.TrimRight(s[i:j], ".,;)>"), "")
			i = j
		case c == '@':
			if a, end := mailAddress(s, i); a != "" {
				r.clue("address", a, "")
				i = end
				continue
			}
			i++
		case (isDigit(c) || c == '+') && (i == 0 || !isWordByte(s[i-1])):
			j, n := phoneEnd(s, i)
			if n >= 7 && n <= 15 && j-i > n && !isoDay(s[i:]) {
				r.clue("phone", trimSpace(s[i:j]), "")
			}
			i = max(j, i+1)
		default:
			i++
		}
	}
}

// isoDay knows 2026-10-05, which is no phone number.
func isoDay(s string) bool {
	return len(s) >= 10 && (s[:2] == "19" || s[:2] == "20") && digits(s[2:4]) && s[4] == '-' && digits(s[5:7]) && s[7] == '-' && digits(s[8:10])
}

func isWordByte(c byte) bool {
	return isAlpha(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '=' || c == '#'
}

func urlEnd(s string, i int) int {
	j := i
	for j < len(s) && j < i+300 && s[j] > ' ' && s[j] < 0x7f && s[j] != '"' && s[j] != '<' && s[j] != '>' && s[j] != '\'' {
		j++
	}
	return j
}

// mailAddress returns the address around the @ at i, and its end.
func mailAddress(s string, at int) (string, int) {
	start, end := at, at+1
	for start > 0 && at-start < 64 && addressByte(s[start-1]) {
		start--
	}
	dot := false
	for end < len(s) && end-at < 255 && (isAlpha(s[end]) || isDigit(s[end]) || s[end] == '-' || s[end] == '.') {
		dot = dot || s[end] == '.'
		end++
	}
	for end > at && s[end-1] == '.' {
		end--
	}
	if start == at || !dot || end-at < 4 {
		return "", at + 1
	}
	return s[start:end], end
}

func addressByte(c byte) bool {
	return isAlpha(c) || isDigit(c) || c == '.' || c == '-' || c == '_' || c == '+'
}

// phoneEnd returns where a run of digits and the signs between them ends, and
// how many digits there are. A date or a price has too few.
func phoneEnd(s string, i int) (end, n int) {
	last := i
	for j := i; j < len(s) && j < i+40; j++ {
		c := s[j]
		switch {
		case isDigit(c):
			n++
			last = j + 1
		case c == '+' && j == i, c == '-', c == ' ', c == '(', c == ')', c == '/' && n > 0:
		default:
			return last, n
		}
	}
	return last, n
}
