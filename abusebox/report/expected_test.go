package report_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

// What a clerk reads out of the corpus, by kind of mail: how many are accused,
// the form, the type and the beginning of the reason. The addresses themselves
// stay in the corpus.
func TestCorpusReadings(t *testing.T) {
	type want struct {
		n      int
		format string
		typ    string
		why    string
	}
	wants := map[string]want{
		"abusehub_":                                {1, "csv", "connection/infected-host", `column "src_ip"`},
		"blocklistde_":                             {1, "x-arf", "connection/reconnaissance", "Source of the X-ARF"},
		"cleanmx_Cleanmx_Example_1":                {1, "x-arf", "messaging/spam", "Source of the X-ARF"},
		"cleanmx_Cleanmx_Example_2":                {1, "table", "content/malware", `column "ip"`},
		"cleanmx_Cleanmx_Example_3":                {1, "x-arf", "messaging/spam", "Source of the X-ARF"},
		"cleanmx_Cleanmx_Example_4":                {1, "table", "content/malware", `column "ip"`},
		"copyrightcompliance_":                     {1, "acns", "copyright/p2p", "IP_Address"},
		"cyscon_":                                  {1, "yaml", "content/malware", "ip of MALWARE-report.txt"},
		"feedback-loop_":                           {1, "arf", "messaging/spam", "Source-IP"},
		"google_Safe_Browsing_Report_1":            {2, "xml", "content/malware", "ip of url_info"},
		"google_Safe_Browsing_Report_2":            {3, "xml", "content/malware", "ip of url_info"},
		"ip-echelon_":                              {1, "acns", "copyright/p2p", "IP_Address"},
		"netcraft_Netcraft_Example_1":              {1, "x-arf", "content/malware", "Source of the X-ARF"},
		"netcraft_Netcraft_Example_3":              {1, "x-arf", "content/phishing", "address that the text gives"},
		"netcraft_Netcraft_Example_4":              {1, "x-arf", "content/phishing", "address that the text gives"},
		"netcraft_Netcraft_Example_8":              {1, "x-arf", "content/phishing", "address that the text gives"},
		"projecthoneypot_":                         {5, "honeypot", "connection/scraping", "listed by Project Honey Pot"},
		"shadowserver_2015-01-01-dns_openresolver": {5, "shadowserver", "vulnerability/open-service", `column "ip"`},
		"shadowserver_2015-01-01-sinkhole":         {8, "shadowserver", "connection/infected-host", `column "ip"`},
		"shadowserver_2019-10-15-scan_http":        {1, "shadowserver", "vulnerability/open-service", `column "ip"`},
		"spamexperts_":                             {1, "arf", "messaging/spam", "Source-IP"},
		"webiron_":                                 {1, "text", "", "address in the subject"},
		"arf-11":                                   {1, "arf", "messaging/spam", "first outside peer"},
		"arf-17":                                   {1, "arf", "messaging/spam", "Source-IP"},
	}
	used := map[string]bool{}
	for name, raw := range corpus(t) {
		res := report.Parse(context.Background(), message.Read(raw, message.Limits{}), report.Options{})
		for prefix, w := range wants {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			used[prefix] = true
			got := want{len(res.Reports), res.Format, "", ""}
			if len(res.Reports) > 0 {
				got.typ = res.Reports[0].Category + "/" + res.Reports[0].Type
				got.why = res.Reports[0].Why[:min(len(res.Reports[0].Why), len(w.why))]
			}
			if w.typ == "" {
				got.typ = ""
			}
			if d := cmp.Diff(w, got, cmp.AllowUnexported(want{})); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
	}
	for prefix := range wants {
		if !used[prefix] {
			t.Errorf("no mail of the corpus begins with %s", prefix)
		}
	}
}
