package milter

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// A sink is an SMTP server that keeps what it gets: what an MTA delivered.
type sink struct {
	addr netip.AddrPort
	mu   sync.Mutex
	got  []received
}

type received struct {
	from string
	to   []string
	text string // up to 64 KB
	size int
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &sink{addr: l.Addr().(*net.TCPAddr).AddrPort()}
	server := smtp.NewServer(s)
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "sink.example.com", true, true
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return s
}

func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }

type sinkSession struct {
	sink *sink
	received
}

func (s *sinkSession) Reset()        { s.received = received{} }
func (s *sinkSession) Logout() error { return nil }
func (s *sinkSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}
func (s *sinkSession) Data(r io.Reader) error {
	head, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return err
	}
	rest, err := io.Copy(io.Discard, r)
	if err != nil {
		return err
	}
	s.text, s.size = string(head), len(head)+int(rest)
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.got = append(s.sink.got, s.received)
	return nil
}

func (s *sink) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

// bySubject returns the one message with that subject.
func (s *sink) bySubject(t testing.TB, subject string) received {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		for _, r := range s.all() {
			if strings.Contains(r.text, "\r\nSubject: "+subject+"\r\n") {
				return r
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no message %q arrived", subject)
		}
	}
}

// fields returns the unfolded values of a field.
func (r received) fields(name string) (all []string) {
	header, _, _ := strings.Cut(r.text, "\r\n\r\n")
	header = strings.NewReplacer("\r\n\t", " ", "\r\n ", " ").Replace(header)
	for line := range strings.SplitSeq(header, "\r\n") {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			all = append(all, strings.TrimSpace(value))
		}
	}
	return all
}

// A dialogue is an SMTP client that can be as impolite as a test wants.
type dialogue struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dialSMTP(t testing.TB, addr netip.AddrPort) *dialogue {
	t.Helper()
	d, err := openSMTP(t, addr)
	must(t, err)
	t.Cleanup(func() { d.conn.Close() })
	return d
}

func openSMTP(t testing.TB, addr netip.AddrPort) (*dialogue, error) {
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	d := &dialogue{t: t, conn: conn, in: bufio.NewReader(conn)}
	if code, err := d.reply(); err != nil || code != "220" {
		conn.Close()
		return nil, fmt.Errorf("greeting %s: %w", code, err)
	}
	return d, nil
}

// reply reads one reply and returns its code.
func (d *dialogue) reply() (code string, err error) {
	for {
		d.conn.SetReadDeadline(time.Now().Add(3 * time.Minute))
		line, err := d.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) >= 4 && line[3] == ' ' {
			return line[:3], nil
		}
	}
}

func (d *dialogue) send(text string) error {
	d.conn.SetWriteDeadline(time.Now().Add(3 * time.Minute))
	_, err := io.WriteString(d.conn, text)
	return err
}

// cmd sends a line and holds the reply's code against want ("2", "250", "4" …).
func (d *dialogue) cmd(line, want string) {
	d.t.Helper()
	must(d.t, d.send(line+"\r\n"))
	d.want(line, want)
}

func (d *dialogue) want(what, want string) {
	d.t.Helper()
	code, err := d.reply()
	must(d.t, err)
	if !strings.HasPrefix(code, want) {
		d.t.Fatalf("%s: reply %s, want %s", what, code, want)
	}
}

func (d *dialogue) startTLS() {
	d.t.Helper()
	d.cmd("STARTTLS", "220")
	conn := tls.Client(d.conn, &tls.Config{InsecureSkipVerify: true})
	must(d.t, conn.Handshake())
	d.conn, d.in = conn, bufio.NewReader(conn)
}

func (d *dialogue) auth(user, password string) {
	d.t.Helper()
	d.cmd("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)), "235")
}

// message sends one mail with a subject, and returns the code after its final dot.
func (d *dialogue) message(subject, more string, body []byte) {
	d.t.Helper()
	d.cmd("MAIL FROM:<sender@example.org>", "250")
	d.cmd("RCPT TO:<rcpt@example.com>", "250")
	d.cmd("DATA", "354")
	must(d.t, d.send("From: sender@example.org\r\nSubject: "+subject+"\r\n"+more+"\r\n"))
	_, err := io.Copy(d.conn, bytes.NewReader(body))
	must(d.t, err)
	d.cmd("\r\n.", "250")
}

func (s *sink) port() string { return portText(s.addr.Port()) }

func portText(port uint16) string { return fmt.Sprint(port) }
