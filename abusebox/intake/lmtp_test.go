package intake

import (
	"encoding/base64"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
)

// localhost is the proxy of these tests.
var localhost = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// LMTP answers each recipient, by DATA and by BDAT, over TCP and a Unix socket, and keeps one mail.
func TestLMTP(t *testing.T) {
	for name, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "lmtp.sock")} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.SMTP, cfg.LMTP = nil, []string{address}
			i := start(t, cfg)
			k := i.greet(t, false)
			for _, send := range []string{"DATA\r\nSubject: x\r\n.\r\n", "BDAT 6\r\nSubjecBDAT 6 LAST\r\nt: x\r\n"} {
				k.say("MAIL FROM:<a@example.org>")
				k.want("250")
				for _, to := range []string{"abuse@example.net", "spam@example.net", "nobody@example.net", "abuse@example.net"} {
					k.say("RCPT TO:<%s>", to)
					if to == "nobody@example.net" {
						k.want("550")
					} else {
						k.want("250")
					}
				}
				k.raw(send)
				if strings.HasPrefix(send, "DATA") {
					k.want("354")
				} else {
					k.want("250 2.0.0 Continue")
				}
				for _, to := range []string{"abuse@example.net", "spam@example.net", "abuse@example.net"} {
					k.want("250 2.0.0 <" + to + "> queued as ")
				}
			}
			k.say("EHLO x")
			k.want("500")
			mails := i.mails(t)
			if len(mails) != 2 || mails[0].Source != SourceLMTP || !strings.Contains(string(mails[0].Raw), " with LMTP id ") {
				t.Fatalf("kept %+v", mails)
			}
			if mails[0].Peer.IsValid() != (name == "tcp") {
				t.Errorf("peer %v over %s", mails[0].Peer, name)
			}
		})
	}
}

// A refusal reaches every recipient of LMTP, and a BDAT broken off answers its own command only.
func TestLMTPRefusals(t *testing.T) {
	cfg := testConfig()
	cfg.SMTP, cfg.LMTP = nil, []string{"127.0.0.1:0"}
	i := startWith(t, cfg, func(d *Deps) { d.Spool = failing{errRefused{}} })
	k := i.greet(t, false)
	two := func() {
		k.say("MAIL FROM:<a@example.org>")
		k.want("250")
		for _, to := range []string{"abuse", "spam"} {
			k.say("RCPT TO:<%s@example.net>", to)
			k.want("250")
		}
	}
	two()
	k.say("DATA")
	k.want("354")
	k.raw("x\r\n.\r\n")
	k.want("451 4.3.0 <abuse@example.net>")
	k.want("451 4.3.0 <spam@example.net>")
	two()
	k.raw("BDAT 1\r\nxRSET\r\nNOOP\r\n")
	k.want("250 2.0.0 Continue")
	k.want("250 2.0.0 Session reset")
	k.want("250 2.0.0 OK")
}

type errRefused struct{}

func (errRefused) Error() string { return "no" }

// AUTH is off by default, is offered only where nobody can listen, and marks the mail.
func TestAuth(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(name, password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00"+password))
	}
	eachTransport(t, func(c *Config) { c.Users = []string{"tool:" + string(hash)} }, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.say("%s", plain("tool", "wrong"))
		k.want("535")
		k.say("%s", plain("nobody", "correct horse"))
		k.want("535")
		k.say("AUTH PLAIN")
		k.want("334")
		k.say("%s", strings.TrimPrefix(plain("tool", "correct horse"), "AUTH PLAIN "))
		k.want("235")
		k.envelope()
		k.raw("DATA\r\nx\r\n.\r\n")
		k.want("354")
		k.want("250")
		m := i.mails(t)[0]
		with := map[bool]string{true: " with ESMTPSA ", false: " with ESMTPA "}[overTLS]
		if m.User != "tool" || !strings.Contains(string(m.Raw[:m.Stamp]), with) {
			t.Errorf("user %q, stamp %q", m.User, m.Raw[:m.Stamp])
		}
	})
}

