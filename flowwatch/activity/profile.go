package activity

import (
	"fmt"
	"strings"
)

// A Profile says which flows are counted together, and by which rules they are judged. Profiles are
// data: the configuration may add some.
type Profile struct {
	Name   string   `toml:"name"`
	Proto  string   `toml:"proto"`  // "tcp", "udp" or "icmp"
	Ports  []uint16 `toml:"ports"`  // of the server; empty is any
	Only   string   `toml:"only"`   // "syn": only connection attempts that sent nothing but SYN
	Judge  Judge    `toml:"judge"`  // which rules apply
	Tiny   uint64   `toml:"tiny"`   // bytes a packet under which a flow counts as tiny
	Flows  uint64   `toml:"flows"`  // rate, scan: flows in an interval above which a host is listed
	Peers  int      `toml:"peers"`  // scan: distinct peers in an interval above which a host is listed
	Bytes  uint64   `toml:"bytes"`  // rate, reflect: bytes in an interval above which a host is listed
	Factor float64  `toml:"factor"` // reflect: answered bytes over asked bytes
}

// A Judge is a set of rules.
type Judge string

const (
	JudgeMail    Judge = "mail"    // fan-out, failures, inbound, persistence: the SMTP rules
	JudgeScan    Judge = "scan"    // many peers, few answers
	JudgeRate    Judge = "rate"    // plain volume
	JudgeReflect Judge = "reflect" // answers far larger than questions
)

// SMTP is the profile that is always there: submission ports count too, since stolen accounts use them.
func SMTP() Profile {
	return Profile{Name: "smtp", Proto: "tcp", Ports: []uint16{25, 465, 587}, Judge: JudgeMail, Tiny: 100}
}

// Known are the profiles that the configuration can turn on by name alone.
func Known() []Profile {
	return []Profile{
		SMTP(),
		{Name: "syn", Proto: "tcp", Ports: []uint16{80, 443, 445, 23, 22}, Only: "syn", Judge: JudgeScan, Tiny: 100, Flows: 500, Peers: 200},
		{Name: "syn-any", Proto: "tcp", Only: "syn", Judge: JudgeScan, Tiny: 100, Flows: 2000, Peers: 500},
		{Name: "icmp", Proto: "icmp", Judge: JudgeRate, Flows: 5000, Bytes: 1 << 30},
		{Name: "udp-amplification", Proto: "udp", Ports: []uint16{19, 53, 123, 161, 389, 1900, 11211},
			Judge: JudgeReflect, Bytes: 100 << 20, Factor: 8},
	}
}

// MaxProfiles is how many profiles can be counted at once.
const MaxProfiles = 8

// Fill takes what the profile leaves open from the known one of its name.
func (p Profile) Fill() Profile {
	for _, k := range Known() {
		if k.Name == p.Name {
			p = p.over(k)
		}
	}
	if p.Tiny == 0 {
		p.Tiny = 100
	}
	if p.Judge == "" {
		p.Judge = JudgeRate
	}
	return p
}

func (p Profile) over(k Profile) Profile {
	if p.Proto == "" {
		p.Proto, p.Ports, p.Only = k.Proto, k.Ports, k.Only
	}
	if p.Judge == "" {
		p.Judge = k.Judge
	}
	p.Tiny, p.Flows, p.Bytes = or(p.Tiny, k.Tiny), or(p.Flows, k.Flows), or(p.Bytes, k.Bytes)
	p.Peers, p.Factor = or(p.Peers, k.Peers), or(p.Factor, k.Factor)
	return p
}

func or[T uint64 | int | float64](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

// Validate reports what is wrong with a filled profile.
func (p Profile) Validate(bad func(key, problem, write string)) {
	if p.Name == "" || strings.ContainsAny(p.Name, " \t/|") {
		bad("name", fmt.Sprintf("%q is no name", p.Name), `a word, such as "smtp"`)
	}
	switch p.Proto {
	case "tcp", "udp", "icmp":
	default:
		bad("proto", fmt.Sprintf("%q is not counted", p.Proto), `"tcp", "udp" or "icmp"`)
	}
	switch p.Judge {
	case JudgeMail, JudgeScan, JudgeRate, JudgeReflect:
	default:
		bad("judge", fmt.Sprintf("there are no rules %q", p.Judge), `"mail", "scan", "rate" or "reflect"`)
	}
	if p.Only != "" && (p.Only != "syn" || p.Proto != "tcp") {
		bad("only", fmt.Sprintf("%q with proto %q", p.Only, p.Proto), `"syn" with proto "tcp", or nothing`)
	}
	if p.Judge != JudgeMail && p.Flows == 0 && p.Bytes == 0 && p.Peers == 0 {
		bad("flows", "no limit is set, so no host would ever be listed", "flows, peers or bytes in an interval")
	}
}
