package peers

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDovecotDeliversThroughSieve(t *testing.T) {
	pipes := TempDir(t, "pipes")
	out := filepath.Join(pipes, "out")
	script := filepath.Join(pipes, "take")
	writeFile(t, script, "#!/bin/sh\ncat > "+out+"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(out, 0o666); err != nil {
		t.Fatal(err)
	}
	d := NewDovecot(t, DovecotOptions{Sieve: `require ["vnd.dovecot.pipe", "copy"]; pipe "take";`, PipeDir: pipes})
	if code := d.Lda(t, "a@example.org", "Subject: x\n\nbody\n"); code != 0 {
		t.Errorf("dovecot-lda ends with %d", code)
	}
	if got, err := os.ReadFile(out); err != nil || len(got) == 0 || d.Mails(t, "") != 0 {
		t.Errorf("the pipe got %q, %v; the INBOX %d mails", got, err, d.Mails(t, ""))
	}
}
