package flowwatch

import (
	"errors"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A batch takes many datagrams off a socket in one call (recvmmsg(2)): all that wait, and where none does, the first
// that comes. A call for each datagram would cost more than all that is done with its records.
type batch struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet6 // large enough for IPv4, too
	buffers []byte

	look func(fd uintptr) bool // receives, and notes here
	n    int                   // how many there were
	err  error
}

const (
	batchSize = 32
	// bufferSize is the longest datagram, and some bytes more, so that the buffers' beginnings do not fight for the
	// same places in the caches.
	bufferSize = 1<<16 + 1600
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [unsafe.Sizeof(uintptr(0)) - 4]byte
}

func newBatch() *batch {
	b := &batch{buffers: make([]byte, batchSize*bufferSize)}
	for i := range b.headers {
		b.vectors[i].Base = &b.buffers[i*bufferSize]
		b.vectors[i].SetLen(1 << 16)
		h := &b.headers[i].header
		h.Iov, h.Name = &b.vectors[i], (*byte)(unsafe.Pointer(&b.names[i]))
		h.SetIovlen(1)
	}
	b.look = func(fd uintptr) bool {
		b.n, b.err = b.receive(fd)
		return true
	}
	return b
}

// wait waits for datagrams in the kernel, and says how many there are.
func (b *batch) wait(conn syscall.RawConn) (int, error) {
	if err := conn.Read(b.look); err != nil {
		return 0, err
	}
	return b.n, b.err
}

// receive waits for datagrams and says how many there are. What is there already is taken without telling Go's scheduler:
// it would have another thread look for work meanwhile, and under load such threads take turns at what processors there are.
func (b *batch) receive(fd uintptr) (int, error) {
	for i := range b.headers {
		b.headers[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers)), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN {
		n, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers)), batchSize, unix.MSG_WAITFORONE, 0, 0)
	}
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

// datagram is one of those received.
func (b *batch) datagram(i int) []byte {
	return b.buffers[i*bufferSize:][:b.headers[i].length]
}

var errFamily = errors.New("flowwatch: datagram of another family than IPv4 and IPv6")

// from is who sent it.
func (b *batch) from(i int) (netip.Addr, error) {
	switch name := &b.names[i]; name.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), nil
	case unix.AF_INET6:
		return netip.AddrFrom16(name.Addr).Unmap(), nil
	}
	return netip.Addr{}, errFamily
}
