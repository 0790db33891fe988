package report

import (
	"slices"
	"strings"
)

// withSections adds to addresses that keys of logs name (SRC=) those of other
// logs that the text speaks of too: a letter with a section for each offender.
func (w *weighing) withSections(named, all []*weighed) []*weighed {
	if anyOf(named, func(c *weighed) bool { return !w.inLog(c) || !w.inProse(c) }) {
		return named
	}
	among := map[*weighed]bool{}
	for _, c := range named {
		among[c] = true
	}
	return keep(all, func(c *weighed) bool { return among[c] || c.logged && w.inProse(c) })
}

// inLog tells whether a line that begins with a time names the address.
func (w *weighing) inLog(c *weighed) bool {
	for _, i := range c.lines[:min(len(c.lines), 16)] {
		if stamped(w.lines[i].text) {
			return true
		}
	}
	return false
}

// withNetworks adds networks that the text lists like the addresses taken, and
// that hold none of them.
func (w *weighing) withNetworks(best, all []*weighed) []*weighed {
	if anyOf(best, func(o *weighed) bool { return !w.standsAlone(o) }) {
		return best
	}
	least, taken := 100, map[*weighed]bool{}
	var ips []addr
	for _, c := range best {
		least, taken[c] = min(least, c.forIt.weight), true
		ips = append(ips, c.ip)
	}
	slices.SortFunc(ips, addr.Compare)
	return append(best, keep(all, func(c *weighed) bool {
		if c.prefix < 0 || c.prefix >= c.ip.BitLen() || c.forIt.weight < least || c.forIt.weight < weightBare || c.forIt.is == reference || taken[c] || !w.standsAlone(c) {
			return false
		}
		net, err := c.ip.Prefix(c.prefix)
		if err != nil {
			return false
		}
		i, _ := slices.BinarySearchFunc(ips, net.Addr(), addr.Compare)
		return i == len(ips) || !net.Contains(ips[i])
	})...)
}

// standsAlone tells whether an address has a line of a list for itself.
func (w *weighing) standsAlone(c *weighed) bool {
	for _, i := range c.lines {
		if l := &w.lines[i]; len(l.hits) == 1 && strings.Trim(l.text[:l.hits[0].start], " \t-*•#") == "" && len(strings.TrimSpace(l.text[l.hits[0].full:])) < 4 {
			return true
		}
	}
	return false
}

// withoutURLs drops what is only the host of a URL where a label names who did
// it: the form of a comment that a blog's owner passes on.
func (w *weighing) withoutURLs(list []*weighed) []*weighed {
	if w.offers() || !anyOf(list, func(c *weighed) bool { return c.named && c.forIt.word != "URL" }) {
		return list
	}
	return keep(list, func(c *weighed) bool { return c.forIt.word != "URL" || c.inSubject })
}

// withListed adds to the subject's addresses those of the list in which they
// stand: "x: name" in one line after the other.
func (w *weighing) withListed(subject, all []*weighed) []*weighed {
	among, listed := map[*weighed]bool{}, map[int]bool{}
	for _, c := range subject {
		among[c] = true
		for _, i := range c.lines[:min(len(c.lines), 16)] {
			if w.heads(i) == c.ip {
				w.listAround(i, listed)
				break
			}
		}
	}
	return keep(all, func(c *weighed) bool {
		for _, i := range c.lines {
			if listed[i] && w.heads(i) == c.ip && !c.logged {
				return true
			}
		}
		return among[c]
	})
}

// listAround marks the lines of the list to which line i belongs, once.
func (w *weighing) listAround(i int, listed map[int]bool) {
	if listed[i] {
		return
	}
	for first := i; first >= 0 && w.heads(first).IsValid(); first-- {
		listed[first] = true
	}
	for last := i; last < len(w.lines) && w.heads(last).IsValid(); last++ {
		listed[last] = true
	}
}

// heads returns the address with which a line begins, parted by a colon from
// what is said of it.
func (w *weighing) heads(i int) addr {
	l := &w.lines[i]
	if len(l.hits) == 0 || l.spam || strings.Trim(l.text[:l.hits[0].start], " -*•") != "" || !strings.HasPrefix(l.text[l.hits[0].full:], ": ") {
		return addr{}
	}
	return l.hits[0].ip
}

