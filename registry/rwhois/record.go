package rwhois

import (
	"io"
	"net/netip"
	"strings"
	"time"

	"spoor/registry"
)

// attribute is one line of an object: class:name[;flag]:value.
type attribute struct {
	name     string
	value    string
	isID     bool // the value is the ID of another object
	personal bool // shown to configured networks only
}

// object is one record of a class.
type object struct {
	class string
	attrs []attribute
}

func (o *object) add(name, value string) { o.addFlagged(name, value, false, false) }

func (o *object) addFlagged(name, value string, isID, personal bool) {
	if value = oneLine(value); value != "" {
		o.attrs = append(o.attrs, attribute{name, value, isID, personal})
	}
}

// oneLine keeps a value within its line, whatever the contact file held.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s))
}

// areas says which authority area a prefix belongs to.
type areas struct{ configured string }

func (a areas) of(p netip.Prefix) string {
	switch {
	case a.configured != "":
		return a.configured
	case p.Addr().Is6():
		return "::/0"
	}
	return "0.0.0.0/0"
}

func (a areas) has(name string) bool {
	if a.configured != "" {
		return strings.EqualFold(name, a.configured)
	}
	return name == "0.0.0.0/0" || name == "::/0"
}

func (a areas) names() []string {
	if a.configured != "" {
		return []string{a.configured}
	}
	return []string{"0.0.0.0/0", "::/0"}
}

// networkObject shows a network with the fields of 2003 (IP-Network, Admin-Contact,
// Address, Tel, Updated-By, Updated) and those that clients look for today.
func networkObject(n registry.Network, area areas) object {
	o := object{class: "network"}
	o.add("Class-Name", "network")
	o.add("ID", networkID(n.Prefix))
	o.add("Auth-Area", area.of(n.Prefix))
	o.add("Network-Name", networkName(n))
	o.add("IP-Network", n.Prefix.String())
	o.add("IP-Network-Block", n.Prefix.Addr().String()+" - "+registry.LastAddr(n.Prefix).String())
	c := n.Contact
	if c == nil {
		return o
	}
	o.add("Org-Name", c.Org)
	o.addFlagged("Address", c.Address, false, true)
	o.addFlagged("Street-Address", c.Address, false, true)
	o.add("City", c.City)
	o.add("Country-Code", c.Country)
	o.addFlagged("Tel", c.Tel, false, true)
	addRole(&o, "Admin-Contact", c.Admin)
	addRole(&o, "Tech-Contact", c.Tech)
	addRole(&o, "Abuse-Contact", c.Abuse)
	o.add("Created", day(c.Created))
	o.add("Updated", day(c.Updated))
	o.add("Updated-By", c.UpdatedBy)
	return o
}

func networkID(p netip.Prefix) string {
	return "NET-" + strings.ReplaceAll(p.String(), "/", "-")
}

func networkName(n registry.Network) string {
	if n.Contact == nil || n.Contact.Org == "" {
		return networkID(n.Prefix)
	}
	return strings.ToUpper(strings.Join(strings.FieldsFunc(n.Contact.Org, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f)
	}), "-"))
}

func addRole(o *object, name string, role []registry.Mailbox) {
	for _, m := range role {
		o.addFlagged(name, contactID(m), true, false)
	}
}

// contactID is a mail address, or a name where there is none: both are what people ask for.
func contactID(m registry.Mailbox) string {
	if m.Mail != "" {
		return m.Mail
	}
	return m.Name
}

// contactObject shows one mailbox of a contact.
func contactObject(m registry.Mailbox, c *registry.Contact, area string) object {
	o := object{class: "contact"}
	o.add("Class-Name", "contact")
	o.add("ID", contactID(m))
	o.add("Auth-Area", area)
	o.add("Name", contactName(m))
	o.add("Email", m.Mail)
	o.add("Org-Name", c.Org)
	o.addFlagged("Address", c.Address, false, true)
	o.add("City", c.City)
	o.add("Country-Code", c.Country)
	o.addFlagged("Phone", c.Tel, false, true)
	o.add("Updated", day(c.Updated))
	o.add("Updated-By", c.UpdatedBy)
	return o
}

