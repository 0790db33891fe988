package notify

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/emersion/go-msgauth/dkim"
)

// A DKIM signs our mails (RFC 6376).
type DKIM struct{ options dkim.SignOptions }

// NewDKIM reads a private key in PEM, PKCS #8 or PKCS #1, RSA or Ed25519.
func NewDKIM(domain, selector string, key []byte) (*DKIM, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errors.New("dkim: the file holds no PEM key")
	}
	signer, err := parseKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("dkim: %w", err)
	}
	return &DKIM{dkim.SignOptions{
		Domain: domain, Selector: selector, Signer: signer,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: []string{"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "References", "In-Reply-To", "MIME-Version",
			"Content-Type", "Auto-Submitted", "Precedence"},
	}}, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("a key of type %T cannot sign mail", key)
}

// Sign returns the mail with its signature.
func (d *DKIM) Sign(mail []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := dkim.Sign(&b, bytes.NewReader(mail), &d.options); err != nil {
		return nil, fmt.Errorf("dkim: %w", err)
	}
	return b.Bytes(), nil
}
