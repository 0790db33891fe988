package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/report"
	"spoor/internal/message"
)

// relayedSpam came from a relay outside, which names whom it took it from.
const relayedSpam = `Received: from out3.isp.example (out3.isp.example [198.51.100.25])
	by mx.example.net (Postfix) with ESMTPS id A1
	for <jane.doe@example.net>; Mon, 5 Oct 2026 10:11:12 +0200
Received: from pc (unknown [203.0.113.9])
	by out3.isp.example (Postfix) with ESMTPA id A0;
	Mon, 5 Oct 2026 10:11:11 +0200
From: anna@isp.example
To: Jane Doe <jane.doe@example.net>
Subject: Buy now, Jane
Date: Mon, 5 Oct 2026 10:11:10 +0200
Message-ID: <1@isp.example>

From here on it is a body.
`

// outsideRegistry answers RDAP questions about the two networks of relayedSpam.
func outsideRegistry(t *testing.T) *httptest.Server {
	t.Helper()
	contacts := map[string]string{"198.51.100.25": "abuse@isp.example", "203.0.113.9": "abuse@dialup.example"}
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".json") {
			fmt.Fprintf(w, `{"services":[[["198.0.0.0/8","203.0.0.0/8"],["%s/"]]]}`, s.URL)
			return
		}
		ip := strings.TrimPrefix(r.URL.Path, "/ip/")
		net := ip[:strings.LastIndexByte(ip, '.')]
		fmt.Fprintf(w, `{"objectClassName":"ip network","startAddress":"%[1]s.0","endAddress":"%[1]s.255","name":"NET",
"cidr0_cidrs":[{"v4prefix":"%[1]s.0","length":24}],"entities":[{"roles":["abuse"],"vcardArray":["vcard",[["version",{},"text","4.0"],["email",{},"text","%[2]s"]]]}]}`,
			net, contacts[ip])
	}))
	t.Cleanup(s.Close)
	return s
}

// reportSetup writes a configuration and the mail.
func reportSetup(t *testing.T, rdap string) (config, mail string) {
	t.Helper()
	dir := t.TempDir()
	config, mail = filepath.Join(dir, "spoor.toml"), filepath.Join(dir, "spam.eml")
	text := fmt.Sprintf("[site]\nname = \"Example Network\"\nhosts = [\"example.net\"]\n[store]\ndir = %q\n[notify]\nfrom = \"abuse@example.net\"\n", filepath.Join(dir, "store"))
	if rdap != "" {
		text += fmt.Sprintf("[registry]\n[registry.outside]\nsources = [\"rdap\"]\nrdap_bootstrap = %q\n", rdap)
	}
	for path, text := range map[string]string{config: text, mail: relayedSpam} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config, mail
}

func traceDrafts(t *testing.T, out string) (drafts []traceDraft) {
	t.Helper()
	for line := range strings.Lines(out) {
		var d traceDraft
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		drafts = append(drafts, d)
	}
	return drafts
}

// TestTraceReport drafts reports to the networks of the relay and of the source that it names: each to its own contact,
// about its own address, with ARF and XARF that a desk like ours reads, without whoever received the mail; and the
// source, which only the relay vouches for, is called claimed.
func TestTraceReport(t *testing.T) {
	config, mail := reportSetup(t, outsideRegistry(t).URL)
	out, errs, code := spoor(t, config, "trace", "--report", "--json", mail)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	drafts := traceDrafts(t, out)
	if len(drafts) != 2 {
		t.Fatalf("%d drafts, want one each for relay and source:\n%s", len(drafts), out)
	}
	for n, want := range []struct {
		ip, role, to string
		proven       bool
		says         string
	}{
		{"198.51.100.25", "relay", "abuse@isp.example", true, "was handed in by 198.51.100.25"},
		{"203.0.113.9", "sender", "abuse@dialup.example", false, "Only that relay vouches"},
	} {
		d := drafts[n]
		if d.IP.String() != want.ip || d.Role != want.role || d.Proven != want.proven || d.Source != mail || d.Message != 1 || !strings.HasPrefix(d.NamedBy, "rdap") {
			t.Errorf("draft %d: %+v", n, d)
		}
		if diff := cmp.Diff([]string{want.to}, d.To); diff != "" {
			t.Errorf("draft %d goes to the wrong people: %s", n, diff)
		}
		if !strings.Contains(d.Text, want.says) || strings.Contains(d.Text, "S-0") {
			t.Errorf("draft %d says\n%s", n, d.Text)
		}
		checkReportMail(t, d, want.ip)
	}
	if drafts[0].MessageID == drafts[1].MessageID {
		t.Error("two drafts have one Message-ID")
	}
}

