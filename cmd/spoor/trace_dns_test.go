package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoor/internal/peers"
	"spoor/internal/trace"
)

// dnsZones are what the name server of this test knows of example.com.
var dnsZones = map[string]string{
	"example.com": `$ORIGIN example.com.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 mail
@ TXT "v=spf1 mx -all"
ns A 127.0.0.1
mail A 192.0.2.10
`,
	"2.0.192.in-addr.arpa": `$ORIGIN 2.0.192.in-addr.arpa.
$TTL 60
@ SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
@ NS ns.example.com.
10 PTR mail.example.com.
`,
}

// spoor trace --dns asks the name server that it is told, and nobody without it.
func TestTraceDNS(t *testing.T) {
	server := peers.NewNSD(t, dnsZones).String()
	dir := t.TempDir()
	mail, cfg := filepath.Join(dir, "mail.eml"), filepath.Join(dir, "spoor.toml")
	for name, text := range map[string]string{
		cfg: "[store]\ndir = \"" + dir + "/store\"\n[site]\nhosts = [\"example.net\"]\n",
		mail: "Received: from mail.example.com (mail.example.com [192.0.2.10]) by mx.example.net (Postfix) with ESMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200\n" +
			"From: anna@example.com\nTo: user@example.net\nDate: Mon, 5 Oct 2026 10:11:10 +0200\nMessage-ID: <1@gone.example.com>\n\nbody\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := func(args ...string) (explained []string, origin string) {
		t.Helper()
		var out, errw bytes.Buffer
		args = append([]string{"--config", cfg, "trace", "--json"}, append(args, mail)...)
		if code := run(t.Context(), args, nil, &out, &errw); code != 0 {
			t.Fatalf("%v: exit %d, %s", args, code, &errw)
		}
		var r trace.Result
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			if strings.HasPrefix(f.Code, "dns-") {
				explained = append(explained, f.Explain)
			}
		}
		return explained, r.Origin.IP.String()
	}
	want := []string{
		"the HELO name mail.example.com leads to 192.0.2.10",
		"192.0.2.10 is called mail.example.com, and that leads back to it",
		"Message-ID's domain gone.example.com has neither MX nor address: it does not exist or takes no mail",
		"From's domain example.com exists and takes mail",
		"192.0.2.10 is a mail host of example.com",
	}
	got, origin := said("--dns", "--dns-server", server, "--dns-timeout", "20s")
	if strings.Join(got, "\n") != strings.Join(want, "\n") || origin != "192.0.2.10" {
		t.Errorf("--dns says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, _ = said("--dns-server", server); len(got) != 0 {
		t.Errorf("without --dns: %q", got)
	}
	// A server that is not there costs an answer, never the trace.
	got, origin = said("--dns", "--dns-server", "127.0.0.1:1", "--dns-timeout", "50ms")
	if len(got) == 0 || !strings.Contains(got[0], "could not be found out") || origin != "192.0.2.10" {
		t.Errorf("without a server: %q, origin %s", got, origin)
	}
}
