package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"spoor/internal/peers"
)

// A mailServer is a real SMTP server with faults to order.
type mailServer struct {
	mu       sync.Mutex
	got      []string // TLS or plain, for each mail
	sessions int
	rcpt     func(to string) error
	data     func() error
	user     string
	addr     string
	server   *smtp.Server
}

func newMailServer(t *testing.T, withTLS bool) *mailServer {
	t.Helper()
	s := &mailServer{}
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sessions++
		return &mailSession{s, c}, nil
	}))
	s.server.ErrorLog, s.server.AllowInsecureAuth = quietLog{}, true
	if withTLS {
		cert, key := peers.Certificate(t, "mx.example")
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.server.Serve(ln) }()
	t.Cleanup(func() { _ = s.server.Close(); <-done })
	return s
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}
func (quietLog) Println(...any)        {}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
}

func (s *mailSession) Reset()                               {}
func (s *mailSession) Logout() error                        { return nil }
func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) AuthMechanisms() []string             { return []string{sasl.Plain} }
func (s *mailSession) Auth(mech string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.user = user + ":" + password
		return nil
	}), nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.server.rcpt != nil {
		return s.server.rcpt(to)
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if s.server.data != nil {
		if err := s.server.data(); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	how := "plain"
	if _, ok := s.conn.TLSConnectionState(); ok {
		how = "tls"
	}
	s.server.got = append(s.server.got, how)
	return nil
}

func (s *mailServer) state() (mails, sessions int, last string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) > 0 {
		last = s.got[len(s.got)-1]
	}
	return len(s.got), s.sessions, last
}

var testNotice = Notice{Task: 1, From: "abuse+b1@example.net", To: []string{"noc@c1.example"}, Raw: []byte("Subject: x\r\n\r\nhello\r\n")}

func smarthost(t *testing.T, addr string, change ...func(*Config)) *Smarthost {
	t.Helper()
	c := DefaultConfig()
	c.Smarthost = addr
	for _, f := range change {
		f(&c)
	}
	s, err := NewSmarthost(c, "desk.example", "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSTARTTLS(t *testing.T) {
	for _, tc := range []struct {
		name     string
		offers   bool
		starttls string
		how, err string
	}{
		{"offered and there", true, "offered", "tls", ""},
		{"offered and not there", false, "offered", "plain", ""},
		{"never", true, "never", "plain", ""},
		{"required and not there", false, "required", "", "offers no STARTTLS"},
		{"required, certificate of nobody we know", true, "required", "", "certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := newMailServer(t, tc.offers)
			err := smarthost(t, server.addr, func(c *Config) { c.StartTLS = tc.starttls }).Deliver(context.Background(), testNotice)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v", err)
			}
			var refused *DeliveryError
			if errors.As(err, &refused) {
				t.Errorf("a fault of the connection counts as a refusal of the mail: %v", err)
			}
			if _, _, how := server.state(); how != tc.how {
				t.Errorf("sent %q, want %q", how, tc.how)
			}
		})
	}
}

