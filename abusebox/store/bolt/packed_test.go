package bolt

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"spoor/abusebox"
	"spoor/internal/bolt"
)

const composedMail = "From: abuse@example.net\r\nSubject: [S-1] Spam from your host 192.0.2.1\r\n\r\nDear colleagues,\r\n"

// A composed mail comes back as it went in, and is small on disk; one that version 1 kept as it was comes back as well.
func TestComposedMailsArePacked(t *testing.T) {
	s := filled(t)
	mail := []byte(composedMail + strings.Repeat("one of the lines of the evidence\r\n", 100))
	if err := s.Composed(t.Context(), 1, "<1@example.net>", mail); err != nil {
		t.Fatal(err)
	}
	read := func(form string) {
		t.Helper()
		if got, err := s.Mail(t.Context(), 1); err != nil || !bytes.Equal(got, mail) {
			t.Errorf("%s: %q, %v", form, got, err)
		}
	}
	read("packed")
	if err := s.update(t.Context(), func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketComposed)
		if n := len(b.Get(number(uint64(1)))); n > len(mail)/4 {
			t.Errorf("a mail of %d bytes takes %d", len(mail), n)
		}
		return b.Put(number(uint64(1)), mail)
	}); err != nil {
		t.Fatal(err)
	}
	read("plain, of version 1")
}

// A packed mail that was damaged anywhere is never sent as something else.
func TestDamagedPackedMails(t *testing.T) {
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	mail := []byte(composedMail + strings.Repeat("one of the lines of the evidence\r\n", 100))
	whole := p.pack(mail)
	for i := 1; i < len(whole); i++ {
		if got, err := p.unpack(whole[:i]); err == nil && len(got) > 0 {
			t.Errorf("cut off after %d bytes it is %d bytes", i, len(got))
		}
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			if got, err := p.unpack(damaged); err == nil && !bytes.Equal(got, mail) {
				t.Errorf("with bit %d of byte %d changed it is %d bytes", bit, i, len(got))
			}
		}
	}
}

// Whoever asks to be forgotten is found in a packed mail too.
func TestPurgeReadsPackedMails(t *testing.T) {
	s := filled(t)
	if err := s.Composed(t.Context(), 1, "<1@example.net>", []byte(composedMail+"reported by jane@reporter.example\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), 1, abusebox.Result{State: "sent", At: time.Date(2026, 9, 14, 13, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	for person, want := range map[string]int{"john@reporter.example": 0, "jane@reporter.example": 1} {
		if out, err := s.Purge(t.Context(), abusebox.Purge{Person: person, DryRun: true}); err != nil || out.Notices != want {
			t.Errorf("%s is named in %d mails, %v; want %d", person, out.Notices, err, want)
		}
	}
}

// A file of version 1 is lifted, with all that is in it, and a program that knows no other refuses it then.
func TestFileOfVersionOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.db")
	old, err := bolt.Open(path, bolt.Options{Migrations: migrations()[:1]})
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Update(t.Context(), func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketComposed).Put(number(uint64(7)), []byte(composedMail))
	}); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if mail, err := s.Mail(t.Context(), 7); err != nil || string(mail) != composedMail {
		t.Errorf("%q, %v", mail, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(path, bolt.Options{Migrations: migrations()[:1]}); err == nil {
		t.Error("a program of before opens a file in which mails may be packed")
	}
}
