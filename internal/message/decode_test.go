package message

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                              "plain",
		"=?utf-8?Q?caf=C3=A9?=":              "café",
		"a =?UTF-8?b?4oKs?= b":               "a € b",
		"=?utf-8?b?4oI=?= =?utf-8?b?rA?=":    "€",
		"=?gb2312?B?tPq2wA==?=":              "代独",
		"=?big5?B?pKSk5Q==?=":                "中文",
		"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=": "日本",
		"=?utf-8?q?a_b?=\t=?utf-8?q?c?=":     "a bc",
		"=?utf-8?q?a?=x=?utf-8?q?c?=":        "axc",
		"=?nonsense":                         "=?nonsense",
		"=?a?b?c":                            "=?a?b?c",
		"=?utf-8?q?with space?=":             "with space",
		"=?no-such-set?q?abc?=":              "abc",
		"=?utf-8*en?q?abc?=":                 "abc",
		"raw \xe9":                           "raw \ufffd",
	} {
		if got := DecodeWords(in); got != want {
			t.Errorf("DecodeWords(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDecodeTransfer(t *testing.T) {
	for _, tc := range []struct{ enc, in, want string }{
		{"base64", "aGVs\r\nbG8=", "hello"},
		{"BASE64 ", "aGVsbG8", "hello"},
		{"base64", "aGVsbG8=\n-- \nlist!", "hello"},
		{"base64", "aGk=aGk=", "hihi"},
		{"quoted-printable", "a=3D=\r\nb=\nc", "a=bc"},
		{"quoted-printable", "100% = x =ZZ =", "100% = x =ZZ "},
		{"x-uuencode", "begin 644 a\n%:&5L;&\\\n`\nend\n", "hello"},
		{"7bit", "a=3D", "a=3D"},
		{"", "x", "x"},
		{"strange", "x", "x"},
	} {
		got, _ := decodeTransfer([]byte(tc.in), tc.enc)
		if tc.in == "aGVsbG8=\n-- \nlist!" {
			got = got[:5] // the footer's letters decode to something; the data before it must not suffer
		}
		if d := cmp.Diff(tc.want, string(got)); d != "" {
			t.Errorf("%s %q (-want +got):\n%s", tc.enc, tc.in, d)
		}
	}
}

func TestParseMediaType(t *testing.T) {
	for _, tc := range []struct {
		in, typ string
		params  map[string]string
	}{
		{"text/plain", "text/plain", map[string]string{}},
		{`Text/HTML; Charset="UTF-8" ; x=y`, "text/html", map[string]string{"charset": "UTF-8", "x": "y"}},
		{`multipart/report; report-type=feedback-report; boundary="a;b\"c"`, "multipart/report", map[string]string{"report-type": "feedback-report", "boundary": `a;b"c`}},
		{`a/b; name="C:\dir\f.txt"`, "a/b", map[string]string{"name": `C:\dir\f.txt`}},
		{`a/b; name="unclosed`, "a/b", map[string]string{"name": "unclosed"}},
		{`a/b; x; y=1;;`, "a/b", map[string]string{"y": "1"}},
		{`attachment; filename*=utf-8''a%20b; filename=c`, "attachment", map[string]string{"filename": "c"}},
		{`attachment; filename*1=b; filename*0=a`, "attachment", map[string]string{"filename": "ab"}},
		{"", "", map[string]string{}},
	} {
		typ, params := ParseMediaType(tc.in)
		if typ != tc.typ || !cmp.Equal(params, tc.params) {
			t.Errorf("ParseMediaType(%q) = %q %v, want %q %v", tc.in, typ, params, tc.typ, tc.params)
		}
	}
}

func TestDecodeCharset(t *testing.T) {
	for _, tc := range []struct {
		charset, in, want string
		ok                bool
	}{
		{"cp932", "\x93\xfa\x96\x7b", "日本", true},
		{"gb2312", "\xd6\xd0\xce\xc4", "中文", true},
		{"windows-1251", "\xcf\xf0\xe8", "При", true},
		{"koi8-r", "\xf0\xd2\xc9", "При", true},
		{"CP1252", "\x80", "€", true},
		{"viscii", "a\xff", "a\ufffd", false},
		{"utf-7", "abc", "abc", false},
		{"", "a\xff", "a\ufffd", false},
		{"", "\xef\xbb\xbfa", "a", true},
	} {
		got, ok := DecodeCharset([]byte(tc.in), tc.charset)
		if got != tc.want || ok != tc.ok {
			t.Errorf("DecodeCharset(%q, %s) = %q %v, want %q %v", tc.in, tc.charset, got, ok, tc.want, tc.ok)
		}
	}
}
