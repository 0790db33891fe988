// Package intake takes mail in by every way there is (SMTP, LMTP, pipes, mailboxes) and keeps it in the spool: what is
// acknowledged is on disk (RFC 5321 §6.1).
package intake

import (
	"net/netip"
	"time"

	"spoor/abusebox/intake/segment"
)

// An ID names a kept mail. IDs grow in the order of keeping and print as "00002a-0000001f3c".
type ID = segment.ID

// ParseID reads a printed ID.
func ParseID(s string) (ID, error) { return segment.ParseID(s) }

// A Source is the way by which a mail came in.
type Source string

const (
	SourceSMTP    Source = "smtp"    // our SMTP listener
	SourceLMTP    Source = "lmtp"    // our LMTP listener
	SourceFile    Source = "file"    // spoor file, by the control socket
	SourceDrop    Source = "drop"    // spoor file, by the drop folder
	SourceImport  Source = "import"  // spoor import
	SourceMbox    Source = "mbox"    // a watched mbox
	SourceMaildir Source = "maildir" // a watched Maildir
	SourceIMAP    Source = "imap"    // IMAP collection
	SourceMilter  Source = "milter"  // a report of our own milter
	SourceDesk    Source = "desk"    // our own word to the people of the desk
	SourceSpool   Source = "spool"   // our own word in the place of a mail that the spool cannot give back
)

// An Envelope is what we know of a mail from its way in, not from its text.
type Envelope struct {
	Source     Source     `json:"source"`
	Arrived    time.Time  `json:"arrived"`              // UTC
	Delivered  time.Time  `json:"delivered,omitzero"`   // when the mailbox it was read from got it, UTC: by its topmost Received, else by the mailbox; zero if nobody knows
	Peer       netip.Addr `json:"peer,omitzero"`        // the client's address, unmapped; invalid if the mail did not come over the network
	Helo       string     `json:"helo,omitempty"`       // what the client called itself: its claim
	From       string     `json:"from"`                 // MAIL FROM without <>; empty is the null sender
	Recipients []string   `json:"recipients,omitempty"` // those that were accepted
	TLS        string     `json:"tls,omitempty"`        // "TLS1.3 TLS_AES_128_GCM_SHA256"; empty is plain
	User       string     `json:"user,omitempty"`       // who authenticated by SMTP AUTH
	Mailbox    string     `json:"mailbox,omitempty"`    // the file, folder or IMAP mailbox it was read from
	Loop       string     `json:"loop,omitempty"`       // why the mail looks like a loop; empty if it does not
	Stamp      int        `json:"stamp,omitempty"`      // length of our own Received field at the start of Raw, in bytes
	SHA256     [32]byte   `json:"-"`                    // of the message as it came, without our Received field
}

// Came returns when the mail came to the abuse desk's mailbox: that of an old mailbox was there long before we read it.
func (e Envelope) Came() time.Time {
	if !e.Delivered.IsZero() && e.Delivered.Before(e.Arrived) {
		return e.Delivered
	}
	return e.Arrived
}

// A Mail is a message as it was received, with its envelope.
type Mail struct {
	Envelope
	Raw []byte // our Received field (Stamp bytes), then the message's own bytes
}

// Message returns the bytes as they came in, without our Received field.
func (m Mail) Message() []byte { return m.Raw[m.Stamp:] }
