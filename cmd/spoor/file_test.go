package main

import (
	"context"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/abusebox/intake"
	"spoor/internal/peers"
)

// A pipe is a `spoor file` that any user may run, and the drop folder that it fills.
type pipe struct {
	dir     string // holds the program "spoor-file", which passes its arguments on
	program string
	store   string
}

func newPipe(t *testing.T) pipe {
	t.Helper()
	p := pipe{dir: peers.TempDir(t, "pipe")}
	p.program, p.store = filepath.Join(p.dir, "spoor-file"), filepath.Join(p.dir, "store")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s/spoor -c %s/spoor.toml file \"$@\"\n", asSpoor, p.dir, p.dir)
	for name, text := range map[string]string{"spoor": string(data), "spoor-file": script, "spoor.toml": "[store]\ndir = \"" + p.store + "\"\nmin_free = \"1MB\"\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(p.store, 0o777); err != nil {
		t.Fatal(err)
	}
	p.open(t, true)
	return p
}

// open lets other users write into the store, or not.
func (p pipe) open(t *testing.T, yes bool) {
	t.Helper()
	mode := os.FileMode(0o700)
	if yes {
		mode = 0o777
	}
	if err := os.Chmod(p.store, mode); err != nil {
		t.Fatal(err)
	}
}

// wait returns the mails that were dropped, when there are n.
func (p pipe) wait(t *testing.T, n int) []intake.Mail {
	t.Helper()
	var mails []intake.Mail
	peers.WaitFor(t, 90*time.Second, "the mail to be dropped", func() bool {
		if _, err := intake.NewDrop(p.store, 1<<20).Empty(t.Context(), func(_ context.Context, m intake.Mail) error {
			mails = append(mails, m)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return len(mails) >= n
	})
	return mails
}

// deployed reads a sample of deploy/mta, with this pipe in the place of the program, and other replacements.
func (p pipe) deployed(t *testing.T, name string, replace ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(projectRoot(t), "deploy", "mta", name))
	if err != nil {
		t.Fatal(err)
	}
	replace = append([]string{"/usr/bin/spoor file", p.program}, replace...)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(data), replace[i]) {
			t.Fatalf("%s has no %q", name, replace[i])
		}
	}
	return strings.NewReplacer(replace...).Replace(string(data))
}

