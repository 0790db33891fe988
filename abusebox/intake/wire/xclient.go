package wire

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// xclient answers XCLIENT, by which a configured proxy says whom it speaks for (Postfix XCLIENT_README). The session then
// begins anew, with a greeting.
func (c *Conn) xclient(line []byte) (done bool, err error) {
	if !c.allowed {
		return false, c.say("550 5.7.0 XCLIENT is not for you")
	}
	p := c.peer
	if err := parseXclient(strings.TrimSpace(string(line[len("XCLIENT"):])), &p); err != nil {
		return false, c.say("501 5.5.4 %v", err)
	}
	if p.Addr != c.peer.Addr && p.Addr.IsValid() && !c.becomes(p.Addr) {
		return true, io.EOF
	}
	next := c.successor()
	next.peer = p
	return c.handOver(next)
}

// parseXclient applies the attributes to p. Those that we have no use for are passed over.
func parseXclient(args string, p *Peer) error {
	fields := strings.Fields(args)
	if len(fields) == 0 {
		return errors.New("XCLIENT wants attributes")
	}
	for _, f := range fields {
		name, raw, ok := strings.Cut(f, "=")
		value, err := xtext(raw)
		if !ok || err != nil {
			return errors.New("XCLIENT wants NAME=VALUE in xtext")
		}
		if value == "[UNAVAILABLE]" || value == "[TEMPUNAVAIL]" {
			value = ""
		}
		if err := p.apply(strings.ToUpper(name), value); err != nil {
			return err
		}
	}
	return nil
}

func (p *Peer) apply(name, value string) error {
	switch name {
	case "ADDR":
		if value == "" {
			p.Addr = netip.Addr{}
			return nil
		}
		if len(value) > 5 && strings.EqualFold(value[:5], "IPV6:") {
			value = value[5:]
		}
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" {
			return errors.New("XCLIENT ADDR is no address")
		}
		p.Addr = a.Unmap()
	case "HELO":
		p.Helo = value
	case "LOGIN":
		p.Login = value
	case "NAME", "PORT", "PROTO", "DESTADDR", "DESTPORT":
	default:
		return fmt.Errorf("XCLIENT does not know %q", name)
	}
	return nil
}

// xtext decodes RFC 3461 §4, and refuses what has no place in a line.
func xtext(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch == '+' {
			if i+2 >= len(s) {
				return "", errors.New("wire: cut-off xtext")
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", errors.New("wire: bad xtext")
			}
			ch, i = byte(n), i+2
		}
		if ch < ' ' || ch == 0x7f {
			return "", errors.New("wire: a control character in xtext")
		}
		b.WriteByte(ch)
	}
	return b.String(), nil
}
