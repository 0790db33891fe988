package intake

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/peers"
)

// A watched mbox, a watched Maildir and an IMAP mailbox, through a whole Server.
func TestReadersOfServer(t *testing.T) {
	d := peers.NewDovecot(t, peers.DovecotOptions{})
	d.Deliver(t, "1.a", "Subject: imap\n\n")
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	mboxPath, maildirPath := filepath.Join(dir, "abuse"), filepath.Join(dir, "Maildir")
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(maildirPath, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		password: d.Password, filepath.Join(maildirPath, "new", "1.a"): "Subject: maildir\n\n",
		mboxPath: "From a@example.org Thu Oct  1 08:14:00 2026\nSubject: mbox\n\n\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := testConfig()
	cfg.Watch = []string{mboxPath, maildirPath}
	cfg.IMAP = []IMAPConfig{{Server: d.Addr.String(), User: d.User, PasswordFile: password, Plaintext: true}}
	i := start(t, cfg)
	i.await(t, 3)
	got := map[Source]string{}
	for _, m := range i.mails(t) {
		got[m.Source] = m.From + " " + m.Mailbox
	}
	want := map[Source]string{SourceMbox: "a@example.org " + mboxPath, SourceMaildir: " " + maildirPath, SourceIMAP: " abuse@" + d.Addr.String() + "/INBOX"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
