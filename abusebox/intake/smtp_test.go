package intake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/intake/segment"
	"spoor/internal/unit"
)

func TestMailIsKeptWithItsEnvelope(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		k.raw("Subject: x\r\n\r\n..dots\r\n.\r\n")
		reply := k.want("250 2.0.0 queued as ")
		id, err := ParseID(strings.TrimSpace(strings.TrimPrefix(reply, "250 2.0.0 queued as ")))
		if err != nil {
			t.Fatal(err)
		}
		m, err := i.spool.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(m.Message()); got != "Subject: x\r\n\r\n.dots\r\n" {
			t.Errorf("kept %q", got)
		}
		with := "ESMTP"
		if overTLS {
			with = "ESMTPS"
		}
		stamp := string(m.Raw[:m.Stamp])
		want := "Received: from client.example.org ([127.0.0.1])\r\n\tby mx.example.net (Spoor) with " + with + " id "
		if !strings.HasPrefix(stamp, want) || !strings.Contains(stamp, "\r\n\tfor <abuse@example.net>;\r\n\t") || strings.Count(stamp, "\n") != 4 {
			t.Errorf("stamped %q", stamp)
		}
		if m.Peer != netip.MustParseAddr("127.0.0.1") || m.Helo != "client.example.org" || m.From != "reporter@example.org" ||
			m.Source != SourceSMTP || (m.TLS != "") != overTLS || cmp.Diff([]string{"abuse@example.net"}, m.Recipients) != "" {
			t.Errorf("envelope %+v", m.Envelope)
		}
	})
}

// Ten thousand mails of every shape come out byte for byte, by DATA and by BDAT in chunks.
func TestRoundTripOverSMTP(t *testing.T) {
	total := 10000
	if testing.Short() {
		total = 500
	}
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		rng := rand.New(rand.NewPCG(5, 6))
		var want []string
		k := i.greet(t, overTLS)
		for n := range total / 2 {
			text := shape(rng)
			if n%2 == 0 && !strings.HasSuffix(text, "\r\n") {
				text += "\r\n" // DATA has no other end
			}
			want = append(want, text)
			k.raw("MAIL FROM:<a@example.org>\r\nRCPT TO:<abuse@example.net>\r\n")
			if n%2 == 0 {
				k.raw("DATA\r\n" + stuffed(text) + ".\r\n")
				for _, code := range []string{"250", "250", "354", "250"} {
					k.want(code)
				}
				continue
			}
			cut := rng.IntN(len(text) + 1)
			k.raw(fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%s", cut, text[:cut], len(text)-cut, text[cut:]))
			for range 4 {
				k.want("250")
			}
		}
		if d := cmp.Diff(want, i.texts(t)); d != "" {
			t.Errorf("(-want +got):\n%.2000s", d)
		}
	})
}

// shape makes a text with what breaks mail readers.
func shape(rng *rand.Rand) string {
	pieces := []string{"\r\n", "\r\n.\r\r\n", "\n", "\r", ".", "..", "\r\n.x", "\x00", "\xff\xfe", "From ", "Subject: a\r\n", "\r\n.\n", "\n.\r\n",
		"\r\r\n", "\r\n..\r\n", "\r\n.\rx", "MAIL FROM:<x>\r\n", strings.Repeat("long ", 500), "é"}
	var b strings.Builder
	for range rng.IntN(20) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

// stuffed doubles the dots at the starts of lines (RFC 5321 §4.5.2).
func stuffed(s string) string {
	if strings.HasPrefix(s, ".") {
		s = "." + s
	}
	return strings.ReplaceAll(s, "\r\n.", "\r\n..")
}

// Trap 1: a BDAT that is cut off is no mail, although go-smtp sees a clean end.
func TestTruncatedBDAT(t *testing.T) {
	for _, sent := range []string{"", "Subject: half\r\n"} {
		eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
			k := i.greet(t, overTLS)
			k.envelope()
			k.raw("BDAT 100 LAST\r\n" + sent)
			k.Close() // after STARTTLS with an orderly close_notify
			i.stop()
			if got := i.texts(t); len(got) != 0 {
				t.Errorf("kept %q", got)
			}
		})
	}
}

// Also between two chunks.
func TestBDATWithoutLast(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.raw("BDAT 5\r\nhello")
		k.want("250")
		k.Close()
		i.stop()
		if got := i.texts(t); len(got) != 0 {
			t.Errorf("kept %q", got)
		}
	})
}