// withoutSites drops the host of a site where a person is accused: what that
// person visited is somebody's who complains.
func (w *weighing) withoutSites(list []*weighed) []*weighed {
	if !anyOf(list, func(c *weighed) bool { return isSomebody(c.forIt.word) || w.accuses(c) }) {
		return list
	}
	return keep(list, func(c *weighed) bool { return c.forIt.is != source || !isHosting(c.forIt.word) })
}

// accuses tells whether a word says that an address did something, in a
// complaint that is not about what somebody hosts.
func (w *weighing) accuses(c *weighed) bool {
	return !w.offers() && (c.forIt.is == source || c.forIt.is == from) && !isHosting(c.forIt.word)
}

func isHosting(w string) bool {
	switch w {
	case "hosted", "hosting", "located", "location", "gehostet", "gehostete", "hébergé", "hébergée", "hébergés", "hébergées", "alojado", "alojada", "alojados", "hospedado", "hospedada", "hospedados", "gehost", "ospitato", "ospitata", "размещен", "размещён", "размещено":
		return true
	}
	return false
}

// onlyServers tells whether all are labelled as a server or host, which may be
// the complainant's.
func onlyServers(list []*weighed) bool {
	return !anyOf(list, func(c *weighed) bool { return !isServerWord(c.forIt.word) })
}

func isServerWord(w string) bool {
	return strings.HasPrefix(w, "server") || strings.HasPrefix(w, "host") || isDeviceWord(w)
}

// isDeviceWord tells names of what a complainant has in front of his servers.
func isDeviceWord(w string) bool {
	switch w {
	case "machine", "node", "router", "gateway", "proxy", "device":
		return true
	}
	return false
}

// withoutServers drops what is only called a device, then what is only called a
// server, where something else remains.
func withoutServers(list []*weighed) []*weighed {
	for _, is := range [...]func(string) bool{isDeviceWord, isServerWord} {
		if sure := keep(list, func(c *weighed) bool { return c.forIt.is != generic || !is(c.forIt.word) }); len(sure) > 0 {
			list = sure
		}
	}
	return list
}

// withTable adds to the subject's addresses those that the text lists like them.
func (w *weighing) withTable(subject, all []*weighed) []*weighed {
	low := strings.ToLower(w.d.subject)
	more := strings.Contains(low, "and other") || strings.Contains(low, "and more") || strings.Contains(low, "multiple") || strings.Contains(low, "several") || strings.Contains(low, "...") || strings.Contains(low, "u.a.") || strings.Contains(low, "und weitere") || strings.Contains(low, "/24") || strings.Contains(low, "et al")
	inBody := keep(subject, func(c *weighed) bool { return c.inBody })
	if more || len(inBody) == 0 {
		named := keep(all, func(c *weighed) bool { return c.inSubject || c.named && c.forIt.weight >= weightPlain })
		if more || anyOf(named, func(c *weighed) bool { return !c.inSubject && c.forIt.is == source && c.forIt.weight >= 88 }) {
			return named
		}
	}
	return subject
}

// opposed tells whether there is one candidate, and beside it only what the text
// gives to its author: "x … my server y" says who did something to whom,
// whatever the verb and its language.
func (w *weighing) opposed(all []*weighed) bool {
	if len(all) != 1 || !public(all[0].ip) || all[0].forIt.weight < weightMention {
		return false
	}
	return anyOf(w.list, func(c *weighed) bool {
		return c != all[0] && c.against.is == target && c.against.weight >= 70 && public(c.ip) && sharesLine(c.ip, w, all[0])
	})
}

// sharesLine tells whether a line that names c names ip too.
func sharesLine(ip addr, w *weighing, c *weighed) bool {
	for _, i := range c.lines {
		for _, h := range w.lines[i].hits {
			if h.ip == ip {
				return true
			}
		}
	}
	return false
}

// preferOurs lets the registry decide where the text is unclear.
func (w *weighing) preferOurs(best, all []*weighed) []*weighed {
	if w.d.opt.Ours == nil {
		return best
	}
	ours := func(c *weighed) bool { return w.d.opt.Ours(c.ip) }
	if anyOf(best, ours) {
		weak := keep(best, func(c *weighed) bool { return ours(c) || c.named || c.logged || c.inSubject })
		return weak
	}
	if strong := anyOf(best, func(c *weighed) bool { return c.named || c.logged || c.inSubject }); strong {
		return best
	}
	if mine := keep(all, ours); len(mine) > 0 {
		return mine
	}
	return best
}