func TestAuthTriesAreLimited(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Users = []string{"tool:" + string(hash)}
	k := start(t, cfg).greet(t, false)
	for _, code := range []string{"535", "535", "535", "454"} {
		k.say("AUTH PLAIN AHRvb2wAd3Jvbmc=")
		k.want(code)
	}
}

func TestAuthIsNotOfferedInTheClear(t *testing.T) {
	cfg := testConfig()
	cfg.Users = []string{"tool:$2a$04$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}
	cfg.Xclient = localhost
	i := start(t, cfg)
	k := i.greet(t, false)
	k.say("XCLIENT ADDR=198.51.100.7")
	k.want("220")
	k.say("EHLO x.example.org")
	if reply := k.want("250"); strings.Contains(reply, "AUTH") {
		t.Errorf("AUTH is offered to a client on the network without TLS: %q", reply)
	}
	k.say("AUTH PLAIN AHRvb2wAd3Jvbmc=")
	k.want("502")
}

// XCLIENT gives the client that a configured proxy names; from anybody else it is refused.
func TestXclient(t *testing.T) {
	eachTransport(t, func(c *Config) { c.Xclient = localhost }, func(t *testing.T, i *instance, overTLS bool) {
		k := i.greet(t, overTLS)
		k.say("MAIL FROM:<before@example.org>")
		k.want("250")
		k.say("XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=25 PROTO=ESMTP HELO=sender+2Eexample.org LOGIN=tool DESTADDR=192.0.2.1 DESTPORT=25")
		k.want("220 mx.example.net")
		k.say("RCPT TO:<abuse@example.net>")
		k.want("503") // the session is a new one
		k.say("EHLO proxy.example.net")
		k.want("250")
		k.envelope()
		k.raw("DATA\r\nx\r\n.\r\n")
		k.want("354")
		k.want("250")
		m := i.mails(t)[0]
		if m.Peer != netip.MustParseAddr("2001:db8::7") || m.Helo != "sender.example.org" || m.User != "tool" || (m.TLS != "") != overTLS {
			t.Errorf("envelope %+v", m.Envelope)
		}
		for _, bad := range []string{"", " ", " ADDR", " ADDR=x", " ADDR=1.2.3", " HELO=a+0Db", " HELO=a+", " HELO=a+zz", " COLOUR=red", " ADDR=fe80::1%25eth0"} {
			k.say("XCLIENT%s", bad)
			k.want("501")
		}
		k.say("XCLIENT ADDR=192.0.2.9")
		k.want("220")
		k.say("XCLIENT ADDR=192.0.2.10") // the connection may still speak for others
		k.want("220")
	})
	k := start(t, testConfig()).greet(t, false)
	k.say("XCLIENT ADDR=192.0.2.1")
	k.want("550")
}

// The limits of one client bind those behind a proxy, one by one, and not the proxy.
func TestXclientLimits(t *testing.T) {
	cfg := testConfig()
	cfg.MaxConnectionsClient = 1
	cfg.Xclient = localhost
	i := start(t, cfg)
	a, b, c := i.greet(t, false), i.greet(t, false), i.greet(t, false)
	a.say("XCLIENT ADDR=192.0.2.1")
	a.want("220")
	b.say("XCLIENT ADDR=192.0.2.2")
	b.want("220")
	c.say("XCLIENT ADDR=192.0.2.1")
	c.want("421 4.7.0")
	c.wantEnd()
	a.say("QUIT")
	a.want("221")
	a.wantEnd()
	d := i.greet(t, false)
	d.say("XCLIENT ADDR=192.0.2.1")
	d.want("220")
}

// PROXY protocol, version 1 and 2, from a configured proxy, which must speak it.
func TestProxyProtocol(t *testing.T) {
	v2 := func(command, family byte, addresses ...byte) string {
		return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family<<4 | 1, 0, byte(len(addresses))}) + string(addresses)
	}
	v6 := append(netip.MustParseAddr("2001:db8::7").AsSlice(), make([]byte, 20)...)
	mapped := append(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), make([]byte, 20)...)
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n":     "192.0.2.7",
		"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n": "2001:db8::7",
		"PROXY UNKNOWN\r\n":                              "127.0.0.1",
		"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n":          "127.0.0.1",
		v2(1, 1, 192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 3, 4): "192.0.2.7",
		v2(1, 2, v6...):     "2001:db8::7",
		v2(1, 2, mapped...): "192.0.2.7",
		v2(0, 0):            "127.0.0.1",
		v2(1, 1, append([]byte{192, 0, 2, 7, 192, 0, 2, 1, 1, 2, 3, 4}, "tlv"...)...): "192.0.2.7",
		"PROXY TCP4 2001:db8::7 192.0.2.1 4711 25\r\n":                                "",
		"PROXY TCP4 192.0.2.7\r\n":                                                    "",
		"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\n":                                    "",
		"PROXY " + strings.Repeat("x", 200) + "\r\n":                                  "",
		"EHLO client.example.org\r\nNOOP\r\n":                                         "",
		v2(7, 1, 192, 0, 2, 7):                                                        "",
		v2(1, 1, 192, 0, 2, 7):                                                        "",
	} {
		cfg := testConfig()
		cfg.Proxies = localhost
		i := start(t, cfg)
		k := i.dial(t)
		k.raw(header)
		if want == "" {
			if said := k.wantEnd(); said != "" {
				t.Errorf("after %q the server says %q", header, said)
			}
			continue
		}
		k.want("220")
		k.say("EHLO x.example.org")
		k.want("250")
		k.envelope()
		k.raw("DATA\r\nx\r\n.\r\n")
		k.want("354")
		k.want("250")
		if got := i.mails(t)[0].Peer; got != netip.MustParseAddr(want) {
			t.Errorf("%q gives the peer %s, want %s", header, got, want)
		}
		i.stop()
	}
}

