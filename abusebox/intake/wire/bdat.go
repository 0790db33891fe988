package wire

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// A chunk is where the BDAT of a mail stands (RFC 3030). go-smtp sees the whole as one DATA: its own BDAT takes a cut-off
// chunk for a whole mail, and answers a mail with what became of one that was broken off before.
type chunk struct {
	on   bool  // the body comes in chunks
	left int64 // bytes of this one
	last bool  // none follows
}

// ErrReset says that the client broke a mail off between two chunks.
var ErrReset = errors.New("wire: the client broke the mail off")

// beginChunk reads a BDAT line. After a malformed one nobody could tell where the next command begins.
func (c *Conn) beginChunk(line []byte) error {
	args := strings.Fields(argOf(line))
	if len(line) < 6 || line[4] != ' ' || len(args) == 0 || len(args) > 2 || len(args) == 2 && !strings.EqualFold(args[1], "LAST") {
		return errChunk
	}
	size, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return errChunk
	}
	c.chunk.left, c.chunk.last = int64(size), len(args) == 2
	return nil
}

// skipChunk passes over a chunk that go-smtp did not want: it follows its command, refused or not.
func (c *Conn) skipChunk() error {
	if c.chunk.left == 0 {
		return nil
	}
	scratch := make([]byte, 4<<10)
	for c.chunk.left > 0 {
		if _, err := c.readChunk(scratch); err != nil {
			return io.EOF
		}
	}
	return nil
}

func (c *Conn) readChunk(p []byte) (int, error) {
	if err := c.await(); err != nil {
		c.fail(err)
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.chunk.left)])
	c.chunk.left -= int64(n)
	return n, err
}

// readChunks reads the body through all chunks; the replies between them are ours.
func (c *Conn) readChunks(p []byte) (int, error) {
	for c.chunk.left == 0 {
		if c.chunk.last {
			c.set(bodyEnd)
			return 0, io.EOF
		}
		if err := c.say("250 2.0.0 Continue"); err != nil {
			c.fail(err)
			return 0, io.ErrUnexpectedEOF
		}
		if err := c.nextChunk(); err != nil {
			return 0, err
		}
	}
	return c.readChunk(p)
}

// nextChunk waits for the next BDAT. A command that ends the mail is kept for go-smtp, and what that says of the mail is
// not for the client, who expects the command's reply alone.
func (c *Conn) nextChunk() error {
	for {
		line, err := c.readLine()
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		switch verb := verbOf(line); verb {
		case "BDAT":
			if err := c.beginChunk(line); err != nil {
				c.fail(err)
				return io.ErrUnexpectedEOF
			}
			return nil
		case "RSET", "QUIT", "EHLO", "LHLO", "HELO":
			c.set(bodyEnd)
			c.mu.Lock()
			c.mute = true
			c.mu.Unlock()
			c.queued = line
			return ErrReset
		case "NOOP":
			err = c.say("250 2.0.0 OK")
		default:
			err = c.say("503 5.5.1 A mail is under way by BDAT")
		}
		if err != nil {
			c.fail(err)
			return io.ErrUnexpectedEOF
		}
	}
}
