package flowwatch

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"spoor/flowwatch/activity"
	"spoor/flowwatch/anomaly"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow"
	"spoor/internal/unit"
)

// Config is the section [flowwatch].
type Config struct {
	Listen     []string       `toml:"listen"`
	Exporters  []string       `toml:"exporters"`
	Sampling   []string       `toml:"sampling"`
	Observe    []string       `toml:"observe"`
	Interfaces []string       `toml:"interfaces"`
	Networks   []netip.Prefix `toml:"networks"`
	Buffer     unit.Size      `toml:"receive_buffer"`

	Interval  unit.Duration `toml:"interval"`
	Delegated int           `toml:"delegated"`
	MaxHosts  int           `toml:"max_hosts"`
	MaxPairs  int           `toml:"max_pairs"`

	Profiles []string           `toml:"profiles"`
	Profile  []activity.Profile `toml:"profile"`

	Mode        anomaly.Mode    `toml:"mode"`
	Threshold   int             `toml:"threshold"`
	Enter       float64         `toml:"enter"`
	EnterSlow   float64         `toml:"enter_slow"`
	EnterPast   float64         `toml:"enter_past"`
	Leave       float64         `toml:"leave"`
	LeaveAfter  int             `toml:"leave_after"`
	MailServers []netip.Prefix  `toml:"mail_servers"`
	Allow       []anomaly.Allow `toml:"allow"`

	KeepIntervals unit.Duration `toml:"keep_intervals"`
	KeepHours     unit.Duration `toml:"keep_hours"`
	KeepDays      unit.Duration `toml:"keep_days"`
	KeepList      unit.Duration `toml:"keep_list"`
}

// DefaultConfig hears nobody until exporters are named.
func DefaultConfig() Config {
	judge, keep := anomaly.DefaultConfig(), history.DefaultKeep()
	return Config{
		Listen: []string{}, Exporters: []string{}, Sampling: []string{}, Observe: []string{}, Interfaces: []string{}, Networks: []netip.Prefix{},
		Buffer: 64 << 20, Interval: unit.Duration(5 * time.Minute), Delegated: 64, MaxHosts: 1_000_000, MaxPairs: 32_768,
		Profiles: []string{"smtp"}, Mode: judge.Mode, Threshold: int(judge.Flows),
		Enter: judge.Enter, EnterSlow: judge.EnterSlow, EnterPast: judge.EnterPast,
		Leave: judge.Leave, LeaveAfter: judge.LeaveAfter, MailServers: []netip.Prefix{},
		KeepIntervals: unit.Duration(keep.Intervals), KeepHours: unit.Duration(keep.Hours),
		KeepDays: unit.Duration(keep.Days), KeepList: unit.Duration(keep.List),
	}
}

// Validate reports everything that is wrong.
func (c Config) Validate(bad func(key, problem, write string)) {
	for i, s := range c.Listen {
		if _, err := netip.ParseAddrPort(s); err != nil {
			bad(fmt.Sprintf("listen[%d]", i), fmt.Sprintf("%q is no address with a port", s), `"[::]:2055", or "192.0.2.1:6343"`)
		}
	}
	if len(c.Listen) > 0 && len(c.Exporters) == 0 {
		bad("exporters", "no exporter is named, so nobody would be heard", `the routers' addresses: ["192.0.2.1"]`)
	}
	c.validateExporters(bad)
	c.validateCounting(bad)
	c.validateJudging(bad)
}

