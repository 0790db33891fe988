package intake

import (
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/peers"
)

// A real Postfix hands on by LMTP, over TCP and a Unix socket: what it cannot deliver waits in its queue.
func TestPostfixDeliversByLMTP(t *testing.T) {
	dir := peers.TempDir(t, "lmtp")
	for name, address := range map[string]string{"tcp": fmt.Sprintf("127.0.0.1:%d", peers.FreePort(t)), "unix": filepath.Join(dir, "lmtp.sock")} {
		t.Run(name, func(t *testing.T) {
			transport := "lmtp:inet:" + address
			if name == "unix" {
				transport = "lmtp:unix:" + address
			}
			p := peers.NewPostfix(t, peers.PostfixOptions{Main: map[string]string{
				"default_transport": transport, "relay_transport": transport, "minimal_backoff_time": "1s", "queue_run_delay": "1s",
			}})
			send := func(n int) {
				t.Helper()
				text := fmt.Sprintf("Subject: %d\r\n\r\n.dot\r\nFrom here\r\nend\r\n", n)
				if err := smtp.SendMail(p.Addr.String(), nil, "a@example.org", []string{"abuse@example.net", "spam@example.net"}, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			send(1) // nobody listens yet
			peers.WaitFor(t, waitMost, "the mail to be deferred", func() bool { return p.Deferrals() > 0 })
			cfg := testConfig()
			cfg.SMTP, cfg.LMTP = nil, []string{address}
			i := start(t, cfg)
			if name == "unix" {
				if err := os.Chmod(address, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			send(2)
			i.await(t, 1)
			p.Flush(t)
			i.await(t, 2)
			peers.WaitFor(t, waitMost, "the queue to be empty", func() bool { return len(p.Queue(t)) == 0 })
			for _, m := range i.mails(t) {
				if !strings.HasSuffix(string(m.Raw), "\r\n\r\n.dot\r\nFrom here\r\nend\r\n") || !strings.HasPrefix(string(m.Message()), "Received: from ") {
					t.Errorf("kept %q", m.Raw)
				}
				if d := cmp.Diff([]string{"abuse@example.net", "spam@example.net"}, m.Recipients); d != "" || m.From != "a@example.org" || m.Source != SourceLMTP {
					t.Errorf("envelope %+v", m.Envelope)
				}
			}
		})
	}
}

// sample reads a sample of deploy/mta and puts this test's own paths into it.
func sample(t *testing.T, name string, replace ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../deploy/mta", name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(string(data), replace[i]) {
			t.Fatalf("%s has no %q", name, replace[i])
		}
	}
	return strings.NewReplacer(replace...).Replace(string(data))
}

// lmtpServer is an instance that every user can reach by a Unix socket.
func lmtpServer(t *testing.T, socket string) *instance {
	t.Helper()
	cfg := testConfig()
	cfg.SMTP, cfg.LMTP, cfg.Recipients = nil, []string{socket}, []string{"abuse", "postmaster"}
	i := start(t, cfg)
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	return i
}

const handedOn = "Subject: handed on\r\n\r\n.dot\r\nFrom here\r\nend\r\n"

// keptFrom says what is wrong with a mail that an MTA handed on.
func keptFrom(t *testing.T, m Mail, to string) {
	t.Helper()
	if !strings.HasSuffix(string(m.Raw), "\r\n\r\n.dot\r\nFrom here\r\nend\r\n") || !strings.HasPrefix(string(m.Message()), "Re") {
		t.Errorf("kept %q", m.Raw)
	}
	if d := cmp.Diff([]string{to}, m.Recipients); d != "" || m.From != "a@example.org" || m.Source != SourceLMTP {
		t.Errorf("envelope %+v", m.Envelope)
	}
}

// A real Postfix with the transport table of the manual.
func TestPostfixTransportTable(t *testing.T) {
	peers.Need(t, "postfix")
	dir := peers.TempDir(t, "lmtp")
	socket, table := filepath.Join(dir, "lmtp.sock"), filepath.Join(dir, "transport")
	if err := os.WriteFile(table, []byte(sample(t, "postfix-transport", "/run/spoor/lmtp.sock", socket)), 0o644); err != nil {
		t.Fatal(err)
	}
	peers.Postmap(t, "postmap", table)
	settings := map[string]string{"default_transport": "error:only what the table names goes anywhere", "relay_transport": "$default_transport"}
	for line := range strings.Lines(sample(t, "postfix-main.cf", "/etc/postfix/transport", table)) {
		if name, value, ok := strings.Cut(line, " = "); ok && !strings.HasPrefix(line, "#") {
			settings[name] = strings.TrimSpace(value)
		}
	}
	p := peers.NewPostfix(t, peers.PostfixOptions{Main: settings})
	i := lmtpServer(t, socket)
	for n, to := range []string{"abuse@example.net", "postmaster@example.net"} {
		if err := smtp.SendMail(p.Addr.String(), nil, "a@example.org", []string{to}, []byte(handedOn)); err != nil {
			t.Fatal(err)
		}
		i.await(t, n+1)
		keptFrom(t, i.mails(t)[n], to)
	}
}

// A real Exim with the router and the transport of the manual: what it cannot deliver waits in its queue.
func TestEximDeliversByLMTP(t *testing.T) {
	socket := filepath.Join(peers.TempDir(t, "lmtp"), "lmtp.sock")
	text := sample(t, "exim.conf", "/run/spoor/lmtp.sock", socket, "user = spoor", "user = nobody")
	_, text, _ = strings.Cut(text, "begin routers\n")
	routers, transports, _ := strings.Cut(text, "begin transports\n")
	e := peers.NewExim(t, peers.EximOptions{Routers: routers, Transports: transports})
	if err := smtp.SendMail(e.Addr.String(), nil, "a@example.org", []string{"abuse@example.net"}, []byte(handedOn)); err != nil {
		t.Fatal(err)
	}
	peers.WaitFor(t, waitMost, "the mail to be deferred", func() bool { return strings.Contains(e.Log(), "== abuse@example.net") })
	i := lmtpServer(t, socket)
	i.await(t, 1)
	keptFrom(t, i.mails(t)[0], "abuse@example.net")
	peers.WaitFor(t, waitMost, "the queue to be empty", func() bool { return e.Queue(t) == 0 })
}

// A real sendmail with the mailertable of the manual.
func TestSendmailDeliversByMailertable(t *testing.T) {
	peers.Need(t, "sendmail")
	peers.NeedRoot(t)
	dir, err := os.MkdirTemp("/run", "spoor-lmtp-") // sendmail trusts no socket below a folder that everybody may write to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "lmtp.sock")
	i := lmtpServer(t, socket)
	text := sample(t, "sendmail.mc", "/run/spoor/lmtp.sock", socket)
	features, mailer, _ := strings.Cut(text, "MAILER_DEFINITIONS\n")
	tables := map[string]string{}
	for line := range strings.Lines(features) { // the samples stand in comments
		if _, entry, ok := strings.Cut(line, "dnl In /etc/mail/"); ok {
			name, entry, _ := strings.Cut(entry, ":")
			tables[name] = strings.TrimSpace(entry) + "\n"
		}
	}
	s := peers.NewSendmail(t, peers.SendmailOptions{
		MC:      []string{"VIRTUSER_DOMAIN(`example.net')dnl", features, "MAILER_DEFINITIONS", mailer},
		Aliases: []string{"postmaster: root"}, Maps: tables,
	})
	if err := smtp.SendMail(s.Addr.String(), nil, "a@example.org", []string{"abuse@example.net"}, []byte(handedOn)); err != nil {
		t.Fatal(err)
	}
	i.await(t, 1)
	keptFrom(t, i.mails(t)[0], "abuse@spoor.example.net")
	peers.WaitFor(t, waitMost, "the queue to be empty", func() bool { return s.Queue(t) == 0 })
}

// Postfix as an SMTP client, with STARTTLS and CHUNKING where it likes.
func TestPostfixRelaysBySMTP(t *testing.T) {
	cfg := testConfig()
	cfg.TLSCert, cfg.TLSKey = selfSigned(t, t.TempDir(), 1)
	i := start(t, cfg)
	port := i.Addrs()[0].String()[strings.LastIndexByte(i.Addrs()[0].String(), ':'):]
	p := peers.NewPostfix(t, peers.PostfixOptions{Main: map[string]string{
		"default_transport": "smtp:[127.0.0.1]" + port, "smtp_tls_security_level": "encrypt",
	}})
	for n := range 20 {
		text := fmt.Sprintf("Subject: %d\r\n\r\n%s", n, strings.Repeat(".line\r\n", 100*n))
		if err := smtp.SendMail(p.Addr.String(), nil, "a@example.org", []string{"abuse@example.net"}, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	i.await(t, 20)
	for _, m := range i.mails(t) {
		if m.TLS == "" || m.Helo != "mail.example.net" || strings.Count(string(m.Raw), "\r\n.line")%100 != 0 {
			t.Errorf("envelope %+v", m.Envelope)
		}
	}
}

// swaks with STARTTLS, and with XCLIENT as a proxy would say it.
func TestSwaks(t *testing.T) {
	swaks := peers.Need(t, "swaks")
	cfg := testConfig()
	cfg.TLSCert, cfg.TLSKey = selfSigned(t, t.TempDir(), 1)
	cfg.Xclient = localhost
	i := start(t, cfg)
	base := []string{"--server", i.Addrs()[0].String(), "--from", "a@example.org", "--to", "abuse@example.net", "--helo", "swaks.example.org"}
	for _, extra := range [][]string{{}, {"--tls"}, {"--pipeline"}, {"--xclient", "ADDR=192.0.2.7 NAME=[UNAVAILABLE]"}, {"--to", "abuse@example.net,postmaster"}} {
		out, err := exec.Command(swaks, append(base, extra...)...).CombinedOutput()
		if err != nil {
			t.Errorf("swaks %q: %v\n%s", extra, err, out)
		}
	}
	var got []string
	for _, m := range i.mails(t) {
		got = append(got, fmt.Sprintf("%s tls=%t %d", m.Peer, m.TLS != "", len(m.Recipients)))
	}
	want := []string{"127.0.0.1 tls=false 1", "127.0.0.1 tls=true 1", "127.0.0.1 tls=false 1", "192.0.2.7 tls=false 1", "127.0.0.1 tls=false 2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
