// Package miltertest is the MTA's side of the milter protocol (version 6), for
// tests and the demo: it sends what Postfix would, keeps to what was agreed,
// and collects the changes.
package miltertest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Flags of the negotiation that a Client heeds; the others only narrow what it offers.
const (
	NoConnect, NoHelo, NoMail, NoRcpt = 0x1, 0x2, 0x4, 0x8
	NoBody, NoHeaders, NoEOH          = 0x10, 0x20, 0x40
	NoHeaderReply                     = 0x80
	NoUnknown, NoData, Skip, RcptRej  = 0x100, 0x200, 0x400, 0x800
	NoConnReply, NoHeloReply          = 0x1000, 0x2000
	NoMailReply, NoRcptReply          = 0x4000, 0x8000
	NoDataReply                       = 0x10000
	NoEOHReply                        = 0x40000
	NoBodyReply                       = 0x80000
	LeadingSpace                      = 0x100000

	// AllActions and AllProtocol are what Postfix 3 offers.
	AllActions  = 0x1ff
	AllProtocol = 0x1fffff
)

// A Client is one milter session.
type Client struct {
	conn     net.Conn
	in       *bufio.Reader
	Version  uint32 // as the milter answered
	Actions  uint32
	Protocol uint32
}

// A Reply is what the milter said at a step.
type Reply struct {
	Code byte   // 'c' continue, 'a' accept, 'y' reply with Text, 's' skip …; 0 where none was due
	Text string // of 'y'
}

// Refused says whether the milter gave an SMTP reply instead of going on.
func (r Reply) Refused() bool { return r.Code == 'y' || r.Code == 'r' || r.Code == 't' }

// A Change is one modification that the milter asked for.
type Change struct {
	Code  byte // 'i' insert, 'h' add, 'm' change a field, 'q' quarantine
	Index int
	Name  string
	Value string
}

// Limit is how long a Client waits for one packet.
const Limit = 2 * time.Minute

// Dial connects and negotiates. An offer of zeros stands for everything.
func Dial(network, address string, actions, protocol uint32) (*Client, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	c, err := New(conn, actions, protocol)
	if err != nil {
		conn.Close()
	}
	return c, err
}

// New negotiates on a connection.
func New(conn net.Conn, actions, protocol uint32) (*Client, error) {
	if actions == 0 {
		actions = AllActions
	}
	if protocol == 0 {
		protocol = AllProtocol
	}
	c := &Client{conn: conn, in: bufio.NewReader(conn)}
	offer := binary.BigEndian.AppendUint32(nil, 6)
	offer = binary.BigEndian.AppendUint32(offer, actions)
	offer = binary.BigEndian.AppendUint32(offer, protocol)
	if err := c.Send('O', offer); err != nil {
		return nil, err
	}
	code, data, err := c.Receive()
	if err != nil {
		return nil, fmt.Errorf("negotiate: %w", err)
	}
	if code != 'O' || len(data) < 12 {
		return nil, fmt.Errorf("negotiate: answer %q of %d bytes", code, len(data))
	}
	c.Version = binary.BigEndian.Uint32(data)
	c.Actions = binary.BigEndian.Uint32(data[4:])
	c.Protocol = binary.BigEndian.Uint32(data[8:])
	if c.Actions&^actions != 0 || c.Protocol&^protocol != 0 {
		return nil, errors.New("negotiate: the milter wants what was not offered")
	}
	return c, nil
}

// Send writes one packet.
func (c *Client) Send(code byte, data []byte) error {
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	packet = append(append(packet, code), data...)
	if err := c.conn.SetWriteDeadline(time.Now().Add(Limit)); err != nil {
		return err
	}
	_, err := c.conn.Write(packet)
	return err
}

// Receive reads one packet.
func (c *Client) Receive() (code byte, data []byte, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(Limit)); err != nil {
		return 0, nil, err
	}
	var head [5]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length == 0 || length > 1<<20 {
		return 0, nil, fmt.Errorf("packet of %d bytes", length)
	}
	data = make([]byte, length-1)
	_, err = io.ReadFull(c.in, data)
	return head[4], data, err
}

func text(parts ...string) []byte {
	return []byte(strings.Join(parts, "\x00") + "\x00")
}

// Macros sends names and values, in turn, for the step with that command.
func (c *Client) Macros(command byte, pairs ...string) error {
	return c.Send('D', append([]byte{command}, text(pairs...)...))
}

func (c *Client) step(left, silent uint32, code byte, data []byte) (Reply, error) {
	if c.Protocol&left != 0 {
		return Reply{}, nil
	}
	if err := c.Send(code, data); err != nil || c.Protocol&silent != 0 {
		return Reply{}, err
	}
	return c.reply()
}

func (c *Client) reply() (Reply, error) {
	code, data, err := c.Receive()
	return Reply{code, strings.TrimSuffix(string(data), "\x00")}, err
}

