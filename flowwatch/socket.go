package flowwatch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
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

// receive hands every datagram to the Watcher until ctx ends.
func (s *socket) receive(ctx context.Context, w *Watcher) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	datagram, control := make([]byte, 1<<16), make([]byte, 64)
	for {
		n, nc, _, from, err := s.conn.ReadMsgUDPAddrPort(datagram, control)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			w.stats.readErrors.Add(1)
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("receive flows: %w", err)
			}
			time.Sleep(10 * time.Millisecond) // an ICMP error of the network, say: not in a tight loop
			continue
		}
		s.noteDrops(control[:nc])
		if err := w.Receive(datagram[:n], from.Addr(), w.now().UTC()); err != nil && !errors.Is(err, netflow.ErrRefused) {
			w.stats.undecoded.Add(1)
		}
	}
}

// noteDrops reads the kernel's count of dropped datagrams (SO_RXQ_OVFL, socket(7)), the only message asked for.
func (s *socket) noteDrops(control []byte) {
	if len(control) < unix.CmsgSpace(4) {
		return
	}
	h, data, _, err := unix.ParseOneSocketControlMessage(control)
	if err == nil && h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4 {
		s.drops.Store(binary.NativeEndian.Uint32(data))
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
