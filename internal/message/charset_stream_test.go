package message

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// What is decoded as it is read is what is decoded at once.
func TestDecodeReader(t *testing.T) {
	text := strings.Repeat("203.0.113.7;Störung;был\n", 500)
	latin, err := charmap.Windows1251.NewEncoder().String(strings.ReplaceAll(text, "ö", "o"))
	if err != nil {
		t.Fatal(err)
	}
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, in, charset string }{
		{"utf-8", text, "utf-8"},
		{"byte order mark", "\xef\xbb\xbf" + text, ""},
		{"windows-1251", latin, "windows-1251"},
		{"utf-16", wide, ""},
		{"unknown", text, "x-nobody-knows"},
		{"empty", "", "utf-16"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want, _ := DecodeCharset([]byte(tc.in), tc.charset)
			got, err := io.ReadAll(DecodeReader(bytes.NewReader([]byte(tc.in)), tc.charset))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("%.40q, want %.40q", got, want)
			}
		})
	}
}
