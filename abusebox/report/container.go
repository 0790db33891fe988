package report

import (
	"strings"

	"spoor/internal/message"
)

// unwrap opens the containers in which other programs keep mails and files, and
// collects what they hold; ok is false where the part is none.
//
// Sources: Outlook and Exchange (winmail.dat, .msg), S/MIME gateways.
func (d *document) unwrap(p *message.Part) (ok bool) {
	name := strings.ToLower(p.Filename)
	if !isContainer(p.MediaType, name) {
		return false
	}
	if d.budget.wrapped++; d.budget.wrapped > maxWrapped {
		d.budget.truncated = "nesting"
		return true
	}
	body := p.Body()
	if w, ok := message.ReadTNEF(body); ok {
		d.takeWrapped(p, w, false)
		return true
	}
	if w, ok := message.ReadOutlook(body); ok {
		d.takeWrapped(p, w, true)
		return true
	}
	if !isSMIME(p.MediaType, name) {
		return false
	}
	content, encrypted, ok := message.SignedContent(body)
	switch {
	case encrypted:
		d.unread(p, "encrypted")
	case ok:
		inner := message.Read(content, message.DefaultLimits())
		d.collect(&inner.Part, false)
	default:
		d.unread(p, "no S/MIME content that can be read")
	}
	return true
}

// maxWrapped bounds the containers of one mail, and so their nesting.
const maxWrapped = 16

// takeWrapped takes what Outlook wrapped: a .msg is a mail of its own, a
// winmail.dat is the rest of the mail that carries it.
func (d *document) takeWrapped(p *message.Part, w *message.Wrapped, isMail bool) {
	for _, what := range w.Unread {
		d.unread(p, what)
	}
	inner := w.Part()
	if isMail {
		d.mails = append(d.mails, inner)
		return
	}
	for _, c := range inner.Children {
		if c.Disposition == "" && d.body != "" && strings.HasPrefix(c.MediaType, "text/") {
			continue // the text that stands beside the winmail.dat already
		}
		d.collect(c, false)
	}
}

func isContainer(mediaType, name string) bool {
	switch mediaType {
	case "application/ms-tnef", "application/vnd.ms-tnef", "application/vnd.ms-outlook", "application/x-msg":
		return true
	}
	return name == "winmail.dat" || name == "win.dat" || strings.HasSuffix(name, ".msg") || isSMIME(mediaType, name)
}

func isSMIME(mediaType, name string) bool {
	return mediaType == "application/pkcs7-mime" || mediaType == "application/x-pkcs7-mime" || strings.HasSuffix(name, ".p7m")
}

// maxUnread bounds what one mail lists as unread.
const maxUnread = 32

// An Unread is a part of a mail that was not read, and why.
type Unread struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// unread remembers a part that could not be read; a person is told.
func (d *document) unread(p *message.Part, why string) {
	d.unreadName(orElse(p.Filename, p.MediaType), why)
}

func (d *document) unreadName(name, why string) {
	if len(d.budget.unread) < maxUnread {
		d.budget.unread = append(d.budget.unread, Unread{Name: limitText(name, 200), Why: why})
	}
	d.opt.explain("not read: " + name + ": " + why)
}

// noteUnreadable remembers attachments that nothing here can read.
func (d *document) noteUnreadable(p *message.Part) {
	name := strings.ToLower(p.Filename)
	switch {
	case p.MediaType == "message/external-body":
		d.unread(p, "it lies elsewhere, and is not fetched")
	case p.MediaType == "application/pgp-encrypted" || p.MediaType == "multipart/encrypted" || strings.HasSuffix(name, ".gpg") || strings.HasSuffix(name, ".pgp"):
		d.unread(p, "encrypted")
	case p.MediaType == "application/pdf" || strings.HasSuffix(name, ".pdf"):
		d.unread(p, "PDF is not read")
	case hasAnySuffix(name, ".7z", ".rar", ".xz", ".bz2", ".zst", ".tar", ".tgz", ".cab", ".arj"):
		d.unread(p, "an archive of a kind that is not opened")
	case hasAnySuffix(name, ".doc", ".xls", ".odt", ".ods", ".rtf", ".ppt", ".pptx") || beginsWith(p, "\xD0\xCF\x11\xE0"):
		d.unread(p, "an office document of a kind that is not read")
	}
}

func hasAnySuffix(s string, suffixes ...string) bool {
	for _, x := range suffixes {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}
