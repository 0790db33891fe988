package intake

import (
	"context"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"golang.org/x/crypto/bcrypt"
)

// unknownUser is a hash that nobody's password has: an unknown name must cost what a known one does.
const unknownUser = "$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5iVJmHkxq2sVbI9XqIDS3tuW6QfSm"

// Users may authenticate, with bcrypt hashes of their passwords.
type users struct {
	hashes map[string]string
	turns  chan struct{} // bcrypt is costly: one at a time
}

func newUsers(list []string) users {
	u := users{map[string]string{}, make(chan struct{}, 1)}
	for _, entry := range list {
		name, hash, _ := strings.Cut(entry, ":")
		u.hashes[name] = hash
	}
	return u
}

// check says whether the password is the user's.
func (u users) check(ctx context.Context, name, password string) bool {
	hash, known := u.hashes[name]
	if !known {
		hash = unknownUser
	}
	select {
	case u.turns <- struct{}{}:
		defer func() { <-u.turns }()
	case <-ctx.Done():
		return false
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && known
}

// AuthMechanisms offers PLAIN, where there are users and nobody can listen.
func (s *session) AuthMechanisms() []string {
	if len(s.server.users.hashes) == 0 || !s.private() {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) private() bool {
	p := s.conn.Peer()
	return p.TLS != nil || !p.Addr.IsValid() || p.Addr.IsLoopback()
}

// Auth begins SMTP AUTH (RFC 4954).
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if len(s.AuthMechanisms()) == 0 {
		return nil, smtp.ErrAuthUnsupported
	}
	if mechanism != sasl.Plain {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	if s.tries++; s.tries > 3 {
		return nil, &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "Too many attempts, try again later"}
	}
	return sasl.NewPlainServer(func(identity, name, password string) error {
		if identity != "" && identity != name || !s.server.users.check(s.server.ctx, name, password) {
			s.server.metrics.refused("auth")
			s.server.deps.Logger.Warn("smtp: authentication failed", "peer", s.conn.Peer().Addr)
			return smtp.ErrAuthFailed
		}
		s.mu.Lock()
		s.user = name
		s.mu.Unlock()
		return nil
	}), nil
}
