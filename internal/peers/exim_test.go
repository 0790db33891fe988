package peers

import (
	"net/smtp"
	"testing"
)

// What Exim has no way to deliver waits in its queue.
func TestExim(t *testing.T) {
	e := NewExim(t, EximOptions{
		Routers:    "all:\n  driver = accept\n  transport = away",
		Transports: "away:\n  driver = lmtp\n  socket = /nonexistent/socket",
	})
	if err := smtp.SendMail(e.Addr.String(), nil, "a@example.org", []string{"b@example.net"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	WaitFor(t, startLimit, "the mail to be queued", func() bool { return e.Queue(t) == 1 })
}
