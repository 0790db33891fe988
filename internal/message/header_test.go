package message

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadHeader(t *testing.T) {
	type field struct{ Name, Value string }
	for _, tc := range []struct {
		name, in string
		fields   []field
		body     string
		defects  []DefectCode
	}{
		{"plain", "A: 1\r\nB: 2\r\n\r\nbody\r\n", []field{{"A", "1"}, {"B", "2"}}, "body\r\n", nil},
		{"lf only", "A: 1\n\nbody", []field{{"A", "1"}}, "body", nil},
		{"cr only", "A: 1\rB: 2\r\rbody", []field{{"A", "1"}, {"B", "2"}}, "body", nil},
		{"fold", "A: 1\r\n\t2\r\n 3\r\nB:4\r\n\r\n", []field{{"A", "1\t2 3"}, {"B", "4"}}, "", nil},
		{"no body", "A: 1", []field{{"A", "1"}}, "", nil},
		{"from line", "From a@example.net Mon Jan  1 00:00:00 2024\nA: 1\n\nx", []field{{"A", "1"}}, "x", []DefectCode{DefectFromLine}},
		{"quoted from line", "A: 1\n>From a@example.net\nB: 2\n\nx", []field{{"A", "1"}, {"B", "2"}}, "x", []DefectCode{DefectFromLine}},
		{"leading blanks", "\r\n\r\nA: 1\r\n\r\nx", []field{{"A", "1"}}, "x", []DefectCode{DefectLeadingBlank}},
		{"leading space", " odd\r\nA: 1\r\n\r\nx", []field{{"", "odd"}, {"A", "1"}}, "x", []DefectCode{DefectNoColon}},
		{"no colon", "A: 1\nwhat is this\nB: 2\n\nx", []field{{"A", "1"}, {"", "what is this"}, {"B", "2"}}, "x", []DefectCode{DefectNoColon}},
		{"8-bit name", "X-\xe9t\xe9: 1\n\nx", []field{{"X-\xe9t\xe9", "1"}}, "x", []DefectCode{DefectFieldName}},
		{"spaced name", "Subject : 1\n\nx", []field{{"Subject", "1"}}, "x", []DefectCode{DefectFieldName}},
		{"bare cr", "A: 1\r2\nB: 3\n\nx", []field{{"A", "12"}, {"B", "3"}}, "x", []DefectCode{DefectBareCR}},
		{"nul", "A: 1\x002\n\nx", []field{{"A", "1\x002"}}, "x", []DefectCode{DefectNUL}},
		{"empty", "", nil, "", nil},
		{"only blanks", "\n\n\n", nil, "\n\n", nil},
		{"blank, then text", "\n\nsome text: here", nil, "\nsome text: here", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, body, ds := ReadHeader([]byte(tc.in), Limits{})
			var got []field
			for _, f := range h.Fields {
				got = append(got, field{f.Name, f.Value()})
			}
			var codes []DefectCode
			for _, d := range ds {
				codes = append(codes, d.Code)
			}
			if d := cmp.Diff(tc.fields, got); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.body, string(body)); d != "" {
				t.Errorf("body (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.defects, codes); d != "" {
				t.Errorf("defects (-want +got):\n%s", d)
			}
		})
	}
}

func TestHeaderKeepsBytes(t *testing.T) {
	in := "Received: from a\r\n\tby b; \xe6\x97\r\nX:  y \r\n\r\n"
	h, _, _ := ReadHeader([]byte(in), Limits{})
	var b strings.Builder
	for _, f := range h.Fields {
		b.Write(f.Raw)
		b.WriteString("\r\n")
	}
	if d := cmp.Diff(in, b.String()+"\r\n"); d != "" {
		t.Errorf("bytes changed (-want +got):\n%s", d)
	}
}

func TestHeaderLimits(t *testing.T) {
	long := "A: " + strings.Repeat("x", 1000) + "\n"
	for _, tc := range []struct {
		name string
		in   string
		lim  Limits
		want int
	}{
		{"fields", strings.Repeat("A: 1\n", 30), Limits{MaxFields: 10}, 10},
		{"lines", "A: 1\n" + strings.Repeat(" f\n", 30) + "B: 2\n", Limits{MaxHeaderLines: 10}, 1},
		{"bytes", strings.Repeat(long, 30), Limits{MaxHeaderBytes: 5100}, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, body, ds := ReadHeader([]byte(tc.in+"\nthe body"), tc.lim)
			if len(h.Fields) != tc.want || string(body) != "the body" || len(ds) != 1 || ds[0].Code != DefectHeaderLimit {
				t.Errorf("got %d fields, body %q, defects %v; want %d fields", len(h.Fields), body, ds, tc.want)
			}
		})
	}
	h, _, _ := ReadHeader([]byte(long), Limits{MaxFieldBytes: 100})
	if n := len(h.Fields[0].Raw); n != 100 {
		t.Errorf("field of %d bytes, want 100", n)
	}
}

func TestHeaderLookup(t *testing.T) {
	h, _, _ := ReadHeader([]byte("To: a\nreceived: 1\nReceived: 2\nSubject: =?utf-8?q?=E2=82=AC?=\n\n"), Limits{})
	if got := len(h.All("RECEIVED")); got != 2 {
		t.Errorf("All: %d fields, want 2", got)
	}
	if h.Get("Received") != "1" || h.Has("Cc") || h.Get("Cc") != "" || h.Text("Cc") != "" || h.Text("subject") != "€" {
		t.Errorf("look-up is wrong: %q %q", h.Get("Received"), h.Text("subject"))
	}
}
