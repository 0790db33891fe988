package registry

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Config is the section [registry] of spoor.toml. File names are relative to the
// folder of that file.
type Config struct {
	Contacts    []string       `toml:"contacts"`
	Routes      []string       `toml:"routes"`
	Upstreams   []netip.Addr   `toml:"upstreams"`
	PollEvery   Duration       `toml:"poll_every"`
	StaleAfter  Duration       `toml:"stale_after"`
	ReloadEvery Duration       `toml:"reload_every"`
	KeepHistory Duration       `toml:"keep_history"`
	MaxLeases   int            `toml:"max_leases"`
	Leases      []LeaseConfig  `toml:"leases"`
	Routers     []RouterConfig `toml:"router"`
	Discover    DiscoverConfig `toml:"discover"`
	Serve       ServeConfig    `toml:"serve"`
	Outside     OutsideConfig  `toml:"outside"`
}

// A RouterConfig is one router whose routing tables are walked over SNMP.
type RouterConfig struct {
	Name           string   `toml:"name"`
	Address        string   `toml:"address"`
	Port           uint16   `toml:"port"`
	Version        string   `toml:"version"`
	CommunityFile  string   `toml:"community_file"`
	CommunityEnv   string   `toml:"community_env"`
	User           string   `toml:"user"`
	Auth           string   `toml:"auth"`
	AuthFile       string   `toml:"auth_file"`
	AuthEnv        string   `toml:"auth_env"`
	Priv           string   `toml:"priv"`
	PrivFile       string   `toml:"priv_file"`
	PrivEnv        string   `toml:"priv_env"`
	Contexts       []string `toml:"contexts"`
	Tables         []string `toml:"tables"`
	Protocols      []string `toml:"protocols"`
	NotProtocols   []string `toml:"not_protocols"`
	Types          []string `toml:"types"`
	Interfaces     []string `toml:"interfaces"`
	NotInterfaces  []string `toml:"not_interfaces"`
	MaxRows        int      `toml:"max_rows"`
	TimeBudget     Duration `toml:"time_budget"`
	RequestTimeout Duration `toml:"request_timeout"`
	Retries        int      `toml:"retries"`
	Repetitions    int      `toml:"repetitions"`
	Pause          Duration `toml:"pause"`
	IgnoreCount    bool     `toml:"ignore_count"`
	Prefer         int      `toml:"prefer"`
}

// A DiscoverConfig bounds the search for further routers by their next hops.
type DiscoverConfig struct {
	Networks   []netip.Prefix `toml:"networks"`
	Depth      int            `toml:"depth"`
	MaxRouters int            `toml:"max_routers"`
}

// A LeaseConfig is one kind of log that says who had an address.
type LeaseConfig struct {
	Files      []string `toml:"files"`
	Format     string   `toml:"format"`
	Pattern    string   `toml:"pattern"`
	TimeFormat string   `toml:"time_format"`
	Zone       string   `toml:"zone"`
	Length     Duration `toml:"length"`
}

// A ServeConfig says where the registry answers others.
type ServeConfig struct {
	RWhois       string         `toml:"rwhois"`
	Whois        string         `toml:"whois"`
	RDAP         string         `toml:"rdap"`
	Hostname     string         `toml:"hostname"`
	AuthArea     string         `toml:"auth_area"`
	Root         string         `toml:"root"`
	RDAPBase     string         `toml:"rdap_base"`
	RDAPRedirect string         `toml:"rdap_redirect"`
	Personal     []netip.Prefix `toml:"personal"`
	Transfer     []netip.Prefix `toml:"transfer"`
	Delegated    []Delegation   `toml:"delegated"`
	MaxClients   int            `toml:"max_clients"`
	MaxPerClient int            `toml:"max_per_client"`
	Timeout      Duration       `toml:"timeout"`
	MaxAnswers   int            `toml:"max_answers"`
}

// A Delegation is a part of our space that another server answers for.
type Delegation struct {
	Network netip.Prefix `toml:"network"`
	Server  string       `toml:"server"`
}

// An OutsideConfig says whom to ask about space that is not ours.
type OutsideConfig struct {
	Sources       []string `toml:"sources"`
	RDAPBootstrap string   `toml:"rdap_bootstrap"`
	WhoisServer   string   `toml:"whois_server"`
	RWhoisServer  string   `toml:"rwhois_server"`
	DNSZone       string   `toml:"dns_zone"`
	DNSServer     string   `toml:"dns_server"`
	Timeout       Duration `toml:"timeout"`
	CacheFor      Duration `toml:"cache_for"`
	CacheMissFor  Duration `toml:"cache_miss_for"`
	CacheSize     int      `toml:"cache_size"`
	PerMinute     int      `toml:"per_minute"`
}

