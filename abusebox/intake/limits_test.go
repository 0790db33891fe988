package intake

import (
	"strings"
	"testing"
	"time"
)

func TestLimitOfClientsConnections(t *testing.T) {
	cfg := testConfig()
	cfg.MaxConnectionsClient = 2
	i := start(t, cfg)
	i.greet(t, false)
	i.greet(t, false)
	k := i.dial(t)
	k.want("421 4.7.0 Too many connections from your address")
	k.wantEnd()
}

func TestLimitOfAllConnections(t *testing.T) {
	cfg := testConfig()
	cfg.MaxConnections = 1
	i := start(t, cfg)
	i.greet(t, false)
	k := i.dial(t)
	k.want("421 4.3.2 Too many connections")
	k.wantEnd()
}

func TestLimitOfConnectionRate(t *testing.T) {
	cfg := testConfig()
	cfg.ConnectionsPerMinute = 2
	i := start(t, cfg)
	for range 2 {
		k := i.greet(t, false)
		k.say("QUIT")
		k.want("221")
	}
	i.dial(t).want("421 4.7.0")
}

func TestLimitOfMailRate(t *testing.T) {
	cfg := testConfig()
	cfg.MailsPerMinute = 2
	i := start(t, cfg)
	k := i.greet(t, false)
	for _, code := range []string{"250", "250", "451 4.7.1"} {
		k.say("MAIL FROM:<a@example.org>")
		k.want(code)
		k.say("RSET")
		k.want("250")
	}
}

// Beyond max_inflight_bytes a mail is answered 452, and when the others are through it is taken.
func TestInflightLimit(t *testing.T) {
	cfg := testConfig()
	cfg.MaxInflight = 128 << 10
	cfg.MaxSize = 1 << 20
	i := start(t, cfg)
	first := i.greet(t, false)
	first.envelope()
	first.say("DATA")
	first.want("354")
	first.raw(strings.Repeat("0123456789abcde\n", 2100))
	for i.budget.used.Load() < 64<<10 { // until the server has read it
		time.Sleep(time.Millisecond)
	}
	second := i.greet(t, false)
	big := "DATA\r\n" + strings.Repeat("0123456789abcd\r\n", 2500) + ".\r\n"
	second.envelope()
	second.raw(big)
	second.want("354")
	second.want("452 4.3.1")
	first.raw("\r\n.\r\n")
	first.want("250")
	second.envelope()
	second.raw("DATA\r\nsmall\r\n.\r\n")
	second.want("354")
	second.want("250")
	i.stop()
	if n := i.budget.used.Load(); n != 0 {
		t.Errorf("%d bytes are still counted in flight", n)
	}
}

func TestMaxRecipients(t *testing.T) {
	cfg := testConfig()
	cfg.MaxRecipients = 3
	i := start(t, cfg)
	k := i.greet(t, false)
	k.say("MAIL FROM:<a@example.org>")
	k.want("250")
	for n := range 4 {
		k.say("RCPT TO:<abuse+%d@example.net>", n)
		k.want([]string{"250", "250", "250", "452"}[n])
	}
}
