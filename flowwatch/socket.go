package flowwatch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"spoor/flowwatch/netflow"
)

// A socket receives the datagrams of one listening address.
type socket struct {
	conn  *net.UDPConn
	drops atomic.Uint32 // by the kernel, since the socket was opened
}

// Bind opens the sockets that are not open yet. Run does so itself; a caller that must know the
// ports, or drops its rights, calls it before.
func (w *Watcher) Bind() error {
	if len(w.sockets) > 0 {
		return nil
	}
	for _, address := range w.config.Listen {
		s, err := w.bind(address)
		if err != nil {
			w.unbind()
			return fmt.Errorf("listen for flows on %s: %w", address, err)
		}
		w.sockets = append(w.sockets, s)
	}
	return nil
}

func (w *Watcher) bind(address string) (*socket, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn}
	got, err := s.prepare(int(w.config.Buffer))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if got < int(w.config.Buffer) {
		w.log.Warn("the kernel allows a smaller receive buffer: bursts may be lost",
			"listen", address, "wanted", w.config.Buffer.String(), "got_bytes", got, "hint", "sysctl -w net.core.rmem_max="+fmt.Sprint(int64(w.config.Buffer)))
	}
	return s, nil
}

// prepare asks for the buffer, by force where we may, and for the kernel's count of drops with each datagram.
func (s *socket) prepare(buffer int) (got int, err error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		}
		if inner == nil {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
		}
		if inner == nil {
			got, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
	})
	return got / 2, errors.Join(err, inner) // the kernel doubles what it was asked for (socket(7))
}

// quietAfter is how long datagrams are waited for in the kernel. Where none came, Go's poller watches for the next: a
// thread that wakes now and then to look would cost a quiet daemon more than all else.
const quietAfter = 200 * time.Millisecond

// gather is how long more datagrams are waited for where few came: to be woken for each costs more than to read it.
const gather = time.Millisecond

// receive hands every datagram to the Watcher until ctx ends. While they come it waits in the kernel, on a socket that
// blocks: Go's poller would be woken for each datagram anew, which costs more than the datagram.
func (s *socket) receive(ctx context.Context, w *Watcher) error {
	raw, err := s.blocking()
	if err != nil {
		return fmt.Errorf("receive flows: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })() // ends the waiting
	b := newBatch()
	for ctx.Err() == nil {
		n, err := b.wait(raw)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			w.stats.readErrors.Add(1)
			time.Sleep(10 * time.Millisecond) // an ICMP error of the network, say: not in a tight loop
		default:
			w.take(s, b, n)
			if n < batchSize/2 {
				time.Sleep(gather) // nobody waits for a count
			}
		}
	}
	return ctx.Err()
}

// blocking makes reads of the socket wait in the kernel, for quietAfter.
func (s *socket) blocking() (syscall.RawConn, error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	limit := unix.NsecToTimeval(quietAfter.Nanoseconds())
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = errors.Join(unix.SetNonblock(int(fd), false), unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	})
	return raw, errors.Join(err, inner)
}

// take hands a batch to the Decoder.
func (w *Watcher) take(s *socket, b *batch, n int) {
	at := w.now().UTC()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range n {
		if drops, ok := b.drops(i); ok {
			s.drops.Store(drops)
		}
		from, err := b.from(i)
		if err == nil {
			err = w.decoder.Decode(b.datagram(i), from, at, w.add)
		}
		if err != nil && !errors.Is(err, netflow.ErrRefused) {
			w.stats.undecoded.Add(1)
		}
	}
}

func (w *Watcher) kernelDrops() (n uint64) {
	for _, s := range w.sockets {
		n += uint64(s.drops.Load())
	}
	return n
}

func (w *Watcher) unbind() {
	for _, s := range w.sockets {
		_ = s.conn.Close() // nothing was written to it
	}
}

// Addrs are the addresses listened on, after Bind.
func (w *Watcher) Addrs() []netip.AddrPort {
	var list []netip.AddrPort
	for _, s := range w.sockets {
		if a, ok := s.conn.LocalAddr().(*net.UDPAddr); ok {
			list = append(list, a.AddrPort())
		}
	}
	return list
}