// settings are the lines of a sample that are neither comments nor empty.
func settings(sample string) (lines []string) {
	for line := range strings.Lines(sample) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "dnl ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// What deploy/mta holds, which tests try against real servers, is what the manual shows.
func TestManualShowsTheSamples(t *testing.T) {
	root := projectRoot(t)
	manual, err := os.ReadFile(filepath.Join(root, "docs", "intake.md"))
	if err != nil {
		t.Fatal(err)
	}
	spaced := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	shown := map[string]bool{}
	for line := range strings.Lines(string(manual)) {
		line, _, _ = strings.Cut(line, "  # ")
		shown[spaced(line)] = true
	}
	samples, err := filepath.Glob(filepath.Join(root, "deploy", "mta", "*"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range settings(string(data)) {
			if !shown[spaced(line)] {
				t.Errorf("docs/intake.md does not show the line %q of %s", line, filepath.Base(path))
			}
		}
	}
}

const pipedBody = "the body\n.dot\nFrom here on\n"

func send(t *testing.T, addr, to, subject string) {
	t.Helper()
	text := "Subject: " + subject + "\r\n\r\n" + strings.ReplaceAll(pipedBody, "\n", "\r\n")
	if err := smtp.SendMail(addr, nil, "a@example.org", []string{to}, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// check compares what a pipe has brought.
func check(t *testing.T, m intake.Mail, subject, from string) {
	t.Helper()
	text := strings.ReplaceAll(string(m.Raw), "\r\n", "\n")
	if !strings.Contains(text, "Subject: "+subject+"\n") || !strings.HasSuffix(strings.TrimRight(text, "\n"), "\n\n"+strings.TrimRight(pipedBody, "\n")) ||
		strings.HasPrefix(text, "From ") {
		t.Errorf("the pipe brought %q", text)
	}
	if m.From != from {
		t.Errorf("envelope sender %q, want %q", m.From, from)
	}
}

// Postfix's pipe(8): what cannot be kept stays in its queue (75), and comes when it can.
func TestPostfixPipe(t *testing.T) {
	p := newPipe(t)
	m := peers.NewPostfix(t, peers.PostfixOptions{
		Main:   map[string]string{"default_transport": "spoor", "relay_transport": "spoor", "minimal_backoff_time": "1s", "queue_run_delay": "1s"},
		Master: settings(p.deployed(t, "postfix-master.cf", "user=spoor", "user=nobody")),
	})
	send(t, m.Addr.String(), "abuse@example.net", "first")
	first := p.wait(t, 1)[0]
	check(t, first, "first", "a@example.org")
	if fmt.Sprint(first.Recipients) != "[abuse@example.net]" {
		t.Errorf("recipients %q", first.Recipients)
	}
	p.open(t, false)
	before := m.Deferrals()
	send(t, m.Addr.String(), "abuse@example.net", "second")
	peers.WaitFor(t, 90*time.Second, "the mail to be deferred", func() bool { return m.Deferrals() > before })
	p.open(t, true)
	m.Flush(t)
	check(t, p.wait(t, 1)[0], "second", "a@example.org")
}

// An alias of Postfix's local(8).
func TestPostfixAlias(t *testing.T) {
	p := newPipe(t)
	aliases := filepath.Join(p.dir, "aliases")
	if err := os.WriteFile(aliases, []byte(p.deployed(t, "aliases")), 0o644); err != nil {
		t.Fatal(err)
	}
	peers.Postmap(t, "postalias", aliases)
	m := peers.NewPostfix(t, peers.PostfixOptions{Main: map[string]string{
		"mydestination": "example.net", "myorigin": "example.net", "local_transport": "local:", "alias_maps": "hash:" + aliases, "local_recipient_maps": "$alias_maps",
	}})
	for _, to := range []string{"abuse", "security"} {
		send(t, m.Addr.String(), to+"@example.net", to)
		check(t, p.wait(t, 1)[0], to, "a@example.org")
	}
}

// An alias of sendmail's.
func TestSendmailAlias(t *testing.T) {
	p := newPipe(t)
	s := peers.NewSendmail(t, peers.SendmailOptions{Aliases: append(settings(p.deployed(t, "aliases")), "postmaster: abuse", "MAILER-DAEMON: abuse")})
	send(t, s.Addr.String(), "abuse@mail.example.net", "alias")
	check(t, p.wait(t, 1)[0], "alias", "a@example.org")
}

// Exim's pipe, with the transport of the manual: what cannot be kept stays in its queue (75), and comes when it can.
func TestEximPipe(t *testing.T) {
	p := newPipe(t)
	text, err := os.ReadFile(filepath.Join(projectRoot(t), "deploy", "mta", "exim.conf"))
	if err != nil {
		t.Fatal(err)
	}
	_, transport, ok := strings.Cut(string(text), "\nspoor_pipe:\n")
	if !ok {
		t.Fatal("the sample has no spoor_pipe")
	}
	transport = strings.NewReplacer("/usr/bin/spoor file", p.program, "user = spoor", "user = nobody").Replace("spoor_pipe:\n" + transport)
	e := peers.NewExim(t, peers.EximOptions{
		Routers: "abuse_desk:\n  driver = accept\n  local_parts = abuse\n  transport = spoor_pipe", Transports: transport,
	})
	send(t, e.Addr.String(), "abuse@example.net", "first")
	check(t, p.wait(t, 1)[0], "first", "a@example.org")
	p.open(t, false)
	send(t, e.Addr.String(), "abuse@example.net", "second")
	peers.WaitFor(t, 90*time.Second, "the mail to be deferred", func() bool { return strings.Contains(e.Log(), "T=spoor_pipe defer") })
	p.open(t, true)
	check(t, p.wait(t, 1)[0], "second", "a@example.org")
	peers.WaitFor(t, 90*time.Second, "the queue to be empty", func() bool { return e.Queue(t) == 0 })
}

// procmail, with the recipe of the manual: it keeps the exit code.
func TestProcmail(t *testing.T) {
	procmail := peers.Need(t, "procmail")
	p := newPipe(t)
	rc := filepath.Join(p.dir, "procmailrc")
	if err := os.WriteFile(rc, []byte(p.deployed(t, "procmailrc")), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(subject string) error {
		cmd := exec.Command(procmail, "-f", "a@example.org", "-m", rc)
		cmd.Stdin = strings.NewReader("Subject: " + subject + "\n\n" + pipedBody)
		cmd.Dir = p.dir
		out, err := cmd.CombinedOutput()
		t.Logf("procmail: %v %s", err, out)
		return err
	}
	if err := run("kept"); err != nil {
		t.Errorf("procmail ends with %v", err)
	}
	check(t, p.wait(t, 1)[0], "kept", "a@example.org")
	if err := os.RemoveAll(p.store); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.store, nil, 0o600); err != nil { // no folder can be made there
		t.Fatal(err)
	}
	if err := run("not kept"); err == nil || !strings.Contains(err.Error(), "75") {
		t.Errorf("where the mail cannot be kept procmail ends with %v, want 75", err)
	}
}

// A Sieve script's pipe, by Dovecot's delivery agent: a mail that cannot be kept is not lost either.
func TestSievePipe(t *testing.T) {
	p := newPipe(t)
	d := peers.NewDovecot(t, peers.DovecotOptions{Sieve: p.deployed(t, "spoor.sieve"), PipeDir: p.dir})
	if code := d.Lda(t, "a@example.org", "Subject: sieve\n\n"+pipedBody); code != 0 {
		t.Errorf("dovecot-lda ends with %d", code)
	}
	check(t, p.wait(t, 1)[0], "sieve", "a@example.org")
	p.open(t, false)
	d.Lda(t, "a@example.org", "Subject: kept by Dovecot\n\n"+pipedBody)
	if n := d.Mails(t, ""); n != 1 {
		t.Errorf("a mail that spoor could not keep is in the INBOX %d times, want once", n)
	}
}
