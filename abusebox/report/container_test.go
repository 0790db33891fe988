package report

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/internal/message/messagetest"
)

const plainComplaint = "Hello,\n\nyour host attacked us.\n\nSource IP: 203.0.113.7\nTime: 2026-10-01 08:14:00 UTC\n"

// What stands in a container is read as if it stood in the mail.
func TestContainers(t *testing.T) {
	csv := []byte("ip,timestamp\n203.0.113.7,2026-10-01 08:14:00\n203.0.113.8,2026-10-01 08:15:00\n")
	spam := &messagetest.Mail{Header: "Received: from pc7.example.net (pc7.example.net [203.0.113.7]) by mx.victim.example with ESMTP id 1; Thu, 1 Oct 2026 08:14:00 +0000\r\nFrom: x@spam.example\r\nTo: ann@victim.example\r\nSubject: cheap\r\n", Text: "buy"}
	one, two := []string{"203.0.113.7"}, []string{"203.0.113.7", "203.0.113.8"}
	for name, tc := range map[string]struct {
		raw    []byte
		want   []string
		author string
	}{
		"table in winmail.dat":         {withFile("winmail.dat", "application/ms-tnef", messagetest.TNEF(messagetest.Mail{Text: "attached", Files: []messagetest.File{{Name: "r.csv", Data: csv}}})), two, "r@reporter.example"},
		"text in winmail.dat":          {bare("application/ms-tnef", "winmail.dat", messagetest.TNEF(messagetest.Mail{Text: plainComplaint})), one, "r@reporter.example"},
		"mail in winmail.dat":          {withFile("winmail.dat", "application/octet-stream", messagetest.TNEF(messagetest.Mail{Text: "see", Files: []messagetest.File{{Name: "spam", Mail: spam}}})), one, "r@reporter.example"},
		"spam as .msg":                 {withFile("spam.msg", "application/vnd.ms-outlook", messagetest.Outlook(*spam)), one, "r@reporter.example"},
		"complaint as .msg":            {withFile("Fwd.msg", "application/octet-stream", messagetest.Outlook(messagetest.Mail{Header: "From: bob@victim.example\r\nTo: abuse@example.net\r\nSubject: abuse report\r\n", Text: plainComplaint})), one, "bob@victim.example"},
		"complaint as .msg, no header": {withFile("Fwd.msg", "application/octet-stream", messagetest.Outlook(messagetest.Mail{From: "bob@victim.example", Subject: "abuse report", Text: plainComplaint})), one, "bob@victim.example"},
		"opaque-signed":                {bare("application/pkcs7-mime; smime-type=signed-data", "smime.p7m", messagetest.Signed([]byte("Content-Type: text/plain\r\n\r\n"+plainComplaint))), one, "r@reporter.example"},
		"opaque-signed, streamed":      {bare("application/x-pkcs7-mime", "smime.p7m", messagetest.SignedBER(withFile("r.csv", "text/csv", csv))), two, "r@reporter.example"},
		"workbook":                     {withFile("abuse.xlsx", "application/octet-stream", workbookOf(t, false)), two, "r@reporter.example"},
		"workbook, inline strings":     {withFile("abuse.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", workbookOf(t, true)), two, "r@reporter.example"},
		"uuencoded in the text":        {[]byte(head + "\nattached\n\nbegin 644 events.csv\n" + uuencoded(csv) + "end\n\nregards\n"), two, "r@reporter.example"},
	} {
		t.Run(name, func(t *testing.T) {
			res := parse(tc.raw, Options{})
			if d := cmp.Diff(tc.want, ips(res)); d != "" {
				t.Fatalf("(-want +got):\n%s", d)
			}
			if res.Reporter.Address != tc.author {
				t.Errorf("reporter %s", res.Reporter.Address)
			}
			if got := res.Reports[0].Time.Format("2006-01-02 15:04"); got != "2026-10-01 08:14" {
				t.Errorf("time %s", got)
			}
		})
	}
}

// bare is a mail whose whole body is one encoded part.
func bare(mediaType, name string, body []byte) []byte {
	return fmt.Appendf(nil, "%sContent-Type: %s; name=%q\nContent-Transfer-Encoding: base64\n\n%s\n", head, mediaType, name, base64.StdEncoding.EncodeToString(body))
}

func uuencoded(b []byte) string {
	var out strings.Builder
	for ; len(b) > 0; b = b[min(45, len(b)):] {
		l := b[:min(45, len(b))]
		out.WriteByte(byte(32 + len(l)))
		for i := 0; i < len(l); i += 3 {
			var v [3]byte
			copy(v[:], l[i:])
			for _, c := range []byte{v[0] >> 2, v[0]<<4&0x30 | v[1]>>4, v[1]<<2&0x3c | v[2]>>6, v[2] & 0x3f} {
				if c == 0 {
					c = '`' - 32
				}
				out.WriteByte(32 + c)
			}
		}
		out.WriteByte('\n')
	}
	return out.String() + "`\n"
}