// DefaultConfig is a registry that reads nothing, serves nothing and asks nobody.
func DefaultConfig() Config {
	return Config{
		PollEvery:   Duration(15 * time.Minute),
		StaleAfter:  Duration(2 * time.Hour),
		ReloadEvery: Duration(10 * time.Second),
		KeepHistory: Duration(400 * 24 * time.Hour),
		MaxLeases:   2_000_000,
		Discover:    DiscoverConfig{Depth: 3, MaxRouters: 100},
		Serve: ServeConfig{AuthArea: "", Root: "rwhois://root.rwhois.net:4321/auth-area=.", MaxClients: 500, MaxPerClient: 10,
			Timeout: Duration(30 * time.Second), MaxAnswers: 2000},
		Outside: OutsideConfig{RDAPBootstrap: "https://data.iana.org/rdap", WhoisServer: "whois.iana.org:43",
			Timeout: Duration(10 * time.Second), CacheFor: Duration(24 * time.Hour), CacheMissFor: Duration(time.Hour),
			CacheSize: 50_000, PerMinute: 30},
	}
}

// WithDefaults fills what a router's table leaves open.
func (r RouterConfig) WithDefaults() RouterConfig {
	if r.Name == "" {
		r.Name = r.Address
	}
	if r.Port == 0 {
		r.Port = 161
	}
	if r.Version == "" {
		r.Version = "2c"
		if r.User != "" {
			r.Version = "3"
		}
	}
	if len(r.Contexts) == 0 {
		r.Contexts = []string{""}
	}
	if len(r.Tables) == 0 {
		r.Tables = []string{"inetCidrRouteTable", "ipCidrRouteTable", "ipRouteTable", "ipForwardTable"}
	}
	setInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	setInt(&r.MaxRows, 200_000)
	setInt(&r.Repetitions, 40)
	setInt(&r.Retries, 3)
	if r.TimeBudget == 0 {
		r.TimeBudget = Duration(2 * time.Minute)
	}
	if r.RequestTimeout == 0 {
		r.RequestTimeout = Duration(5 * time.Second)
	}
	return r
}

// Validate reports every mistake: the key within the section, what is wrong with it, and
// what to write instead.
func (c Config) Validate(bad func(key, problem, write string)) {
	positive := func(key string, n int) {
		if n <= 0 {
			bad(key, fmt.Sprintf("%d is not above zero", n), "a whole number above zero")
		}
	}
	positive("max_leases", c.MaxLeases)
	if c.PollEvery.Std() < time.Second {
		bad("poll_every", "is under a second", `a length of time, such as "15m"`)
	}
	if c.ReloadEvery.Std() < 100*time.Millisecond {
		bad("reload_every", "is under a tenth of a second", `a length of time, such as "10s"`)
	}
	names := map[string]int{}
	for i, r := range c.Routers {
		r.validate(fmt.Sprintf("router[%d].", i), bad)
		name := r.WithDefaults().Name
		if first, dup := names[name]; dup {
			bad(fmt.Sprintf("router[%d].name", i), fmt.Sprintf("%q is also the name of router[%d]", name, first), "a name of its own")
		}
		names[name] = i
	}
	for i, l := range c.Leases {
		l.validate(fmt.Sprintf("leases[%d].", i), bad)
	}
	masked("discover.networks", c.Discover.Networks, bad)
	c.Serve.validate(bad)
	c.Outside.validate(bad)
}

func masked(key string, list []netip.Prefix, bad func(key, problem, write string)) {
	for i, p := range list {
		if p != p.Masked() {
			bad(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("%q has bits set behind its length", p), fmt.Sprintf("%q", p.Masked()))
		}
	}
}

// The names that a RouterConfig may hold.
var (
	routerTables = []string{"inetCidrRouteTable", "ipCidrRouteTable", "ipRouteTable", "ipForwardTable"}
	authNames    = []string{"", "MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"}
	privNames    = []string{"", "DES", "AES", "AES-192", "AES-256", "AES-192C", "AES-256C"}
)

