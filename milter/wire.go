package milter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
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

// Commands of the MTA that go-milter names or handles otherwise than we need, and our replies.
const (
	codeAbort     = 'A'
	codeConnect   = 'C'
	codeMacro     = 'D'
	codeHeader    = 'L'
	codeNegotiate = 'O'
	codeQuit      = 'Q'
	codeRcpt      = 'R'
	codeNewPeer   = 'K' // QUIT, but a new connection follows (version 6)
	codeUnknown   = 'U' // an SMTP command that the MTA does not know (version 3)

	replyContinue    = 'c'
	replySkip        = 's' // no more of the body
	replyText        = 'y' // an SMTP reply of our own
	changeInsert     = 'i'
	changeHeader     = 'm'
	changeQuarantine = 'q'
)

// A link is an MTA's connection, whoever serves it at the time.
type link struct {
	conn net.Conn
	wait wait // for the watch
	// timedOut is set where the watch closed the connection.
	timedOut atomic.Bool
	// busy is set while a message is on its way; draining, once we stop.
	busy     atomic.Bool
	draining atomic.Bool
	closed   func() // called once the connection is
	once     sync.Once
}

// drain ends the connection as soon as no message is on its way and the MTA keeps silent.
func (l *link) drain() {
	l.draining.Store(true)
	if l.busy.Load() {
		return
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(quiet)) // closed already: as well
	if l.busy.Load() {
		// A message has begun meanwhile, and its own look at the deadline may have been before ours.
		_ = l.conn.SetReadDeadline(time.Time{})
	}
}

// A recipient takes what go-milter does not get: slices are valid during the call only.
type recipient interface {
	offered(o offer) terms
	header(name, value []byte)
	macro(command byte, name, value []byte)
}

// A wire serves one link after another for go-milter, to which they look like one: it hands out whole packets, mended
// where go-milter would lose step or stop, and sends the replies to all packets that came together in one write. One
// goroutine uses it.
type wire struct {
	*link
	fault    func(string) // told why the connection ends before its time, or what was mended
	to       recipient
	onClose  func()       // told when the connection is done with
	another  func() *link // gives the next one to be served; nil, and a nil link, for none
	begun    bool         // the MTA's offer was answered
	detached bool         // another wire serves the link now

	in      *bufio.Reader
	inside  bool   // a packet has begun and is not complete
	packet  []byte // memory for the packet in hand
	rest    []byte // of the packet in hand, not yet read by go-milter
	replies []byte
	err     error
}

func newWire(l *link, fault func(string)) *wire {
	w := &wire{link: l, fault: fault}
	w.in = bufio.NewReaderSize(socket{w}, readBuffer)
	return w
}

// takeOver returns a wire that goes on where w, which must not be used any more, is stuck: between two packets.
func (w *wire) takeOver() *wire {
	next := &wire{link: w.link, fault: w.fault, begun: true, replies: w.replies}
	buffered, _ := w.in.Peek(w.in.Buffered())
	next.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(buffered)), socket{next}), readBuffer)
	return next
}

// A socket is the wire's lower side: the place where it may wait.
type socket struct{ w *wire }

func (s socket) Read(p []byte) (int, error) {
	w := s.w
	if err := w.flush(); err != nil {
		return 0, err
	}
	if err := w.arm(); err != nil {
		return 0, err
	}
	what := waitPacket
	if w.inside {
		what = waitRest
	}
	w.wait.begin(what, time.Now())
	defer w.wait.end()
	return w.conn.Read(p)
}

// arm sets a read deadline while we stop and no message is on its way, and takes it away when one comes. At all
// other times the watch sees to waits that last too long.
func (w *wire) arm() error {
	switch {
	case !w.draining.Load():
		return nil
	case w.busy.Load():
		return w.conn.SetReadDeadline(time.Time{})
	}
	return w.conn.SetReadDeadline(time.Now().Add(quiet))
}

