package incident

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// An Entry is one thing that was done, by whom and why. Comments live here and nowhere else: no notice is
// composed from history.
type Entry struct {
	Incident ID        `json:"incident,omitempty"`
	At       time.Time `json:"at"`
	Who      string    `json:"who"`
	Action   string    `json:"action"`
	Why      string    `json:"why,omitempty"`
}

// A Sealed is an Entry in the append-only chain. The chain runs over Digest, which is salted, so that Payload
// and Salt can be erased later without breaking it, and without anybody being able to guess what stood there.
type Sealed struct {
	Seq     uint64          `json:"seq"`
	Prev    []byte          `json:"prev"` // Hash of the entry before
	Digest  []byte          `json:"digest"`
	Hash    []byte          `json:"hash"`
	Salt    []byte          `json:"salt,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// SaltSize is the length of an entry's salt in bytes.
const SaltSize = 16

// ErrHistory means that the history was altered.
var ErrHistory = errors.New("incident: history was altered")

// Seal puts e at the end of the chain whose last entry is prev (nil for the first).
func Seal(prev *Sealed, e Entry, salt []byte) (Sealed, error) {
	payload, err := json.Marshal(e)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal history: %w", err)
	}
	s := Sealed{Seq: 1, Salt: salt, Payload: payload}
	if prev != nil {
		s.Seq, s.Prev = prev.Seq+1, prev.Hash
	}
	s.Digest = digest(salt, payload)
	s.Hash = link(s)
	return s, nil
}

func digest(salt, payload []byte) []byte {
	sum := sha256.Sum256(append(append(make([]byte, 0, len(salt)+len(payload)), salt...), payload...))
	return sum[:]
}

func link(s Sealed) []byte {
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], s.Seq)
	h := sha256.New()
	h.Write(seq[:])
	h.Write(s.Prev)
	h.Write(s.Digest)
	return h.Sum(nil)
}

// Entry returns what s says; ok is false once it has been erased.
func (s Sealed) Entry() (e Entry, ok bool) {
	return e, len(s.Payload) > 0 && json.Unmarshal(s.Payload, &e) == nil
}

// Erase returns s without its payload and salt; the chain stays whole.
func (s Sealed) Erase() Sealed {
	s.Payload, s.Salt = nil, nil
	return s
}

// Follows checks that s is whole and comes right after prev (nil: s is the first).
func (s Sealed) Follows(prev *Sealed) error {
	seq, hash := uint64(1), []byte(nil)
	if prev != nil {
		seq, hash = prev.Seq+1, prev.Hash
	}
	switch {
	case s.Seq != seq:
		return fmt.Errorf("%w: entry %d stands where %d belongs", ErrHistory, s.Seq, seq)
	case subtle.ConstantTimeCompare(s.Prev, hash) != 1:
		return fmt.Errorf("%w: entry %d does not follow on the one before", ErrHistory, s.Seq)
	case subtle.ConstantTimeCompare(s.Hash, link(s)) != 1:
		return fmt.Errorf("%w: entry %d has a wrong hash", ErrHistory, s.Seq)
	case len(s.Payload) > 0 && subtle.ConstantTimeCompare(s.Digest, digest(s.Salt, s.Payload)) != 1:
		return fmt.Errorf("%w: entry %d does not say what was sealed", ErrHistory, s.Seq)
	}
	return nil
}
