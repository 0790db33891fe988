package trace

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/internal/message"
	"spoor/internal/peers"
)

// arcSigner seals what it reads with SpamAssassin's own ARC library.
const arcSigner = `use Mail::DKIM::ARC::Signer;
my ($domain, $chain, $key) = @ARGV;
my $s = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $chain, Domain => $domain, SrvId => $domain, Selector => 'arc', KeyFile => $key);
my @lines = <STDIN>;
for (@lines) { s/\r?\n$//; $s->PRINT("$_\015\012"); }
$s->CLOSE;
die $s->{result} . ' ' . $s->{details} unless $s->{result} eq 'sealed';
print "$_\n" for $s->as_strings;
print "$_\n" for @lines;
`

// A sealer is a key pair with the signer.
type sealer struct {
	keyFile string
	record  string // the public key as the DNS holds it
}

func newSealer(t *testing.T) *sealer {
	t.Helper()
	peers.Need(t, "dkimproxy-sign") // comes with Mail::DKIM
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &sealer{keyFile: filepath.Join(t.TempDir(), "key.pem")}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(s.keyFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	s.record = `TXT "` + text[:200] + `" "` + text[200:] + `"`
	return s
}

func (s *sealer) seal(t *testing.T, domain, chain, mail string) string {
	t.Helper()
	cmd := exec.Command("perl", "-e", arcSigner, domain, chain, s.keyFile)
	cmd.Stdin = strings.NewReader(mail)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sealing: %v %s", err, err.(*exec.ExitError).Stderr)
	}
	return string(out)
}

// A chain that two forwarders sealed verifies by their keys, and what was
// changed on the way is told.
func TestARCChain(t *testing.T) {
	s := newSealer(t)
	v := &Resolver{DNS: NewLookup(nameServer(t, "arc._domainkey.one "+s.record, "arc._domainkey.two "+s.record)), Timeout: time.Minute}
	one := s.seal(t, "one.example", "none", `Authentication-Results: one.example; spf=pass smtp.mailfrom=anna@good.example
Received: from mail.good.example (mail.good.example [192.0.2.10]) by mx.one.example (Postfix) with ESMTP id A1; Mon, 5 Oct 2026 10:11:12 +0200
From: anna@good.example
To: bob@one.example
Subject: =?utf-8?q?hello?=
  folded
Date: Mon, 5 Oct 2026 10:11:10 +0200
Message-ID: <1@good.example>

hello  there	 
 twice

`)
	two := "Received: from out.two.example (out.two.example [198.51.100.30]) by mx.example.net (Postfix) with ESMTP id A3; Mon, 5 Oct 2026 10:11:16 +0200\n" +
		s.seal(t, "two.example", "pass", "Authentication-Results: two.example; arc=pass\n"+
			"Received: from out.one.example (out.one.example [198.51.100.20]) by mx.two.example (Postfix) with ESMTP id A2; Mon, 5 Oct 2026 10:11:14 +0200\n"+one)
	gone := s.seal(t, "gone.example", "none", "Authentication-Results: gone.example; spf=none\nFrom: a@good.example\n\nhello\n")
	cut := func(mail, field string) string { // the newest field of that name
		i := strings.Index(mail, field)
		return mail[:i] + mail[i+strings.IndexByte(mail[i:], '\n')+1:]
	}
	for _, tc := range []struct {
		name, mail, want string
		strength         Strength
	}{
		{"as it was sealed", two, "the ARC chain verifies; two.example sealed it last", Note},
		{"with the line ends of the wire", strings.ReplaceAll(two, "\n", "\r\n"), "the ARC chain verifies; two.example sealed it last", Note},
		{"one set", one, "the ARC chain verifies; one.example sealed it last", Note},
		{"refolded", strings.Replace(two, "to:subject", "to:\n\tsubject", 1), "the signature is wrong (signature of instance 2)", Weak},
		{"another body", strings.Replace(two, "twice", "thrice", 1), "the body was changed (signature of instance 2)", Weak},
		{"another subject", strings.Replace(two, "folded", "forged", 1), "the signature is wrong (signature of instance 2)", Weak},
		{"the first results changed", strings.Replace(two, "i=1; one.example; spf=pass", "i=1; one.example; spf=fail", 1), "the signature is wrong (seal of instance 2)", Weak},
		{"a seal missing", strings.Replace(cut(one, "ARC-Seal:"), "From:", "ARC-Seal: x\nFrom:", 1), "no instance between 1 and 50", Weak},
		{"results missing", cut(one, "ARC-Authentication-Results:"), "the set of instance 1 is not whole", Weak},
		{"the first set cut off", strings.Replace(cut(cut(cut(one, "ARC-Seal:"), "ARC-Message-Signature:"), "ARC-Authentication-Results:"), "From:", "ARC-Seal: i=2; cv=pass; d=one.example; s=arc; b=AA\nFrom:", 1), "the set of instance 1 is not whole", Weak},
		{"twice the same", strings.Replace(one, "From:", "ARC-Seal: i=1; cv=none; d=one.example; s=arc; b=AA\nFrom:", 1), "instance 1 has two fields", Weak},
		{"broken before", strings.Replace(one, "cv=none", "cv=fail", 1), "the seal of instance 1 says cv=fail", Weak},
		{"a key that is gone", gone, "could not be found out: arc._domainkey.gone.example holds none", Note},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := message.Read([]byte(tc.mail), message.DefaultLimits())
			r := NewTracer(Options{Hosts: []string{"example.net"}}).TraceMessage(m)
			v.CheckMessage(t.Context(), &r, m)
			f := finding(t, &r, "dns-arc")
			if !strings.Contains(f.Explain, tc.want) || f.Strength != tc.strength {
				t.Errorf("%s %q, want %s %q", f.Strength, f.Explain, tc.strength, tc.want)
			}
			verified := strings.HasPrefix(f.Explain, "the ARC chain verifies")
			for _, f := range r.Findings {
				if f.Code == "arc-unproven" && verified {
					t.Error("a chain that verifies is called unproven")
				}
			}
			if len(r.Sources) > 0 && r.Sources[0].IP.String() == "198.51.100.30" && (r.Sources[0].Role == SourceForwarder) != verified {
				t.Errorf("role %s", r.Sources[0].Role)
			}
		})
	}
}

