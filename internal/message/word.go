package message

import (
	"strings"
)

// DecodeWords decodes the encoded words (RFC 2047) in s. Words of one charset
// that stand side by side are joined before decoding, because many senders cut
// inside a character. What is no valid word stays as it is.
func DecodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		if valid, ok := validText([]byte(s)); !ok {
			return valid
		}
		return s
	}
	var d wordDecoder
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, rest, ok := cutWord(s[i:])
		if !ok {
			d.plain(s[:i+2])
			s = s[i+2:]
			continue
		}
		d.gap(s[:i])
		d.word(w)
		s = rest
	}
	d.plain(s)
	d.flush()
	text, _ := validText([]byte(d.out.String()))
	return text
}

// An encodedWord is one =?charset?encoding?text?=.
type encodedWord struct {
	charset string
	data    []byte
}

// cutWord reads the word at the front of s, which begins with "=?".
// QUIRK: spaces within the text, which RFC 2047 §2 forbids, are kept.
func cutWord(s string) (w encodedWord, rest string, ok bool) {
	charset, s, ok := strings.Cut(s[2:], "?")
	if !ok || charset == "" || len(charset) > 40 || strings.ContainsAny(charset, " \t") {
		return w, "", false
	}
	enc, s, ok := strings.Cut(s, "?")
	if !ok || len(enc) != 1 {
		return w, "", false
	}
	text, rest, ok := strings.Cut(s, "?=")
	if !ok || len(text) > 4096 {
		return w, "", false
	}
	// A Q word may end with an escape, as in "=?utf-8?Q?a=3D?=": Cut is right there.
	w.charset = charset
	switch enc {
	case "b", "B":
		w.data, _ = decodeBase64([]byte(text))
	case "q", "Q":
		w.data = decodeQuotedPrintable([]byte(strings.ReplaceAll(text, "_", " ")))
	default:
		return w, "", false
	}
	return w, rest, true
}

// A wordDecoder collects plain text and runs of words of one charset.
type wordDecoder struct {
	out     strings.Builder
	charset string
	pending []byte
}

func (d *wordDecoder) flush() {
	if d.charset == "" {
		return
	}
	text, _ := DecodeCharset(d.pending, d.charset)
	d.out.WriteString(text)
	d.charset, d.pending = "", nil
}

// gap takes the text before a word; white space between two words is dropped (RFC 2047 §6.2).
func (d *wordDecoder) gap(s string) {
	if d.charset != "" && strings.TrimSpace(s) == "" {
		return
	}
	d.plain(s)
}

func (d *wordDecoder) plain(s string) {
	if s == "" {
		return
	}
	d.flush()
	d.out.WriteString(s)
}

func (d *wordDecoder) word(w encodedWord) {
	if d.charset != "" && !strings.EqualFold(d.charset, w.charset) {
		d.flush()
	}
	d.charset = w.charset
	d.pending = append(d.pending, w.data...)
}
