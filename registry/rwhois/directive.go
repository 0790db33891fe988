package rwhois

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// directive answers a directive (RFC 2167 §3.3) and reports whether the connection goes on.
func (n *session) directive(line string) (more bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		n.fail(fail(338, "no directive"))
		return true
	}
	name, args := strings.ToLower(words[0]), words[1:]
	d, ok := directives()[name]
	switch {
	case !ok:
		n.fail(fail(400, name))
	case len(args) < d.min || len(args) > d.max:
		n.fail(fail(338, "write -"+name+" "+d.usage))
	default:
		if bad := d.run(n, args); bad != nil {
			n.fail(bad)
			break
		}
		n.ok()
		return name != "quit"
	}
	return true
}

// directiveInfo is one directive: how many arguments it takes and what it does.
type directiveInfo struct {
	min, max    int
	usage       string
	description string
	run         func(n *session, args []string) *failure
}

const many = 64

func directives() map[string]directiveInfo {
	return map[string]directiveInfo{
		"rwhois":      {1, 3, "V-1.5 [client]", "Greet, and say which versions are known", (*session).greet},
		"class":       {1, many, "AREA [CLASS...]", "Describe classes", (*session).class},
		"directive":   {0, many, "[NAME...]", "Describe directives", (*session).describeDirectives},
		"display":     {0, 1, "[dump]", "Show or set the form of answers", (*session).display},
		"holdconnect": {1, 1, "on|off", "Keep the connection after a query", (*session).holdConnect},
		"limit":       {1, 1, "NUMBER", "Set how many objects a query gives", (*session).setLimit},
		"quit":        {0, 0, "", "End the connection", func(*session, []string) *failure { return nil }},
		"schema":      {1, many, "AREA [CLASS...]", "Describe attributes", (*session).schema},
		"soa":         {0, many, "[AREA...]", "Describe authority areas", (*session).soa},
		"status":      {0, 0, "", "Show the settings of the connection", (*session).status},
		"xfer":        {1, many, "AREA [class=CLASS...]", "Give all objects", (*session).xfer},
	}
}

func (n *session) greet(args []string) *failure {
	for _, v := range strings.Split(args[0], ",") {
		if !strings.HasPrefix(strings.ToUpper(v), "V-") {
			return fail(338, "a version is written like V-1.5")
		}
	}
	n.w.WriteString(n.s.banner())
	return nil
}

// chosen returns the classes named, or all.
func chosen(args []string) ([]string, *failure) {
	if len(args) == 0 {
		return classes(), nil
	}
	var out []string
	for _, a := range args {
		c := strings.ToLower(a)
		if !slices.Contains(classes(), c) {
			return nil, fail(341, a)
		}
		out = append(out, c)
	}
	return out, nil
}

func (n *session) class(args []string) *failure {
	if !n.s.area.has(args[0]) {
		return fail(340, args[0])
	}
	which, bad := chosen(args[1:])
	for _, c := range which {
		fmt.Fprintf(n.w, "%%class %s:description:%s\r\n%%class %s:version:%s\r\n%%class\r\n", c, describe(c), c, schemaVersion)
	}
	return bad
}

func (n *session) describeDirectives(args []string) *failure {
	all := directives()
	for i, a := range args {
		args[i] = strings.ToLower(strings.TrimPrefix(a, "-"))
		if _, ok := all[args[i]]; !ok {
			return fail(400, a)
		}
	}
	for _, name := range sortedNames() {
		if len(args) == 0 || slices.Contains(args, name) {
			fmt.Fprintf(n.w, "%%directive directive:%s\r\n%%directive description:%s\r\n%%directive\r\n", name, all[name].description)
		}
	}
	return nil
}

func sortedNames() []string {
	var names []string
	for name := range directives() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (n *session) display(args []string) *failure {
	if len(args) == 0 {
		n.w.WriteString("%display name:dump\r\n%display\r\n")
		return nil
	}
	if !strings.EqualFold(args[0], "dump") {
		return fail(436, args[0])
	}
	return nil
}

func (n *session) holdConnect(args []string) *failure {
	switch strings.ToLower(args[0]) {
	case "on":
		n.hold = true
	case "off":
		n.hold = false
	default:
		return fail(338, "write -holdconnect on|off")
	}
	return nil
}

func (n *session) setLimit(args []string) *failure {
	limit, err := strconv.Atoi(args[0])
	if err != nil || limit < 1 || limit > n.s.deps.Config.MaxAnswers {
		return fail(331, fmt.Sprintf("a number from 1 to %d", n.s.deps.Config.MaxAnswers))
	}
	n.limit = limit
	return nil
}

func (n *session) schema(args []string) *failure {
	if !n.s.area.has(args[0]) {
		return fail(340, args[0])
	}
	which, bad := chosen(args[1:])
	for _, c := range which {
		for _, f := range fields(c) {
			n.field(c, f)
		}
	}
	return bad
}

func (n *session) field(class string, f field) {
	kind := "TEXT"
	if f.isID {
		kind = "ID"
	}
	for _, line := range [][2]string{
		{"attribute", f.name}, {"attribute-alias", f.alias}, {"description", f.description}, {"type", kind}, {"indexed", f.index},
		{"primary", boolean(f.primary)}, {"required", boolean(f.required)}, {"repeatable", boolean(f.repeats)},
		{"multi-line", boolean(false)}, {"hierarchical", boolean(f.hierarchical)},
	} {
		fmt.Fprintf(n.w, "%%schema %s:%s:%s\r\n", class, line[0], line[1])
	}
	fmt.Fprintf(n.w, "%%schema %s\r\n", class)
}

func boolean(b bool) string { return strings.ToUpper(strconv.FormatBool(b)) }

func (n *session) soa(args []string) *failure {
	for _, a := range args {
		if !n.s.area.has(a) {
			return fail(340, a)
		}
	}
	if len(args) == 0 {
		args = n.s.area.names()
	}
	for _, a := range args {
		for _, line := range n.s.soa(a) {
			fmt.Fprintf(n.w, "%%soa %s:%s\r\n", line[0], line[1])
		}
		n.w.WriteString("%soa\r\n")
	}
	return nil
}

// soa describes one authority area. Its serial number is the time of the newest source.
func (s *Server) soa(area string) [][2]string {
	var newest time.Time
	for _, source := range s.deps.Table().Sources() {
		if source.LastGood.After(newest) {
			newest = source.LastGood
		}
	}
	serial := schemaVersion
	if !newest.IsZero() {
		serial = newest.UTC().Format("20060102150405") + "000"
	}
	return [][2]string{{"authority", area}, {"ttl", "86400"}, {"serial", serial}, {"refresh", "3600"}, {"increment", "1800"},
		{"retry", "60"}, {"hostmaster", "hostmaster@" + s.deps.Hostname}, {"primary", s.deps.Hostname + ":4321"}}
}

func (n *session) status([]string) *failure {
	prefixes, _ := n.s.deps.Table().Size()
	onOff := map[bool]string{true: "ON", false: "OFF"}
	fmt.Fprintf(n.w, "%%status limit:%d\r\n%%status holdconnect:%s\r\n%%status forward:OFF\r\n%%status objects:%d\r\n%%status display:dump\r\n",
		n.limit, onOff[n.hold], prefixes)
	return nil
}

func (n *session) xfer(args []string) *failure {
	if !n.transfer {
		return fail(401, "")
	}
	if !n.s.area.has(args[0]) {
		return fail(340, args[0])
	}
	var named []string
	for _, a := range args[1:] {
		c, ok := strings.CutPrefix(strings.ToLower(a), "class=")
		if !ok {
			return fail(338, "write -xfer "+directives()["xfer"].usage)
		}
		named = append(named, c)
	}
	which, bad := chosen(named)
	if bad != nil {
		return bad
	}
	sent := 0
	contacts := map[string]bool{}
	for network := range n.s.deps.Table().AllNetworks(time.Time{}) {
		if n.s.area.of(network.Prefix) != args[0] && n.s.area.configured == "" {
			continue
		}
		all := []object{networkObject(network, n.s.area)}
		if network.Contact != nil {
			all = append(all, contactsOf(network.Contact, args[0])...)
		}
		for _, o := range all {
			if id := o.attrs[1].value; !slices.Contains(which, o.class) || o.class == "contact" && contacts[id] {
				continue
			} else if o.class == "contact" {
				contacts[id] = true
			}
			n.transferObject(o)
			sent++
		}
	}
	if sent == 0 {
		return fail(332, "")
	}
	return nil
}

func (n *session) transferObject(o object) {
	for _, a := range o.attrs {
		if !a.personal || n.personal {
			n.w.WriteString("%xfer " + a.line(o.class))
		}
	}
	n.w.WriteString("%xfer\r\n")
}
