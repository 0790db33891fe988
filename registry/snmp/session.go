package snmp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosnmp/gosnmp"

	"spoor/registry"
)

// Secrets finds the communities and passphrases that a RouterConfig names.
type Secrets struct {
	Dir    string                      // relative file names begin here
	Getenv func(string) (string, bool) // nil: os.LookupEnv
}

// read returns the first line of a file, or an environment variable. What it holds is
// never part of an error.
func (s Secrets) read(what, file, env string) (string, error) {
	if env != "" {
		lookup := s.Getenv
		if lookup == nil {
			lookup = os.LookupEnv
		}
		value, ok := lookup(env)
		if !ok || value == "" {
			return "", fmt.Errorf("%s: environment variable %s is not set", what, env)
		}
		return value, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.Dir, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("%s: the first line of %s is empty", what, file)
	}
	return line, nil
}

// dial opens a session with a router for one context. One session serves one goroutine.
func (p *Poller) dial(ctx context.Context, c registry.RouterConfig, vrf string) (*gosnmp.GoSNMP, error) {
	g := &gosnmp.GoSNMP{
		Target: c.Address, Port: c.Port, Transport: "udp", Context: ctx, Timeout: c.RequestTimeout.Std(), Retries: c.Retries,
		MaxOids: 60, MaxRepetitions: uint32(c.Repetitions),
	}
	var err error
	if c.Version == "3" {
		err = p.userSecurity(g, c, vrf)
	} else {
		g.Version = gosnmp.Version2c
		g.Community, err = p.secrets.read("community", c.CommunityFile, c.CommunityEnv)
		if vrf != "" {
			g.Community += "@" + vrf
		}
	}
	if err != nil {
		return nil, err
	}
	if err := p.connect(g); err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.Address, err)
	}
	return g, nil
}

// userSecurity sets up the user-based security model (RFC 3414) with the hashes of
// RFC 7860 and AES as in RFC 3826 and its longer keys.
func (p *Poller) userSecurity(g *gosnmp.GoSNMP, c registry.RouterConfig, vrf string) error {
	g.Version, g.SecurityModel, g.ContextName = gosnmp.Version3, gosnmp.UserSecurityModel, vrf
	g.MsgFlags = gosnmp.NoAuthNoPriv
	usm := &gosnmp.UsmSecurityParameters{UserName: c.User}
	g.SecurityParameters = usm
	if c.Auth == "" {
		return nil
	}
	auth := map[string]gosnmp.SnmpV3AuthProtocol{"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA-224": gosnmp.SHA224,
		"SHA-256": gosnmp.SHA256, "SHA-384": gosnmp.SHA384, "SHA-512": gosnmp.SHA512}
	priv := map[string]gosnmp.SnmpV3PrivProtocol{"DES": gosnmp.DES, "AES": gosnmp.AES, "AES-192": gosnmp.AES192,
		"AES-256": gosnmp.AES256, "AES-192C": gosnmp.AES192C, "AES-256C": gosnmp.AES256C}
	var err error
	usm.AuthenticationProtocol = auth[c.Auth]
	if usm.AuthenticationPassphrase, err = p.secrets.read("auth", c.AuthFile, c.AuthEnv); err != nil {
		return err
	}
	g.MsgFlags = gosnmp.AuthNoPriv
	if c.Priv == "" {
		return nil
	}
	usm.PrivacyProtocol = priv[c.Priv]
	if usm.PrivacyPassphrase, err = p.secrets.read("priv", c.PrivFile, c.PrivEnv); err != nil {
		return err
	}
	g.MsgFlags = gosnmp.AuthPriv
	return nil
}

// explain turns the library's errors into words with a hint.
func explain(err error) error {
	hints := []struct {
		is   error
		hint string
	}{
		{gosnmp.ErrUnknownUsername, "check user"},
		{gosnmp.ErrWrongDigest, "check auth and its passphrase"},
		{gosnmp.ErrDecryption, "check priv and its passphrase"},
		{gosnmp.ErrUnknownSecurityLevel, "the user may not use this security level: check auth and priv"},
		{gosnmp.ErrMaxRetriesExceeded, "no answer: check address, port, community and the router's access list"},
	}
	for _, h := range hints {
		if errors.Is(err, h.is) {
			return fmt.Errorf("%w (%s)", err, h.hint)
		}
	}
	if strings.Contains(err.Error(), "not authentic") { // the library has no value for it
		return fmt.Errorf("%w (check auth and its passphrase)", err)
	}
	return err
}
