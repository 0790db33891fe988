package message

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func FuzzRead(f *testing.F) {
	f.Add([]byte(arf))
	f.Add([]byte(nested(20)))
	f.Add([]byte("From x\n\n\nA\nB: c\r\n d\r\n\r\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := Read(b, Limits{MaxParts: 100, MaxFields: 100})
		parts := 0
		m.Walk(func(p *Part) bool {
			parts++
			if p.Depth > 16 {
				t.Fatalf("depth %d", p.Depth)
			}
			if !utf8.ValidString(p.Text()) {
				t.Fatal("text is not UTF-8")
			}
			return true
		})
		if parts > 100 {
			t.Fatalf("%d parts", parts)
		}
	})
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("A: b\r\n c\r\nD: e\r\n\r\nbody"))
	f.Add([]byte("A: b\rC: d\r\rbody"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, _ := ReadHeader(b, Limits{})
		if !bytes.HasSuffix(b, body) {
			t.Fatal("the body is not the end of the mail")
		}
		at := 0
		for _, fl := range h.Fields {
			i := bytes.Index(b[at:], fl.Raw)
			if i < 0 {
				t.Fatalf("field %q is not in the mail, or out of order", fl.Raw)
			}
			at += i + len(fl.Raw)
			if !utf8.ValidString(DecodeWords(fl.Value())) {
				t.Fatal("decoded value is not UTF-8")
			}
		}
	})
}

func BenchmarkReadHeader(b *testing.B) {
	in := []byte(arf)
	b.ReportAllocs()
	for b.Loop() {
		ReadHeader(in, Limits{})
	}
}

func BenchmarkRead(b *testing.B) {
	in := []byte(arf)
	b.ReportAllocs()
	for b.Loop() {
		Read(in, Limits{})
	}
}
