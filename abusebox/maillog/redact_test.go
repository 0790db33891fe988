package maillog

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for line, want := range map[string]string{
		"qmgr[1]: 4F1B: from=<ann.b+c@example.org>, size=9":                          "qmgr[1]: 4F1B: from=<***@example.org>, size=9",
		"smtp[1]: 4F1B: to=<bob>, orig_to=<ann@example.org>, relay=mx[192.0.2.7]:25": "smtp[1]: 4F1B: to=<***>, orig_to=<***@example.org>, relay=mx[192.0.2.7]:25",
		"554 5.7.1 <u@example.com>: denied; from=<> to=<u@example.com> helo=<x>":     "554 5.7.1 <***@example.com>: denied; from=<> to=<***@example.com> helo=<x>",
		`to=<"a b"@example.com>, stat=Sent`:                                          `to=<***@example.com>, stat=Sent`,
		"nothing here":                                                               "nothing here",
		"@":                                                                          "***@",
		"":                                                                           "",
	} {
		if got := Redact(line); got != want {
			t.Errorf("%s\nis redacted to %s\nwant           %s", line, got, want)
		}
	}
	if got := Redact(strings.Repeat("a@b ", 2000)); strings.Contains(got, "a@") {
		t.Error("an address is left")
	}
}