// Read hands out mended packets. All faults look like the MTA's leaving:
// go-milter would log others where nobody looks.
func (w *wire) Read(p []byte) (int, error) {
	if w.detached {
		return 0, io.EOF
	}
	for len(w.rest) == 0 {
		if !w.begun {
			w.begun = true
			growStack()
			w.err = w.negotiate()
		}
		if w.err == nil {
			w.err = w.next()
		}
		if w.err != nil && !w.goOn() {
			return 0, io.EOF
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// goOn ends the connection and turns to another one.
func (w *wire) goOn() bool {
	w.finish()
	if w.another == nil {
		return false
	}
	l := w.another()
	if l == nil {
		return false
	}
	w.link, w.begun, w.err = l, false, nil
	w.rest, w.replies = nil, w.replies[:0]
	w.in.Reset(socket{w})
	return true
}

// growStack makes room on the goroutine's stack while there is little on it to be copied: a verdict needs
// more than a new goroutine has, and growing step by step below it costs as much CPU as all of go-milter.
//
//go:noinline
func growStack() byte {
	var room [9 << 10]byte
	return room[len(room)/2]
}

// next reads one packet and mends it; rest stays empty where it is not for go-milter.
func (w *wire) next() error {
	packet, err := w.readPacket()
	if err != nil {
		w.report(err)
		return err
	}
	w.rest, err = w.mend(packet)
	return err
}

var (
	errEmpty     = errors.New("milter: empty packet")
	errTooLong   = errors.New("milter: packet too long")
	errOrder     = errors.New("milter: negotiation does not come first")
	errMalformed = errors.New("milter: malformed packet")
)

// report tells of an end that is not the MTA's leaving, or ours.
func (w *wire) report(err error) {
	switch {
	case w.timedOut.Load():
		w.fault("timeout")
	case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded):
		w.fault(faultName(err))
	}
}

func faultName(err error) string {
	switch {
	case errors.Is(err, errEmpty):
		return "empty_packet"
	case errors.Is(err, errTooLong):
		return "long_packet"
	case errors.Is(err, errOrder):
		return "no_negotiation"
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

// mend turns what go-milter cannot digest into what it can, or deals with it.
func (w *wire) mend(packet []byte) ([]byte, error) {
	switch packet[4] {
	case codeHeader:
		w.header(packet[5:])
		return nil, nil
	case codeMacro:
		w.macros(packet[5:])
		return nil, nil
	case codeConnect:
		if !wholeConnect(packet[5:]) {
			w.fault("malformed_connect")
			return nil, errMalformed
		}
		return mendConnect(packet), nil
	case codeUnknown:
		w.reply(replyContinue)
		return nil, nil
	case codeQuit:
		return nil, io.EOF // to go-milter it would be the end of all
	case codeNewPeer:
		packet[4] = codeAbort // a new Connect overwrites the rest
	case codeNegotiate:
		w.fault("second_negotiation")
		return nil, errOrder
	default:
		if bytes.IndexByte([]byte("ABEHMNRT"), packet[4]) < 0 {
			w.fault("unknown_command")
			return nil, errOrder
		}
	}
	return packet, nil
}

// header hands a field over. go-milter would answer one with a NUL in its value
// although no answer was agreed, and keeps a second, unordered copy of every header.
func (w *wire) header(data []byte) {
	name, value, found := bytes.Cut(data, []byte{0})
	value = bytes.TrimSuffix(value, []byte{0})
	if !found || len(name) == 0 || bytes.IndexByte(value, 0) >= 0 {
		w.fault("header_nul")
		value = bytes.ReplaceAll(value, []byte{0}, []byte{' '})
	}
	w.to.header(name, value)
}

// macros hands over the names and values for a command. go-milter forgets them
// at the next, and ends the connection where the command is missing.
func (w *wire) macros(data []byte) {
	if len(data) == 0 {
		return
	}
	command, rest := data[0], data[1:]
	for len(rest) > 0 {
		var name, value []byte
		name, rest, _ = bytes.Cut(rest, []byte{0})
		value, rest, _ = bytes.Cut(rest, []byte{0})
		w.to.macro(command, name, value)
	}
}

// wholeConnect says whether a Connect has all its parts: go-milter would answer one without a port by a temporary
// failure of its own, and forget the session.
func wholeConnect(data []byte) bool {
	_, rest, found := bytes.Cut(data, []byte{0})
	if !found || len(rest) == 0 {
		return false
	}
	network := rest[0] == '4' || rest[0] == '6'
	return !network || len(rest) >= 3
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

// reply sends one packet: a code with strings, each of which a NUL ends.
func (w *wire) reply(code byte, text ...string) {
	w.send(code, 0, false, text)
}

func (w *wire) send(code byte, index uint32, indexed bool, text []string) {
	at := len(w.replies)
	w.replies = append(w.replies, 0, 0, 0, 0, code)
	if indexed {
		w.replies = binary.BigEndian.AppendUint32(w.replies, index)
	}
	for _, s := range text {
		w.replies = append(append(w.replies, s...), 0)
	}
	binary.BigEndian.PutUint32(w.replies[at:], uint32(len(w.replies)-at-4))
	if len(w.replies) >= maxReplies {
		if err := w.flush(); err != nil {
			w.err = err // the next read tells
		}
	}
}

// insertHeader puts a field on top of the message.
func (w *wire) insertHeader(name, value string) {
	w.send(changeInsert, 0, true, []string{name, value})
}

// removeHeader removes the indexth field of a name, counted from 1.
func (w *wire) removeHeader(index int, name string) {
	w.send(changeHeader, uint32(index), true, []string{name, ""})
}

// quarantine has the MTA keep the message.
func (w *wire) quarantine(reason string) { w.reply(changeQuarantine, reason) }

// Write takes what go-milter sends by itself, which is nothing: the session replies.
func (w *wire) Write(p []byte) (int, error) {
	if !w.detached {
		w.replies = append(w.replies, p...)
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
	w.wait.begin(waitRest, time.Now())
	defer w.wait.end()
	_, err := w.conn.Write(out)
	return err
}

// Close is go-milter's end of the wire.
func (w *wire) Close() error {
	if !w.detached {
		w.finish()
	}
	return nil
}

// finish sends what is left and ends the connection.
func (w *wire) finish() {
	_ = w.flush() // the MTA may have gone first
	if w.onClose != nil {
		w.onClose()
	}
	_ = w.conn.Close()
	w.once.Do(w.closed)
}

// The rest of net.Conn, which go-milter does not use.

func (w *wire) LocalAddr() net.Addr                { return w.conn.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr               { return w.conn.RemoteAddr() }
func (w *wire) SetDeadline(t time.Time) error      { return w.conn.SetDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.conn.SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }
