package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/message"
)

// emit writes a hop as RFC 5321 §4.4 and Postfix do; ok is false where a field
// holds what that form cannot carry.
func emit(h *Hop) (string, bool) {
	for _, f := range []string{h.HELO, h.RDNS, h.By, h.ID, h.For} {
		if strings.ContainsAny(f, "()<>[];,\"\\ \t\r\n\x00@") || strings.HasSuffix(f, ".") {
			return "", false
		}
		switch strings.ToLower(f) {
		case "from", "by", "with", "id", "for", "via", "uid", "as", "claiming", "helo", "ehlo", "lhlo", "account", "unknown.domain", "unknown_domain":
			return "", false
		}
		if f != "" && new(peer).marker(f) { // a word about the look-up
			return "", false
		}
	}
	if h.HELO == "" || h.By == "" || !h.IP.IsValid() || h.Time.IsZero() || h.Time.Year() < 1950 || h.Time.Year() > 2049 || isAddress(h.RDNS) {
		return "", false
	}
	rdns := h.RDNS
	if rdns == "" {
		rdns = "unknown"
	}
	text := fmt.Sprintf("Received: from %s (%s [%s]) by %s (Postfix)", h.HELO, rdns, h.IP, h.By)
	if h.ID != "" {
		text += " id " + h.ID
	}
	if h.For != "" {
		text += " for <" + h.For + ">"
	}
	return text + "; " + emitDate(h.Date), true
}

// emitDate writes a date as RFC 5322 §3.3 does.
func emitDate(d Date) string {
	local := d.Time.Add(time.Duration(d.Offset) * time.Second)
	text := local.Format("Mon, 2 Jan 2006 15:04:05")
	if d.HasZone {
		text += " " + offsetText(d.Offset)
	}
	return text
}

func FuzzLine(f *testing.F) {
	for _, s := range sampleLines(f) {
		f.Add("Received: " + s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := ParseReceived([]byte(s))
		if h.Raw != s {
			t.Fatal("the bytes were changed")
		}
		if h.Dialect == "" || h.RDNSState == "" {
			t.Fatalf("no dialect or state: %s", describe(&h))
		}
		if again := ParseReceived([]byte(s)); !cmp.Equal(describe(&h), describe(&again)) {
			t.Fatal("parsed twice, it differs")
		}
		text, ok := emit(&h)
		if !ok {
			return
		}
		e := ParseReceived([]byte(text))
		want := [6]string{addrText(h.IP), h.HELO, strings.ToLower(h.RDNS), h.By, h.ID, h.For}
		got := [6]string{addrText(e.IP), e.HELO, strings.ToLower(e.RDNS), e.By, e.ID, e.For}
		if want != got || !h.Time.Equal(e.Time.Time.Add(h.Time.Sub(h.Time.Truncate(time.Second)))) {
			t.Fatalf("%q\nwas read as %s\nemitted as %q\nread again as %s", s, describe(&h), text, describe(&e))
		}
	})
}

func FuzzDate(f *testing.F) {
	for _, s := range sampleLines(f) {
		f.Add(s[strings.LastIndexByte(s, ';')+1:])
	}
	for _, s := range []string{"Sun Nov 13 14:50:12 2005", "Fri Sep 14 14:36:56 EDT 2018", "2004年5月9日 下午 7:55:59", "2004-05-24T03:07:41Z", "6 Nov 94 08:49 GMT+0800", "Mon, 24 May 104 11:07:41 +0800"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := ParseDate(s)
		var any Date
		if slow := any.parseAny(trimSpace(s[:min(len(s), maxDate)])); slow != ok && len(s) < maxDate || slow && len(s) < maxDate && any != d {
			t.Fatalf("%q: the usual form's reader says %+v, the other %+v", s, d, any)
		}
		if !ok {
			return
		}
		if !strings.HasPrefix(strings.Trim(s, " \t\r\n\x00"), d.Raw) {
			t.Fatalf("%q was not read from %q", d.Raw, s)
		}
		if y := d.Time.Add(time.Duration(d.Offset) * time.Second).Year(); y > 9999 || y < 1950 || d.BadOffset {
			return
		}
		text := emitDate(d)
		e, ok := ParseDate(text)
		if !ok || !e.Time.Equal(d.Time.Truncate(time.Second)) || e.HasZone != d.HasZone || e.Offset != d.Offset {
			t.Fatalf("%q was read as %v %d, emitted as %q and read as %v %d", s, d.Time, d.Offset, text, e.Time, e.Offset)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, name := range []string{"seed-normal", "seed-commercial", "seed-forged", "seed-virus"} {
		f.Add(readSample(f, name+".eml").Raw, "example.net")
	}
	lines := sampleLines(f)
	for i := 0; i+5 < len(lines); i += 5 {
		f.Add([]byte("Received: "+strings.Join(lines[i:i+5], "\nReceived: ")+"\nFrom: a@example.com\nDate: Mon, 5 Oct 2026 10:11:12 +0200\n\nbody http://www.example.com/ +49 30 1234567\n"), "mx.example.net")
	}
	f.Fuzz(func(t *testing.T, raw []byte, host string) {
		tr := NewTracer(Options{TrustHosts: []string{host}})
		m := message.Read(raw, message.DefaultLimits())
		r := tr.TraceMessage(m)
		checkResult(t, &r)
		var again bytes.Buffer
		for _, fld := range m.Header.Fields {
			again.Write(fld.Raw)
			again.WriteString("\n")
		}
		h, _, _ := message.ReadHeader(append(again.Bytes(), '\n'), message.DefaultLimits())
		if len(h.Fields) != len(m.Header.Fields) {
			return // a bare CR or the like parts the fields anew
		}
		a, b := tr.Trace(m.Header), tr.Trace(h)
		if diff := cmp.Diff(encode(t, &a), encode(t, &b)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func encode(t *testing.T, r *Result) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkResult holds what is true of every result.
func checkResult(t *testing.T, r *Result) {
	t.Helper()
	if (r.Origin != nil) != (r.Status == StatusTraced) {
		t.Fatalf("status %s with origin %v", r.Status, r.Origin)
	}
	if (r.Status == StatusNoReceived) != (len(r.Hops) == 0) {
		t.Fatalf("status %s with %d hops", r.Status, len(r.Hops))
	}
	if len(r.Hops) > 0 && (r.Boundary == nil || r.Boundary.Hop >= len(r.Hops)) {
		t.Fatalf("boundary %+v of %d hops", r.Boundary, len(r.Hops))
	}
	if o := r.Origin; o != nil && (o.IP != r.Hops[o.Hop].IP || r.Hops[o.Hop].Trust != TrustBoundary) {
		t.Fatalf("origin %v is not the boundary's peer", o)
	}
	below := false
	for i := range r.Hops {
		h := &r.Hops[i]
		claimed := h.Trust == TrustClaimed || h.Trust == TrustForged
		if below && !claimed || h.Index != i || h.Role == "" || h.Trust == "" {
			t.Fatalf("hop %d: %q %q below the boundary: %v", i, h.Trust, h.Role, below)
		}
		below = claimed
	}
	for _, f := range r.Findings {
		if f.Hop >= len(r.Hops) || f.Code == "" || f.Explain == "" {
			t.Fatalf("finding %+v", f)
		}
	}
	if len(r.Findings) > maxFindings || len(r.Clues) > maxClues || len(r.Claims) > maxClaims+1 || len(r.Hops) > MaxHops {
		t.Fatal("a list passes its bound")
	}
}