// The forms of RFC 6376 §3.4.
func TestCanonicalForms(t *testing.T) {
	if got := string(relaxedField(nil, []byte("Sub ject : a\t\r\n\tb  \r\n"))); got != "sub ject:a b" {
		t.Errorf("%q", got)
	}
	if got := string(canonicalField(nil, []byte("Subject: a\n\tb \n"), false)); got != "Subject: a\r\n\tb " {
		t.Errorf("%q", got)
	}
	for in, want := range map[string]string{"a \t b \r\n\r\n": "a b\r\n\r\n", " a\r\n \r\nb": " a\r\n\r\nb"} {
		if got := string(relaxedBody([]byte(in))); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	const empty, oneLine = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
	if got := bodyHash(nil, true, ""); got != empty { // RFC 6376 §3.4.4
		t.Error(got)
	}
	if got := bodyHash([]byte("\r\n\r\n"), false, ""); got != oneLine { // §3.4.3
		t.Error(got)
	}
	if got, want := bodyHash([]byte("abc\n"), false, "2"), bodyHash([]byte("ab"), true, "2"); got != want {
		t.Error("a length limit does not limit")
	}
	if got := string(withoutSignature([]byte("ARC-Seal: i=1; bh=xx; b=yy\r\n zz; t=1"))); got != "ARC-Seal: i=1; bh=xx; b=; t=1" {
		t.Errorf("%q", got)
	}
}

// A heldKey is a DNS that holds one key for every name.
type heldKey struct {
	Lookup
	text string
}

func (k heldKey) LookupTXT(context.Context, string) ([]string, error) { return []string{k.text}, nil }

// Whatever chain and key there are, they are read within bounds.
func FuzzARC(f *testing.F) {
	f.Add("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=one.example; s=arc; b=AbCd\nARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/simple; d=one.example; s=arc; h=from:to; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AbCd\n"+
		"ARC-Authentication-Results: i=1; one.example; spf=pass\nFrom: a@example.com\n\n", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	f.Add("ARC-Seal: i=51\n\n", "p=")
	f.Add("ARC-Seal: i=2; b=;;=;b\nARC-Seal: i=1\n\nx", "k=rsa; p=AAAA")
	f.Fuzz(func(t *testing.T, mail, key string) {
		m := message.Read([]byte(mail), message.DefaultLimits())
		sets, err := arcChain(m.Header)
		if len(sets) > maxARCSets {
			t.Errorf("%d sets", len(sets))
		}
		v := &Resolver{DNS: heldKey{text: key}}
		if err == nil && v.verifyChain(t.Context(), sets, m) == nil && !strings.Contains(key, "p=") {
			t.Error("a chain verifies without a key")
		}
	})
}
