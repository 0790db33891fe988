package report

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"spoor/internal/peers"
)

// nameServer runs nsd on loopback with the zone example, and returns a
// resolver that asks it.
func nameServer(t *testing.T, records string) Resolver {
	t.Helper()
	addr := peers.NewNSD(t, map[string]string{
		"example": "$ORIGIN example.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n" + records})
	return netResolver{&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr.String())
	}}}
}

// A netResolver asks a name server with the resolver of Go.
type netResolver struct{ r *net.Resolver }

func (n netResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return n.r.LookupTXT(ctx, name)
}

func (n netResolver) LookupMX(ctx context.Context, name string) (hosts []string, err error) {
	list, err := n.r.LookupMX(ctx, name)
	for _, mx := range list {
		hosts = append(hosts, mx.Host)
	}
	return hosts, err
}

func (n netResolver) LookupAddr(ctx context.Context, name string) ([]netip.Addr, error) {
	return n.r.LookupNetIP(ctx, "ip", name)
}

// signWith signs a mail for a domain.
func signWith(t *testing.T, mail, domain string, key crypto.Signer, expires time.Time, fields ...string) string {
	t.Helper()
	var b bytes.Buffer
	if err := dkim.Sign(&b, strings.NewReader(mail), &dkim.SignOptions{Domain: domain, Selector: "s", Signer: key, HeaderKeys: fields, Expiration: expires}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What an attacker can do with another's signature, and what a forwarder does to
// it, against a real name server.
func TestAuthenticationByDNS(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	record := "\"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub) + "\""
	dns := nameServer(t, "s._domainkey.reporter TXT "+record+"\ns._domainkey.evil TXT "+record+"\ns._domainkey.upstream TXT "+record+"\ngone._domainkey.reporter TXT \"v=DKIM1; p=\"\n"+
		"reporter TXT \"v=spf1 mx include:spf.reporter.example -all\"\nreporter MX 10 mail.reporter\nmail.reporter A 198.51.100.25\nspf.reporter TXT \"v=spf1 ip6:2001:db8:1::/48 ?all\"\n"+
		"loop TXT \"v=spf1 include:loop.example -all\"\n")
	fields := []string{"From", "Subject", "Date", "To"}
	whole := signWith(t, complaint, "reporter.example", key, time.Time{}, fields...)
	noSubject := signWith(t, complaint, "reporter.example", key, time.Time{}, "From", "Date")
	wrap := func(inner string) string {
		return "From: Desk <desk@upstream.example>\r\nTo: abuse@example.net\r\nSubject: Fwd: abuse\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + "\r\n--b--\r\n"
	}
	for _, tc := range []struct {
		name, raw string
		env       Envelope
		want      Authentication
	}{
		{"signed", whole, Envelope{}, ByDKIM},
		{"expired", signWith(t, complaint, "reporter.example", key, time.Now().Add(-time.Hour), fields...), Envelope{}, ByNone},
		{"not yet expired", signWith(t, complaint, "reporter.example", key, time.Now().Add(time.Hour), fields...), Envelope{}, ByDKIM},
		{"revoked key", strings.Replace(whole, "s=s;", "s=gone;", 1), Envelope{}, ByNone},
		{"an unrelated domain's signature", signWith(t, complaint, "evil.example", key, time.Time{}, fields...), Envelope{}, ByNone},
		{"more behind the body", whole + "Source IP: 203.0.113.99\r\n", Envelope{}, ByNone},
		{"a length that leaves the rest open", strings.Replace(whole, "DKIM-Signature: ", "DKIM-Signature: l=10; ", 1), Envelope{}, ByNone},
		{"a second subject on top", "Subject: attack from 203.0.113.99\r\n" + whole, Envelope{}, ByNone},
		{"a second author on top", "From: <b@reporter.example>\r\n" + whole, Envelope{}, ByNone},
		{"a new subject over an unsigned one", strings.Replace(noSubject, "Subject: abuse", "Subject: attack from 203.0.113.99", 1), Envelope{}, ByNone},
		{"a field that accuses", "X-Offending-IP: 203.0.113.99\r\n" + whole, Envelope{}, ByNone},
		{"his own results", "Authentication-Results: mx.example.net; dkim=pass header.d=reporter.example\r\n" + complaint, Envelope{Peer: netip.MustParseAddr("203.0.113.66")}, ByNone},
		{"forwarded whole", wrap(whole), Envelope{}, ByDKIM},
		{"forwarded whole, changed", wrap(strings.Replace(whole, "203.0.113.7", "203.0.113.8", 1)), Envelope{}, ByNone},
		{"forwarded, only the forwarder signed", signWith(t, wrap(complaint), "upstream.example", key, time.Time{}, "From", "Subject"), Envelope{}, ByNone},
		{"SPF by MX", complaint, Envelope{Peer: netip.MustParseAddr("198.51.100.25"), From: "b@reporter.example"}, BySPF},
		{"SPF by include", complaint, Envelope{Peer: netip.MustParseAddr("2001:db8:1::9"), From: "b@reporter.example"}, BySPF},
		{"SPF denies", complaint, Envelope{Peer: netip.MustParseAddr("203.0.113.66"), From: "b@reporter.example"}, ByNone},
		{"SPF of another sender", complaint, Envelope{Peer: netip.MustParseAddr("203.0.113.66"), From: "b@evil.example"}, ByNone},
		{"SPF that includes itself", strings.ReplaceAll(complaint, "reporter.example", "loop.example"), Envelope{Peer: netip.MustParseAddr("203.0.113.66"), From: "b@loop.example"}, ByNone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := authOf([]byte(tc.raw), Options{Resolver: dns, Envelope: tc.env, Hosts: []string{"example.net"}}); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
