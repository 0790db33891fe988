package abusebox

import (
	"bytes"
	"context"
	"strings"
	"time"

	"spoor/abusebox/intake"
	"spoor/internal/message"
)

// RawMails are the mails as they came in; *intake.Spool is one.
type RawMails interface {
	Scan(ctx context.Context, from intake.ID, fn func(intake.ID, intake.Mail) error) (intake.ID, error)
}

// Remains are the raw mails that name a person. The spool keeps whole days and loses them as a whole, so no single mail
// can be erased from it before its day expires.
type Remains struct {
	Mails int       `json:"mails"`
	IDs   []string  `json:"ids,omitempty"`  // of the first of them
	Until time.Time `json:"until,omitzero"` // when the last of them will be gone; not set where raw mails are kept for good
	Kept  bool      `json:"kept_for_good"`  // store.keep_mail is off
}

// maxRemainIDs bounds the mails that are named.
const maxRemainIDs = 20

// Remains reads every raw mail, and says which of them name a person in their envelope, their bytes or their text.
func (c *Clerk) Remains(ctx context.Context, person string) (r Remains, err error) {
	person = strings.ToLower(strings.TrimSpace(person))
	if c.Raw == nil || person == "" {
		return r, nil
	}
	r.Kept = c.KeepMail <= 0
	_, err = c.Raw.Scan(ctx, 0, func(id intake.ID, m intake.Mail) error {
		if !tells(m, person) {
			return ctx.Err()
		}
		r.Mails++
		if len(r.IDs) < maxRemainIDs {
			r.IDs = append(r.IDs, id.String())
		}
		if end := m.Arrived.UTC().Truncate(24 * time.Hour).Add(24*time.Hour + c.KeepMail); !r.Kept && end.After(r.Until) {
			r.Until = end
		}
		return ctx.Err()
	})
	return r, err
}

// tells reports whether a mail names a person, in plain sight or behind the encodings of mail.
func tells(m intake.Mail, person string) bool {
	if strings.Contains(strings.ToLower(m.From+" "+strings.Join(m.Recipients, " ")), person) || bytes.Contains(bytes.ToLower(m.Message()), []byte(person)) {
		return true
	}
	found := false
	message.Read(m.Message(), message.DefaultLimits()).Walk(func(p *message.Part) bool {
		found = found || strings.Contains(strings.ToLower(p.Text()), person)
		return !found
	})
	return found
}