// A DATA that is cut off is no mail either.
func TestTruncatedDATA(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		k.raw("Subject: half\r\n\r\nbody\r\n")
		k.Close()
		i.stop()
		if got := i.texts(t); len(got) != 0 {
			t.Errorf("kept %q", got)
		}
	})
}

// Trap 2: after a timeout in a body its rest must not be run as commands, a whole mail among them.
func TestSmugglingAfterTimeout(t *testing.T) {
	const smuggled = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<abuse@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\nQUIT\r\n"
	for _, begin := range []string{"DATA\r\nSubject: slow\r\n", "BDAT 1000 LAST\r\nSubject: slow\r\n"} {
		eachTransport(t, func(c *Config) { c.IdleTimeout = unit.Duration(4 * time.Second) }, func(t *testing.T, i *instance, overTLS bool) {
			k := i.greet(t, overTLS)
			k.envelope()
			k.raw(begin)
			if strings.HasPrefix(begin, "DATA") {
				k.want("354")
			}
			k.want("421 4.4.2")
			k.Write([]byte(smuggled)) // the server may have closed
			if rest := k.wantEnd(); rest != "" {
				t.Errorf("after the timeout the server says %q", rest)
			}
			i.stop()
			if got := i.texts(t); len(got) != 0 {
				t.Errorf("kept %q", got)
			}
		})
	}
}

// A slow sender who keeps sending is served, however long the whole takes; the silent one is not.
func TestSlowSender(t *testing.T) {
	eachTransport(t, func(c *Config) { c.IdleTimeout = unit.Duration(4 * time.Second) }, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		for range 12 {
			k.raw("line\r\n")
			time.Sleep(400 * time.Millisecond) // the sender's own slowness, longer in all than the timeout
		}
		k.raw(".\r\n")
		k.want("250")
	})
}

// But not for ever.
func TestSessionTimeout(t *testing.T) {
	eachTransport(t, func(c *Config) { c.SessionTimeout = unit.Duration(5 * time.Second) }, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		go func() {
			for range 2000 {
				if _, err := k.Write([]byte("x\r\n")); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		k.want("421 4.4.2")
	})
}

// A failing Keeper stands for the disk.
type failing struct{ err error }

func (f failing) Put(context.Context, Mail) (ID, error) { return 0, f.err }

// Trap 3: what the disk does is never the sender's fault.
func TestStorageFaultsAreTemporary(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("input/output error"), "451 4.3.0"},
		{segment.ErrFull, "452 4.3.1"},
		{segment.ErrClosed, "451 4.3.0"},
		{context.Canceled, "451 4.3.0"},
	} {
		i := startWith(t, testConfig(), func(d *Deps) { d.Spool = failing{c.err} })
		for _, send := range []string{"DATA\r\nx\r\n.\r\n", "BDAT 1 LAST\r\nx"} {
			k := i.greet(t, false)
			k.envelope()
			k.raw(send)
			if strings.HasPrefix(send, "DATA") {
				k.want("354")
			}
			k.want(c.want)
			k.say("NOOP")
			k.want("250")
		}
	}
}

// Trap 4: abuse mail has long lines.
func TestLongLines(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		text := "Subject: " + strings.Repeat("x", 1<<20) + "\r\n"
		k.raw(text + ".\r\n")
		k.want("250")
		if d := cmp.Diff([]string{text}, i.texts(t)); d != "" {
			t.Error("the long line is not kept as it came")
		}
	})
}

// Trap 5: exactly max_size is taken, one byte more is not, announced or not.
func TestSizeLimit(t *testing.T) {
	const limit = 100 << 10
	eachTransport(t, func(c *Config) { c.MaxSize = limit }, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		for over, code := range map[int]string{0: "250", 1: "552 5.3.4", limit: "552 5.3.4"} {
			text := strings.Repeat("0123456789abcde\n", (limit+over)/16+1)[:limit+over-2] + "\r\n"
			k.envelope()
			k.say("DATA")
			k.want("354")
			k.raw(text + ".\r\n")
			k.want(code)
			k.envelope()
			k.raw(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
			k.want(code)
		}
		k.say("MAIL FROM:<a@example.org> SIZE=%d", limit+1)
		k.want("552 5.3.4")
		k.say("MAIL FROM:<a@example.org> SIZE=%d", limit)
		k.want("250")
		if n := len(i.mails(t)); n != 2 {
			t.Errorf("%d mails are kept, want the two of exactly the limit", n)
		}
	})
}

