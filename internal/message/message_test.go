package message

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outline draws the tree: depth, type, name and the first bytes of the text.
func outline(m *Message) string {
	var b strings.Builder
	m.Walk(func(p *Part) bool {
		fmt.Fprintf(&b, "%s%s", strings.Repeat(" ", p.Depth), p.MediaType)
		if p.Filename != "" {
			fmt.Fprintf(&b, " %s", p.Filename)
		}
		if len(p.Children) == 0 {
			text := p.Text()
			fmt.Fprintf(&b, " %q", text[:min(len(text), 40)])
		}
		if len(p.Groups) > 0 {
			fmt.Fprintf(&b, " groups=%d", len(p.Groups))
		}
		b.WriteString("\n")
		return true
	})
	return b.String()
}

const arf = `From: a@example.net
Content-Type: multipart/report; boundary="=_b"

preamble
--=_b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9
--=_b
Content-Type: message/feedback-report

Feedback-Type: abuse
Source-IP: 192.0.2.7

--=_b
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/mixed; boundary=in

--in

hello
--in--
--=_b--
epilogue
`

func TestRead(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
		defects        []DefectCode
	}{
		{"feedback report", arf, "multipart/report\n text/plain \"café\"\n message/feedback-report \"Feedback-Type: abuse\\nSource-IP: 192.0.2.\" groups=1\n message/rfc822\n  multipart/mixed\n   text/plain \"hello\"\n", nil},
		{"same with crlf", strings.ReplaceAll(arf, "\n", "\r\n"), "multipart/report\n text/plain \"café\"\n message/feedback-report \"Feedback-Type: abuse\\r\\nSource-IP: 192.0.2\" groups=1\n message/rfc822\n  multipart/mixed\n   text/plain \"hello\"\n", nil},
		{"no type", "A: b\n\nhi", "text/plain \"hi\"\n", nil},
		{"broken type", "Content-Type: text\n\nhi", "text/plain \"hi\"\n", nil},
		{"unknown charset", "Content-Type: text/plain; charset=viscii-9\n\nhi \xff", "text/plain \"hi \ufffd\"\n", []DefectCode{DefectCharset}},
		{"unknown encoding", "Content-Transfer-Encoding: rot13\n\nhi", "text/plain \"hi\"\n", []DefectCode{DefectEncoding}},
		{"no boundary", "Content-Type: multipart/mixed\n\nhi", "multipart/mixed \"hi\"\n", []DefectCode{DefectNoBoundary}},
		{"wrong boundary", "Content-Type: multipart/mixed; boundary=x\n\n--12345678\nContent-Type: text/html\n\nhi\n--12345678--\n", "multipart/mixed\n text/html \"hi\"\n", []DefectCode{DefectNoBoundary}},
		{"unclosed", "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n", "multipart/mixed\n text/plain \"hi\\n\"\n", []DefectCode{DefectUnclosed}},
		{"boundary is a prefix", "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n--xy\nno\n--x--", "multipart/mixed\n text/plain \"hi\\n--xy\\nno\"\n", nil},
		{"digest", "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\nhi\n--x--", "multipart/digest\n message/rfc822\n  text/plain \"hi\"\n", nil},
		{"base64 mail", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKaGk=\n", "message/rfc822\n text/plain \"hi\"\n", nil},
		{"eml as file", "Content-Type: application/octet-stream; name=\"a.eml\"\n\nSubject: a\nFrom: b\n\nhi", "application/octet-stream a.eml\n text/plain \"hi\"\n", []DefectCode{DefectMisnamedEmail}},
		{"eml that is none", "Content-Type: application/octet-stream; name=\"a.eml\"\n\nhello there", "application/octet-stream a.eml \"hello there\"\n", nil},
		{"delivery status", "Content-Type: message/delivery-status\n\nReporting-MTA: a\n\nFinal-Recipient: b\n\n\nFinal-Recipient: c\n", "message/delivery-status \"Reporting-MTA: a\\n\\nFinal-Recipient: b\\n\\n\\nF\" groups=3\n", nil},
		{"names", "Content-Type: text/plain; name*0*=utf-8''%E2%82; name*1*=%AC; name*2=.txt\n\nhi", "text/plain €.txt \"hi\"\n", nil},
		{"word in name", "Content-Disposition: attachment; filename=\"=?utf-8?B?4oKs?=.txt\"\n\nhi", "text/plain €.txt \"hi\"\n", nil},
		{"utf-16", "Content-Type: text/csv\nContent-Transfer-Encoding: base64\n\n//5hAGIA", "text/csv \"ab\"\n", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := Read([]byte(tc.in), Limits{})
			if d := cmp.Diff(tc.want, outline(m)); d != "" {
				t.Errorf("tree (-want +got):\n%s", d)
			}
			var codes []DefectCode
			for _, d := range m.Defects {
				if d.Code != DefectNoHeader {
					codes = append(codes, d.Code)
				}
			}
			if d := cmp.Diff(tc.defects, codes); d != "" {
				t.Errorf("defects (-want +got):\n%s", d)
			}
		})
	}
}

func TestPreambleEpilogue(t *testing.T) {
	m := Read([]byte(arf), Limits{})
	if string(m.Preamble) != "preamble\n" || string(m.Epilogue) != "epilogue\n" {
		t.Errorf("preamble %q, epilogue %q", m.Preamble, m.Epilogue)
	}
	if !m.Children[2].IsMail() || m.Children[2].Children[0].Header.Get("Subject") != "inner" {
		t.Error("the enclosed mail is not there")
	}
	if got := m.Children[1].Groups[0].Get("source-ip"); got != "192.0.2.7" {
		t.Errorf("Source-IP %q", got)
	}
}

func TestReadLimits(t *testing.T) {
	part := "--x\n\nhi\n"
	for _, tc := range []struct {
		name, in string
		lim      Limits
		defect   DefectCode
		parts    int
	}{
		{"bytes", "A: b\n\n" + strings.Repeat("x", 100), Limits{MaxBytes: 50}, DefectBytesLimit, 1},
		{"parts", "Content-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat(part, 50), Limits{MaxParts: 10}, DefectPartsLimit, 10},
		{"depth", nested(40), Limits{MaxDepth: 5}, DefectDepthLimit, 6},
		{"mails", strings.Repeat("Content-Type: message/rfc822\n\n", 40), Limits{}, DefectDepthLimit, 17},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := Read([]byte(tc.in), tc.lim)
			n, found := 0, false
			m.Walk(func(*Part) bool { n++; return true })
			for _, d := range m.Defects {
				found = found || d.Code == tc.defect
			}
			if n != tc.parts || !found {
				t.Errorf("%d parts, defects %v; want %d parts and %s", n, m.Defects, tc.parts, tc.defect)
			}
		})
	}
}

// nested returns a multipart nested n deep.
func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%d\"\n\n--b%d\n", i, i)
	}
	b.WriteString("\nhi\n")
	for i := n - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\n", i)
	}
	return b.String()
}
