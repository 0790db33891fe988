package intake

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"spoor/internal/listen"
	"spoor/internal/unit"
)

// A Config is the section [abusebox]: every way in, and its limits.
type Config struct {
	SMTP       []string `toml:"smtp"`       // listeners, "host:port"
	LMTP       []string `toml:"lmtp"`       // listeners, "host:port" or a socket's path
	Recipients []string `toml:"recipients"` // whom we take mail for; a name without domain stands for every domain
	Hostname   string   `toml:"hostname"`   // as we call ourselves; empty is the machine's name
	Watch      []string `toml:"watch"`      // mbox files and Maildirs to which an MTA delivers

	MaxSize              unit.Size     `toml:"max_size"`               // of one mail
	MaxInflight          unit.Size     `toml:"max_inflight_bytes"`     // of mails that are being received; 452 beyond
	MaxRecipients        int           `toml:"max_recipients"`         // of one mail
	MaxConnections       int           `toml:"max_connections"`        // in all; 421 beyond
	MaxConnectionsClient int           `toml:"max_connections_client"` // of one IPv4 address or IPv6 /64; 421 beyond
	ConnectionsPerMinute int           `toml:"connections_per_minute"` // of one client; 421 beyond
	MailsPerMinute       int           `toml:"mails_per_minute"`       // of one client; 451 beyond
	IdleTimeout          unit.Duration `toml:"idle_timeout"`           // longest silence of a client
	SessionTimeout       unit.Duration `toml:"session_timeout"`        // longest life of a connection
	DrainTimeout         unit.Duration `toml:"drain_timeout"`          // for mails under way when the service ends

	TLSCert string         `toml:"tls_cert"`     // PEM file of the certificate chain; read again when it changes
	TLSKey  string         `toml:"tls_key"`      // PEM file of its key
	Users   []string       `toml:"users"`        // "name:bcrypt": who may authenticate, above TLS or from this machine
	Proxies []netip.Prefix `toml:"proxy_from"`   // peers whose connections begin with a PROXY header
	Xclient []netip.Prefix `toml:"xclient_from"` // peers that may say XCLIENT

	IMAP []IMAPConfig `toml:"imap"` // mailboxes to collect from
}

// DefaultConfig is the section's defaults: no way in is open.
func DefaultConfig() Config {
	return Config{
		MaxSize: 25 << 20, MaxInflight: 256 << 20, MaxRecipients: 100,
		MaxConnections: 500, MaxConnectionsClient: 20, ConnectionsPerMinute: 300, MailsPerMinute: 600,
		IdleTimeout: unit.Duration(5 * minute), SessionTimeout: unit.Duration(60 * minute), DrainTimeout: unit.Duration(minute / 2),
	}
}

const minute = 60 * 1e9

// Validate reports every mistake of the section.
func (c Config) Validate(bad func(key, problem, write string)) {
	validateListeners("smtp", c.SMTP, false, bad)
	validateListeners("lmtp", c.LMTP, true, bad)
	c.validateRecipients(bad)
	c.validateLimits(bad)
	c.validateAuth(bad)
	for i, p := range c.Watch {
		if !filepath.IsAbs(p) {
			bad(key("watch", i), quote(p)+" is not absolute", `a path like "/var/mail/abuse"`)
		}
	}
	for name, nets := range map[string][]netip.Prefix{"proxy_from": c.Proxies, "xclient_from": c.Xclient} {
		for i, n := range nets {
			if n.Bits() == 0 {
				bad(key(name, i), "it trusts every host to say who its client is", `the proxy's own address, like "192.0.2.10/32"`)
			}
		}
	}
	for i, m := range c.IMAP {
		m.validate(func(k, problem, write string) { bad(key("imap", i)+"."+k, problem, write) })
	}
}

func key(name string, i int) string { return fmt.Sprintf("%s[%d]", name, i) }

func quote(s string) string { return fmt.Sprintf("%q", s) }

func validateListeners(name string, addresses []string, unix bool, bad func(key, problem, write string)) {
	for i, a := range addresses {
		if unix && listen.IsPath(a) {
			if !filepath.IsAbs(a) || len(a) > 100 {
				bad(key(name, i), quote(a)+" is no absolute path of at most 100 bytes", `a path like "/run/spoor/lmtp.sock"`)
			}
			continue
		}
		if _, _, ok := listen.ParseAddress(a); !ok {
			bad(key(name, i), quote(a)+" is no address with a port from 0 to 65535", `an address like "[::]:25" or "127.0.0.1:2525"`)
		}
	}
}

func (c Config) validateRecipients(bad func(key, problem, write string)) {
	if len(c.Recipients) == 0 && len(c.SMTP)+len(c.LMTP) > 0 {
		bad("recipients", "no mail would be taken, since nobody is named", `recipients = ["abuse@example.net", "postmaster@example.net"]`)
	}
	for i, r := range c.Recipients {
		local, domain, at := strings.Cut(r, "@")
		if local == "" || at && domain == "" || strings.ContainsAny(r, " \t<>\"") || strings.Contains(domain, "@") {
			bad(key("recipients", i), quote(r)+" is no address", `an address like "abuse@example.net", or "abuse" for every domain`)
		}
	}
}

func (c Config) validateLimits(bad func(key, problem, write string)) {
	if c.MaxSize < 64<<10 || c.MaxSize > 512<<20 {
		bad("max_size", c.MaxSize.String()+" is not between 64KB and 512MB", `max_size = "25MB"`)
	}
	if c.MaxInflight < 2*c.MaxSize {
		bad("max_inflight_bytes", "it does not hold two mails of max_size", fmt.Sprintf("max_inflight_bytes = %q", 10*c.MaxSize))
	}
	for name, n := range map[string]int{
		"max_recipients": c.MaxRecipients, "max_connections": c.MaxConnections, "max_connections_client": c.MaxConnectionsClient,
		"connections_per_minute": c.ConnectionsPerMinute, "mails_per_minute": c.MailsPerMinute,
	} {
		if n < 1 {
			bad(name, fmt.Sprintf("%d lets nothing in", n), "a number above 0")
		}
	}
	for name, d := range map[string]unit.Duration{"idle_timeout": c.IdleTimeout, "session_timeout": c.SessionTimeout} {
		if d < unit.Duration(minute/6) {
			bad(name, d.String()+" is too short for mail", `"5m" or more (RFC 5321 §4.5.3.2)`)
		}
	}
}

func (c Config) validateAuth(bad func(key, problem, write string)) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls_cert", "tls_cert and tls_key belong together", "both, or neither")
	}
	for i, u := range c.Users {
		name, hash, _ := strings.Cut(u, ":")
		cost, err := bcrypt.Cost([]byte(hash))
		if name == "" || err != nil || cost > 14 {
			bad(key("users", i), "it is no name with a bcrypt hash of cost 14 at most", `what "htpasswd -nB NAME" prints`)
		}
	}
}
