package milter

import (
	"net"
	"net/netip"
	"net/textproto"
	"runtime/debug"
	"strconv"
	"strings"

	gomilter "github.com/emersion/go-milter"

	"spoor/internal/message"
)

// A session is one MTA connection: the peer, and one message after another.
// go-milter calls it from one goroutine.
type session struct {
	s     *Server
	wire  *wire
	terms terms
	by    string
	peer  Peer

	// msg is renewed for each message, never reset: a judgement that was given up may still read the old one.
	msg *letter
}

// A letter is one message as far as the MTA has told it.
type letter struct {
	mail
	open     bool // MAIL was accepted, and no end seen
	header   int  // bytes kept
	forged   []forgedField
	ours     map[string]int // how many fields of each of our names came
	rejected int
}

// A forgedField is a field that bears one of our names, and its place among those of the same name.
type forgedField struct {
	name  string
	index int
}

// maxForged bounds how many forged fields one message makes us remove; ours stands above any more.
const maxForged = 1000

var _ gomilter.Milter = (*session)(nil)

func newSession(s *Server, w *wire, t terms) *session {
	return &session{s: s, wire: w, terms: t, msg: &letter{}}
}

// guard lets the message pass where a fault of ours would end the connection, and with it others' mail.
func (c *session) guard(s stage, do func() gomilter.Response) (resp gomilter.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.s.log.Error("milter panicked, the message passes", "panic", p, "stage", s.String(), "stack", string(debug.Stack()))
			c.s.counters.undecided.WithLabelValues("panic").Inc()
			resp = c.pass(s)
		}
	}()
	return do(), nil
}

// pass lets the MTA go on: without a word at the stages where none was agreed.
func (c *session) pass(s stage) gomilter.Response {
	if c.terms.silent[s] {
		return nil
	}
	return gomilter.RespContinue
}

// Connect begins the session of a peer.
func (c *session) Connect(host, family string, port uint16, addr net.IP, m *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageConnect, func() gomilter.Response {
		c.msg = &letter{}
		c.peer = Peer{Port: port, Local: family != "tcp4" && family != "tcp6"}
		if ip, ok := netip.AddrFromSlice(addr); ok {
			c.peer.Addr = ip.Unmap()
		}
		if !c.peer.Local {
			c.peer.RDNS = verifiedName(host, m.Macros)
		}
		c.by = strings.Clone(m.Macros["j"])
		c.peer.DaemonPort = daemonPort(m.Macros)
		return c.ask(stageConnect)
	})
}

// verifiedName is the peer's name where the MTA confirmed it. Without one,
// Postfix says "unknown", and sendmail an address in brackets; sendmail gives
// a name that does not lead back as well, and says so in a macro.
func verifiedName(host string, macros map[string]string) string {
	resolved, told := macros["{client_resolve}"]
	switch {
	case strings.EqualFold(host, "unknown"), strings.HasPrefix(host, "["), host == "":
		return ""
	case told && resolved != "OK", strings.Contains(macros["_"], "may be forged"):
		return ""
	}
	return strings.TrimSuffix(host, ".")
}

// daemonPort knows submission by the port, and by the names that Postfix's and
// sendmail's manuals give to the service.
func daemonPort(macros map[string]string) uint16 {
	if name := macros["{daemon_name}"]; name == "ORIGINATING" || name == "MSA" {
		return 587
	}
	port, err := strconv.ParseUint(macros["{daemon_port}"], 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// Helo takes the peer's name for itself, again after STARTTLS.
func (c *session) Helo(name string, m *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageHelo, func() gomilter.Response {
		c.peer.HELO = name
		c.readTLS(m.Macros)
		return c.ask(stageHelo)
	})
}

// readTLS copies from macros, which the next stage replaces.
func (c *session) readTLS(macros map[string]string) {
	if v, ok := macros["{tls_version}"]; ok {
		c.peer.TLS = v
	}
}

// MailFrom begins a message.
func (c *session) MailFrom(from string, m *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageMail, func() gomilter.Response {
		c.endLetter("aborted")
		c.readTLS(m.Macros)
		c.peer.Auth = m.Macros["{auth_authen}"]
		c.msg = &letter{open: true}
		c.msg.at = c.s.now()
		c.msg.env.from = from
		c.msg.queueID = m.Macros["i"]
		c.wire.busy.Store(true)
		c.count(countMessages, 1)
		return c.ask(stageMail)
	})
}

