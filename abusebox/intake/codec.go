package intake

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// headVersion is the version of the spool's records. A record is: the version, the envelope as JSON; the message as zstd.
const headVersion = 1

var errVersion = errors.New("intake: the spool's record is of a later version of spoor")

// A codec turns mails into the spool's records and back. It is safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
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
	return &codec{enc, dec}, nil
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

func (c *codec) encode(m Mail) (head, body []byte, err error) {
	env := m.Envelope
	head, err = json.Marshal(record{&env, hex.EncodeToString(env.SHA256[:])})
	if err != nil {
		return nil, nil, fmt.Errorf("encode envelope: %w", err)
	}
	return append([]byte{headVersion}, head...), c.enc.EncodeAll(m.Raw, make([]byte, 0, len(m.Raw)/2+64)), nil
}

func (c *codec) envelope(head []byte) (Envelope, error) {
	if len(head) == 0 || head[0] != headVersion {
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
	raw, err := c.dec.DecodeAll(body, nil)
	if err != nil {
		return Mail{}, fmt.Errorf("decompress message: %w", err)
	}
	if env.Stamp < 0 || env.Stamp > len(raw) {
		return Mail{}, fmt.Errorf("decode envelope: a stamp of %d bytes before %d", env.Stamp, len(raw))
	}
	return Mail{Envelope: env, Raw: raw}, nil
}
