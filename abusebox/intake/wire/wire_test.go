package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// decodeAll runs a body through the decoder in pieces, and returns the text and what lies behind its end.
func decodeAll(src []byte, in, out int) (text, rest []byte, ended bool) {
	var d dotReader
	for len(src) > 0 {
		dst := make([]byte, out)
		n, used, end := d.decode(dst, src[:min(in, len(src))])
		text = append(text, dst[:n]...)
		src = src[used:]
		if end {
			return text, src, true
		}
	}
	return text, nil, false
}

// model is RFC 5321 §4.5.2 in so many words.
func model(src string) (text, rest string, ended bool) {
	src = "\r\n" + src // the body begins at the start of a line
	end := strings.Index(src, "\r\n.\r\n")
	if end >= 0 {
		ended, rest, src = true, src[end+5:], src[:end+2]
	}
	return strings.ReplaceAll(src, "\r\n.", "\r\n")[2:], rest, ended
}

// FuzzVerb holds verbOf against its meaning in so many words, and against go-smtp's way with a command line: a client must
// not be able to say a command that only go-smtp sees.
func FuzzVerb(f *testing.F) {
	for _, s := range []string{"", "NOOP", "mail FROM:<>", "StartTLSx", "\u017ftarttls", "XCLIENT", "xclient a=b", "xclients", "BDAT10", "bdat", "DATA ", "ABCDE", "\xffDAT", "A\u0131BC D"} {
		f.Add([]byte(s + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		want, s := "", strings.ToUpper(strings.TrimRight(string(line), "\r\n"))
		switch {
		case strings.HasPrefix(s, "STARTTLS"):
			want = "STARTTLS"
		case s == "XCLIENT", strings.HasPrefix(s, "XCLIENT "):
			want = "XCLIENT"
		case strings.HasPrefix(s, "BDAT"), len(s) == 4, len(s) > 5 && s[4] == ' ':
			want = s[:4]
		}
		if got := verbOf(line); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
		raw := strings.TrimRight(string(line), "\r\n")
		if len(raw) != 4 && (len(raw) < 6 || raw[4] != ' ') {
			return
		}
		switch cmd := strings.ToUpper(raw[:4]); cmd {
		case "HELO", "EHLO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "AUTH", "QUIT":
			if verbOf(line) != cmd {
				t.Errorf("go-smtp takes %q for %s", line, cmd)
			}
		}
	})
}

// FuzzBody holds the decoder against the model, for all ways in which the bytes may be cut.
func FuzzBody(f *testing.F) {
	for _, s := range []string{".\r\n", "a\r\n.\r\n", "..\r\n.\r\nNOOP\r\n", ".\rx\r\n.\r\n", "\r\r\n.\r\n", "a\n.\r\n.\n\r\n.\r\n", "\r\n..\r\n.\r\r\n.\r\n", "a\r"} {
		f.Add([]byte(s), byte(1), byte(1))
		f.Add([]byte(s), byte(7), byte(3))
	}
	f.Fuzz(func(t *testing.T, src []byte, in, out byte) {
		wantText, wantRest, wantEnd := model(string(src))
		text, rest, end := decodeAll(src, int(in)+1, int(out)+1)
		if end != wantEnd || end && (string(text) != wantText || string(rest) != wantRest) {
			t.Errorf("%q is decoded as %q and %q (%v), want %q and %q (%v)", src, text, rest, end, wantText, wantRest, wantEnd)
		}
		if !end && !strings.HasPrefix(wantText, string(text)) {
			t.Errorf("%q is decoded as %q, want the beginning of %q", src, text, wantText)
		}
	})
}

// FuzzProxyHeader: no crash, no more read than the header, and never an address that is not one.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\nEHLO"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(proxyV2Sig + "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x00\x01\x00\x02EHLO"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), readBuffer)
		a, err := readProxyHeader(r)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		if !bytes.HasSuffix(data, rest) || len(rest) == len(data) {
			t.Errorf("of %q %q is left", data, rest)
		}
		if a.Is4In6() || a.Zone() != "" {
			t.Errorf("client %s", a)
		}
	})
}

