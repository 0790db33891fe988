package peers

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// SendmailOptions say how a private sendmail differs from the plain one, which
// listens on loopback alone, relays for everybody and throws away what it accepts.
type SendmailOptions struct {
	MC    []string       // further m4 lines, before the mailers: INPUT_MAIL_FILTER(…), define(…)
	Rules []string       // further lines of sendmail.cf, after everything: rule sets
	Sink  netip.AddrPort // an SMTP server that gets all mail, instead of none
	TLS   bool           // offer STARTTLS with a certificate of its own
	// Users may log in (AUTH PLAIN and LOGIN, by Cyrus SASL) with these passwords.
	Users map[string]string
	// Aliases deliver mail for mail.example.net: lines such as `abuse: "|/path/program"`.
	Aliases []string
	Maps    map[string]string // tables such as mailertable by their names, to be made by makemap where MC looks for them
}

// A Sendmail is a private instance that ends with the test. It needs root.
type Sendmail struct {
	Addr  netip.AddrPort // where it listens on 127.0.0.1
	Addr6 netip.AddrPort // where it listens on ::1
	dir   string
	bin   string
	proc  *Process
}

// NewSendmail starts a sendmail, or skips the test where there is none.
func NewSendmail(t testing.TB, opts SendmailOptions) *Sendmail {
	t.Helper()
	paths := NeedAll(t, "sendmail", "unshare")
	NeedRoot(t)
	port := FreePort(t)
	s := &Sendmail{
		Addr:  Loopback(port),
		Addr6: netip.AddrPortFrom(netip.IPv6Loopback(), port),
		dir:   sendmailDir(t),
		bin:   paths[0],
	}
	s.configure(t, opts)
	s.Start(t)
	return s
}

// sendmailDir makes the instance's folder below /run: sendmail trusts no
// folder under one that everybody may write to.
func sendmailDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "spoor-sendmail-")
	if err != nil {
		t.Fatalf("make a folder for sendmail: %v", err)
	}
	t.Cleanup(func() { remove(t, dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "queue"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// namespaced runs sendmail, which waits a minute unless its host has a fully
// qualified name, and logs to /dev/log alone: it gets both in namespaces of its own.
const namespaced = `hostname mail.example.net && mount --bind "$1/hosts" /etc/hosts && exec "$2" -C "$1/sendmail.cf"`

// Start starts the instance again after Stop.
func (s *Sendmail) Start(t testing.TB) {
	t.Helper()
	s.proc = Start(t, exec.Command("unshare", "--uts", "--mount", "sh", "-c", namespaced+` -bD -X "$1/traffic.log"`, "sh", s.dir, s.bin))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("sendmail's output:\n%s%s", s.proc.Output(), tail(s.Traffic(), 4000))
		}
	})
	WaitFor(t, startLimit, "sendmail to answer", func() bool {
		if !s.proc.Running() {
			t.Fatalf("sendmail ended at once:\n%s", s.proc.Output())
		}
		return Answers(s.Addr)
	})
}

// Stop ends the instance; its queue stays.
func (s *Sendmail) Stop() { s.proc.Stop() }

// Traffic returns the SMTP dialogues so far, as sendmail recorded them.
func (s *Sendmail) Traffic() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "traffic.log"))
	if err != nil {
		return ""
	}
	return string(text)
}

// Queue returns how many messages wait.
func (s *Sendmail) Queue(t testing.TB) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "queue", "qf*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func (s *Sendmail) configure(t testing.TB, opts SendmailOptions) {
	t.Helper()
	writeFile(t, s.file("hosts"), "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.0.1 mail.example.net mail\n")
	writeFile(t, s.file("service.switch"), "hosts files\naliases files\n")
	writeFile(t, s.file("sendmail.mc"), s.mc(t, opts))
	// …/usr/libexec/sendmail/sendmail → …/usr/share/sendmail/cf
	macros := filepath.Join(filepath.Dir(s.bin), "../../share/sendmail/cf") + "/"
	// Its standard error warns of settings that are wrong only outside loopback.
	out, err := exec.Command("m4", "-D_CF_DIR_="+macros, macros+"m4/cf.m4", s.file("sendmail.mc")).Output()
	if err != nil {
		t.Fatalf("m4: %v", err)
	}
	if len(opts.Users) > 0 {
		out = fmt.Appendln(out, s.saslFolder())
	}
	writeFile(t, s.file("sendmail.cf"), string(out)+strings.Join(append(opts.Rules, ""), "\n"))
	for name, text := range opts.Maps {
		cmd := exec.Command(filepath.Join(filepath.Dir(s.bin), "makemap"), "-C", s.file("sendmail.cf"), "hash", s.file(name))
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("makemap %s: %v: %s", name, err, out)
		}
	}
	if len(opts.Aliases) == 0 {
		return
	}
	writeFile(t, s.file("aliases"), strings.Join(append(opts.Aliases, ""), "\n"))
	if out, err := exec.Command("unshare", "--uts", "--mount", "sh", "-c", namespaced+" -bi", "sh", s.dir, s.bin).CombinedOutput(); err != nil {
		t.Fatalf("build the aliases: %v: %s", err, out)
	}
}

