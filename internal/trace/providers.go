package trace

import (
	"net/netip"
	"slices"
)

// ProvidersAsOf is the day as of which the table of large providers tells what
// is known of their SPF records, published ranges and hosts in real mail.
const ProvidersAsOf = "2026-11-22"

// A Provider is one large mail provider: names that are one organisation, the
// networks of its mail hosts, and the hosts where mail enters it.
type Provider struct {
	Name string
	// Domains are the provider's own, each with all names below it.
	Domains []string
	// Networks hold its mail hosts, never its customers' machines.
	Networks []netip.Prefix
	// Edges are the names, with all below them, of the hosts that take mail
	// from outside. Mail between two tenants passes one again, so that a peer
	// within Networks is outside there.
	Edges []string
	// HiddenEdge is set where the hosts that take mail name themselves by
	// private addresses.
	HiddenEdge bool
	// Source says how the networks are known.
	Source string
}

// prefixes parses a list that is part of the program.
func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// What the networks of a Provider are known by. Networks that a provider names no
// longer stay: old mail passed through them.
const (
	fromPages  = "the provider's pages of its mail addresses, its SPF records, and the hosts that its lines name"
	fromSPF    = "copies of its SPF records, and the hosts that its lines name"
	fromOneSPF = "a copy of one of its SPF records (spf-a.mail.qq.com), the registries' records of its other networks, and the hosts that its lines name"
	fromRoutes = "the registries' records of its networks and the hosts that its lines name; not checked against its SPF records"
)

