package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NewSASL starts a private Dovecot that does nothing but check passwords, and
// returns the path of its socket for Postfix's smtpd_sasl_path (with
// smtpd_sasl_type = dovecot). Every user has the same password.
func NewSASL(t testing.TB, password string) (socket string) {
	t.Helper()
	dovecot := Need(t, "dovecot")
	NeedRoot(t)
	dir := TempDir(t, "sasl")
	socket = filepath.Join(dir, "auth")
	config := filepath.Join(dir, "dovecot.conf")
	writeFile(t, config, fmt.Sprintf(`base_dir = %[1]s/run
log_path = %[1]s/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {
  driver = static
  args = password=%[2]s
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}
service auth {
  unix_listener %[1]s/auth {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`, dir, password))
	proc := Start(t, exec.Command(dovecot, "-F", "-c", config))
	t.Cleanup(proc.Kill) // asked to end, it takes five seconds, and it has nothing to lose
	WaitFor(t, startLimit, "dovecot's authentication socket", func() bool {
		if !proc.Running() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("dovecot ended at once:\n%s%s", proc.Output(), log)
		}
		_, err := os.Stat(socket)
		return err == nil
	})
	return socket
}

// sasl makes a private password database for Cyrus SASL, with which sendmail is linked, and returns the m4 lines that
// offer AUTH.
func (s *Sendmail) sasl(t testing.TB, users map[string]string) []string {
	t.Helper()
	tool := Need(t, "saslpasswd2")
	writeFile(t, s.file("sasl/Sendmail.conf"), fmt.Sprintf("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s\nmech_list: PLAIN LOGIN\n", s.file("sasl/db")))
	for user, password := range users {
		cmd := exec.Command(tool, "-c", "-p", "-f", s.file("sasl/db"), "-u", "mail.example.net", user)
		cmd.Stdin = strings.NewReader(password)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("saslpasswd2: %v: %s", err, out)
		}
	}
	return []string{
		"TRUST_AUTH_MECH(`PLAIN LOGIN')dnl",
		"define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl",
		"define(`confAUTH_REALM', `mail.example.net')dnl",
		"define(`confAUTH_OPTIONS', `A')dnl",
	}
}

// saslFolder is a line of sendmail.cf: sendmail forgets its environment but for what stands there, and the library
// looks for its settings where this variable says.
func (s *Sendmail) saslFolder() string { return "ESASL_CONF_PATH=" + s.file("sasl") }
