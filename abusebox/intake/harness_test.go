package intake

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// waitMost is how long a test waits for what must come: long, since other work may have the machine.
const waitMost = 90 * time.Second

// An instance is a running Server over a spool of its own.
type instance struct {
	*Server
	spool *Spool
	dir   string
	stop  func()
}

// testConfig is a server on loopback for abuse@example.net, with limits that no test meets by chance.
func testConfig() Config {
	cfg := DefaultConfig()
	cfg.SMTP = []string{"127.0.0.1:0"}
	cfg.Recipients = []string{"abuse@example.net", "spam"}
	cfg.Hostname = "mx.example.net"
	cfg.MaxConnectionsClient, cfg.ConnectionsPerMinute, cfg.MailsPerMinute = 200, 1<<20, 1<<20
	return cfg
}

func start(t testing.TB, cfg Config) *instance { return startWith(t, cfg, func(*Deps) {}) }

func startWith(t testing.TB, cfg Config, change func(*Deps)) *instance {
	t.Helper()
	dir := t.TempDir()
	i := &instance{spool: openSpool(t, dir), dir: dir}
	deps := Deps{Spool: i.spool, Logger: discard, Dir: dir, Instance: "desk.example.net"}
	change(&deps)
	var err error
	if i.Server, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := i.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	var once sync.Once
	i.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run ends with %v", err)
			}
		})
	}
	t.Cleanup(i.stop)
	return i
}

// mails returns what the spool holds.
func (i *instance) mails(t testing.TB) []Mail {
	t.Helper()
	var got []Mail
	if _, err := i.spool.Scan(context.Background(), 0, func(_ ID, m Mail) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// texts returns the messages that the spool holds, without our Received fields.
func (i *instance) texts(t testing.TB) []string {
	t.Helper()
	got := []string{}
	for _, m := range i.mails(t) {
		got = append(got, string(m.Message()))
	}
	return got
}

// await waits until the spool holds n mails.
func (i *instance) await(t testing.TB, n int) {
	t.Helper()
	for end := time.After(waitMost); ; {
		changed := i.spool.Changed()
		if len(i.mails(t)) >= n {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("waited for %d mails, there are %d", n, len(i.mails(t)))
		}
	}
}

// A talk is a raw client.
type talk struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (i *instance) dial(t testing.TB) *talk {
	t.Helper()
	a := i.Addrs()[0]
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &talk{t, c, bufio.NewReader(c)}
}

// greet dials, reads the greeting and says EHLO; over TLS if wanted.
func (i *instance) greet(t testing.TB, overTLS bool) *talk {
	t.Helper()
	k := i.dial(t)
	k.want("220")
	hello := "EHLO client.example.org"
	if i.listeners[0].lmtp {
		hello = "LHLO client.example.org"
	}
	if overTLS {
		k.raw(hello + "\r\n")
		k.want("250")
		k.startTLS()
	}
	k.raw(hello + "\r\n")
	k.want("250")
	return k
}

func (k *talk) startTLS() {
	k.t.Helper()
	k.say("STARTTLS")
	k.want("220")
	k.tlsHandshake()
}

func (k *talk) tlsHandshake() *tls.Conn {
	k.t.Helper()
	c := tls.Client(k.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		k.t.Fatal(err)
	}
	k.Conn, k.r = c, bufio.NewReader(c)
	return c
}

// serial connects by STARTTLS and returns the certificate's serial number.
func (i *instance) serial(t testing.TB) int64 {
	t.Helper()
	k := i.greet(t, false)
	k.say("STARTTLS")
	k.want("220")
	return k.tlsHandshake().ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func (k *talk) raw(s string) {
	k.t.Helper()
	if _, err := io.WriteString(k.Conn, s); err != nil {
		k.t.Fatal(err)
	}
}

func (k *talk) say(format string, args ...any) {
	k.t.Helper()
	k.raw(fmt.Sprintf(format, args...) + "\r\n")
}

// reply reads one reply, all its lines.
func (k *talk) reply() (string, error) {
	k.SetReadDeadline(time.Now().Add(waitMost))
	var all strings.Builder
	for {
		line, err := k.r.ReadString('\n')
		all.WriteString(line)
		if err != nil || len(line) > 3 && line[3] == ' ' {
			return all.String(), err
		}
	}
}

// want reads a reply that must begin so.
func (k *talk) want(prefix string) string {
	k.t.Helper()
	got, err := k.reply()
	if err != nil || !strings.HasPrefix(got, prefix) {
		k.t.Fatalf("reply %q, %v; want %s", got, err, prefix)
	}
	return got
}

// wantEnd reads until the server closes, and returns what it said before.
func (k *talk) wantEnd() string {
	k.t.Helper()
	k.SetReadDeadline(time.Now().Add(waitMost))
	rest, err := io.ReadAll(k.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		k.t.Fatalf("the server does not close; it said %q", rest)
	}
	return string(rest)
}

// envelope says MAIL and RCPT.
func (k *talk) envelope() {
	k.t.Helper()
	k.say("MAIL FROM:<reporter@example.org>")
	k.want("250")
	k.say("RCPT TO:<abuse@example.net>")
	k.want("250")
}

// eachTransport runs a test in plain and after STARTTLS, at the same time: some wait for a timeout.
func eachTransport(t *testing.T, change func(*Config), test func(t *testing.T, i *instance, overTLS bool)) {
	for name, overTLS := range map[string]bool{"plain": false, "starttls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.TLSCert, cfg.TLSKey = selfSigned(t, t.TempDir(), 1)
			change(&cfg)
			test(t, start(t, cfg), overTLS)
		})
	}
}

func asIs(*Config) {}

// selfSigned writes a certificate with a serial number and returns its files.
func selfSigned(t testing.TB, dir string, serial int64) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "mx.example.net"}, DNSNames: []string{"mx.example.net", "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
