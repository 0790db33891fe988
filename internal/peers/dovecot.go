package peers

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A Dovecot is a private IMAP server with one user, whose mail is the Maildir
// Mail. It ends with the test, and needs root.
type Dovecot struct {
	Addr     netip.AddrPort // IMAP, with STARTTLS
	AddrTLS  netip.AddrPort // IMAP over TLS
	User     string
	Password string
	CAFile   string // signs the server, whose name is localhost
	Mail     string // the user's Maildir
	dir      string
	port     uint16
	portTLS  uint16
}

// DovecotOptions say how a Dovecot differs from the plain one.
type DovecotOptions struct {
	Capability string // what it announces instead of all that it can, such as "IMAP4rev1 UIDPLUS"
	Sieve      string // the script that Lda runs; it may pipe to what lies in PipeDir
	PipeDir    string
}

// NewDovecot starts a Dovecot, or skips the test where there is none.
func NewDovecot(t testing.TB, opts DovecotOptions) *Dovecot {
	t.Helper()
	program := Need(t, "dovecot")
	NeedRoot(t)
	d := &Dovecot{User: "abuse", Password: "open sesame", dir: TempDir(t, "dovecot"), port: FreePort(t), portTLS: FreePort(t)}
	d.Addr, d.AddrTLS = Loopback(d.port), Loopback(d.portTLS)
	d.Mail = filepath.Join(d.dir, "mail", "Maildir")
	certPEM, keyPEM := Certificate(t, "localhost")
	cert, key := filepath.Join(d.dir, "cert.pem"), filepath.Join(d.dir, "key.pem")
	writeFile(t, cert, string(certPEM))
	writeFile(t, key, string(keyPEM))
	d.CAFile = cert
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(d.Mail, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(d.dir, "mail", "script.sieve"), opts.Sieve)
	writeFile(t, filepath.Join(d.dir, "users"), d.User+":{PLAIN}"+d.Password+"::::::\n")
	writeFile(t, filepath.Join(d.dir, "dovecot.conf"), d.conf(opts, cert, key))
	if out, err := exec.Command("chown", "-R", "mail:mail", filepath.Join(d.dir, "mail")).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	proc := Start(t, exec.Command(program, "-F", "-c", filepath.Join(d.dir, "dovecot.conf")))
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(d.dir, "log")) // there may be none yet
			sieve, _ := os.ReadFile(filepath.Join(d.dir, "mail", "script.sieve.log"))
			t.Logf("dovecot's log:\n%s%s%s", proc.Output(), tail(string(log), 4000), sieve)
		}
	})
	WaitFor(t, startLimit, "dovecot to answer", func() bool {
		if !proc.Running() {
			t.Fatalf("dovecot ended at once:\n%s", proc.Output())
		}
		return Answers(d.Addr) && Answers(d.AddrTLS)
	})
	return d
}

// Deliver puts a mail into the user's INBOX.
func (d *Dovecot) Deliver(t testing.TB, name, text string) {
	t.Helper()
	tmp := filepath.Join(d.Mail, "tmp", name)
	writeFile(t, tmp, text)
	folder, err := os.Stat(d.Mail)
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := folder.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(tmp, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(tmp, filepath.Join(d.Mail, "new", name)); err != nil {
		t.Fatal(err)
	}
}

// Lda delivers a mail to the user through the Sieve script, as an MTA would,
// and returns the exit code.
func (d *Dovecot) Lda(t testing.TB, from, text string) int {
	t.Helper()
	cmd := exec.Command("/usr/lib/dovecot/dovecot-lda", "-c", filepath.Join(d.dir, "dovecot.conf"), "-d", d.User, "-f", from, "-e")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("dovecot-lda: %v", err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Logf("dovecot-lda ends with %d: %s", code, out)
		return code
	}
	return 0
}

// MakeFolder makes a mailbox beside the INBOX.
func (d *Dovecot) MakeFolder(t testing.TB, name string) {
	t.Helper()
	dir := filepath.Join(d.Mail, "."+name)
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "mail:mail", dir).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
}

// Mails returns how many mails a mailbox has; an empty name is the INBOX.
func (d *Dovecot) Mails(t testing.TB, folder string) int {
	t.Helper()
	dir := d.Mail
	if folder != "" {
		dir = filepath.Join(dir, "."+folder)
	}
	n := 0
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		n += len(entries)
	}
	return n
}

func (d *Dovecot) conf(opts DovecotOptions, cert, key string) string {
	capability := ""
	if opts.Capability != "" {
		capability = "protocol imap {\n  imap_capability = " + opts.Capability + "\n}\n"
	}
	return strings.NewReplacer("$DIR", d.dir, "$CERT", cert, "$KEY", key,
		"$PORTTLS", fmt.Sprint(d.portTLS), "$PORT", fmt.Sprint(d.port), "$CAPABILITY", capability, "$PIPES", opts.PipeDir).Replace(`
protocols = imap
base_dir = $DIR/run
state_dir = $DIR/state
log_path = $DIR/log
listen = 127.0.0.1
mail_location = maildir:$DIR/mail/Maildir
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
disable_plaintext_auth = no
ssl = yes
ssl_cert = <$CERT
ssl_key = <$KEY
mailbox_idle_check_interval = 1 secs
passdb {
  driver = passwd-file
  args = $DIR/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$DIR/mail
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $PORT
  }
  inet_listener imaps {
    port = $PORTTLS
    ssl = yes
  }
}
service anvil {
  chroot =
}
namespace inbox {
  inbox = yes
}
protocol lda {
  mail_plugins = sieve
  postmaster_address = postmaster@example.net
}
plugin {
  sieve = $DIR/mail/script.sieve
  sieve_plugins = sieve_extprograms
  sieve_extensions = +vnd.dovecot.pipe
  sieve_pipe_bin_dir = $PIPES
  sieve_pipe_exec_timeout = 30s
}
$CAPABILITY`)
}
