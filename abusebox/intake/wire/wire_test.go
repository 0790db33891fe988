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