func TestConnectionsAreReusedAndReplaced(t *testing.T) {
	server := newMailServer(t, false)
	s := smarthost(t, server.addr)
	for range 5 {
		if err := s.Deliver(context.Background(), testNotice); err != nil {
			t.Fatal(err)
		}
	}
	if mails, sessions, _ := server.state(); mails != 5 || sessions != 1 {
		t.Errorf("%d mails in %d sessions", mails, sessions)
	}
	s.mu.Lock()
	_ = s.idle[0].conn.Close() // as if the server had left
	s.mu.Unlock()
	if err := s.Deliver(context.Background(), testNotice); err != nil {
		t.Errorf("a stale connection was not replaced: %v", err)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	server := newMailServer(t, false)
	s := smarthost(t, server.addr)
	for _, tc := range []struct {
		name                 string
		rcpt, data           error
		permanent, recipient bool
	}{
		{"no such user", &smtp.SMTPError{Code: 550, Message: "no such user"}, nil, true, true},
		{"busy", &smtp.SMTPError{Code: 451, Message: "later"}, nil, false, true},
		{"content refused", nil, &smtp.SMTPError{Code: 554, Message: "spam"}, true, false},
		{"storage", nil, &smtp.SMTPError{Code: 452, Message: "full"}, false, false},
	} {
		server.rcpt, server.data = func(string) error { return tc.rcpt }, func() error { return tc.data }
		err := s.Deliver(context.Background(), testNotice)
		var refused *DeliveryError
		if !errors.As(err, &refused) || refused.Permanent() != tc.permanent || refused.Recipient != tc.recipient {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	server.data = nil
	server.rcpt = func(to string) error {
		if to == "gone@c1.example" {
			return &smtp.SMTPError{Code: 550, Message: "gone"}
		}
		return nil
	}
	two := testNotice
	two.To = []string{"gone@c1.example", "noc@c1.example"}
	if err := s.Deliver(context.Background(), two); err != nil {
		t.Errorf("one of two addresses works: %v", err)
	}
}

func TestLogin(t *testing.T) {
	server := newMailServer(t, true)
	s := smarthost(t, server.addr, func(c *Config) { c.User = "spoor" })
	if err := s.Deliver(context.Background(), testNotice); err != nil || server.user != "spoor:secret" {
		t.Errorf("user %q, %v", server.user, err)
	}
}

func TestSilentServerEndsWithTheContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := smarthost(t, ln.Addr().String()).Deliver(ctx, testNotice); err == nil {
		t.Error("a server that says nothing took the mail")
	}
}

// A zone answers for the domains of a test.
type zone struct {
	mx   map[string][]*net.MX
	host map[string]bool
	err  error
}

func (z zone) LookupMX(_ context.Context, domain string) ([]*net.MX, error) {
	if mx, ok := z.mx[domain]; ok {
		return mx, nil
	}
	return nil, z.missing(domain)
}

func (z zone) LookupHost(_ context.Context, host string) ([]string, error) {
	if z.host[host] {
		return []string{"127.0.0.1"}, nil
	}
	return nil, z.missing(host)
}

func (z zone) missing(name string) error {
	if z.err != nil {
		return z.err
	}
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func TestDirectDelivery(t *testing.T) {
	server := newMailServer(t, false)
	_, port, _ := net.SplitHostPort(server.addr)
	for _, tc := range []struct {
		name      string
		zone      zone
		to        string
		sent      bool
		permanent bool
	}{
		{"mx", zone{mx: map[string][]*net.MX{"c1.example": {{Host: "127.0.0.1.", Pref: 10}}}}, "noc@c1.example", true, false},
		{"the first is down", zone{mx: map[string][]*net.MX{"c1.example": {{Host: "127.0.0.1", Pref: 20}, {Host: "127.0.0.9", Pref: 10}}}}, "noc@c1.example", true, false},
		{"no mx, but a host", zone{host: map[string]bool{"localhost": true}}, "noc@localhost", true, false},
		{"null mx", zone{mx: map[string][]*net.MX{"c1.example": {{Host: "."}}}}, "noc@c1.example", false, true},
		{"no such domain", zone{}, "noc@c1.example", false, true},
		{"dns is down", zone{err: &net.DNSError{Err: "timeout", IsTimeout: true}}, "noc@c1.example", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, _, _ := server.state()
			n := testNotice
			n.To = []string{tc.to}
			err := NewDirect(DefaultConfig(), "desk.example", port, tc.zone).Deliver(context.Background(), n)
			after, _, _ := server.state()
			if (after == before+1) != tc.sent || (err == nil) != tc.sent {
				t.Fatalf("sent %v, %v", after-before, err)
			}
			var refused *DeliveryError
			if errors.As(err, &refused) && refused.Permanent() != tc.permanent || tc.permanent && refused == nil {
				t.Errorf("%v", err)
			}
		})
	}
}