func contactName(m registry.Mailbox) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Mail
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("20060102")
}

// field describes one attribute of a class for -schema and for rwhoisd's templates.
type field struct {
	name, alias, description   string
	primary, required, repeats bool
	hierarchical               bool
	index                      string // EXACT, CIDR or NONE
	isID                       bool
}

// classes are the classes that are served, in the order of their description.
func classes() []string { return []string{"network", "contact"} }

func describe(class string) string {
	if class == "network" {
		return "An IP network and who answers for it"
	}
	return "A person or role that answers for networks"
}

// fields returns the attributes of a class beside ID, Auth-Area and Updated, which every
// object has.
func fields(class string) []field {
	text := func(name, alias, description string) field {
		return field{name: name, alias: alias, description: description, index: "NONE"}
	}
	exact := func(name, alias, description string) field {
		return field{name: name, alias: alias, description: description, index: "EXACT"}
	}
	role := func(name, alias, description string) field {
		return field{name: name, alias: alias, description: description, index: "EXACT", repeats: true, isID: true}
	}
	if class == "contact" {
		name := exact("Name", "N", "Name of the person or role")
		name.primary, name.required = true, true
		return []field{name, exact("Email", "EM", "Mail address"), exact("Org-Name", "ON", "Organisation"),
			text("Address", "AD", "Postal address"), text("City", "CI", "City"), text("Country-Code", "CC", "Country, ISO 3166"),
			text("Phone", "P", "Telephone number"), text("Updated-By", "UB", "Who updated the record")}
	}
	network := field{name: "IP-Network", alias: "IPN", description: "Prefix and its length", primary: true, required: true, hierarchical: true, index: "CIDR"}
	return []field{network, exact("Network-Name", "NN", "Name of the network"), text("IP-Network-Block", "IPB", "First and last address"),
		exact("Org-Name", "ON", "Organisation"), text("Address", "AD", "Postal address"), text("Street-Address", "SA", "Postal address"),
		text("City", "CI", "City"), text("Country-Code", "CC", "Country, ISO 3166"), text("Tel", "TEL", "Telephone number"),
		role("Admin-Contact", "AC", "Administrative contact"), role("Tech-Contact", "TC", "Technical contact"), role("Abuse-Contact", "ABC", "Abuse contact"),
		text("Created", "CR", "Date of creation"), text("Updated-By", "UB", "Who updated the record")}
}

// schemaVersion changes when fields does.
const schemaVersion = "20261001000000000"

// isAttribute reports whether a class, or with "" any class, has an attribute.
func isAttribute(class, name string) bool {
	for _, common := range []string{"ID", "Auth-Area", "Class-Name", "Updated", "Network"} {
		if strings.EqualFold(name, common) {
			return true
		}
	}
	for _, c := range classes() {
		if class != "" && class != c {
			continue
		}
		for _, f := range fields(c) {
			if strings.EqualFold(name, f.name) || strings.EqualFold(name, f.alias) {
				return true
			}
		}
	}
	return false
}

// fullName returns the attribute that a name or alias stands for.
func fullName(name string) string {
	if strings.EqualFold(name, "Network") {
		return "IP-Network"
	}
	for _, c := range classes() {
		for _, f := range fields(c) {
			if strings.EqualFold(name, f.alias) {
				return f.name
			}
		}
	}
	return name
}

func (a attribute) line(class string) string {
	flag := ""
	if a.isID {
		flag = ";I"
	}
	return class + ":" + a.name + flag + ":" + a.value + "\r\n"
}

// write writes what a client may see of an object, and an empty line.
func (o *object) write(w io.StringWriter, personal bool) {
	for _, a := range o.attrs {
		if !a.personal || personal {
			_, _ = w.WriteString(a.line(o.class)) // a buffer; its own error comes with Flush
		}
	}
	_, _ = w.WriteString("\r\n")
}
