package report

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"spoor/internal/costtest"
	"spoor/internal/message"
)

const head = "From: r@reporter.example\nTo: abuse@example.net\nSubject: abuse report\nDate: Thu, 01 Oct 2026 12:00:00 +0000\nMIME-Version: 1.0\n"

// withFile wraps a file as a base64 attachment.
func withFile(name, typ string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nattached\n--b\nContent-Type: %s; name=%q\nContent-Transfer-Encoding: base64\n\n", head, typ, name)
	enc := base64.StdEncoding.EncodeToString(body)
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\n")
		enc = enc[76:]
	}
	b.WriteString(enc + "\n--b--\n")
	return b.Bytes()
}

func zipped(t testing.TB, name string, write func(io.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	w, err := zw.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parse(raw []byte, opt Options) Result {
	return Parse(context.Background(), message.Read(raw, message.Limits{}), opt)
}

func TestZipBombIsRefused(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	bomb := zipped(t, "report.csv", func(w io.Writer) {
		fmt.Fprintln(w, "ip,timestamp\n203.0.113.7,2026-10-01 08:14:00")
		for range 16 {
			io.WriteString(w, zeros)
		}
	})
	res := parse(withFile("report.zip", "application/zip", bomb), Options{})
	if res.Truncated != "archive" {
		t.Errorf("truncated %q, want archive", res.Truncated)
	}
	if len(res.Reports) != 1 {
		t.Errorf("%d reports, want the one that came before the bomb", len(res.Reports))
	}
}

func TestGzipBombIsRefused(t *testing.T) {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	fmt.Fprintln(zw, "ip,timestamp\n203.0.113.7,2026-10-01 08:14:00")
	for range 16 {
		zw.Write(make([]byte, 1<<20))
	}
	zw.Close()
	if res := parse(withFile("report.csv.gz", "application/gzip", b.Bytes()), Options{}); res.Truncated != "archive" {
		t.Errorf("truncated %q, want archive", res.Truncated)
	}
}

func TestManyArchivedFiles(t *testing.T) {
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for i := range 200 {
		w, _ := zw.Create(fmt.Sprintf("%d.csv", i))
		fmt.Fprintf(w, "ip,timestamp\n203.0.113.%d,2026-10-01 08:14:00\n", i)
	}
	zw.Close()
	res := parse(withFile("report.zip", "application/zip", b.Bytes()), Options{})
	if res.Truncated != "archives" || len(res.Reports) != DefaultLimits().MaxArchives {
		t.Errorf("truncated %q after %d reports", res.Truncated, len(res.Reports))
	}
}

func TestBrokenArchives(t *testing.T) {
	whole := zipped(t, "r.csv", func(w io.Writer) { io.WriteString(w, "ip\n203.0.113.7\n") })
	for name, b := range map[string][]byte{"empty": {}, "cut": whole[:len(whole)/2], "noise": []byte("PK\x03\x04 nothing")} {
		if res := parse(withFile("r.zip", "application/zip", b), Options{}); len(res.Reports) != 0 {
			t.Errorf("%s: %d reports", name, len(res.Reports))
		}
	}
}

// A table of a million rows is streamed: all reports are handed on, and the
// memory stays bounded.
func TestMillionRows(t *testing.T) {
	if testing.Short() {
		t.Skip("a million rows take some seconds")
	}
	const rows = rowsOfLongTable
	table := zipped(t, "2026-10-01-scan_dns-example.csv", func(w io.Writer) {
		fmt.Fprintln(w, `"timestamp","ip","protocol","port","hostname","tag","asn"`)
		for i := range rows {
			fmt.Fprintf(w, "\"2026-10-01 08:14:%02d\",\"10.%d.%d.%d\",\"udp\",53,,\"openresolver\",64496\n", i%60, i>>16&255, i>>8&255, i&255)
		}
	})
	raw := withFile("2026-10-01-scan_dns-example.csv.zip", "application/zip", table)
	msg := message.Read(raw, message.Limits{})
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	seen := map[netip.Addr]bool{}
	res := Parse(context.Background(), msg, Options{Each: func(rs []Report) {
		n += len(rs)
		seen[rs[0].IP] = true
		if n%100_000 < len(rs) {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
	}})
	if total := n + len(res.Reports); total != rows {
		t.Errorf("%d reports, want %d", total, rows)
	}
	if most > 200<<20 {
		t.Errorf("%d MB in use", most>>20)
	}
	t.Logf("%d MB at most", most>>20)
}

func TestLargeMail(t *testing.T) {
	text := head + "\nSource IP: 203.0.113.7\n" + strings.Repeat("Lorem ipsum dolor sit amet 1234 5.6 and so on.\n", 25<<20/47)
	res := parse([]byte(text), Options{})
	if len(res.Reports) != 1 || res.Truncated != "text" {
		t.Errorf("%d reports, truncated %q", len(res.Reports), res.Truncated)
	}
	file := withFile("dump.bin", "application/octet-stream", bytes.Repeat([]byte{1, 2, 3}, 1<<20))
	if res := parse(file, Options{}); len(res.Reports) != 0 || res.Rejected != "" {
		t.Errorf("%d reports, rejected %q", len(res.Reports), res.Rejected)
	}
}

func TestNestedForwards(t *testing.T) {
	inner := "From: a@b.example\nTo: abuse@example.net\nSubject: Fwd: attack\nContent-Type: message/rfc822\n\n"
	raw := head + "Content-Type: message/rfc822\n\n" + strings.Repeat(inner, 1000) + "Subject: x\n\nSource IP: 203.0.113.7\n"
	res := parse([]byte(raw), Options{})
	if len(res.Reports) != 0 && res.Truncated == "" {
		t.Errorf("%d reports from 1,000 levels down, and no word of a limit", len(res.Reports))
	}
	quoted := head + "\n"
	for i := range 1000 {
		quoted += strings.Repeat(">", i%50) + " -----Original Message-----\n" + strings.Repeat(">", i%50) + " From: a@b.example\n" + strings.Repeat(">", i%50) + " Sent: today\n" + strings.Repeat(">", i%50) + " Subject: Fwd: x\n\n"
	}
	if res := parse([]byte(quoted+"Source IP: 203.0.113.7\n"), Options{}); len(res.Reports) != 1 {
		t.Errorf("%d reports from 1,000 inline forwards", len(res.Reports))
	}
}

// The cost of hostile texts grows with their length, not faster.
func TestCostIsLinear(t *testing.T) {
	shapes := map[string]func(n int) string{
		"addresses":     func(n int) string { return strings.Repeat("203.0.113.7 ", n) },
		"address lines": func(n int) string { return strings.Repeat("from 203.0.113.7 to 198.51.100.7\n", n/2) },
		"distinct":      func(n int) string { return distinct(n / 2) },
		"dots":          func(n int) string { return strings.Repeat("1.2.3.", n*2) },
		"colons":        func(n int) string { return strings.Repeat("a:b:", n*3) },
		"received":      func(n int) string { return strings.Repeat("Received: from a by b\n", n/2) },
		"headers":       func(n int) string { return strings.Repeat("From: a@b\nSubject: c\n", n/2) },
		"urls":          func(n int) string { return strings.Repeat("http://a/ ", n) },
		"months":        func(n int) string { return strings.Repeat("Oct 1 ", n*2) },
		"tags":          func(n int) string { return strings.Repeat("<Infringement><Source>", n/2) },
		"xml":           func(n int) string { return "<a>" + strings.Repeat("xxxx<b/>", n*3) + "</a>" },
		"json lists":    func(n int) string { return `{"ips":[` + strings.Repeat(`"203.0.113.7",`, n) + `"203.0.113.8"]}` },
		"heads":         func(n int) string { return strings.Repeat("ip,time,port\n", n) },
		"quotes":        func(n int) string { return strings.Repeat("> > > > > > > > x\n", n) },
		"braces":        func(n int) string { return strings.Repeat("{\"xarf_version\":", n) },
		"ats":           func(n int) string { return "Source IP: 203.0.113.7 " + strings.Repeat("a@b ", n*3) },
	}
	const n = 500
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			isLinear(t, []byte(head+"\n"+shape(n)), []byte(head+"\n"+shape(n*10)))
		})
	}
}

