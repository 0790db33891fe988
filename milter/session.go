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

// A session is one MTA connection: the peer, and one message after another. When it has ended it serves the next.
// go-milter calls it from one goroutine.
type session struct {
	s     *Server
	wire  *wire
	terms terms
	by    string
	peer  Peer
	// macros came, and their command has not.
	macros macros

	// rescued is set where another session serves the wire now: a judgement of this one does not end.
	rescued bool

	// msg is renewed for each message, never reset: a judgement that was given up may still read the old one.
	msg *letter
	// turn brings the next connection to serve.
	turn chan *link
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

func newSession(s *Server, l *link) *session {
	c := &session{s: s, wire: newWire(l, s.counters.fault), msg: &letter{}, turn: make(chan *link, 1)}
	c.wire.another = c.another
	return c
}

// another waits for the next connection, of which the session knows nothing yet.
func (c *session) another() *link {
	l := c.s.crew.wait(c.turn)
	*c = session{s: c.s, wire: c.wire, msg: &letter{}, turn: c.turn}
	return l
}

// A macros holds those of the MTA's macros that we use, each until the command that it is for.
type macros struct {
	mta         string // j: its own name
	queueID     string // i
	resolved    string // {client_resolve}
	validated   string // _: the peer as sendmail writes it
	daemonName  string
	daemonPort  string
	tls         string
	auth        string
	rcptRefused bool
}

// offered agrees with the MTA on terms.
func (c *session) offered(o offer) terms {
	c.terms = c.s.terms(o)
	return c.terms
}

// macro keeps one macro. Some stay from connection to connection of the same
// process of the MTA: the commands that use them forget them.
func (c *session) macro(command byte, name, value []byte) {
	m := &c.macros
	switch string(name) {
	case "j":
		m.mta = string(value)
	case "i":
		m.queueID = string(value)
	case "{client_resolve}":
		m.resolved = string(value)
	case "_":
		m.validated = string(value)
	case "{daemon_name}":
		m.daemonName = string(value)
	case "{daemon_port}":
		m.daemonPort = string(value)
	case "{tls_version}":
		m.tls = string(value)
	case "{auth_authen}":
		m.auth = string(value)
	case "{rcpt_mailer}":
		m.rcptRefused = command == codeRcpt && string(value) == "error"
	}
}

// A reply is what the MTA hears at a step; the zero value is silence.
type reply struct {
	code byte
	text string // of replyText
}

// refused says whether a reply is a refusal.
func (r reply) refused() bool { return r.code == replyText }

// guard sends the reply, and lets the message pass where a fault of ours would
// end the connection, and with it others' mail. go-milter gets nothing to say:
// some of its replies make it forget the session.
func (c *session) guard(s stage, do func() reply) (gomilter.Response, error) {
	r := c.contain(s, do)
	if !c.rescued {
		c.say(r)
	}
	return nil, nil
}

func (c *session) contain(s stage, do func() reply) (r reply) {
	defer func() {
		if p := recover(); p != nil {
			c.s.log.Error("milter panicked, the message passes", "panic", p, "stage", s.String(), "stack", string(debug.Stack()))
			c.s.counters.undecided.WithLabelValues("panic").Inc()
			r = c.pass(s)
		}
	}()
	return do()
}

func (c *session) say(r reply) {
	switch r.code {
	case 0:
	case replyText:
		c.wire.reply(replyText, r.text)
	default:
		c.wire.reply(r.code)
	}
}

// pass lets the MTA go on: without a word at the stages where none was agreed.
func (c *session) pass(s stage) reply {
	if c.terms.silent[s] {
		return reply{}
	}
	return reply{code: replyContinue}
}

// Connect begins the session of a peer.
func (c *session) Connect(host, family string, port uint16, addr net.IP, _ *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageConnect, func() reply {
		c.msg = &letter{}
		c.peer = Peer{Port: port, Local: family != "tcp4" && family != "tcp6"}
		if ip, ok := netip.AddrFromSlice(addr); ok {
			c.peer.Addr = ip.Unmap()
		}
		if !c.peer.Local {
			c.peer.RDNS = verifiedName(host, c.macros)
		}
		c.by = c.macros.mta
		c.peer.DaemonPort = daemonPort(c.macros)
		c.macros = macros{}
		return c.ask(stageConnect)
	})
}

// verifiedName is the peer's name where the MTA confirmed it. Without one,
// Postfix says "unknown", and sendmail an address in brackets; sendmail gives
// a name that does not lead back as well, and says so in a macro.
func verifiedName(host string, m macros) string {
	switch {
	case strings.EqualFold(host, "unknown"), strings.HasPrefix(host, "["), host == "":
		return ""
	case m.resolved != "" && m.resolved != "OK", strings.Contains(m.validated, "may be forged"):
		return ""
	}
	return strings.TrimSuffix(host, ".")
}

