package listen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs an echo server and returns its address; it ends with the test.
func serve(t *testing.T, address string, opt Options, grace time.Duration) (addr net.Addr, stop func() error) {
	t.Helper()
	l, err := Open(t.Context(), address, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- l.Serve(ctx, grace, func(_ context.Context, c net.Conn) { io.Copy(c, c) })
	}()
	var result error
	ended := false
	stop = func() error {
		if !ended {
			cancel()
			result, ended = <-done, true
		}
		return result
	}
	t.Cleanup(func() { stop() })
	return l.Addr(), stop
}

func dial(t *testing.T, a net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(a.Network(), a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(t *testing.T, c net.Conn) error {
	t.Helper()
	if _, err := c.Write([]byte("hello\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = fmt.Errorf("got %q", line)
	}
	return err
}

func TestServesTCPAndUnix(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", filepath.Join(t.TempDir(), "sub", "s.sock")} {
		addr, stop := serve(t, address, Options{Idle: time.Minute}, 0)
		if err := echo(t, dial(t, addr)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if err := stop(); err != nil {
			t.Errorf("%s: Serve ends with %v", address, err)
		}
	}
}

func TestStaleSocketIsTakenOverAndALiveOneNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	serve(t, path, Options{}, 0)
	if _, err := Open(t.Context(), path, Options{}); err == nil {
		t.Error("the socket of a living process is taken over")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file, Options{}); err == nil {
		t.Error("a plain file is replaced by a socket")
	}
}

func TestAPathTooLongIsToldSo(t *testing.T) {
	base := t.TempDir() + "/"
	longest := base + strings.Repeat("s", max(1, 107-len(base)))
	if len(longest) == 107 {
		l, err := Open(context.Background(), longest, Options{})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	if _, err := Open(context.Background(), longest+"s", Options{}); err == nil || !strings.Contains(err.Error(), "may have 107") {
		t.Errorf("a path of %d bytes gives %v", len(longest)+1, err)
	}
}

func TestLimitsPerClientAndTotal(t *testing.T) {
	said := make(chan Reason, 10)
	addr, _ := serve(t, "127.0.0.1:0", Options{
		Limits: NewLimits(Quota{Total: 10, PerClient: 2}, nil),
		Refuse: func(c net.Conn, r Reason) { said <- r; io.WriteString(c, "busy\n") },
	}, 0)
	first, second := dial(t, addr), dial(t, addr)
	for _, c := range []net.Conn{first, second} {
		if err := echo(t, c); err != nil {
			t.Fatal(err)
		}
	}
	third := dial(t, addr)
	if line, _ := bufio.NewReader(third).ReadString('\n'); line != "busy\n" || <-said != TooManyOfClient {
		t.Errorf("the third connection reads %q", line)
	}
	first.Close()
	for range 100 { // the place comes free when the server has seen the close
		if err := echo(t, dial(t, addr)); err == nil {
			return
		}
	}
	t.Error("a closed connection's place does not come free")
}

func TestLimitsTable(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	v6, sameNet := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	l := NewLimits(Quota{Total: 3, PerClient: 1}, nil)
	leaveA, why := l.Enter(a)
	if why != Welcome {
		t.Fatal(why)
	}
	if _, why := l.Enter(netip.MustParseAddr("::ffff:192.0.2.1")); why != TooManyOfClient {
		t.Errorf("the mapped form of an address is another client: %q", why)
	}
	if _, why := l.Enter(v6); why != Welcome {
		t.Error(why)
	}
	if _, why := l.Enter(sameNet); why != TooManyOfClient {
		t.Errorf("an address of the same /64 is another client: %q", why)
	}
	if _, why := l.Enter(netip.Addr{}); why != Welcome {
		t.Error(why)
	}
	if _, why := l.Enter(b); why != TooMany {
		t.Errorf("the fourth connection of three: %q", why)
	}
	leaveA()
	leaveA()
	if n := l.Open(); n != 2 {
		t.Errorf("%d are open after leaving twice, want 2", n)
	}
	if _, why := l.EnterClient(a); why != Welcome {
		t.Error(why)
	}
	if _, why := l.EnterClient(a); why != TooManyOfClient {
		t.Errorf("a proxy's second connection for one client: %q", why)
	}
}

func TestRate(t *testing.T) {
	now := time.Unix(0, 0)
	r := NewRate(60, func() time.Time { return now })
	a := netip.MustParseAddr("192.0.2.1")
	allowed := 0
	for range 100 {
		if r.Allow(a) {
			allowed++
		}
	}
	if allowed != 60 {
		t.Errorf("%d at once, want a minute's worth", allowed)
	}
	now = now.Add(5 * time.Second)
	allowed = 0
	for range 100 {
		if r.Allow(a) {
			allowed++
		}
	}
	if allowed != 5 {
		t.Errorf("%d after five seconds, want 5", allowed)
	}
	now = now.Add(-time.Hour) // the clock jumps back
	if r.Allow(a) {
		t.Error("a clock that jumps back fills the bucket")
	}
}

func TestRateRemembersBoundedly(t *testing.T) {
	now := time.Unix(0, 0)
	r := NewRate(1, func() time.Time { return now })
	for i := range 3 * maxRatedClients {
		r.Allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(r.buckets); n > maxRatedClients {
		t.Errorf("%d clients are remembered", n)
	}
	now = now.Add(time.Hour)
	r.Allow(netip.MustParseAddr("192.0.2.1"))
	if n := len(r.buckets); n > 1 {
		t.Errorf("%d clients are remembered an hour later", n)
	}
}

func TestIdleAndLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		l := Wrap(nil, Options{Idle: time.Minute, Lifetime: 150 * time.Second})
		c := newConn(a, l, func() {})
		start := time.Now()
		go func() { time.Sleep(50 * time.Second); b.Write([]byte("x")) }()
		buf := make([]byte, 1)
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 110*time.Second {
			t.Errorf("a silent peer ends the read after %v with %v", time.Since(start), err)
		}
		go func() {
			for range 2 {
				time.Sleep(15 * time.Second)
				b.Write([]byte("x"))
			}
		}()
		var err error
		for err == nil {
			_, err = c.Read(buf)
		}
		if time.Since(start) != 150*time.Second {
			t.Errorf("a talkative peer lives for %v", time.Since(start))
		}
		c.SetReadDeadline(time.Now().Add(-1))
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the user's own deadline: %v", err)
		}
		time.Sleep(time.Minute)
		c.Close()
	})
}

// Shutdown tells the connections, waits for them, and closes those that do not end in time.
func TestShutdown(t *testing.T) {
	addr, stop := serve(t, "127.0.0.1:0", Options{}, 20*time.Millisecond)
	c := dial(t, addr)
	if err := echo(t, c); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Errorf("Serve ends with %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("an idle connection outlives the service")
	}
	if _, err := net.Dial("tcp", addr.String()); err == nil {
		t.Error("the port still answers")
	}
}

func TestOnDrain(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Wrap(inner, Options{})
	client := dial(t, l.Addr())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.(*Conn).OnDrain(func() { io.WriteString(c, "bye\n"); c.Close() })
	if err := l.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if line, _ := bufio.NewReader(client).ReadString('\n'); line != "bye\n" {
		t.Errorf("the client reads %q", line)
	}
}
