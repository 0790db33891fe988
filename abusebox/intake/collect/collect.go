// Package collect takes the mail of an IMAP mailbox (RFC 9051, RFC 3501): it waits by IDLE, and moves or flags a mail only
// when that is on our disk.
package collect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Group is how many mails are marked by one command: so many can come twice after a crash.
const Group = 50

const (
	dialTime   = 30 * time.Second
	maxIdle    = 5 * time.Minute // then the mailbox is looked at anyway
	maxBackoff = 5 * time.Minute
	markTime   = 5 * time.Second // for the marks of what is kept when the service ends

	// mark is the keyword of what we have. Where the server keeps no keywords, \Flagged stands for it.
	mark imap.Flag = "$SpoorFiled"
)

// A Collector takes the mail of one mailbox.
type Collector struct {
	Server       string // "host:port"
	User         string
	PasswordFile string // its first line is the password; read at each login
	Mailbox      string
	MoveTo       string        // empty: flag what is collected, and leave it
	CAFile       string        // empty: the system's
	TLS          bool          // from the start, rather than STARTTLS
	Plaintext    bool          // neither
	Poll         time.Duration // how often to look where the server has no IDLE
	MaxSize      int64         // bytes of one mail
	// Put keeps a mail; internal is when the server got it (INTERNALDATE).
	Put func(ctx context.Context, raw []byte, internal time.Time) error
	// Room waits until so many bytes may be in memory, and returns what gives them back. May be nil.
	Room   func(ctx context.Context, bytes int64) (give func(), err error)
	Logger *slog.Logger
}

// Run collects until ctx ends. Whatever fails is tried again, ever more slowly.
func (c Collector) Run(ctx context.Context) error {
	var o owed
	for pause := time.Second; ; pause = min(2*pause, maxBackoff) {
		began := time.Now()
		err := c.session(ctx, &o)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > maxIdle {
			pause = time.Second
		}
		c.Logger.Error("imap: the mailbox cannot be collected; trying again", "server", c.Server, "mailbox", c.Mailbox, "in", pause, "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// Owed are the mails that are kept and not marked yet. Where that fails the next session marks them first: taken again
// each time they would fill the spool for as long as the mailbox they are to be moved to is missing, say. Nothing else is taken
// before, so that a restart brings no more than these a second time.
type owed struct {
	validity uint32 // of the UIDs (UIDVALIDITY)
	uids     imap.UIDSet
}

// A session is one connection, with its mailbox selected.
type session struct {
	Collector
	owed   *owed
	client *imapclient.Client
	news   chan struct{}
	mark   imap.Flag
	left   map[imap.UID]bool // mails that are too large: they stay
	marks  sync.Mutex        // held while mails are kept that are not marked yet
}

func (c Collector) session(ctx context.Context, o *owed) error {
	s := &session{Collector: c, owed: o, news: make(chan struct{}, 1), left: map[imap.UID]bool{}}
	client, err := c.dial(ctx, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(*imapclient.UnilateralDataMailbox) { s.notice() },
	}})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	s.client = client
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	defer client.Close()
	if err := s.open(); err != nil {
		return err
	}
	for {
		if err := s.collect(ctx); err != nil {
			return fmt.Errorf("collect: %w", err)
		}
		if err := s.wait(ctx); err != nil {
			return fmt.Errorf("wait for mail: %w", err)
		}
	}
}

// end closes the connection, once what is kept is marked: what is not comes a second time.
func (s *session) end() {
	force := time.AfterFunc(markTime, func() { s.client.Close() })
	defer force.Stop()
	s.marks.Lock()
	defer s.marks.Unlock()
	s.client.Close()
}

// notice remembers that something changed. It must not block: the client waits for it.
func (s *session) notice() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (c Collector) dial(ctx context.Context, opt *imapclient.Options) (*imapclient.Client, error) {
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, err
		}
		if conf.RootCAs = x509.NewCertPool(); !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.CAFile)
		}
	}
	opt.TLSConfig = conf
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, "tcp", c.Server)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Plaintext:
		return imapclient.New(conn, opt), nil
	case c.TLS:
		return c.dialTLS(ctx, conn, conf, opt)
	}
	return imapclient.NewStartTLS(conn, opt)
}

func (c Collector) dialTLS(ctx context.Context, conn net.Conn, conf *tls.Config, opt *imapclient.Options) (*imapclient.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	t := tls.Client(conn, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return imapclient.New(t, opt), nil
}

// open logs in and selects the mailbox.
func (s *session) open() error {
	password, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	first, _, _ := strings.Cut(string(password), "\n")
	if err := s.client.Login(s.User, strings.TrimRight(first, "\r")).Wait(); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	selected, err := s.client.Select(s.Mailbox, nil).Wait()
	if err != nil {
		return fmt.Errorf("select %s: %w", s.Mailbox, err)
	}
	s.mark = imap.FlagFlagged
	for _, f := range selected.PermanentFlags {
		if f == imap.FlagWildcard || f == mark {
			s.mark = mark
		}
	}
	if selected.UIDValidity != s.owed.validity {
		*s.owed = owed{validity: selected.UIDValidity}
	}
	s.marks.Lock()
	defer s.marks.Unlock()
	return s.finish(nil)
}

// collect takes what is not marked.
func (s *session) collect(ctx context.Context) error {
	found, err := s.client.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{s.mark, imap.FlagDeleted}}, nil).Wait()
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	s.marks.Lock()
	defer s.marks.Unlock()
	var kept imap.UIDSet
	n := 0
	for _, uid := range found.AllUIDs() {
		if s.left[uid] {
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), s.finish(kept))
		}
		ok, err := s.take(ctx, uid)
		if err != nil {
			return errors.Join(err, s.finish(kept))
		}
		if !ok {
			continue
		}
		kept.AddNum(uid)
		if n++; n%Group == 0 {
			if err := s.finish(kept); err != nil {
				return err
			}
			kept = nil
		}
	}
	if n > 0 {
		s.Logger.Info("collected mails", "server", s.Server, "mailbox", s.Mailbox, "mails", n)
	}
	return s.finish(kept)
}

