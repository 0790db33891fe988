package intake

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// A packing is how a record's message is compressed, and the first byte of its head; the envelope as JSON follows.
type packing byte

const (
	packedZstd packing = 1
	packedS2   packing = 2 // a third of the work, and a third more bytes: for mails that come in a crowd
)

var errVersion = errors.New("intake: the spool's record is of a later version of spoor")

// A codec turns mails into the spool's records and back. It is safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
	max int64 // bytes of a message
}

func newCodec(maxMail int64) (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(uint64(maxMail)))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &codec{enc, dec, maxMail}, nil
}

func (c *codec) close() {
	c.enc.Close()
	c.dec.Close()
}

// record is the envelope as it is kept: with the hash as text, which JSON would write as a list of numbers.
type record struct {
	*Envelope
	Hash string `json:"sha256"`
}

// encode appends a mail's record to dst. The first bytes of it are the head.
func (c *codec) encode(dst []byte, m Mail, p packing) (rec []byte, head int, err error) {
	env := m.Envelope
	text, err := json.Marshal(record{&env, hex.EncodeToString(env.SHA256[:])})
	if err != nil {
		return nil, 0, fmt.Errorf("encode envelope: %w", err)
	}
	before := len(dst)
	dst = append(append(dst, byte(p)), text...)
	head = len(dst) - before
	if p == packedZstd {
		return c.enc.EncodeAll(m.Raw, dst), head, nil
	}
	most := s2.MaxEncodedLen(len(m.Raw))
	if most < 0 {
		return nil, 0, fmt.Errorf("compress message: %w", s2.ErrTooLarge)
	}
	dst = slices.Grow(dst, most)
	packed := s2.Encode(dst[len(dst):cap(dst)], m.Raw)
	return dst[:len(dst)+len(packed)], head, nil
}

func (c *codec) unpack(p packing, body []byte) ([]byte, error) {
	if p == packedZstd {
		return c.dec.DecodeAll(body, nil)
	}
	if n, err := s2.DecodedLen(body); err != nil || int64(n) > c.max {
		return nil, errors.Join(fmt.Errorf("it would have %d bytes", n), err)
	}
	return s2.Decode(nil, body)
}

func (c *codec) envelope(head []byte) (Envelope, error) {
	if len(head) == 0 || packing(head[0]) != packedZstd && packing(head[0]) != packedS2 {
		return Envelope{}, errVersion
	}
	var env Envelope
	rec := record{Envelope: &env}
	if err := json.Unmarshal(head[1:], &rec); err != nil {
		return Envelope{}, fmt.Errorf("decode envelope: %w", err)
	}
	if n, err := hex.Decode(env.SHA256[:], []byte(rec.Hash)); err != nil || n != len(env.SHA256) {
		return Envelope{}, fmt.Errorf("decode envelope: %q is no SHA-256", rec.Hash)
	}
	return env, nil
}

func (c *codec) decode(head, body []byte) (Mail, error) {
	env, err := c.envelope(head)
	if err != nil {
		return Mail{}, err
	}
	raw, err := c.unpack(packing(head[0]), body)
	if err != nil {
		return Mail{}, fmt.Errorf("decompress message: %w", err)
	}
	if env.Stamp < 0 || env.Stamp > len(raw) {
		return Mail{}, fmt.Errorf("decode envelope: a stamp of %d bytes before %d", env.Stamp, len(raw))
	}
	return Mail{Envelope: env, Raw: raw}, nil
}
