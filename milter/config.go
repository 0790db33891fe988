package milter

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"spoor/internal/unit"
)

// A Config is the section [milter] of spoor.toml.
type Config struct {
	// Listen holds what MTAs connect to: absolute paths of Unix sockets and "address:port".
	Listen []string `toml:"listen"`
	// SocketMode is the octal mode of Unix sockets; SocketOwner and SocketGroup
	// are names or numbers, empty for the daemon's own.
	SocketMode  string `toml:"socket_mode"`
	SocketOwner string `toml:"socket_owner"`
	SocketGroup string `toml:"socket_group"`
	// AuthservID begins our header fields, as RFC 8601 §2.5 says; empty stands for the host's name.
	AuthservID string `toml:"authserv_id"`
	// Mark names the directions of messages that get our header fields.
	Mark []Direction `toml:"mark"`
	// Relays are the networks of our own mail servers that pass mail on to this MTA:
	// their Received lines are believed, and the origin lies beyond them.
	Relays []netip.Prefix `toml:"relays"`
	// TrustLoopback makes the MTA's own machine a relay, as content filters need it that give mail back over SMTP.
	TrustLoopback bool `toml:"trust_loopback"`
	// DryRun carries out nothing but header fields, and logs what the rules would have done.
	DryRun bool `toml:"dry_run"`
	// Deadline is how long a judgement may take before the message passes undecided.
	Deadline       unit.Duration `toml:"deadline"`
	IdleTimeout    unit.Duration `toml:"idle_timeout"`
	PacketTimeout  unit.Duration `toml:"packet_timeout"`
	Drain          unit.Duration `toml:"drain"`
	MaxConnections int           `toml:"max_connections"`
	MaxHeader      unit.Size     `toml:"max_header"`
	// BodyLimit is how much of a body is looked at where a rule asks for it.
	BodyLimit unit.Size `toml:"body_limit"`
	// MaxHosts bounds how many hosts' rates, and sightings of one interval, are kept.
	MaxHosts int `toml:"max_hosts"`
	// Interval is how long sightings are gathered before the desk gets them.
	Interval unit.Duration `toml:"interval"`
	Score    Weights       `toml:"score"`
	Rules    []RuleConfig  `toml:"rule"`
}

// Weights are the parts of a message's score; each is added where its fact holds.
type Weights struct {
	Listed        float64 `toml:"listed"`
	Blocked       float64 `toml:"blocked"`
	Strong        float64 `toml:"strong"` // for each finding of that strength
	Medium        float64 `toml:"medium"`
	Weak          float64 `toml:"weak"`
	NoRDNS        float64 `toml:"no_rdns"`
	MailServer    float64 `toml:"mail_server"`
	Authenticated float64 `toml:"authenticated"`
}

// DefaultConfig marks messages and does nothing else.
func DefaultConfig() Config {
	return Config{
		Listen:         []string{"/run/spoor/milter.sock"},
		SocketMode:     "0660",
		Mark:           []Direction{DirectionIn, DirectionOut, DirectionSubmission},
		TrustLoopback:  true,
		DryRun:         true,
		Deadline:       unit.Duration(200 * time.Millisecond),
		IdleTimeout:    unit.Duration(2 * time.Hour),
		PacketTimeout:  unit.Duration(time.Minute),
		Drain:          unit.Duration(10 * time.Second),
		MaxConnections: 4096,
		MaxHeader:      256 << 10,
		BodyLimit:      64 << 10,
		MaxHosts:       100_000,
		Interval:       unit.Duration(5 * time.Minute),
		Score: Weights{
			Listed: 4, Blocked: 8, Strong: 2, Medium: 1, Weak: 0.25,
			NoRDNS: 0.5, MailServer: -2, Authenticated: -1,
		},
	}
}