// take keeps one mail. It is false for one that is gone or too large.
func (s *session) take(ctx context.Context, uid imap.UID) (kept bool, err error) {
	section := &imap.FetchItemBodySection{Peek: true}
	cmd := s.client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}})
	m, err := s.read(ctx, cmd)
	defer m.give()
	if err := errors.Join(err, cmd.Close()); err != nil {
		return false, fmt.Errorf("fetch: %w", err)
	}
	if m.tooLarge {
		s.left[uid] = true
		s.Logger.Error("imap: a mail is larger than max_size; it stays there", "mailbox", s.Mailbox, "uid", uid)
	}
	if m.raw == nil {
		return false, nil
	}
	if err := s.Put(ctx, m.raw, m.internal); err != nil {
		return false, fmt.Errorf("keep: %w", err)
	}
	return true, nil
}

// A fetched mail is one that is in memory, for which give gives back its room.
type fetched struct {
	raw      []byte // nil: it is gone, or too large
	internal time.Time
	tooLarge bool
	give     func()
}

// read takes the message out of the answer to FETCH.
func (s *session) read(ctx context.Context, cmd *imapclient.FetchCommand) (m fetched, err error) {
	m.give = func() {}
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		for item := msg.Next(); item != nil; item = msg.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataInternalDate:
				m.internal = item.Time
			case imapclient.FetchItemDataBodySection:
				if err := s.literal(ctx, item.Literal, &m); err != nil {
					return m, err
				}
			}
		}
	}
	return m, nil
}

// literal reads the message itself, once there is room for it. What is not read is passed over by the client.
func (s *session) literal(ctx context.Context, literal imap.LiteralReader, m *fetched) (err error) {
	if literal == nil || m.raw != nil {
		return nil
	}
	if literal.Size() > s.MaxSize {
		m.tooLarge = true
		return nil
	}
	if s.Room != nil {
		if m.give, err = s.Room(ctx, literal.Size()); err != nil {
			m.give = func() {}
			return err
		}
	}
	m.raw = make([]byte, literal.Size())
	_, err = io.ReadFull(literal, m.raw)
	return err
}

// finish marks what is kept, and what an earlier session kept and could not mark.
func (s *session) finish(kept imap.UIDSet) error {
	s.owed.uids.AddSet(kept)
	if len(s.owed.uids) == 0 {
		return nil
	}
	err := s.settle(s.owed.uids)
	if err == nil {
		s.owed.uids = nil
	}
	return err
}

// settle moves or marks what is kept. QUIRK: a server without MOVE is copied from and, where it has UIDPLUS, cleared of
// just these mails; go-imap's own fallback deletes before it knows of the copy, and expunges other people's deletions.
func (s *session) settle(kept imap.UIDSet) error {
	if s.MoveTo == "" {
		return s.flag(kept, s.mark)
	}
	if s.client.Caps().Has(imap.CapMove) {
		if err := s.toFolder(func() error { _, err := s.client.Move(kept, s.MoveTo).Wait(); return err }); err != nil {
			return fmt.Errorf("move to %s: %w", s.MoveTo, err)
		}
		return nil
	}
	if err := s.toFolder(func() error { _, err := s.client.Copy(kept, s.MoveTo).Wait(); return err }); err != nil {
		return fmt.Errorf("copy to %s: %w", s.MoveTo, err)
	}
	if !s.client.Caps().Has(imap.CapUIDPlus) {
		return s.flag(kept, s.mark)
	}
	if err := s.flag(kept, imap.FlagDeleted); err != nil {
		return err
	}
	if err := s.client.UIDExpunge(kept).Close(); err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	return nil
}

// toFolder moves or copies, and makes the folder where the server says that there is none (TRYCREATE, RFC 9051 §7.1).
func (s *session) toFolder(do func() error) error {
	err := do()
	var no *imap.Error
	if !errors.As(err, &no) || no.Code != imap.ResponseCodeTryCreate {
		return err
	}
	if err := s.client.Create(s.MoveTo, nil).Wait(); err != nil {
		return fmt.Errorf("make it: %w", err)
	}
	return do()
}

func (s *session) flag(kept imap.UIDSet, flag imap.Flag) error {
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}
	if err := s.client.Store(kept, store, nil).Close(); err != nil {
		return fmt.Errorf("flag: %w", err)
	}
	return nil
}

// wait returns when there may be new mail.
func (s *session) wait(ctx context.Context) error {
	if !s.client.Caps().Has(imap.CapIdle) {
		if err := s.pause(ctx, s.Poll); err != nil {
			return err
		}
		return s.client.Noop().Wait()
	}
	idle, err := s.client.Idle()
	if err != nil {
		return err
	}
	waited := s.pause(ctx, maxIdle)
	if err := idle.Close(); err != nil {
		return err
	}
	return errors.Join(waited, idle.Wait())
}

// pause waits for news, at most for a time.
func (s *session) pause(ctx context.Context, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-s.news:
		return nil
	case <-timer.C:
		return nil
	case <-s.client.Closed():
		return errors.New("the server closed the connection")
	case <-ctx.Done():
		return ctx.Err()
	}
}