// isLinear fails where the larger of two mails costs far more than its length says.
func isLinear(t *testing.T, small, large []byte) {
	t.Helper()
	ratio := costRatio(large, small)
	for try := 0; try < 5 && ratio > 4*float64(len(large))/float64(len(small)); try++ {
		ratio = min(ratio, costRatio(large, small)) // another process had the core
	}
	if grown := float64(len(large)) / float64(len(small)); ratio > 8*grown {
		t.Errorf("%.1f times the bytes cost %.1f times as much", grown, ratio)
	}
}

// The cost of hostile documents grows with their length, whatever all their
// entries share: one time, one description, one observation.
func TestCostOfDocumentsIsLinear(t *testing.T) {
	shapes := map[string]struct {
		file, typ string
		body      func(n int) string
	}{
		"observation of STIX": {"b.json", "application/json", func(n int) string {
			return `{"type":"bundle","objects":[{"type":"observed-data","first_observed":"2026-10-01T08:14:00Z","objects":{` + repeated(n, func(i int) string {
				return fmt.Sprintf(`"%d":{"type":"ipv4-addr","value":"%s"},"t%d":{"type":"network-traffic","src_ref":"%d"},`, i, numbered(i), i, i)
			}) + `"x":{}}}]}`
		}},
		"pattern of STIX": {"b.json", "application/json", func(n int) string {
			return `{"type":"bundle","objects":[{"type":"indicator","description":"` + strings.Repeat("attack ", n*10) + `","pattern":"[` + repeated(n, func(i int) string { return "ipv4-addr:value = '" + numbered(i) + "' OR " }) + `]"}]}`
		}},
		"incident of IODEF": {"b.xml", "text/xml", func(n int) string {
			return `<IODEF-Document><Incident>` + repeated(n, func(i int) string {
				return `<Description>` + strings.Repeat("attack scan ", 10) + `</Description><System category="source"><Address>` + numbered(i) + `</Address></System>`
			}) + `</Incident></IODEF-Document>`
		}},
		"time of a list": {"b.json", "application/json", func(n int) string {
			return `{"time":"` + strings.Repeat("Oct ", n) + `","a":[` + repeated(n, func(i int) string { return `{"src_ip":"` + numbered(i) + `"},` }) + `{}]}`
		}},
		"attributes": {"b.xml", "text/xml", func(n int) string {
			return `<a ` + repeated(n*3, func(i int) string { return fmt.Sprintf(`a%d="x" `, i) }) + `></a>`
		}},
		"networks beside addresses": {"a.txt", "text/plain", func(n int) string {
			return "attacks from:\n" + repeated(n, func(i int) string { return fmt.Sprintf("%s\n12.%d.%d.0/24\n", numbered(i), i>>8&255, i&255) })
		}},
		"a letter of sections": {"a.txt", "text/plain", func(n int) string {
			return repeated(n, func(i int) string {
				return "Your host " + numbered(i) + " attacked us\nOct  1 08:14:00 fw kernel: DROP SRC=" + numbered(i) + " DST=10.0.0.1\n"
			})
		}},
	}
	const n = 500
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			small, large := []byte(shape.body(n)), []byte(shape.body(n*10))
			if shape.typ == "text/plain" {
				isLinear(t, append([]byte(head+"\n"), small...), append([]byte(head+"\n"), large...))
				return
			}
			isLinear(t, withFile(shape.file, shape.typ, small), withFile(shape.file, shape.typ, large))
		})
	}
}

