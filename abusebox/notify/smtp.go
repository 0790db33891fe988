package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Transport hands a mail to the next server. Its errors are *DeliveryError where the server answered; any other
// error is temporary.
type Transport interface {
	Deliver(ctx context.Context, n Notice) error
}

// A DeliveryError is a server's refusal.
type DeliveryError struct {
	Server    string
	Code      int // SMTP reply code
	Text      string
	Recipient bool // the address was refused, not the mail
}

func (e *DeliveryError) Error() string {
	return fmt.Sprintf("%s answered %d %s", e.Server, e.Code, e.Text)
}

// Permanent reports whether trying again is of no use (RFC 5321 §4.2.1).
func (e *DeliveryError) Permanent() bool { return e.Code >= 500 && e.Code < 600 }

// A Smarthost delivers everything through one server, reusing connections.
type Smarthost struct {
	route   route
	mu      sync.Mutex
	idle    []*session
	maxIdle int
	closed  bool
}

// A route is how to speak to one server.
type route struct {
	address  string // host:port
	name     string // for TLS
	startTLS string
	auth     func() sasl.Client // nil: do not log in
	timeout  time.Duration
	helo     string
}

// NewSmarthost returns a Transport through config.Smarthost. password is empty where nobody logs in.
func NewSmarthost(c Config, helo, password string) (*Smarthost, error) {
	host, _, err := net.SplitHostPort(c.Smarthost)
	if err != nil {
		return nil, fmt.Errorf("smarthost: %w", err)
	}
	r := route{address: c.Smarthost, name: host, startTLS: c.StartTLS, timeout: c.Timeout.Std(), helo: helo}
	if c.User != "" {
		r.auth = func() sasl.Client { return sasl.NewPlainClient("", c.User, password) }
	}
	return &Smarthost{route: r, maxIdle: c.Workers}, nil
}

// Deliver sends one mail. A connection that went stale while idle is replaced once.
func (s *Smarthost) Deliver(ctx context.Context, n Notice) error {
	if c := s.take(); c != nil {
		err := c.send(ctx, n)
		if err == nil {
			s.put(c)
			return nil
		}
		c.close()
		if !errors.Is(err, errStale) {
			return err
		}
	}
	c, err := s.route.connect(ctx)
	if err != nil {
		return err
	}
	if err := c.send(ctx, n); err != nil {
		c.close()
		return err
	}
	s.put(c)
	return nil
}

// Close ends the idle connections.
func (s *Smarthost) Close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
}

// maxIdleTime is below what servers allow between two mails (RFC 5321 §4.5.3.2.7 says five minutes; many take one).
const maxIdleTime = 20 * time.Second

func (s *Smarthost) take() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 {
		c := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if time.Since(c.used) < maxIdleTime && c.sent < maxPerSession {
			return c
		}
		c.close()
	}
	return nil
}

func (s *Smarthost) put(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) >= s.maxIdle {
		c.close()
		return
	}
	s.idle = append(s.idle, c)
}

// A session is one open connection to a server.
type session struct {
	client  *smtp.Client
	conn    net.Conn
	server  string
	timeout time.Duration
	used    time.Time
	sent    int
}

// maxPerSession bounds the mails of one connection.
const maxPerSession = 100

// errStale means that the server had left before it took the mail's sender: another connection may do.
var errStale = errors.New("smtp: the idle connection was closed")

// connect opens a session, with TLS where the server offers it or the configuration demands it.
func (r route) connect(ctx context.Context) (*session, error) {
	s, err := r.dial(ctx, nil)
	if err != nil {
		return nil, err
	}
	offered, _ := s.client.Extension("STARTTLS")
	switch {
	case r.startTLS == "never" || r.startTLS == "offered" && !offered:
		return r.login(s)
	case !offered:
		s.close()
		return nil, fmt.Errorf("smtp: %s offers no STARTTLS, which the configuration requires", r.address)
	}
	s.quit() // the library starts TLS on a fresh connection only
	// RFC 7435: TLS without a verified name is better than none, where none would do as well.
	config := &tls.Config{ServerName: r.name, MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.startTLS == "offered"}
	if s, err = r.dial(ctx, config); err != nil {
		return nil, err
	}
	return r.login(s)
}

func (r route) dial(ctx context.Context, config *tls.Config) (*session, error) {
	dialer := net.Dialer{Timeout: min(r.timeout, 30*time.Second)}
	conn, err := dialer.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(r.timeout))
	s := &session{conn: conn, server: r.address, timeout: r.timeout, used: time.Now()}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if config == nil {
		s.client = smtp.NewClient(conn)
	} else if s.client, err = smtp.NewClientStartTLS(conn, config); err != nil {
		_ = conn.Close()
		return nil, refusal(r.address, err, false)
	}
	s.client.CommandTimeout, s.client.SubmissionTimeout = r.timeout, r.timeout
	if err := s.client.Hello(r.helo); err != nil {
		s.close()
		return nil, refusal(r.address, err, false)
	}
	return s, nil
}

func (r route) login(s *session) (*session, error) {
	if r.auth == nil {
		return s, nil
	}
	if err := s.client.Auth(r.auth()); err != nil {
		s.close()
		return nil, fmt.Errorf("smtp: log in at %s: %w", r.address, err) // not the mail's fault: try again later
	}
	return s, nil
}

// send hands over one mail. Once its last byte is out, an error says nothing about whether it was taken.
func (s *session) send(ctx context.Context, n Notice) error {
	_ = s.conn.SetDeadline(time.Now().Add(s.timeout))
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	if err := s.client.Mail(n.From, nil); err != nil {
		var answer *smtp.SMTPError
		if !errors.As(err, &answer) && s.sent > 0 {
			return errStale
		}
		return refusal(s.server, err, false)
	}
	if err := s.recipients(n.To); err != nil {
		return err
	}
	w, err := s.client.Data()
	if err != nil {
		return refusal(s.server, err, false)
	}
	if _, err := bytes.NewReader(n.Raw).WriteTo(w); err != nil {
		return fmt.Errorf("smtp: %s: %w", s.server, err)
	}
	if err := w.Close(); err != nil {
		return refusal(s.server, err, false)
	}
	s.sent++
	s.used = time.Now()
	return nil
}

// recipients names them all; it is enough that one is taken, since all belong to the same contact.
func (s *session) recipients(to []string) error {
	var last error
	taken := 0
	for _, a := range to {
		if err := s.client.Rcpt(a, nil); err != nil {
			last = refusal(s.server, err, true)
			continue
		}
		taken++
	}
	if taken == 0 {
		return last
	}
	return nil
}

func refusal(server string, err error, recipient bool) error {
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		return &DeliveryError{Server: server, Code: answer.Code, Text: oneLine(answer.Message), Recipient: recipient}
	}
	return fmt.Errorf("smtp: %s: %w", server, err)
}

func (s *session) close() { _ = s.client.Close() }

// quit says goodbye, but waits for no answer for long.
func (s *session) quit() {
	_ = s.conn.SetDeadline(time.Now().Add(2 * time.Second))
	if s.client.Quit() != nil {
		s.close()
	}
}
