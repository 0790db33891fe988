package message

import (
	"fmt"
	"strings"
	"time"
)

// Properties of MAPI that a complaint can need (MS-OXPROPS).
const (
	propSubject      = 0x0037
	propClientSubmit = 0x0039
	propHeaders      = 0x007D
	propSenderName   = 0x0C1A
	propSenderMail   = 0x0C1F
	propDelivered    = 0x0E06
	propDisplayTo    = 0x0E04
	propBody         = 0x1000
	propRTF          = 0x1009
	propHTML         = 0x1013
	propMessageID    = 0x1035
	propData         = 0x3701
	propFilename     = 0x3704
	propLongFilename = 0x3707
	propMimeTag      = 0x370E
	propSenderSMTP   = 0x5D01
)

// Types of properties (MS-OXCDATA §2.11.1).
const (
	typeObject  = 0x000D
	typeString8 = 0x001E
	typeUnicode = 0x001F
	typeTime    = 0x0040
	typeBinary  = 0x0102
)

// A propSet holds the properties of a message or an attachment as text, and
// those that are bytes.
type propSet struct {
	text   map[uint16]string
	binary map[uint16][]byte
	at     map[uint16]time.Time
}

func newPropSet() propSet {
	return propSet{text: map[uint16]string{}, binary: map[uint16][]byte{}, at: map[uint16]time.Time{}}
}

// put takes one property's value.
func (s propSet) put(id, typ uint16, value []byte) {
	switch typ {
	case typeString8:
		s.text[id] = bytesText(value)
	case typeUnicode:
		s.text[id] = utf16Text(value)
	case typeBinary, typeObject:
		s.binary[id] = value
	case typeTime:
		if len(value) >= 8 {
			s.at[id] = fileTime(value)
		}
	}
}

// fileTime reads 100 ns since 1601 (MS-DTYP §2.3.3).
func fileTime(b []byte) time.Time {
	var n uint64
	for i := 7; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	const toUnix = 116444736000000000
	if n < toUnix || n > toUnix+4e17 {
		return time.Time{}
	}
	return time.Unix(int64((n-toUnix)/1e7), 0).UTC()
}

// first returns the first property that is there.
func (s propSet) first(ids ...uint16) string {
	for _, id := range ids {
		if v := strings.TrimSpace(s.text[id]); v != "" {
			return v
		}
	}
	return ""
}

// message takes what belongs to the mail itself.
func (s propSet) message(w *Wrapped) {
	if w.Text == "" {
		w.Text = s.text[propBody]
	}
	w.HTML = s.text[propHTML]
	if b := s.binary[propHTML]; w.HTML == "" && len(b) > 0 {
		w.HTML, _ = DecodeCharset(b, htmlCharset(b))
	}
	if w.Text == "" && w.HTML == "" && len(s.binary[propRTF]) > 0 {
		w.Unread = append(w.Unread, "the text is there as RTF only")
	}
	if w.Header = s.text[propHeaders]; strings.Contains(w.Header, ":") {
		return
	}
	w.Header = s.header()
}

// header writes the fields that the properties state.
func (s propSet) header() string {
	var b strings.Builder
	field := func(name, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	from := s.first(propSenderSMTP, propSenderMail)
	if !strings.Contains(from, "@") {
		from = s.first(propSenderName)
	}
	field("From", from)
	field("To", s.first(propDisplayTo))
	field("Subject", s.first(propSubject))
	field("Message-ID", s.first(propMessageID))
	for _, id := range [...]uint16{propClientSubmit, propDelivered} {
		if at := s.at[id]; !at.IsZero() {
			field("Date", at.Format(time.RFC1123Z))
			break
		}
	}
	return b.String()
}

// htmlCharset reads the charset that an HTML text states in its first bytes.
func htmlCharset(b []byte) string {
	head := strings.ToLower(string(b[:min(len(b), 1024)]))
	_, rest, ok := strings.Cut(head, "charset=")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, `"'`)
	if i := strings.IndexAny(rest, "\"'; >/"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
