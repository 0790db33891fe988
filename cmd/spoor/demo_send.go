package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/emersion/go-smtp"

	"spoor/abusebox"
	"spoor/abusebox/incident"
)

// A sentSample is a sample that was handed in, with what the desk made of it.
type sentSample struct {
	sample
	record abusebox.MailRecord
}

// send hands every sample in by its way, one after the other, and waits until the desk has done with each: so the
// records are in the order of the samples.
func (t *tour) send(ctx context.Context) error {
	all, err := samples(time.Now())
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.way == "pipe" {
			err = t.pipe(ctx, s.mail)
		} else {
			err = deliver(ctx, t.daemon.desk.intake.Addrs()[0].String(), "sender@reporter.example", "abuse@example.net", s.mail)
		}
		if err != nil {
			return fmt.Errorf("send %s: %w", s.name, err)
		}
		t.sent = append(t.sent, sentSample{sample: s})
		if err := t.wait(ctx, t.decided); err != nil {
			return fmt.Errorf("send %s: %w", s.name, err)
		}
	}
	return t.wait(ctx, t.delivered)
}

// deliver sends one mail by SMTP.
func deliver(ctx context.Context, addr, from, to string, mail []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	client := smtp.NewClient(conn)
	defer client.Close()
	if err := client.Hello("mail.reporter.example"); err != nil {
		return err
	}
	if err := client.SendMail(from, []string{to}, bytes.NewReader(mail)); err != nil {
		return err
	}
	return client.Quit()
}

// pipe runs `spoor file` as an MTA would.
func (t *tour) pipe(ctx context.Context, mail []byte) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "--config", filepath.Join(t.dir, "spoor.toml"), "file")
	cmd.Args[0] = "spoor"
	cmd.Stdin = bytes.NewReader(mail)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// wait asks done again and again, since the desk works beside us.
func (t *tour) wait(ctx context.Context, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errors.New("the desk did not finish in time"))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// decided says whether the desk has decided about every mail sent, and keeps the records.
func (t *tour) decided(ctx context.Context) (bool, error) {
	n := 0
	for record, err := range t.daemon.desk.store.Mails(ctx, 0) {
		if err != nil {
			return false, err
		}
		if !record.Done() {
			return false, nil
		}
		if n < len(t.sent) {
			t.sent[n].record = record
		}
		n++
	}
	return n >= len(t.sent), nil
}

// delivered says whether nothing waits to be sent any more.
func (t *tour) delivered(ctx context.Context) (bool, error) {
	for task, err := range t.daemon.desk.store.Tasks(ctx, 0) {
		if err != nil {
			return false, err
		}
		if task.State == incident.Queued {
			return false, nil
		}
	}
	return true, nil
}