// workbookOf builds an .xlsx of two rows: text in shared or inline strings, the
// time as a number that a style shows as a date.
func workbookOf(t testing.TB, inline bool) []byte {
	t.Helper()
	text := func(ref string, n int, s string) string {
		if inline {
			return fmt.Sprintf(`<c r="%s" t="inlineStr"><is><t>%s</t></is></c>`, ref, s)
		}
		return fmt.Sprintf(`<c r="%s" t="s"><v>%d</v></c>`, ref, n)
	}
	sheet := `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>` +
		`<row r="1">` + text("A1", 0, "Source IP") + text("B1", 1, "Timestamp (UTC)") + text("D1", 2, "Type") + `</row>` +
		`<row r="2">` + text("A2", 3, "203.0.113.7") + `<c r="B2" s="1"><v>46296.343055555553</v></c>` + text("D2", 5, "brute force") + `</row>` +
		`<row r="3">` + text("A3", 4, "203.0.113.8") + `<c r="B3" s="1"><v>46296.34375</v></c>` + text("D3", 5, "brute force") + `</row></sheetData></worksheet>`
	parts := [][2]string{
		{"xl/worksheets/sheet1.xml", sheet},
		{"xl/styles.xml", `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd hh:mm"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>`},
		{"xl/sharedStrings.xml", `<sst><si><t>Source IP</t></si><si><r><t>Timestamp</t></r><r><t> (UTC)</t></r></si><si><t>Type</t></si><si><t>203.0.113.7</t></si><si><t>203.0.113.8</t></si><si><t>brute force</t></si></sst>`},
	}
	return zipOf(t, parts)
}

func zipOf(t testing.TB, parts [][2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, p := range parts {
		w, err := zw.Create(p[0])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, p[1])
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What cannot be read is named with its reason, never passed over.
func TestUnread(t *testing.T) {
	locked := zipped(t, "evidence.csv", func(w io.Writer) { io.WriteString(w, "ip\n203.0.113.7\n") })
	for _, sign := range []string{"PK\x03\x04", "PK\x01\x02"} { // the flag of encryption in both heads of the file
		at := bytes.Index(locked, []byte(sign))
		flags := at + 6
		if sign[2] == 1 {
			flags = at + 8
		}
		locked[flags] |= 1
	}
	for name, tc := range map[string]struct {
		raw []byte
		why string
	}{
		"locked zip":    {withFile("evidence.zip", "application/zip", locked), "encrypted with a password"},
		"enveloped":     {bare("application/pkcs7-mime; smime-type=enveloped-data", "smime.p7m", messagetest.Enveloped()), "encrypted"},
		"pgp encrypted": {[]byte(head + "Content-Type: multipart/encrypted; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n--b--\n"), "encrypted"},
		"external":      {[]byte(head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/external-body; access-type=URL; URL=\"http://reporter.example/x\"\n\nContent-Type: text/plain\n\n--b--\n"), "it lies elsewhere, and is not fetched"},
		"pdf":           {withFile("letter.pdf", "application/pdf", []byte("%PDF-1.4")), "PDF is not read"},
		"7z":            {withFile("logs.7z", "application/octet-stream", []byte("7z\xbc\xaf")), "an archive of a kind that is not opened"},
	} {
		t.Run(name, func(t *testing.T) {
			res := parse(tc.raw, Options{})
			if len(res.Unread) == 0 || res.Unread[0].Why != tc.why || res.Unread[0].Name == "" {
				t.Errorf("unread %+v, want %q", res.Unread, tc.why)
			}
		})
	}
}

// A workbook whose cells all show one long string, and one that unpacks to too
// much, are cut and said to be.
func TestWorkbookBombs(t *testing.T) {
	long := strings.Repeat("A", 1<<20)
	row := `<row>` + strings.Repeat(`<c t="s"><v>0</v></c>`, 1000) + `</row>`
	raw := withFile("bomb.xlsx", "application/octet-stream", zipOf(t, [][2]string{
		{"xl/sharedStrings.xml", "<sst><si><t>" + long + "</t></si></sst>"},
		{"xl/worksheets/sheet1.xml", "<worksheet>" + strings.Repeat(row, 100) + "</worksheet>"},
	}))
	if res := parse(raw, Options{Limits: Limits{MaxUnpacked: 16 << 20}}); len(res.Reports) != 0 {
		t.Errorf("%d reports", len(res.Reports))
	}
	raw = withFile("bomb.xlsx", "application/octet-stream", zipOf(t, [][2]string{{"xl/worksheets/sheet1.xml", "<worksheet>" + strings.Repeat(" ", 80<<20)}}))
	if res := parse(raw, Options{}); res.Truncated != "archive" {
		t.Errorf("truncated %q", res.Truncated)
	}
}

// Containers within containers end.
func TestNestedContainers(t *testing.T) {
	body := []byte("Content-Type: text/plain\r\n\r\n" + plainComplaint)
	for range 100 {
		body = fmt.Appendf(nil, "Content-Type: application/pkcs7-mime\r\n\r\n%s", messagetest.Signed(body))
	}
	raw := append([]byte(head), body...)
	if res := parse(raw, Options{}); res.Truncated != "nesting" || len(res.Reports) != 0 {
		t.Errorf("truncated %q, %d reports", res.Truncated, len(res.Reports))
	}
}

func FuzzWorkbook(f *testing.F) {
	f.Add(`<row><c r="A1" t="s"><v>0</v></c></row>`, `<si><t>ip</t></si>`, `<cellXfs><xf numFmtId="14"/></cellXfs>`)
	f.Fuzz(func(t *testing.T, sheet, shared, styles string) {
		raw := zipOf(t, [][2]string{{"xl/sharedStrings.xml", shared}, {"xl/styles.xml", styles}, {"xl/worksheets/sheet1.xml", sheet}})
		parse(withFile("a.xlsx", "application/octet-stream", raw), Options{Limits: Limits{MaxUnpacked: 1 << 20}})
	})
}
