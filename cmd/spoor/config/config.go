// Package config puts the rooms' configurations together into one spoor.toml, and reports every error in it at once.
package config

import (
	"net/mail"
	"net/netip"
	"path/filepath"
	"strings"

	"spoor/abusebox"
	"spoor/abusebox/intake"
	"spoor/abusebox/maillog"
	"spoor/abusebox/notify"
	"spoor/abusebox/report"
	"spoor/abusebox/stats"
	"spoor/flowwatch"
	"spoor/internal/unit"
	"spoor/milter"
	"spoor/registry"
)

// DefaultPath is where the configuration lies unless a flag or $SPOOR_CONFIG says otherwise.
const DefaultPath = "/etc/spoor/spoor.toml"

// A Config is the whole of spoor.toml.
type Config struct {
	Site    Site    `toml:"site"`
	Store   Store   `toml:"store"`
	Metrics Metrics `toml:"metrics"`

	Abusebox  intake.Config           `toml:"abusebox"`
	Report    report.Config           `toml:"report"`
	Maillog   maillog.Config          `toml:"maillog"`
	Stats     stats.Config            `toml:"stats"`
	Desk      abusebox.Config         `toml:"desk"`
	Incident  abusebox.IncidentConfig `toml:"incident"`
	Notify    notify.Config           `toml:"notify"`
	Milter    milter.Config           `toml:"milter"`
	Flowwatch flowwatch.Config        `toml:"flowwatch"`
	Registry  registry.Config         `toml:"registry"`

	// Path is the file that this was read from, empty where there was none.
	Path string `toml:"-"`
	// present holds the sections that the file names: one that is absent turns its service off.
	present map[string]bool
}

// Site says who we are: the operator's name, hosts, networks, and where people read what nobody answers for.
type Site struct {
	Name     string         `toml:"name"`
	Hosts    []string       `toml:"hosts"`
	Networks []netip.Prefix `toml:"networks"`
	Desk     string         `toml:"desk"`
}

// Store says where everything lies on disk, and how much of the disk is never used.
type Store struct {
	Dir     string    `toml:"dir"`
	MinFree unit.Size `toml:"min_free"`
	Control string    `toml:"control"`
	intake.SpoolConfig
}

// Spool is the configuration of the spool, with the folder and the bound that it shares with the rest of the store.
func (s Store) Spool() intake.SpoolConfig {
	cfg := s.SpoolConfig
	cfg.Dir, cfg.MinFree = s.Dir, s.MinFree
	return cfg
}

// Metrics says where Prometheus may read.
type Metrics struct {
	Listen string `toml:"listen"`
}

// Default is the configuration of a file that says nothing.
func Default() Config {
	return Config{
		Store:     Store{Dir: "/var/lib/spoor", MinFree: 1 << 30, SpoolConfig: intake.DefaultSpoolConfig()},
		Abusebox:  intake.DefaultConfig(),
		Desk:      abusebox.DefaultConfig(),
		Report:    report.DefaultConfig(),
		Maillog:   maillog.DefaultConfig(),
		Stats:     stats.DefaultConfig(),
		Incident:  abusebox.DefaultIncidentConfig(),
		Notify:    notify.DefaultConfig(),
		Milter:    milter.DefaultConfig(),
		Flowwatch: flowwatch.DefaultConfig(),
		Registry:  registry.DefaultConfig(),
	}
}

// Has says whether the file names the section, such as "milter".
func (c Config) Has(section string) bool { return c.present[section] }

// ControlPath is the Unix socket where the daemon answers commands.
func (c Config) ControlPath() string {
	if c.Store.Control != "" {
		return c.Store.Control
	}
	return filepath.Join(c.Store.Dir, "control.sock")
}

// validate asks every room for what is wrong with its section; bad is told the full key.
func (c Config) validate(bad func(key, problem, write string)) {
	in := func(section string) func(key, problem, write string) {
		return func(key, problem, write string) { bad(section+"."+key, problem, write) }
	}
	c.Site.validate(in("site"))
	c.Store.validate(in("store"))
	c.Metrics.validate(in("metrics"))
	c.Abusebox.Validate(in("abusebox"))
	c.Report.Validate(in("report"))
	c.Maillog.Validate(in("maillog"))
	c.Stats.Validate(in("stats"))
	c.Desk.Validate(in("desk"))
	c.Incident.Validate(in("incident"))
	c.Notify.Validate(in("notify"))
	if c.Has("milter") {
		c.Milter.Validate(in("milter"))
	}
	if c.Has("flowwatch") {
		c.Flowwatch.Validate(in("flowwatch"))
	}
	c.Registry.Validate(in("registry"))
}

func (s Site) validate(bad func(key, problem, write string)) {
	for i, host := range s.Hosts {
		if !validHost(host) {
			bad(index("hosts", i), quote(host)+" is no host name", `a name without dots at its ends, such as "example.net"`)
		}
	}
	for i, network := range s.Networks {
		if network != network.Masked() {
			bad(index("networks", i), quote(network.String())+" has bits set behind its length", quote(network.Masked().String()))
		}
	}
	if s.Desk != "" && !validMailbox(s.Desk) {
		bad("desk", quote(s.Desk)+" is no mail address", `a plain address, such as "abuse-desk@example.net"`)
	}
}

func (s Store) validate(bad func(key, problem, write string)) {
	if !filepath.IsAbs(s.Dir) {
		bad("dir", quote(s.Dir)+" is no absolute path", `a path from the root, such as "/var/lib/spoor"`)
	}
	if s.Control != "" && !filepath.IsAbs(s.Control) {
		bad("control", quote(s.Control)+" is no absolute path", `a path from the root, such as "/run/spoor/control.sock"`)
	}
	s.SpoolConfig.Validate(bad)
	if len(s.Control) > 100 {
		bad("control", "a Unix socket's path may not be longer than 100 bytes", "a shorter path")
	}
}

func (m Metrics) validate(bad func(key, problem, write string)) {
	if m.Listen == "" {
		return
	}
	if _, err := netip.ParseAddrPort(m.Listen); err != nil {
		bad("listen", quote(m.Listen)+" is no address with a port", `"127.0.0.1:9108" or "[::1]:9108"`)
	}
}

func validMailbox(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func validHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsAny(label, " \t/:@") {
			return false
		}
	}
	return true
}
