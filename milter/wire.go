package milter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	gomilter "github.com/emersion/go-milter"
)

const (
	// maxPacket is the longest packet that libmilter and go-milter allow for.
	maxPacket = 1 << 20
	// maxReplies is how much is gathered before it is sent even though the MTA still talks.
	maxReplies = 64 << 10
	readBuffer = 4 << 10
	// quiet is how long a connection between two messages stays open while we stop.
	quiet = 500 * time.Millisecond
)

// The commands that go-milter names or handles otherwise than we need.
const (
	codeAbort     = 'A'
	codeConnect   = 'C'
	codeMacro     = 'D'
	codeHeader    = 'L'
	codeNegotiate = 'O'
	codeNewPeer   = 'K' // QUIT, but a new connection follows (version 6)
	codeUnknown   = 'U' // an SMTP command that the MTA does not know (version 3)
	replyContinue = 'c'
)

// A wire is one MTA's connection. It hands go-milter whole packets, mended
// where that would lose step or stop, and sends the replies to all packets that
// came together in one write.
type wire struct {
	net.Conn
	timeouts timeouts
	fault    func(string) // told why the connection ends before its time, or what was mended

	in      *bufio.Reader
	packet  []byte // memory for the packet in hand
	rest    []byte // of the packet in hand, not yet read by go-milter
	inside  bool   // a packet has begun and is not complete
	replies []byte
	err     error
	offered uint32 // the MTA's version of the protocol

	// busy is set while a message is on its way; draining, once we stop.
	busy     atomic.Bool
	draining atomic.Bool
	closed   chan struct{}
	once     sync.Once
}

// timeouts are the longest waits on a wire; the wait between packets is its listener's.
type timeouts struct {
	packet time.Duration // from a packet's first byte to its last, and for a write
}

func newWire(conn net.Conn, t timeouts, fault func(string)) *wire {
	w := &wire{Conn: conn, timeouts: t, fault: fault, closed: make(chan struct{})}
	w.in = bufio.NewReaderSize(socket{w}, readBuffer)
	return w
}

// A socket is the wire's lower side: the place where it may wait.
type socket struct{ w *wire }

func (s socket) Read(p []byte) (int, error) {
	w := s.w
	if err := w.flush(); err != nil {
		return 0, err
	}
	if err := w.Conn.SetReadDeadline(w.readDeadline()); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

func (w *wire) readDeadline() time.Time {
	switch {
	case w.inside:
		return time.Now().Add(w.timeouts.packet)
	case w.draining.Load() && !w.busy.Load():
		return time.Now().Add(quiet)
	}
	return time.Time{}
}

// drain ends the connection as soon as no message is on its way and the MTA keeps silent.
func (w *wire) drain() {
	w.draining.Store(true)
	if !w.busy.Load() {
		_ = w.Conn.SetReadDeadline(time.Now().Add(quiet)) // closed already: as well
	}
}

// Read hands out mended packets. All faults look like the MTA's leaving:
// go-milter would log others where nobody looks.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		if w.err == nil {
			w.err = w.next()
		}
		if w.err != nil {
			return 0, io.EOF
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// next reads one packet and mends it; rest stays empty where it is not for go-milter.
func (w *wire) next() error {
	packet, err := w.readPacket()
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			w.fault(faultName(err))
		}
		return err
	}
	w.rest, err = w.mend(packet)
	return err
}

var (
	errEmpty   = errors.New("milter: empty packet")
	errTooLong = errors.New("milter: packet too long")
	errOrder   = errors.New("milter: negotiation does not come first")
)

func faultName(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, errEmpty):
		return "empty_packet"
	case errors.Is(err, errTooLong):
		return "long_packet"
	case errors.Is(err, errOrder):
		return "no_negotiation"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "broken"
}

// readPacket returns one packet with its length in front, in memory that the next call overwrites.
func (w *wire) readPacket() ([]byte, error) {
	w.inside = false
	if _, err := w.in.Peek(1); err != nil {
		return nil, err
	}
	w.inside = true
	var head [4]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return nil, whole(err)
	}
	length := binary.BigEndian.Uint32(head[:])
	switch {
	case length == 0:
		return nil, errEmpty
	case length > maxPacket:
		return nil, errTooLong
	}
	w.packet = append(w.packet[:0], head[:]...)
	for need := int(length); need > 0; {
		// In steps: a length alone must not cost memory.
		step := min(need, 64<<10)
		at := len(w.packet)
		w.packet = append(w.packet, make([]byte, step)...)
		if _, err := io.ReadFull(w.in, w.packet[at:]); err != nil {
			return nil, whole(err)
		}
		need -= step
	}
	packet := w.packet
	if cap(w.packet) > readBuffer {
		w.packet = nil // an idle connection keeps no large memory
	}
	return packet, nil
}

