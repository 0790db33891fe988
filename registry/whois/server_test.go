package whois

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"spoor/internal/listen"
	"spoor/internal/peers"
	"spoor/registry"
	"spoor/registry/registrytest"
	"spoor/registry/rwhois"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func table(t testing.TB) *registry.Table {
	t.Helper()
	return registrytest.Table(t, "prefix,next_hop,router\n0.0.0.0/0,192.0.2.254,r1\n"+
		"198.51.0.0/16,192.0.2.1,r1\n198.51.100.0/24,192.0.2.2,r1\n2001:db8::/32,192.0.2.1,r1\n",
		registrytest.First+registrytest.Physics+`Abuse-Contact = "abuse@physics.example.edu"
Assignment = "shared"
`)
}

func config() registry.ServeConfig {
	c := registry.DefaultConfig().Serve
	c.Hostname = "whois.example.net"
	c.Delegated = []registry.Delegation{{Network: netip.MustParsePrefix("198.51.200.0/24"), Server: "rwhois://127.0.0.1:4321"}}
	return c
}

const physics = "% Networks of whois.example.net and who answers for them.\r\n\r\n" +
	"inetnum:        198.51.100.0 - 198.51.100.255\r\ncidr:           198.51.100.0/24\r\norg-name:       Physics\r\n" +
	"abuse-mailbox:  abuse@physics.example.edu\r\nstatus:         shared\r\n\r\n" + first

const first = "inetnum:        198.51.0.0 - 198.51.255.255\r\ncidr:           198.51.0.0/16\r\norg-name:       First University\r\n" +
	"city:           Hsinchu\r\ncountry:        TW\r\nadmin-c:        Ann Admin <ann@first.example.edu>\r\n" +
	"abuse-mailbox:  abuse@first.example.edu\r\nlast-modified:  2003-11-30\r\nupdated-by:     house\r\n\r\n"

func TestAnswers(t *testing.T) {
	built := table(t)
	s := NewServer(Deps{Config: config(), Table: func() *registry.Table { return built }})
	head := "% Networks of whois.example.net and who answers for them.\r\n\r\n"
	tests := []struct {
		name, query, want string
		personal          bool
	}{
		{"address", "198.51.100.7\r\n", physics, false},
		{"flags", "-B -r n + 198.51.100.7\n", physics, false},
		{"prefix", "198.51.100.0/25", physics, false},
		{"ipv6", "2001:db8::7", head + strings.Replace(strings.Replace(first, "inetnum:        198.51.0.0 - 198.51.255.255", "inet6num:       2001:db8::/32", 1), "198.51.0.0/16", "2001:db8::/32", 1), false},
		{"personal", "198.51.7.7", head + strings.Replace(first, "city:", "address:        1 Main Street\r\nphone:          +886 3 000\r\ncity:", 1), true},
		{"delegated", "198.51.200.1", head + first + "ReferralServer: rwhois://127.0.0.1:4321\r\n\r\n", false},
		{"foreign", "8.8.8.8", head + "% No match: 8.8.8.8/32 is not in our networks.\r\n", false},
		{"name", "example.com", head + "% Error: ask for an IP address or network.\r\n", false},
		{"empty", "\r\n", head + "% Error: ask for an IP address or network.\r\n", false},
		{"binary", "\xff\x00\x01", head + "% Error: ask for an IP address or network.\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			s.answer(&b, tt.query, tt.personal)
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHeading names the system where the configuration names no host.
func TestHeading(t *testing.T) {
	name, err := os.Hostname()
	if err != nil || name == "" {
		t.Skip("the system has no name")
	}
	built := table(t)
	s := NewServer(Deps{Config: registry.DefaultConfig().Serve, Table: func() *registry.Table { return built }})
	var b bytes.Buffer
	s.answer(&b, "198.51.100.7", false)
	if !strings.HasPrefix(b.String(), "% Networks of "+name+" and ") {
		t.Errorf("%.80q", b.String())
	}
}

func start(t testing.TB, addr string) string {
	t.Helper()
	built := table(t)
	s := NewServer(Deps{Config: config(), Table: func() *registry.Table { return built }})
	return serve(t, addr, s.ServeListener)
}

// serve runs a server on a listener until the test ends.
func serve(t testing.TB, addr string, run func(context.Context, *listen.Listener) error) string {
	t.Helper()
	l, err := listen.Open(context.Background(), addr, listen.Options{Idle: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestLongLine(t *testing.T) {
	conn, err := net.Dial("tcp", start(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, strings.Repeat("x", maxLine)) // not one byte more, so that closing does not reset
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "512 bytes") {
		t.Errorf("%q, %v", answer, err)
	}
}

// TestDebianWhois asks both servers with Debian's client on their own ports, in a
// namespace, and lets it follow our ReferralServer.
func TestDebianWhois(t *testing.T) {
	client := peers.Need(t, "whois")
	ns := peers.NewNamespace(t)
	built := table(t)
	rw := rwhois.NewServer(rwhois.Deps{Config: config(), Table: func() *registry.Table { return built }, Version: "test"})
	ns.Do(t, func() {
		start(t, "127.0.0.1:43")
		serve(t, "127.0.0.1:4321", rw.ServeListener)
	})
	ask := func(args ...string) string {
		out, err := ns.Command(client, args...).CombinedOutput()
		if err != nil {
			t.Errorf("whois %v: %v", args, err)
		}
		return string(out)
	}
	if out := ask("-h", "127.0.0.1", "198.51.100.7"); !strings.Contains(out, "abuse-mailbox:  abuse@physics.example.edu") {
		t.Errorf("port 43: %s", out)
	}
	if out := ask("-h", "127.0.0.1", "-p", "4321", "198.51.100.7"); !strings.Contains(out, "network:Abuse-Contact;I:abuse@physics.example.edu") || !strings.Contains(out, "%ok") {
		t.Errorf("port 4321: %s", out)
	}
	out := ask("-h", "127.0.0.1", "198.51.200.1")
	if !strings.Contains(out, "ReferralServer: rwhois://127.0.0.1:4321") || !strings.Contains(out, "%rwhois V-1.5") || !strings.Contains(out, "%referral rwhois://127.0.0.1:4321/auth-area=198.51.200.0/24") {
		t.Errorf("the client does not follow the referral: %s", out)
	}
	out = ask("-h", "127.0.0.1", "--", "2001:db8::7")
	if !strings.Contains(out, "inet6num:       2001:db8::/32") {
		t.Errorf("IPv6: %s", out)
	}
}
