package message_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spoor/internal/message"
	"spoor/internal/message/messagetest"
	"spoor/internal/peers"
)

var wrappedMail = messagetest.Mail{
	Header: "From: Ann <ann@reporter.example>\r\nSubject: Grüße\r\nDate: Thu, 1 Oct 2026 12:00:00 +0000\r\n",
	From:   "ann@reporter.example", Subject: "attack", Text: "Source IP: 203.0.113.7\r\n",
	Files: []messagetest.File{
		{Name: "events-of-the-day.csv", Data: []byte("ip,time\n203.0.113.7,2026-10-01 08:14:00\n")},
		{Name: "big.log", Data: bytes.Repeat([]byte("0123456789abcdef\n"), 1000)},
		{Name: "inner", Mail: &messagetest.Mail{From: "bob@victim.example", Subject: "inner one", Text: "203.0.113.8"}},
	},
}

// Both of Outlook's containers give the same mail back.
func TestWrappedMails(t *testing.T) {
	tnef, ok := message.ReadTNEF(messagetest.TNEF(wrappedMail))
	if !ok {
		t.Fatal("TNEF is not read")
	}
	msg, ok := message.ReadOutlook(messagetest.Outlook(wrappedMail))
	if !ok {
		t.Fatal(".msg is not read")
	}
	for name, w := range map[string]*message.Wrapped{"tnef": tnef, "msg": msg} {
		if w.Text != wrappedMail.Text || w.Header != wrappedMail.Header || len(w.Files) != 3 {
			t.Fatalf("%s: text %q, header %q, %d files", name, w.Text, w.Header, len(w.Files))
		}
		for i, f := range w.Files[:2] {
			if want := wrappedMail.Files[i]; f.Name != want.Name || !bytes.Equal(f.Data, want.Data) {
				t.Errorf("%s: file %d is %q with %d bytes", name, i, f.Name, len(f.Data))
			}
		}
		inner := w.Files[2].Mail
		if inner == nil || inner.Text != "203.0.113.8" || !strings.Contains(inner.Header, "From: bob@victim.example\r\nSubject: inner one") {
			t.Errorf("%s: the inner mail is %+v", name, inner)
		}
		p := w.Part()
		if len(p.Children) != 4 || !p.Children[3].IsMail() || p.Header.Get("Subject") == "" {
			t.Errorf("%s: %d parts", name, len(p.Children))
		}
	}
}

func TestSignedContent(t *testing.T) {
	content := []byte("Content-Type: text/plain\r\n\r\n" + strings.Repeat("Source IP: 203.0.113.7\r\n", 40))
	for name, b := range map[string][]byte{"der": messagetest.Signed(content), "ber": messagetest.SignedBER(content)} {
		got, _, ok := message.SignedContent(b)
		if !ok || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, ok %v", name, len(got), ok)
		}
	}
	if _, encrypted, ok := message.SignedContent(messagetest.Enveloped()); !encrypted || ok {
		t.Error("an enveloped body is not told")
	}
}

// What OpenSSL signs is read, in one piece and streamed.
func TestSignedByOpenSSL(t *testing.T) {
	peers.Need(t, "openssl")
	dir := t.TempDir()
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl %s: %v", strings.Join(args, " "), err)
		}
		return out
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("Content-Type: text/plain\r\n\r\nSource IP: 203.0.113.7\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", "-subj", "/CN=reporter.example", "-days", "2")
	for _, extra := range [][]string{nil, {"-stream"}} {
		signed := run(append([]string{"smime", "-sign", "-nodetach", "-outform", "DER", "-binary", "-in", "in", "-signer", "cert", "-inkey", "key"}, extra...)...)
		if got, _, ok := message.SignedContent(signed); !ok || !strings.Contains(string(got), "Source IP: 203.0.113.7") {
			t.Errorf("%v: %q, ok %v", extra, got, ok)
		}
	}
	sealed := run("smime", "-encrypt", "-outform", "DER", "-in", "in", "cert")
	if _, encrypted, _ := message.SignedContent(sealed); !encrypted {
		t.Error("what OpenSSL encrypts is not told")
	}
}

// Cut, looped and lying containers end, and give no more than they are.
func TestHostileContainers(t *testing.T) {
	for _, whole := range [][]byte{messagetest.TNEF(wrappedMail), messagetest.Outlook(wrappedMail), messagetest.SignedBER([]byte("x"))} {
		for n := 0; n < len(whole); n += 1 + len(whole)/200 {
			readContainers(t, whole[:n])
			damaged := bytes.Clone(whole)
			for i := n; i < min(n+4, len(damaged)); i++ {
				damaged[i] ^= 0xff
			}
			readContainers(t, damaged)
		}
	}
	looped := messagetest.Outlook(wrappedMail)
	for i := 512; i+4 <= len(looped); i += 4 { // every chain that ended leads back to its begin
		if bytes.Equal(looped[i:i+4], []byte{0xfe, 0xff, 0xff, 0xff}) {
			copy(looped[i:], []byte{0, 0, 0, 0})
		}
	}
	readContainers(t, looped)
	deep := wrappedMail
	for range 40 {
		inner := deep
		deep = messagetest.Mail{Text: "x", Files: []messagetest.File{{Name: "m", Mail: &inner}}}
	}
	readContainers(t, messagetest.TNEF(deep))
	readContainers(t, messagetest.Outlook(deep))
}

// readContainers reads b as each container and bounds what comes out.
func readContainers(t *testing.T, b []byte) {
	t.Helper()
	for _, read := range []func([]byte) (*message.Wrapped, bool){message.ReadTNEF, message.ReadOutlook} {
		if w, ok := read(b); ok {
			if n := wrappedSize(w); n > 8*len(b)+1<<17 {
				t.Fatalf("%d bytes out of %d", n, len(b))
			}
			w.Part()
		}
	}
	if c, _, _ := message.SignedContent(b); len(c) > len(b) {
		t.Fatalf("%d bytes signed in %d", len(c), len(b))
	}
}

func wrappedSize(w *message.Wrapped) int {
	n := len(w.Header) + len(w.Text) + len(w.HTML)
	for _, f := range w.Files {
		n += len(f.Name) + len(f.Data)
		if f.Mail != nil {
			n += wrappedSize(f.Mail)
		}
	}
	return n
}

func FuzzContainers(f *testing.F) {
	f.Add(messagetest.TNEF(wrappedMail))
	f.Add(messagetest.Outlook(messagetest.Mail{Subject: "s", Text: "t"}))
	f.Add(messagetest.Signed([]byte("x")))
	f.Add(messagetest.SignedBER([]byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) { readContainers(t, b) })
}
