package notify

import (
	"slices"
	"strings"

	"spoor/internal/message"
)

// A Silence says why a mail must not be answered automatically (RFC 3834 §2); "" if it may be.
type Silence string

// MayAnswer decides whether an automatic answer to a mail is safe: envelopeFrom is its return path, us are the
// addresses it may have been sent to.
func MayAnswer(m *message.Message, envelopeFrom string, us []string) Silence {
	h := m.Header
	switch {
	case envelopeFrom == "":
		return "it has an empty return path"
	case plainAddress(envelopeFrom) != nil:
		return "its return path is no plain address"
	case isRobot(envelopeFrom):
		return "its return path belongs to a program"
	case h.Has(InstanceField):
		return "it bears the mark of a desk like ours"
	case !isNo(h.Get("Auto-Submitted")):
		return "it says Auto-Submitted"
	case listField(h) != "":
		return Silence("it came by a list (" + listField(h) + ")")
	case slices.Contains([]string{"bulk", "list", "junk"}, strings.ToLower(h.Get("Precedence"))):
		return "it says Precedence: " + Silence(strings.ToLower(h.Get("Precedence")))
	case m.MediaType == "multipart/report":
		return "it is a report by a program"
	case !namesUs(h, us):
		return "it does not name us in To or Cc"
	}
	return ""
}

func isNo(v string) bool {
	first, _, _ := strings.Cut(v, ";")
	first = strings.ToLower(strings.TrimSpace(first))
	return first == "" || first == "no"
}

func listField(h message.Header) string {
	for _, f := range h.Fields {
		if name := strings.ToLower(f.Name); strings.HasPrefix(name, "list-") || name == "mailing-list" || name == "x-loop" {
			return f.Name
		}
	}
	return ""
}

func isRobot(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	if strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-request") || strings.HasSuffix(local, "-owner") || strings.HasPrefix(local, "bounce") {
		return true
	}
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(local)
	return slices.Contains([]string{"mailerdaemon", "postmaster", "noreply", "donotreply", "daemon", "listserv", "majordomo", "nobody", "autoreply"}, plain)
}

// namesUs looks for one of our addresses, plus-addresses included.
func namesUs(h message.Header, us []string) bool {
	for _, name := range []string{"To", "Cc"} {
		for _, f := range h.All(name) {
			text := strings.ToLower(f.Text())
			for _, a := range us {
				local, domain, _ := strings.Cut(strings.ToLower(a), "@")
				if strings.Contains(text, local+"@"+domain) || strings.Contains(text, local+"+") && strings.Contains(text, "@"+domain) {
					return true
				}
			}
		}
	}
	return false
}

// IsAutomatic reports whether a mail says of itself that a program wrote it.
func IsAutomatic(h message.Header) bool {
	if !isNo(h.Get("Auto-Submitted")) || h.Has("X-Autoreply") || h.Has("X-Autorespond") {
		return true
	}
	subject := strings.ToLower(h.Text("Subject"))
	for _, mark := range []string{"out of office", "automatic reply", "auto-reply", "autoreply", "abwesenheit", "automatische antwort", "réponse automatique", "自動回覆"} {
		if strings.HasPrefix(subject, mark) || strings.HasPrefix(subject, "re: "+mark) {
			return true
		}
	}
	return false
}

// WantsNoMail reports whether the writer asks for no more mail: the word stands alone in what they wrote.
func WantsNoMail(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.ToLower(strings.Trim(line, " \t\r\n.!>\"'"))
		if line == "" {
			continue
		}
		return line == "unsubscribe" || line == "stop" || line == "opt out" || line == "opt-out" || line == "退訂"
	}
	return false
}

// A Bounce is a delivery report about a mail of ours (RFC 3464).
type Bounce struct {
	Action    string // "failed", "delayed", "delivered" …
	Status    string // "5.1.1" (RFC 3463)
	Recipient string
	Text      string // what the server said
}

// Permanent reports whether the address took the mail for good not.
func (b Bounce) Permanent() bool {
	return b.Action == "failed" && !strings.HasPrefix(b.Status, "4.")
}

// AddressFault reports whether the address itself is at fault (RFC 3463 §3.2: class 1), not the mail or a full mailbox.
func (b Bounce) AddressFault() bool {
	return b.Permanent() && (strings.HasPrefix(b.Status, "5.1.") || strings.HasPrefix(b.Status, "5.4.4") || strings.HasPrefix(b.Status, "5.2.1"))
}

// ReadBounce reads a delivery report; ok is false for any other mail.
func ReadBounce(m *message.Message) (b Bounce, ok bool) {
	m.Walk(func(p *message.Part) bool {
		if p.IsMail() {
			return false // a report within the returned mail is not this one
		}
		if ok || p.MediaType != "message/delivery-status" && p.MediaType != "message/global-delivery-status" {
			return !ok
		}
		for _, group := range p.Groups {
			action := strings.ToLower(strings.TrimSpace(group.Get("Action")))
			if action == "" {
				continue
			}
			one := Bounce{Action: action, Status: firstWord(group.Get("Status")), Recipient: afterSemicolon(group.Get("Final-Recipient")),
				Text: oneLine(afterSemicolon(group.Get("Diagnostic-Code")))}
			if !ok || one.Permanent() {
				b, ok = one, true
			}
		}
		return true
	})
	return b, ok
}

func firstWord(s string) string {
	if words := strings.Fields(s); len(words) > 0 {
		return words[0]
	}
	return ""
}

func afterSemicolon(s string) string {
	if _, after, ok := strings.Cut(s, ";"); ok {
		return strings.TrimSpace(after)
	}
	return strings.TrimSpace(s)
}
