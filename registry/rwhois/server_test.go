package rwhois

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"spoor/internal/listen"
	"spoor/internal/peers"
	"spoor/registry"
	"spoor/registry/registrytest"
)

var update = flag.Bool("update", false, "write the servers' halves of the transcripts anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func table(t testing.TB) *registry.Table {
	t.Helper()
	return registrytest.Table(t, `prefix,next_hop,router,interface
0.0.0.0/0,192.0.2.254,r1,up0
198.51.0.0/16,192.0.2.1,r1,ge-0
198.51.100.0/24,192.0.2.2,r1,ge-0
203.0.113.0/24,192.0.2.3,r1,ge-1
2001:db8::/32,192.0.2.1,r1,ge-0
`,
		registrytest.First+`Created = "2003-07-01"
`+registrytest.Physics+`Abuse-Contact = "abuse@physics.example.edu"
`)
}

func config() registry.ServeConfig {
	c := registry.DefaultConfig().Serve
	c.Hostname = "rwhois.example.net"
	c.Delegated = []registry.Delegation{{Network: netip.MustParsePrefix("198.51.200.0/24"), Server: "rwhois://whois.example.org:4321"}}
	return c
}

func start(t testing.TB, c registry.ServeConfig) string { return startWith(t, c, table(t)) }

func startWith(t testing.TB, c registry.ServeConfig, built *registry.Table) string {
	t.Helper()
	s := NewServer(Deps{Config: c, Table: func() *registry.Table { return built }, Version: "test"})
	l, err := listen.Open(context.Background(), "127.0.0.1:0", listen.Options{Idle: c.Timeout.Std(),
		Limits: listen.NewLimits(listen.Quota{Total: c.MaxClients, PerClient: c.MaxPerClient}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeListener(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// converse plays the client's half of a transcript ("C: …") and returns both halves.
func converse(t *testing.T, addr, transcript string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	var out strings.Builder
	for line := range strings.Lines(transcript) {
		if strings.HasPrefix(line, "#") {
			out.WriteString(line)
		}
	}
	readUntil := func(end func(string) bool) bool {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				out.WriteString("(closed)\n")
				return false
			}
			if !strings.HasSuffix(line, "\r\n") {
				t.Errorf("line %q does not end with CR LF", line)
			}
			line = strings.TrimRight(line, "\r\n")
			out.WriteString("S: " + line + "\n")
			if end(line) {
				return true
			}
		}
	}
	readUntil(func(string) bool { return true })
	for line := range strings.Lines(transcript) {
		say, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "C: ")
		if !ok {
			continue
		}
		out.WriteString("C: " + say + "\n")
		if _, err := io.WriteString(conn, say+"\r\n"); err != nil {
			break
		}
		if !readUntil(func(s string) bool { return s == "%ok" || strings.HasPrefix(s, "%error") }) {
			return out.String()
		}
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Errorf("the server says more: %q", rest)
	}
	return out.String()
}

// TestTranscripts plays every recorded conversation. "personal" and "transfer" in a
// file's name grant the client those rights; "empty" is a registry without a network.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := config()
			loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			if strings.Contains(file, "personal") {
				c.Personal = loopback
			}
			if strings.Contains(file, "transfer") {
				c.Transfer = loopback
			}
			built := table(t)
			if strings.Contains(file, "empty") {
				built = registrytest.Table(t, "prefix,next_hop\n0.0.0.0/0,192.0.2.254\n", "")
			}
			got := converse(t, startWith(t, c, built), string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryErrorIsShown: each number is in a transcript, but for the two that take time.
func TestEveryErrorIsShown(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	shown := "%error 501 in TestBusy, %error 503 in TestSlowClient"
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(text)
	}
	for code := range 600 {
		if errorText(code) != errorText(0) && !strings.Contains(shown, fmt.Sprintf("%%error %d ", code)) {
			t.Errorf("no transcript shows %d, %s", code, errorText(code))
		}
	}
	for name := range directives() {
		if !strings.Contains(strings.ToLower(shown), "c: -"+name) {
			t.Errorf("no transcript shows -%s", name)
		}
	}
}

func TestHostileLines(t *testing.T) {
	addr := start(t, config())
	for name, text := range map[string]string{
		"long":     strings.Repeat("x", 1<<20),
		"control":  "network \x00\x01\n",
		"binary":   "\xff\xfe\xfd\n",
		"many":     strings.Repeat("a and ", 150) + "a\n",
		"quotes":   strings.Repeat(`"`, 999) + "\n",
		"equals":   strings.Repeat("=", 999) + "\n",
		"percent":  "-soa %n%s%p\n",
		"nothing":  "\n",
		"only cr":  "\r\r\r\n",
		"wildcard": "*\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, text) // the server may have closed before the end
			_ = conn.(*net.TCPConn).CloseWrite()
			answer, err := io.ReadAll(conn)
			if err != nil && !strings.Contains(err.Error(), "reset") {
				t.Fatal(err)
			}
			if err == nil && !strings.Contains(string(answer), "%error") {
				t.Errorf("the answer to %.40q is %q", text, answer)
			}
		})
	}
}

