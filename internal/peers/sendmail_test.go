package peers

import (
	"net/smtp"
	"strings"
	"testing"
	"time"
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
	WaitFor(t, 10*time.Second, "both mails to leave the queue", func() bool { return s.Queue(t) == 0 })
	if n := strings.Count(s.Traffic(), "Message accepted for delivery"); n != 2 {
		t.Errorf("accepted %d mails, want 2", n)
	}
	s.Stop()
	if s.proc.Running() || Answers(s.Addr) {
		t.Error("sendmail still runs after Stop")
	}
}