// Connect tells of the peer; an address with a colon is one of IPv6.
func (c *Client) Connect(name, address string, port uint16) (Reply, error) {
	family := byte('4')
	if strings.Contains(address, ":") {
		family = '6'
	}
	data := binary.BigEndian.AppendUint16(append(text(name), family), port)
	return c.step(NoConnect, NoConnReply, 'C', append(data, text(address)...))
}

// Helo tells what the peer calls itself.
func (c *Client) Helo(name string) (Reply, error) {
	return c.step(NoHelo, NoHeloReply, 'H', text(name))
}

// Mail begins a message.
func (c *Client) Mail(from string) (Reply, error) {
	return c.step(NoMail, NoMailReply, 'M', text("<"+from+">"))
}

// Rcpt adds a recipient.
func (c *Client) Rcpt(to string) (Reply, error) {
	return c.step(NoRcpt, NoRcptReply, 'R', text("<"+to+">"))
}

// Header sends one field, its value without the space behind the colon.
func (c *Client) Header(name, value string) (Reply, error) {
	if c.Protocol&LeadingSpace != 0 {
		value = " " + value
	}
	return c.step(NoHeaders, NoHeaderReply, 'L', text(name, value))
}

// EndOfHeader ends the header.
func (c *Client) EndOfHeader() (Reply, error) { return c.step(NoEOH, NoEOHReply, 'N', nil) }

// Body sends one piece of the body.
func (c *Client) Body(chunk []byte) (Reply, error) { return c.step(NoBody, NoBodyReply, 'B', chunk) }

// End ends the message and returns the milter's reply with the changes before it.
func (c *Client) End() (Reply, []Change, error) {
	if err := c.Send('E', nil); err != nil {
		return Reply{}, nil, err
	}
	var changes []Change
	for {
		code, data, err := c.Receive()
		if err != nil {
			return Reply{}, changes, err
		}
		change, ok := parseChange(code, data)
		if !ok {
			return Reply{code, strings.TrimSuffix(string(data), "\x00")}, changes, nil
		}
		changes = append(changes, change)
	}
}

func parseChange(code byte, data []byte) (Change, bool) {
	change := Change{Code: code}
	switch code {
	case 'i', 'm':
		if len(data) < 4 {
			return change, false
		}
		change.Index = int(binary.BigEndian.Uint32(data))
		data = data[4:]
	case 'h':
	case 'q':
		change.Value = strings.TrimSuffix(string(data), "\x00")
		return change, true
	default:
		return change, false
	}
	change.Name, change.Value, _ = strings.Cut(strings.TrimSuffix(string(data), "\x00"), "\x00")
	return change, true
}

// Abort gives the message up, or ends one that is done: Postfix sends it after every message.
func (c *Client) Abort() error { return c.Send('A', nil) }

// Close says goodbye.
func (c *Client) Close() error {
	return errors.Join(c.Send('Q', nil), c.conn.Close())
}

// A Message is one message to be sent in one go.
type Message struct {
	From    string
	To      []string
	QueueID string
	Auth    string
	Header  [][2]string // name, value
	Body    []byte
}

// Deliver sends a message to its end, or to its refusal.
func (c *Client) Deliver(m Message) (Reply, []Change, error) {
	reply, err := c.envelope(m)
	if err != nil || reply.Refused() {
		return reply, nil, err
	}
	for _, field := range m.Header {
		if reply, err = c.Header(field[0], field[1]); err != nil || reply.Refused() {
			return reply, nil, err
		}
	}
	if reply, err = c.EndOfHeader(); err != nil || reply.Refused() {
		return reply, nil, err
	}
	if err := c.body(m.Body); err != nil {
		return reply, nil, err
	}
	if err := c.Macros('E', "i", m.QueueID); err != nil {
		return reply, nil, err
	}
	return c.End()
}

func (c *Client) envelope(m Message) (Reply, error) {
	pairs := []string{"{mail_addr}", m.From}
	if m.Auth != "" {
		pairs = append(pairs, "{auth_type}", "PLAIN", "{auth_authen}", m.Auth)
	}
	if err := c.Macros('M', pairs...); err != nil {
		return Reply{}, err
	}
	reply, err := c.Mail(m.From)
	if err != nil || reply.Refused() {
		return reply, err
	}
	accepted := 0
	for _, to := range m.To {
		if err := c.Macros('R', "{rcpt_mailer}", "smtp", "{rcpt_addr}", to); err != nil {
			return Reply{}, err
		}
		if reply, err = c.Rcpt(to); err != nil {
			return reply, err
		}
		if !reply.Refused() {
			accepted++
		}
	}
	if accepted > 0 {
		return Reply{}, nil
	}
	return reply, nil
}

const chunkSize = 65535 // MILTER_CHUNK_SIZE

func (c *Client) body(body []byte) error {
	for len(body) > 0 {
		n := min(len(body), chunkSize)
		reply, err := c.Body(body[:n])
		if err != nil || reply.Code == 's' {
			return err
		}
		body = body[n:]
	}
	return nil
}
