package message

import (
	"bytes"
	"strings"
)

// knownEncoding tells whether decodeTransfer understands the encoding.
func knownEncoding(enc string) bool {
	switch normalEncoding(enc) {
	case "", "7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode", "uuencode", "x-uue":
		return true
	}
	return false
}

func normalEncoding(enc string) string {
	enc = strings.ToLower(strings.TrimSpace(enc))
	if i := strings.IndexAny(enc, " ;("); i >= 0 {
		enc = enc[:i]
	}
	return strings.Trim(enc, `"`)
}

// decodeTransfer frees b of a transfer encoding (RFC 2045 §6). ok is false
// where b was broken or the encoding is unknown; what could be had is returned.
func decodeTransfer(b []byte, enc string) (out []byte, ok bool) {
	switch normalEncoding(enc) {
	case "base64":
		return decodeBase64(b)
	case "quoted-printable":
		return decodeQuotedPrintable(b), true
	case "x-uuencode", "uuencode", "x-uue":
		return DecodeUU(b)
	case "", "7bit", "8bit", "binary":
		return b, true
	}
	return b, false
}

// base64Value maps a byte to its six bits, or to 255.
func base64Value(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A'
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26
	case c >= '0' && c <= '9':
		return c - '0' + 52
	case c == '+', c == '-':
		return 62
	case c == '/', c == '_':
		return 63
	}
	return 255
}

// decodeBase64 skips what is not of the alphabet (RFC 2045 §6.8) and goes on
// after padding.
// QUIRK: list footers behind the data, concatenated encodings, missing padding.
func decodeBase64(b []byte) ([]byte, bool) {
	out := make([]byte, 0, len(b)*3/4+3)
	var acc uint32
	n, ok := 0, true
	for i := 0; i < len(b); i++ {
		c := b[i]
		v := base64Value(c)
		if v == 255 {
			if c == '=' && n > 0 {
				out = flush64(out, acc, n)
				acc, n = 0, 0
			} else if c > ' ' && c != '=' {
				ok = false
			}
			continue
		}
		acc = acc<<6 | uint32(v)
		if n++; n == 4 {
			out = append(out, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	return flush64(out, acc, n), ok
}

// flush64 writes the bytes of n < 4 base64 digits.
func flush64(out []byte, acc uint32, n int) []byte {
	switch n {
	case 2:
		return append(out, byte(acc>>4))
	case 3:
		return append(out, byte(acc>>10), byte(acc>>2))
	}
	return out
}

// decodeQuotedPrintable keeps what is no valid escape as it stands (RFC 2045 §6.7).
func decodeQuotedPrintable(b []byte) []byte {
	if bytes.IndexByte(b, '=') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		j := bytes.IndexByte(b[i:], '=')
		if j < 0 {
			return append(out, b[i:]...)
		}
		out = append(out, b[i:i+j]...)
		i += j
		if n := softBreak(b[i+1:]); n > 0 || i+1 == len(b) {
			i += 1 + n
			continue
		}
		if i+2 < len(b) {
			hi, lo := hexValue(b[i+1]), hexValue(b[i+2])
			if hi < 16 && lo < 16 {
				out = append(out, hi<<4|lo)
				i += 3
				continue
			}
		}
		out = append(out, '=')
		i++
	}
	return out
}

// softBreak returns the length of white space and a line end at the front of b, else 0.
func softBreak(b []byte) int {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	if i < len(b) && b[i] == '\r' {
		i++
	}
	if i < len(b) && b[i] == '\n' {
		return i + 1
	}
	return 0
}

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// DecodeUU decodes the lines between "begin MODE NAME" and "end" (POSIX
// uuencode); ok is false where the end is missing.
func DecodeUU(b []byte) ([]byte, bool) {
	var out []byte
	started := false
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		switch {
		case !started:
			started = bytes.HasPrefix(line, []byte("begin "))
		case bytes.Equal(line, []byte("end")):
			return out, true
		case len(line) > 1:
			out = uuLine(out, line)
		}
	}
	return out, false
}

func uuLine(out, line []byte) []byte {
	want := int(line[0]-' ') & 63
	for i := 1; i < len(line) && want > 0; i += 4 {
		var v [4]uint32
		for j := range v {
			if i+j < len(line) {
				v[j] = uint32(line[i+j]-' ') & 63
			}
		}
		acc := v[0]<<18 | v[1]<<12 | v[2]<<6 | v[3]
		for _, c := range []byte{byte(acc >> 16), byte(acc >> 8), byte(acc)} {
			if want > 0 {
				out = append(out, c)
				want--
			}
		}
	}
	return out
}
