package registry

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
)

// contactColumns are the fields of a contact file in the order in which they are written.
var contactColumns = []struct {
	name string
	get  func(*Contact) string
}{
	{"IP-Network", func(c *Contact) string {
		if c.Key.Kind == KeyPrefix {
			return c.Key.Prefix.String()
		}
		return ""
	}},
	{"Next-Hop", func(c *Contact) string {
		if c.Key.Kind == KeyNextHop {
			return c.Key.NextHop.String()
		}
		return ""
	}},
	{"Interface", func(c *Contact) string { return c.Key.InterfaceName() }},
	{"Organisation", func(c *Contact) string { return c.Key.Org }},
	{"Org-Name", func(c *Contact) string { return c.Org }},
	{"Admin-Contact", func(c *Contact) string { return joinMailboxes(c.Admin) }},
	{"Tech-Contact", func(c *Contact) string { return joinMailboxes(c.Tech) }},
	{"Abuse-Contact", func(c *Contact) string { return joinMailboxes(c.Abuse) }},
	{"Address", func(c *Contact) string { return c.Address }},
	{"City", func(c *Contact) string { return c.City }},
	{"Country-Code", func(c *Contact) string { return c.Country }},
	{"Tel", func(c *Contact) string { return c.Tel }},
	{"Language", func(c *Contact) string { return c.Language }},
	{"Time-Zone", func(c *Contact) string { return c.Zone }},
	{"Assignment", func(c *Contact) string { return string(c.Assignment) }},
	{"Digest", func(c *Contact) string { return boolText(c.Prefer.Digest) }},
	{"Digest-Every", func(c *Contact) string {
		if c.Prefer.Every == 0 {
			return ""
		}
		return c.Prefer.Every.Std().String()
	}},
	{"XARF", func(c *Contact) string { return boolText(c.Prefer.XARF) }},
	{"Opt-Out", func(c *Contact) string { return strings.Join(c.Prefer.OptOut, ";") }},
	{"Created", func(c *Contact) string { return dayText(c.Created) }},
	{"Updated-By", func(c *Contact) string { return c.UpdatedBy }},
	{"Updated", func(c *Contact) string { return dayText(c.Updated) }},
	{"Since", func(c *Contact) string { return timeText(c.Since) }},
	{"Until", func(c *Contact) string { return timeText(c.Until) }},
}

func joinMailboxes(role []Mailbox) string {
	parts := make([]string, len(role))
	for i, m := range role {
		parts[i] = quotedMailbox(m)
	}
	return strings.Join(parts, ", ")
}

// quotedMailbox writes a mailbox so that it is read back as one.
func quotedMailbox(m Mailbox) string {
	if m.Mail != "" && strings.ContainsAny(m.Name, `,;<>()@."\[]:`) {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(m.Name) + `" <` + m.Mail + ">"
	}
	return m.String()
}

func boolText(b *bool) string {
	if b == nil {
		return ""
	}
	return fmt.Sprint(*b)
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02")
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// WriteContactsCSV writes contacts in the form that ReadContacts reads.
func WriteContactsCSV(w io.Writer, contacts []Contact) error {
	cw := csv.NewWriter(w)
	row := make([]string, len(contactColumns))
	for i, col := range contactColumns {
		row[i] = col.name
	}
	if err := cw.Write(row); err != nil {
		return fmt.Errorf("writing contacts: %w", err)
	}
	for i := range contacts {
		for j, col := range contactColumns {
			row[j] = col.get(&contacts[i])
		}
		if err := cw.Write(row); err != nil {
			return fmt.Errorf("writing contacts: %w", err)
		}
	}
	cw.Flush()
	return cw.Error()
}

// WriteContactsTOML writes contacts in the form that ReadContacts reads.
func WriteContactsTOML(w io.Writer, contacts []Contact) error {
	bw := bufio.NewWriter(w)
	for i := range contacts {
		fmt.Fprintln(bw, "[[contact]]")
		for _, col := range contactColumns {
			text := col.get(&contacts[i])
			switch {
			case text == "":
			case col.name == "Opt-Out":
				fmt.Fprintf(bw, "%s = [%s]\n", col.name, tomlList(contacts[i].Prefer.OptOut))
			case col.name == "Digest" || col.name == "XARF":
				fmt.Fprintf(bw, "%s = %s\n", col.name, text)
			default:
				fmt.Fprintf(bw, "%s = %s\n", col.name, tomlString(text))
			}
		}
		fmt.Fprintln(bw)
	}
	return bw.Flush()
}

func tomlList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = tomlString(v)
	}
	return strings.Join(quoted, ", ")
}

// tomlString quotes as TOML's basic strings are: \uXXXX for control characters.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
