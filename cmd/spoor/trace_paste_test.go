package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/costtest"
	"spoor/internal/message"
	"spoor/internal/trace"
)

// pasteHeader is a header of three hops as it was received.
const pasteHeader = "Return-Path: <anna@example.com>\n" +
	"Received: from mx.example.net (mx.example.net [192.0.2.1])\n\tby mail.example.net (Postfix) with ESMTP id A3\n\tfor <user@example.net>;\n\tMon, 5 Oct 2026 10:11:15 +0200 (CEST)\n" +
	"Received: from out3.isp.example (out3.isp.example [198.51.100.25])\n\tby mx.example.net (Postfix) with ESMTPS id A1;\n\tMon, 5 Oct 2026 10:11:12 +0200 (CEST)\n" +
	"Received: from pc (unknown [203.0.113.9])\n\tby out3.isp.example (Postfix) with ESMTPA id A0;\n\tMon, 5 Oct 2026 10:11:11 +0200 (CEST)\n" +
	"From: anna@example.com\nTo: user@example.net\nSubject: x\nDate: Mon, 5 Oct 2026 10:11:10 +0200\nMessage-ID: <1@isp.example>\n"

// hopsOf writes what was read of each hop of a mail.
func hopsOf(t *testing.T, raw []byte) string {
	t.Helper()
	m := message.Read(pasted(raw), message.DefaultLimits())
	r := trace.NewTracer(trace.Options{Hosts: []string{"example.net"}}).TraceMessage(m)
	var b strings.Builder
	for i := range r.Hops {
		h := &r.Hops[i]
		text, err := h.Time.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.Join([]string{h.IP.String(), h.HELO, h.By, h.ID, h.For, string(text), string(h.Trust)}, " ") + "\n")
	}
	return b.String()
}

// numberLines writes a number before every line of a text.
func numberLines(format, text string) []byte {
	var b []byte
	for i, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		b = fmt.Appendf(b, format+"%s\n", i+1, l)
	}
	return b
}

// A header that somebody pasted is read as the one that was received.
func TestPasted(t *testing.T) {
	mail := pasteHeader + "\nbody\n"
	want := hopsOf(t, []byte(mail))
	if strings.Count(want, "\n") != 3 || !strings.Contains(want, "198.51.100.25 out3.isp.example mx.example.net A1") {
		t.Fatalf("the mail itself:\n%s", want)
	}
	lines := strings.Split(strings.TrimSuffix(mail, "\n"), "\n")
	each := func(before, after string) string {
		return before + strings.Join(lines, after+"\n"+before) + after + "\n"
	}
	utf16le := func(s string) []byte {
		out := []byte("\xff\xfe")
		for _, u := range utf16.Encode([]rune(s)) {
			out = append(out, byte(u), byte(u>>8))
		}
		return out
	}
	numbered := func(format string) []byte { return numberLines(format, mail) }
	// What stands above the header on Gmail's page "Original Message".
	const summary = "Message ID\t<1@isp.example>\nCreated at:\tMon, Oct 5, 2026 at 10:11 AM (Delivered after 5 seconds)\n" +
		"From:\tAnna <anna@example.com>\nTo:\tuser@example.net\nSubject:\tx\nSPF:\tPASS with IP 198.51.100.25 Learn more\n\n\nDownload Original\nCopy to clipboard\n"
	for name, text := range map[string][]byte{
		"CRLF":         []byte(strings.ReplaceAll(mail, "\n", "\r\n")),
		"quoted":       []byte(each("> ", "")),
		"quoted close": []byte(each(">", "")),
		"twice":        []byte(each("> > ", "")),
		"words above":  []byte("Hello abuse desk,\n\nplease look at this:\n\n" + mail),
		"words, quote": []byte("Hello,\nplease look:\n\n" + each("> ", "") + "\nThanks\n"),
		"indented":     []byte(each("    ", "")),
		"indented one": []byte(each(" ", "")),
		"trailing":     []byte(each("", "  ")),
		"mark":         []byte("\xef\xbb\xbf" + mail),
		"UTF-16":       utf16le(mail),
		"spaced out":   []byte(strings.ReplaceAll(mail, "\n", "\n\n")),
		"spaced CRLF":  []byte(strings.ReplaceAll(mail, "\n", "\r\n\r\n")),
		"folds lost":   []byte(strings.ReplaceAll(mail, "\n\t", "\n")),
		"zone wrapped": []byte(strings.ReplaceAll(strings.ReplaceAll(mail, "\n\t", "\n"), " +0200 (", "\n+0200 (")),
		"quoted, lost": []byte(strings.ReplaceAll(each("> ", ""), "> \t", "> ")),
		"CR":           []byte(strings.ReplaceAll(mail, "\n", "\r")),
		"CR, words":    []byte(strings.ReplaceAll("Hello,\n\n"+mail, "\n", "\r")),
		"summary":      []byte(summary + mail),
		"summary, gap": []byte("Original Message\n\n" + summary + "\n" + mail),
		"summary CRLF": []byte(strings.ReplaceAll(summary+mail, "\n", "\r\n")),
		"cat -n":       numbered("%6d\t"),
		"less -N":      numbered("%7d "),
		"1:":           numbered("%d:"),
		"1. ":          numbered("%d. "),
		"blank first":  numberLines("%4d ", "\n"+mail),
		"1)\t":         numbered("%d)\t"),
		"1 |":          numbered("%3d | "),
		"tabs lost":    []byte(strings.ReplaceAll(mail, "\t", "        ")),
		"no-break":     []byte(strings.ReplaceAll(strings.ReplaceAll(mail, "\t", "\u00a0\u00a0 "), "Received: ", "Received:\u00a0")),
		"name, tab":    []byte(strings.ReplaceAll(mail, "Received: ", "Received:\t")),
		"no Return":    []byte(strings.TrimPrefix(mail, "Return-Path: <anna@example.com>\n")),
	} {
		if diff := cmp.Diff(want, hopsOf(t, text)); diff != "" {
			t.Errorf("%s (-received +pasted):\n%s", name, diff)
		}
	}
}

// What is no pasted header stays as it is: a mail without Received lines whose
// body quotes another's, lines that a client sent behind a finished field, text.
func TestPastedLeavesMailAlone(t *testing.T) {
	for _, s := range []string{
		pasteHeader + "\nbody\n",
		"From: user@example.net\nSubject: draft\n\n> Received: from a (a [192.0.2.1]) by b; Mon, 5 Oct 2026 10:11:11 +0200\n",
		"Received: from unknown (HELO x) (192.0.2.10)\n  by mx.example.net with SMTP; 5 Oct 2026 08:11:12 -0000\nby evil.example with SMTP; 5 Oct 2026 08:11:12 -0000\nFrom: a@example.com\n\n",
		pasteHeader + "\n\u00a0body, \nx:y\r\n", "1 a\n2 b\n", strings.ReplaceAll(pasteHeader, "\n", "\r\n") + "\r\nReceived:\u00a0 x\r\n",
		"From: user@example.net\nSubject: draft\n\n1 a\n2 b\n3 c\n", "1 a\n2 b\n4 c\nd\n",
		"", "\n\n\n", "hello", "hello\n\nworld\n", "\xff\xfe",
	} {
		if got := pasted([]byte(s)); !bytes.Equal(got, []byte(s)) && s != "\xff\xfe" {
			t.Errorf("%q became %q", s, got)
		}
	}
}

// A line that a client sent behind a finished field is not made a part of it by a
// no-break space.
func TestPastedNoBreakIsNoFold(t *testing.T) {
	const line = "Received: from pc (unknown [203.0.113.9])\n\tby mx.example.net (Postfix) with ESMTP id A0;\n\tMon, 5 Oct 2026 10:11:11 +0200\n"
	want := hopsOf(t, []byte(line+"from a (b [192.0.2.77]) by mx.example.net; Mon, 5 Oct 2026 10:11:11 +0200\nFrom: a@example.com\n\n"))
	got := hopsOf(t, []byte(line+"\u00a0from a (b [192.0.2.77]) by mx.example.net; Mon, 5 Oct 2026 10:11:11 +0200\nFrom: a@example.com\n\n"))
	if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(got, "203.0.113.9 pc mx.example.net A0") {
		t.Errorf("(-without +with):\n%s%s", diff, got)
	}
}

// A line that goes on with a field begins none when its number is taken away.
func TestPastedNumbersKeepFolds(t *testing.T) {
	mail := pasteHeader + "X-Note: a\n Received: from a (b [192.0.2.77]) by mx.example.net; Mon, 5 Oct 2026 10:11:10 +0200\n" +
		"X-Tab: a\n\tReceived: from a (b [192.0.2.78]) by mx.example.net; Mon, 5 Oct 2026 10:11:10 +0200\n\nbody\n"
	want := hopsOf(t, []byte(mail))
	for _, format := range []string{"%6d\t", "%7d ", "%d:", "%d: ", "%d. ", "%3d | ", "%d)\t"} {
		if diff := cmp.Diff(want, hopsOf(t, numberLines(format, mail))); diff != "" {
			t.Errorf("%q (-received +numbered):\n%s", format, diff)
		}
	}
}

func FuzzPasted(f *testing.F) {
	for _, s := range []string{pasteHeader, "> Received: from a by b", " Received: from a\n by b\nx\n", "1 a\n2 Received: b\n3\n", "Received:\u00a0from a\n\u00a0by b", "a\rb\r", "\xfe\xff\x00a", "a\n\nb\n\nReceived: x\n\nd\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if out := pasted(bytes.Clone(raw)); len(out) > 3*len(raw)+16 {
			t.Errorf("%d bytes became %d", len(raw), len(out))
		}
	})
}

// TestPastedCostIsLinear: what is ten times as long may cost fifty times as much at the very
// most; a quadratic cost would be a hundred times as much.
func TestPastedCostIsLinear(t *testing.T) {
	for name, shape := range map[string]func(n int) string{
		"folds lost":     func(n int) string { return "Received: from a\n" + strings.Repeat("x\n", n) },
		"no time of day": func(n int) string { return "Received: from a;\n" + strings.Repeat("x\n", n) },
		"indented far": func(n int) string {
			return "hello\n" + strings.Repeat(" ", n) + "Received: from a\n" + strings.Repeat("x\n", n)
		},
		"quoted deep": func(n int) string { return "hello\n" + strings.Repeat("> Received: x\n>\n", n) },
		"fields":      func(n int) string { return "hello\n\n" + strings.Repeat("> x: y\n", n) },
		"numbered":    func(n int) string { return string(numberLines("%d ", strings.Repeat("x: y\n", n))) },
		"no-break":    func(n int) string { return "Received:\u00a0from a\n" + strings.Repeat("\u00a0\u00a0x\n", n) },
		"no-break far": func(n int) string {
			return "Received: from a\n" + strings.Repeat("\u00a0", n) + "x\n" + strings.Repeat("x: y\n", n)
		},
		"CR":          func(n int) string { return strings.Repeat("> x: y\r", n) },
		"blank lines": func(n int) string { return "Received: from a\n\n" + strings.Repeat("x\n\n", n) },
	} {
		small, large := []byte(shape(5_000)), []byte(shape(50_000))
		if a, b := pasteCost(small), pasteCost(large); b > 50*a {
			t.Errorf("%s: ten times the length costs %v after %v", name, b, a)
		}
	}
}

// pasteCost returns the least processor time of several runs, a microsecond at least.
func pasteCost(raw []byte) time.Duration {
	return max(costtest.Least(7, func() { pasted(raw) }), time.Microsecond)
}
