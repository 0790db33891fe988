package milter

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoor/internal/message"
	"spoor/internal/trace"
)

func header(text string) message.Header {
	h, _, _ := message.ReadHeader([]byte(text), message.DefaultLimits())
	return h
}

// What the connecting host wrote must never move the origin to somebody else,
// unless that host is a relay of ours.
func TestOnlyRelaysMoveTheOrigin(t *testing.T) {
	forged := "Received: from pc (unknown [203.0.113.9])\n\tby mail.example.net (Postfix) with ESMTP id 4X\n\tfor <a@example.com>; Fri, 1 May 2026 10:00:00 +0000 (UTC)\nFrom: a@example.org\nDate: Fri, 1 May 2026 10:00:00 +0000\n\n"
	cfg := testConfig()
	cfg.Relays = []netip.Prefix{netip.MustParsePrefix("192.0.2.25/32")}
	tracer := NewTracer([]string{"example.net"}, cfg.Believed(), nil)
	tests := []struct {
		name string
		conn trace.Connection
		want string
	}{
		{"stranger", trace.Connection{IP: addr("198.51.100.4"), HELO: "mail.example.net"}, "198.51.100.4"},
		{"customer with a name below ours", trace.Connection{IP: addr("192.0.2.77"), RDNS: "dsl-77.example.net", HELO: "mail.example.net"}, "192.0.2.77"},
		{"customer with a private address", trace.Connection{IP: addr("10.1.2.3"), HELO: "mail.example.net"}, "10.1.2.3"},
		{"relay", trace.Connection{IP: addr("192.0.2.25"), RDNS: "relay.example.net", HELO: "relay.example.net"}, "203.0.113.9"},
		{"filter on this machine", trace.Connection{IP: addr("127.0.0.1"), RDNS: "localhost", HELO: "localhost"}, "203.0.113.9"},
		{"person at the relay", trace.Connection{IP: addr("192.0.2.25"), Auth: "alice"}, "192.0.2.25"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.conn.By, tt.conn.Time = "mail.example.net", time.Date(2026, 5, 1, 10, 0, 5, 0, time.UTC)
			r := tracer.Trace(tt.conn, header(forged))
			if r.Origin == nil || r.Origin.IP != addr(tt.want) {
				t.Fatalf("origin %+v, want %s (status %s)", r.Origin, tt.want, r.Status)
			}
			if r.Origin.Confidence != trace.ConfidenceHigh {
				t.Errorf("confidence %s", r.Origin.Confidence)
			}
			if moved := tt.want == "203.0.113.9"; (r.Boundary.Hop > 0) != moved {
				t.Errorf("boundary %+v", r.Boundary)
			}
		})
	}
}

func TestRealTraceThroughTheServer(t *testing.T) {
	r := start(t, testConfig(), Deps{Tracer: NewTracer(nil, nil, nil)})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	m := letterTo(1)
	m.Header = [][2]string{
		{"Received", "from x (unknown [999.1.2.3])\n\tby y.example.org (Postfix) with SMTP id 1;\n\tFri, 1 May 2026 10:00:00 -0600 (EST)"},
		{"Date", "Fri, 1 May 2026 10:00:00 -0600"},
		{"From", "a@example.org"},
	}
	_, changes := deliver(t, c, m)
	if origin := values(changes, fieldOrigin)[0]; !strings.Contains(origin, "ip=192.0.2.7; hop=0;") {
		t.Errorf("origin %q", origin)
	}
}

// A web server on the MTA's own machine is a filter to be believed, or a host to be judged, as the configuration says.
func TestOwnMachine(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		cfg := testConfig()
		cfg.TrustLoopback = trusted
		cfg.Rules = []RuleConfig{{Name: "slow", Action: ActionRateLimit, Direction: []Direction{DirectionOut}, Count: "messages", Per: "hour", Over: 2}}
		r := start(t, cfg, Deps{Now: noon, Tracer: NewTracer(nil, cfg.Believed(), nil)})
		c := dial(t, r)
		connect(t, c, "127.0.0.1")
		for i := range 4 {
			m := letterTo(1)
			m.Header = append([][2]string{{"Received", "from x (unknown [203.0.113.9])\n\tby localhost (Filter) with SMTP id 1; Fri, 1 May 2026 10:00:00 +0000"}}, m.Header...)
			reply, changes := deliver(t, c, m)
			if refused := !trusted && i >= 2; reply.Refused() != refused {
				t.Errorf("trusted %v, message %d: %q", trusted, i+1, reply.Text)
			}
			if origin := values(changes, fieldOrigin); !trusted && len(origin) == 1 && !strings.Contains(origin[0], "ip=127.0.0.1; hop=0;") {
				t.Errorf("origin %q", origin)
			} else if trusted && !strings.Contains(origin[0], "ip=203.0.113.9; hop=1;") {
				t.Errorf("origin %q", origin)
			}
		}
	}
}
