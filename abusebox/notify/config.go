package notify

import (
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"spoor/internal/listen"
	"spoor/internal/unit"
)

// A Config is the section [notify] of spoor.toml.
type Config struct {
	From         string        `toml:"from"`          // who our mails are from; answers come back there, so intake must take its mail
	Name         string        `toml:"name"`          // the name shown with it
	Smarthost    string        `toml:"smarthost"`     // host:port that takes our mail; empty: straight to the MX of each contact
	User         string        `toml:"user"`          // to log in at the smarthost, if it asks
	PasswordFile string        `toml:"password_file"` // file with the password
	StartTLS     string        `toml:"starttls"`      // "offered", "required" (and verified) or "never"
	Send         bool          `toml:"send"`          // false: compose and keep everything, send nothing
	Language     string        `toml:"language"`      // of contacts that name none
	Zone         string        `toml:"zone"`          // time zone of contacts that name none
	Templates    string        `toml:"templates"`     // folder with templates that replace ours
	Policy       string        `toml:"policy"`        // link to the operator's policy, shown in every notice
	Redact       bool          `toml:"redact"`        // hide complainants, traps and third parties
	Acknowledge  bool          `toml:"acknowledge"`   // answer complainants, once a day each
	Delivery     string        `toml:"delivery"`      // of contacts that name none: "single" or "digest"
	PerContact   int           `toml:"per_contact"`   // mails to one contact in an hour
	PerHour      int           `toml:"per_hour"`      // mails in all in an hour
	Workers      int           `toml:"workers"`       // mails sent at the same time
	Timeout      unit.Duration `toml:"timeout"`       // of one SMTP session
	RetryFirst   unit.Duration `toml:"retry_first"`   // wait after the first failure; it doubles
	RetryMost    unit.Duration `toml:"retry_most"`    // and never grows past this
	Expire       unit.Duration `toml:"expire"`        // after so long a mail is given up
	DKIMDomain   string        `toml:"dkim_domain"`   // sign as this domain
	DKIMSelector string        `toml:"dkim_selector"` // with this selector
	DKIMKey      string        `toml:"dkim_key"`      // file with the private key, PEM
	HookTimeout  unit.Duration `toml:"hook_timeout"`  // how long a hook program may run
}

// DefaultConfig sends nothing until somebody says so.
func DefaultConfig() Config {
	return Config{
		From: "abuse@localhost", Smarthost: "127.0.0.1:25", StartTLS: "offered", Language: "en", Zone: "UTC", Redact: true,
		Delivery: "single", PerContact: 20, PerHour: 1000, Workers: 8, Timeout: unit.Duration(2 * time.Minute),
		RetryFirst: unit.Duration(5 * time.Minute), RetryMost: unit.Duration(4 * time.Hour), Expire: unit.Duration(5 * 24 * time.Hour),
		HookTimeout: unit.Duration(30 * time.Second),
	}
}

// Validate reports every mistake.
func (c Config) Validate(bad func(key, problem, write string)) {
	if a, err := mail.ParseAddress(c.From); err != nil || a.Address != c.From {
		bad("from", `"`+c.From+`" is no mail address`, `a plain address, such as "abuse@example.net"`)
	}
	if strings.ContainsAny(c.Name, "\r\n") {
		bad("name", "a name has one line", `name = "Example Network Abuse Desk"`)
	}
	if c.Smarthost != "" && !validServer(c.Smarthost) {
		bad("smarthost", strconv.Quote(c.Smarthost)+" is no host with a port from 1 to 65535", `"mail.example.net:25" or "192.0.2.25:25"`)
	}
	c.validateChoices(bad)
	c.validateNumbers(bad)
	if c.DKIMKey != "" && (c.DKIMDomain == "" || c.DKIMSelector == "") {
		bad("dkim_key", "a key without a domain and a selector signs nothing", `dkim_domain = "example.net" and dkim_selector = "spoor"`)
	}
	if c.User != "" && c.PasswordFile == "" {
		bad("user", "a user without a password file cannot log in", `password_file = "/etc/spoor/smarthost.password"`)
	}
	if c.User != "" && c.StartTLS != "required" && !isLoopback(c.Smarthost) {
		bad("starttls", "a password must not go to a server whose name was not verified", `starttls = "required"`)
	}
}

// validServer says whether s can be connected to: an address or a host name, and a port.
func validServer(s string) bool {
	host, port, ok := listen.ParseAddress(s)
	return ok && host != "" && port != 0
}

func isLoopback(hostport string) bool {
	host, _, _ := net.SplitHostPort(hostport)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c Config) validateChoices(bad func(key, problem, write string)) {
	if !slices.Contains([]string{"offered", "required", "never"}, c.StartTLS) {
		bad("starttls", `"`+c.StartTLS+`" is unknown`, `"offered", "required" or "never"`)
	}
	if !slices.Contains(Languages(), c.Language) && c.Templates == "" {
		bad("language", `there are no templates in "`+c.Language+`"`, `"en" or "zh-TW", or a folder of your own in templates`)
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		bad("zone", `"`+c.Zone+`" is no time zone`, `a name such as "Europe/Vienna" or "UTC"`)
	}
	if c.Delivery != "single" && c.Delivery != "digest" {
		bad("delivery", `"`+c.Delivery+`" is unknown`, `"single" or "digest"`)
	}
}

func (c Config) validateNumbers(bad func(key, problem, write string)) {
	for _, n := range []struct {
		key   string
		value int
		most  int
	}{{"per_contact", c.PerContact, 10_000}, {"per_hour", c.PerHour, 1_000_000}, {"workers", c.Workers, 256}} {
		if n.value < 1 || n.value > n.most {
			bad(n.key, "it must be at least 1 and not absurdly large", n.key+" = 20")
		}
	}
	for _, d := range []struct {
		key   string
		value unit.Duration
	}{{"timeout", c.Timeout}, {"retry_first", c.RetryFirst}, {"retry_most", c.RetryMost}, {"expire", c.Expire}, {"hook_timeout", c.HookTimeout}} {
		if d.value.Std() < time.Second {
			bad(d.key, d.value.String()+" is too short", d.key+` = "5m"`)
		}
	}
	if c.RetryMost < c.RetryFirst {
		bad("retry_most", "it is shorter than retry_first", `retry_most = "4h"`)
	}
}
