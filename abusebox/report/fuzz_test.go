package report

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"spoor/internal/message"
)

// FuzzParse: whatever comes in, the result can be written, is bounded, and each
// report says whom, why and by which step.
func FuzzParse(f *testing.F) {
	f.Add([]byte("From: a@b.example\nSubject: abuse\n\nSource IP: 203.0.113.7\nTime: 2026-10-01 08:14:00 UTC\n"))
	f.Add([]byte("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x\nVersion: 1\n--b\nContent-Type: message/rfc822\n\nReceived: from a ([203.0.113.7]) by b; Thu, 1 Oct 2026 08:14:00 +0000\n\n--b--\n"))
	f.Add([]byte("Content-Type: text/html\n\n<table><tr><td>IP</td><td>203.0.113.7</td></tr></table>"))
	f.Add([]byte("Content-Type: application/json\n\n{\"xarf_version\":\"4\",\"source_identifier\":\"203.0.113.7\",\"category\":\"x\"}"))
	f.Add([]byte("Subject: x\n\n---Start ACNS XML\n<Infringement><Source><IP_Address>203.0.113.7</IP_Address></Source></Infringement>\n"))
	f.Add([]byte("Content-Type: text/csv\n\nip,time,port\n203.0.113.7,2026-10-01 08:14:00,25\n"))
	f.Add([]byte("Content-Type: text/xml; name=a.xml\nContent-Disposition: attachment\n\n<IODEF-Document><Incident><StartTime>2026-10-01T08:14:00Z</StartTime><System category=\"source\"><Address>203.0.113.7</Address></System></Incident></IODEF-Document>"))
	f.Add([]byte("Content-Type: application/json\n\n{\"type\":\"bundle\",\"objects\":[{\"type\":\"indicator\",\"pattern\":\"[ipv4-addr:value = '203.0.113.7']\"},{\"type\":\"observed-data\",\"objects\":{\"0\":{\"type\":\"ipv4-addr\",\"value\":\"203.0.113.8\"},\"1\":{\"type\":\"network-traffic\",\"src_ref\":\"0\"}}}]}"))
	f.Add([]byte("Content-Type: application/xml\n\n<a><b time=\"2026-10-01T08:14:00Z\"><ip>203.0.113.7</ip><ip>203.0.113.8</ip></b></a>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		res := Parse(t.Context(), message.Read(b, message.Limits{}), Options{})
		for _, r := range res.Reports {
			if !r.IP.IsValid() && r.Source == "" && !r.Prefix.IsValid() {
				t.Fatal("a report accuses nobody")
			}
			if r.Why == "" || r.Step == "" || r.Count < 1 || len(r.Evidence) > DefaultLimits().MaxEvidence {
				t.Fatalf("incomplete report %+v", r)
			}
		}
		if res.Rejected != "" && len(res.Reports) > 0 {
			t.Fatal("rejected with reports")
		}
		if _, err := json.Marshal(res); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzFindAddresses(f *testing.F) {
	for _, s := range []string{"203.0.113.7:25", "2001:db8::7/64", "1.2.3.4.5 > 6.7.8.9.10:", "192[.]0[.]2[.]7", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = refang(s)
		last := 0
		for _, h := range findAddresses(s) {
			if h.start < last || h.end > h.full || h.full > len(s) || h.start >= h.end {
				t.Fatalf("hit %+v in %q", h, s)
			}
			last = h.full
			if h.ip.Is4() && strings.Count(s[h.start:h.end], ".") != 3 {
				return
			}
			if ip, err := netip.ParseAddr(h.ip.String()); err != nil || ip != h.ip {
				t.Fatalf("%s does not come back", h.ip)
			}
		}
	})
}

func FuzzFindStamps(f *testing.F) {
	for _, s := range []string{"Thu, 01 Oct 2026 08:14:00 +0200 (CEST)", "2026-10-01T08:14:00Z", "01/Oct/2026:08:14:00 +0200", "2026年10月1日 08:14", "Oct  1 08:14:00", "1. Oktober 2026 um 8:14 Uhr", "民國115年9月30日 下午3時20分", "115/09/30 21:14:05 (GMT+8)", "29 сентября 2026 г. в 19:05:10 по московскому времени", "2026年10月1日（木）3時12分〜3時40分 (JST)", "1er octobre 2026 à 20 h 11 min 03 s (heure de Paris)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		last := 0
		for _, st := range findStamps(s, 20) {
			if st.start < last || st.end > len(s) || st.end <= st.start {
				t.Fatalf("stamp %d–%d in %q", st.start, st.end, s)
			}
			last = st.end
		}
		zoneOfText(s)
	})
}

func FuzzHTMLText(f *testing.F) {
	f.Add("<p>a<br>b</p><div style='display:none'>c</div><table><tr><td>d<td>e")
	f.Fuzz(func(t *testing.T, s string) {
		if out := htmlText(s, 1<<16); utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Fatalf("%q", out)
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add("# a comment\nip;time;port\n203.0.113.7;2026-10-01 08:14:00;25\n")
	f.Add("\"ip\",\"time\"\n\"203.0.113.7\",\"2026\n-10\"\n")
	f.Fuzz(func(t *testing.T, s string) {
		findHead(bufio.NewReader(strings.NewReader(s)))
		res := Parse(t.Context(), message.Read([]byte("Content-Type: text/csv; name=a.csv\n\n"+s), message.Limits{}), Options{})
		for _, r := range res.Reports {
			if !r.IP.IsValid() && r.Source == "" && !r.Prefix.IsValid() {
				t.Fatal("a row accuses nobody")
			}
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add([]byte("name='x'\n[match]\nfrom=['a']\n[labels]\nip=['Blame']\n"), "Blame: 203.0.113.7\n")
	f.Fuzz(func(t *testing.T, file []byte, body string) {
		format, err := ParseFormat(file)
		if err != nil {
			return
		}
		Parse(t.Context(), message.Read([]byte("From: a@b.example\n\n"+body), message.Limits{}), Options{Formats: []*Format{format}})
	})
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte("From: A <a@b.example>\nSubject: 203.0.113.7\n\nsee 203.0.113.7\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		NewRedactor().Mail(b)
	})
}
