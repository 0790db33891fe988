package message

import (
	"strings"
	"unicode/utf16"
)

// A Wrapped is a mail that another program's container held: TNEF (winmail.dat)
// or an Outlook .msg file.
type Wrapped struct {
	// Header is the mail's own header as text, "" where the container has none.
	Header string
	Text   string
	HTML   string
	Files  []WrappedFile
	// Unread names what is there and was not read, and why.
	Unread []string
}

// A WrappedFile is a file, or a mail where Mail is set, inside a container.
type WrappedFile struct {
	Name      string
	MediaType string
	Data      []byte
	Mail      *Wrapped
}

// Bounds of containers; their bytes are bounded by those of the container.
const (
	maxWrappedFiles = 256
	maxWrappedDepth = 4
)

// Part returns the mail as the tree that Read would have made of it.
func (w *Wrapped) Part() *Part {
	h, _, _ := ReadHeader([]byte(strings.TrimRight(w.Header, "\r\n")+"\r\n\r\n"), DefaultLimits())
	p := &Part{Header: h, MediaType: "multipart/mixed", Params: map[string]string{}}
	switch {
	case strings.TrimSpace(w.Text) != "":
		p.Children = append(p.Children, textPart("text/plain", w.Text))
	case w.HTML != "":
		p.Children = append(p.Children, textPart("text/html", w.HTML))
	}
	for _, f := range w.Files {
		if f.Mail != nil {
			p.Children = append(p.Children, &Part{MediaType: "message/rfc822", Params: map[string]string{}, Children: []*Part{f.Mail.Part()}})
			continue
		}
		p.Children = append(p.Children, FilePart(f.Name, f.MediaType, f.Data))
	}
	return p
}

func textPart(mediaType, text string) *Part {
	return &Part{MediaType: mediaType, Params: map[string]string{"charset": "utf-8"}, Raw: []byte(text)}
}

// FilePart returns an attachment that holds data; a mail attached as a file is
// opened.
func FilePart(name, mediaType string, data []byte) *Part {
	if mediaType == "" || !strings.Contains(mediaType, "/") {
		mediaType = "application/octet-stream"
	}
	p := &Part{MediaType: strings.ToLower(mediaType), Params: map[string]string{}, Disposition: "attachment", Filename: name, Raw: data}
	if isMailType(p.MediaType) || isMisnamedMail(p) {
		r := reader{lim: DefaultLimits()}
		r.enclosed(p)
	}
	return p
}

// utf16Text decodes little-endian UTF-16 and cuts at NUL.
func utf16Text(b []byte) string {
	u := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		c := uint16(b[i]) | uint16(b[i+1])<<8
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// bytesText decodes the text of an 8-bit property and cuts at NUL.
func bytesText(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	if text, ok := DecodeCharset([]byte(s), ""); ok {
		return text
	}
	text, _ := DecodeCharset([]byte(s), "windows-1252")
	return text
}