func (c Config) validateExporters(bad func(key, problem, write string)) {
	for i, s := range c.Exporters {
		if _, err := parseNetwork(s); err != nil {
			bad(fmt.Sprintf("exporters[%d]", i), fmt.Sprintf("%q is neither address nor network", s), `"192.0.2.1" or "192.0.2.0/28"`)
		}
	}
	for i, s := range c.Sampling {
		if _, _, err := parseSampling(s); err != nil {
			bad(fmt.Sprintf("sampling[%d]", i), fmt.Sprintf("%q is no exporter with its rate", s), `"192.0.2.1=1000" for one packet in 1000`)
		}
	}
	for i, s := range c.Observe {
		if _, err := parsePoint(s); err != nil {
			bad(fmt.Sprintf("observe[%d]", i), fmt.Sprintf("%q is no point of observation", s), `"192.0.2.1" or "192.0.2.1#12", an exporter and its input interface`)
		}
	}
	for i, s := range c.Interfaces {
		if _, _, err := parseInterface(s); err != nil {
			bad(fmt.Sprintf("interfaces[%d]", i), fmt.Sprintf("%q names no interface", s), `"192.0.2.1#12=ge-0/0/1": an exporter, the number in its flows, and the name in its routes`)
		}
	}
	for i, p := range c.Networks {
		if p != p.Masked() {
			bad(fmt.Sprintf("networks[%d]", i), fmt.Sprintf("%q has bits set behind its length", p), strconv.Quote(p.Masked().String()))
		}
	}
}

func (c Config) validateCounting(bad func(key, problem, write string)) {
	between := func(key string, v, low, high int) {
		if v < low || v > high {
			bad(key, fmt.Sprintf("%d is out of range", v), fmt.Sprintf("a number from %d to %d", low, high))
		}
	}
	if d := c.Interval.Std(); d < 10*time.Second || d > time.Hour || time.Hour%d != 0 {
		bad("interval", fmt.Sprintf("%s does not divide an hour", c.Interval), `"1m", "5m", "10m" or the like, at least "10s"`)
	}
	between("delegated", c.Delegated, 32, 127)
	between("max_hosts", c.MaxHosts, 1000, 100_000_000)
	between("max_pairs", c.MaxPairs, 0, 100_000_000)
	if c.Buffer < 64<<10 || c.Buffer > 1<<30 {
		bad("receive_buffer", fmt.Sprintf("%s is out of range", c.Buffer), `from "64KB" to "1GB"`)
	}
	if n := len(c.Profiles) + len(c.Profile); n > activity.MaxProfiles {
		bad("profiles", fmt.Sprintf("%d profiles are too many", n), fmt.Sprintf("at most %d", activity.MaxProfiles))
	}
	for i, name := range c.Profiles {
		if !isKnown(name) {
			bad(fmt.Sprintf("profiles[%d]", i), fmt.Sprintf("there is no profile %q", name), "one of "+knownNames()+", or define it in [[flowwatch.profile]]")
		}
	}
	for i, p := range c.Profile {
		p.Fill().Validate(func(key, problem, write string) { bad(fmt.Sprintf("profile[%d].%s", i, key), problem, write) })
	}
}

func (c Config) validateJudging(bad func(key, problem, write string)) {
	if c.Mode != anomaly.ModeScore && c.Mode != anomaly.ModeThresholds {
		bad("mode", fmt.Sprintf("there is no mode %q", c.Mode), `"score" or "thresholds"`)
	}
	if c.Threshold < 1 {
		bad("threshold", fmt.Sprintf("%d flows are no threshold", c.Threshold), "a number of flows, such as 30 or 100")
	}
	for key, v := range map[string]float64{"enter": c.Enter, "enter_slow": c.EnterSlow, "enter_past": c.EnterPast} {
		if !(v > 0 && v < 1000) {
			bad(key, fmt.Sprintf("%v is no score", v), "a score above 0")
		}
	}
	if !(c.Leave > 0 && c.Leave <= 1) {
		bad("leave", fmt.Sprintf("%v is no share", c.Leave), "a share of the entering score, such as 0.6")
	}
	if c.LeaveAfter < 1 {
		bad("leave_after", fmt.Sprintf("%d intervals end no entry", c.LeaveAfter), "a number of intervals, such as 3")
	}
	for i, a := range c.Allow {
		if !a.Net.IsValid() {
			bad(fmt.Sprintf("allow[%d].net", i), "no network is given", `the network that is tolerated: "192.0.2.25/32"`)
		}
		if a.Reason == "" {
			bad(fmt.Sprintf("allow[%d].reason", i), "no reason is given", "why it is tolerated, for those who ask later")
		}
	}
}

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

