package intake

import (
	"net"
	"path/filepath"

	"spoor/internal/unit"
)

// An IMAPConfig is one [[abusebox.imap]]: a mailbox to collect from. There is none by default.
type IMAPConfig struct {
	Server       string        `toml:"server"`        // "host:port"; 993 is TLS from the start, any other STARTTLS
	User         string        `toml:"user"`          // login name
	PasswordFile string        `toml:"password_file"` // file whose first line is the password
	Mailbox      string        `toml:"mailbox"`       // to collect from; empty is "INBOX"
	MoveTo       string        `toml:"move_to"`       // where collected mail goes; empty leaves it, flagged
	CAFile       string        `toml:"ca_file"`       // PEM file of the CA that signs the server; empty is the system's
	Poll         unit.Duration `toml:"poll"`          // how often to look where the server has no IDLE; 0 is "1m"
	Plaintext    bool          `toml:"plaintext"`     // no TLS: only for a server on this machine
}

func (c IMAPConfig) validate(bad func(key, problem, write string)) {
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil || host == "" || port == "" {
		bad("server", quote(c.Server)+" is no host with a port", `server = "imap.example.net:993"`)
	}
	if c.User == "" {
		bad("user", "it is empty", `user = "abuse"`)
	}
	if !filepath.IsAbs(c.PasswordFile) {
		bad("password_file", "it is no absolute path", `password_file = "/etc/spoor/imap-password"`)
	}
	if ip := net.ParseIP(host); c.Plaintext && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		bad("plaintext", "the password would cross the network in the clear", "plaintext = false, or a server on this machine")
	}
	if c.MoveTo != "" && c.MoveTo == c.mailbox() {
		bad("move_to", "it is the mailbox that is collected from", `move_to = "Collected"`)
	}
}

// implicitTLS says whether the port is one on which TLS begins at once (RFC 8314).
func (c IMAPConfig) implicitTLS() bool {
	_, port, err := net.SplitHostPort(c.Server)
	return err == nil && (port == "993" || port == "imaps")
}

func (c IMAPConfig) mailbox() string {
	if c.Mailbox == "" {
		return "INBOX"
	}
	return c.Mailbox
}