func TestProxyHeaderFromOthersIsNonsense(t *testing.T) {
	i := start(t, testConfig())
	k := i.dial(t)
	k.want("220")
	k.raw("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n")
	k.want("501")
}

func TestConfigValidate(t *testing.T) {
	sound := testConfig()
	sound.TLSCert, sound.TLSKey = "/c", "/k"
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"sound":      {func(*Config) {}, nil},
		"defaults":   {func(c *Config) { *c = DefaultConfig() }, nil},
		"listeners":  {func(c *Config) { c.SMTP = []string{"25", "/run/x"}; c.LMTP = []string{"relative/x", ":24"} }, []string{"smtp[0]", "smtp[1]", "lmtp[0]"}},
		"nobody":     {func(c *Config) { c.Recipients = nil }, []string{"recipients"}},
		"recipients": {func(c *Config) { c.Recipients = []string{"a b@x", "@example.net", "ok"} }, []string{"recipients[0]", "recipients[1]"}},
		"sizes":      {func(c *Config) { c.MaxSize = 1; c.MaxInflight = 1 }, []string{"max_size", "max_inflight_bytes"}},
		"limits":     {func(c *Config) { c.MaxConnections = 0; c.IdleTimeout = 0 }, []string{"max_connections", "idle_timeout"}},
		"tls":        {func(c *Config) { c.TLSKey = "" }, []string{"tls_cert"}},
		"users":      {func(c *Config) { c.Users = []string{"tool:secret"} }, []string{"users[0]"}},
		"proxies":    {func(c *Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }, []string{"proxy_from[0]"}},
		"watch":      {func(c *Config) { c.Watch = []string{"mail"} }, []string{"watch[0]"}},
		"imap": {func(c *Config) {
			c.IMAP = []IMAPConfig{{Server: "imap.example.net:143", Plaintext: true, MoveTo: "INBOX"}}
		},
			[]string{"imap[0].user", "imap[0].password_file", "imap[0].plaintext", "imap[0].move_to"}},
	} {
		cfg := sound
		c.change(&cfg)
		var got []string
		cfg.Validate(func(key, problem, write string) {
			if problem == "" || write == "" {
				t.Errorf("%s: %s has no text", name, key)
			}
			got = append(got, key)
		})
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