func TestEHLOAnnouncesSizeAndSTARTTLS(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.say("EHLO again.example.org")
		reply := k.want("250-Hello again.example.org\r\n")
		if strings.Contains(reply, "250-STARTTLS\r\n") == overTLS || !strings.Contains(reply, fmt.Sprintf("250-SIZE %d\r\n", 25<<20)) ||
			strings.Contains(reply, "AUTH") || strings.Contains(reply, "XCLIENT") {
			t.Errorf("EHLO says %q", reply)
		}
	})
}

// Trap 6: <postmaster> without a domain (RFC 5321 §4.5.1), and who else is taken.
func TestRecipients(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.say("MAIL FROM:<>")
		k.want("250")
		for to, code := range map[string]string{
			"<postmaster>": "250", "<Postmaster> NOTIFY=NEVER": "504", "<POSTMASTER@example.NET>": "250", "<postmaster@mx.example.net>": "250",
			"<abuse@example.net>": "250", "<ABUSE@Example.Net>": "250", "<abuse+noc@example.net>": "250", "<spam@any.example.org>": "250",
			"<@relay.example.org:abuse@example.net>": "250", "<\"abuse\"@example.net>": "250",
			"<abuse@example.org>": "550 5.1.1", "<other@example.net>": "550 5.1.1", "<postmaster@example.com>": "550 5.1.1", "<abuse>": "250", "<other>": "550 5.1.1", "<abuse@mx.example.net>": "250",
			"<>": "501",
		} {
			k.say("RCPT TO:%s", to)
			if reply, err := k.reply(); err != nil || !strings.HasPrefix(reply, code) {
				t.Errorf("RCPT TO:%s is answered %q, %v; want %s", to, reply, err, code)
			}
		}
		k.say("DATA")
		k.want("354")
		k.raw("x\r\n.\r\n")
		k.want("250")
	})
}