func parseSampling(s string) (netip.Addr, uint32, error) {
	host, rate, _ := strings.Cut(s, "=")
	a, err := netip.ParseAddr(host)
	if err != nil {
		return a, 0, err
	}
	n, err := strconv.ParseUint(rate, 10, 30)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return a.Unmap(), uint32(n), err
}

// A point is where flows are counted: an exporter and, unless 0, one of its input interfaces.
type point struct {
	exporter netip.Addr
	in       uint32
}

func parsePoint(s string) (p point, err error) {
	host, in, found := strings.Cut(s, "#")
	if p.exporter, err = netip.ParseAddr(host); err != nil {
		return p, err
	}
	p.exporter = p.exporter.Unmap()
	if found {
		n, err := strconv.ParseUint(in, 10, 32)
		p.in = uint32(n)
		return p, err
	}
	return p, nil
}

// A namedInterface is an interface as an exporter's routes name it.
type namedInterface struct {
	exporter netip.Addr
	name     string
}

func parseInterface(s string) (i namedInterface, ifIndex uint32, err error) {
	at, name, _ := strings.Cut(s, "=")
	p, err := parsePoint(at)
	if err == nil && (p.in == 0 || name == "") {
		err = strconv.ErrSyntax
	}
	return namedInterface{p.exporter, name}, p.in, err
}

func (c Config) interfaces() map[namedInterface]uint32 {
	named := make(map[namedInterface]uint32)
	for _, s := range c.Interfaces {
		if i, ifIndex, err := parseInterface(s); err == nil {
			named[i] = ifIndex
		}
	}
	return named
}

func isKnown(name string) bool {
	for _, p := range activity.Known() {
		if p.Name == name {
			return true
		}
	}
	return false
}

func knownNames() string {
	var names []string
	for _, p := range activity.Known() {
		names = append(names, strconv.Quote(p.Name))
	}
	return strings.Join(names, ", ")
}

// AllProfiles are the profiles turned on by name and those defined in full; of one name, the definition counts.
func (c Config) AllProfiles() []activity.Profile {
	var list []activity.Profile
	for _, p := range c.Profile {
		list = append(list, p.Fill())
	}
	for _, name := range c.Profiles {
		p := activity.Profile{Name: name}.Fill()
		defined := false
		for _, have := range list {
			defined = defined || have.Name == name
		}
		if !defined {
			list = append(list, p)
		}
	}
	return list
}

func (c Config) decoder() netflow.Config {
	d := netflow.Config{Sampling: map[netip.Addr]uint32{}}
	for _, s := range c.Exporters {
		if p, err := parseNetwork(s); err == nil {
			d.Allowed = append(d.Allowed, p)
		}
	}
	for _, s := range c.Sampling {
		if a, rate, err := parseSampling(s); err == nil {
			d.Sampling[a] = rate
		}
	}
	return d
}

// points is nil where flows of all exporters and interfaces count.
func (c Config) points() func(exporter netip.Addr, in uint32) bool {
	if len(c.Observe) == 0 {
		return nil
	}
	set := map[point]bool{}
	for _, s := range c.Observe {
		if p, err := parsePoint(s); err == nil {
			set[p] = true
		}
	}
	return func(exporter netip.Addr, in uint32) bool {
		return set[point{exporter, in}] || set[point{exporter, 0}]
	}
}

func (c Config) judge() anomaly.Config {
	j := anomaly.DefaultConfig()
	j.Mode, j.Flows = c.Mode, uint64(c.Threshold)
	j.Enter, j.EnterSlow, j.EnterPast = c.Enter, c.EnterSlow, c.EnterPast
	j.Leave, j.LeaveAfter = c.Leave, c.LeaveAfter
	j.MailServers, j.Allow = c.MailServers, c.Allow
	return j
}

// Keep is how long the history keeps what.
func (c Config) Keep() history.Keep {
	return history.Keep{
		Intervals: c.KeepIntervals.Std(), Hours: c.KeepHours.Std(), Days: c.KeepDays.Std(), List: c.KeepList.Std(),
	}
}
