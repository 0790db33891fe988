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
	"unsafe"

	"golang.org/x/sys/unix"

	"spoor/flowwatch/netflow"
)

// A socket receives the datagrams of one listening address.
type socket struct {
	file    *os.File // unknown to Go's poller
	addr    netip.AddrPort
	dropped atomic.Uint32 // what drops said last
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
	file, err := unpolled(conn)
	if err = errors.Join(err, conn.Close()); err != nil {
		return nil, err
	}
	s := &socket{file: file, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	got, err := s.prepare(int(w.config.Buffer))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if got < int(w.config.Buffer) {
		w.log.Warn("the kernel allows a smaller receive buffer: bursts may be lost",
			"listen", address, "wanted", w.config.Buffer.String(), "got_bytes", got, "hint", "sysctl -w net.core.rmem_max="+fmt.Sprint(int64(w.config.Buffer)))
	}
	return s, nil
}

// unpolled is the socket of a connection, to be read by waiting in the kernel, after the connection is closed. Go's poller
// must not know it: that would wake a thread for every datagram (epoll(7), edge-triggered), though nobody waits there.
func unpolled(conn *net.UDPConn) (file *os.File, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		var own int
		if own, inner = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); inner == nil {
			inner = unix.SetNonblock(own, false)
			file = os.NewFile(uintptr(own), "udp")
		}
	})
	return file, errors.Join(err, inner)
}

// prepare asks for the buffer, by force where we may.
func (s *socket) prepare(buffer int) (got int, err error) {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		}
		if inner == nil {
			got, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
	})
	return got / 2, errors.Join(err, inner) // the kernel doubles what it was asked for (socket(7))
}

// gather is how long more datagrams are waited for where few came: to be woken for each costs more than to read it.
const gather = time.Millisecond

// receive hands every datagram to the Watcher until ctx ends.
func (s *socket) receive(ctx context.Context, w *Watcher) error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("receive flows: %w", err)
	}
	defer context.AfterFunc(ctx, func() { shut(raw) })()
	b := newBatch()
	for {
		n, err := b.wait(raw)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
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
}

// shut ends the waiting for datagrams: the kernel says that the socket is not connected, and shuts it all the same.
func shut(conn syscall.RawConn) {
	_ = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
}

// take hands a batch to the Decoder.
func (w *Watcher) take(s *socket, b *batch, n int) {
	at := w.now().UTC()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range n {
		from, err := b.from(i)
		if err == nil {
			err = w.decoder.Decode(b.datagram(i), from, at, w.add)
		}
		if err != nil && !errors.Is(err, netflow.ErrRefused) {
			w.stats.undecoded.Add(1)
		}
	}
}

// drops is how many datagrams the kernel has dropped since the socket was opened: SK_MEMINFO_DROPS, the last of what
// SO_MEMINFO tells. To be told with each datagram (SO_RXQ_OVFL) would cost more. It is 0 where the kernel is older than 4.12.
func (s *socket) drops() uint32 {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	if raw, err := s.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // a closed socket drops no more
			_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
			if errno == 0 {
				s.dropped.Store(info[8])
			}
		})
	}
	return s.dropped.Load()
}

func (w *Watcher) kernelDrops() (n uint64) {
	for _, s := range w.sockets {
		n += uint64(s.drops())
	}
	return n
}

func (w *Watcher) unbind() {
	for _, s := range w.sockets {
		s.drops()
		_ = s.file.Close() // nothing was written to it
	}
}

// Addrs are the addresses listened on, after Bind.
func (w *Watcher) Addrs() []netip.AddrPort {
	var list []netip.AddrPort
	for _, s := range w.sockets {
		list = append(list, s.addr)
	}
	return list
}