// Believed returns the networks of all whose Received lines are believed, for NewTracer.
func (c Config) Believed() []netip.Prefix {
	if !c.TrustLoopback {
		return c.Relays
	}
	return append([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, c.Relays...)
}

// Validate tells bad about everything that is wrong, and what to write instead.
func (c Config) Validate(bad func(key, problem, write string)) {
	if len(c.Listen) == 0 {
		bad("listen", "nothing to listen on", `["/run/spoor/milter.sock"]`)
	}
	for i, listen := range c.Listen {
		validateListen(listen, func(problem, write string) { bad(index("listen", i), problem, write) })
	}
	if _, err := parseMode(c.SocketMode); err != nil {
		bad("socket_mode", fmt.Sprintf("%q is no file mode", c.SocketMode), `octal digits, such as "0660"`)
	}
	if !validID(c.AuthservID) {
		bad("authserv_id", fmt.Sprintf("%q cannot stand in a header field", c.AuthservID), `a host name, such as "mail.example.net"`)
	}
	validateDirections("mark", c.Mark, bad)
	for i, n := range c.Relays {
		if n != n.Masked() {
			bad(index("relays", i), fmt.Sprintf("%q has bits set behind its length", n), strconv.Quote(n.Masked().String()))
		}
	}
	c.validateLimits(bad)
	seen := map[string]int{}
	for i, rule := range c.Rules {
		in := func(key, problem, write string) { bad(index("rule", i)+"."+key, problem, write) }
		if first, twice := seen[rule.Name]; twice && rule.Name != "" {
			in("name", fmt.Sprintf("rule %d bears the same name", first+1), "a name of its own: logs and metrics show it")
		}
		seen[rule.Name] = i
		rule.validate(in)
	}
}

func (c Config) validateLimits(bad func(key, problem, write string)) {
	durations := []struct {
		key string
		is  unit.Duration
		min time.Duration
	}{
		{"deadline", c.Deadline, time.Millisecond},
		{"idle_timeout", c.IdleTimeout, time.Second},
		{"packet_timeout", c.PacketTimeout, time.Second},
		{"interval", c.Interval, time.Second},
	}
	for _, d := range durations {
		if d.is.Std() < d.min {
			bad(d.key, fmt.Sprintf("%s is too short", d.is), fmt.Sprintf("at least %q", unit.Duration(d.min)))
		}
	}
	// Postfix waits 30 s for a reply, sendmail as little as 10 s: https://www.postfix.org/MILTER_README.html
	if c.Deadline.Std() > 8*time.Second {
		bad("deadline", fmt.Sprintf("%s is longer than MTAs wait", c.Deadline), `at most "8s"`)
	}
	counts := []struct {
		key     string
		is, min int64
	}{
		{"max_connections", int64(c.MaxConnections), 1},
		{"max_header", c.MaxHeader.Bytes(), 1 << 10},
		{"body_limit", c.BodyLimit.Bytes(), 1},
		{"max_hosts", int64(c.MaxHosts), 1},
	}
	for _, n := range counts {
		if n.is < n.min {
			bad(n.key, fmt.Sprintf("%d is too little", n.is), fmt.Sprintf("at least %d", n.min))
		}
	}
	if c.BodyLimit.Bytes() > maxBody {
		bad("body_limit", fmt.Sprintf("%s is more than is ever looked at", c.BodyLimit), `at most "1MB"`)
	}
}

// maxBody bounds what one message's body may take of our memory.
const maxBody = 1 << 20

func validateListen(s string, bad func(problem, write string)) {
	if strings.HasPrefix(s, "/") {
		if filepath.Clean(s) != s || len(s) > 100 {
			bad(fmt.Sprintf("%q is no usable path of a socket", s), `at most 100 bytes, such as "/run/spoor/milter.sock"`)
		}
		return
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if _, addrErr := netip.ParseAddrPort(s); err != nil || addrErr != nil {
		bad(fmt.Sprintf("%q is neither a path nor an address with a port", s), `"/run/spoor/milter.sock" or "127.0.0.1:8891"`)
	}
}

func parseMode(s string) (uint32, error) {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err == nil && mode > 0o777 {
		err = strconv.ErrRange
	}
	return uint32(mode), err
}

// validID says whether s can be an authserv-id without quotes, or is empty.
func validID(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return len(s) <= 255
}

func index(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }
