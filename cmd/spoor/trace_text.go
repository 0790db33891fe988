package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
)

// safeText makes what a stranger wrote safe to print: control characters and those
// that turn the direction of writing become "?", and so does what is no UTF-8.
func safeText(s string) string {
	ok := utf8.ValidString(s)
	for _, c := range s {
		if unsafeRune(c) {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || unsafeRune(c) {
			return '?'
		}
		return c
	}, s)
}

func unsafeRune(c rune) bool {
	return unicode.IsControl(c) || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c == 0x200e || c == 0x200f || c == 0xfeff
}

// oneLine joins what is folded.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// columns is the number of columns that s takes; wide characters take two.
func columns(s string) int { return text.StringWidthWithoutEscSequences(s) }

// padTo fills s with spaces up to n columns.
func padTo(s string, n int) string {
	if w := columns(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// cutTo shortens s to n columns, with an ellipsis where something is lost.
func cutTo(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	w := 0
	for i, c := range s {
		cw := text.RuneWidth(c)
		if w+cw > n-1 {
			return s[:i] + "…"
		}
		w += cw
	}
	return s
}

// cutMiddle shortens a host's name in its middle: both ends tell the most.
func cutMiddle(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	runes := []rune(s)
	if len(runes) != columns(s) || n < 5 {
		return cutTo(s, n)
	}
	head := (n - 1) / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(n-1-head):])
}

// wrapText breaks s at spaces into lines of at most n columns.
func wrapText(s string, n int) []string {
	var lines []string
	cur := ""
	for w := range strings.FieldsSeq(s) {
		for columns(w) > n {
			if cur != "" {
				lines = append(lines, cur)
				cur = ""
			}
			head := headColumns(w, n)
			lines = append(lines, head)
			w = w[len(head):]
		}
		switch {
		case cur == "":
			cur = w
		case columns(cur)+1+columns(w) <= n:
			cur += " " + w
		default:
			lines = append(lines, cur)
			cur = w
		}
	}
	if cur != "" {
		lines = append(lines, cur)
	}
	return lines
}

// headColumns returns as much of s as fits into n columns, at least one character.
func headColumns(s string, n int) string {
	w := 0
	for i, c := range s {
		w += text.RuneWidth(c)
		if w > n && i > 0 {
			return s[:i]
		}
	}
	return s
}