func repeated(n int, item func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(item(i))
	}
	return b.String()
}

// numbered returns the i-th of many public addresses.
func numbered(i int) string { return fmt.Sprintf("11.%d.%d.%d", i>>16&255, i>>8&255, i&255) }

func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "attack from 10.%d.%d.%d on us\n", i>>16&255, i>>8&255, i&255)
	}
	return b.String()
}

func costRatio(large, small []byte) float64 {
	return float64(parseCost(large)) / float64(parseCost(small)+100*time.Microsecond)
}

// parseCost is the least processor time of several readings.
func parseCost(raw []byte) time.Duration {
	return costtest.Least(3, func() { parse(raw, Options{}) })
}

// A large table in a legacy charset is decoded as it is read, to its last row.
func TestLargeTableInLegacyCharset(t *testing.T) {
	const rows = 40_000
	var table strings.Builder
	table.WriteString("IP-адрес;Время;Порт;type\n")
	for i := range rows {
		fmt.Fprintf(&table, "10.%d.%d.%d;2026-10-01 08:14:%02d;22;подбор пароля к узлу абонента, отчёт дежурной смены\n", i>>16&255, i>>8&255, i&255, i%60)
	}
	for _, tc := range []struct {
		charset string
		enc     encoding.Encoding
	}{
		{"windows-1251", charmap.Windows1251},
		{"utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)},
	} {
		t.Run(tc.charset, func(t *testing.T) {
			body, err := tc.enc.NewEncoder().Bytes([]byte(table.String()))
			if err != nil {
				t.Fatal(err)
			}
			if len(body)*4/3 <= maxWhole {
				t.Fatalf("%d bytes are decoded at once", len(body))
			}
			raw := bytes.Replace(withFile("report.csv", "text/csv", body), []byte("text/csv;"), []byte("text/csv; charset="+tc.charset+";"), 1)
			n, last, odd := 0, Report{}, 0
			take := func(rs []Report) {
				for _, r := range rs {
					if !strings.HasSuffix(r.Evidence[0], "смены") || !strings.HasSuffix(r.Subject.Title, "смены") {
						odd++
					}
					n, last = n+1, r
				}
			}
			res := parse(raw, Options{Each: take})
			take(res.Reports)
			if n != rows || odd > 0 || res.Truncated != "" {
				t.Errorf("%d reports of %d, %d of them wrongly decoded, truncated %q", n, rows, odd, res.Truncated)
			}
			if want := fmt.Sprintf("10.%d.%d.%d", (rows-1)>>16&255, (rows-1)>>8&255, (rows-1)&255); last.IP.String() != want {
				t.Errorf("the last row is of %s, want %s", last.IP, want)
			}
		})
	}
}

// A mail that passes the limit of what is read says so.
func TestCutMailSaysSo(t *testing.T) {
	raw := []byte(head + "\nSource IP: 203.0.113.7\n" + strings.Repeat("x\n", 1000))
	res := Parse(context.Background(), message.Read(raw, message.Limits{MaxBytes: len(raw) - 100}), Options{})
	if len(res.Reports) != 1 || res.Truncated != "mail" {
		t.Errorf("%d reports, truncated %q, want 1 and mail", len(res.Reports), res.Truncated)
	}
}
