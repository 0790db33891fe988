package report

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"spoor/internal/message"
)

// A zoneFile answers DNS questions from memory.
type zoneFile struct {
	txt map[string][]string
	err error
	n   int
}

func (z *zoneFile) LookupTXT(_ context.Context, name string) ([]string, error) {
	z.n++
	return z.txt[strings.TrimSuffix(name, ".")], z.err
}
func (z *zoneFile) LookupMX(context.Context, string) ([]string, error) { return nil, z.err }
func (z *zoneFile) LookupAddr(context.Context, string) ([]netip.Addr, error) {
	return nil, z.err
}

const complaint = "From: Reporter <a@reporter.example>\r\nTo: abuse@example.net\r\nSubject: abuse\r\nDate: Thu, 01 Oct 2026 12:00:00 +0000\r\n\r\nSource IP: 203.0.113.7\r\n"

// signed returns a complaint signed by domain, and the zone with its key.
func signed(t *testing.T, domain string) ([]byte, *zoneFile) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = dkim.Sign(&b, strings.NewReader(complaint), &dkim.SignOptions{Domain: domain, Selector: "s", Signer: key, HeaderKeys: []string{"From", "Subject"}})
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub)
	return b.Bytes(), &zoneFile{txt: map[string][]string{"s._domainkey." + domain: {record}}}
}

func authOf(raw []byte, opt Options) Authentication {
	return Parse(context.Background(), message.Read(raw, message.Limits{}), opt).Reporter.Authenticated
}

func TestDKIM(t *testing.T) {
	raw, zone := signed(t, "reporter.example")
	sub, subZone := signed(t, "mail.reporter.example")
	foreign, foreignZone := signed(t, "other.example")
	for _, tc := range []struct {
		name string
		raw  []byte
		zone *zoneFile
		want Authentication
	}{
		{"valid", raw, zone, ByDKIM},
		{"below the domain", sub, subZone, ByDKIM},
		{"line ends changed on the way", bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), zone, ByDKIM},
		{"changed body", bytes.Replace(raw, []byte("113.7"), []byte("113.8"), 1), zone, ByNone},
		{"changed subject", bytes.Replace(raw, []byte("Subject: abuse"), []byte("Subject: a"), 1), zone, ByNone},
		{"another domain's signature", foreign, foreignZone, ByNone},
		{"no key", raw, &zoneFile{}, ByNone},
		{"DNS down", raw, &zoneFile{err: errors.New("timeout")}, ByNone},
		{"unsigned", []byte(complaint), zone, ByNone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := authOf(tc.raw, Options{Resolver: tc.zone}); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	if got := authOf(raw, Options{}); got != ByNone {
		t.Errorf("without a resolver: %s", got)
	}
}

func TestManySignaturesAreBounded(t *testing.T) {
	raw, zone := signed(t, "reporter.example")
	sig, _, _ := bytes.Cut(raw, []byte("From:"))
	zone.txt = nil
	authOf(append(bytes.Repeat(sig, 200), raw...), Options{Resolver: zone})
	if zone.n > 2*maxSignatures {
		t.Errorf("%d questions", zone.n)
	}
}

func TestSPF(t *testing.T) {
	zone := &zoneFile{txt: map[string][]string{"reporter.example": {"v=spf1 ip4:198.51.100.0/24 -all"}}}
	for _, tc := range []struct {
		name, from, peer string
		want             Authentication
	}{
		{"permitted", "bounce@reporter.example", "198.51.100.9", BySPF},
		{"not permitted", "bounce@reporter.example", "203.0.113.9", ByNone},
		{"another domain", "bounce@other.example", "198.51.100.9", ByNone},
		{"empty return path", "", "198.51.100.9", ByNone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opt := Options{Resolver: zone, Envelope: Envelope{Peer: netip.MustParseAddr(tc.peer), Helo: "h.reporter.example", From: tc.from}}
			if got := authOf([]byte(complaint), opt); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestOwnResults(t *testing.T) {
	const ours = "Received: from x by mx.example.net; Thu, 01 Oct 2026 12:00:00 +0000\r\n"
	const foreign = "Received: from x by mx.other.example; Thu, 01 Oct 2026 12:00:00 +0000\r\n"
	pass := "Authentication-Results: mx.example.net; dkim=pass header.d=reporter.example\r\n"
	for _, tc := range []struct {
		name, head string
		want       Authentication
	}{
		{"above our line", pass + ours, ByDKIM},
		{"below our line", ours + pass, ByDKIM},
		{"below a stranger's line", foreign + pass, ByNone},
		{"another server's name", "Authentication-Results: mx.evil.example; dkim=pass header.d=reporter.example\r\n" + ours, ByNone},
		{"another domain", "Authentication-Results: mx.example.net; dkim=pass header.d=evil.example\r\n" + ours, ByNone},
		{"fail", "Authentication-Results: mx.example.net; dkim=fail header.d=reporter.example\r\n" + ours, ByNone},
		{"spf", "Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=b@reporter.example\r\n" + ours, BySPF},
		{"forged below ours", "Authentication-Results: mx.example.net; dkim=none\r\n" + ours + pass, ByNone},
		{"nonsense", "Authentication-Results: ;;;=\r\n" + ours, ByNone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := authOf([]byte(tc.head+complaint), Options{Hosts: []string{"example.net"}, AuthservIDs: []string{"mx.example.net"}}); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestOwnResultsNeedConfiguration(t *testing.T) {
	head := "Authentication-Results: mx.example.net; dkim=pass header.d=reporter.example\r\nReceived: from x by mx.example.net; Thu, 01 Oct 2026 12:00:00 +0000\r\n"
	if got := authOf([]byte(head+complaint), Options{Hosts: []string{"example.net"}}); got != ByNone {
		t.Errorf("a host that may not strip foreign results is believed: %s", got)
	}
}