// RcptTo takes a recipient, or learns that the MTA refused one.
func (c *session) RcptTo(_ string, m *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageRcpt, func() gomilter.Response {
		if m.Macros["{rcpt_mailer}"] == "error" {
			c.refusedRecipient("refused_by_mta")
			return c.pass(stageRcpt)
		}
		c.msg.env.recipients++
		c.count(countRecipients, 1)
		resp := c.ask(stageRcpt)
		if refused(resp) {
			c.msg.env.recipients--
			c.refusedRecipient("refused_by_rule")
			return resp
		}
		c.s.counters.accepted.Inc()
		return resp
	})
}

func (c *session) refusedRecipient(outcome string) {
	c.msg.rejected++
	c.msg.env.refused++
	c.count(countRefusals, 1)
	c.s.counters.recipients.WithLabelValues(outcome).Inc()
}

// count adds to the rates of the peer. Where the peer speaks for others, the
// end of the message tells whose rates they are.
func (c *session) count(what count, n int) {
	if !c.s.judge.tracer.Trusts(c.peer) {
		c.s.judge.rates.add(c.peer.Addr, what, n, c.s.now())
	}
}

// Header keeps a field's bytes, up to the limit.
func (c *session) Header(name, value string, _ *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageEnd, func() gomilter.Response {
		l := c.msg
		if isOurs(name) {
			l.remember(name)
		}
		if size := len(name) + len(value) + 3; l.header+size <= c.s.maxHeader {
			l.header += size
			raw := make([]byte, 0, size)
			raw = append(raw, name...)
			raw = append(raw, ':')
			if !c.terms.leadingSpace {
				raw = append(raw, ' ') // the MTA took it away
			}
			l.fields = append(l.fields, message.Field{Name: strings.TrimRight(name, " \t"), Raw: append(raw, value...)})
		}
		if c.terms.headerReply {
			return gomilter.RespContinue
		}
		return nil
	})
}

func (l *letter) remember(name string) {
	if l.ours == nil {
		l.ours = map[string]int{}
	}
	key := strings.ToLower(name)
	l.ours[key]++
	if len(l.forged) < maxForged {
		l.forged = append(l.forged, forgedField{name, l.ours[key]})
	}
}

// Headers is the end of the header.
func (c *session) Headers(textproto.MIMEHeader, *gomilter.Modifier) (gomilter.Response, error) {
	if c.terms.eohReply {
		return gomilter.RespContinue, nil
	}
	return nil, nil
}

// BodyChunk keeps the body's beginning, where a rule looks at it, and asks for no more.
func (c *session) BodyChunk(chunk []byte, _ *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageEnd, func() gomilter.Response {
		room := c.s.bodyLimit - len(c.msg.body)
		if c.s.judge.policy.wantsBody() && room > 0 {
			c.msg.body = append(c.msg.body, chunk[:min(room, len(chunk))]...)
		}
		if len(c.msg.body) >= c.s.bodyLimit && c.terms.skip {
			return gomilter.NewResponse('s', nil)
		}
		return gomilter.RespContinue
	})
}

// Body is the end of the message: the verdict is carried out.
func (c *session) Body(m *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageEnd, func() gomilter.Response {
		if id := m.Macros["i"]; id != "" {
			c.msg.queueID = id // Postfix tells it from DATA on only
		}
		return c.finish(m)
	})
}

// Abort ends the message without a verdict; the connection goes on. Postfix sends it after every message, too.
func (c *session) Abort(*gomilter.Modifier) error {
	c.endLetter("aborted")
	return nil
}

// endLetter closes the message's books.
func (c *session) endLetter(outcome string) {
	c.wire.busy.Store(false)
	if !c.msg.open {
		return
	}
	c.msg.open = false
	c.s.counters.messages.WithLabelValues(outcome).Inc()
	if outcome == "aborted" && c.msg.rejected > 0 {
		// A host whose every recipient is refused never comes to a message's end.
		c.s.ledger.sight(c.peer.Addr, Sighting{Rejected: c.msg.rejected}, c.msg.env.from, true)
	}
}

// snapshot is what a judgement gets: nothing in it is written to while the judgement lasts.
func (c *session) snapshot() mail {
	m := c.msg.mail
	m.peer, m.by = c.peer, c.by
	return m
}

// refused says whether a response is a refusal.
func refused(resp gomilter.Response) bool {
	return resp != nil && resp.Response().Code == replyCode
}

// replyCode is a reply with a text of our own (SMFIR_REPLYCODE). go-milter takes it for
// one that goes on, and so keeps the session; its own refusals make a new one.
const replyCode = 'y'
