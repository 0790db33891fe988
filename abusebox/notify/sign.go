package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"spoor/abusebox/incident"
)

// A Signer makes addresses and Message-IDs that only we can make, so that strangers can neither answer for a
// contact nor report its mail as bounced.
type Signer struct {
	key  []byte
	from string // abuse@example.net
}

// NewSigner signs with a secret of at least 16 bytes.
func NewSigner(secret []byte, from string) (*Signer, error) {
	if len(secret) < 16 {
		return nil, fmt.Errorf("signer: the secret has %d bytes, and needs 16", len(secret))
	}
	if at := strings.LastIndexByte(from, '@'); at < 1 || at == len(from)-1 {
		return nil, fmt.Errorf("signer: %q is no mail address", from)
	}
	return &Signer{key: secret, from: from}, nil
}

// A Tag is what a plus-address says: an answer about an incident, or a delivery report about a task.
type Tag struct {
	Bounce   bool
	Incident incident.ID
	Task     uint64
}

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// sum is 80 bits of a keyed hash: guessing it takes longer than any mailbox lives.
func (s *Signer) sum(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return lower32.EncodeToString(mac.Sum(nil)[:10])
}

// Seal turns the hash of some evidence into what may be shown of it: a hash of text that hides an address would tell the
// address to whoever tries them all, a keyed one tells nothing, and we can still show later what was sealed.
func (s *Signer) Seal(hash string) string {
	if hash == "" {
		return ""
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("evidence " + hash))
	return hex.EncodeToString(mac.Sum(nil))
}

// Address is the address that bears the tag: abuse+s1042-17-signature@example.net (RFC 5233 subaddress).
func (s *Signer) Address(t Tag) string {
	local, domain, _ := strings.Cut(s.from, "@")
	tag := "s"
	if t.Bounce {
		tag = "b"
	}
	tag += strconv.FormatUint(uint64(t.Incident), 10) + "-" + strconv.FormatUint(t.Task, 10)
	return local + "+" + tag + "-" + s.sum(tag) + "@" + domain
}

// Read returns what an address says, if it is ours and its signature holds. Case is ignored: some servers change it.
func (s *Signer) Read(address string) (Tag, bool) {
	local, domain, _ := strings.Cut(s.from, "@")
	address = strings.ToLower(address)
	rest, ok := strings.CutPrefix(address, strings.ToLower(local)+"+")
	if !ok {
		return Tag{}, false
	}
	if rest, ok = strings.CutSuffix(rest, "@"+strings.ToLower(domain)); !ok || len(rest) < 4 {
		return Tag{}, false
	}
	at := strings.LastIndexByte(rest, '-')
	if at < 0 || !hmac.Equal([]byte(rest[at+1:]), []byte(s.sum(rest[:at]))) {
		return Tag{}, false
	}
	id, task, ok := strings.Cut(rest[1:at], "-")
	if !ok {
		return Tag{}, false
	}
	i, err1 := strconv.ParseUint(id, 10, 64)
	n, err2 := strconv.ParseUint(task, 10, 64)
	return Tag{Bounce: rest[0] == 'b', Incident: incident.ID(i), Task: n}, err1 == nil && err2 == nil && (rest[0] == 'b' || rest[0] == 's')
}

// MessageID is the same for every attempt at a task, and for no other one.
func (s *Signer) MessageID(task uint64) string {
	_, domain, _ := strings.Cut(s.from, "@")
	name := "task-" + strconv.FormatUint(task, 10)
	return "<spoor." + name + "." + s.sum(name)[:10] + "@" + domain + ">"
}