func (r RouterConfig) validate(at string, bad func(key, problem, write string)) {
	oneOf := func(key, value string, allowed []string) {
		if !slices.Contains(allowed, value) {
			bad(at+key, fmt.Sprintf("%q is not known", value), "one of "+strings.TrimPrefix(strings.Join(allowed, ", "), ", "))
		}
	}
	if r.Address == "" {
		bad(at+"address", "is missing", `the router's address or name, such as "192.0.2.1"`)
	}
	r = r.WithDefaults()
	oneOf("version", r.Version, []string{"2c", "3"})
	oneOf("auth", r.Auth, authNames)
	oneOf("priv", r.Priv, privNames)
	for i, t := range r.Tables {
		oneOf(fmt.Sprintf("tables[%d]", i), t, routerTables)
	}
	if r.Version == "2c" && (r.CommunityFile == "") == (r.CommunityEnv == "") {
		bad(at+"community_file", "a router asked by version 2c needs a community", "either community_file or community_env")
	}
	if r.Version == "3" && r.User == "" {
		bad(at+"user", "a router asked by version 3 needs a user", "the user's name")
	}
	if r.Auth != "" && (r.AuthFile == "") == (r.AuthEnv == "") {
		bad(at+"auth_file", "auth needs a passphrase", "either auth_file or auth_env")
	}
	if r.Priv != "" && (r.PrivFile == "") == (r.PrivEnv == "") {
		bad(at+"priv_file", "priv needs a passphrase", "either priv_file or priv_env")
	}
	if r.Priv != "" && r.Auth == "" {
		bad(at+"auth", "priv without auth is no security level", `"SHA-256"`)
	}
	if r.MaxRows < 1 || r.Repetitions < 1 || r.Repetitions > 1000 || r.Retries < 0 {
		bad(at+"repetitions", "max_rows and repetitions must be above zero, repetitions at most 1000, retries not below zero", "40")
	}
}

func (l LeaseConfig) validate(at string, bad func(key, problem, write string)) {
	if len(l.Files) == 0 {
		bad(at+"files", "is missing", "a list of log files")
	}
	for i, name := range l.Files {
		if _, err := filepath.Match(name, ""); isPattern(name) && err != nil {
			bad(fmt.Sprintf("%sfiles[%d]", at, i), fmt.Sprintf("%q is no pattern of names", name), `a name, or a pattern such as "detail-*"`)
		}
	}
	if !slices.Contains([]string{"csv", "radius", "syslog"}, l.Format) {
		bad(at+"format", fmt.Sprintf("%q is not known", l.Format), "csv, radius or syslog")
	}
	if _, err := time.LoadLocation(l.Zone); err != nil {
		bad(at+"zone", fmt.Sprintf("%q is no time zone", l.Zone), `a name such as "UTC" or "Asia/Taipei"`)
	}
	if l.Format != "syslog" {
		return
	}
	re, err := regexp.Compile(l.Pattern)
	switch {
	case err != nil:
		bad(at+"pattern", err.Error(), "a regular expression of RE2 with named groups")
	case re.SubexpIndex("ip") < 0 || re.SubexpIndex("time") < 0 || re.SubexpIndex("who") < 0:
		bad(at+"pattern", "has no groups named ip, time and who", "(?P<time>…) (?P<ip>…) (?P<who>…)")
	}
}

func (s ServeConfig) validate(bad func(key, problem, write string)) {
	listeners := []struct{ key, addr string }{{"serve.rwhois", s.RWhois}, {"serve.whois", s.Whois}, {"serve.rdap", s.RDAP}}
	for _, l := range listeners {
		if _, err := netip.ParseAddrPort(l.addr); l.addr != "" && err != nil {
			bad(l.key, fmt.Sprintf("%q is no address with a port", l.addr), `"[::]:4321" or "127.0.0.1:4321"`)
		}
	}
	if s.MaxClients < 1 || s.MaxPerClient < 1 || s.MaxAnswers < 1 {
		bad("serve.max_clients", "max_clients, max_per_client and max_answers must be above zero", "500")
	}
	masked("serve.personal", s.Personal, bad)
	masked("serve.transfer", s.Transfer, bad)
	for i, d := range s.Delegated {
		if !d.Network.IsValid() || d.Network != d.Network.Masked() {
			bad(fmt.Sprintf("serve.delegated[%d].network", i), "is no network", `"192.0.2.0/25"`)
		}
		if !strings.HasPrefix(d.Server, "rwhois://") {
			bad(fmt.Sprintf("serve.delegated[%d].server", i), fmt.Sprintf("%q is no RWhois server", d.Server), `"rwhois://whois.example.net:4321"`)
		}
	}
}

func (o OutsideConfig) validate(bad func(key, problem, write string)) {
	for i, s := range o.Sources {
		if !slices.Contains([]string{"rdap", "whois", "rwhois", "dns"}, s) {
			bad(fmt.Sprintf("outside.sources[%d]", i), fmt.Sprintf("%q is not known", s), "rdap, whois, rwhois or dns")
		}
		if s == "dns" && o.DNSZone == "" || s == "rwhois" && o.RWhoisServer == "" {
			bad(fmt.Sprintf("outside.sources[%d]", i), s+" needs to know whom to ask", "outside.dns_zone or outside.rwhois_server as well")
		}
	}
	if o.CacheSize < 1 || o.PerMinute < 1 {
		bad("outside.cache_size", "cache_size and per_minute must be above zero", "50000")
	}
}
