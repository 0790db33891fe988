package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
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
`, dir, password))
	proc := Start(t, exec.Command(dovecot, "-F", "-c", config))
	WaitFor(t, 20*time.Second, "dovecot's authentication socket", func() bool {
		if !proc.Running() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("dovecot ended at once:\n%s%s", proc.Output(), log)
		}
		_, err := os.Stat(socket)
		return err == nil
	})
	return socket
}