// whole tells a connection cut off within a packet from one that ended.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// mend turns what go-milter cannot digest into what it can.
func (w *wire) mend(packet []byte) ([]byte, error) {
	switch packet[4] {
	case codeHeader:
		return mendHeader(packet, w.fault), nil
	case codeConnect:
		return mendConnect(packet), nil
	case codeMacro:
		if len(packet) == 5 {
			return nil, nil // go-milter would end the session
		}
	case codeUnknown:
		w.reply(replyContinue)
		return nil, nil
	case codeNewPeer:
		packet[4] = codeAbort // a new Connect overwrites the rest
	case codeNegotiate:
		w.fault("second_negotiation")
		return nil, errOrder
	default:
		if bytes.IndexByte([]byte("ABEHMNQRT"), packet[4]) < 0 {
			w.fault("unknown_command")
			return nil, errOrder
		}
	}
	return packet, nil
}

// mendHeader makes exactly two strings of a header packet: a NUL inside the
// value would make three, which go-milter answers although no answer was agreed.
func mendHeader(packet []byte, fault func(string)) []byte {
	name, value, found := bytes.Cut(packet[5:], []byte{0})
	if !found {
		value = nil
	}
	value = bytes.TrimSuffix(value, []byte{0})
	if len(name) > 0 && found && bytes.IndexByte(value, 0) < 0 {
		return packet
	}
	fault("header_nul")
	if len(name) == 0 {
		name = []byte{'?'} // a name must stay a name, or the value would take its place
	}
	out := append(make([]byte, 5, len(packet)+3), name...)
	out = append(out, 0)
	out = append(out, bytes.ReplaceAll(value, []byte{0}, []byte{' '})...)
	out = append(out, 0)
	return seal(out, codeHeader)
}

// mendConnect takes the prefix from sendmail's IPv6 addresses, with which go-milter reads none.
func mendConnect(packet []byte) []byte {
	const prefix = "IPv6:"
	end := bytes.IndexByte(packet[5:], 0)
	if end < 0 {
		return packet
	}
	at := 5 + end + 1 + 1 + 2 // name, NUL, family, port
	if len(packet) < at+len(prefix) || packet[at-3] != '6' ||
		!bytes.EqualFold(packet[at:at+len(prefix)], []byte(prefix)) {
		return packet
	}
	return seal(append(packet[:at:at], packet[at+len(prefix):]...), codeConnect)
}

// seal writes a packet's length and command over its first five bytes.
func seal(packet []byte, code byte) []byte {
	binary.BigEndian.PutUint32(packet, uint32(len(packet)-4))
	packet[4] = code
	return packet
}

// reply answers a packet that go-milter does not see.
func (w *wire) reply(code byte) {
	w.replies = append(w.replies, 0, 0, 0, 1, code)
}

// version is what we speak: go-milter names 2 whatever flags it asks for.
const version = 6

// Write gathers go-milter's replies until the wire would wait for the MTA.
func (w *wire) Write(p []byte) (int, error) {
	if len(p) >= 9 && p[4] == codeNegotiate {
		binary.BigEndian.PutUint32(p[5:], min(version, w.offered))
	}
	w.replies = append(w.replies, p...)
	if len(w.replies) >= maxReplies {
		if err := w.flush(); err != nil {
			w.err = err // Read tells go-milter
		}
	}
	return len(p), nil
}

func (w *wire) flush() error {
	if len(w.replies) == 0 {
		return nil
	}
	out := w.replies
	w.replies = w.replies[:0]
	if cap(w.replies) > readBuffer {
		w.replies = nil
	}
	if err := w.Conn.SetWriteDeadline(time.Now().Add(w.timeouts.packet)); err != nil {
		return err
	}
	_, err := w.Conn.Write(out)
	return err
}

// Close sends what is left and ends the connection.
func (w *wire) Close() error {
	_ = w.flush() // the MTA may have gone first
	err := w.Conn.Close()
	w.once.Do(func() { close(w.closed) })
	return err
}

// An offer is what an MTA can do, as it says first.
type offer struct {
	actions  gomilter.OptAction
	protocol gomilter.OptProtocol
}

// negotiate reads the MTA's offer, and leaves it for go-milter to answer.
func (w *wire) negotiate() (offer, error) {
	packet, err := w.readPacket()
	if err == nil && (packet[4] != codeNegotiate || len(packet) < 5+12) {
		err = errOrder
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			w.fault(faultName(err))
		}
		return offer{}, err
	}
	w.rest = packet
	w.offered = binary.BigEndian.Uint32(packet[5:])
	return offer{
		actions:  gomilter.OptAction(binary.BigEndian.Uint32(packet[9:])),
		protocol: gomilter.OptProtocol(binary.BigEndian.Uint32(packet[13:])),
	}, nil
}
