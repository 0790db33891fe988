package message

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// KnownCharset tells whether text of that charset can be decoded.
func KnownCharset(name string) bool {
	if isUTF8(name) {
		return true
	}
	enc, _ := lookupCharset(name)
	return enc != nil
}

func normalCharset(name string) string {
	name = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`))
	name, _, _ = strings.Cut(name, "*") // RFC 2231 §5 appends a language
	return name
}

func isUTF8(name string) bool {
	switch normalCharset(name) {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968", "utf-8mb4", "utf8mb4", "unknown-8bit", "x-unknown", "unknown", "646", "7bit", "8bit":
		return true
	}
	return false
}

// lookupCharset finds the decoder by the names of HTML and of IANA.
func lookupCharset(name string) (encoding.Encoding, error) {
	name = normalCharset(name)
	switch name {
	// QUIRK: names that no registry has; Windows mailers and old Asian gateways.
	case "cp932", "ms932", "x-sjis", "windows-31j":
		name = "shift_jis"
	case "cp936", "ms936", "x-gbk", "eucgb2312_cn", "eucgb2312-cn":
		name = "gbk"
	case "cp949", "ms949":
		name = "euc-kr"
	case "cp950", "x-big5", "big5_tw", "big5-tw": // Python's codecs write themselves into encoded words
		name = "big5"
	case "utf-16", "unicode":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), nil
	}
	if rest, ok := strings.CutPrefix(name, "cp125"); ok {
		name = "windows-125" + rest
	}
	if enc, err := htmlindex.Get(name); err == nil {
		return enc, nil
	}
	return ianaindex.MIME.Encoding(name)
}

// DecodeCharset turns b into UTF-8. ok is false where the charset is unknown or
// b does not fit it; the text is then b as it stands, with each byte that is no
// UTF-8 replaced.
func DecodeCharset(b []byte, charset string) (text string, ok bool) {
	if enc := byteOrderMark(b); enc != nil {
		if out, err := enc.NewDecoder().Bytes(b); err == nil {
			return string(out), true
		}
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if isUTF8(charset) {
		return validText(b)
	}
	enc, err := lookupCharset(charset)
	if err != nil || enc == nil {
		text, _ = validText(b)
		return text, false
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		text, _ = validText(b)
		return text, false
	}
	return string(out), true
}

// DecodeReader turns what r yields into UTF-8 as it is read, as DecodeCharset
// does; where the charset is unknown the bytes pass as they are.
func DecodeReader(r io.Reader, charset string) io.Reader {
	b := bufio.NewReader(r)
	head, _ := b.Peek(3)
	if enc := byteOrderMark(head); enc != nil {
		return transform.NewReader(b, enc.NewDecoder())
	}
	if bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		b.Discard(len(head))
		return b
	}
	if isUTF8(charset) {
		return b
	}
	enc, err := lookupCharset(charset)
	if err != nil || enc == nil {
		return b
	}
	return transform.NewReader(b, enc.NewDecoder())
}

func validText(b []byte) (string, bool) {
	if utf8.Valid(b) {
		return string(b), true
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), false
}

// byteOrderMark returns the UTF-16 decoder that b's first bytes ask for, or nil.
func byteOrderMark(b []byte) encoding.Encoding {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)
	}
	return nil
}
