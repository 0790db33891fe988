package intake

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"spoor/internal/peers"
)

const (
	benchClients = 64
	benchBytes   = 4 << 10
	benchTurns   = 5
)

// benchMail is an ordinary complaint, as it goes over the wire.
func benchMail() []byte {
	var b bytes.Buffer
	b.WriteString("From: reporter@example.org\r\nTo: abuse@example.net\r\nSubject: spam from 192.0.2.1\r\nMessage-ID: <1@example.org>\r\n\r\n")
	for n := 0; b.Len() < benchBytes; n++ {
		fmt.Fprintf(&b, "%04x is one of the lines of this complaint, and %d of its words differ.\r\n", n*2654435761, n)
	}
	return b.Bytes()
}

// blast sends n mails over 64 connections, each kept open, and returns the mails a second.
func blast(b *testing.B, addr string, n int) float64 {
	b.Helper()
	var wg sync.WaitGroup
	text := append(benchMail(), ".\r\n"...)
	begin := time.Now()
	for client := range benchClients {
		wg.Go(func() {
			k, err := dialTo(b, addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer k.Close()
			for range (n + client) / benchClients {
				if err := k.pass(text); err != nil {
					b.Error(err)
					return
				}
			}
			_, _ = k.Write([]byte("QUIT\r\n")) // the answer does not matter
		})
	}
	wg.Wait()
	return float64(n) / time.Since(begin).Seconds()
}

// pass sends one mail, with the envelope in one packet (RFC 2920).
func (k *talk) pass(text []byte) error {
	if _, err := io.WriteString(k.Conn, "MAIL FROM:<a@example.org>\r\nRCPT TO:<abuse@example.net>\r\nDATA\r\n"); err != nil {
		return err
	}
	for _, want := range []string{"250", "250", "354", "250"} {
		reply, err := k.reply()
		if err != nil || !strings.HasPrefix(reply, want) {
			return fmt.Errorf("reply %q, %w", reply, err)
		}
		if want == "354" {
			if _, err := k.Write(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// sink is a go-smtp server that keeps nothing.
type sink struct{}

func (sink) Reset()                               {}
func (sink) Logout() error                        { return nil }
func (sink) Mail(string, *smtp.MailOptions) error { return nil }
func (sink) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (sink) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func startSink(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return sink{}, nil }))
	srv.Domain = "sink.example.net"
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	b.Cleanup(func() {
		srv.Shutdown(context.Background())
		<-done
	})
	return l.Addr().String()
}

// BenchmarkIntake compares durable intake over 64 connections with a go-smtp sink that keeps nothing and with Postfix's smtpd
// and queue, on the same disk, in turns. A mail has 4 KB.
func BenchmarkIntake(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	SpareProcessor() // as the service does, here for the sink too
	cfg := testConfig()
	cfg.MaxConnectionsClient = 2 * benchClients
	ours := start(b, cfg)
	postfix := peers.NewPostfix(b, peers.PostfixOptions{Main: map[string]string{
		"smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0", "default_process_limit": "100",
		"smtpd_error_sleep_time": "0", "in_flow_delay": "0",
	}})
	servers := map[string]string{"intake": ours.Addrs()[0].String(), "nullsink": startSink(b), "postfix": postfix.Addr.String()}
	rates := map[string]float64{}
	for b.Loop() {
		for range benchTurns {
			for name, mails := range map[string]int{"intake": 20000, "nullsink": 20000, "postfix": 1500} {
				rates[name] = max(rates[name], blast(b, servers[name], mails)) // the best of the turns: the machine is shared
			}
		}
	}
	for name, rate := range rates {
		b.ReportMetric(rate, name+"-mails/s")
	}
	fmt.Printf("ratio intake-vs-nullsink %.2f\n", rates["intake"]/rates["nullsink"])
	fmt.Printf("ratio intake-vs-postfix %.2f\n", rates["intake"]/rates["postfix"])
}
