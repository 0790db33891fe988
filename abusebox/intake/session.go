package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"spoor/abusebox/intake/wire"
)

// A session is one client's SMTP or LMTP session, as go-smtp calls it.
type session struct {
	server *Server
	smtp   *smtp.Conn
	conn   *wire.Conn
	lmtp   bool
	tries  int // at AUTH
	wrong  int // recipients that are not ours

	mu   sync.Mutex
	user string
	from string
	to   []string
}

// maxWrong is how many recipients that are not ours a client may name on one connection.
const maxWrong = 50

// Replies. Whatever may pass by itself is a 4xx.
var (
	replyUnknown  = smtpError(550, smtp.EnhancedCode{5, 1, 1}, "No such recipient here")
	replyGuessing = smtpError(421, smtp.EnhancedCode{4, 7, 0}, "Too many recipients that are not here, closing the connection")
	replyLarge    = smtpError(552, smtp.EnhancedCode{5, 3, 4}, "The mail is larger than we take")
	replyLoop     = smtpError(554, smtp.EnhancedCode{5, 4, 6}, "The mail goes round in a loop: "+tooManyHops)
	replyRate     = smtpError(451, smtp.EnhancedCode{4, 7, 1}, "Too many mails from your address in a minute, try again later")
	replyBusy     = smtpError(452, smtp.EnhancedCode{4, 3, 1}, "Too much mail is being received, try again later")
	replyFull     = smtpError(452, smtp.EnhancedCode{4, 3, 1}, "The disk is full, try again later")
	replyStorage  = smtpError(451, smtp.EnhancedCode{4, 3, 0}, "The mail could not be stored, try again later")
	replyCut      = smtpError(451, smtp.EnhancedCode{4, 4, 2}, "The mail was cut off and is not kept")
)

func smtpError(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Mail begins a mail.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	if opts != nil && opts.Size > s.server.cfg.MaxSize.Bytes() {
		return s.refuse("size", replyLarge)
	}
	if !s.server.mails.Allow(s.client()) {
		return s.refuse("mail_rate", replyRate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.to = from, nil
	return nil
}

// client is whose rate a mail counts in: nobody's on a Unix socket, or where an MTA of ours hands on by LMTP.
func (s *session) client() netip.Addr {
	if s.lmtp {
		return netip.Addr{}
	}
	return s.conn.Peer().Addr
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.server.recipients.take(to) {
		if s.wrong++; s.wrong >= maxWrong {
			s.conn.Finish()
			return s.refuse("recipient", replyGuessing)
		}
		return s.refuse("recipient", replyUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return nil
}

// Reset forgets the mail that was begun.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.to = "", nil
}

// Logout ends the session.
func (s *session) Logout() error { return nil }

// Data receives the mail and answers 250 when it is on disk. Over LMTP the answer is each recipient's: one mail is kept for all.
func (s *session) Data(io.Reader) error {
	env := s.envelope()
	stamp := received(env, protocol(s.lmtp, s.conn.Extended(), env.TLS != "", env.User != ""), s.server.hostname)
	raw, cost, err := s.server.budget.read(s.conn.Body(), stamp, s.server.cfg.MaxSize.Bytes())
	defer func() { s.server.budget.done(raw, cost) }()
	if err != nil {
		return s.readFault(err)
	}
	env.Stamp = len(stamp)
	env.Loop = loop(raw[len(stamp):], s.server.deps.Instance)
	if env.Loop == tooManyHops {
		return s.refuse("loop", replyLoop)
	}
	id, err := s.server.deps.Spool.Put(s.server.ctx, Mail{Envelope: env, Raw: raw})
	if err != nil {
		return s.storeFault(err)
	}
	s.server.deps.Logger.Info("mail kept", "mail", id, "source", env.Source, "peer", env.Peer, "bytes", len(raw)-len(stamp))
	return smtpError(250, smtp.EnhancedCode{2, 0, 0}, fmt.Sprintf("queued as %s", id))
}

func (s *session) envelope() Envelope {
	p := s.conn.Peer()
	s.mu.Lock()
	defer s.mu.Unlock()
	env := Envelope{
		Source: SourceSMTP, Arrived: s.server.deps.Now().UTC().Truncate(time.Microsecond),
		Peer: p.Addr, Helo: p.Helo, From: s.from, Recipients: s.to, User: s.user, TLS: tlsText(p.TLS),
	}
	if env.Helo == "" {
		env.Helo = s.smtp.Hostname()
	}
	if s.lmtp {
		env.Source = SourceLMTP
	}
	return env
}

// readFault answers a mail that did not come in whole.
func (s *session) readFault(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return s.refuse("size", replyLarge)
	case errors.Is(err, errNoRoom):
		return s.refuse("inflight", replyBusy)
	}
	return s.refuse("cut_off", replyCut)
}

func (s *session) storeFault(err error) error {
	if !errors.Is(err, context.Canceled) {
		s.server.deps.Logger.Error("a mail could not be kept; its sender will try again", "err", err)
	}
	if IsFull(err) {
		return s.refuse("disk_full", replyFull)
	}
	return s.refuse("storage", replyStorage)
}

func (s *session) refuse(why string, reply *smtp.SMTPError) error {
	s.server.metrics.refused(why)
	return reply
}
