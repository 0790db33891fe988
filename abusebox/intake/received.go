package intake

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"strings"
	"time"
)

// maxHops is how many Received fields make a loop.
const maxHops = 50

// instanceField carries a desk's own mark in its notices.
const instanceField = "x-spoor-instance"

// received returns our own Received field (RFC 5321 §4.4). What the client said of itself is quoted so that it cannot end
// the field or pass for what we saw.
func received(env Envelope, with, hostname string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from %s", harmless(env.Helo))
	switch {
	case env.Peer.Is4():
		fmt.Fprintf(&b, " ([%s])", env.Peer)
	case env.Peer.IsValid():
		fmt.Fprintf(&b, " ([IPv6:%s])", env.Peer)
	}
	fmt.Fprintf(&b, "\r\n\tby %s (Spoor) with %s id %s", hostname, with, rand.Text()[:12])
	if len(env.Recipients) == 1 {
		fmt.Fprintf(&b, "\r\n\tfor <%s>", harmless(env.Recipients[0]))
	}
	fmt.Fprintf(&b, ";\r\n\t%s\r\n", env.Arrived.Format(time.RFC1123Z))
	return []byte(b.String())
}

// harmless leaves of a name what may stand in a Received field's clause.
func harmless(s string) string {
	if s == "" {
		return "unknown"
	}
	if len(s) > 255 {
		s = s[:255]
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune("();<>\\\"", r) {
			return '?'
		}
		return r
	}, s)
}

// protocol is the word after "with" (RFC 3848).
func protocol(lmtp, extended, overTLS, authenticated bool) string {
	name := "SMTP"
	if extended {
		name = "ESMTP"
	}
	if lmtp {
		name = "LMTP"
	}
	if name == "SMTP" {
		return name
	}
	if overTLS {
		name += "S"
	}
	if authenticated {
		name += "A"
	}
	return name
}

func tlsText(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	return strings.ReplaceAll(tls.VersionName(s.Version), " ", "") + " " + tls.CipherSuiteName(s.CipherSuite)
}

// loop says why a message looks like one that goes round; empty if it does not.
func loop(message []byte, instance string) string {
	hops := 0
	for line := range headerLines(message) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		switch strings.ToLower(string(bytes.TrimSpace(name))) {
		case "received":
			hops++
		case instanceField:
			if instance != "" && string(bytes.TrimSpace(value)) == instance {
				return "it bears our own mark"
			}
		}
	}
	if hops >= maxHops {
		return tooManyHops
	}
	return ""
}

const tooManyHops = "it has 50 Received fields or more"

// headerLines yields the first line of each header field, up to the empty line.
func headerLines(message []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for rest := message; len(rest) > 0; {
			var line []byte
			line, rest, _ = bytes.Cut(rest, []byte("\n"))
			line = bytes.TrimSuffix(line, []byte("\r"))
			if len(line) == 0 {
				return
			}
			if line[0] == ' ' || line[0] == '\t' || len(line) > 1000 {
				continue
			}
			if !yield(line) {
				return
			}
		}
	}
}
