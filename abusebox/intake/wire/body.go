package wire

import (
	"bytes"
	"io"
)

// Body returns the reader of the message, to be read instead of the one that go-smtp gives: that loses the CR of a line
// ".\rx" and overlooks the end after "\r\r\n".
func (c *Conn) Body() io.Reader { return c.bodyReader() }

func (c *Conn) bodyReader() io.Reader { return bodyReader{c} }

type bodyReader struct{ c *Conn }

// Read returns the body without its dot-stuffing (RFC 5321 §4.5.2). Its end is io.EOF; any other error is the end of the
// connection as well.
func (r bodyReader) Read(p []byte) (int, error) {
	c := r.c
	if c.current() != body {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if c.chunk.on {
		return c.readChunks(p)
	}
	for {
		if err := c.ended(); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		if err := c.await(); err != nil {
			if err = c.fail(err); err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		n, used, end := c.dot.decode(p, c.buffered())
		if _, err := c.in.Discard(used); err != nil {
			return 0, c.fail(err)
		}
		if end {
			c.set(bodyEnd)
			return n, io.EOF
		}
		if n > 0 {
			return n, nil
		}
	}
}

// A dotReader is where the decoding of a body stands.
type dotReader struct{ state dotState }

type dotState int

const (
	lineStart dotState = iota // also the start of the body
	dot                       // "." at the start of a line
	dotCR                     // ".\r" at the start of a line
	inLine
	inLineCR // "\r" in a line
)

// decode copies what src says into dst. It returns how much of each it used, and whether the body has ended.
func (d *dotReader) decode(dst, src []byte) (n, used int, end bool) {
	for used < len(src) && n < len(dst) {
		switch d.state {
		case lineStart:
			d.state = inLine
			if src[used] == '.' {
				d.state = dot
				used++
			}
		case dot:
			d.state = inLine
			if src[used] == '\r' {
				d.state = dotCR
				used++
			}
		case dotCR:
			if src[used] == '\n' {
				return n, used + 1, true
			}
			dst[n] = '\r' // the line was ".\r" and more: the CR is part of it
			n++
			d.state = inLineCR
		case inLineCR:
			d.state = inLine
			if src[used] == '\n' {
				dst[n] = '\n'
				n, used = n+1, used+1
				d.state = lineStart
			}
		default:
			moved := d.copyLine(dst[n:], src[used:])
			n, used = n+moved, used+moved
		}
	}
	return n, used, false
}

// copyLine copies up to the next CR, or what fits.
func (d *dotReader) copyLine(dst, src []byte) int {
	if i := bytes.IndexByte(src, '\r'); i >= 0 {
		src = src[:i+1]
	}
	n := copy(dst, src)
	if n > 0 && src[n-1] == '\r' {
		d.state = inLineCR
	}
	return n
}