// Trap 7: when the service ends an idle client is told, a mail under way is finished, and a stuck one is cut off.
func TestDrain(t *testing.T) {
	eachTransport(t, func(c *Config) { c.DrainTimeout = unit.Duration(8 * time.Second) }, func(t *testing.T, i *instance, overTLS bool) {
		idle, busy, stuck := i.greet(t, overTLS), i.greet(t, overTLS), i.greet(t, overTLS)
		for _, k := range []*talk{busy, stuck} {
			k.envelope()
			k.say("DATA")
			k.want("354")
			k.raw("Subject: x\r\n")
		}
		stopped := make(chan struct{})
		go func() { i.stop(); close(stopped) }()
		idle.want("421 4.3.2")
		busy.raw(".\r\n")
		busy.want("250")
		busy.want("421 4.3.2")
		<-stopped
		stuck.wantEnd()
		if d := cmp.Diff([]string{"Subject: x\r\n"}, i.texts(t)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// Trap 8: resets and new mails in the midst of a BDAT. (go-smtp answers the next mail with what became of the broken one.)
func TestBDATAndReset(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		for range 50 {
			k.envelope()
			k.raw("BDAT 3\r\nabcRSET\r\n")
			k.want("250")
			k.want("250")
			k.envelope()
			k.raw("BDAT 0\r\nRSET\r\n")
			k.want("250")
			k.want("250")
			k.say("DATA")
			k.want("503") // the reset took the recipients along
			k.envelope()
			k.raw("BDAT 1\r\naNOOP\r\nMAIL FROM:<evil@example.org>\r\nEHLO x.example.org\r\n")
			k.want("250 2.0.0 Continue")
			k.want("250 2.0.0 OK")
			k.want("503")
			k.want("250-Hello")
			k.envelope()
			k.raw("BDAT 0 LAST\r\n")
			k.want("250")
			k.envelope()
			k.raw("DATA\r\nx\r\n.\r\n")
			k.want("354")
			k.want("250")
		}
		if n := len(i.mails(t)); n != 100 {
			t.Errorf("%d mails are kept, want 100", n)
		}
	})
}

// A mail that is refused in the midst of its chunks is passed over to its end, or to the reset, and costs nothing else.
func TestBDATRefusedAndReset(t *testing.T) {
	eachTransport(t, func(c *Config) { c.MaxSize = 64 << 10 }, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		chunk := "BDAT 70000\r\n" + strings.Repeat("x", 70000)
		for range 6 {
			k.envelope()
			k.raw(chunk)
			k.want("250 2.0.0 Continue")
			k.say("RSET")
			k.want("250 2.0.0 Session reset")
			k.envelope()
			k.raw(chunk + "BDAT 0 LAST\r\n")
			k.want("250 2.0.0 Continue")
			k.want("552 5.3.4")
		}
		k.envelope()
		k.raw("BDAT 2 LAST\r\nok")
		k.want("250")
		if d := cmp.Diff([]string{"ok"}, i.texts(t)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// Beyond the notes: go-smtp does not see the end of a body whose last line ends in CR CR LF.
func TestBareCRBeforeTheEnd(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		k.raw("text\r\r\n.\r\n")
		k.want("250")
		if d := cmp.Diff([]string{"text\r\r\n"}, i.texts(t)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// NUL, bare CR and LF arrive as they are, and nothing but CRLF.CRLF ends a body.
func TestBareLineEndsDoNotEndABody(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.envelope()
		k.say("DATA")
		k.want("354")
		text := "a\x00b\r\n"
		for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"} {
			text += "x" + end + "MAIL FROM:<evil@example.org>\r\n"
		}
		k.raw(text + ".\r\n")
		k.want("250")
		want := strings.ReplaceAll(strings.ReplaceAll(text, "\r\n.\n", "\r\n\n"), "\r\n.\r", "\r\n\r")
		if d := cmp.Diff([]string{want}, i.texts(t)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// A BDAT that cannot be skipped ends the connection: its chunk must not be read as commands.
func TestMalformedBDAT(t *testing.T) {
	for _, arg := range []string{"", "x", "-1", "10 FIRST", "10 LAST now", "99999999999"} {
		eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
			k := i.greet(t, overTLS)
			k.envelope()
			k.raw("BDAT " + arg + "\r\nMAIL FROM:<evil@example.org>\r\n")
			k.want("501")
			k.wantEnd()
		})
	}
}

// A chunk without a recipient is skipped, not run.
func TestBDATWithoutRecipient(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.raw("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
		k.want("503")
		k.want("250 2.0.0 OK")
	})
}

// What comes in one packet with STARTTLS was not protected by TLS and must not be run after it.
func TestCommandsBeforeTLSAreDropped(t *testing.T) {
	cfg := testConfig()
	cfg.TLSCert, cfg.TLSKey = selfSigned(t, t.TempDir(), 1)
	i := start(t, cfg)
	k := i.greet(t, false)
	k.say("MAIL FROM:<plain@example.org>")
	k.want("250")
	k.raw("STARTTLS\r\nRCPT TO:<abuse@example.net>\r\n")
	k.want("220")
	k.tlsHandshake()
	k.say("RCPT TO:<abuse@example.net>")
	k.want("503") // neither HELO nor MAIL of before counts
	k.say("STARTTLS")
	k.want("503")
	k.say("EHLO x.example.org")
	k.want("250")
	k.envelope()
}

func TestSTARTTLSOffAndBroken(t *testing.T) {
	i := start(t, testConfig())
	k := i.greet(t, false)
	k.say("STARTTLS")
	k.want("502")
	k.say("NOOP")
	k.want("250")

	cfg := testConfig()
	cfg.TLSCert, cfg.TLSKey = selfSigned(t, t.TempDir(), 1)
	k = start(t, cfg).greet(t, false)
	k.say("STARTTLS now")
	k.want("501")
	k.say("STARTTLS")
	k.want("220")
	k.raw("this is no handshake\r\n")
	k.wantEnd()
}

// A certificate that changes on disk is used without a restart; a broken change leaves the old one.
func TestCertificateIsReloaded(t *testing.T) {
	cfg := testConfig()
	dir := t.TempDir()
	cfg.TLSCert, cfg.TLSKey = selfSigned(t, dir, 1)
	var later atomic.Int64
	i := startWith(t, cfg, func(d *Deps) { d.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) } })
	if n := i.serial(t); n != 1 {
		t.Fatalf("certificate %d", n)
	}
	selfSigned(t, dir, 22)
	later.Add(int64(2 * recheck))
	if n := i.serial(t); n != 22 {
		t.Errorf("after a change certificate %d is in use", n)
	}
	if err := os.WriteFile(cfg.TLSKey, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	later.Add(int64(2 * recheck))
	if n := i.serial(t); n != 22 {
		t.Errorf("after a broken change certificate %d is in use", n)
	}
}

// Who tries names is cut off, and can come again.
func TestGuessingOfRecipients(t *testing.T) {
	i := start(t, testConfig())
	k := i.greet(t, false)
	k.say("MAIL FROM:<a@example.org>")
	k.want("250")
	for n := range maxWrong {
		k.say("RCPT TO:<user%d@example.net>", n)
		k.want(map[bool]string{false: "550 5.1.1", true: "421 4.7.0"}[n == maxWrong-1])
	}
	k.wantEnd()
	i.greet(t, false)
}

func TestLoops(t *testing.T) {
	i := start(t, testConfig())
	k := i.greet(t, false)
	send := func(text, code string) {
		t.Helper()
		k.envelope()
		k.say("DATA")
		k.want("354")
		k.raw(text + ".\r\n")
		k.want(code)
	}
	send(strings.Repeat("Received: from a by b\r\n\tfor c; date\r\n", 50)+"\r\nbody\r\n", "554 5.4.6")
	send(strings.Repeat("Received: from a by b\r\n", 49)+"\r\nReceived: in the body\r\n", "250")
	send("X-Spoor-Instance: desk.example.net\r\n\r\nours\r\n", "250")
	send("X-Spoor-Instance: other.example.org\r\n\r\nX-Spoor-Instance: desk.example.net\r\n", "250")
	var loops []string
	for _, m := range i.mails(t) {
		loops = append(loops, m.Loop)
	}
	if d := cmp.Diff([]string{"", "it bears our own mark", ""}, loops); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A client that says no HELO, too much, or nonsense costs little and breaks nothing.
func TestNonsense(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		for _, junk := range []string{
			"\r\n", "\x00\x01\x02\r\n", strings.Repeat("A", 100_000) + "\r\n", "BDAT\r\n", "DATA\r\nx\r\n.\r\n", "RCPT TO:<postmaster>\r\n",
			"AUTH PLAIN\r\n", "XCLIENT ADDR=192.0.2.1\r\n", "VRFY x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "MAIL FROM:<a@b> SIZE=x\r\n",
		} {
			k := i.greet(t, overTLS)
			k.Write([]byte(junk))
			if reply, err := k.reply(); err == nil && !strings.HasPrefix(reply, "5") && !strings.HasPrefix(reply, "252") {
				t.Errorf("%.40q is answered %q", junk, reply)
			}
			k.Close()
		}
		k := i.greet(t, overTLS)
		k.envelope()
	})
}

// What go-smtp says in its own humour is said plainly, and commands out of order are 503.
func TestRepliesArePlain(t *testing.T) {
	eachTransport(t, asIs, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		for _, step := range [][2]string{
			{"DATA", "503 5.5.1 RCPT comes first"}, {"RCPT TO:<abuse@example.net>", "503 5.5.1 MAIL comes first"}, {"NOOP", "250 2.0.0 OK\r\n"},
			{"MAIL FROM:<a@example.org>", "250 2.1.0 Sender OK"}, {"RCPT TO:<abuse@example.net>", "250 2.1.5 Recipient OK"}, {"LHLO x", "500 5.5.1 This is SMTP"},
			{"RSET", "250 2.0.0 Session reset"}, {"MAIL a@example.org", "501 5.5.2 MAIL wants FROM:<address>"}, {"EHLO b\xfcro", "501 5.5.4"},
			{"EHLO my_odd-host", "250-"}, {"MAIL FROM:<a\x00b@example.org>", "501 5.5.2"}, {"QUIT", "221"},
		} {
			k.say("%s", step[0])
			if reply, err := k.reply(); err != nil || !strings.HasPrefix(reply, step[1]) {
				t.Errorf("%q is answered %q, %v; want %q", step[0], reply, err, step[1])
			}
		}
	})
	k := start(t, testConfig()).dial(t)
	k.want("220")
	k.say("MAIL FROM:<a@example.org>")
	k.want("503 5.5.1 Greet first")
}

// A second EHLO counts, and begins anew.
func TestSecondHelo(t *testing.T) {
	i := start(t, testConfig())
	k := i.greet(t, false)
	k.envelope()
	k.say("HELO second.example.org")
	k.want("250")
	k.say("RCPT TO:<abuse@example.net>")
	k.want("503 5.5.1 MAIL comes first")
	k.envelope()
	k.raw("DATA\r\nx\r\n.\r\n")
	k.want("354")
	k.want("250")
	if m := i.mails(t)[0]; m.Helo != "second.example.org" || !strings.Contains(string(m.Raw), " with SMTP id ") {
		t.Errorf("kept %+v %q", m.Envelope, m.Raw)
	}
}

func TestHeloCannotForgeOurStamp(t *testing.T) {
	i := start(t, testConfig())
	k := i.dial(t)
	k.want("220")
	k.say("EHLO x([192.0.2.1])by;\tmx.example.net")
	k.want("250")
	k.envelope()
	k.raw("DATA\r\nx\r\n.\r\n")
	k.want("354")
	k.want("250")
	if stamp := string(i.mails(t)[0].Raw); !strings.HasPrefix(stamp, "Received: from x?[192.0.2.1]?by??mx.example.net ([127.0.0.1])\r\n") {
		t.Errorf("stamped %q", stamp)
	}
}