// Providers is the table of large providers as of ProvidersAsOf.
var Providers = []Provider{
	{
		Name: "microsoft",
		Domains: []string{"outlook.com", "office365.com", "exchangelabs.com", "hotmail.com", "outlook.cn", "partner.outlook.cn",
			"live.com", "msn.com", "microsoft.com", "office365.us", "outlook.de"},
		// 25.0.0.0/8 is used inside, by hosts that no route leads to.
		// Not all of 2603:1000::/24, 157.55.0.0/16 and their like: customers' machines have most of them.
		Networks: prefixes("25.0.0.0/8", "40.92.0.0/14", "40.96.0.0/13", "40.104.0.0/15", "40.107.0.0/16", "52.96.0.0/14", "52.100.0.0/14", "104.47.0.0/17", "132.245.0.0/16",
			"13.107.6.152/31", "13.107.18.10/31", "13.107.128.0/22", "23.103.132.0/22", "23.103.136.0/21", "23.103.144.0/20", "23.103.160.0/20", "23.103.198.0/23",
			"23.103.200.0/22", "23.103.212.0/22", "64.4.0.0/18", "65.54.0.0/16", "65.55.0.0/16", "70.37.151.128/25", "94.245.120.64/26", "111.221.23.128/25",
			"111.221.66.0/25", "111.221.69.128/25", "111.221.112.0/21", "131.253.33.0/24", "157.55.9.128/25", "157.55.11.0/25", "157.55.49.0/25", "157.55.61.0/24",
			"157.55.157.128/25", "157.55.158.0/23", "157.55.234.0/24", "157.56.24.0/25", "157.56.110.0/23", "157.56.112.0/24", "157.56.232.0/21", "157.56.240.0/20",
			"207.46.4.128/25", "207.46.51.64/26", "207.46.58.128/25", "207.46.100.0/23", "207.46.163.0/24", "207.46.198.0/25", "213.199.154.0/24", "213.199.180.128/26",
			"216.32.180.0/23", "2a01:111::/32", "2603:1006::/32", "2603:1016::/32", "2603:1026::/32", "2603:1036::/32", "2603:1046::/32", "2603:1056::/32",
			"2603:1066::/32", "2603:1076::/32", "2603:1086::/32", "2603:1096::/32", "2603:10a6::/32", "2603:10b6::/32", "2603:10c6::/32", "2603:10d6::/32",
			"2603:10e6::/32", "2603:10f6::/32"),
		Source: fromPages,
		Edges:  []string{"mail.protection.outlook.com", "mail.eo.outlook.com", "mx.microsoft", "olc.protection.outlook.com"},
	},
	{
		Name:    "google",
		Domains: []string{"google.com", "gmail.com", "googlemail.com", "googlegroups.com", "1e100.net"},
		Networks: prefixes("35.190.247.0/24", "35.191.0.0/16", "64.233.160.0/19", "66.102.0.0/20", "66.249.80.0/20", "72.14.192.0/18", "74.125.0.0/16",
			"108.177.8.0/21", "108.177.16.0/23", "108.177.96.0/19", "130.211.0.0/22", "142.250.0.0/15", "172.217.0.0/16", "172.253.0.0/16", "173.194.0.0/16", "209.85.128.0/17",
			"216.58.192.0/19", "216.239.32.0/19", "2001:4860:4000::/36", "2404:6800:4000::/36", "2607:f8b0:4000::/36", "2800:3f0:4000::/36",
			"2a00:1450:4000::/36", "2c0f:fb50:4000::/36", "2600:1901:101::/48", "2002:a00::/24"),
		Source: fromPages,
		Edges:  []string{"mx.google.com"},
	},
	{
		Name: "yahoo",
		Domains: []string{"yahoo.com", "yahoo.co.jp", "yahoodns.net", "yahoo.net", "yahoogroups.com", "ymail.com", "rocketmail.com", "aol.com", "aim.com", "aol.net", "oath.com",
			"yahoo.co.uk", "yahoo.co.in", "yahoo.fr", "yahoo.de", "yahoo.it", "yahoo.es"},
		Networks: prefixes("66.163.160.0/19", "66.196.64.0/18", "66.218.64.0/19", "67.195.0.0/16", "68.142.192.0/18", "68.180.128.0/17", "72.30.0.0/16", "74.6.0.0/16",
			"76.13.0.0/16", "77.238.176.0/20", "87.248.96.0/19", "98.136.0.0/14", "106.10.128.0/17", "119.160.244.0/22", "124.108.64.0/18", "188.125.64.0/19", "203.188.192.0/20",
			"206.190.32.0/19", "209.191.64.0/18", "212.82.96.0/19", "216.39.48.0/20", "216.109.112.0/20", "216.136.128.0/17", "217.12.0.0/20", "217.146.176.0/20",
			"64.12.0.0/16", "205.188.0.0/16", "152.163.0.0/16", "2001:4998::/32", "2a00:1288::/32"),
		Edges:      []string{"mail.yahoo.com", "mx.aol.com"},
		HiddenEdge: true,
		Source:     fromRoutes,
	},
	{
		Name:    "apple",
		Domains: []string{"icloud.com", "apple.com", "me.com", "mac.com", "icloud.com.cn"},
		Networks: prefixes("17.0.0.0/8", "144.178.36.0/24", "144.178.38.0/24", "106.39.212.64/29", "112.19.199.64/29", "112.19.242.64/29", "123.126.78.64/29",
			"157.255.1.64/29", "222.73.195.64/29", "2620:149::/32"),
		Source: fromSPF,
		Edges:  []string{"mx.icloud.com", "mx01.mail.icloud.com", "mx02.mail.icloud.com"},
	},
	{
		Name: "ionos",
		Domains: []string{"gmx.net", "gmx.de", "gmx.com", "web.de", "mail.com", "kundenserver.de", "perfora.net", "1and1.com", "1und1.de", "ionos.com", "ionos.de",
			"ui-r.com", "emig.gmx.net", "schlund.de"},
		Networks: prefixes("212.227.15.0/24", "212.227.17.0/24", "212.227.126.128/25", "217.72.192.0/24", "217.72.207.0/24", "82.165.159.0/24",
			"82.165.229.31/32", "82.165.229.130/32", "82.165.230.21/32", "82.165.230.22/32", "185.48.116.13/32", "212.227.25.128/25", "74.208.4.192/26", "74.208.5.64/26", "74.208.122.0/26", "213.165.64.0/22", "2001:8d8:5c2::/64", "2001:8d8:5c5::/64"),
		Source: fromSPF,
		Edges:  []string{"mx.kundenserver.de", "mx.perfora.net", "mx.gmx.net", "mx-ha.gmx.net", "mx.web.de", "mx-ha.web.de", "mx.mail.com"},
	},
	{
		Name:     "fastmail",
		Domains:  []string{"fastmail.com", "messagingengine.com", "fastmail.fm", "internal", "nyi.internal", "phl.internal", "stl.internal"},
		Networks: prefixes("66.111.4.0/24", "103.168.172.0/24", "202.12.124.0/24", "64.147.123.0/24", "64.147.108.0/24", "204.13.239.0/24"),
		Source:   fromSPF,
		Edges:    []string{"mx.messagingengine.com"},
	},
	{
		Name:     "proton",
		Domains:  []string{"protonmail.ch", "proton.ch", "proton.me", "protonmail.com", "pm.me"},
		Networks: prefixes("185.70.40.0/22", "79.135.106.0/23", "109.224.244.0/24", "185.205.70.0/24", "176.119.200.0/24", "51.83.17.38/32", "51.77.79.158/32"),
		Source:   fromSPF,
	},
	{
		Name:     "zoho",
		Domains:  []string{"zoho.com", "zohomail.com", "zoho.eu", "zoho.in", "zohomail.eu"},
		Networks: prefixes("136.143.160.0/19", "165.173.128.0/17", "169.148.128.0/17", "204.141.32.0/20", "103.117.158.0/24", "185.230.212.0/24"),
		Source:   fromSPF,
		Edges:    []string{"mx.zohomail.com"},
	},
	{
		Name:     "yandex",
		Domains:  []string{"yandex.ru", "yandex.net", "yandex.com", "ya.ru"},
		Networks: prefixes("5.45.192.0/18", "5.255.192.0/18", "37.9.64.0/18", "77.88.0.0/18", "87.250.224.0/19", "93.158.128.0/18", "95.108.128.0/17", "141.8.128.0/18", "178.154.128.0/18", "178.154.239.0/24", "213.180.192.0/19", "2a02:6b8::/32"),
		Source:   fromRoutes,
	},
	{
		Name:     "vk",
		Domains:  []string{"mail.ru", "bk.ru", "list.ru", "inbox.ru", "vk.com"},
		Networks: prefixes("94.100.176.0/20", "217.69.128.0/20", "185.30.176.0/22", "195.211.20.0/22", "79.137.240.0/22", "89.221.228.0/22", "95.163.32.0/19", "128.140.168.0/21", "176.112.168.0/21", "185.5.136.0/22", "185.86.144.0/22", "188.93.56.0/21", "2a00:1148::/29"),
		Source:   fromRoutes,
	},
	{
		Name:    "tencent",
		Domains: []string{"qq.com", "foxmail.com", "exmail.qq.com"},
		Networks: prefixes("43.154.54.12/32", "43.154.155.102/32", "43.154.197.177/32", "43.154.221.58/32", "43.155.65.254/32", "43.155.80.173/32",
			"54.92.39.34/32", "54.204.34.128/30", "54.206.16.166/32", "54.206.34.216/32", "54.207.19.206/32", "54.207.22.56/32", "54.243.244.52/32",
			"54.254.200.92/32", "54.254.200.128/32", "59.36.129.0/24", "59.36.132.0/24", "59.78.209.0/24", "103.7.28.0/22", "113.96.223.0/24", "113.108.11.0/24",
			"113.108.23.0/24", "119.147.193.0/24", "119.147.194.0/24", "162.62.57.0/24", "162.62.58.0/24", "183.3.226.0/24", "183.3.255.0/24",
			"203.205.221.0/24", "203.205.250.0/23"),
		Source: fromOneSPF,
	},
	{
		Name:    "netease",
		Domains: []string{"163.com", "126.com", "yeah.net", "netease.com", "188.com", "vip.163.com"},
		Networks: prefixes("220.181.12.0/22", "220.181.31.0/24", "220.181.72.0/24", "220.181.97.0/24", "220.197.30.0/23", "123.58.177.0/24",
			"123.58.178.0/24", "123.58.189.128/25", "123.125.50.0/24", "123.126.65.0/24", "123.126.96.0/23", "113.108.225.0/24", "113.108.226.64/26",
			"58.248.244.64/26", "121.195.178.48/28", "223.252.206.0/24", "223.252.213.0/24", "43.230.90.0/27", "14.29.82.0/25", "122.13.158.0/25",
			"103.129.252.0/22", "106.2.88.0/24", "218.107.63.0/24", "45.254.48.0/22", "111.124.203.0/24", "101.71.154.0/24", "117.135.207.0/24",
			"117.135.210.0/24", "117.135.214.0/24", "59.111.176.0/24", "220.194.24.0/24", "103.211.228.151/32",
			"180.150.142.123/32", "180.150.142.124/32", "180.150.154.88/32", "180.150.154.92/31", "35.154.184.19/32", "35.158.20.192/32",
			"52.19.67.100/32", "52.31.100.154/32", "52.52.2.81/32", "52.56.66.10/32", "52.198.69.159/32", "52.221.130.187/32",
			"54.219.167.112/32", "176.34.21.58/32",
			"2407:ae80:100:1000::/63", "2407:ae80:100:1002::/64", "2407:ae80:300:1000::/63"),
		Source: fromSPF,
	},
	{
		Name:     "comcast",
		Domains:  []string{"comcast.net", "cable.comcast.com"},
		Networks: prefixes("96.102.18.0/23", "96.102.200.0/23", "96.103.146.0/23", "96.114.154.0/23", "69.252.207.0/25", "68.87.20.0/24", "76.96.0.0/16", "2001:558:fd00::/40", "2001:558:fe00::/40"),
		Source:   fromRoutes,
	},
}

// provider returns the provider of a host's name, or nil.
func provider(name string) *Provider {
	for i := range Providers {
		for _, d := range Providers[i].Domains {
			if underDomain(name, d) {
				return &Providers[i]
			}
		}
	}
	return nil
}

// owns tells whether a is in the provider's networks.
func (p *Provider) owns(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// has tells whether a name is the provider's.
func (p *Provider) has(name string) bool {
	return slices.ContainsFunc(p.Domains, func(d string) bool { return underDomain(name, d) })
}

// edge tells whether a line of that provider was written where mail comes in
// from outside.
func (p *Provider) edge(h *Hop) bool {
	if slices.ContainsFunc(p.Edges, func(d string) bool { return underDomain(h.By, d) }) {
		return true
	}
	return p.HiddenEdge && h.ByIP.IsPrivate() && !h.IP.IsPrivate()
}
