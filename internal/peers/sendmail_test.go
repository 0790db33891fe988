package peers

import (
	"net/smtp"
	"strings"
	"testing"
)

func TestSendmailTakesMailAndStops(t *testing.T) {
	s := NewSendmail(t, SendmailOptions{TLS: true})
	c, err := smtp.Dial(s.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.Extension("STARTTLS"); !ok {
		t.Error("no STARTTLS on offer")
	}
	c.Close()
	sendPlain(t, s.Addr.String(), "Subject: hello\r\n\r\nbody\r\n")
	sendPlain(t, s.Addr6.String(), "Subject: hello\r\n\r\nbody\r\n")
	WaitFor(t, startLimit, "both mails to leave the queue", func() bool { return s.Queue(t) == 0 })
	if n := strings.Count(s.Traffic(), "Message accepted for delivery"); n != 2 {
		t.Errorf("accepted %d mails, want 2", n)
	}
	s.Stop()
	if s.proc.Running() || Answers(s.Addr) {
		t.Error("sendmail still runs after Stop")
	}
}

func TestSendmailChecksPasswords(t *testing.T) {
	s := NewSendmail(t, SendmailOptions{Users: map[string]string{"alice": "secret"}})
	for password, ok := range map[string]bool{"secret": true, "wrong": false} {
		c, err := smtp.Dial(s.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Hello("client.example.org"); err != nil {
			t.Fatal(err)
		}
		if err := c.Auth(plain{"alice", password}); (err == nil) != ok {
			t.Errorf("password %q: %v\n%s", password, err, s.Traffic())
		}
		c.Close()
	}
}

// A plain is AUTH PLAIN without the library's demand for TLS.
type plain struct{ user, password string }

func (p plain) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + p.user + "\x00" + p.password), nil
}
func (p plain) Next([]byte, bool) ([]byte, error) { return nil, nil }