func (s *Sendmail) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Sendmail) mc(t testing.TB, opts SendmailOptions) string {
	t.Helper()
	lines := []string{
		"OSTYPE(`linux')dnl",
		"define(`confDOMAIN_NAME', `mail.example.net')dnl",
		"define(`MAIL_SETTINGS_DIR', `" + s.dir + "/')dnl",
		"define(`QUEUE_DIR', `" + s.file("queue") + "')dnl",
		"define(`confPID_FILE', `" + s.file("pid") + "')dnl",
		"define(`confSERVICE_SWITCH_FILE', `" + s.file("service.switch") + "')dnl",
		"define(`STATUS_FILE', `')dnl",
		"define(`HELP_FILE', `')dnl",
		"define(`ALIAS_FILE', `')dnl",
		"define(`confTO_IDENT', `0')dnl",
		// A busy machine makes sendmail queue large mail, and then refuse all.
		"define(`confQUEUE_LA', `10000')dnl",
		"define(`confREFUSE_LA', `10000')dnl",
		"define(`confDEF_USER_ID', `mail:mail')dnl",
		"FEATURE(`nocanonify')dnl",
		"FEATURE(`accept_unresolvable_domains')dnl",
		"FEATURE(`promiscuous_relay')dnl",
		"FEATURE(`no_default_msa')dnl",
		fmt.Sprintf("DAEMON_OPTIONS(`Family=inet, Name=MTA4, Port=%d, Addr=127.0.0.1')dnl", s.Addr.Port()),
		fmt.Sprintf("DAEMON_OPTIONS(`Family=inet6, Name=MTA6, Port=%d, Addr=::1')dnl", s.Addr.Port()),
	}
	if opts.TLS {
		lines = append(lines, s.tls(t)...)
	}
	if len(opts.Users) > 0 {
		lines = append(lines, s.sasl(t, opts.Users)...)
	}
	lines = append(lines, opts.MC...)
	return strings.Join(append(lines, s.delivery(opts)...), "\n") + "\n"
}

// delivery sends every address to the sink, or to a file mailer that writes nowhere.
func (s *Sendmail) delivery(opts SendmailOptions) []string {
	if opts.Sink.IsValid() {
		return []string{
			fmt.Sprintf("define(`ESMTP_MAILER_ARGS', `TCP $h %d')dnl", opts.Sink.Port()),
			"define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl",
			"MAILER(`smtp')dnl",
			"LOCAL_RULE_0",
			"R$+ < @ $+ >\t$#esmtp $@ [127.0.0.1] $: $1 < @ $2 >",
		}
	}
	if len(opts.Aliases) > 0 {
		return []string{"define(`ALIAS_FILE', `" + s.file("aliases") + "')dnl", "MAILER(`local')dnl", "MAILER(`smtp')dnl"}
	}
	return []string{
		"MAILER(`smtp')dnl",
		"MAILER_DEFINITIONS",
		"Mnowhere, P=[FILE], F=DFMPluq, S=0, R=0, T=X-Nowhere/X-Nowhere/X-Nowhere, A=FILE /dev/null",
		"LOCAL_RULE_0",
		"R$+ < @ $+ >\t$#nowhere $: $1@$2",
	}
}

func (s *Sendmail) tls(t testing.TB) []string {
	t.Helper()
	cert, key := Certificate(t, "mail.example.net")
	writeFile(t, s.file("cert.pem"), string(cert))
	writeFile(t, s.file("key.pem"), string(key))
	if err := os.Chmod(s.file("key.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"define(`confSERVER_CERT', `" + s.file("cert.pem") + "')dnl",
		"define(`confSERVER_KEY', `" + s.file("key.pem") + "')dnl",
		"define(`confCACERT_PATH', `" + s.dir + "')dnl",
		"define(`confCACERT', `" + s.file("cert.pem") + "')dnl",
	}
}
