package peers

import (
	"net/smtp"
	"strings"
	"testing"
)

func TestPostfixTakesMailAndStops(t *testing.T) {
	p := NewPostfix(t, PostfixOptions{TLS: true})
	for _, addr := range []string{p.Addr.String(), p.Addr6.String()} {
		msg := []byte("Subject: hello\r\n\r\nbody\r\n")
		if err := smtp.SendMail(addr, nil, "from@example.org", []string{"to@example.com"}, msg); err == nil {
			t.Errorf("SendMail to %s accepted a self-signed certificate", addr)
		}
		sendPlain(t, addr, string(msg))
	}
	WaitFor(t, startLimit, "both mails to be discarded", func() bool {
		return strings.Count(p.Log(), "status=sent") == 2
	})
	pid := p.Pid()
	p.Stop()
	if p.proc.Running() || Answers(p.Addr) {
		t.Errorf("postfix %d still runs after Stop", pid)
	}
	p.Start(t)
	if n := p.Queue(t); len(n) > 0 {
		t.Errorf("queue holds %v", n)
	}
}

func sendPlain(t *testing.T, addr, msg string) {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	steps := []func() error{
		func() error { return c.Mail("from@example.org") },
		func() error { return c.Rcpt("to@example.com") },
		func() error {
			w, err := c.Data()
			if err != nil {
				return err
			}
			if _, err := w.Write([]byte(msg)); err != nil {
				return err
			}
			return w.Close()
		},
		c.Quit,
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}
