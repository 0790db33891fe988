package abusebox_test

import (
	"context"
	"fmt"
	"net"
	netsmtp "net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/internal/peers"
)

// TestWithPostfix sends the desk's notices through a real Postfix, which relays what it can, and returns what a
// contact's server refuses as a real delivery report to our signed address, by SMTP into our own intake.
func TestWithPostfix(t *testing.T) {
	w := newWorld(t, func(d *abusebox.Deps) {
		d.Now = nil // Postfix has no clock of ours
		d.Notify.Send = false
	})
	w.close() // it is opened again below, when the ports are known
	w.clock.add(time.Since(w.clock.now()))
	intakePort := peers.FreePort(t)
	_, sinkPort, err := net.SplitHostPort(w.sink.addr)
	if err != nil {
		t.Fatal(err)
	}
	w.sink.refuse = func(to string) error {
		if strings.HasPrefix(to, "gone@") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	postfix := peers.NewPostfix(t, peers.PostfixOptions{Main: map[string]string{
		"default_transport": "smtp:[127.0.0.1]:" + sinkPort,
		"transport_maps":    fmt.Sprintf("inline:{ { example.net = smtp:[127.0.0.1]:%d }, { desk@example.net = smtp:[127.0.0.1]:%s } }", intakePort, sinkPort),
		"mydestination":     "",
	}})
	w.open(func(d *abusebox.Deps) {
		d.Now = nil
		d.Notify.Smarthost = postfix.Addr.String()
		d.Holders = customers{"192.0.2.25": {customer("good")}, "192.0.2.66": {customer("bad", func(c *incident.Contact) { c.Addresses = []string{"gone@bad.example"} })}}
	})
	stop := serveIntake(t, w, intakePort)
	defer stop()
	w.put(arf("192.0.2.25", time.Now(), 1))
	w.put(arf("192.0.2.66", time.Now(), 2))
	peers.WaitFor(t, 240e9, "the notice to arrive and the other to bounce", func() bool {
		state, err := w.store.Contact(context.Background(), "gone@bad.example")
		return err == nil && state.Broken && w.sink.count() >= 2
	})
	if got := w.about("192.0.2.66"); got.State != incident.Held {
		t.Errorf("the bounced one is %s: %v", got.State, got.Why)
	}
	var arrived, desk int
	reply := ""
	for n := range w.sink.count() {
		switch w.sink.to(n)[0] {
		case "noc@good.example":
			arrived++
			reply = strings.Trim(w.sink.mail(n).Header.Get("Reply-To"), "<>")
		case "desk@example.net":
			desk++
		}
	}
	if arrived != 1 {
		t.Fatalf("%d notices arrived, %d mails at the desk", arrived, desk)
	}
	answer := "From: noc@good.example\r\nTo: " + reply + "\r\nSubject: Re: [S-1]\r\n\r\nmended\r\n"
	if err := netsmtp.SendMail(postfix.Addr.String(), nil, "noc@good.example", []string{reply}, []byte(answer)); err != nil {
		t.Fatal(err)
	}
	peers.WaitFor(t, 240e9, "the answer to land on its incident", func() bool {
		return w.about("192.0.2.25").State == incident.Acknowledged
	})
}

func serveIntake(t *testing.T, w *world, port uint16) (stop func()) {
	t.Helper()
	cfg := intake.DefaultConfig()
	cfg.SMTP, cfg.Recipients, cfg.Hostname = []string{fmt.Sprintf("127.0.0.1:%d", port)}, []string{"abuse@example.net"}, "desk.example"
	server, err := intake.New(cfg, intake.Deps{Spool: w.spool, Logger: discardLogger(), Dir: w.dir, Instance: instance})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := server.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