// TestSlowClient: a client that sends nothing is told so and closed.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if answer := pipe(t, newServer(t), ""); !strings.Contains(answer, "%error 503") {
			t.Errorf("%q", answer)
		}
	})
}

// TestBusy: a search that finds no room among others is told to come again.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for range maxScans {
			s.scans <- struct{}{}
		}
		if answer := pipe(t, s, "physics\r\n"); !strings.Contains(answer, "%error 501") {
			t.Errorf("%q", answer)
		}
		<-s.scans
		if answer := pipe(t, s, "physics\r\n"); !strings.Contains(answer, "%ok") {
			t.Errorf("with room again: %q", answer)
		}
	})
}

func newServer(t *testing.T) *Server {
	built := table(t)
	return NewServer(Deps{Config: config(), Table: func() *registry.Table { return built }, Version: "test"})
}

// pipe says something to a server and returns what it says until it closes.
func pipe(t *testing.T, s *Server, say string) string {
	t.Helper()
	ours, theirs := net.Pipe()
	var wait sync.WaitGroup
	wait.Go(func() {
		_ = ours.SetReadDeadline(time.Now().Add(30 * time.Second)) // as internal/listen does
		s.handle(context.Background(), ours)
		ours.Close()
	})
	wait.Go(func() { _, _ = io.WriteString(theirs, say) })
	answer, err := io.ReadAll(theirs)
	if err != nil {
		t.Error(err)
	}
	wait.Wait()
	return string(answer)
}

// TestCrowd opens ten thousand connections against a limit of two hundred: those within
// it are answered, the others closed, and the server answers afterwards.
func TestCrowd(t *testing.T) {
	c := config()
	c.MaxClients, c.MaxPerClient = 200, 200
	addr := start(t, c)
	var wait sync.WaitGroup
	var mu sync.Mutex
	served, refused := 0, 0
	slots := make(chan struct{}, 400)
	for range 10_000 {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			answer, err := ask(addr, "198.51.100.1")
			mu.Lock()
			defer mu.Unlock()
			if err == nil && strings.Contains(answer, "%ok") {
				served++
			} else {
				refused++
			}
		})
	}
	wait.Wait()
	if served == 0 || served+refused != 10_000 {
		t.Errorf("%d served, %d refused", served, refused)
	}
	peers.WaitFor(t, time.Minute, "the answer after the crowd", func() bool {
		answer, err := ask(addr, "198.51.100.1")
		return err == nil && strings.Contains(answer, "Physics")
	})
	t.Logf("%d served, %d refused", served, refused)
}

func ask(addr, query string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(conn, "%s\r\n", query); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// FuzzQuery: what the parser accepts it reads back as the same, within its bounds, and
// what it refuses has a number.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "network IP-Network=10.0.0.0/8", `contact Name="Ann Admin" and Email=a*`, "a or b", `"`, "a=b=c", "network network", "-x", "2001:db8::/32", `and`, `"and"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, bad := parseQuery(s)
		if bad != nil {
			if errorText(bad.code) == errorText(0) || strings.ContainsAny(bad.line()[:len(bad.line())-2], "\r\n") {
				t.Fatalf("%q is refused with %+v", s, bad)
			}
			return
		}
		again, bad := parseQuery(q.String())
		if bad != nil || again.String() != q.String() {
			t.Fatalf("%q is read as %q and then as %q (%+v)", s, q, again, bad)
		}
		for _, all := range q.alternatives {
			if len(all) == 0 || len(all) > maxTerms {
				t.Fatalf("%q has an alternative of %d terms", s, len(all))
			}
		}
	})
}
