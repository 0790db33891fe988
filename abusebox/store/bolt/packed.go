package bolt

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// packedMark begins a packed mail: no mail begins with it. Mails that version 1 kept are plain.
const packedMark = 0

// maxUnpacked bounds what a packed mail becomes, in bytes.
const maxUnpacked = 256 << 20

// A packer makes composed mails small. Several then share a page of the file, where each needed two.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &packer{enc, dec}, nil
}

func (p *packer) pack(mail []byte) []byte {
	return p.enc.EncodeAll(mail, []byte{packedMark})
}

// unpack returns a copy of the mail that was kept.
func (p *packer) unpack(kept []byte) ([]byte, error) {
	if len(kept) == 0 || kept[0] != packedMark {
		return bytes.Clone(kept), nil
	}
	mail, err := p.dec.DecodeAll(kept[1:], []byte{})
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return mail, nil
}

func (p *packer) close() {
	p.enc.Close()
	p.dec.Close()
}
