package milter

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"spoor/internal/listen"
	"spoor/milter/miltertest"
)

// sendmail writes in small pieces and waits for each to be acknowledged (Nagle's algorithm, RFC 896), which Linux puts
// off by 40 ms where a connection goes back and forth, unless it is asked not to before each read (tcp(7)).
func TestTCPIsAcknowledgedAtOnce(t *testing.T) {
	r, at := startTCP(t, testConfig(), Deps{})
	c, err := miltertest.Dial("tcp", at.String(), 0, 0)
	must(t, err)
	defer c.Close()
	connect(t, c, "192.0.2.7")
	for range 5 {
		deliver(t, c, letterTo(1))
	}
	// Our reply is the last that is said: without the option nothing takes the connection out of its back and forth.
	_, _, err = c.Deliver(letterTo(1))
	must(t, err)
	waitFor(t, func() bool { return r.quickAck(t) })
}

// quickAck asks the kernel about the server's end of the only connection.
func (r *running) quickAck(t *testing.T) bool {
	t.Helper()
	w := r.judge.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		raw, err := l.conn.(*listen.Conn).Conn.(*net.TCPConn).SyscallConn()
		must(t, err)
		var on int
		must(t, raw.Control(func(fd uintptr) { on, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK) }))
		must(t, err)
		return on == 1
	}
	return false
}