// daemonPort knows submission by the port, and by the names that Postfix's and
// sendmail's manuals give to the service.
func daemonPort(m macros) uint16 {
	if m.daemonName == "ORIGINATING" || m.daemonName == "MSA" {
		return 587
	}
	port, err := strconv.ParseUint(m.daemonPort, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// Helo takes the peer's name for itself, again after STARTTLS.
func (c *session) Helo(name string, _ *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageHelo, func() reply {
		c.peer.HELO = name
		c.peer.TLS = c.macros.tls
		return c.ask(stageHelo)
	})
}

// MailFrom begins a message.
func (c *session) MailFrom(from string, _ *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageMail, func() reply {
		c.endLetter("aborted")
		c.peer.TLS, c.peer.Auth = c.macros.tls, c.macros.auth
		c.msg = &letter{open: true}
		c.msg.at = c.s.now()
		c.msg.env.from = from
		c.msg.queueID = c.macros.queueID
		c.macros.auth, c.macros.queueID = "", ""
		c.wire.busy.Store(true)
		c.count(countMessages, 1)
		return c.ask(stageMail)
	})
}

// RcptTo takes a recipient, or learns that the MTA refused one.
func (c *session) RcptTo(string, *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageRcpt, func() reply {
		byMTA := c.macros.rcptRefused
		c.macros.rcptRefused = false
		if byMTA {
			c.refusedRecipient("refused_by_mta")
			return c.pass(stageRcpt)
		}
		c.msg.env.recipients++
		c.count(countRecipients, 1)
		r := c.ask(stageRcpt)
		switch {
		case c.rescued:
		case r.refused():
			c.msg.env.recipients--
			c.refusedRecipient("refused_by_rule")
		default:
			c.s.counters.accepted.Inc()
		}
		return r
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

// header keeps a field's bytes, up to the limit.
func (c *session) header(name, value []byte) {
	r := c.contain(stageEnd, func() reply {
		c.msg.keep(string(name), value, c.terms.leadingSpace, c.s.maxHeader)
		return reply{code: replyContinue}
	})
	if c.terms.headerReply {
		c.say(r)
	}
}

// fieldCost is what a field takes beside its bytes: many small ones must not take more memory than the limit says.
const fieldCost = 64

func (l *letter) keep(name string, value []byte, leadingSpace bool, limit int) {
	if isOurs(name) {
		l.remember(name)
	}
	size := len(name) + len(value) + 2
	if l.header+size+fieldCost > limit {
		return
	}
	l.header += size + fieldCost
	raw := append(append(make([]byte, 0, size), name...), ':')
	if !leadingSpace {
		raw = append(raw, ' ') // the MTA took it away
	}
	if l.fields == nil {
		l.fields = make([]message.Field, 0, 16)
	}
	l.fields = append(l.fields, message.Field{Name: strings.TrimRight(name, " \t"), Raw: append(raw, value...)})
}

// Header is for go-milter only: the wire hands fields over by itself.
func (c *session) Header(string, string, *gomilter.Modifier) (gomilter.Response, error) {
	return nil, nil
}

func (l *letter) remember(name string) {
	if len(l.forged) >= maxForged {
		return
	}
	if l.ours == nil {
		l.ours = map[string]int{}
	}
	key := strings.ToLower(name)
	l.ours[key]++
	l.forged = append(l.forged, forgedField{name, l.ours[key]})
}

// Headers is the end of the header.
func (c *session) Headers(textproto.MIMEHeader, *gomilter.Modifier) (gomilter.Response, error) {
	if c.terms.eohReply {
		c.wire.reply(replyContinue)
	}
	return nil, nil
}

// BodyChunk keeps the body's beginning, where a rule looks at it, and asks for no more.
func (c *session) BodyChunk(chunk []byte, _ *gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageEnd, func() reply {
		room := 0
		if c.s.judge.policy.wantsBody() {
			room = c.s.bodyLimit - len(c.msg.body)
		}
		c.msg.body = append(c.msg.body, chunk[:min(room, len(chunk))]...)
		if room <= len(chunk) && c.terms.skip {
			return reply{code: replySkip}
		}
		return reply{code: replyContinue}
	})
}

// Body is the end of the message: the verdict is carried out.
func (c *session) Body(*gomilter.Modifier) (gomilter.Response, error) {
	return c.guard(stageEnd, func() reply {
		if c.macros.queueID != "" {
			c.msg.queueID = c.macros.queueID // Postfix tells it from DATA on only
		}
		return c.finish()
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
	if outcome == "passed" {
		c.s.counters.passed.Inc() // most do: it is found at once
	} else {
		c.s.counters.messages.WithLabelValues(outcome).Inc()
	}
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