// checkReportMail reads a draft as the desk of its receiver would.
func checkReportMail(t *testing.T, d traceDraft, ip string) {
	t.Helper()
	m := message.Read([]byte(d.Raw), message.DefaultLimits())
	if len(m.Defects) > 0 || !strings.HasPrefix(m.Header.Get("Content-Type"), "multipart/report; report-type=feedback-report") {
		t.Errorf("%s: defects %v, %s", ip, m.Defects, m.Header.Get("Content-Type"))
	}
	for _, name := range []string{"X-Spoor-Case", "Reply-To", "References"} {
		if m.Header.Has(name) {
			t.Errorf("%s: the draft is no case of the desk and bears %s", ip, name)
		}
	}
	var text strings.Builder
	kinds := map[string]int{}
	m.Walk(func(p *message.Part) bool {
		kinds[strings.ToLower(p.MediaType)]++
		text.WriteString(p.Text())
		return true
	})
	for _, kind := range []string{"message/feedback-report", "text/rfc822-headers", "application/json"} {
		if kinds[kind] != 1 {
			t.Errorf("%s: parts %v, want one %s", ip, kinds, kind)
		}
	}
	if leak := strings.ToLower(text.String()); strings.Contains(leak, "jane") || strings.Contains(leak, "mx.example.net") {
		t.Errorf("%s: the draft tells who received the mail:\n%s", ip, text.String())
	}
	for name, raw := range map[string][]byte{"both": []byte(d.Raw), "ARF alone": bytes.ReplaceAll([]byte(d.Raw), []byte("ewogInhh"), []byte("AAAAAAAA"))} {
		got := report.Parse(context.Background(), message.Read(raw, message.DefaultLimits()), report.Options{Arrived: time.Now(), Instance: "another"})
		if len(got.Reports) != 1 || got.Reports[0].IP.String() != ip || got.Reports[0].Type != "spam" || !got.Reports[0].TimeZoneKnown ||
			!got.Reports[0].Time.Truncate(time.Minute).Equal(time.Date(2026, 10, 5, 8, 11, 0, 0, time.UTC)) {
			t.Errorf("%s, %s: a desk like ours reads %+v", ip, name, got)
		}
	}
}

// TestTraceReportTo drafts for whomever a person names: about the host that is proven, as a mbox that can be read back.
func TestTraceReportTo(t *testing.T) {
	config, mail := reportSetup(t, "")
	out, errs, code := spoor(t, config, "trace", "--report", "--to", "report@service.example", "--from", "ann@example.net", mail)
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var mails []tracedMail
	r := mailReader{emit: func(m tracedMail) error { mails = append(mails, m); return nil }}
	if err := r.stream(t.Context(), "-", strings.NewReader(out)); err != nil {
		t.Fatal(err)
	}
	if len(mails) != 1 {
		t.Fatalf("%d mails in the mbox:\n%s", len(mails), out)
	}
	m := message.Read(mails[0].raw, message.DefaultLimits())
	if m.Header.Get("To") != "<report@service.example>" || !strings.Contains(m.Header.Get("From"), "<ann@example.net>") || !strings.Contains(m.Header.Get("Subject"), "198.51.100.25") {
		t.Errorf("%s", mails[0].raw)
	}
	again, _, _ := spoor(t, config, "trace", "--report", "--json", "--to", "report@service.example", "--from", "ann@example.net", mail)
	if d := traceDrafts(t, again); len(d) != 1 || d[0].MessageID != m.Header.Get("Message-ID") {
		t.Errorf("the same draft has another Message-ID: %s", m.Header.Get("Message-ID"))
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(config), "store")); err == nil {
		t.Error("a draft makes a store")
	}
}

// TestTraceReportRefusals: what cannot be reported is said, and what is ours is never reported outside.
func TestTraceReportRefusals(t *testing.T) {
	config, mail := reportSetup(t, "")
	bare := filepath.Join(filepath.Dir(config), "bare.toml")
	own := filepath.Join(filepath.Dir(config), "own.eml")
	for path, text := range map[string]string{bare: "[site]\nhosts = [\"example.net\"]\n", own: "From: a@example.net\n\nno way\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		config string
		args   []string
		code   int
		errs   string
	}{
		{config, []string{"--report", mail}, exitUsage, "nobody is known to report to"},
		{bare, []string{"--report", "--to", "a@isp.example", mail}, exitUsage, "needs a sender"},
		{config, []string{"--to", "a@isp.example", mail}, exitUsage, "add --report"},
		{config, []string{"--report", "--summary", "--to", "a@isp.example", mail}, exitUsage, "leave one of them out"},
		{config, []string{"--report", "--to", "not an address", mail}, exitUsage, "no plain mail address"},
		{config, []string{"--report", "--to", "a@isp.example", own}, exitFailed, "no host outside to report: the trace says no_received"},
	} {
		out, errs, code := spoor(t, tc.config, append([]string{"trace"}, tc.args...)...)
		if code != tc.code || !strings.Contains(errs, tc.errs) || out != "" {
			t.Errorf("%v ends with %d, %q and %q; want %d and %q", tc.args, code, errs, out, tc.code, tc.errs)
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("[store]"), []byte("networks = [\"198.51.100.0/24\"]\n[store]"), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := spoor(t, config, "trace", "--report", "--to", "a@isp.example", mail); strings.Contains(out, "Source-IP: 198.51.100.25") {
		t.Errorf("a host of ours is reported outside: %d %s %s", code, errs, out)
	}
}
