package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const fromLine = "From reporter@example.org  Thu Oct  1 08:14:00 2026\n"

// write puts mails into an mbox as a writer of that quoting does.
func write(mails []string, q Quoting) string {
	var b strings.Builder
	for _, m := range mails {
		b.WriteString(fromLine)
		head, body, _ := strings.Cut(m, "\n\n")
		switch q {
		case Mboxcl, Auto:
			body = strings.TrimPrefix(m, head+"\n\n")
			fmt.Fprintf(&b, "%s\nContent-Length: %d\n\n%s\n", head, len(body), body)
			continue
		case Mboxo:
			body = strings.ReplaceAll("\n"+body, "\nFrom ", "\n>From ")[1:]
		case Mboxrd:
			lines := strings.SplitAfter(body, "\n")
			for i, l := range lines {
				if strings.HasPrefix(strings.TrimLeft(l, ">"), "From ") {
					lines[i] = ">" + l
				}
			}
			body = strings.Join(lines, "")
		}
		b.WriteString(head + "\n\n" + body + "\n")
	}
	return b.String()
}

func read(t testing.TB, text string, opt Options) []Message {
	t.Helper()
	var got []Message
	if err := ReadMbox(context.Background(), strings.NewReader(text), "", 0, opt, func(m Message) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// Ten thousand mails of every shape come out byte for byte, for every quoting.
func TestRoundTrip(t *testing.T) {
	for _, q := range Quotings() {
		rng := rand.New(rand.NewPCG(7, 8))
		pieces := []string{"\n", "\n\n", "From ", "From a@example.org Thu Oct  1 08:14:00 2026\n", "\n\nFrom b Thu Oct  1 08:14:00 2026\n", "text\n", "\x00",
			"\r\n", "\xff", "Content-Length: 3\n", strings.Repeat("x", 70_000)}
		if q == Mboxrd {
			pieces = append(pieces, ">From \n", "\n>>From x\n")
		}
		var want []string
		for range 2500 {
			body := "b\n"
			for range rng.IntN(8) {
				body += pieces[rng.IntN(len(pieces)-rng.IntN(2))]
			}
			want = append(want, "Subject: x\nX-A: b\n\n"+body+"\n")
		}
		var got []string
		for _, m := range read(t, write(want, q), Options{Quoting: q}) {
			text := string(m.Raw)
			if q == Mboxcl || q == Auto {
				head, rest, _ := strings.Cut(text, "\nContent-Length:")
				_, body, _ := strings.Cut(rest, "\n\n")
				text = head + "\n\n" + body
			}
			got = append(got, text)
			if m.From != "reporter@example.org" {
				t.Fatalf("sender %q", m.From)
			}
		}
		if d := cmp.Diff(len(want), len(got)); d != "" {
			t.Errorf("%s: mails (-want +got):\n%s", q, d)
			continue
		}
		for i := range want {
			if want[i] != got[i] {
				t.Errorf("%s: mail %d (-want +got):\n%.1000s", q, i, cmp.Diff(want[i], got[i]))
				break
			}
		}
	}
}

func TestMboxCases(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":                       {"", nil},
		"header only":                 {fromLine + "Subject: x\n", []string{"Subject: x\n"}},
		"no end of line":              {fromLine + "Subject: x\n\nbody", []string{"Subject: x\n\nbody"}},
		"nothing but From_":           {fromLine, []string{""}},
		"From in the text":            {fromLine + "\nx\n\nFrom here on it is text\n\n", []string{"\nx\n\nFrom here on it is text\n"}},
		"From_ not after empty line":  {fromLine + "\nx\n" + fromLine + "\n", []string{"\nx\n" + fromLine}},
		"Content-Length lies":         {fromLine + "Content-Length: 3\n\nbody\n\n" + fromLine + "\ny\n", []string{"Content-Length: 3\n\nbody\n", "\ny\n"}},
		"Content-Length is huge":      {fromLine + "Content-Length: 4611686018427387903\n\nbody\n", []string{"Content-Length: 4611686018427387903\n\nbody\n"}},
		"Content-Length is no number": {fromLine + "Content-Length: -3\n\nbody\n\n" + fromLine, []string{"Content-Length: -3\n\nbody\n", ""}},
		"junk before":                 {"junk\n" + fromLine + "\nx\n", []string{"\nx\n"}},
		"CRLF":                        {strings.ReplaceAll(fromLine+"A: b\n\nx\n\n"+fromLine+"\ny\n", "\n", "\r\n"), []string{"A: b\r\n\r\nx\r\n", "\r\ny\r\n"}},
	} {
		var got []string
		for _, m := range read(t, c.text, Options{}) {
			got = append(got, string(m.Raw))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestSenderOfFromLine(t *testing.T) {
	for line, want := range map[string]string{
		fromLine: "reporter@example.org", "From MAILER-DAEMON Thu Oct  1 08:14:00 2026\n": "", "From  Thu Oct  1 08:14:00 2026\n": "",
		"From <a@example.org> Thu Oct  1 08:14:00 2026": "a@example.org",
	} {
		if got := sender([]byte(line)); got != want || !isFromLine([]byte(line)) {
			t.Errorf("%q: sender %q, want %q; From_ line: %v", line, got, want, isFromLine([]byte(line)))
		}
	}
	for _, line := range []string{"From here on", "From a 2026\n", "From: a@example.org Thu Oct 1 08:14:00 2026", ">From a Thu Oct  1 08:14:00 2026"} {
		if isFromLine([]byte(line)) {
			t.Errorf("%q is taken for a From_ line", line)
		}
	}
}

// A mail over the limit costs itself only, and no memory.
func TestTooLarge(t *testing.T) {
	text := fromLine + "A: b\n\n" + strings.Repeat("large\n", 1000) + "\n" + fromLine + "A: c\n\nsmall\n\n"
	for _, cl := range []string{"", "Content-Length: 6000\n"} {
		got := read(t, strings.Replace(text, "A: b\n", "A: b\n"+cl, 1), Options{MaxSize: 100})
		if len(got) != 2 || !errors.Is(got[0].Err, ErrTooLarge) || got[0].Raw != nil || string(got[1].Raw) != "A: c\n\nsmall\n" {
			t.Errorf("got %+v", got)
		}
	}
}

// Reading goes on at any mail's End.
func TestOffsets(t *testing.T) {
	text := write([]string{"A: 1\n\nx\n", "A: 2\n\ny\n\n", "A: 3\n\n"}, Mboxo)
	all := read(t, text, Options{})
	for i, m := range all {
		if !strings.HasPrefix(text[m.Offset:], fromLine) {
			t.Errorf("mail %d is said to begin at %d", i, m.Offset)
		}
		var rest []Message
		if err := ReadMbox(t.Context(), strings.NewReader(text), "", m.End, Options{}, func(m Message) error { rest = append(rest, m); return nil }); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(all[i+1:], rest, cmp.Transformer("len", func(m []Message) string { return fmt.Sprintf("%+v", m) })); d != "" {
			t.Errorf("from the end of mail %d (-want +got):\n%s", i, d)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.eml"), "Subject: single\n\n")
	put(t, filepath.Join(dir, "b.mbox"), write([]string{"A: 1\n\n", "A: 2\n\n"}, Mboxo))
	put(t, filepath.Join(dir, "c.mbox"), "\r\n\n"+write([]string{"A: 3\n\n"}, Mboxo))
	put(t, filepath.Join(dir, "d.mbox"), "From a@example.org 1 Oct\nA: 4\n\n"+write([]string{"A: 5\n\n"}, Mboxo))
	put(t, filepath.Join(dir, "m/cur/1:2,S"), "Subject: seen\n\n")
	put(t, filepath.Join(dir, "m/new/2"), "From the start this is text\n")
	put(t, filepath.Join(dir, "m/tmp/3"), "half")
	put(t, filepath.Join(dir, "m/dovecot.index"), "no mail")
	put(t, filepath.Join(dir, "m/.Sub/cur/4"), "Subject: folder\n\n")
	put(t, filepath.Join(dir, "m/.Sub/new/.hidden"), "no mail")
	put(t, filepath.Join(dir, ".git/x"), "no mail")
	if err := unix.Mkfifo(filepath.Join(dir, "z.fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := Walk(t.Context(), dir, Options{}, func(m Message) error {
		rel, _ := filepath.Rel(dir, m.Path)
		got = append(got, rel+" "+strings.TrimSpace(string(m.Raw)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"a.eml Subject: single", "b.mbox A: 1", "b.mbox A: 2", "c.mbox A: 3", "d.mbox A: 4", "d.mbox A: 5",
		"m/cur/1:2,S Subject: seen", "m/new/2 From the start this is text",
		"m/.Sub/cur/4 Subject: folder"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := Walk(t.Context(), filepath.Join(dir, "z.fifo"), Options{}, nil); err == nil {
		t.Error("a pipe is read as a mail")
	}
	if err := Walk(t.Context(), filepath.Join(dir, "none"), Options{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

// FuzzMbox reads arbitrary bytes as an mbox: no crash, mails lie within the file and in order, and what is read is read
// again when written as an mbox.
func FuzzMbox(f *testing.F) {
	f.Add([]byte(fromLine+"A: b\n\nx\n\n"+fromLine+"\n"), int64(100))
	f.Add([]byte(fromLine+"Content-Length: 2\n\nx\n\n"+fromLine), int64(100))
	f.Add([]byte(fromLine+"Content-Length: 2\r\n\r\nx\r\n"), int64(1))
	f.Fuzz(func(t *testing.T, data []byte, limit int64) {
		end := int64(0)
		r := NewMbox(bytes.NewReader(data), 0, Options{MaxSize: max(1, limit%10_000)})
		for {
			m, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Offset < end || m.End <= m.Offset || m.End > int64(len(data)) {
				t.Fatalf("a mail from %d to %d after %d in %d bytes", m.Offset, m.End, end, len(data))
			}
			end = m.End
			again := read(t, fromLine+string(m.Raw), Options{Quoting: Mboxcl})
			if m.Err == nil && len(again) == 0 {
				t.Fatalf("mail %q is not read again", m.Raw)
			}
		}
	})
}

func BenchmarkMbox(b *testing.B) {
	text := strings.Repeat(write([]string{"Subject: x\n" + strings.Repeat("X-Header: value\n", 20) + "\n" + strings.Repeat("An ordinary line.\n", 80)}, Mboxo), 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := ReadMbox(b.Context(), strings.NewReader(text), "", 0, Options{}, func(Message) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