// FuzzXclient: no crash, and nothing that could break a line of ours.
func FuzzXclient(f *testing.F) {
	f.Add("ADDR=192.0.2.7 HELO=a+2Eb LOGIN=x")
	f.Add("ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE]")
	f.Fuzz(func(t *testing.T, args string) {
		var p Peer
		if err := parseXclient(args, &p); err != nil {
			return
		}
		if strings.ContainsAny(p.Helo+p.Login, "\r\n\x00") || p.Addr.Is4In6() || p.Addr.Zone() != "" {
			t.Errorf("%q gives %+v", args, p)
		}
	})
}

func TestLocalNameIsCompleted(t *testing.T) {
	c := &Conn{l: &Listener{cfg: Config{Hostname: "mx.example.net"}}}
	for in, want := range map[string]string{
		"RCPT TO:<postmaster>\r\n":             "RCPT TO:<postmaster@mx.example.net>\r\n",
		"rcpt to: <PostMaster> NOTIFY=NEVER\n": "rcpt to: <PostMaster@mx.example.net> NOTIFY=NEVER\n",
		"RCPT TO:<abuse>\r\n":                  "RCPT TO:<abuse@mx.example.net>\r\n",
		"RCPT TO:<>\r\n":                       "RCPT TO:<>\r\n",
		"RCPT TO:<\"a b\">\r\n":                "RCPT TO:<\"a b\">\r\n",
		"RCPT TO:>abuse<\r\n":                  "RCPT TO:>abuse<\r\n",
		"RCPT TO:<postmaster@example.net>\r\n": "RCPT TO:<postmaster@example.net>\r\n",
		"RCPT TO:<a@b> X=<postmaster>\r\n":     "RCPT TO:<a@b> X=<postmaster>\r\n",
		"RCPT FROM:<postmaster>\r\n":           "RCPT FROM:<postmaster>\r\n",
		"RCPT\r\n":                             "RCPT\r\n",
	} {
		if got := string(c.completeLocal([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestPeerOfMappedXclient(t *testing.T) {
	var p Peer
	if err := parseXclient("ADDR=::ffff:192.0.2.7", &p); err != nil || p.Addr != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("%v, %v", p.Addr, err)
	}
}

// Real senders' oddities pass; what no sender means does not.
func TestMalformed(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, line := range []string{
		"EHLO my_host", "EHLO [192.0.2.1]", "EHLO [IPv6:2001:db8::1]", "HELO localhost.localdomain", "EHLO -", "EHLO", "EHLO WIN-1234567", "EHLO a b c",
		"MAIL FROM:<>", "MAIL FROM:<" + long + "=bounce@example.org>", "MAIL FROM:<a@example.org> SIZE=12", "MAIL FROM:<@relay.example.org:" + long + "@example.org>",
		"MAIL FROM:<Jos\xc3\xa9@example.org> SMTPUTF8", "RCPT TO:<\"a b\"@example.net>", "MAIL FROM: <a@example.org>\tSIZE=1", "MAIL FROM:a@example.org", "NOOP \x00",
	} {
		if got := malformed(verbOf([]byte(line+"\r\n")), []byte(line+"\r\n")); got != "" {
			t.Errorf("%q is answered %q", line, got)
		}
	}
	for line, want := range map[string]string{
		"EHLO a\x00b": "501 5.5.2", "EHLO b\xfcro.example": "501 5.5.4", "EHLO b\xc3\xbcro.example": "501 5.5.4", "HELO " + strings.Repeat("x", 256): "501 5.5.4",
		"LHLO \x1b[1m": "501 5.5.2", "MAIL FROM:<a\x00@example.org>": "501 5.5.2", "MAIL FROM:<" + long + long + "@example.org>": "553 5.1.7",
		"RCPT TO:<" + long + long + "@example.net>": "553 5.1.3", "RCPT TO:<a@" + long + long + long + ">": "553 5.1.3", "RCPT TO:<a\x7f@example.net>": "501 5.5.2",
	} {
		if got := malformed(verbOf([]byte(line+"\r\n")), []byte(line+"\r\n")); !strings.HasPrefix(got, want) {
			t.Errorf("%.40q is answered %q, want %s", line, got, want)
		}
	}
}
